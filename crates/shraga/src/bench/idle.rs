//! What the system costs while nothing happens.

use std::time::Duration;

use serde_json::{Value, json};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Before measuring: starting up is not idling.
const SETTLE: Duration = Duration::from_secs(2);

/// Processor time and memory of this process over `seconds` of doing nothing.
pub(super) async fn measure(seconds: u32) -> Value {
    let never = CancellationToken::new();
    clock::pause(SETTLE, &never).await;
    let before = look();
    clock::pause(Duration::from_secs(seconds.into()), &never).await;
    let after = look();
    let busy_ms = after.0.saturating_sub(before.0) as f64;
    json!({
        "cpu_percent": busy_ms / (f64::from(seconds) * 10.0),
        "rss_mb": after.1 as f64 / 1_000_000.0,
    })
}

/// Processor time so far in milliseconds, and resident memory in bytes.
fn look() -> (u64, u64) {
    let pid = Pid::from_u32(std::process::id());
    let Ok(mut system) = System::new() else {
        return (0, 0);
    };
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing().with_cpu().with_memory(),
    );
    system.process(pid).map_or((0, 0), |process| {
        (process.accumulated_cpu_time(), process.memory())
    })
}
