//! Dataverse's service protection limits, enforced for one identity, over a sliding window.
//!
//! Operations take simulated time: the answer comes when their execution would have ended. Time is
//! tokio's, so a test that pauses it lives through minutes in no time at all. A `$batch` is one request,
//! but all of its execution counts. What is refused counts as a request too, so that hammering makes it
//! worse, and nothing of it is done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use shraga_wire::fault::{Code, codes};
use tokio::time::{Instant, sleep_until};
use tower::{ServiceExt, service_fn};

use crate::faults::fault_answer;
use crate::{Answer, BoxError, Transport};

/// What one identity may do in a window.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Requests.
    pub requests: usize,
    /// Execution time of all of them together.
    pub execution: Duration,
    /// Requests under way at once.
    pub concurrent: usize,
    /// The window.
    pub window: Duration,
}

impl Allowance {
    /// What Dataverse allows.
    pub const DATAVERSE: Self = Self {
        requests: 6_000,
        execution: Duration::from_secs(1_200),
        concurrent: 52,
        window: Duration::from_secs(300),
    };

    /// One part in `parts` of it: less than we think there is.
    #[must_use]
    pub fn divided_by(self, parts: u32) -> Self {
        let part = |whole: usize| (whole / parts as usize).max(1);
        Self {
            requests: part(self.requests),
            execution: self.execution / parts,
            concurrent: part(self.concurrent),
            window: self.window,
        }
    }
}

/// How long the service executes.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// Any request.
    pub request: Duration,
    /// A read in it.
    pub read: Duration,
    /// A write in it.
    pub write: Duration,
}

impl Default for Costs {
    /// What simple rows take on an organisation without plug-ins of its own.
    fn default() -> Self {
        Self {
            request: Duration::from_millis(30),
            read: Duration::from_millis(20),
            write: Duration::from_millis(40),
        }
    }
}

/// What an identity did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests, refused ones included.
    pub requests: u64,
    /// Requests refused for each limit: their number, their execution time, those at once.
    pub refused: [u64; 3],
    /// Writes in them.
    pub writes: u64,
    /// Most requests in one window.
    pub most_requests: usize,
    /// Most execution in one window.
    pub most_execution: Duration,
    /// Most requests at once.
    pub most_concurrent: usize,
}

impl Tally {
    /// Requests that were refused for any limit.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.refused.iter().sum()
    }
}

/// The limits of one identity. Clones, and all that is wrapped, share them.
#[derive(Clone, Debug)]
pub struct Limits {
    allowance: Allowance,
    costs: Costs,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    arrivals: VecDeque<Instant>,
    executions: VecDeque<(Instant, Duration)>,
    executed: Duration,
    running: usize,
    tally: Tally,
    /// Every one in so many refusals says no time.
    silent: Option<u64>,
}

/// Which limit a request is over, and how long it should wait.
struct Over {
    limit: usize,
    wait: Duration,
}

/// The codes of the three limits, in the order of [`Tally::refused`].
const CODES: [Code; 3] = [
    codes::THROTTLED_REQUESTS,
    codes::THROTTLED_TIME,
    codes::THROTTLED_CONCURRENCY,
];

impl Limits {
    /// Nothing used yet.
    #[must_use]
    pub fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            costs: Costs::default(),
            state: Arc::default(),
        }
    }

    /// The same with other costs.
    #[must_use]
    pub fn with_costs(mut self, costs: Costs) -> Self {
        self.costs = costs;
        self
    }

    /// From now on every one in `nth` refusals comes without `Retry-After`.
    pub fn keeps_silent(&self, nth: u64) {
        self.state().silent = Some(nth.max(1));
    }

    /// What was done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    /// `inner` under these limits.
    #[must_use]
    pub fn wrap(&self, inner: Transport) -> Transport {
        let limits = self.clone();
        Transport::new(service_fn(move |request: Request<Bytes>| {
            let (limits, inner) = (limits.clone(), inner.clone());
            async move { limits.carry(inner, request).await }
        }))
    }

    async fn carry(&self, inner: Transport, request: Request<Bytes>) -> Result<Answer, BoxError> {
        let (reads, writes) = operations(&request);
        let cost = self.costs.request + self.costs.read * reads + self.costs.write * writes;
        let began = Instant::now();
        if let Some(refusal) = self.refusal(began, writes) {
            return Ok(refusal);
        }
        let execution = Execution { limits: self, cost };
        let answer = inner.oneshot(request).await;
        sleep_until(began + cost).await;
        drop(execution);
        answer
    }

    /// Counts a request in; the answer to one that is over a limit.
    fn refusal(&self, now: Instant, writes: u32) -> Option<Answer> {
        let mut state = self.state();
        state.forget_before(now, self.allowance.window);
        let over = state.over(&self.allowance, now);
        state.arrivals.push_back(now);
        state.tally.requests += 1;
        state.tally.most_requests = state.tally.most_requests.max(state.arrivals.len());
        if let Some(over) = over {
            state.tally.refused[over.limit] += 1;
            let silent = state
                .silent
                .is_some_and(|nth| state.tally.throttled().is_multiple_of(nth));
            return Some(refuse(&over, silent));
        }
        state.running += 1;
        state.tally.writes += u64::from(writes);
        state.tally.most_concurrent = state.tally.most_concurrent.max(state.running);
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_before(&mut self, now: Instant, window: Duration) {
        while self.arrivals.front().is_some_and(|at| *at + window <= now) {
            self.arrivals.pop_front();
        }
        while let Some((at, took)) = self.executions.front().copied() {
            if at + window > now {
                break;
            }
            self.executed -= took;
            self.executions.pop_front();
        }
    }

    fn over(&self, allowance: &Allowance, now: Instant) -> Option<Over> {
        let until = |at: Instant| (at + allowance.window).saturating_duration_since(now);
        if self.arrivals.len() >= allowance.requests {
            // This one counts as well, so one more has to be past.
            let last_in_the_way = self.arrivals.len() + 1 - allowance.requests;
            let at = self.arrivals.get(last_in_the_way).copied();
            return Some(Over {
                limit: 0,
                wait: until(at.unwrap_or(now)),
            });
        }
        if self.executed >= allowance.execution {
            let mut left = self.executed;
            let room = self.executions.iter().find(|(_, took)| {
                left -= *took;
                left < allowance.execution
            });
            let wait = room.map(|(at, _)| until(*at)).unwrap_or_default();
            return Some(Over { limit: 1, wait });
        }
        let crowded = self.running >= allowance.concurrent;
        crowded.then_some(Over {
            limit: 2,
            wait: Duration::from_secs(1),
        })
    }
}

/// A request under way. Whoever sent it may go away; what it executes counts all the same.
struct Execution<'a> {
    limits: &'a Limits,
    cost: Duration,
}

impl Drop for Execution<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.limits.state();
        state.forget_before(now, self.limits.allowance.window);
        state.running -= 1;
        state.executed += self.cost;
        state.executions.push_back((now, self.cost));
        state.tally.most_execution = state.tally.most_execution.max(state.executed);
    }
}

fn refuse(over: &Over, silent: bool) -> Answer {
    let mut answer = fault_answer(429, CODES[over.limit].0);
    if !silent {
        // Whole seconds, rounded up: a second too early is refused again.
        let seconds = over.wait.as_secs() + 1;
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// Reads and writes in a request.
fn operations(request: &Request<Bytes>) -> (u32, u32) {
    if !request.uri().path().ends_with("$batch") {
        let read = request.method() == http::Method::GET;
        return (u32::from(read), u32::from(!read));
    }
    let lines = request.body().split(|byte| *byte == b'\n');
    lines.fold((0, 0), |(reads, writes), line| match line {
        [b'G', b'E', b'T', b' ', ..] => (reads + 1, writes),
        [b'P', b'A', b'T', b'C', b'H', b' ', ..]
        | [b'P', b'O', b'S', b'T', b' ', ..]
        | [b'D', b'E', b'L', b'E', b'T', b'E', b' ', ..] => (reads, writes + 1),
        _ => (reads, writes),
    })
}

#[cfg(test)]
mod tests;
