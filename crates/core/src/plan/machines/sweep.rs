//! Machines that the provider has and no row knows.
//!
//! One whose name we would have computed for a person who is known here is ours: its row was lost. It
//! gets one again, and what is decided for all machines is decided for it. Any other is left alone, and
//! named if its name begins as ours do.

use std::collections::BTreeSet;

use super::look::Look;
use super::write::{create, worker_of};
use super::{MachinePlan, Step};
use crate::ids::UserId;
use crate::machine::{Found, FoundState, MachineName, ProviderKind, Record, Serves, Stage};

/// Gives rows to machines that lost theirs; whether any did.
pub(super) fn add(look: &Look<'_>, plan: &mut MachinePlan) -> bool {
    let (Some(admin), Ok(inventory)) = (look.snapshot.admin, look.inventory) else {
        return false;
    };
    if !look.snapshot.workers_complete {
        return false;
    }
    let mut adopted = false;
    let known = |found: &&Found| {
        let mut names = look.machines.iter().map(|machine| &machine.record.name);
        names.any(|name| name.as_str().eq_ignore_ascii_case(found.name.as_str()))
    };
    let prefix = &look.group.prefix;
    let found = inventory.found.iter();
    for found in found.filter(|found| found.name.has_prefix(prefix) && !known(found)) {
        let record = whose(look, admin, &found.name).and_then(|serves| adopt(look, found, serves));
        let Some(record) = record else {
            plan.notes.push(format!(
                "machine {} begins as ours do, and nobody here knows it: it is left alone",
                found.name
            ));
            continue;
        };
        let worker = worker_of(admin, record.serves, &record.name);
        if look.has_row(worker) {
            continue;
        }
        adopted = true;
        plan.steps.push(Step {
            set: Some(create(look, worker, &record)),
            act: None,
        });
    }
    adopted
}

/// Whose machine it is, if its name is one that is computed here.
fn whose(look: &Look<'_>, admin: UserId, name: &MachineName) -> Option<Serves> {
    let open = look.snapshot.open.iter().filter_map(|open| open.user);
    let owners = look.snapshot.workers.iter().map(|worker| worker.owner);
    let people: BTreeSet<UserId> = open.chain(owners).collect();
    // Only what is on this machine can be known for ours without anybody's name in it.
    let pool = (look.provider == ProviderKind::Process).then_some(Serves::Everyone);
    let people = people.into_iter().map(Serves::Person);
    people.chain(pool).find(|serves| {
        let stem = MachineName::stem(&look.group.prefix, admin, *serves);
        name.number(&stem).is_some()
    })
}

/// The record of a machine whose row was lost; `None` while it can't be told how far it is.
fn adopt(look: &Look<'_>, found: &Found, serves: Serves) -> Option<Record> {
    let stage = match found.state {
        FoundState::Making | FoundState::AwaitingApproval => Stage::Creating,
        FoundState::Starting | FoundState::Running | FoundState::Stopping => Stage::Starting,
        FoundState::Asleep | FoundState::Failed => Stage::Asleep,
        FoundState::Deleting | FoundState::Expiring | FoundState::Other(_) => return None,
    };
    let name = found.name.clone();
    let mut record = Record::wanted(look.provider, name, serves, look.now).at(stage, look.now);
    record.tried = Some(look.now);
    // It may hold somebody's work: it is not one that never ran a worker.
    record.ready_on = Some(look.now);
    record.up_since = (stage == Stage::Starting).then_some(look.now);
    Some(record)
}
