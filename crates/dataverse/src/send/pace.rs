//! Keeps one identity under Dataverse's limits, before they are answered with 429.
//!
//! Three limits hold per identity and 300 s: 6,000 requests, 1,200 s of execution, 52 at once. We stay
//! below each by our share of it: requests wait for their turn, wall time is paid after the fact, and a
//! 429 makes everybody wait as long as it says. The embedded store is not paced at all.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};

#[cfg(test)]
mod tests;

use super::{MAX_RETRY_AFTER, Reply, status};
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
/// The longest wait for a turn: two windows. Longer ones mean that the share is too small.
const MAX_TURN: Duration = Duration::from_secs(600);

/// Hands out turns.
#[derive(Debug)]
pub(super) enum Pace {
    Free,
    Paced(Box<Limits>),
}

#[derive(Debug)]
pub(super) struct Limits {
    requests: DefaultDirectRateLimiter,
    wall: DefaultDirectRateLimiter,
    wall_burst: u32,
    /// Wall time spent and not yet paid for, in milliseconds.
    owed_ms: AtomicU32,
    places: Semaphore,
    /// Until when the service wants to be left alone.
    held: Mutex<Option<Instant>>,
}

/// The right to send one request.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    limits: Option<&'a Limits>,
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
    pub(super) async fn turn(&self) -> Result<Turn<'_>, Error> {
        match self {
            Self::Free => Ok(Turn {
                limits: None,
                _place: None,
            }),
            Self::Paced(limits) => {
                timeout(MAX_TURN, limits.turn())
                    .await
                    .map_err(|_| Error::Timeout {
                        stage: Stage::Turn,
                        after: MAX_TURN,
                    })
            }
        }
    }

    /// Makes everybody wait when the service asks for less.
    pub(super) fn heed(&self, reply: &Reply) {
        if reply.status != 429 {
            return;
        }
        if let (Self::Paced(limits), Some(wait)) = (self, status::retry_after(reply)) {
            limits.hold(wait.min(MAX_RETRY_AFTER));
        }
    }
}

impl Limits {
    fn new(share_percent: u8) -> Self {
        let share = |whole: u32| (whole * u32::from(share_percent.clamp(1, 100)) / 100).max(1);
        let (requests, _) = limiter(share(REQUESTS));
        let (wall, wall_burst) = limiter(share(WALL_MS));
        Self {
            requests,
            wall,
            wall_burst,
            owed_ms: AtomicU32::new(0),
            places: Semaphore::new(share(CONCURRENT) as usize),
            held: Mutex::new(None),
        }
    }

    async fn turn(&self) -> Turn<'_> {
        let place = self.places.acquire().await.ok();
        while let Some(until) = self.held_until() {
            sleep_until(until).await;
        }
        while let Some(due) = self.instalment() {
            // Never more than the burst, so that it can always be paid.
            let _ = self.wall.until_n_ready(due).await;
        }
        self.requests.until_ready().await;
        Turn {
            limits: Some(self),
            _place: place,
        }
    }

    /// The next part of what is owed, in milliseconds.
    fn instalment(&self) -> Option<NonZeroU32> {
        let rest = |owed: u32| Some(owed.saturating_sub(self.wall_burst));
        let owed = self
            .owed_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        NonZeroU32::new(owed.unwrap_or_default().min(self.wall_burst))
    }

    fn held_until(&self) -> Option<Instant> {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.filter(|until| *until > Instant::now())
    }

    fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (*held).max(Some(until));
    }
}

/// A limiter of `budget` units per window, and how many it hands out at once.
fn limiter(budget: u32) -> (DefaultDirectRateLimiter, u32) {
    let burst = NonZeroU32::new(budget / BURST_SHARE).unwrap_or(NonZeroU32::MIN);
    let steady = (budget - burst.get()).max(1);
    let quota = Quota::with_period(WINDOW / steady)
        .expect("a window of minutes over at most a million units is no empty period")
        .allow_burst(burst);
    (RateLimiter::direct(quota), burst.get())
}

impl Turn<'_> {
    /// Gives the turn back, saying how long the request took.
    pub(super) fn done(self, took: Duration) {
        if let Some(limits) = self.limits {
            let ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
            let add = |owed: u32| Some(owed.saturating_add(ms));
            let _ = limits
                .owed_ms
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }
}
