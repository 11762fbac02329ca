//! How the canary does.

use std::cmp::Ordering;

use super::Look;
use crate::fleet::{Canary, Rollout, Said};
use crate::model::Worker;
use crate::status::WorkerState;
use crate::time::Span;

/// How long a worker that said good-bye may stay away before it counts as stopped. Handing over to another program takes
/// a moment; longer delays the choice of another canary.
const AWAY: Span = Span::mins(3);

/// How long a canary is waited for whose agents have to end first. Longer, and one agent that never ends keeps an update
/// from all; shorter, and long runs cost the best canary its part.
const PATIENCE: Span = Span::mins(24 * 60);

/// How the canary does.
pub(super) enum Judged<'a> {
    /// It is about to take the release, or has to stay well a while yet.
    Going,
    /// It has no permission: that was taken back meanwhile.
    Unasked(&'a Worker),
    /// It runs the release, and that was not written down yet.
    Well,
    /// It stayed well for long enough.
    Passed,
    /// It can't tell any more what becomes of the release, through no fault of that.
    Gone(String),
    /// The release is bad.
    Failed(String),
}

/// How the canary does, by its row.
pub(super) fn judge<'a>(look: &Look<'a>, rollout: &Rollout, canary: &Canary) -> Judged<'a> {
    let Some(worker) = look.worker(canary.worker) else {
        return match look.snapshot.complete {
            true => Judged::Gone("its row is gone".to_owned()),
            false => Judged::Going,
        };
    };
    let release = &rollout.release;
    match &worker.member.said {
        Said::Failed(it, why) if it == release => return Judged::Failed(why.clone()),
        Said::Unable(it, why) if it == release => return Judged::Gone(why.clone()),
        Said::Off
        | Said::On
        | Said::Making(_)
        | Said::Waiting(..)
        | Said::Unable(..)
        | Said::Failed(..)
        | Said::Other(_) => {}
    }
    if worker.is_fenced() {
        let member = &worker.member;
        let had =
            member.allowed.as_ref() == Some(release) || member.release.as_ref() == Some(release);
        let said = "it fell silent".to_owned();
        return match had {
            true => Judged::Failed(said),
            false => Judged::Gone(said),
        };
    }
    let judged = match worker.member.release.as_ref() == Some(release) {
        true => runs(look, worker, canary),
        false => takes(look, worker, rollout, canary),
    };
    judged.unwrap_or_else(|| {
        // Somebody wants it out of the way, or has stopped it.
        if worker.is_cordoned() {
            return Judged::Gone("it is drained".to_owned());
        }
        if worker.state.is_gone() && !look.seen_within(worker, AWAY) {
            return Judged::Gone("it was stopped".to_owned());
        }
        let late = look.now.since(canary.allowed) > look.policy.take_within;
        match late && canary.well.is_none() {
            true => Judged::Gone("it is not ready for work".to_owned()),
            false => Judged::Going,
        }
    })
}

/// Of a canary that runs the release; `None` where it neither does well nor ill.
fn runs<'a>(look: &Look<'_>, worker: &Worker, canary: &Canary) -> Option<Judged<'a>> {
    if worker.asked().is_some() {
        return Some(Judged::Failed("it fell silent".to_owned()));
    }
    if worker.state == WorkerState::Failed {
        return Some(Judged::Failed("its worker failed".to_owned()));
    }
    if worker.is_cordoned() || !worker.state.takes_work() {
        return None;
    }
    let Some(well) = canary.well else {
        return Some(Judged::Well);
    };
    let long = look.policy.canary.unwrap_or(Span::secs(0));
    Some(match look.now.since(well) >= long {
        true => Judged::Passed,
        false => Judged::Going,
    })
}

/// Of a canary that doesn't run the release (any more); `None` where it neither does well nor ill.
fn takes<'a>(
    look: &Look<'a>,
    worker: &'a Worker,
    rollout: &Rollout,
    canary: &Canary,
) -> Option<Judged<'a>> {
    let member = &worker.member;
    let Some(runs) = member.release.as_ref().filter(|_| member.said.takes()) else {
        return Some(Judged::Gone("it takes no releases any more".to_owned()));
    };
    if (look.policy.order)(&rollout.release, runs) != Ordering::Greater {
        return Some(Judged::Gone(format!("somebody gave it {runs}")));
    }
    if canary.well.is_some() {
        return Some(Judged::Failed(format!("it went back to {runs}")));
    }
    if worker.is_cordoned() || worker.state.is_gone() {
        return None;
    }
    if member.allowed.as_ref() != Some(&rollout.release) {
        return Some(Judged::Unasked(worker));
    }
    let patient = matches!(&member.said, Said::Waiting(it, _) if *it == rollout.release);
    let waited = look.now.since(canary.allowed);
    if patient && waited > PATIENCE.max(look.policy.take_within) {
        return Some(Judged::Gone("what it runs does not end".to_owned()));
    }
    let late = waited > look.policy.take_within;
    if late && !patient {
        let minutes = look.policy.take_within.as_secs() / 60;
        let said = format!("it did not come to run it within {minutes} min");
        return Some(Judged::Failed(said));
    }
    Some(Judged::Going)
}
