//! The circuit breaker: a service that is dead is left alone, and tried now and then.
//!
//! After several attempts in a row without an answer, or with a 5xx, nothing is sent until the next
//! probe; one request at a time is that probe, at waits that double and are jittered. One answer closes
//! it. What the service says clearly (4xx, 429 among them) is an answer. [`Circuit`] is pure: moments are
//! spans since a start that the caller keeps; [`Breaker`] is the same behind a lock, with tokio's clock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use crate::error::{Cause, Error};

#[cfg(test)]
mod tests;

/// Attempts in a row that fail before the service counts as dead. Fewer would take one bad moment (a
/// request makes up to four attempts) for an outage, more goes on hammering.
const FAILURES: u32 = 5;
/// The wait before the first probe; it doubles with each that fails.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait between probes, before jitter that at most doubles it. Longer delays the recovery
/// of everything by as much, shorter is felt by a service that is starting.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// How the service is doing, as far as requests tell.
#[derive(Clone, Debug, Default)]
pub enum BreakerState {
    /// Requests are sent.
    #[default]
    Closed,
    /// The service failed too often in a row: nothing is sent until the next probe.
    Open(Outage),
    /// A probe is under way.
    Probing(Outage),
}

/// A row of failures.
#[derive(Clone, Debug)]
pub struct Outage {
    /// Attempts that failed, one after the other.
    pub failures: u32,
    /// How long ago the first of them did.
    pub lasts: Duration,
    /// How long it is until the next probe; zero when it may be sent.
    pub next_probe: Duration,
    /// How the last of them failed.
    pub last: Cause,
}

/// What an attempt showed of the service.
#[derive(Clone, Debug)]
pub(super) enum Sign {
    /// It answered.
    Alive,
    /// It did not answer, or failed.
    Dead(Cause),
    /// Nothing: the attempt ended before it could tell.
    None,
}

impl Sign {
    /// What the outcome of an attempt shows.
    pub(super) fn of<T>(outcome: &Result<T, Error>) -> Self {
        match outcome {
            Ok(_) => Self::Alive,
            Err(error) if error.is_outage() => Self::Dead(Cause::new(Box::new(error.clone()))),
            Err(error) if error.fault().is_some() => Self::Alive,
            Err(_) => Self::None,
        }
    }
}

/// The state machine. Moments are spans since a start.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    row: Option<Row>,
    open: Option<Open>,
    /// Probes so far: a probe of an earlier outage says nothing about this one's.
    probes: u64,
}

/// Failures without an answer in between.
#[derive(Debug)]
struct Row {
    failures: u32,
    since: Duration,
    last: Cause,
}

#[derive(Debug)]
struct Open {
    next: Duration,
    /// The number of the probe that is under way.
    probing: Option<u64>,
    waits: ExponentialBackoff,
}

impl Open {
    fn is_probed_by(&self, leave: Leave) -> bool {
        leave.probe.is_some() && leave.probe == self.probing
    }
}

/// Leave to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leave {
    /// The probe's number, if it is one.
    probe: Option<u64>,
}

impl Circuit {
    /// Whether an attempt may be sent at `now`; the outage if not.
    pub(super) fn admit(&mut self, now: Duration) -> Result<Leave, Outage> {
        let Some(open) = &mut self.open else {
            return Ok(Leave::default());
        };
        if open.probing.is_none() && open.next <= now {
            self.probes += 1;
            open.probing = Some(self.probes);
            return Ok(Leave {
                probe: open.probing,
            });
        }
        match self.outage(now) {
            Some(outage) => Err(outage),
            None => Ok(Leave::default()),
        }
    }

    /// Takes note of what an attempt showed.
    pub(super) fn note(&mut self, leave: Leave, sign: Sign, now: Duration) {
        match sign {
            Sign::Alive => (self.row, self.open) = (None, None),
            Sign::Dead(last) => self.fail(leave, last, now),
            Sign::None => {
                if let Some(open) = self.open.as_mut().filter(|open| open.is_probed_by(leave)) {
                    open.probing = None;
                }
            }
        }
    }

    /// What it shows at `now`.
    pub(super) fn state(&self, now: Duration) -> BreakerState {
        match (&self.open, self.outage(now)) {
            (Some(open), Some(outage)) if open.probing.is_some() => BreakerState::Probing(outage),
            (Some(_), Some(outage)) => BreakerState::Open(outage),
            _ => BreakerState::Closed,
        }
    }

    fn fail(&mut self, leave: Leave, last: Cause, now: Duration) {
        let row = self.row.get_or_insert_with(|| Row {
            failures: 0,
            since: now,
            last: last.clone(),
        });
        row.failures = row.failures.saturating_add(1);
        row.last = last;
        match &mut self.open {
            None if row.failures >= FAILURES => {
                let mut waits = waits();
                self.open = Some(Open {
                    next: now + next(&mut waits),
                    probing: None,
                    waits,
                });
            }
            // What was under way when it opened says nothing new.
            Some(open) if open.is_probed_by(leave) => {
                open.next = now + next(&mut open.waits);
                open.probing = None;
            }
            None | Some(_) => {}
        }
    }

    fn outage(&self, now: Duration) -> Option<Outage> {
        let (row, open) = (self.row.as_ref()?, self.open.as_ref()?);
        Some(Outage {
            failures: row.failures,
            lasts: now.saturating_sub(row.since),
            next_probe: open.next.saturating_sub(now),
            last: row.last.clone(),
        })
    }
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(LONGEST_WAIT)
        .without_max_times()
        .with_jitter()
        .build()
}

fn next(waits: &mut ExponentialBackoff) -> Duration {
    waits.next().unwrap_or(LONGEST_WAIT)
}

/// The breaker of a client; without one, everything is sent.
#[derive(Debug)]
pub(super) struct Breaker {
    circuit: Option<Mutex<Circuit>>,
    began: Instant,
}

/// Leave to send one request. Dropping it unused, or before it is known what it showed, gives it back.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    leave: Leave,
    sign: Sign,
}

impl Breaker {
    pub(super) fn new(used: bool) -> Self {
        Self {
            circuit: used.then(Mutex::default),
            began: Instant::now(),
        }
    }

    /// Leave to send a request; the outage when it is not sent.
    pub(super) fn admit(&self) -> Result<Pass<'_>, Outage> {
        let leave = match self.circuit() {
            Some(mut circuit) => circuit.admit(self.began.elapsed())?,
            None => Leave::default(),
        };
        Ok(Pass {
            breaker: self,
            leave,
            sign: Sign::None,
        })
    }

    pub(super) fn state(&self) -> BreakerState {
        let circuit = self.circuit();
        circuit.map_or(BreakerState::Closed, |circuit| {
            circuit.state(self.began.elapsed())
        })
    }

    fn circuit(&self) -> Option<MutexGuard<'_, Circuit>> {
        let circuit = self.circuit.as_ref()?;
        Some(circuit.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pass<'_> {
    /// What the request showed of the service.
    pub(super) fn showed(mut self, sign: Sign) {
        self.sign = sign;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let sign = std::mem::replace(&mut self.sign, Sign::None);
        if let Some(mut circuit) = self.breaker.circuit() {
            let before = circuit.open.is_some();
            circuit.note(self.leave, sign, self.breaker.began.elapsed());
            tell(before, &circuit.state(self.breaker.began.elapsed()));
        }
    }
}

/// Says once when it opens and when it closes.
fn tell(was_open: bool, state: &BreakerState) {
    match state {
        BreakerState::Open(outage) if !was_open => tracing::warn!(
            failures = outage.failures,
            "the service fails, and is only tried now and then until it answers: {}",
            outage.last
        ),
        BreakerState::Closed if was_open => tracing::info!("the service answers again"),
        BreakerState::Closed | BreakerState::Open(_) | BreakerState::Probing(_) => {}
    }
}
