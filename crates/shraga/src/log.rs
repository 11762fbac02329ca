//! Logging: one subscriber to standard error, for people or for machines.
//!
//! Daemons tell what they do; verbs only what is wrong.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::exit::{Exit, Failure};

/// Installs the process's subscriber.
///
/// # Errors
/// `log.level` is no filter.
pub fn start(log: &Log, daemon: bool) -> Result<(), Failure> {
    let default = if daemon { "info" } else { "warn" };
    let level = log.level.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Failure::from_error(Exit::Configuration, error)
            .context(format!("`log.level` is {level:?}, which is no filter"))
            .hint("use a level (error, warn, info, debug, trace) or a filter such as warn,shraga_worker=debug")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(anstream_writer);
    let installed = match log.format {
        LogFormat::Human => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().with_current_span(true).try_init(),
    };
    installed.map_err(|error| Failure::new(Exit::Failed, error))
}

/// Standard error; escape sequences are stripped where it isn't a terminal.
fn anstream_writer() -> impl std::io::Write {
    anstream::stderr()
}
