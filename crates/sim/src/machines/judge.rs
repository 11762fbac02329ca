//! What must hold of machines: after every request, after every step, and at rest.

use shraga_core::machine::{Serves, Stage};
use shraga_core::plan::machines::{Act, ActKind};

use super::provider::State;
use super::world::{Fate, World};
use crate::promises::{Check, Promise};

impl World {
    /// A request arrives at the provider: it may be made.
    pub(super) fn may_be_asked(&self, act: &Act, odd: bool) -> Check {
        let name = &act.name;
        if self.foreign.contains(name) {
            return Err((
                Promise::OthersMachines,
                format!("{name} is not ours: {:?}", act.kind),
            ));
        }
        if !self.rows.all.contains_key(&act.worker.get()) {
            return Err((
                Promise::MachinesKnown,
                format!("{name} has no row: {:?}", act.kind),
            ));
        }
        let ends = match act.kind {
            ActKind::Stop { .. } | ActKind::Delete | ActKind::Restart | ActKind::Repair => true,
            ActKind::Create | ActKind::Start | ActKind::Delay { .. } | ActKind::Link => false,
        };
        let runs = self.provider.boxes.get(name) == Some(&State::Running);
        if ends && runs && self.held(act.worker) > 0 {
            let seen = format!("{name} holds a lease: {:?}", act.kind);
            return Err((Promise::LeasesStay, seen));
        }
        if ends && odd {
            let seen = format!("{name} is in a state that nobody knows: {:?}", act.kind);
            return Err((Promise::OthersMachines, seen));
        }
        Ok(())
    }

    /// What must hold after every step.
    pub(super) fn caps_hold(&self) -> Check {
        let ours = self.provider.boxes.keys();
        let ours = ours.filter(|name| !self.foreign.contains(name)).count();
        if ours > self.group.total as usize {
            return Err((Promise::CapsHold, format!("{ours} machines are there")));
        }
        for person in &self.people {
            let serves = Serves::Person(*person);
            let hers = self.rows.records().filter(|(_, record)| {
                let there = !matches!(record.stage, Stage::Wanted | Stage::Gone | Stage::Failed);
                // One that failed before it ran a worker is deleted, and never served her.
                let failed = record.stage == Stage::Deleting && record.ready_on.is_none();
                record.serves == serves && there && !failed
            });
            let hers = hers.count();
            // One that failed may come back beside the one that took its place.
            if hers > self.group.per_person as usize + 1 {
                return Err((Promise::CapsHold, format!("{person} has {hers} machines")));
            }
        }
        let made = self.rows.tally();
        if self.group.per_month.is_some_and(|most| made > most) {
            return Err((Promise::CapsHold, format!("{made} were made this month")));
        }
        for foreign in &self.foreign {
            if self.provider.boxes.get(foreign) != Some(&State::Running) {
                return Err((Promise::OthersMachines, format!("{foreign} was touched")));
            }
        }
        Ok(())
    }

    /// What must hold once everything has worked for long.
    pub(super) fn at_rest(&self) -> Check {
        let stuck = |seen: String| Err((Promise::NothingStuck, seen));
        let left = self.tasks.iter().filter(|task| task.fate != Fate::Done);
        let left = left.count();
        if left > 0 {
            return stuck(format!("{left} tasks are not done"));
        }
        let mut coming = 0;
        for (_, record) in self.rows.records() {
            if record.stage.is_under_way() {
                return stuck(format!("{} is {} for ever", record.name, record.stage));
            }
            coming += u32::from(record.stage.is_coming());
        }
        if coming != self.group.pool_min {
            return stuck(format!("{coming} machines stay that nobody needs"));
        }
        let known = |name: &str| {
            let mut records = self.rows.records();
            records.any(|(_, record)| record.name.as_str() == name && record.stage != Stage::Gone)
        };
        let mut boxes = self.provider.boxes.keys();
        match boxes.find(|name| !self.foreign.contains(name) && !known(name.as_str())) {
            Some(name) => Err((Promise::MachinesKnown, format!("nobody knows {name}"))),
            None => Ok(()),
        }
    }
}
