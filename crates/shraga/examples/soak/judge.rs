//! The verdict: what happened, held against the promises.
//!
//! What attempts ran is taken from the agents' own records and from the process table, never from the store.

use std::collections::{BTreeMap, BTreeSet};

use shraga_core::status::TaskStatus;
use shraga_dataverse::rows::Event;

use crate::agents::Kind;
use crate::chain::{self, Fence};
use crate::clock::{self, Moment};
use crate::people::{Filed, Filing};
use crate::place::Times;
use crate::records::Run;
use crate::torment::Trouble;
use crate::watch::{Seen, Task};

/// How much the clocks of a look and of a record may differ: a look takes a while on a busy machine.
const LOOSE_SECONDS: f64 = 1.5;

/// How long after a fault its consequences may show: a tick, a request's deadline, a beat.
const AFTERMATH_SECONDS: f64 = (Times::TICK + Times::REQUEST + 2 * Times::BEAT) as f64;

/// The reason of a task whose attempts were lost too often; under torment some are.
const WORN: &str = "too-many-losses";

/// Everything that is judged.
pub(crate) struct Evidence {
    pub(crate) begun: Moment,
    pub(crate) filed: Filed,
    pub(crate) seen: Seen,
    pub(crate) events: Vec<Event>,
    pub(crate) runs: BTreeMap<String, Vec<Run>>,
    pub(crate) troubles: Vec<Trouble>,
    /// Names of workers by identity.
    pub(crate) workers: BTreeMap<String, String>,
}

/// A promise, how much of it was looked at, and where it was broken.
pub(crate) struct Verdict {
    pub(crate) promise: &'static str,
    pub(crate) looked_at: String,
    pub(crate) broken: Vec<String>,
}

impl Evidence {
    /// Every verdict.
    pub(crate) fn judge(&self) -> Vec<Verdict> {
        vec![
            self.none_lost(),
            self.one_mirror_each(),
            self.all_ended(),
            self.ends_are_right(),
            self.ends_never_change(),
            self.published_once(),
            self.rows_agree(),
            self.runs_do_not_overlap(),
            self.no_false_death(),
            self.chains_hold(),
        ]
    }

    /// Acknowledged tasks, and doubtful ones that turned out to be filed: row by row.
    fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.seen.rows.iter().filter(|row| !row.is_mirror())
    }

    fn mirror_of(&self, task: &Task) -> Vec<&Task> {
        let rows = self.seen.rows.iter().filter(|row| row.is_mirror());
        rows.filter(|row| row.mirror_of.as_deref() == Some(task.id.as_str()))
            .collect()
    }

    fn none_lost(&self) -> Verdict {
        let there: BTreeSet<&str> = self.tasks().map(|row| row.id.as_str()).collect();
        let lost = |(name, filing): (&String, &Filing)| {
            (!there.contains(filing.id.as_str()))
                .then(|| format!("{name} ({}) was acknowledged and is gone", filing.id))
        };
        let names: BTreeSet<&str> = self.tasks().map(|row| row.name.as_str()).collect();
        let doubtful = self
            .filed
            .doubtful
            .iter()
            .filter(|name| names.contains(name.as_str()))
            .count();
        Verdict {
            promise: "no task is lost",
            looked_at: format!(
                "{} acknowledged, {} of {} doubtful ones are there",
                self.filed.tasks.len(),
                doubtful,
                self.filed.doubtful.len()
            ),
            broken: self.filed.tasks.iter().filter_map(lost).collect(),
        }
    }

    fn one_mirror_each(&self) -> Verdict {
        let count = |task: &Task| match self.mirror_of(task).len() {
            0 if task.was_never_mirrored() => None,
            1 => None,
            n => Some(format!("{} has {n} mirrors", task.name)),
        };
        Verdict {
            promise: "each task has one mirror",
            looked_at: format!("{} tasks", self.tasks().count()),
            broken: self.tasks().filter_map(count).collect(),
        }
    }

    fn all_ended(&self) -> Verdict {
        let mut ended: BTreeMap<&str, u32> = BTreeMap::new();
        let mut broken = Vec::new();
        for task in self.tasks() {
            for mirror in self.mirror_of(task) {
                *ended.entry(mirror.status_name()).or_default() += 1;
                let fine =
                    mirror.has_ended() || mirror.status() == Some(TaskStatus::WaitingForInput);
                if !fine {
                    broken.push(self.story_of(task, "has not ended"));
                }
            }
        }
        let counted: Vec<String> = ended
            .iter()
            .map(|(status, n)| format!("{n} {status}"))
            .collect();
        Verdict {
            promise: "every task ends, or asks a person",
            looked_at: counted.join(", "),
            broken,
        }
    }

    /// A task ends as its agent does, unless its person canceled it or workers died under it too often.
    fn ends_are_right(&self) -> Verdict {
        let (mut worn, mut broken) = (0, Vec::new());
        for task in self.tasks() {
            let (Some(kind), Some(status)) = (Kind::of_name(&task.name), task.status()) else {
                continue;
            };
            let wished = match kind {
                Kind::Failing => TaskStatus::Failed,
                Kind::Quick
                | Kind::Slow
                | Kind::Chatty
                | Kind::Again
                | Kind::Stubborn
                | Kind::Leaver
                | Kind::Asking
                | Kind::Committer => TaskStatus::Completed,
            };
            let canceled = status == TaskStatus::Canceled && self.was_canceled(task);
            let is_worn = task.reason.as_deref() == Some(WORN);
            worn += u32::from(is_worn);
            if status != wished && !canceled && !is_worn && status.is_terminal() {
                let how = format!(
                    "ended {} though its agent is {}",
                    status.name(),
                    kind.name()
                );
                broken.push(self.story_of(task, &how));
            }
            if kind == Kind::Committer && status == TaskStatus::Completed {
                broken.extend(self.without_evidence(task));
            }
        }
        Verdict {
            promise: "tasks end as their agents do, and tell what they changed",
            looked_at: format!("{} tasks, {worn} lost too often", self.tasks().count()),
            broken,
        }
    }

    fn was_canceled(&self, task: &Task) -> bool {
        let doubtful = self.filed.doubtful.contains(&task.name);
        doubtful || self.filed.canceled.contains(&task.name)
    }

    /// The file that the attempt committed is not in what is told of it.
    fn without_evidence(&self, task: &Task) -> Option<String> {
        let mirror = self.mirror_of(task).into_iter().next()?;
        let told = mirror.output.as_deref().unwrap_or_default();
        let told: serde_json::Value = serde_json::from_str(told).unwrap_or_default();
        let made = format!("made-{}", mirror.attempt.unwrap_or_default());
        let mut files = told["changes"]["files"].as_array().into_iter().flatten();
        let there = files.any(|file| file["path"] == made.as_str());
        (!there).then(|| {
            let changes = &told["changes"];
            self.story_of(task, &format!("tells nothing of {made}: {changes}"))
        })
    }

    fn ends_never_change(&self) -> Verdict {
        let mut broken = Vec::new();
        for states in self.seen.mirrors.values() {
            let first_end = states.iter().find(|(_, row)| row.has_ended());
            let Some((_, end)) = first_end else { continue };
            let after = states.iter().skip_while(|(_, row)| !row.has_ended());
            for (at, row) in after {
                if (row.status, &row.result, row.attempt) != (end.status, &end.result, end.attempt)
                {
                    let when = clock::since(self.begun, *at);
                    broken
                        .push(self.story_of(end, &format!("changed at {when} after it had ended")));
                }
            }
        }
        Verdict {
            promise: "an end never changes",
            looked_at: format!(
                "{} mirrors in {} looks",
                self.seen.mirrors.len(),
                self.seen.looks
            ),
            broken,
        }
    }

    /// One end told, and a completed task's result is that of exactly one run, which ended well by its own record.
    fn published_once(&self) -> Verdict {
        let mut broken = Vec::new();
        let mut results = 0;
        for task in self.tasks() {
            for mirror in self
                .mirror_of(task)
                .into_iter()
                .filter(|mirror| mirror.has_ended())
            {
                let ends = chain::ends(&self.events, &task.id);
                if ends.len() != 1 {
                    let all: Vec<_> = ends
                        .iter()
                        .map(|it| format!("{} in {}", it.name, it.stream))
                        .collect();
                    broken.push(self.story_of(
                        task,
                        &format!("has {} ends: {}", ends.len(), all.join("; ")),
                    ));
                }
                if mirror.status() == Some(TaskStatus::Completed) {
                    results += 1;
                    broken.extend(self.not_of_one_run(task, mirror));
                }
            }
        }
        Verdict {
            promise: "exactly one attempt publishes",
            looked_at: format!("{results} results"),
            broken,
        }
    }

    fn not_of_one_run(&self, task: &Task, mirror: &Task) -> Option<String> {
        let result = mirror.result.clone().unwrap_or_default();
        let last = result.trim_end().lines().last().unwrap_or_default();
        let runs = self.runs.get(&task.name).map_or(&[][..], Vec::as_slice);
        let told = |run: &&Run| {
            last == format!(
                "{} by attempt {} in process {}",
                task.name, run.attempt, run.pid
            )
        };
        let by: Vec<&Run> = runs.iter().filter(told).collect();
        let well = |run: &&Run| run.ended.as_ref().is_some_and(|(_, how)| how == "end");
        match by.as_slice() {
            [run] if well(run) && Some(run.attempt) == mirror.attempt => None,
            [run] if well(run) => {
                Some(self.story_of(task, "has the result of another attempt than its own"))
            }
            [_] => Some(self.story_of(task, "has the result of a run that did not end well")),
            _ => Some(self.story_of(
                task,
                &format!("has the result {last:?}, which is of no single run"),
            )),
        }
    }

    /// What the person sees is what happened.
    fn rows_agree(&self) -> Verdict {
        let mut broken = Vec::new();
        for task in self.tasks() {
            for mirror in self
                .mirror_of(task)
                .into_iter()
                .filter(|mirror| mirror.has_ended())
            {
                if (task.status, task.said()) != (mirror.status, mirror.said()) {
                    let is = format!(
                        "is {} to its person and {} in truth",
                        task.status_name(),
                        mirror.status_name()
                    );
                    broken.push(self.story_of(task, &is));
                }
            }
        }
        Verdict {
            promise: "people see what happened",
            looked_at: format!("{} rows", self.tasks().count()),
            broken,
        }
    }

    /// Two runs of a task beside each other only if the earlier attempt was fenced.
    fn runs_do_not_overlap(&self) -> Verdict {
        let fences = chain::fences(&self.events);
        let mut broken = Vec::new();
        let mut fenced = 0;
        for (name, runs) in &self.runs {
            let task = self.tasks().find(|task| task.name == *name);
            for (n, earlier) in runs.iter().enumerate() {
                let alive = self
                    .seen
                    .lives
                    .get(&(name.clone(), earlier.attempt, earlier.pid));
                let Some((_, last)) = alive else { continue };
                let beside = |later: &&Run| later.begun < last - LOOSE_SECONDS;
                for later in runs[n + 1..].iter().filter(beside) {
                    let taken = |fence: &Fence| {
                        Some(&fence.task) == task.map(|task| &task.id)
                            && fence.attempt == earlier.attempt
                    };
                    if later.attempt > earlier.attempt && fences.iter().any(taken) {
                        fenced += 1;
                        continue;
                    }
                    let what = format!(
                        "ran twice at a time: attempt {} in process {} until {}, attempt {} in process {} from {}",
                        earlier.attempt,
                        earlier.pid,
                        clock::since(self.begun, *last),
                        later.attempt,
                        later.pid,
                        clock::since(self.begun, later.begun),
                    );
                    broken.push(task.map_or(what.clone(), |task| self.story_of(task, &what)));
                }
            }
        }
        let runs: usize = self.runs.values().map(Vec::len).sum();
        Verdict {
            promise: "an attempt runs alone unless it was fenced",
            looked_at: format!(
                "{runs} runs of {} tasks, {fenced} beside a fenced one",
                self.runs.len()
            ),
            broken,
        }
    }

    /// Whoever was given up had been silent for as long as it takes, by a fault of ours.
    fn no_false_death(&self) -> Verdict {
        let fences = chain::fences(&self.events);
        let unjust = |fence: &&Fence| {
            let name = self
                .workers
                .get(&fence.worker)
                .map_or(fence.worker.as_str(), String::as_str);
            !self.was_silent(name, fence.at)
        };
        let told = |fence: &Fence| {
            let name = self
                .workers
                .get(&fence.worker)
                .map_or(fence.worker.as_str(), String::as_str);
            let at = clock::since(self.begun, fence.at);
            let lately: Vec<String> = self.lately(name, fence.at);
            let (attempt, task, reason) = (fence.attempt, &fence.task, &fence.reason);
            format!(
                "at {at} attempt {attempt} of {task} was taken from {name} ({reason}), which had been: {}",
                lately.join(", ")
            )
        };
        Verdict {
            promise: "no worker that lives counts as dead",
            looked_at: format!("{} attempts taken from workers", fences.len()),
            broken: fences.iter().filter(unjust).map(told).collect(),
        }
    }

    /// Whether faults had kept `worker` from the store for long enough before `at`, one after the other or the store's.
    fn was_silent(&self, worker: &str, at: Moment) -> bool {
        let mut spans: Vec<(Moment, Moment)> = self
            .troubles
            .iter()
            .filter(|it| (it.who == worker || it.who == "store") && it.what.silences())
            .map(|it| (it.from, it.until + AFTERMATH_SECONDS))
            .collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut merged: Vec<(Moment, Moment)> = Vec::new();
        for (from, until) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => merged.push((from, until)),
            }
        }
        let long_enough = f64::from(Times::CONFIRM);
        merged
            .iter()
            .any(|(from, until)| at >= from + long_enough - LOOSE_SECONDS && at <= *until)
    }

    fn lately(&self, worker: &str, at: Moment) -> Vec<String> {
        let near = |it: &&Trouble| {
            (it.who == worker || it.who == "store") && it.from < at && it.until > at - 60.0
        };
        let told = |it: &Trouble| {
            let (from, until) = (
                clock::since(self.begun, it.from),
                clock::since(self.begun, it.until),
            );
            format!("{} {} {from} to {until}", it.who, it.what.name())
        };
        self.troubles.iter().filter(near).map(told).collect()
    }

    fn chains_hold(&self) -> Verdict {
        let (streams, broken) = chain::check(&self.events);
        Verdict {
            promise: "the audit's chains hold",
            looked_at: format!("{} events in {streams} streams", self.events.len()),
            broken,
        }
    }

    /// A task with all that is known of it, readable.
    fn story_of(&self, task: &Task, what: &str) -> String {
        let mut lines = vec![format!("{} ({}) {what}", task.name, task.id)];
        let id = task.mirror_of.as_deref().unwrap_or(&task.id);
        let states = self.seen.mirrors.values().flatten();
        let of_task = states.filter(|(_, row)| row.mirror_of.as_deref() == Some(id));
        lines.extend(of_task.map(|(at, row)| {
            let (at, attempt) = (clock::since(self.begun, *at), row.attempt.unwrap_or(0));
            let message = row.message.as_deref().unwrap_or_default();
            format!("{at} {} attempt {attempt}: {message}", row.status_name())
        }));
        let runs = self.runs.get(&task.name).into_iter().flatten();
        lines.extend(runs.map(|run| {
            let ended = run.ended.as_ref();
            let ended = ended.map(|(at, how)| format!("{how} {}", clock::since(self.begun, *at)));
            format!(
                "{} ran as attempt {} in process {} of {}, {}",
                clock::since(self.begun, run.begun),
                run.attempt,
                run.pid,
                run.worker,
                ended.as_deref().unwrap_or("without an end")
            )
        }));
        lines.join("\n      ")
    }
}
