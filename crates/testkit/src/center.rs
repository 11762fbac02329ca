//! A Dev Center that is a state machine over HTTP: boxes that take their time, and everything that can go wrong with one.
//!
//! Its time is moved by the test ([`Center::advance`]), or is tokio's, so that a test which pauses that moves the Dev
//! Center along. Times are those that were recorded of the real one. It answers in this process
//! ([`Center::transport`]) or on a socket ([`Center::serve`]), the same. Requests are held against the service's
//! published description (`judge`); what breaks it is refused and told by [`Center::objections`].
//!
//! Faults are switched on and off ([`Center::set`], [`Center::heal`]) and act on every request they concern, never by
//! chance.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tower::service_fn;
use uuid::Uuid;

use crate::Transport;

mod answer;
mod clock;
mod faults;
mod judge;
mod machine;
mod render;
mod socket;
#[cfg(test)]
mod tests;

pub use faults::Fault;
pub use machine::Installed;
pub use socket::Served;

use clock::Clock;
use machine::Machine;

/// The project there is.
pub const PROJECT: &str = "agents";
/// The pool there is; its boxes can sleep.
pub const POOL: &str = "shraga-worker-pool";
/// Whom `me` stands for.
pub const ME: Uuid = Uuid::from_u128(0x0e00_0000_0000_4000_8000_0000_0000_0001);

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, path and query.
    pub line: String,
    /// When, in seconds of the Dev Center's time since it began.
    pub at: u64,
    /// With which status it was answered; none while it hangs.
    pub status: Option<u16>,
}

impl Asked {
    /// Whether it can change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !self.line.starts_with("GET ")
    }
}

#[derive(Debug)]
struct State {
    machine: Machine,
    faults: Vec<Fault>,
    asked: Vec<Asked>,
    objections: Vec<String>,
    /// How far each look at an operation moves the time.
    step: Duration,
}

/// The Dev Center. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Center {
    state: Arc<Mutex<State>>,
    clock: Clock,
}

impl Default for Center {
    fn default() -> Self {
        Self::new()
    }
}

impl Center {
    /// One whose time stands still until it is moved.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Clock::by_hand())
    }

    /// One that lives in tokio's time, which a test may have paused.
    #[must_use]
    pub fn in_tokio_time() -> Self {
        Self::with(Clock::of_tokio())
    }

    fn with(clock: Clock) -> Self {
        let state = State {
            machine: Machine::default(),
            faults: Vec::new(),
            asked: Vec::new(),
            objections: Vec::new(),
            step: Duration::ZERO,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            clock,
        }
    }

    /// One whose time moves by `step` with each look at an operation, for clients that wait by asking.
    #[must_use]
    pub fn moved_by_looks(self, step: Duration) -> Self {
        self.state().step = step;
        self
    }

    /// Moves its time.
    pub fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Switches a fault on.
    pub fn set(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Switches all faults off.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// How many boxes one person may have.
    pub fn limit(&self, boxes: u32) {
        self.state().machine.boxes_per_person = Some(boxes);
    }

    /// Says of the pool's health what it is.
    pub fn pool_health(&self, health: &str) {
        health.clone_into(&mut self.state().machine.pool_health);
    }

    /// Whether the pool stops boxes that nobody is connected to.
    pub fn stops_unconnected(&self, stops: bool) {
        self.state().machine.stops_unconnected = stops;
    }

    /// How long after it was asked for a box is stopped on its pool's schedule, which applies to those made from now on.
    pub fn stops_after(&self, span: Duration) {
        self.state().machine.stops_after = span;
    }

    /// Moves a box into another project, as if it had been made there.
    pub fn moves(&self, name: &str, project: &str) {
        self.state().machine.moves(name, project);
    }

    /// Breaks a box that is there: its service says that it failed.
    pub fn breaks(&self, name: &str) {
        self.state().machine.breaks(name);
    }

    /// Deletes a box behind everybody's back.
    pub fn lose(&self, name: &str) {
        self.state().machine.boxes.retain(|it| it.name != name);
    }

    /// The names of all boxes there are, deleted ones left out.
    #[must_use]
    pub fn boxes(&self) -> Vec<String> {
        let names = self.now_in(|machine| machine.boxes.iter().map(|it| it.name.clone()).collect());
        let mut names: Vec<String> = names;
        names.sort();
        names
    }

    /// What a box's `provisioningState` and `powerState` are.
    #[must_use]
    pub fn states(&self, name: &str) -> Option<(String, Option<String>)> {
        self.now_in(|machine| {
            let found = machine.boxes.iter().find(|it| it.name == name)?;
            let (provisioning, power) = render::states(found);
            Some((provisioning.to_owned(), power.map(str::to_owned)))
        })
    }

    /// What customization tasks have run on boxes that are there, in order: a test plays what they began.
    #[must_use]
    pub fn installed(&self) -> Vec<Installed> {
        self.now_in(|machine| machine.installed())
    }

    /// How often a box that existed was asked for once more, which the service may take as a wish to replace it.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.state().machine.replaced
    }

    /// The requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// What was wrong with requests, by the service's published description.
    #[must_use]
    pub fn objections(&self) -> Vec<String> {
        self.state().objections.clone()
    }

    /// A transport that answers in this process.
    #[must_use]
    pub fn transport(&self) -> Transport {
        let center = self.clone();
        let service = service_fn(move |request: Request<Bytes>| {
            let center = center.clone();
            async move { center.answer(request).await }
        });
        Transport::new(service)
    }

    /// Answers on a port of loopback until what it returns is dropped.
    ///
    /// # Panics
    /// Without a free port.
    #[must_use]
    pub fn serve(&self) -> Served {
        Served::start(self.clone())
    }

    async fn answer(
        self,
        request: Request<Bytes>,
    ) -> Result<Response<shraga_dataverse::transport::Body>, crate::BoxError> {
        let taken = answer::take(&self, &request);
        match taken {
            answer::Taken::Answer(response) => Ok(response),
            answer::Taken::Hang => std::future::pending().await,
            answer::Taken::Away(why) => Err(why.into()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `look` sees, once all that was due by now has happened.
    fn now_in<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.state();
        let faults = state.faults.clone();
        state.machine.settle(now, &faults);
        look(&state.machine)
    }
}
