//! The first and the last line of a daemon's log: what began, and why it ended.

use crate::clock;
use crate::config::LogFormat;
use crate::exit::{Exit, Failure};
use crate::roles::signals;

/// Says that a daemon begins.
pub(super) fn begins(name: &'static str) {
    let version = env!("CARGO_PKG_VERSION");
    clock::started();
    tracing::info!(version, pid = std::process::id(), "{name} begins");
}

/// Says why it ends. A failure for machines is all in the line; for people its causes and its hint
/// follow, as after every verb.
///
/// # Errors
/// The failure that is still to be shown.
pub(super) fn ends(
    name: &'static str,
    format: LogFormat,
    ended: Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let uptime_s = clock::started().elapsed().as_secs();
    let code = ended
        .as_ref()
        .map_or_else(|failure| failure.exit, |exit| *exit);
    let exit = code.code();
    match &ended {
        Ok(_) => {
            let why = signals::told().unwrap_or("done");
            tracing::info!(
                exit.code = exit,
                exit.reason = why,
                uptime_s,
                "{name} ends: {why}"
            );
            ended
        }
        Err(failure) if format == LogFormat::Json => {
            let why = format!("{:#}", failure.error);
            let hint = failure.hint.as_deref();
            tracing::error!(
                exit.code = exit,
                exit.reason = why,
                hint,
                uptime_s,
                "{name} ends: {why}"
            );
            Ok(failure.exit)
        }
        Err(_) => {
            tracing::error!(
                exit.code = exit,
                uptime_s,
                "{name} ends with exit code {exit}"
            );
            ended
        }
    }
}
