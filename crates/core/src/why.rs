//! Why a task is where it is: every gate on its way, with its value and what to change.
//!
//! The gates come in the order in which a task passes them; the first that does not hold is the
//! answer. They are judged by the decisions' own code over the same snapshot, so the explanation
//! cannot differ from what is done. Whoever asks sees what the snapshot holds: a person without
//! rights on mirrors and workers gets what her own row says.

use std::fmt::{self, Write as _};

use crate::ids::TaskId;
use crate::limits;
use crate::model::{Mirror, Shown, UserTask};
use crate::plan::quarantine::{columns, false_claims};
use crate::plan::{Explained, Policy, Snapshot, explain};
use crate::reason::Reason;
use crate::status::TaskStatus;
use crate::time::{Span, Timestamp};
use crate::usage::dollars;

/// One condition on a task's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// What it is about, such as `mirrored`.
    pub name: &'static str,
    /// What was found.
    pub value: String,
    /// Whether the task is past it.
    pub holds: bool,
    /// What somebody can do, when it does not hold.
    pub advice: Option<&'static str>,
}

impl Gate {
    fn passed(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            holds: true,
            advice: None,
        }
    }

    fn closed(name: &'static str, value: impl Into<String>, advice: &'static str) -> Self {
        Self {
            name,
            value: value.into(),
            holds: false,
            advice: Some(advice),
        }
    }

    fn reason(name: &'static str, reason: Reason) -> Self {
        Self::closed(
            name,
            format!("{} ({reason})", reason.message()),
            reason.advice(),
        )
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.holds { "ok" } else { "->" };
        write!(f, "{mark} {}: {}", self.name, self.value)?;
        match self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

/// Every gate of `task`, in order, up to the first that does not hold. Empty when the task is not in
/// the snapshot.
#[must_use]
pub fn why(snapshot: &Snapshot, policy: &Policy, now: Timestamp, task: TaskId) -> Vec<Gate> {
    let seen = explain(snapshot, policy, now, task);
    let mut gates = Vec::new();
    for gate in ALL {
        let Some(gate) = gate(&seen, now) else {
            continue;
        };
        let holds = gate.holds;
        gates.push(gate);
        if !holds {
            break;
        }
    }
    gates
}

/// A gate; `None` when it says nothing about this task.
type Judge = fn(&Explained<'_>, Timestamp) -> Option<Gate>;

const ALL: [Judge; 11] = [
    filed, believed, released, ended, mirrored, canceled, worker, claimed, heard, budget, finished,
];

/// After how long without a beat it is said to be silent: three beats.
const SILENT: Span = Span::secs(90);

/// The status that counts: the mirror's when it can be seen.
fn status(seen: &Explained<'_>) -> Option<TaskStatus> {
    let mirror = seen.mirror.map(|mirror| mirror.status);
    mirror.or_else(|| seen.task.map(|task| task.status))
}

/// What is shown of it: from the mirror when it can be seen.
fn shown<'a>(seen: &Explained<'a>) -> Option<&'a Shown> {
    let mirror = seen.mirror.map(|mirror| &mirror.shown);
    mirror.or_else(|| seen.task.map(|task| &task.shown))
}

fn ago(now: Timestamp, at: Timestamp) -> String {
    format!("{} ago", now.since(at))
}

fn filed(seen: &Explained<'_>, now: Timestamp) -> Option<Gate> {
    match (seen.task, seen.mirror) {
        (Some(task), _) => Some(Gate::passed("filed", ago(now, task.created))),
        (None, Some(mirror)) if seen.deleted => {
            let value = format!("{}; its row was deleted since", ago(now, mirror.created));
            Some(Gate::passed("filed", value))
        }
        (None, _) => None,
    }
}

/// What the row says of itself and is not so: ignored, and no reason to wait.
fn believed(seen: &Explained<'_>, _: Timestamp) -> Option<Gate> {
    let claims = false_claims(seen.task?);
    (!claims.is_empty()).then(|| {
        let value = format!("but for what it says in {} (quarantined)", columns(&claims));
        Gate::passed("believed", value)
    })
}

fn released(seen: &Explained<'_>, now: Timestamp) -> Option<Gate> {
    let task = seen.task?;
    (task.status == TaskStatus::Submitted && seen.mirror.is_none()).then(|| {
        let value = format!("filed as Submitted {}", ago(now, task.created));
        Gate::closed("released", value, Reason::NotReleased.advice())
    })
}

fn ended(seen: &Explained<'_>, now: Timestamp) -> Option<Gate> {
    let status = status(seen).filter(|status| status.is_terminal())?;
    let shown = shown(seen)?;
    let only_asked = status == TaskStatus::Canceled && shown.finished.is_none();
    if seen.mirror.is_none() && only_asked {
        return None;
    }
    let mut value = status.to_string();
    if let Some(at) = shown.finished {
        let _ = write!(value, " {}", ago(now, at));
    }
    if let Some(message) = &shown.message {
        let _ = write!(value, ": {message}");
    }
    let reason: Option<Reason> = shown.reason.as_ref().and_then(|text| text.parse().ok());
    Some(Gate {
        name: "ended",
        value,
        holds: false,
        advice: reason.map(Reason::advice),
    })
}

fn mirrored(seen: &Explained<'_>, _: Timestamp) -> Option<Gate> {
    if let Some(mirror) = seen.mirror {
        return Some(Gate::passed("mirrored", format!("as {}", mirror.id)));
    }
    let task = seen.task?;
    match (&task.mirror_link, seen.waits) {
        (_, Some(reason @ Reason::Unreadable)) => Some(Gate::reason("mirrored", reason)),
        (Some(link), _) => Some(Gate::passed("mirrored", format!("as {link}"))),
        (None, Some(reason)) => Some(Gate::reason("mirrored", reason)),
        (None, None) if task.shown.reason.as_deref() == Some(Reason::Quarantined.as_str()) => {
            Some(Gate::reason("mirrored", Reason::Quarantined))
        }
        (None, None) => Some(Gate::closed(
            "mirrored",
            "not yet",
            "check that an orchestrator runs: `shraga up` or `shraga orchestrate`",
        )),
    }
}

fn canceled(seen: &Explained<'_>, _: Timestamp) -> Option<Gate> {
    let canceling = status(seen) == Some(TaskStatus::Canceling);
    let asked = seen
        .task
        .is_some_and(|task| task.status == TaskStatus::Canceled);
    (canceling || asked).then(|| {
        let value = "it was asked to end, and has not ended yet";
        Gate::closed(
            "not canceled",
            value,
            "wait: its worker ends it within a beat",
        )
    })
}

fn worker(seen: &Explained<'_>, now: Timestamp) -> Option<Gate> {
    if status(seen)? == TaskStatus::Running {
        return seen.mirror.map(|mirror| assigned(seen, mirror, now));
    }
    if status(seen)? == TaskStatus::WaitingForInput {
        let asked = seen.mirror.and_then(|mirror| mirror.answer.as_ref());
        let asked = asked.or_else(|| seen.task.and_then(|task| task.answer.as_ref()));
        let asked = asked.and_then(|answer| answer.asked.as_deref());
        let value = match asked {
            Some(asked) => format!("it asks: {}", limits::line(asked, limits::QUESTION_UNITS)),
            None => Reason::NeedsAnswer.message().to_owned(),
        };
        let advice = Reason::NeedsAnswer.advice();
        return Some(Gate::closed("answered", value, advice));
    }
    let told = seen.task.and_then(told);
    match (seen.mirror, seen.waits, told) {
        (Some(mirror), Some(reason), _) => Some(waits(seen, mirror, reason, now)),
        (None, _, Some(gate)) => Some(gate),
        (Some(_), None, _) => Some(Gate::closed(
            "worker",
            "it is next in turn",
            "nothing: it takes a moment",
        )),
        (None, _, None) => Some(Gate::closed(
            "worker",
            "waiting for one",
            "an admin sees more",
        )),
    }
}

/// What her own row says about the wait, for those who see no mirror.
fn told(task: &UserTask) -> Option<Gate> {
    let reason: Reason = task.shown.reason.as_ref()?.parse().ok()?;
    Some(Gate::reason("worker", reason))
}

fn waits(seen: &Explained<'_>, mirror: &Mirror, reason: Reason, now: Timestamp) -> Gate {
    let mut gate = Gate::reason("worker", reason);
    let wants = &mirror.wants;
    let of_key = || wants.key.as_ref().filter(|_| reason == Reason::KeyBusy);
    if let Some(count) = seen.count {
        let key = of_key().map(|key| format!(" with key `{key}`"));
        let _ = write!(gate.value, ": {count}{}", key.unwrap_or_default());
    }
    if let Some(standing) = seen.standing {
        let _ = write!(gate.value, ": {standing}");
    }
    match (reason, &wants.agent) {
        (Reason::NoWorkerForAgent, Some(agent)) => {
            let _ = write!(gate.value, ": `{agent}`");
        }
        (Reason::NoLabel, _) => {
            let _ = write!(gate.value, ": {}", wants.labels.join(", "));
        }
        _ => {}
    }
    if let Some(before) = seen.before.filter(|before| *before > 0) {
        let _ = write!(gate.value, "; {before} have their turn before it");
    }
    let later = mirror.not_before.filter(|at| *at > now);
    if let (Some(at), Reason::NotBefore | Reason::Backoff) = (later, reason) {
        let _ = write!(gate.value, ", for {} more", at.since(now));
    }
    if mirror.losses > 0 {
        let _ = write!(gate.value, "; {} attempts lost", mirror.losses);
    }
    gate
}

fn assigned(seen: &Explained<'_>, mirror: &Mirror, now: Timestamp) -> Gate {
    let name = seen
        .worker
        .map_or("a worker you can't see", |worker| &worker.name);
    let since = mirror
        .lease
        .as_ref()
        .map_or(mirror.modified, |lease| lease.since);
    let attempt = mirror.shown.attempt;
    Gate::passed(
        "worker",
        format!(
            "attempt {attempt} is with {name}, since {}",
            ago(now, since)
        ),
    )
}

fn claimed(seen: &Explained<'_>, _: Timestamp) -> Option<Gate> {
    let mirror = seen
        .mirror
        .filter(|mirror| mirror.status == TaskStatus::Running)?;
    match mirror.claimed() {
        Some(_) => Some(Gate::passed("claimed", "the worker took it")),
        None => Some(Gate::closed(
            "claimed",
            "the worker has not taken it yet",
            "wait: it is given to another after a while; see `shraga workers`",
        )),
    }
}

/// Whether the worker of a running task is heard.
fn heard(seen: &Explained<'_>, now: Timestamp) -> Option<Gate> {
    let running = |mirror: &&Mirror| mirror.status == TaskStatus::Running;
    seen.mirror.filter(running)?.claimed()?;
    let worker = seen.worker?;
    if let Some(asked) = worker.asked() {
        let name = &worker.name;
        let value = format!("{name} was asked whether it lives, {}", ago(now, asked.at));
        let advice = "wait: it answers, or the task goes to another; see `shraga workers`";
        return Some(Gate::closed("heard", value, advice));
    }
    let at = worker.last_seen?;
    if now.since(at) > SILENT {
        return Some(Gate::closed(
            "heard",
            format!("{} was last heard {}", worker.name, ago(now, at)),
            "wait: it may come back with its work; see `shraga workers`",
        ));
    }
    let mut value = format!("{} beat {}", worker.name, ago(now, at));
    if worker.drained.is_some() {
        value += "; it is drained, and finishes this";
    }
    Some(Gate::passed("heard", value))
}

/// What a running task has spent, and may spend.
fn budget(seen: &Explained<'_>, _: Timestamp) -> Option<Gate> {
    let running = |mirror: &&Mirror| mirror.status == TaskStatus::Running;
    let ledger = &seen.mirror.filter(running)?.ledger;
    let open = ledger.open.as_ref()?;
    let mut parts = Vec::new();
    if let Some(micros) = ledger.spent.usage.cost_micros.filter(|micros| *micros > 0) {
        parts.push(format!("{} spent by earlier attempts", dollars(micros)));
    }
    if let Some(noted) = &open.noted {
        let cost = noted.usage.cost_micros.map(dollars);
        let cost = cost.unwrap_or_else(|| "an unknown amount".to_owned());
        parts.push(format!(
            "{cost} and {} tokens by this one so far",
            noted.usage.tokens()
        ));
    }
    let reserved = open.reserved;
    parts.extend(
        reserved
            .cost_micros
            .map(|micros| format!("{} reserved for it", dollars(micros))),
    );
    parts.extend(
        reserved
            .tokens
            .map(|tokens| format!("{tokens} tokens reserved for it")),
    );
    (!parts.is_empty()).then(|| Gate::passed("budget", parts.join(", ")))
}

fn finished(seen: &Explained<'_>, now: Timestamp) -> Option<Gate> {
    let value = match shown(seen)?.started {
        Some(at) => format!("it has been running since {}", ago(now, at)),
        None => "it is running".to_owned(),
    };
    Some(Gate::closed(
        "finished",
        value,
        "watch it: `shraga logs -f ID`, or end it: `shraga cancel ID`",
    ))
}
