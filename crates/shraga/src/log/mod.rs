//! Logging: one subscriber to standard error, for people or for machines.
//!
//! Daemons tell what they do; verbs only what is wrong. An event is one line whatever is in its
//! fields, so that a row's text can't forge another: `line` sees to it. Nothing here is buffered:
//! what was logged before a crash can be read after it.

mod fields;
mod line;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::panic::PanicHookInfo;

use tracing::{Event, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use self::fields::Fields;
use self::line::Line;
use crate::clock;
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
    let lines = Lines {
        format: log.format,
        write: to_stderr,
    };
    Registry::default()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|error| Failure::from_error(Exit::Failed, error))?;
    if daemon {
        std::panic::set_hook(Box::new(panicked));
    }
    Ok(())
}

/// Says that a panic happened as a line like any other; who contains it says what ended.
fn panicked(panic: &PanicHookInfo<'_>) {
    let what = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    let trace = std::backtrace::Backtrace::capture();
    let captured = trace.status() == std::backtrace::BacktraceStatus::Captured;
    let trace = captured.then(|| trace.to_string());
    tracing::error!(
        panic.location = place,
        panic.backtrace = trace,
        "a panic: {what}"
    );
}

/// Turns events into lines, each with the fields of the spans around it.
struct Lines {
    format: LogFormat,
    write: fn(&str),
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, made: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        made.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        let mut spans = Vec::new();
        for span in context.event_scope(event).into_iter().flatten() {
            spans.insert(0, span.name());
        }
        let scope = context.event_scope(event);
        for span in scope.into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer);
            }
        }
        event.record(&mut fields);
        let line = Line {
            at: clock::wall(),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: fields.take_message(),
            spans,
            fields,
        };
        (self.write)(&match self.format {
            LogFormat::Human => line.human(),
            LogFormat::Json => line.json(),
        });
    }
}

/// Standard error; colours are left out where it isn't a terminal. A reader that has gone away
/// ends nothing.
fn to_stderr(line: &str) {
    let line = crate::display::clean::printed(line);
    anstream::stderr().lock().write_all(line.as_bytes()).ok();
}
