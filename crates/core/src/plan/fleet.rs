//! Which worker may take a release, and when: one first, the others after it stayed well.
//!
//! Every permission is written together with the fleet's row, under the versions of both. So of two orchestrators one
//! gives it, and none is given over a pause, a refusal or another canary that was written meanwhile. What must not be
//! allowed any more is taken back before anything new is allowed.
//!
//! One worker's word or silence refuses no release while another one can try it: a machine may be at fault, or a token in
//! wrong hands. Two refuse it, or the only one there is, until the branch brings another commit or an admin lifts it.
//!
//! Never: two canaries of one release at once; a permission while the fleet is paused; a refused release again; an older
//! one, or another build of the same version; anything for a worker that doesn't run from an installation.

mod judge;
#[cfg(test)]
mod tests;
mod write;

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::fleet::{Canary, Doubt, Fleet, Refused, Rollout, Said, Stage, Why};
use crate::ids::{Etag, WorkerId};
use crate::model::Worker;
use crate::row::ChangeSet;
use crate::status::{Pool, WorkerState};
use crate::time::{Span, Timestamp};
use crate::update::Release;

use judge::{Judged, judge};
pub use write::save;

/// How lately a worker must have beaten to be the canary: four beats. Longer, and one that is gone is tried; shorter, and
/// a slow store leaves none.
const FRESH: Span = Span::secs(120);

/// How long a worker that is not fit for it just now is waited for before there counts as being none. Longer delays the
/// orchestrator's own update where nobody looks after silent workers.
const EXPECTED: Span = Span::mins(30);

/// How long a release stays out that another commit of its version took the place of. Two orchestrators that look at the
/// branch at different times see two newest commits for a while; shorter, and each puts the other's aside in turn; longer
/// keeps the newest one from all when the later writer was the one that was behind.
const SETTLED: Span = Span::mins(60);

/// How many workers are allowed a release at once. Each of them beats meanwhile, and one beat makes the whole write
/// stale; fewer take longer for a large fleet.
const WAVE: usize = 20;

/// What was observed.
#[derive(Clone, Debug, Default)]
pub struct FleetSnapshot {
    /// The fleet's row, with its version; `None` while there is none.
    pub row: Option<(Etag, Fleet)>,
    /// All rows of the workers table that could be read.
    pub workers: Vec<Worker>,
    /// Whether `workers` is all of them. Without, nothing is concluded from there being none.
    pub complete: bool,
    /// Attempts that workers hold.
    pub leases: HashMap<WorkerId, u32>,
    /// The newest release on the branch, if that is known; also one that this process runs already.
    pub offered: Option<Release>,
}

/// What the operator decided, and who asks.
#[derive(Clone, Debug)]
pub struct FleetPolicy {
    /// How two versions compare; `Equal` for those that can't be compared.
    pub order: fn(&Release, &Release) -> Ordering,
    /// How long the canary must stay well; `None`: all take a release at once.
    pub canary: Option<Span>,
    /// How long the canary may take until it runs the release: fetching, building and trying it included.
    pub take_within: Span,
    /// The release that this orchestrator runs, where it takes newer ones.
    pub ours: Option<Release>,
}

impl FleetPolicy {
    /// The longest that taking a release may last: an hour's build and the wait for another one's, trials, and a start.
    pub const TAKE_WITHIN: Span = Span::mins(150);
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetPlan {
    /// The writes. At most one of them writes the fleet's row.
    pub sets: Vec<ChangeSet>,
    /// The release that this orchestrator may take now, as far as was observed.
    pub take: Option<Release>,
    /// Things somebody should know.
    pub notes: Vec<String>,
    /// Whether something is under way, so that it is looked at again soon.
    pub busy: bool,
}

/// What is looked at, with what follows from it at once.
struct Look<'a> {
    snapshot: &'a FleetSnapshot,
    policy: &'a FleetPolicy,
    now: Timestamp,
    fleet: Fleet,
}

/// What is done next.
struct Move<'a> {
    fleet: Fleet,
    allow: Vec<&'a Worker>,
    /// Who is the canary no more.
    leaves: Option<&'a Worker>,
    why: String,
}

/// What to write, and whether this orchestrator may take a release itself.
#[must_use]
pub fn plan(snapshot: &FleetSnapshot, policy: &FleetPolicy, now: Timestamp) -> FleetPlan {
    let fleet = snapshot.row.as_ref().map(|(_, fleet)| fleet.clone());
    let look = Look {
        snapshot,
        policy,
        now,
        fleet: fleet.unwrap_or_default(),
    };
    let mut plan = FleetPlan {
        take: look.take(),
        notes: look.notes(),
        busy: look.is_busy(),
        ..FleetPlan::default()
    };
    if let Some(set) = look.failure() {
        plan.sets.push(set);
        return plan;
    }
    plan.sets = look.withdrawals();
    if plan.sets.is_empty() && look.fleet.pause.is_none() {
        plan.sets.extend(look.next().map(|next| {
            let allow = next
                .allow
                .iter()
                .map(|worker| write::allow(worker, &next.fleet));
            let row = snapshot.row.as_ref().map(|(etag, _)| etag);
            // In this order, so that one that is cut short leaves no second canary.
            let mut writes: Vec<_> = next.leaves.map(write::withdraw).into_iter().collect();
            writes.push(save(row, &next.fleet));
            writes.extend(allow);
            ChangeSet {
                task: None,
                why: next.why.clone(),
                writes,
            }
        }));
    }
    plan
}

impl<'a> Look<'a> {
    /// The release that may take the place of what is rolled out.
    fn newer(&self) -> Option<&'a Release> {
        let offered = self.snapshot.offered.as_ref()?;
        let rollout = self.fleet.rollout.as_ref();
        let newer = rollout.is_none_or(|rollout| {
            // Another commit of the same version: the branch has no longer what is rolled out.
            rollout.release != *offered
                && (self.policy.order)(offered, &rollout.release) != Ordering::Less
        });
        let wanted = || self.workers().any(|worker| self.needs(worker, offered));
        let free = newer && !self.is_out(offered);
        (free && (wanted() || self.is_newer(offered, self.policy.ours.as_ref()))).then_some(offered)
    }

    /// Whether the release must not be begun.
    fn is_out(&self, release: &Release) -> bool {
        let refused = self.fleet.refuses(release);
        refused.is_some_and(|it| match it.why {
            Why::Failed => true,
            Why::Replaced => self.now.since(it.at) < SETTLED,
        })
    }

    fn workers(&self) -> impl Iterator<Item = &'a Worker> + use<'a> {
        let workers = self.snapshot.workers.iter();
        workers.filter(|worker| worker.kind.runs_tasks())
    }

    fn worker(&self, id: WorkerId) -> Option<&'a Worker> {
        self.workers().find(|worker| worker.id == id)
    }

    fn is_newer(&self, release: &Release, than: Option<&Release>) -> bool {
        than.is_some_and(|than| (self.policy.order)(release, than) == Ordering::Greater)
    }

    /// Whether the worker takes releases, runs an older one and did not fail with this.
    fn lacks(&self, worker: &Worker, release: &Release) -> bool {
        let member = &worker.member;
        let failed = matches!(&member.said, Said::Failed(it, _) if it == release);
        worker.state != WorkerState::Deprovisioned
            && member.said.takes()
            && !failed
            && self.is_newer(release, member.release.as_ref())
    }

    /// Whether it also can have it, as far as it knows.
    fn needs(&self, worker: &Worker, release: &Release) -> bool {
        let unable = matches!(&worker.member.said, Said::Unable(it, _) if it == release);
        !unable && self.lacks(worker, release)
    }

    /// Whether the worker runs the release and was not told that it is for good.
    fn tries(&self, worker: &Worker, release: &Release) -> bool {
        let member = &worker.member;
        let told = member.open && member.allowed.as_ref() == Some(release);
        member.release.as_ref() == Some(release)
            && member.said.takes()
            && !told
            && worker.state != WorkerState::Deprovisioned
            && self.seen_within(worker, EXPECTED)
    }

    fn seen_within(&self, worker: &Worker, span: Span) -> bool {
        let seen = worker.last_seen;
        seen.is_some_and(|seen| self.now.since(seen) <= span)
    }

    fn is_fit(&self, worker: &Worker, release: &Release) -> bool {
        self.needs(worker, release)
            && worker.state.takes_work()
            && !worker.is_cordoned()
            && worker.asked().is_none()
            && self.seen_within(worker, FRESH)
    }

    /// Who tries the release first: a shared worker before one that is a person's, an idle one before a busy one, and one
    /// that was `tried` already only where there is no other. Never the one that is the `doubter`.
    fn choose(
        &self,
        release: &Release,
        tried: Option<WorkerId>,
        doubter: Option<WorkerId>,
    ) -> Option<&'a Worker> {
        let fit = self.workers().filter(|worker| self.is_fit(worker, release));
        let fit = fit.filter(|worker| doubter != Some(worker.id));
        fit.min_by_key(|worker| {
            let leases = self.snapshot.leases.get(&worker.id).copied().unwrap_or(0);
            let busy = leases > 0 || worker.state == WorkerState::Busy;
            let again = tried == Some(worker.id);
            (again, worker.pool != Pool::Shared, busy, leases, worker.id)
        })
    }

    /// Whether somebody is likely to be fit soon.
    fn is_expecting(&self, release: &Release, doubter: Option<WorkerId>) -> bool {
        let coming = |worker: &Worker| {
            self.needs(worker, release)
                && doubter != Some(worker.id)
                && !worker.state.is_gone()
                && !worker.is_cordoned()
                && self.seen_within(worker, EXPECTED)
        };
        !self.snapshot.complete || self.workers().any(coming)
    }

    /// What to do about a release that nobody tries yet, or whose canary is gone.
    fn begin(&self, release: &Release, before: Option<&Rollout>) -> Option<Move<'a>> {
        let open = Stage::Open(self.now);
        let tried = before.and_then(|_| self.fleet.canary().map(|canary| canary.worker));
        let doubt = before.and_then(|before| before.doubt.as_ref());
        let doubter = doubt.map(|doubt| doubt.worker);
        let chosen = self.choose(release, tried, doubter);
        let (stage, allow, why) = match (self.policy.canary, chosen) {
            (None, _) => (open, None, format!("{release} may be taken by all")),
            (Some(_), Some(worker)) => {
                let canary = self.canary(worker);
                let why = format!("worker {} is to try {release} first", worker.name);
                (canary, Some(worker), why)
            }
            (Some(_), None) if self.is_expecting(release, doubter) => return None,
            (Some(_), None) if doubt.is_some() => {
                return doubt.map(|doubt| self.given_up(release, doubt));
            }
            (Some(_), None) => (open, None, format!("no worker can try {release} first")),
        };
        let rollout = Rollout {
            release: release.clone(),
            since: before.map_or(self.now, |before| before.since),
            stage,
            doubt: doubt.cloned(),
        };
        let mut fleet = self.fleet.clone();
        fleet.lift(release);
        if let Some(before) = fleet.rollout.replace(rollout)
            && (self.policy.order)(&before.release, release) == Ordering::Equal
            && before.release != *release
        {
            let said = format!("the branch brought {release}");
            self.refuse(&mut fleet, &before.release, Why::Replaced, said);
        }
        let allow = allow.into_iter().collect();
        Some(Move {
            fleet,
            allow,
            leaves: None,
            why,
        })
    }

    /// Nobody is left to say that it was not the release.
    fn given_up(&self, release: &Release, doubt: &Doubt) -> Move<'a> {
        let mut fleet = self.fleet.clone();
        fleet.rollout = None;
        self.refuse(&mut fleet, release, Why::Failed, doubt.said.clone());
        Move {
            fleet,
            allow: Vec::new(),
            leaves: None,
            why: format!("{release} is refused: {}", doubt.said),
        }
    }

    fn canary(&self, worker: &Worker) -> Stage {
        Stage::Canary(Canary {
            worker: worker.id,
            name: worker.name.clone(),
            allowed: self.now,
            well: None,
        })
    }

    fn refuse(&self, fleet: &mut Fleet, release: &Release, why: Why, said: String) {
        fleet.refused.push(Refused {
            release: release.clone(),
            why,
            said,
            at: self.now,
        });
        let excess = fleet
            .refused
            .len()
            .saturating_sub(crate::fleet::MAX_REFUSED);
        fleet.refused.drain(..excess);
    }

    fn next(&self) -> Option<Move<'a>> {
        if let Some(newer) = self.newer() {
            return self.begin(newer, None);
        }
        let rollout = self.fleet.rollout.as_ref()?;
        match &rollout.stage {
            Stage::Open(_) => self.next_wave(&rollout.release),
            Stage::Canary(canary) => match judge(self, rollout, canary) {
                // `failure` has seen to it.
                Judged::Failed(_) | Judged::Going => None,
                Judged::Gone(said) => {
                    let next = self.begin(&rollout.release, Some(rollout))?;
                    let why = format!("worker {}: {said}; {}", canary.name, next.why);
                    let known = self.worker(canary.worker);
                    // Also what it took: it may go back to an older one, and would take it once more.
                    let leaves = known.filter(|worker| {
                        let chosen = next.allow.iter().any(|it| it.id == worker.id);
                        !chosen && worker.member.allowed.is_some()
                    });
                    Some(Move {
                        leaves,
                        why,
                        ..next
                    })
                }
                Judged::Unasked(worker) => {
                    let again = Canary {
                        allowed: self.now,
                        ..canary.clone()
                    };
                    let why = format!("worker {} may take {}", canary.name, rollout.release);
                    Some(self.moved(rollout, Stage::Canary(again), vec![worker], why))
                }
                Judged::Well => {
                    let well = Canary {
                        well: Some(self.now),
                        ..canary.clone()
                    };
                    let why = format!("worker {} runs {}", canary.name, rollout.release);
                    Some(self.moved(rollout, Stage::Canary(well), Vec::new(), why))
                }
                Judged::Passed => {
                    let why = format!(
                        "worker {} stayed well with {}",
                        canary.name, rollout.release
                    );
                    Some(self.moved(rollout, Stage::Open(self.now), Vec::new(), why))
                }
            },
        }
    }

    fn moved(&self, from: &Rollout, stage: Stage, allow: Vec<&'a Worker>, why: String) -> Move<'a> {
        let mut fleet = self.fleet.clone();
        fleet.rollout = Some(Rollout {
            stage,
            ..from.clone()
        });
        Move {
            fleet,
            allow,
            leaves: None,
            why,
        }
    }

    fn next_wave(&self, release: &Release) -> Option<Move<'a>> {
        // Who can't have it tries again by itself, as long as it may.
        let waits = |worker: &&Worker| {
            let lacks = self.lacks(worker, release);
            (lacks && worker.member.allowed.as_ref() != Some(release))
                || self.tries(worker, release)
        };
        let allow: Vec<&Worker> = self.workers().filter(waits).take(WAVE).collect();
        let why = format!(
            "{} more workers may take {release}, or keep it",
            allow.len()
        );
        let fleet = self.fleet.clone();
        (!allow.is_empty()).then_some(Move {
            fleet,
            allow,
            leaves: None,
            why,
        })
    }

    /// What follows from a canary that failed: its permission ends, and another worker tries the release, or it is refused.
    fn failure(&self) -> Option<ChangeSet> {
        let (row, rollout) = (self.snapshot.row.as_ref()?, self.fleet.rollout.as_ref()?);
        let Stage::Canary(canary) = &rollout.stage else {
            return None;
        };
        if self.fleet.pause.is_some() {
            // No other worker can be asked now, and one alone refuses nothing.
            return None;
        }
        let Judged::Failed(said) = judge(self, rollout, canary) else {
            return None;
        };
        let said = format!("worker {}: {said}", canary.name);
        let mut fleet = self.fleet.clone();
        let other = self.second(rollout, canary);
        let why = if let Some(other) = other {
            fleet.rollout = Some(Rollout {
                stage: self.canary(other),
                doubt: Some(Doubt {
                    worker: canary.worker,
                    said: said.clone(),
                }),
                ..rollout.clone()
            });
            let (release, name) = (&rollout.release, &other.name);
            format!("{said}; worker {name} is to try {release} too")
        } else {
            let earlier = rollout
                .doubt
                .as_ref()
                .map(|doubt| format!("{}; ", doubt.said));
            let said = format!("{}{said}", earlier.unwrap_or_default());
            fleet.rollout = None;
            self.refuse(&mut fleet, &rollout.release, Why::Failed, said.clone());
            format!("{} is refused: {said}", rollout.release)
        };
        let worker = self.worker(canary.worker);
        let allowed = worker.filter(|worker| worker.member.allowed.is_some());
        let mut writes: Vec<_> = allowed.map(write::withdraw).into_iter().collect();
        writes.push(save(Some(&row.0), &fleet));
        writes.extend(other.map(|other| write::allow(other, &fleet)));
        Some(ChangeSet {
            task: None,
            why,
            writes,
        })
    }

    /// Another worker that can tell whether it is the release that failed, or the first worker's machine.
    fn second(&self, rollout: &Rollout, canary: &Canary) -> Option<&'a Worker> {
        if rollout.doubt.is_some() {
            return None;
        }
        self.choose(&rollout.release, None, Some(canary.worker))
    }

    /// Permissions that were given, not taken, and must not be taken any more.
    fn withdrawals(&self) -> Vec<ChangeSet> {
        let unfounded = self.workers().filter(|worker| {
            let allowed = worker.member.outstanding();
            allowed.is_some_and(|release| !self.is_founded(worker, release))
        });
        let sets = unfounded.map(|worker| ChangeSet {
            task: None,
            why: format!("worker {} is to take nothing for now", worker.name),
            writes: vec![write::withdraw(worker)],
        });
        sets.collect()
    }

    fn is_founded(&self, worker: &Worker, release: &Release) -> bool {
        let Some(rollout) = self.fleet.rollout.as_ref() else {
            return false;
        };
        let current = rollout.release == *release && self.newer().is_none();
        if self.fleet.pause.is_some() || !current {
            return false;
        }
        match &rollout.stage {
            Stage::Open(_) => self.lacks(worker, release),
            Stage::Canary(canary) if canary.worker == worker.id => {
                // Where another takes its place at once, its permission goes in the same write.
                !matches!(judge(self, rollout, canary), Judged::Gone(_))
                    || self.begin(&rollout.release, Some(rollout)).is_some()
            }
            Stage::Canary(_) => false,
        }
    }

    /// What this orchestrator may take.
    fn take(&self) -> Option<Release> {
        let rollout = self.fleet.rollout.as_ref()?;
        let open = matches!(rollout.stage, Stage::Open(_)) && self.newer().is_none();
        let mine = open && self.is_newer(&rollout.release, self.policy.ours.as_ref());
        (mine && self.fleet.pause.is_none()).then(|| rollout.release.clone())
    }

    fn is_busy(&self) -> bool {
        let canary = self.fleet.canary().is_some();
        let rollout = self.fleet.rollout.as_ref();
        let lives = |worker: &Worker| self.seen_within(worker, EXPECTED);
        let waits = |release: &Release| {
            self.workers()
                .any(|worker| self.needs(worker, release) && lives(worker))
        };
        let untold = |release: &Release| self.workers().any(|it| self.tries(it, release));
        canary
            || self.newer().is_some()
            || rollout.is_some_and(|it| waits(&it.release) || untold(&it.release))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(newer) = self.newer() {
            let waits = self.policy.canary.is_some() && self.choose(newer, None, None).is_none();
            if waits && self.fleet.pause.is_none() && self.is_expecting(newer, None) {
                notes.push(format!("{newer} waits for a worker that can try it first"));
            }
        }
        let Some(rollout) = &self.fleet.rollout else {
            return notes;
        };
        for worker in self.workers() {
            let (name, release) = (&worker.name, &rollout.release);
            match &worker.member.said {
                Said::Unable(it, why) if it == release => {
                    notes.push(format!("worker {name} can't take {release}: {why}"));
                }
                Said::Failed(it, why) if it == release => {
                    notes.push(format!("worker {name} failed with {release}: {why}"));
                }
                Said::Off
                | Said::On
                | Said::Making(_)
                | Said::Waiting(..)
                | Said::Unable(..)
                | Said::Failed(..)
                | Said::Other(_) => {}
            }
        }
        notes
    }
}
