//! The Dev Center's time: moved by hand, or tokio's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A moment, as the time since the Dev Center began.
pub(super) type Moment = Duration;

/// When time begins: the first second of 2030, as everywhere in tests.
const BEGINNING_SECONDS: i64 = 1_893_456_000;

#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Milliseconds that it was moved by.
    moved: Arc<AtomicU64>,
    began: Option<Instant>,
}

impl Clock {
    pub(super) fn by_hand() -> Self {
        Self {
            moved: Arc::default(),
            began: None,
        }
    }

    pub(super) fn of_tokio() -> Self {
        Self {
            moved: Arc::default(),
            began: Some(Instant::now()),
        }
    }

    pub(super) fn advance(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.moved.fetch_add(millis, Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> Moment {
        let moved = Duration::from_millis(self.moved.load(Ordering::SeqCst));
        moved + self.began.map(|began| began.elapsed()).unwrap_or_default()
    }
}

fn at(moment: Moment) -> jiff::Timestamp {
    let seconds = BEGINNING_SECONDS + i64::try_from(moment.as_secs()).unwrap_or(i64::MAX / 2);
    jiff::Timestamp::from_second(seconds).expect("tests don't last for thousands of years")
}

/// As the service writes moments: seven digits of a second, `+00:00`.
pub(super) fn written(moment: Moment) -> String {
    let text = at(moment).to_string();
    format!("{}.7936885+00:00", text.trim_end_matches('Z'))
}

/// A moment as requests write it; nothing for what is before the beginning, or no moment.
pub(super) fn read(text: &str) -> Option<Moment> {
    let at: jiff::Timestamp = text.parse().ok()?;
    let seconds = at.as_second().checked_sub(BEGINNING_SECONDS)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// As HTTP writes them.
pub(super) fn date(moment: Moment) -> String {
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    let text = printer.timestamp_to_rfc9110_string(&at(moment));
    text.expect("a date of this century")
}
