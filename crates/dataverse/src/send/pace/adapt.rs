//! How fast requests may go after the service asked for less: a value that only time and answers change.
//!
//! Every 429 halves the rate, once for all requests that were under way together; without one it comes back
//! steadily. Until the service's `Retry-After` is over (or, without one, a wait that doubles) nothing is sent at
//! all. Pure: moments are spans since a start that the caller keeps.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use shraga_wire::fault::Fault;

/// The full rate, in thousandths of itself.
pub(super) const FULL: u32 = 1000;
/// The lowest rate. Lower would let a burst of refusals keep work from its turn for hours.
const FLOOR: u32 = 50;
/// Thousandths of the full rate that come back in a second: from half to full in 250 s, so that a window that was
/// too full has mostly passed by then. Faster meets the limit again at once, slower wastes what the service allows.
const RECOVERY_PER_SECOND: u64 = 2;
/// The first wait after a 429 that names none; it doubles with each, and is jittered so that processes that share
/// an identity do not come back together.
const FIRST_HOLD: Duration = Duration::from_secs(1);
/// The longest of these waits, before jitter.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is believed: Dataverse's own go up to its window of 5 minutes. A longer one would
/// stop everything on a mistyped number.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The rate, and until when nothing is sent.
#[derive(Debug)]
pub(super) struct Adapt {
    /// The rate at `since`, in thousandths.
    base: u32,
    since: Duration,
    /// When the rate was lowered last: requests sent before had no chance to heed it.
    lowered: Option<Duration>,
    held: Option<Hold>,
    /// Waits for refusals that name none; anew after an answer.
    waits: Option<ExponentialBackoff>,
}

/// A time without requests, and what the service said when it asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) until: Duration,
    pub(super) fault: Fault,
}

impl Default for Adapt {
    fn default() -> Self {
        Self {
            base: FULL,
            since: Duration::ZERO,
            lowered: None,
            held: None,
            waits: None,
        }
    }
}

impl Adapt {
    /// The rate at `now`, in thousandths of the full one.
    pub(super) fn rate(&self, now: Duration) -> u32 {
        let recovered =
            now.saturating_sub(self.since).as_millis() * u128::from(RECOVERY_PER_SECOND) / 1000;
        let recovered = u32::try_from(recovered).unwrap_or(FULL);
        self.base.saturating_add(recovered).min(FULL)
    }

    /// The time without requests that `now` is in.
    pub(super) fn held(&self, now: Duration) -> Option<&Hold> {
        self.held.as_ref().filter(|hold| hold.until > now)
    }

    /// A request sent at `sent` was refused at `now`, with `asked` as its `Retry-After`.
    pub(super) fn throttled(
        &mut self,
        sent: Duration,
        asked: Option<Duration>,
        fault: Fault,
        now: Duration,
    ) {
        let news = self.lowered.is_none_or(|lowered| sent >= lowered);
        let wait = match asked {
            Some(asked) => asked.min(LONGEST_RETRY_AFTER),
            None if news => self.next_wait(),
            None => Duration::ZERO,
        };
        let until = now.saturating_add(wait);
        if self.held.as_ref().is_none_or(|hold| hold.until < until) {
            self.held = Some(Hold { until, fault });
        }
        let rate = self.rate(now);
        self.base = if news { (rate / 2).max(FLOOR) } else { rate };
        self.since = self.held.as_ref().map_or(now, |hold| hold.until.max(now));
        if news {
            self.lowered = Some(now);
        }
    }

    /// A request sent at `sent` was not refused for being one too many.
    pub(super) fn accepted(&mut self, sent: Duration) {
        if self.lowered.is_some_and(|lowered| sent >= lowered) {
            self.waits = None;
        }
    }

    fn next_wait(&mut self) -> Duration {
        let waits = self.waits.get_or_insert_with(waits);
        waits.next().unwrap_or(LONGEST_HOLD)
    }
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_HOLD)
        .with_max_delay(LONGEST_HOLD)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests;
