//! The store's rows: workers with the machines they run on, and which events there are.
//!
//! A store without change sets makes the writes of a set one by one, in core's order, and may be left in between.

use std::collections::{BTreeMap, BTreeSet};

use shraga_core::fleet::Member;
use shraga_core::ids::{Etag, UserId, WorkerId};
use shraga_core::machine::{Note, Record};
use shraga_core::model::Worker;
use shraga_core::row::{ChangeSet, Condition, Table, Value, Write, workers};
use shraga_core::status::{Pool, WorkerKind, WorkerState};
use uuid::Uuid;

use super::cell;

#[derive(Debug)]
pub(super) struct Rows {
    pub(super) all: BTreeMap<Uuid, Worker>,
    events: BTreeSet<Uuid>,
    /// Whether a change set happens whole or not at all.
    pub(super) whole: bool,
    /// Whether versions are heeded.
    pub(super) heeds_versions: bool,
    version: u64,
}

impl Rows {
    pub(super) fn new(whole: bool, heeds_versions: bool) -> Self {
        Self {
            all: BTreeMap::new(),
            events: BTreeSet::new(),
            whole,
            heeds_versions,
            version: 0,
        }
    }

    /// Makes the first `most` writes of a set, or those before the one that is refused; whether all were made.
    pub(super) fn apply(&mut self, set: &ChangeSet, most: usize, admin: UserId) -> bool {
        if self.whole && !set.writes.iter().all(|write| self.takes(write)) {
            return false;
        }
        for write in set.writes.iter().take(most) {
            if !self.takes(write) {
                return false;
            }
            self.write(write, admin);
        }
        most >= set.writes.len()
    }

    fn takes(&self, write: &Write) -> bool {
        if write.table == Table::Events {
            return !self.events.contains(&write.id);
        }
        let row = self.all.get(&write.id);
        match &write.condition {
            Condition::Absent => row.is_none(),
            Condition::Version(etag) => {
                row.is_some_and(|row| row.etag == *etag || !self.heeds_versions)
            }
        }
    }

    fn write(&mut self, write: &Write, admin: UserId) {
        if write.table == Table::Events {
            self.events.insert(write.id);
            return;
        }
        let owner = write.owner.unwrap_or(admin);
        let row = self.all.entry(write.id);
        let row = row.or_insert_with(|| blank(WorkerId::new(write.id), owner));
        for (column, value) in &write.cells {
            let (column, text) = match value {
                Value::Text(text) => (*column, text),
                Value::Int(slots) if *column == workers::SLOTS => {
                    row.slots = u32::try_from(*slots).unwrap_or(0);
                    continue;
                }
                _ => continue,
            };
            if column == workers::MACHINE {
                row.machine = Some(cell::read(text));
            } else if column == workers::STATE {
                row.state = text.parse().unwrap_or(WorkerState::Offline);
            } else if column == workers::NAME {
                row.name.clone_from(text);
            } else if column == workers::KIND {
                row.kind = text.parse().unwrap_or(WorkerKind::LocalMachine);
            } else if column == workers::POOL {
                row.pool = text.parse().unwrap_or(Pool::Dedicated);
            }
        }
        self.touch(write.id);
    }

    /// Changes a row behind everybody's back: it has a new version.
    pub(super) fn change(&mut self, id: Uuid, change: impl FnOnce(&mut Worker)) {
        if let Some(row) = self.all.get_mut(&id) {
            change(row);
            self.touch(id);
        }
    }

    fn touch(&mut self, id: Uuid) {
        self.version += 1;
        let etag = Etag::new(self.version.to_string());
        if let Some(row) = self.all.get_mut(&id) {
            row.etag = etag;
        }
    }

    /// The machines there are or were.
    pub(super) fn records(&self) -> impl Iterator<Item = (Uuid, &Record)> {
        self.all.iter().filter_map(|(id, row)| match &row.machine {
            Some(Note::Machine(record)) => Some((*id, &**record)),
            Some(Note::Tally(_) | Note::Unknown(_)) | None => None,
        })
    }

    /// How many machines were made this month, as the tally says.
    pub(super) fn tally(&self) -> u32 {
        let tallies = self.all.values().filter_map(|row| match &row.machine {
            Some(Note::Tally(tally)) => Some(tally.made),
            Some(Note::Machine(_) | Note::Unknown(_)) | None => None,
        });
        tallies.max().unwrap_or(0)
    }
}

fn blank(id: WorkerId, owner: UserId) -> Worker {
    Worker {
        id,
        etag: Etag::new("0"),
        owner,
        name: String::new(),
        kind: WorkerKind::LocalMachine,
        state: WorkerState::Provisioning,
        pool: Pool::Dedicated,
        slots: 1,
        labels: Vec::new(),
        agents: Vec::new(),
        boot: None,
        beat: 0,
        last_seen: None,
        last_assigned: None,
        drained: None,
        member: Member::default(),
        suspicion: None,
        echo: None,
        machine: None,
    }
}
