//! A provider of machines by its state: they take their time, fail, end by themselves, and are there whether anybody
//! heard of it or not.

use std::collections::{BTreeMap, BTreeSet};

use shraga_core::ids::BootId;
use shraga_core::machine::{
    Found, FoundState, Inventory, MachineName, ProviderKind, Trouble, TroubleClass,
};
use shraga_core::plan::machines::{Act, ActKind};
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

/// How long making, starting and stopping take.
const MAKING: Span = Span::secs(60);
const STARTING: Span = Span::secs(20);
const STOPPING: Span = Span::secs(15);

/// What a machine is doing, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Making { until: Timestamp, fails: bool },
    Starting { until: Timestamp },
    Stopping { until: Timestamp },
    Running,
    Asleep,
    Failed,
    Odd,
}

#[derive(Debug, Default)]
pub(super) struct Provider {
    pub(super) boxes: BTreeMap<MachineName, State>,
    /// Whether it answers nobody.
    pub(super) down: bool,
    /// Whether what is made from now on fails.
    pub(super) fails: bool,
    /// Whether it says that it makes none.
    pub(super) barred: bool,
    /// When it is going to stop machines by itself.
    pub(super) stops: BTreeMap<MachineName, Timestamp>,
    /// How often each began to run: its worker is another process each time.
    pub(super) boots: BTreeMap<MachineName, u128>,
    /// Those that run and whose worker has died.
    pub(super) dead: BTreeSet<MachineName>,
}

pub(super) fn trouble(now: Timestamp) -> Trouble {
    Trouble {
        class: TroubleClass::Transient,
        said: "no answer".to_owned(),
        since: now,
        again: None,
    }
}

impl Provider {
    pub(super) fn list(&self, now: Timestamp) -> Result<Inventory, Trouble> {
        if self.down {
            return Err(trouble(now));
        }
        let found = self.boxes.iter().map(|(name, state)| Found {
            name: name.clone(),
            state: match state {
                State::Making { .. } => FoundState::Making,
                State::Starting { .. } => FoundState::Starting,
                State::Stopping { .. } => FoundState::Stopping,
                State::Running => FoundState::Running,
                State::Asleep => FoundState::Asleep,
                State::Failed => FoundState::Failed,
                State::Odd => FoundState::Other("Resizing".to_owned()),
            },
            created: None,
            fault: (*state == State::Failed).then(|| "its host failed".to_owned()),
            stops_at: self.stops.get(name).copied(),
        });
        Ok(Inventory {
            provider: ProviderKind::DevBox,
            found: found.collect(),
            at: now,
            quota: None,
            bars: self.barred.then(|| trouble(now)),
            advice: None,
        })
    }

    /// Does what is asked, as the contract of [`Act`] says: again is the same as once. Whether it changed anything.
    pub(super) fn act(&mut self, act: &Act, now: Timestamp) -> Result<bool, Trouble> {
        if self.down {
            return Err(trouble(now));
        }
        let state = self.boxes.get(&act.name).cloned();
        let next = match (act.kind, state) {
            (ActKind::Create, None) if self.barred => return Err(trouble(now)),
            (ActKind::Create, None) => State::Making {
                until: now.plus(MAKING),
                fails: self.fails,
            },
            (ActKind::Start, None) => return Err(trouble(now)),
            (ActKind::Start, Some(State::Asleep))
            | (ActKind::Restart, Some(State::Running))
            | (ActKind::Repair, Some(State::Failed)) => State::Starting {
                until: now.plus(STARTING),
            },
            (ActKind::Stop { .. }, Some(State::Running)) => State::Stopping {
                until: now.plus(STOPPING),
            },
            (ActKind::Delete, Some(_)) => {
                self.boxes.remove(&act.name);
                return Ok(true);
            }
            (ActKind::Delay { until }, Some(_)) => {
                let stop = self.stops.get_mut(&act.name);
                return Ok(stop.map(|stop| *stop = until).is_some());
            }
            (
                ActKind::Create
                | ActKind::Start
                | ActKind::Stop { .. }
                | ActKind::Delete
                | ActKind::Restart
                | ActKind::Repair
                | ActKind::Delay { .. }
                | ActKind::Link,
                _,
            ) => return Ok(false),
        };
        self.boxes.insert(act.name.clone(), next);
        Ok(true)
    }

    pub(super) fn pass(&mut self, now: Timestamp) {
        let due: Vec<MachineName> = self
            .stops
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.stops.remove(&name);
            if self.boxes.get(&name) == Some(&State::Running) {
                self.boxes.insert(name, State::Asleep);
            }
        }
        for (name, state) in &mut self.boxes {
            let before = state.clone();
            *state = match state.clone() {
                State::Making { until, fails } if until <= now => match fails {
                    true => State::Failed,
                    false => State::Running,
                },
                State::Starting { until } if until <= now => State::Running,
                State::Stopping { until } if until <= now => State::Asleep,
                other => other,
            };
            if before != State::Running && *state == State::Running {
                *self.boots.entry(name.clone()).or_default() += 1;
                self.dead.remove(name);
            }
        }
    }

    /// The process that runs as a machine's worker, if the machine runs.
    pub(super) fn boot(&self, name: &MachineName) -> Option<BootId> {
        let boots = self.boots.get(name).copied().unwrap_or(0);
        let runs = self.boxes.get(name) == Some(&State::Running);
        let lives = runs && !self.dead.contains(name);
        lives.then(|| BootId::new(Uuid::from_u128(boots)))
    }
}
