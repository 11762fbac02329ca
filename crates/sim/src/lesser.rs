//! Stores that take less: no change sets, or identities of their own for every row that is made.
//!
//! As the shipped client does it: the writes of a set are made one by one, in core's order, and stop at
//! the first that is not done; what follows names a row by the identity it was given; an event that is
//! there already is the same one. Between two writes the sender may be gone, or the next one may arrive
//! when nobody waits for it any more. Nothing is decided here.

use shraga_core::ids::UserId;
use shraga_core::row::{ChangeSet, Condition, Table, Value, Write, events};

use crate::coverage::{Deed, Fault};
use crate::network::{Request, Sent};
use crate::promises::{Author, Check};
use crate::world::World;

/// What a store of a history can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Whether it makes several writes all or not at all.
    pub(crate) change_sets: bool,
    /// Whether rows can be made under identities chosen by whoever makes them.
    pub(crate) own_ids: bool,
}

impl Abilities {
    pub(crate) const FULL: Self = Self {
        change_sets: true,
        own_ids: true,
    };

    /// Four stores of ten lack something.
    pub(crate) fn of(dice: &mut fastrand::Rng) -> Self {
        let (change_sets, own_ids) = match dice.u8(0..10) {
            0 | 1 => (false, true),
            2 => (false, false),
            3 => (true, false),
            _ => (true, true),
        };
        Self {
            change_sets,
            own_ids,
        }
    }

    /// Whether change sets are sent as they are: the shipped client makes them in steps otherwise.
    pub(crate) const fn is_full(self) -> bool {
        self.change_sets && self.own_ids
    }
}

impl World {
    /// A set, write by write, until one is not done.
    pub(crate) fn happen_in_steps(
        &mut self,
        author: Author,
        who: UserId,
        set: &ChangeSet,
    ) -> Check<Sent> {
        if set.must_be_whole() {
            return Ok(Sent::NotTried);
        }
        let mut rest = set.clone();
        let mut sent = Sent::Done;
        let mut done = 0;
        while sent == Sent::Done && !rest.writes.is_empty() {
            if done > 0 && self.is_cut_short(author, who, &rest) {
                sent = Sent::Partly;
                break;
            }
            sent = self.make(author, who, &mut rest)?;
            done += usize::from(sent == Sent::Done);
        }
        if done > 0 {
            let made = ChangeSet {
                writes: set.writes[..done].to_vec(),
                ..set.clone()
            };
            self.history.coverage.carried_out(author, &made);
            if sent != Sent::Done {
                self.judge.left_out(&rest);
                sent = Sent::Partly;
            }
        }
        Ok(sent)
    }

    /// Makes the first write of `rest` and takes it out.
    fn make(&mut self, author: Author, who: UserId, rest: &mut ChangeSet) -> Check<Sent> {
        let planned = rest.writes[0].id;
        let mut write = rest.writes[0].clone();
        if self.has_event(&write) {
            *rest = rest.rest(1, &[]);
            return Ok(Sent::Done);
        }
        // A worker's own row: it takes the identity that the row got for its own.
        let makes = write.condition == Condition::Absent && write.table != Table::Workers;
        if makes && !self.script.cast.store.own_ids {
            let name = self.names.told(&planned.to_string());
            let name = format!("{name}@{}", self.history.steps);
            write.id = self.new_id(name);
            self.history.coverage.deed(Deed::Replaced);
        }
        let given = write.id;
        let one = ChangeSet {
            writes: vec![write],
            ..rest.clone()
        };
        let sent = self.change(author, who, &one)?;
        if sent == Sent::Done {
            *rest = rest.rest(1, &[(planned, given)]);
        }
        Ok(sent)
    }

    /// Whether the event that `write` makes is there already.
    fn has_event(&self, write: &Write) -> bool {
        let hash = match write.get(events::HASH) {
            Some(Value::Text(hash)) if write.condition == Condition::Absent => hash,
            _ => return false,
        };
        let there = self.store.get(Table::Events, write.id);
        there.is_some_and(|row| row.text(events::HASH) == Some(hash))
    }

    /// Between two writes: whether the sender comes no further.
    fn is_cut_short(&mut self, author: Author, who: UserId, rest: &ChangeSet) -> bool {
        if !self.faulty {
            return false;
        }
        match self.dice.u8(..) {
            0..=9 => self.fault(Fault::CutShort, || rest.why.clone()),
            10..=15 => {
                self.fault(Fault::NextDelayed, || rest.why.clone());
                let mut next = rest.clone();
                next.writes.truncate(1);
                self.in_flight.push(Request {
                    author,
                    who,
                    sets: vec![next],
                    stops: false,
                });
            }
            _ => return false,
        }
        true
    }
}
