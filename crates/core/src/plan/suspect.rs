//! Workers that fall silent or deaf: suspected, asked, and only then given up.
//!
//! A suspicion is written into the worker's row: how far its beats had come, and when. A worker that
//! lives reads it and echoes it with its next beat. One that beats on without the echo can't read; it
//! is given nothing new, and twice the time, unless it falls silent meanwhile. A worker is given up only if nothing came for the whole
//! of the confirmation time while this orchestrator looked at its row again and again
//! ([`Snapshot::watched`](super::Snapshot::watched)), so an outage of the store, or a pause of ours,
//! gives up nobody. The write is conditional on the row's version, which every beat changes.
//!
//! What a lost worker held is taken back by `health`, by what its row says then. Nothing here touches
//! a task.

use super::view::View;
use super::{Plan, Policy};
use crate::model::{Mirror, Suspicion, Worker};
use crate::row::{ChangeSet, Column, Table, Value, Write, workers};
use crate::status::{TaskStatus, WorkerState};
use crate::time::{Span, Timestamp};

/// Looks at a worker's row, one after the other, that must all show the question unanswered.
const LOOKS: u32 = 2;

/// What is to be done about a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Nothing.
    None,
    /// It is to be asked whether it lives.
    Ask(Why),
    /// It was asked; it has until then, once it is watched.
    Asked(Option<Timestamp>),
    /// It is given up.
    Lost(Why),
}

/// Why a worker is doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// No beat came.
    Silent,
    /// It beats, and does nothing about what stands in rows for it.
    Deaf,
}

impl Why {
    const fn words(self) -> &'static str {
        match self {
            Self::Silent => "it does not beat",
            Self::Deaf => "it beats and does not read",
        }
    }
}

/// Adds what is to be written about workers.
pub(super) fn add(view: &View<'_>, plan: &mut Plan) {
    for worker in view.snapshot.workers.iter().filter(|row| may_live(row)) {
        match doubt(view, worker) {
            Doubt::None => {}
            Doubt::Ask(why) | Doubt::Lost(why) if !view.policy.asks => plan.notes.push(format!(
                "worker {} may be gone ({}), but the store has no columns to ask it",
                worker.name,
                why.words()
            )),
            Doubt::Ask(why) => plan.sets.push(ask(view, worker, why)),
            Doubt::Asked(until) => until.into_iter().for_each(|at| plan.due(at)),
            Doubt::Lost(why) => plan.sets.push(give_up(worker, why)),
        }
    }
}

/// Whether a process of this worker should be living: it has been seen, and never said good-bye. One
/// whose machine is only being made or started has none yet, whatever an earlier one wrote.
fn may_live(worker: &Worker) -> bool {
    let expected = worker.state != WorkerState::Provisioning && !worker.state.is_gone();
    worker.kind.runs_tasks() && worker.last_seen.is_some() && expected
}

fn doubt(view: &View<'_>, worker: &Worker) -> Doubt {
    // A question from the future was asked by a clock that has been put right since.
    let asked = worker.asked().filter(|asked| asked.at <= view.now);
    match asked {
        Some(asked) => asked_before(view, worker, asked),
        None if is_silent(view, worker) => Doubt::Ask(Why::Silent),
        None if ignores(view, worker) => Doubt::Ask(Why::Deaf),
        None => Doubt::None,
    }
}

fn asked_before(view: &View<'_>, worker: &Worker, asked: Suspicion) -> Doubt {
    let watched = view.snapshot.watched.get(&worker.id);
    let watched = watched.filter(|watched| watched.asked == Some(asked));
    let Some(watched) = watched else {
        return Doubt::Asked(None);
    };
    let since = asked.at.max(watched.asked_since);
    let confirm = view.policy.confirm;
    // One that beat on after it was asked may fall silent all the same.
    let silent = since.max(watched.beat_since).plus(confirm);
    let deaf = since.plus(confirm.times(2));
    let (until, why) = match silent < deaf {
        true => (silent, Why::Silent),
        false => (deaf, Why::Deaf),
    };
    match until <= view.now && watched.looks >= LOOKS {
        true => Doubt::Lost(why),
        false => Doubt::Asked(Some(until)),
    }
}

/// Whether no beat came for too long. What it answered is a sign of life too; a time to come is none.
fn is_silent(view: &View<'_>, worker: &Worker) -> bool {
    let possible = |seen: &Timestamp| seen.since(view.now) <= view.policy.silence;
    let seen = worker.last_seen.filter(possible);
    let heard = seen.max(worker.suspicion.map(|asked| asked.at));
    let silent = |heard| view.now.since(view.in_sight(heard)) > view.policy.silence;
    heard.is_none_or(silent)
}

/// Whether something stands in a row for it for too long, and it was not asked since.
fn ignores(view: &View<'_>, worker: &Worker) -> bool {
    let asked = worker.suspicion.map(|asked| asked.at);
    let mut held = view.active();
    held.any(|mirror| {
        let waits = waits_since(mirror).filter(|_| mirror.worker() == Some(worker.id));
        waits.is_some_and(|since| {
            let patience = view.in_sight(since).plus(view.policy.silence);
            patience < view.now && asked.is_none_or(|asked| asked < since)
        })
    })
}

/// Since when a mirror waits for its worker to do something at once: to take it, or to end it.
fn waits_since(mirror: &Mirror) -> Option<Timestamp> {
    let unclaimed = mirror.status == TaskStatus::Running && mirror.claimed().is_none();
    let canceling = mirror.status == TaskStatus::Canceling;
    (unclaimed || canceling).then_some(mirror.modified)
}

fn ask(view: &View<'_>, worker: &Worker, why: Why) -> ChangeSet {
    let asked = Suspicion {
        beat: worker.beat,
        at: view.now,
    };
    let cells = vec![
        (workers::STATE, WorkerState::Suspect.as_str().into()),
        (workers::NONCE, asked.to_string().into()),
    ];
    let says = format!("suspect worker {}: {}", worker.name, why.words());
    change(worker, cells, says)
}

fn give_up(worker: &Worker, why: Why) -> ChangeSet {
    let cells = vec![(workers::STATE, WorkerState::Offline.as_str().into())];
    let says = format!("give up worker {}: {}", worker.name, why.words());
    change(worker, cells, says)
}

fn change(worker: &Worker, cells: Vec<(Column, Value)>, why: String) -> ChangeSet {
    ChangeSet {
        task: None,
        why,
        writes: vec![Write::update(
            Table::Workers,
            worker.id.get(),
            &worker.etag,
            cells,
        )],
    }
}

/// The longest time from a worker's last beat until what it held waits for another, while this process
/// looks at the store every `tick` and is answered. There are four looks on the way, each at most a
/// tick after its time: one asks, one begins to wait for the answer, one gives the worker up, one takes
/// back what it held.
#[must_use]
pub fn bound(policy: &Policy, tick: Span) -> Span {
    let waits = policy.silence.as_millis() + policy.confirm.as_millis();
    Span::millis(waits + tick.times(4).as_millis())
}
