//! Machines that are missing: what is stopped is started, and only then is another one made.
//!
//! A machine is wanted first, which is a row and nothing else, and says to everybody why there is none
//! yet. It is asked for in a second step, once limits, quota and former failures allow it; that step
//! writes the provider's tally under its version too, so that two orchestrators never pass a limit
//! together.

use super::advance::start_record;
use super::demand::Need;
use super::look::Look;
use super::write::{count, create, made, step, update, worker_of};
use super::{Act, ActKind, MachinePlan, Step, failing};
use crate::ids::UserId;
use crate::machine::{
    Inventory, Machine, MachineName, Record, Serves, Stage, Trouble, TroubleClass, Wish,
};
use crate::row::ChangeSet;
use crate::time::{Month, Timestamp};

/// Numbers that are tried for a new machine's name. Rows of machines that are gone are used again, so
/// more are taken only by rows and machines of others.
const NUMBERS: u32 = 100;

pub(super) fn add(look: &Look<'_>, plan: &mut MachinePlan) {
    look.demand.due.into_iter().for_each(|at| plan.due(at));
    let people: Vec<(UserId, Need)> = look.demand.people().collect();
    for (user, need) in people {
        let serves = Serves::Person(user);
        let coming = look.count(serves, Stage::is_coming);
        // One at a time: the next is decided on when this one is there, or is not.
        let under_way = look.of(serves).any(|machine| {
            machine.record.stage == Stage::Wanted || machine.record.stage.is_under_way()
        });
        if need.wanted > coming && !under_way {
            more(look, serves, 1, plan);
        }
    }
    more(look, Serves::Everyone, missing_in_pool(look), plan);
    wished(look, plan);
    start_instead(look, plan);
    withdraw(look, plan);
    ask(look, plan);
}

/// Machines that the pool lacks.
fn missing_in_pool(look: &Look<'_>) -> u32 {
    let pool = || look.of(Serves::Everyone);
    // A cordoned one goes on when there is work for it.
    let back = |record: &Record| record.stage == Stage::Cordoned && record.wish.is_none();
    let coming = pool().filter(|it| it.record.stage.is_coming() || back(&it.record));
    let (mut present, mut free) = (0_u32, 0_u32);
    for machine in coming {
        present = present.saturating_add(1);
        let slots = machine.slots.max(1);
        let usable = if machine.drained { 0 } else { slots };
        free = free.saturating_add(usable.saturating_sub(look.held(machine)));
    }
    let short = look.demand.waiting.saturating_sub(free);
    let more = short.div_ceil(look.group.slots.max(1));
    let least = look.group.pool_min.min(look.group.pool_max);
    let target = present.saturating_add(more).min(look.group.pool_max);
    target.max(least).saturating_sub(present)
}

/// Starts or wants `n` more machines for somebody.
fn more(look: &Look<'_>, serves: Serves, n: u32, plan: &mut MachinePlan) {
    let Some(admin) = look.snapshot.admin.filter(|_| n > 0) else {
        return;
    };
    let mut left = n;
    for machine in look.of(serves) {
        let asleep = machine.record.stage == Stage::Asleep && machine.record.wish.is_none();
        if left == 0 || !asleep {
            continue;
        }
        left -= 1;
        // One of which the provider says nothing now is waited for: it is there.
        if is_asleep(look, machine) {
            let next = start_record(&machine.record, look.now);
            let why = "there is work for it";
            step(plan, machine, &next, Some(ActKind::Start), why);
        }
    }
    if left == 0 || !look.snapshot.workers_complete {
        return;
    }
    if let Err(from) = failing::may_replace(look, serves) {
        from.into_iter().for_each(|at| plan.due(at));
        return;
    }
    let free = (1..=NUMBERS).filter_map(|n| {
        let name = MachineName::of(&look.group.prefix, admin, serves, n);
        slot(look, admin, serves, name)
    });
    for set in free.take(left as usize) {
        plan.steps.push(Step {
            set: Some(set),
            act: None,
        });
    }
}

/// The write that wants a machine of this name, unless there is one, or somebody else has the name.
fn slot(look: &Look<'_>, admin: UserId, serves: Serves, name: MachineName) -> Option<ChangeSet> {
    let worker = worker_of(admin, serves, &name);
    let known = look
        .machines
        .iter()
        .find(|machine| machine.worker == worker);
    let taken = look.inventory.ok().and_then(|seen| seen.find(&name));
    let fresh = Record::wanted(look.provider, name, serves, look.now);
    match known {
        Some(machine) if machine.record.stage == Stage::Gone && taken.is_none() => {
            let record = renewed(&machine.record, look.now);
            Some(ChangeSet {
                task: None,
                why: format!("machine {} for {serves}, again", record.name),
                writes: vec![update(machine, &record)],
            })
        }
        Some(_) => None,
        None if look.has_row(worker) || taken.is_some() => None,
        None => Some(create(look, worker, &fresh)),
    }
}

/// The record of another machine of the same name: what it cost stays, and the stream of its events.
fn renewed(before: &Record, now: Timestamp) -> Record {
    Record {
        up: before.up,
        head: before.head.clone(),
        ..Record::wanted(before.provider, before.name.clone(), before.serves, now)
    }
}

/// Whether the provider says, after all that was asked of it, that this machine is stopped.
fn is_asleep(look: &Look<'_>, machine: &Machine) -> bool {
    use crate::machine::FoundState::Asleep;
    let found = look
        .found(machine)
        .is_some_and(|found| found.state == Asleep);
    found && look.is_fresh(machine)
}

/// A machine that is gone, and that an admin wishes to run, is wanted again.
fn wished(look: &Look<'_>, plan: &mut MachinePlan) {
    for machine in &look.machines {
        let record = &machine.record;
        if record.stage == Stage::Gone && record.wish == Some(Wish::Start) {
            let mut next = renewed(record, look.now);
            next.wish = record.wish;
            step(plan, machine, &next, None, "an admin wishes it to run");
        }
        let wish = record.wish.filter(|wish| *wish != Wish::Start);
        if record.stage == Stage::Gone && wish.is_some() {
            let mut next = record.clone();
            next.wish = None;
            step(plan, machine, &next, None, "there is none any more");
        }
    }
}

/// A machine that was wanted while another was failing is not made when that one turns out to be only stopped: stopped
/// ones fill the places in which it would be made.
fn start_instead(look: &Look<'_>, plan: &mut MachinePlan) {
    for wanted in wanted(look).filter(|it| it.record.wish.is_none()) {
        let there = look.of(wanted.record.serves).find(|it| {
            let asleep = it.record.stage == Stage::Asleep && it.record.wish.is_none();
            asleep && is_asleep(look, it) && !is_moved(plan, it)
        });
        let (Some(there), false) = (there, is_moved(plan, wanted)) else {
            continue;
        };
        let none = wanted.record.at(Stage::Gone, look.now);
        let why = format!("{} is there, and is started instead", there.record.name);
        step(plan, wanted, &none, None, &why);
        let next = start_record(&there.record, look.now);
        let why = "there is work for it";
        step(plan, there, &next, Some(ActKind::Start), why);
    }
}

/// Whether a step writes this machine's row already.
fn is_moved(plan: &MachinePlan, machine: &Machine) -> bool {
    let moved = plan.steps.iter().filter_map(|step| step.set.as_ref());
    let mut writes = moved.flat_map(|set| &set.writes);
    writes.any(|write| write.id == machine.worker.get())
}

/// A machine that was wanted, was not asked for, and that nobody needs any more.
fn withdraw(look: &Look<'_>, plan: &mut MachinePlan) {
    let mut pool = look.count(Serves::Everyone, Stage::is_coming);
    for machine in wanted(look) {
        if is_moved(plan, machine) {
            continue;
        }
        let record = &machine.record;
        let spare = match (record.serves, record.wish) {
            (_, Some(Wish::Stop | Wish::Delete)) => true,
            (_, Some(Wish::Start)) => false,
            // What was not made needs no restart.
            (Serves::Person(user), None | Some(Wish::Restart)) => {
                look.count(record.serves, Stage::is_coming) > look.demand.of(user).kept
            }
            (Serves::Everyone, None | Some(Wish::Restart)) => {
                look.demand.waiting == 0 && pool > look.group.pool_min
            }
        };
        if spare && look.snapshot.open_complete {
            pool = pool.saturating_sub(u32::from(record.serves == Serves::Everyone));
            let mut next = record.at(Stage::Gone, look.now);
            next.wish = None;
            step(plan, machine, &next, None, "nobody needs it any more");
        }
    }
}

fn wanted<'l>(look: &'l Look<'_>) -> impl Iterator<Item = &'l Machine> {
    let wanted = |machine: &&Machine| machine.record.stage == Stage::Wanted;
    look.machines.iter().filter(wanted)
}

/// Asks for the machine that was wanted first and may be made; says of the others why not.
fn ask(look: &Look<'_>, plan: &mut MachinePlan) {
    let mut asked = !look.snapshot.workers_complete;
    for machine in wanted(look) {
        if is_moved(plan, machine) {
            continue;
        }
        match may_make(look, machine) {
            Ok(()) if asked => {}
            Ok(()) => {
                asked = true;
                make(look, machine, plan);
            }
            Err(trouble) => hold(machine, trouble, plan),
        }
    }
}

fn make(look: &Look<'_>, machine: &Machine, plan: &mut MachinePlan) {
    let mut next = machine.record.at(Stage::Creating, look.now);
    next.tried = Some(look.now);
    next.tries = 1;
    next.wish = None;
    let why = format!("make it for {}", next.serves);
    plan.steps.push(Step {
        set: Some(ChangeSet {
            task: None,
            why: format!("machine {}: {why}", next.name),
            // The tally first: what it says must never be less than what was asked for.
            writes: vec![count(look), update(machine, &next)],
        }),
        act: Some(Act {
            provider: look.provider,
            worker: machine.worker,
            name: next.name.clone(),
            serves: next.serves,
            kind: ActKind::Create,
            tried: look.now,
            why,
        }),
    });
}

/// Writes why a machine is not made yet, unless its row says so already.
fn hold(machine: &Machine, trouble: Trouble, plan: &mut MachinePlan) {
    trouble.again.into_iter().for_each(|at| plan.due(at));
    let shown = machine.record.trouble.as_ref();
    // What a provider says in its troubles differs from one time to the next.
    let exact = trouble.class == TroubleClass::Capacity;
    let same = |it: &Trouble| it.class == trouble.class && (it.said == trouble.said || !exact);
    if shown.is_some_and(same) {
        return;
    }
    let why = trouble.said.clone();
    let next = Record {
        trouble: Some(trouble),
        ..machine.record.clone()
    };
    step(plan, machine, &next, None, &format!("not made yet: {why}"));
}

/// Whether the provider can be asked for this machine, within all limits.
fn may_make(look: &Look<'_>, machine: &Machine) -> Result<(), Trouble> {
    let inventory = look.inventory.map_err(Clone::clone)?;
    if let Some(bars) = &inventory.bars {
        return Err(bars.clone());
    }
    let group = look.group;
    let full = |said: String, again: Option<Timestamp>| Trouble {
        class: TroubleClass::Capacity,
        said,
        since: look.now,
        again,
    };
    let there = there(look, None);
    if there >= group.total {
        let said = format!("{there} of {} machines are there", group.total);
        return Err(full(said, None));
    }
    let made = made(look);
    if let Some(most) = group.per_month.filter(|most| made >= *most) {
        let said = format!("{made} of {most} machines were made this month");
        return Err(full(said, Some(Month::of(look.now).end())));
    }
    if let Serves::Person(user) = machine.record.serves {
        let hers = there_for(look, user);
        if hers >= group.per_person {
            let said = format!(
                "{hers} of {} machines of this person are there",
                group.per_person
            );
            return Err(full(said, None));
        }
    }
    quota(look, inventory, machine).map_err(|said| full(said, None))
}

/// What the provider itself says about how many it gives.
fn quota(look: &Look<'_>, inventory: &Inventory, machine: &Machine) -> Result<(), String> {
    let Some(quota) = &inventory.quota else {
        return Ok(());
    };
    if let (Serves::Person(user), Some(most)) = (machine.record.serves, quota.per_person) {
        let serves = machine.record.serves;
        // Asked for, and not yet in the list.
        let unseen = there(look, Some(serves)).saturating_sub(seen(look, serves));
        let used = quota.used.get(&user).copied().unwrap_or(0);
        let used = used.saturating_add(unseen);
        if used >= most {
            return Err(format!(
                "the provider gives a person {most} machines; {used} are used"
            ));
        }
    }
    Ok(())
}

/// Machines that are at the provider, or were asked for.
fn there(look: &Look<'_>, serves: Option<Serves>) -> u32 {
    let there = |machine: &&Machine| match machine.record.stage {
        Stage::Wanted | Stage::Gone => false,
        Stage::Failed => look.found(machine).is_some(),
        Stage::Creating
        | Stage::Starting
        | Stage::Up
        | Stage::Cordoned
        | Stage::Stopping
        | Stage::Asleep
        | Stage::Deleting => true,
    };
    let those = look.machines.iter().filter(there);
    let those = those.filter(|it| serves.is_none_or(|serves| it.record.serves == serves));
    u32::try_from(those.count()).unwrap_or(u32::MAX)
}

/// Machines of a person that serve her, or will; failed ones don't.
fn there_for(look: &Look<'_>, user: UserId) -> u32 {
    look.count(Serves::Person(user), |stage| match stage {
        Stage::Wanted | Stage::Gone | Stage::Failed => false,
        Stage::Creating
        | Stage::Starting
        | Stage::Up
        | Stage::Cordoned
        | Stage::Stopping
        | Stage::Asleep
        | Stage::Deleting => true,
    })
}

/// Machines of somebody that the provider lists.
fn seen(look: &Look<'_>, serves: Serves) -> u32 {
    let listed = look.of(serves).filter(|machine| {
        let alive = !matches!(machine.record.stage, Stage::Wanted | Stage::Gone);
        alive && look.found(machine).is_some()
    });
    u32::try_from(listed.count()).unwrap_or(u32::MAX)
}
