//! The first signal asks everything to finish what it has; the second ends it now.

use std::sync::OnceLock;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::exit::Exit;

/// How long things may take to end after the second signal: enough to kill agents and close the
/// database, not enough to be waited for.
const NOW_WITHIN: Duration = Duration::from_secs(5);

/// How a process is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Take nothing new, finish what is under way.
    pub drain: CancellationToken,
    /// End at once.
    pub now: CancellationToken,
}

/// The signal that told this process to stop.
static TOLD: OnceLock<&str> = OnceLock::new();

/// The signal that told this process to stop, if one did.
pub(crate) fn told() -> Option<&'static str> {
    TOLD.get().copied()
}

/// Starts watching for Ctrl-C and, on Unix, SIGTERM.
#[must_use]
pub fn watch() -> Stop {
    let stop = Stop::default();
    let told = stop.clone();
    tokio::spawn(async move {
        let first = signal().await;
        // Set here alone, and once.
        let _ = TOLD.set(first);
        tracing::info!(
            signal = first,
            "stopping: finishing what is under way (once more to end at once)"
        );
        told.drain.cancel();
        let second = signal().await;
        tracing::warn!(signal = second, "ending at once");
        told.now.cancel();
        clock::pause(NOW_WITHIN, &CancellationToken::new()).await;
        let (code, seconds) = (Exit::Failed.code(), NOW_WITHIN.as_secs());
        tracing::error!(
            exit.code = code,
            "leaving: not all had ended {seconds} s after the second {second}"
        );
        std::process::exit(code.into());
    });
    stop
}

/// Waits for a signal, and names it.
#[cfg(unix)]
async fn signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return ctrl_c().await;
    };
    tokio::select! {
        interrupt = ctrl_c() => interrupt,
        _ = terminate.recv() => "SIGTERM",
    }
}

#[cfg(not(unix))]
async fn signal() -> &'static str {
    ctrl_c().await
}

async fn ctrl_c() -> &'static str {
    if tokio::signal::ctrl_c().await.is_err() {
        // No handler could be installed: then the system ends the process itself.
        std::future::pending::<()>().await;
    }
    "SIGINT"
}
