//! From submit to claimed on an idle system.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::clock;
use crate::exit::{Exit, Failure};

/// Between two tasks, so that the system is idle again: longer than a life cycle takes.
const REST: Duration = Duration::from_millis(25);

/// How long a task may stay unclaimed before the run is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// The longest latency a histogram holds, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// Significant digits of the histogram.
const DIGITS: u8 = 3;

/// Files `times` tasks one after the other and measures how long until each was claimed.
pub(super) async fn measure(world: &World, times: u32) -> Result<Value, Failure> {
    let mut histogram = Histogram::<u64>::new_with_max(LONGEST_US, DIGITS)
        .map_err(|error| Failure::from_error(Exit::Failed, error))?;
    let never = CancellationToken::new();
    for _ in 0..times {
        clock::pause(REST, &never).await;
        let mut claims = world.meter.claims();
        claims.mark_unchanged();
        let began = clock::instant();
        world.file(1, &[]).await?;
        tokio::time::timeout(GIVE_UP_AFTER, claims.changed())
            .await
            .map_err(|error| Failure::from_error(Exit::Failed, error).context("no claim"))?
            .map_err(|error| Failure::from_error(Exit::Failed, error))?;
        let claimed = *claims.borrow();
        let took = claimed.map_or(LONGEST_US, |at| {
            u64::try_from(at.duration_since(began).as_micros()).unwrap_or(LONGEST_US)
        });
        histogram.saturating_record(took);
    }
    let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(json!({
        "submit_to_claimed_ms": {
            "p50": ms(0.5),
            "p90": ms(0.9),
            "p99": ms(0.99),
            "max": histogram.max() as f64 / 1000.0,
        },
        "times": times,
    }))
}
