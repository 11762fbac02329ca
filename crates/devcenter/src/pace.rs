//! How fast requests go: well under the service's 300 a minute, and not at all while it wants to be left alone.
//!
//! The limit may be shared with other processes and people of the same identity, so what the service says of the rest
//! of its window (`x-rate-limit-*`) counts, too: the last requests of a window are left to others. Nobody waits here for
//! long: after [`LONGEST_WAIT`] the caller is told how long it would be, and comes back by itself.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http::HeaderMap;
use shraga_core::time::Timestamp;
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::open::parse_moment;

#[cfg(test)]
mod tests;

/// Requests a minute, when they are spread. With a burst on top, no minute has more than 270 of the 300 allowed.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(240).expect("not zero");
/// Requests that may be sent at once: a few projects' worth of looks.
const BURST: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
/// Requests of a window that are left to others, once the service says that so few are left.
const LEFT_TO_OTHERS: u32 = 10;
/// The service's window: how long nothing is sent after a 429 that says nothing.
const WINDOW: Duration = Duration::from_secs(60);
/// The longest of the waits after refusals in a row that say nothing, before jitter.
const LONGEST_HOLD: Duration = Duration::from_secs(900);
/// The longest time that the service is believed to ask for. A longer one would stop everything on a mistyped number.
const LONGEST_BELIEVED: Duration = Duration::from_secs(3600);
/// The longest wait for a turn. Longer would hold back whoever has more to look at than this service.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What an answer says of the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long the service asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Requests left in this window.
    pub(crate) remaining: Option<u32>,
    /// How long it is until the next window.
    pub(crate) reset: Option<Duration>,
}

impl Limits {
    /// Reads the headers of an answer. Moments are compared with the service's own clock, not with this machine's.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let date = text("date").and_then(parse_date);
        let until = |at: Timestamp| {
            let millis = at.since(date?).as_millis();
            Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
        };
        let retry_after = text("retry-after").and_then(|text| match text.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => until(parse_date(text)?),
        });
        Self {
            retry_after,
            remaining: text("x-rate-limit-remaining").and_then(|text| text.parse().ok()),
            reset: text("x-rate-limit-reset")
                .and_then(parse_moment)
                .and_then(until),
        }
    }
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_date(text: &str) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(Timestamp::from_secs(at.as_second()))
}

/// Hands out turns.
#[derive(Debug)]
pub(crate) struct Pace {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticker, NoOpMiddleware<Duration>>,
    held: Mutex<Held>,
}

/// Until when nothing is sent.
#[derive(Debug, Default)]
struct Held {
    until: Option<Instant>,
    /// Waits for refusals that name none; anew after an answer.
    waits: Option<ExponentialBackoff>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        let quota = Quota::per_minute(PER_MINUTE).allow_burst(BURST);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, Ticker(Instant::now())),
            held: Mutex::default(),
        }
    }

    /// Waits until a request may be sent.
    ///
    /// # Errors
    /// [`Error::Throttled`], when that would take longer than anybody should wait here.
    pub(crate) async fn turn(&self) -> Result<(), Error> {
        let asked = Instant::now();
        loop {
            let wait = match self.held_for() {
                Some(left) => left,
                None => match self.limiter.check() {
                    Ok(()) => return Ok(()),
                    Err(later) => later.wait_time_from(self.limiter.clock().now()),
                },
            };
            if asked.elapsed() + wait > LONGEST_WAIT {
                let after = Some(wait);
                return Err(Error::Throttled { after, fault: None });
            }
            pause(wait).await;
        }
    }

    /// Takes note of what an answer says, and tells how long nothing is sent because of it.
    pub(crate) fn heed(&self, limits: Limits, refused: bool) -> Option<Duration> {
        let mut held = self.held();
        if !refused {
            held.waits = None;
        }
        let spent = limits.remaining.is_some_and(|left| left <= LEFT_TO_OTHERS);
        let wait = match (refused, limits.retry_after.or(limits.reset)) {
            (true, Some(asked)) => Some(asked.min(LONGEST_BELIEVED)),
            (true, None) => held.waits.get_or_insert_with(waits).next(),
            (false, _) if spent => limits.reset.map(|reset| reset.min(WINDOW)),
            (false, _) => None,
        }?;
        let until = Instant::now() + wait;
        if held.until.is_none_or(|known| known < until) {
            held.until = Some(until);
        }
        Some(wait)
    }

    fn held_for(&self) -> Option<Duration> {
        let until = self.held().until?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(WINDOW)
        .with_max_delay(LONGEST_HOLD)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Tokio's clock for the library that counts.
#[derive(Clone, Debug)]
struct Ticker(Instant);

impl Clock for Ticker {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "pacing is waiting; a caller that stops drops the request and the wait with it"
)]
async fn pause(span: Duration) {
    sleep(span).await;
}
