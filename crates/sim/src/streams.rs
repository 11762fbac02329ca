//! The check on event streams, of a store at rest: gapless, chained, told to the right person.
//!
//! Rows alone are looked at. Only an event that a set did not come to, at a store without change sets,
//! may be missing.

use std::collections::HashMap;

use shraga_core::audit;
use shraga_core::row::{Table, events};
use uuid::Uuid;

use crate::judge::Judge;
use crate::promises::{Check, Promise};
use crate::store::{Row, Store};

/// What tells which event comes after which: the task, the stream, the number.
type Place<'a> = (Option<&'a str>, Option<&'a str>, i64);

impl Judge {
    /// Every event follows from the one before it, and every mirror's head is there.
    pub(crate) fn streams_verify(&self, store: &Store) -> Check {
        let rows = || store.rows(Table::Events).map(std::rc::Rc::as_ref);
        let placed = rows().filter_map(|row| Some((row.text(events::HASH)?, place(row))));
        let there: HashMap<&str, Place<'_>> = placed.collect();
        for row in rows() {
            belongs_to_the_right_person(store, row)?;
            let previous = row.text(events::PREVIOUS_HASH).unwrap_or_default();
            let content = row.text(events::CONTENT).unwrap_or_default();
            let hash = audit::hash(previous, content);
            let (task, stream, number) = place(row);
            let follows = match previous {
                "" => number == 1,
                _ => {
                    there.get(previous) == Some(&(task, stream, number - 1))
                        || self.left_out.contains(previous)
                }
            };
            if !follows || row.text(events::HASH) != Some(hash.as_str()) {
                let (task, stream) = (task.unwrap_or_default(), stream.unwrap_or_default());
                let seen = format!("stream {stream} of task {task} breaks at number {number}");
                return Err((Promise::AuditVerifies, seen));
            }
        }
        let mirrors = store.rows(Table::Tasks);
        let mirrors = mirrors.filter(|row| row.is_mirror_of(self.admin));
        for row in mirrors {
            let head = row.mirror().map(|mirror| &mirror.head);
            let is_there = |hash: &str| there.contains_key(hash) || self.left_out.contains(hash);
            if head.is_some_and(|head| head.sequence > 0 && !is_there(&head.hash)) {
                let seen = format!("mirror {} names an event that is not there", row.id);
                return Err((Promise::AuditVerifies, seen));
            }
        }
        Ok(())
    }
}

fn place(event: &Row) -> Place<'_> {
    let number = event.int(events::SEQUENCE).unwrap_or(0);
    (
        event.text(events::TASK_ID),
        event.text(events::STREAM),
        number,
    )
}

/// An event about a task is told to its owner and nobody else.
fn belongs_to_the_right_person(store: &Store, event: &Row) -> Check {
    let parsed = |column| Uuid::parse_str(event.text(column)?).ok();
    let (Some(task), Some(person)) = (parsed(events::TASK_ID), parsed(events::USER_ID)) else {
        return Ok(());
    };
    match store.get(Table::Tasks, task) {
        Some(row) if row.owner.get() != person => {
            let seen = format!("event {} tells {person} of somebody else's task", event.id);
            Err((Promise::OnlyTheirOwn, seen))
        }
        Some(_) | None => Ok(()),
    }
}
