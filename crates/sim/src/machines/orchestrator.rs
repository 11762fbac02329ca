//! An orchestrator that looks after machines: what it saw, what it planned and not yet wrote, what it remembers.

use std::collections::{BTreeMap, HashMap, VecDeque};

use shraga_core::ids::{UserId, WorkerId};
use shraga_core::machine::{MachineName, ProviderKind, Trouble};
use shraga_core::model::Worker;
use shraga_core::plan::machines::{MachinePolicy, MachineSnapshot, Open, Step, plan};
use shraga_core::time::Timestamp;
use uuid::Uuid;

use super::provider::{Provider, State};
use super::rows::Rows;

#[derive(Debug, Default)]
pub(super) struct Orchestrator {
    pub(super) failed: HashMap<WorkerId, (Timestamp, Trouble)>,
    pub(super) links: HashMap<WorkerId, Option<String>>,
    pub(super) queue: VecDeque<Step>,
    /// States at the provider when it looked last.
    pub(super) states: BTreeMap<MachineName, State>,
    /// Rows when it looked last, for assignments.
    pub(super) rows: BTreeMap<Uuid, Worker>,
    pub(super) looked: Timestamp,
}

impl Orchestrator {
    /// Looks and plans; nothing is written yet.
    pub(super) fn look(
        &mut self,
        (rows, provider, open): (&Rows, &Provider, Vec<Open>),
        policy: &MachinePolicy,
        admin: UserId,
        now: Timestamp,
    ) {
        let tried = |worker: &WorkerId| {
            let row = rows.all.get(&worker.get())?;
            shraga_core::machine::Machine::of(row)?.record.tried
        };
        self.failed
            .retain(|worker, (asked, _)| tried(worker) == Some(*asked));
        let snapshot = MachineSnapshot {
            admin: Some(admin),
            workers: rows.all.values().cloned().collect(),
            workers_complete: true,
            open,
            open_complete: true,
            seen: BTreeMap::from([(ProviderKind::DevBox, provider.list(now))]),
            failed: self.failed.clone(),
            links: self.links.clone(),
        };
        self.queue = plan(&snapshot, policy, now).steps.into();
        self.states.clone_from(&provider.boxes);
        self.see(rows, now);
    }

    /// Looks at rows alone, as before an assignment.
    pub(super) fn see(&mut self, rows: &Rows, now: Timestamp) {
        self.rows.clone_from(&rows.all);
        self.looked = now;
    }
}
