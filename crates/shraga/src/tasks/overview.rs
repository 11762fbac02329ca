//! All tasks at a glance: which need somebody, which run, which wait and why, which are done.
//!
//! Everything is told from rows and events; nothing is remembered of what was shown before, so what
//! needs somebody stays until somebody did something about it.

use std::collections::{HashMap, HashSet};

use shraga_core::ids::{TaskId, UserId};
use shraga_core::reason::Reason;
use shraga_core::row::Table;
use shraga_core::status::TaskStatus;
use shraga_core::time::{Span, Timestamp};
use shraga_dataverse::{Client, Error};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::{OrderBy, Query};

use super::candidates;
use super::events::{Told, newest};
use super::view::{COLUMNS, TaskView, mine};

/// Open tasks read at most: the largest page a store gives.
const OPEN_MAX: u32 = 5000;

/// Events read for what agents said last, and for late results. More would only tell more exactly how
/// long somebody has been silent.
const EVENTS: u32 = 500;

/// For how long a failed task needs somebody: later it is history, unless it is looked up.
const FAILED_FOR: Span = Span::mins(3 * 24 * 60);

/// A part of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Waits for a person, or ended in a way she should know of.
    NeedsYou,
    /// With a worker.
    Running,
    /// Will go on by itself.
    Waiting,
    /// Ended.
    Done,
}

impl Part {
    /// All of them, what needs somebody first.
    pub const ALL: [Self; 4] = [Self::NeedsYou, Self::Running, Self::Waiting, Self::Done];

    /// Its heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::NeedsYou => "Needs you",
            Self::Running => "Running",
            Self::Waiting => "Waiting",
            Self::Done => "Done",
        }
    }
}

/// What somebody is to do about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it is: `asks`, `failed`, `stuck`, `late result`.
    pub kind: &'static str,
    /// What happened.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Overview {
    /// Tasks, newest first.
    pub tasks: Vec<TaskView>,
    /// The store's time.
    pub now: Timestamp,
    /// When the agent of a task was last heard.
    heard: HashMap<TaskId, Timestamp>,
    /// Tasks with a result that came too late.
    late: HashSet<TaskId>,
    /// Tasks that were filed again.
    retried: HashSet<TaskId>,
}

impl Overview {
    /// Reads all open tasks of `owner` (everybody's without one), and the newest `ended` ended ones.
    ///
    /// # Errors
    /// Any error of the requests, and rows that can't be understood.
    pub async fn read(client: &Client, owner: Option<UserId>, ended: u32) -> Result<Self, Error> {
        let key = client.names().primary_id(Table::Tasks).to_owned();
        let mut tasks = Vec::new();
        let mut now = Timestamp::default();
        for (filter, top) in [(open(), OPEN_MAX), (over(), ended)] {
            let query = Query {
                select: COLUMNS.iter().map(|&name| name.to_owned()).collect(),
                filter: Some(mine(owner).and(filter)),
                order_by: vec![OrderBy {
                    column: "createdon".to_owned(),
                    descending: true,
                }],
                top: Some(top),
                ..Query::default()
            };
            let page = client.page(Table::Tasks, &query, None).await?;
            now = page.now;
            for row in &page.rows {
                tasks.push(TaskView::read(row, &key)?);
            }
        }
        tasks.sort_by_key(|task| std::cmp::Reverse((task.created, task.id)));
        // One that ended between the two reads is in both.
        tasks.dedup_by_key(|task| task.id);
        let mut overview = Self::of(tasks, now);
        if client.absent().has_table(Table::Events) {
            overview.hear(&newest(client, EVENTS).await?);
        }
        Ok(overview)
    }

    /// Of these tasks, as they are at `now`.
    #[must_use]
    pub fn of(tasks: Vec<TaskView>, now: Timestamp) -> Self {
        Self {
            retried: tasks.iter().filter_map(|task| task.retry_of).collect(),
            tasks,
            now,
            ..Self::default()
        }
    }

    /// Takes in what events tell.
    pub fn hear(&mut self, told: &[Told]) {
        for event in told {
            let heard = self.heard.entry(event.task).or_insert(event.at);
            *heard = (*heard).max(event.at);
        }
        let late = candidates::of(told).filter(candidates::Candidate::completed);
        self.late.extend(late.map(|it| it.told().task));
    }

    /// The tasks of a part, and what is to be done about each.
    #[must_use]
    pub fn part(&self, part: Part) -> Vec<(&TaskView, Option<Call>)> {
        let tasks = self.tasks.iter().map(|task| (task, self.call(task)));
        tasks
            .filter(|(task, call)| self.part_of(task, call.as_ref()) == part)
            .collect()
    }

    fn part_of(&self, task: &TaskView, call: Option<&Call>) -> Part {
        if call.is_some() {
            return Part::NeedsYou;
        }
        match task.status {
            TaskStatus::WaitingForInput => Part::NeedsYou,
            TaskStatus::Running | TaskStatus::Canceling => Part::Running,
            TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Submitted => Part::Waiting,
            TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Canceled => Part::Done,
        }
    }

    /// What somebody is to do about `task`, if anything.
    #[must_use]
    pub fn call(&self, task: &TaskView) -> Option<Call> {
        call(task, self.late.contains(&task.id)).filter(|_| {
            let old = task
                .finished
                .is_some_and(|at| self.now.since(at) > FAILED_FOR);
            !old && !self.retried.contains(&task.id)
        })
    }

    /// When something was last heard of a running task.
    #[must_use]
    pub fn heard(&self, task: &TaskView) -> Option<Timestamp> {
        self.heard.get(&task.id).copied().max(task.started)
    }

    /// What keeps all open tasks from ever ending by themselves, if something does: each needs somebody,
    /// or a worker that nobody is about to start. `None` while any may go on; empty when none is open.
    #[must_use]
    pub fn all_stuck(&self) -> Option<Vec<(&TaskView, Call)>> {
        let open = self.tasks.iter().filter(|task| !task.status.is_terminal());
        open.map(|task| Some((task, stuck(task)?))).collect()
    }
}

/// What somebody is to do about `task`; `late` says that it has a result that came too late.
#[must_use]
pub fn call(task: &TaskView, late: bool) -> Option<Call> {
    let id = task.id.short();
    let reason: Option<Reason> = task.reason.as_ref().and_then(|text| text.parse().ok());
    match task.status {
        TaskStatus::WaitingForInput => Some(Call {
            kind: "asks",
            what: task
                .question
                .clone()
                .unwrap_or_else(|| task.note().to_owned()),
            advice: format!("shraga answer {id} \"...\""),
        }),
        TaskStatus::Failed => Some(Call {
            kind: if late { "late result" } else { "failed" },
            what: task.note().to_owned(),
            advice: match (late, reason) {
                (true, _) => {
                    format!("a result came too late and can be accepted: shraga show {id}")
                }
                (false, Some(reason)) => with_id(reason.advice(), &id),
                (false, None) => format!("shraga logs {id}"),
            },
        }),
        TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Submitted => {
            let stuck = reason.filter(|reason| reason.is_stuck())?;
            Some(Call {
                kind: "stuck",
                what: task.note().to_owned(),
                advice: with_id(stuck.advice(), &id),
            })
        }
        TaskStatus::Running
        | TaskStatus::Canceling
        | TaskStatus::Completed
        | TaskStatus::Canceled => None,
    }
}

/// What keeps an open task from ending, if nothing but somebody's doing helps.
fn stuck(task: &TaskView) -> Option<Call> {
    let reason: Option<Reason> = task.reason.as_ref().and_then(|text| text.parse().ok());
    let waits = match task.status {
        TaskStatus::Submitted => Some(Reason::NotReleased),
        TaskStatus::Pending | TaskStatus::Queued => {
            reason.filter(|reason| *reason == Reason::NoneReady)
        }
        TaskStatus::Running
        | TaskStatus::WaitingForInput
        | TaskStatus::Canceling
        | TaskStatus::Completed
        | TaskStatus::Failed
        | TaskStatus::Canceled => None,
    };
    let waits = waits.map(|reason| Call {
        kind: "stuck",
        what: reason.message().to_owned(),
        advice: with_id(reason.advice(), &task.id.short()),
    });
    call(task, false).or(waits)
}

/// Advice that can be typed: the task's identity instead of `ID`.
#[must_use]
pub fn with_id(advice: &str, id: &str) -> String {
    advice.replace(" ID", &format!(" {id}"))
}

const OPEN: [TaskStatus; 6] = [
    TaskStatus::Pending,
    TaskStatus::Queued,
    TaskStatus::Running,
    TaskStatus::WaitingForInput,
    TaskStatus::Submitted,
    TaskStatus::Canceling,
];

const OVER: [TaskStatus; 3] = [
    TaskStatus::Completed,
    TaskStatus::Failed,
    TaskStatus::Canceled,
];

fn open() -> Filter {
    any_of(&OPEN)
}

fn over() -> Filter {
    any_of(&OVER)
}

fn any_of(statuses: &[TaskStatus]) -> Filter {
    let is = |status: &TaskStatus| {
        Filter::Compare(
            Operand::Column("cr_status".to_owned()),
            Comparison::Eq,
            Operand::Literal(Literal::Int(status.code())),
        )
    };
    Filter::Or(statuses.iter().map(is).collect())
}

#[cfg(test)]
mod tests;
