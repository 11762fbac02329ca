//! A provider by its state: machines that take their time, fail, end by themselves, and are there
//! whether anybody heard of it or not.

use std::collections::BTreeMap;

use shraga_core::ids::BootId;
use shraga_core::machine::{
    Found, FoundState, Inventory, MachineName, ProviderKind, Quota, Trouble, TroubleClass,
};
use shraga_core::plan::machines::{Act, ActKind};
use shraga_core::time::Timestamp;
use uuid::Uuid;

/// Seconds that making and starting take.
pub(crate) const MAKING: i64 = 60;
pub(crate) const STARTING: i64 = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Making { until: i64, fails: bool },
    Starting { until: i64 },
    Running,
    Asleep,
    Failed,
    Odd,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Provider {
    pub(crate) boxes: BTreeMap<MachineName, State>,
    /// Whether it answers.
    pub(crate) down: bool,
    /// Whether what is made next fails.
    pub(crate) fails: bool,
    /// Whether it makes none, and why.
    pub(crate) bars: Option<Trouble>,
    /// How much it gives.
    pub(crate) quota: Option<Quota>,
    /// What somebody should change about it.
    pub(crate) advice: Option<String>,
    /// When it is going to stop machines by itself.
    pub(crate) stops: BTreeMap<MachineName, Timestamp>,
    /// Whether it passes over wishes to do so later.
    pub(crate) insists: bool,
    /// Whether it accepts wishes to restart, and does nothing.
    pub(crate) deaf: bool,
    /// Everything it was asked to do, in order.
    pub(crate) asked: Vec<Act>,
    /// How often each began to run: its worker is another process each time.
    boots: BTreeMap<MachineName, u128>,
    /// Machines it began to make.
    pub(crate) made: u32,
}

impl Provider {
    pub(crate) fn trouble(now: Timestamp) -> Trouble {
        Trouble {
            class: TroubleClass::Transient,
            said: "no answer".to_owned(),
            since: now,
            again: None,
        }
    }

    pub(crate) fn list(&self, now: Timestamp) -> Result<Inventory, Trouble> {
        if self.down {
            return Err(Self::trouble(now));
        }
        let found = self.boxes.iter().map(|(name, state)| Found {
            name: name.clone(),
            state: match state {
                State::Making { .. } => FoundState::Making,
                State::Starting { .. } => FoundState::Starting,
                State::Running => FoundState::Running,
                State::Asleep => FoundState::Asleep,
                State::Failed => FoundState::Failed,
                State::Odd => FoundState::Other("Resizing".to_owned()),
            },
            created: None,
            stops_at: self.stops.get(name).copied(),
            fault: (*state == State::Failed).then(|| "no licence for this person".to_owned()),
        });
        Ok(Inventory {
            provider: ProviderKind::DevBox,
            found: found.collect(),
            at: now,
            quota: self.quota.clone(),
            bars: self.bars.clone(),
            advice: self.advice.clone(),
        })
    }

    /// Does what is asked, as the contract of [`Act`] says: again is the same as once.
    pub(crate) fn act(&mut self, act: &Act, now: i64) -> Result<(), Trouble> {
        if self.down {
            return Err(Self::trouble(Timestamp::from_secs(now)));
        }
        self.asked.push(act.clone());
        let state = self.boxes.get(&act.name).cloned();
        match (act.kind, state) {
            (ActKind::Create, None) => {
                self.made += 1;
                let fails = self.fails;
                let until = now + MAKING;
                self.boxes
                    .insert(act.name.clone(), State::Making { until, fails });
            }
            (ActKind::Start, Some(State::Asleep)) => {
                let until = now + STARTING;
                self.boxes
                    .insert(act.name.clone(), State::Starting { until });
            }
            (ActKind::Stop { .. }, Some(State::Running)) => {
                self.boxes.insert(act.name.clone(), State::Asleep);
            }
            (ActKind::Delete, Some(_)) => {
                self.boxes.remove(&act.name);
            }
            (ActKind::Restart, Some(State::Running)) if self.deaf => {}
            (ActKind::Restart, Some(State::Running)) | (ActKind::Repair, Some(State::Failed)) => {
                let until = now + STARTING;
                self.boxes
                    .insert(act.name.clone(), State::Starting { until });
            }
            (ActKind::Delay { until }, Some(_)) if !self.insists => {
                self.stops
                    .entry(act.name.clone())
                    .and_modify(|at| *at = until);
            }
            (ActKind::Start, None) => return Err(Self::trouble(Timestamp::from_secs(now))),
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
            ) => {}
        }
        Ok(())
    }

    pub(crate) fn pass(&mut self, now: i64) {
        for (name, at) in &self.stops {
            let due = *at <= Timestamp::from_secs(now);
            if due && self.boxes.get(name) == Some(&State::Running) {
                self.boxes.insert(name.clone(), State::Asleep);
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
                other => other,
            };
            if before != State::Running && *state == State::Running {
                *self.boots.entry(name.clone()).or_default() += 1;
            }
        }
    }

    /// The process that runs as a machine's worker, if the machine runs.
    pub(crate) fn boot(&self, name: &MachineName) -> Option<BootId> {
        let boots = self.boots.get(name).copied().unwrap_or(0);
        let runs = self.boxes.get(name) == Some(&State::Running);
        runs.then(|| BootId::new(Uuid::from_u128(boots)))
    }
}
