//! A simulated agent: it runs for a while, says something now and then, and ends as its dice said.
//!
//! It is its worker's as long as the machine runs, whatever becomes of the worker's process: one that
//! comes after may go on with it.

use shraga_core::audit::attempt_stream;
use shraga_core::ids::{Attempt, BootId, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::StreamHead;
use shraga_core::reason::Reason;
use shraga_core::row::{Table, events};
use shraga_core::time::{Span, Timestamp};
use shraga_core::usage::Usage;
use shraga_core::worker::{Outcome, Resumed, StopCause};

use crate::store::{Row, Store};

/// The longest an agent runs.
const AGENT_SECONDS: i64 = 90;

/// The most that one costs where nothing limits it.
const COST: u64 = 400;

/// Whose work an attempt is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) task: TaskId,
    pub(crate) user: Option<UserId>,
    /// Whether it was asked to end.
    pub(crate) ends: bool,
    /// What the attempt may cost, if that is limited.
    pub(crate) most: Option<u64>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) attempt: Attempt,
    pub(crate) ends: Timestamp,
    pub(crate) outcome: Outcome,
    about: About,
    /// What it costs, and whether it tells.
    pub(crate) uses: u64,
    tells: bool,
    /// How often what it has come to was noted.
    noted: u32,
}

impl Agent {
    pub(crate) fn new(
        attempt: Attempt,
        about: About,
        now: Timestamp,
        dice: &mut fastrand::Rng,
    ) -> Self {
        let ends = now.plus(Span::secs(dice.i64(0..AGENT_SECONDS)));
        let outcome = match dice.u8(0..24) {
            0..=4 => Outcome::Retry,
            5 | 6 => Outcome::Failed(Reason::AgentFailed),
            7 => Outcome::Failed(Reason::TimedOut),
            8 => Outcome::Failed(Reason::NotVerified),
            9..=12 => Outcome::Asked,
            _ => Outcome::Completed,
        };
        Self {
            attempt,
            ends,
            outcome,
            about,
            uses: about.most.unwrap_or(COST) * dice.u64(0..=4) / 4,
            tells: dice.u8(0..3) > 0,
            noted: 0,
        }
    }

    /// What another attempt would go on from.
    pub(crate) fn note(&mut self) -> String {
        self.noted += 1;
        format!("attempt {} came to {}", self.attempt, self.noted)
    }

    /// What it says that it used.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            input_tokens: 1,
            cost_micros: self.tells.then_some(self.uses),
            ..Usage::NONE
        }
    }

    /// It is asked to end.
    pub(crate) fn stop(&mut self, cause: StopCause, now: Timestamp) {
        self.ends = now;
        self.outcome = match cause {
            StopCause::Cancel => Outcome::Canceled,
            StopCause::LeaseLost => self.outcome,
        };
    }

    /// As it is gone on with; `head` is where its stream stands, if that could be read.
    pub(crate) fn resumed(&self, mirror: MirrorId, head: Option<StreamHead>) -> Resumed {
        Resumed {
            mirror,
            task: self.about.task,
            user: self.about.user,
            attempt: self.attempt,
            head,
        }
    }
}

/// Where the stream of an attempt stands in the store: in the one that closes it, if there is anything.
pub(crate) fn head(store: &Store, worker: WorkerId, agent: &Agent, boot: BootId) -> StreamHead {
    let own = attempt_stream(worker, agent.attempt, boot);
    let late = format!("{own}/late");
    let task = agent.about.task.to_string();
    let last = |stream: &str| {
        let rows = store.rows(Table::Events).map(std::rc::Rc::as_ref);
        let rows = rows.filter(|row| row.text(events::TASK_ID) == Some(&*task));
        let rows = rows.filter(|row| row.text(events::STREAM) == Some(stream));
        rows.max_by_key(|row| row.int(events::SEQUENCE))
    };
    let found = match last(&late) {
        Some(row) => Some((row, Some(late))),
        None => last(&own).map(|row| (row, None)),
    };
    found.map_or_else(StreamHead::default, |(row, stream)| at(row, stream))
}

fn at(event: &Row, stream: Option<String>) -> StreamHead {
    let number = event.int(events::SEQUENCE).unwrap_or(0);
    StreamHead {
        sequence: u32::try_from(number).unwrap_or(0),
        hash: event.text(events::HASH).unwrap_or_default().to_owned(),
        stream,
    }
}
