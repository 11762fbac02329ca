//! The first signal asks everything to finish what it has; the second ends it now.

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

/// Starts watching for Ctrl-C and, on Unix, SIGTERM.
#[must_use]
pub fn watch() -> Stop {
    let stop = Stop::default();
    let told = stop.clone();
    tokio::spawn(async move {
        signal().await;
        tracing::info!("stopping: finishing what is under way (once more to end at once)");
        told.drain.cancel();
        signal().await;
        tracing::warn!("ending at once");
        told.now.cancel();
        clock::pause(NOW_WITHIN, &CancellationToken::new()).await;
        std::process::exit(Exit::Failed.code().into());
    });
    stop
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return ctrl_c().await;
    };
    tokio::select! {
        () = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    ctrl_c().await;
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        // No handler could be installed: then the system ends the process itself.
        std::future::pending::<()>().await;
    }
}
