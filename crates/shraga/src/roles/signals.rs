//! The first signal asks everything to finish what it has; the second ends the process now.

use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// Starts watching for Ctrl-C and, on Unix, SIGTERM. The token is cancelled at the first.
#[must_use]
pub fn watch() -> CancellationToken {
    let stop = CancellationToken::new();
    let first = stop.clone();
    tokio::spawn(async move {
        signal().await;
        tracing::info!("stopping: finishing what is under way (again to end at once)");
        first.cancel();
        signal().await;
        tracing::warn!("ended at once");
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
