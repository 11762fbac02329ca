//! The next step of a machine that there is, or was: what its provider says, its worker's row and the
//! work there is, against how far its record says it is.
//!
//! A provider's word counts only if it is later than what it was asked last about the machine. A request
//! nothing came of is made again. How a machine ends is in [`retire`](super::retire).

use super::delay;
use super::failing::{fail, stumble};
use super::look::Look;
use super::mend;
use super::retire::{asleep, cordoned, deleting, failed, stopping};
use super::write::{step, tell};
use super::{Act, ActKind, MachinePlan, Step};
use crate::machine::{
    Found, FoundState, Machine, Record, Serves, Stage, Trouble, TroubleClass, Wish,
};
use crate::time::{Span, Timestamp};

/// The shortest time between two notes of when a machine was used: each is a write of its row.
const USED_AT_LEAST: Span = Span::secs(5);

/// The longest, for a machine that is never stopped for idleness.
const USED_AT_MOST: Span = Span::mins(5);

/// What a machine does next.
pub(super) enum Next {
    /// Nothing, until then.
    Wait(Option<Timestamp>),
    /// It moves to this record, and something is asked.
    Move(Box<Record>, Option<ActKind>, String),
}

pub(super) fn to(record: Record, ask: Option<ActKind>, why: &str) -> Next {
    Next::Move(Box::new(record), ask, why.to_owned())
}

pub(super) fn add(look: &Look<'_>, machine: &Machine, plan: &mut MachinePlan) {
    report(look, machine, plan);
    if look.inventory.is_err() {
        return;
    }
    match counted(look, machine, next(look, machine)) {
        Next::Move(record, ask, why) => step(plan, machine, &record, ask, &why),
        Next::Wait(due) => {
            due.into_iter().for_each(|at| plan.due(at));
            delay::due(look, machine)
                .into_iter()
                .for_each(|at| plan.due(at));
            plan.notes.extend(delay::note(look, machine));
            let before = plan.steps.len();
            introduce(look, machine, plan);
            if plan.steps.len() == before {
                advise(look, machine, plan);
            }
        }
    }
}

/// Its time is counted, and costs, from when its provider says that it runs, whether its worker comes or not.
fn counted(look: &Look<'_>, machine: &Machine, next: Next) -> Next {
    let found = look.found(machine).filter(|_| look.is_fresh(machine));
    let runs = found.is_some_and(|found| found.state == FoundState::Running);
    if !runs || machine.record.up_since.is_some() {
        return next;
    }
    let ended = |record: &Record| {
        use Stage::{Asleep, Gone, Wanted};
        matches!(record.stage, Wanted | Asleep | Gone)
    };
    match next {
        Next::Move(mut record, ask, why) => {
            record.up_since = match ended(&record) {
                true => record.up_since,
                false => record.up_since.or(Some(look.now)),
            };
            Next::Move(record, ask, why)
        }
        Next::Wait(due) if ended(&machine.record) => Next::Wait(due),
        Next::Wait(_) => {
            let mut record = machine.record.clone();
            record.up_since = Some(look.now);
            to(record, None, "it runs: its time is counted")
        }
    }
}

fn next(look: &Look<'_>, machine: &Machine) -> Next {
    let record = &machine.record;
    if let Some((tried, trouble)) = look.snapshot.failed.get(&machine.worker) {
        let new = record.tried == Some(*tried)
            && record.stage.is_under_way()
            && record.trouble.as_ref().is_none_or(|it| it.again.is_none());
        if new {
            return to(stumble(look, machine, trouble), None, &trouble.said);
        }
    }
    // It may say how things were before they changed.
    if !look.is_fresh(machine) && record.stage != Stage::Cordoned {
        return Next::Wait(None);
    }
    let found = look.found(machine);
    if matches!(record.stage, Stage::Starting | Stage::Up | Stage::Cordoned)
        && let Some(delayed) = found.and_then(|found| delay::next(look, machine, found))
    {
        return delayed;
    }
    match record.stage {
        Stage::Wanted => found.map_or(Next::Wait(None), |found| appeared(look, machine, found)),
        Stage::Creating => creating(look, machine, found),
        Stage::Starting => starting(look, machine, found),
        Stage::Up => up(look, machine, found),
        Stage::Cordoned => cordoned(look, machine, found),
        Stage::Stopping => stopping(look, machine, found),
        Stage::Asleep => asleep(look, machine, found),
        Stage::Deleting => deleting(look, machine, found),
        Stage::Gone => match found {
            Some(found) => appeared(look, machine, found),
            None => Next::Wait(None),
        },
        Stage::Failed => failed(look, machine, found),
    }
}

/// What takes too long is told.
fn report(look: &Look<'_>, machine: &Machine, plan: &mut MachinePlan) {
    let record = &machine.record;
    if !record.stage.is_under_way() {
        return;
    }
    let stuck = record.since.plus(look.group.stuck_after);
    if stuck > look.now {
        return plan.due(stuck);
    }
    plan.notes.push(format!(
        "machine {} has been {} since {}, which is longer than it should take",
        record.name, record.stage, record.since
    ));
}

/// A machine is there where the row knows of none: an answer came late, or somebody made it anew.
pub(super) fn appeared(look: &Look<'_>, machine: &Machine, found: &Found) -> Next {
    let stage = match found.state {
        FoundState::Making | FoundState::AwaitingApproval => Stage::Creating,
        FoundState::Starting | FoundState::Running => Stage::Starting,
        FoundState::Asleep => Stage::Asleep,
        FoundState::Failed => return to(fault(look, machine, found), None, "it failed"),
        FoundState::Stopping
        | FoundState::Deleting
        | FoundState::Expiring
        | FoundState::Other(_) => return Next::Wait(None),
    };
    let mut record = machine.record.at(stage, look.now);
    record.tried = Some(look.now);
    to(record, None, "the provider has it")
}

fn creating(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> Next {
    let record = &machine.record;
    if let Some(next) = checked_in(look, machine) {
        return next;
    }
    let Some(found) = found else {
        let unneeded = record.trouble.is_some() && !is_wanted(look, machine);
        let unwished = matches!(record.wish, Some(Wish::Stop | Wish::Delete));
        return match unneeded || unwished {
            true => to(gone(look, machine, None), None, "nobody needs it any more"),
            false => again(look, machine, ActKind::Create),
        };
    };
    match &found.state {
        FoundState::Making => patient(look, machine, "it is still being made"),
        FoundState::AwaitingApproval => {
            let said = "somebody has to approve of it at the provider";
            patient_with(look, machine, TroubleClass::Denied, said)
        }
        FoundState::Running | FoundState::Starting => {
            let mut record = record.at(Stage::Starting, look.now);
            record.tried = machine.record.tried;
            to(record, None, "it is made; its worker has not checked in")
        }
        FoundState::Asleep => start(look, machine, "it is made, and stopped"),
        FoundState::Failed | FoundState::Expiring => {
            to(fault(look, machine, found), None, "it could not be made")
        }
        FoundState::Stopping | FoundState::Deleting => patient(look, machine, "it is changing"),
        FoundState::Other(said) => patient_with(look, machine, TroubleClass::Malformed, said),
    }
}

fn starting(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> Next {
    let record = &machine.record;
    let outlives = record.mended && !mend::is_over(look, machine, found);
    if let Some(next) = checked_in(look, machine).filter(|_| !outlives) {
        return next;
    }
    let Some(found) = found else {
        return vanished(look, machine);
    };
    if matches!(record.wish, Some(Wish::Stop | Wish::Delete)) {
        // Its worker may never come.
        let wish = "an admin wishes it to end";
        return to(record.at(Stage::Cordoned, look.now), None, wish);
    }
    match &found.state {
        // What is installed on it may still have to be asked for; asking again changes nothing else.
        FoundState::Running => {
            let said = "it runs, but no worker has checked in from it";
            let next = given_up(look, machine, said).or_else(|| mend::restart(look, machine));
            next.or_else(|| mend::restart_again(look, machine))
                .unwrap_or_else(|| install(look, machine))
        }
        FoundState::Making | FoundState::Starting => patient(
            look,
            machine,
            "it is started, but no worker has checked in from it",
        ),
        FoundState::Asleep if !is_wanted(look, machine) && look.holds_nothing(machine) => {
            to(asleep_now(look, machine), None, "nobody needs it any more")
        }
        FoundState::Asleep => again(look, machine, ActKind::Start),
        FoundState::Stopping | FoundState::Deleting => patient(look, machine, "it is changing"),
        FoundState::AwaitingApproval => {
            let said = "somebody has to approve of it at the provider";
            patient_with(look, machine, TroubleClass::Denied, said)
        }
        FoundState::Failed | FoundState::Expiring => {
            to(fault(look, machine, found), None, "it could not be started")
        }
        FoundState::Other(said) => patient_with(look, machine, TroubleClass::Malformed, said),
    }
}

/// Asks again for what makes a worker of a machine that runs.
fn install(look: &Look<'_>, machine: &Machine) -> Next {
    let next = again(look, machine, ActKind::Start);
    match (next, mend::due(look, machine)) {
        (Next::Wait(Some(due)), Some(mend)) => Next::Wait(Some(due.min(mend))),
        (next, _) => next,
    }
}

fn up(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> Next {
    let record = &machine.record;
    let Some(found) = found else {
        return match look.may_run(machine) {
            // Whose worker beats is there, whatever the provider's list says.
            true => Next::Wait(None),
            false => vanished(look, machine),
        };
    };
    match &found.state {
        FoundState::Running | FoundState::Starting | FoundState::Making => idle(look, machine),
        FoundState::Asleep if look.may_run(machine) => Next::Wait(None),
        FoundState::Asleep if is_wanted(look, machine) || !look.holds_nothing(machine) => {
            // One that holds something is started again: its agents may live.
            match ended_early(look, machine) && look.holds_nothing(machine) {
                true => {
                    let said = "it ended soon after its worker had checked in";
                    to(fail(look, machine, TroubleClass::Failed, said), None, said)
                }
                false => start(look, machine, "it was stopped with work to do"),
            }
        }
        FoundState::Asleep => to(asleep_now(look, machine), None, "it was stopped"),
        FoundState::Failed if look.beats(machine) => Next::Wait(None),
        FoundState::Failed => to(fault(look, machine, found), None, "it failed"),
        FoundState::Stopping | FoundState::Deleting | FoundState::AwaitingApproval => {
            Next::Wait(None)
        }
        FoundState::Expiring | FoundState::Other(_) => {
            let mut next = record.at(Stage::Cordoned, look.now);
            next.trouble = Some(Trouble {
                class: TroubleClass::Malformed,
                said: said(found),
                since: look.now,
                again: None,
            });
            to(next, None, "nothing is begun on a machine in that state")
        }
    }
}

/// Whether an admin wishes it to end, be it to begin anew.
pub(super) const fn ends(record: &Record) -> bool {
    matches!(record.wish, Some(Wish::Stop | Wish::Delete | Wish::Restart))
}

/// A machine that runs: whether it is used, and stopped if it isn't.
fn idle(look: &Look<'_>, machine: &Machine) -> Next {
    let record = &machine.record;
    if ends(record) {
        let wish = "an admin wishes it to end";
        return to(record.at(Stage::Cordoned, look.now), None, wish);
    }
    if record.wish == Some(Wish::Start) {
        let mut next = record.clone();
        (next.wish, next.used_until) = (None, Some(look.now));
        return to(next, None, "it runs, as an admin wished");
    }
    if look.held(machine) > 0 {
        return used(look, machine);
    }
    if let Some(next) = mend::silent(look, machine).or_else(|| mend::lasts(look, machine)) {
        return next;
    }
    let Some(idle_stop) = look.group.idle_stop else {
        return Next::Wait(None);
    };
    let until = record.idle_since().plus(idle_stop);
    if until > look.now {
        return Next::Wait(Some(until));
    }
    let spare = look.holds_nothing(machine) && !is_wanted(look, machine);
    if !spare {
        return Next::Wait(None);
    }
    let why = format!("it has had nothing to do for {idle_stop}");
    to(record.at(Stage::Cordoned, look.now), None, &why)
}

/// Notes now and then that a machine is used, so that it is known later since when it is not.
fn used(look: &Look<'_>, machine: &Machine) -> Next {
    let record = &machine.record;
    let often = look
        .group
        .idle_stop
        .map_or(USED_AT_MOST, |span| span.over(4));
    let noted = record.used_until.unwrap_or_default();
    let due = noted.plus(often.max(USED_AT_LEAST).min(USED_AT_MOST));
    if due > look.now {
        return Next::Wait(None);
    }
    let record = Record {
        used_until: Some(look.now),
        ..record.clone()
    };
    to(record, None, "it is used")
}

/// Its worker has checked in since the machine was made or started.
fn checked_in(look: &Look<'_>, machine: &Machine) -> Option<Next> {
    let record = &machine.record;
    let since = record.tried.unwrap_or(record.since);
    if !machine.checked_in_since(since) {
        return None;
    }
    let mut next = record.at(Stage::Up, look.now);
    next.ready_on = record.ready_on.or(Some(look.now));
    next.up_since = record.up_since.or(Some(since));
    next.boot_before = None;
    Some(to(next, None, "its worker checked in"))
}

/// Tells a machine's person that it is there, once, with the link if there is one.
fn introduce(look: &Look<'_>, machine: &Machine, plan: &mut MachinePlan) {
    let record = &machine.record;
    let (Stage::Up, Serves::Person(user), false) = (record.stage, record.serves, record.told)
    else {
        return;
    };
    let Some(link) = look.snapshot.links.get(&machine.worker) else {
        plan.steps.push(Step {
            set: None,
            act: Some(Act {
                provider: look.provider,
                worker: machine.worker,
                name: record.name.clone(),
                serves: record.serves,
                kind: ActKind::Link,
                tried: record.since,
                why: "its person is to be told where it is".to_owned(),
            }),
        });
        return;
    };
    let mut told = machine.clone();
    told.record.link.clone_from(link);
    told.record.told = true;
    let event = look.events.then(|| tell(&told, user, look.now));
    if let Some((head, _)) = &event {
        told.record.head = head.clone();
    }
    step(plan, machine, &told.record, None, "its person is told");
    if let (Some((_, event)), Some(Step { set: Some(set), .. })) = (event, plan.steps.last_mut()) {
        set.writes.push(event);
    }
}

/// Writes down what somebody should change at the provider, and when nobody has to any more.
fn advise(look: &Look<'_>, machine: &Machine, plan: &mut MachinePlan) {
    let record = &machine.record;
    let advice = look.inventory.ok().and_then(|it| it.advice.clone());
    if matches!(record.stage, Stage::Starting | Stage::Up) && record.advice != advice {
        let why = match advice {
            Some(_) => "its provider is set up badly for workers",
            None => "its provider is set up well again",
        };
        let next = Record {
            advice,
            ..record.clone()
        };
        step(plan, machine, &next, None, why);
    }
}

/// Moves on to `stage`, asking for it.
pub(super) fn ask(look: &Look<'_>, machine: &Machine, stage: Stage, kind: ActKind) -> Next {
    let mut next = machine.record.at(stage, look.now);
    next.tried = Some(look.now);
    next.tries = 1;
    let why = match kind {
        ActKind::Delete => "delete it",
        ActKind::Stop { .. } => "stop it: it holds nothing",
        ActKind::Create => "make it",
        ActKind::Start => "start it",
        ActKind::Restart => "start it anew",
        ActKind::Repair => "mend it",
        ActKind::Delay { .. } => "delay its stop",
        ActKind::Link => "ask where it is",
    };
    to(next, Some(kind), why)
}

pub(super) fn start_record(record: &Record, now: Timestamp) -> Record {
    let mut next = record.at(Stage::Starting, now);
    next.tried = Some(now);
    next.tries = 1;
    next.wish = None;
    next
}

pub(super) fn start(look: &Look<'_>, machine: &Machine, why: &str) -> Next {
    let next = start_record(&machine.record, look.now);
    to(next, Some(ActKind::Start), why)
}

/// Asks again for what nothing came of, once its time has come; gives up after a while.
pub(super) fn again(look: &Look<'_>, machine: &Machine, kind: ActKind) -> Next {
    let record = &machine.record;
    let makes = matches!(record.stage, Stage::Creating | Stage::Starting);
    if let Some(next) = given_up(look, machine, "nothing came of it").filter(|_| makes) {
        return next;
    }
    let quiet = record
        .tried
        .unwrap_or(record.since)
        .plus(look.group.repeat_after);
    let due = record.trouble.as_ref().and_then(|trouble| trouble.again);
    let due = due.unwrap_or(quiet);
    if due > look.now {
        return Next::Wait(Some(due));
    }
    let mut next = record.clone();
    next.tried = Some(look.now);
    next.tries = record.tries.saturating_add(1);
    if let Some(trouble) = &mut next.trouble {
        trouble.again = None;
    }
    to(next, Some(kind), "ask again: nothing came of it")
}

/// Waits for what is under way; gives up after a while.
fn patient(look: &Look<'_>, machine: &Machine, said: &str) -> Next {
    given_up(look, machine, said)
        .unwrap_or_else(|| Next::Wait(Some(machine.record.since.plus(look.group.give_up_after))))
}

/// The same, with a trouble that is worth showing.
fn patient_with(look: &Look<'_>, machine: &Machine, class: TroubleClass, said: &str) -> Next {
    let shown = machine.record.trouble.as_ref();
    if shown.is_some_and(|trouble| trouble.class == class && trouble.said == said) {
        return patient(look, machine, said);
    }
    let mut next = machine.record.clone();
    next.trouble = Some(Trouble {
        class,
        said: said.to_owned(),
        since: look.now,
        again: None,
    });
    to(next, None, said)
}

fn given_up(look: &Look<'_>, machine: &Machine, said: &str) -> Option<Next> {
    let record = &machine.record;
    let until = record.since.plus(look.group.give_up_after);
    if until > look.now {
        return None;
    }
    // What was asked a moment ago may still arrive: until then its place is taken.
    let asked = record
        .tried
        .map(|tried| tried.plus(look.group.repeat_after));
    if let Some(arrives) = asked.filter(|at| *at > look.now) {
        return Some(Next::Wait(Some(arrives)));
    }
    let last = record
        .trouble
        .as_ref()
        .map_or(said, |trouble| &trouble.said);
    let said = format!("given up after {}: {last}", look.group.give_up_after);
    let record = fail(look, machine, TroubleClass::Failed, &said);
    Some(to(record, None, &said))
}

/// There is none any more, though nobody here deleted it.
pub(super) fn vanished(look: &Look<'_>, machine: &Machine) -> Next {
    let said = "the provider doesn't have it any more";
    if ended_early(look, machine) {
        return to(fail(look, machine, TroubleClass::Failed, said), None, said);
    }
    to(gone(look, machine, Some(said)), None, said)
}

/// Whether it ended so soon after it was started that starting it again would only be repeated.
fn ended_early(look: &Look<'_>, machine: &Machine) -> bool {
    let early = machine.record.since.plus(look.group.stuck_after) > look.now;
    early
        && machine.record.wish.is_none()
        && matches!(machine.record.stage, Stage::Starting | Stage::Up)
}

pub(super) fn gone(look: &Look<'_>, machine: &Machine, said: Option<&str>) -> Record {
    let mut next = stopped(machine.record.at(Stage::Gone, look.now), look.now);
    next.wish = machine.record.wish.filter(|wish| *wish == Wish::Start);
    next.link = None;
    next.trouble = said.map(|said| Trouble {
        class: TroubleClass::Failed,
        said: said.to_owned(),
        since: look.now,
        again: None,
    });
    next
}

pub(super) fn asleep_now(look: &Look<'_>, machine: &Machine) -> Record {
    let mut next = stopped(machine.record.at(Stage::Asleep, look.now), look.now);
    next.wish = machine.record.wish.filter(|wish| *wish != Wish::Stop);
    next
}

/// It doesn't run any more, and costs nothing but its disk.
fn stopped(mut record: Record, now: Timestamp) -> Record {
    record.up = record.ran(now);
    record.up_since = None;
    record.delayed = None;
    record
}

pub(super) fn fault(look: &Look<'_>, machine: &Machine, found: &Found) -> Record {
    fail(look, machine, TroubleClass::Failed, &said(found))
}

/// What the provider says of a machine, in its own words where it has some.
fn said(found: &Found) -> String {
    let word = found.state.word();
    match &found.fault {
        Some(fault) => fault.clone(),
        None => format!("the provider says that it is `{word}`"),
    }
}

/// Whether there is work for it, now or soon enough not to stop it. Of several machines of somebody the
/// first are kept, so that everybody who looks keeps the same.
pub(super) fn is_wanted(look: &Look<'_>, machine: &Machine) -> bool {
    let record = &machine.record;
    if record.wish == Some(Wish::Start) {
        return true;
    }
    let place = |machine: &Machine| {
        (
            machine.record.name.as_str().len(),
            machine.record.name.clone(),
        )
    };
    let before = look.of(record.serves).filter(|other| {
        let first = place(other) < place(machine);
        match record.stage.is_coming() {
            true => first && other.record.stage.is_coming(),
            false => {
                let cordoned = first && other.record.stage == Stage::Cordoned;
                other.worker != machine.worker && (cordoned || other.record.stage.is_coming())
            }
        }
    });
    let before = u32::try_from(before.count()).unwrap_or(u32::MAX);
    match record.serves {
        Serves::Person(user) => {
            let need = look.demand.of(user);
            need.kept > before || (need.waits && before == 0)
        }
        Serves::Everyone => look.group.pool_min > before || look.demand.waiting > 0,
    }
}
