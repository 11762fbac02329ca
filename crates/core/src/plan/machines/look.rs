//! One provider's part of a snapshot, with what is asked of it again and again.

use std::collections::{HashMap, HashSet};

use super::demand::Demand;
use super::{Group, MachinePolicy, MachineSnapshot};
use crate::ids::{Etag, WorkerId};
use crate::machine::{
    Found, Inventory, Machine, Note, ProviderKind, Serves, Stage, Tally, Trouble,
};
use crate::time::Timestamp;

/// How lately a worker must have beaten for a provider's word that its machine is gone not to count.
/// Four beats of 30 s.
const BEATS: crate::time::Span = crate::time::Span::secs(120);

pub(super) struct Look<'a> {
    pub(super) snapshot: &'a MachineSnapshot,
    pub(super) group: &'a Group,
    pub(super) provider: ProviderKind,
    pub(super) now: Timestamp,
    pub(super) events: bool,
    pub(super) inventory: Result<&'a Inventory, &'a Trouble>,
    pub(super) machines: Vec<Machine>,
    pub(super) tally: Option<(Etag, Tally)>,
    pub(super) demand: Demand,
    held: HashMap<WorkerId, u32>,
    ids: HashSet<WorkerId>,
}

impl<'a> Look<'a> {
    /// What is seen of a provider; `None` when it was not asked.
    pub(super) fn new(
        snapshot: &'a MachineSnapshot,
        policy: &MachinePolicy,
        provider: ProviderKind,
        group: &'a Group,
        now: Timestamp,
    ) -> Option<Self> {
        let inventory = snapshot.seen.get(&provider)?.as_ref();
        let machines = snapshot.workers.iter().filter_map(Machine::of);
        let mut machines: Vec<Machine> = machines
            .filter(|machine| machine.record.provider == provider)
            .collect();
        machines.sort_by_key(|machine| (machine.record.since, machine.worker));
        let tally = snapshot.workers.iter().find_map(|row| match &row.machine {
            Some(Note::Tally(tally)) if tally.provider == provider => {
                Some((row.etag.clone(), tally.clone()))
            }
            Some(Note::Tally(_) | Note::Machine(_) | Note::Unknown(_)) | None => None,
        });
        let mut held: HashMap<WorkerId, u32> = HashMap::new();
        for open in snapshot.open.iter().filter(|open| open.is_held()) {
            if let Some(worker) = open.worker {
                *held.entry(worker).or_default() += 1;
            }
        }
        Some(Self {
            snapshot,
            group,
            provider,
            now,
            events: policy.events,
            inventory,
            machines,
            tally,
            demand: Demand::new(snapshot, group, now),
            held,
            ids: snapshot.workers.iter().map(|row| row.id).collect(),
        })
    }

    /// Whether the workers table has a row of this identity.
    pub(super) fn has_row(&self, worker: WorkerId) -> bool {
        self.ids.contains(&worker)
    }

    /// Attempts that this machine's worker holds.
    pub(super) fn held(&self, machine: &Machine) -> u32 {
        self.held.get(&machine.worker).copied().unwrap_or(0)
    }

    /// Whether it is certain that the machine's worker holds nothing.
    pub(super) fn holds_nothing(&self, machine: &Machine) -> bool {
        self.snapshot.open_complete && self.held(machine) == 0
    }

    /// The machine at its provider.
    pub(super) fn found(&self, machine: &Machine) -> Option<&'a Found> {
        self.inventory.ok()?.find(&machine.record.name)
    }

    /// Whether what the provider says is later than what it was asked last about this machine.
    pub(super) fn is_fresh(&self, machine: &Machine) -> bool {
        let asked = machine.record.tried.max(Some(machine.record.since));
        let at = self.inventory.ok().map(|inventory| inventory.at);
        at.is_some_and(|at| Some(at) > asked)
    }

    /// Whether the worker beats, so that its machine runs whatever anybody says.
    pub(super) fn beats(&self, machine: &Machine) -> bool {
        let begun = machine.record.tried.unwrap_or(machine.record.since);
        let since = self.now.minus(BEATS).max(begun);
        machine.checked_in_since(since)
    }

    /// Whether a machine may run although its provider says that it doesn't.
    pub(super) fn may_run(&self, machine: &Machine) -> bool {
        !self.group.certain && self.beats(machine)
    }

    /// Machines of somebody in one of these stages.
    pub(super) fn count(&self, serves: Serves, in_stage: fn(Stage) -> bool) -> u32 {
        let those = self.of(serves).filter(|it| in_stage(it.record.stage));
        u32::try_from(those.count()).unwrap_or(u32::MAX)
    }

    /// Machines of somebody.
    pub(super) fn of(&self, serves: Serves) -> impl Iterator<Item = &Machine> {
        let those = self.machines.iter();
        those.filter(move |machine| machine.record.serves == serves)
    }
}
