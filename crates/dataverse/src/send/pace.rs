//! Keeps one identity under Dataverse's limits, before they are answered with 429.
//!
//! Three limits hold per identity and 300 s: 6,000 requests, 1,200 s of execution, 52 at once. We stay
//! below each by our share of it: requests wait for their turn, wall time is paid for by those that come
//! later, and a 429 makes everybody wait and slows everybody down ([`adapt`]). Beats go in a lane of
//! their own, so that a worker with much to say still shows that it lives. The embedded store is not
//! paced at all. Time is tokio's, which tests stop and move.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

mod adapt;
#[cfg(test)]
mod tests;

use self::adapt::{Adapt, FULL};
use super::MAX_RETRY_AFTER;
use crate::error::{Error, Stage};
use crate::options::Pacing;

/// Requests per window. Dataverse allows 6,000; the rest is for what it counts and we do not see.
const REQUESTS: u32 = 5_400;
/// Wall time of requests per window, in milliseconds. Dataverse allows 1,200,000 of execution.
const WALL_MS: u32 = 900_000;
/// Requests under way at once. Dataverse allows 52.
const CONCURRENT: u32 = 48;
/// The window of Dataverse's limits.
const WINDOW: Duration = Duration::from_secs(300);
/// The part of a window's budget that may be spent at once. Less makes bursts slow, more lets two
/// bursts around the edge of a window exceed it.
const BURST_SHARE: u32 = 10;
/// The part of requests and places that is kept for beats. Less than a worker's beats fails them,
/// more keeps idle what work could use.
const BEAT_SHARE: u32 = 10;
/// Beats per window that even the smallest share allows: one in 15 s, twice what a worker needs.
const MIN_BEATS: u32 = 20;
/// The longest wait for a turn: two windows. Longer ones mean that the share is too small.
const MAX_TURN: Duration = Duration::from_secs(600);
/// What a request costs at the full rate, in the units of its bucket: fine enough for a rate in
/// thousandths.
const PER_REQUEST: u32 = 1000;

/// What a request is expected to take before one was seen, in milliseconds: the aim of a batch. More
/// would hold back the first requests, less would let too many unknown ones go at once.
const FIRST_EXPECTED_MS: i64 = 5_000;

/// Which part of the budget a request uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lane {
    /// What is not kept for beats.
    #[default]
    Work,
    /// What is kept for beats.
    Beat,
}

/// Hands out turns.
#[derive(Debug)]
pub(super) enum Pace {
    Free,
    Paced(Box<Limits>),
}

#[derive(Debug)]
pub(super) struct Limits {
    work: Track,
    beat: Track,
    wall: Bucket,
    /// Wall time spent or expected and not yet paid for, in milliseconds.
    owed_ms: AtomicI64,
    /// Wall time that the next request is expected to take, in milliseconds.
    expected_ms: AtomicI64,
    adapt: Mutex<Adapt>,
    began: Instant,
}

/// The requests and places of a lane.
#[derive(Debug)]
struct Track {
    requests: Bucket,
    places: Semaphore,
}

/// The right to send one request. Dropping it gives it back and takes note of how long it took.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    paced: Option<Taken<'a>>,
}

#[derive(Debug)]
struct Taken<'a> {
    limits: &'a Limits,
    sent: Instant,
    expected_ms: i64,
    _place: Option<SemaphorePermit<'a>>,
}

impl Pace {
    pub(super) fn new(pacing: Pacing) -> Self {
        match pacing {
            Pacing::Unpaced => Self::Free,
            Pacing::Dataverse { share_percent } => {
                Self::Paced(Box::new(Limits::new(share_percent)))
            }
        }
    }

    /// Waits until a request may be sent.
    ///
    /// # Errors
    /// [`Error::Throttled`] when the service wants to be left alone for longer than is waited for;
    /// [`Error::Timeout`] when the share is too small for what is to be sent.
    pub(super) async fn turn(&self, lane: Lane) -> Result<Turn<'_>, Error> {
        let Self::Paced(limits) = self else {
            return Ok(Turn { paced: None });
        };
        let late = |_| Error::Timeout {
            stage: Stage::Turn,
            after: MAX_TURN,
        };
        timeout(MAX_TURN, limits.turn(lane)).await.map_err(late)?
    }

    /// The rate in percent of the full one, and how long nothing is sent; `None` when unpaced.
    pub(super) fn rate(&self) -> Option<(u32, Duration)> {
        let Self::Paced(limits) = self else {
            return None;
        };
        let now = limits.began.elapsed();
        let adapt = limits.adapt();
        let held = adapt.held(now).map(|hold| hold.until.saturating_sub(now));
        Some((adapt.rate(now) * 100 / FULL, held.unwrap_or_default()))
    }
}

impl Limits {
    fn new(share_percent: u8) -> Self {
        let share = |whole: u32| (whole * u32::from(share_percent.clamp(1, 100)) / 100).max(1);
        let part = |whole: u32| share(whole) * BEAT_SHARE / 100;
        let beats = part(REQUESTS).max(MIN_BEATS);
        let beat_places = part(CONCURRENT).max(1);
        Self {
            work: Track::new(
                share(REQUESTS).saturating_sub(beats).max(1),
                share(CONCURRENT).saturating_sub(beat_places).max(1),
            ),
            beat: Track::new(beats, beat_places),
            wall: Bucket::new(share(WALL_MS)),
            owed_ms: AtomicI64::new(0),
            expected_ms: AtomicI64::new(FIRST_EXPECTED_MS),
            adapt: Mutex::default(),
            began: Instant::now(),
        }
    }

    async fn turn(&self, lane: Lane) -> Result<Turn<'_>, Error> {
        let track = match lane {
            Lane::Work => &self.work,
            Lane::Beat => &self.beat,
        };
        let place = track.places.acquire().await.ok();
        self.wait_out_hold().await?;
        if lane == Lane::Work {
            while let Some(due) = self.instalment() {
                self.wall.pay(self.priced(due)).await;
            }
        }
        let price = match lane {
            Lane::Work => self.priced(PER_REQUEST),
            Lane::Beat => PER_REQUEST,
        };
        track.requests.pay(price).await;
        // Somebody else may have been told to wait meanwhile.
        self.wait_out_hold().await?;
        let expected_ms = self.expected_ms.load(Ordering::Relaxed);
        self.owed_ms.fetch_add(expected_ms, Ordering::Relaxed);
        Ok(Turn {
            paced: Some(Taken {
                limits: self,
                sent: Instant::now(),
                expected_ms,
                _place: place,
            }),
        })
    }

    async fn wait_out_hold(&self) -> Result<(), Error> {
        loop {
            let now = self.began.elapsed();
            let Some(hold) = self.adapt().held(now).cloned() else {
                return Ok(());
            };
            let left = hold.until.saturating_sub(now);
            if left > MAX_RETRY_AFTER {
                return Err(Error::Throttled {
                    retry_after: Some(left),
                    fault: hold.fault,
                });
            }
            pause(left).await;
        }
    }

    /// What `cost` is at the current rate.
    fn priced(&self, cost: u32) -> u32 {
        let rate = self.adapt().rate(self.began.elapsed());
        let price = u64::from(cost) * u64::from(FULL) / u64::from(rate.max(1));
        u32::try_from(price).unwrap_or(u32::MAX)
    }

    /// The next part of what is owed, in milliseconds.
    fn instalment(&self) -> Option<u32> {
        let most = i64::from(self.wall.burst.get());
        let rest = |owed: i64| (owed > 0).then(|| (owed - most).max(0));
        let owed = self
            .owed_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest)
            .ok()?;
        u32::try_from(owed.min(most)).ok()
    }

    /// Takes note of how long a request took that was expected to take `expected_ms`.
    fn settle(&self, expected_ms: i64, took: Duration) {
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        self.owed_ms
            .fetch_add(took_ms.saturating_sub(expected_ms), Ordering::Relaxed);
        // Up at once, down slowly: a few short requests say little about the next long one.
        let next = |known: i64| Some(took_ms.max(known - known / 8));
        let _ = self
            .expected_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    fn adapt(&self) -> MutexGuard<'_, Adapt> {
        self.adapt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Heeds what became of the request: a 429 slows everybody down.
    pub(super) fn heed(&self, outcome: Result<(), &Error>) {
        let Some(taken) = &self.paced else {
            return;
        };
        let (now, sent) = (
            taken.limits.began.elapsed(),
            taken.sent - taken.limits.began,
        );
        let mut adapt = taken.limits.adapt();
        match outcome {
            Err(Error::Throttled { retry_after, fault }) => {
                adapt.throttled(sent, *retry_after, fault.clone(), now);
            }
            Ok(()) => adapt.accepted(sent),
            Err(_) => {}
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.limits.settle(self.expected_ms, self.sent.elapsed());
    }
}

impl Track {
    fn new(requests: u32, places: u32) -> Self {
        Self {
            requests: Bucket::new(requests.saturating_mul(PER_REQUEST)),
            places: Semaphore::new(places as usize),
        }
    }
}

/// A budget that fills up steadily.
#[derive(Debug)]
struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticker, NoOpMiddleware<Duration>>,
    /// What it holds when full.
    burst: NonZeroU32,
}

impl Bucket {
    /// A bucket of `budget` units per window.
    fn new(budget: u32) -> Self {
        let burst = NonZeroU32::new(budget / BURST_SHARE).unwrap_or(NonZeroU32::MIN);
        let steady = (budget - burst.get().min(budget)).max(1);
        let quota = Quota::with_period(WINDOW / steady)
            .expect("a window of minutes over at most a few million units is no empty period")
            .allow_burst(burst);
        let ticker = Ticker(Instant::now());
        Self {
            limiter: RateLimiter::direct_with_clock(quota, ticker),
            burst,
        }
    }

    /// Waits until `units` are there and takes them, in parts if it holds fewer.
    async fn pay(&self, units: u32) {
        let mut left = units;
        while let Some(part) = NonZeroU32::new(left.min(self.burst.get())) {
            match self.limiter.check_n(part) {
                Ok(Ok(())) => left -= part.get(),
                Ok(Err(later)) => {
                    let now = self.limiter.clock().now();
                    pause(later.wait_time_from(now)).await;
                }
                // No part is larger than what the bucket holds.
                Err(_insufficient) => return,
            }
        }
    }
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
