//! Event streams: numbered, chained by hash, checkable by anybody who has the rows.
//!
//! A stream has one writer. Its events count from 1 without gaps; each carries the hash of the one
//! before it, and its own is SHA-256 over that hash (64 lower-case hexadecimal digits, nothing for
//! the first event) followed by the stored bytes of `cr_content`. The content is canonical JSON with
//! its own `at`; delivery state is not covered. Who may write which stream is the store's business.

use std::collections::HashSet;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::ids::{Attempt, BootId, EventId, MirrorId, TaskId, UserId, WorkerId};
use crate::json::Object;
use crate::limits;
use crate::model::StreamHead;
use crate::reason::Reason;
use crate::row::{Column, Table, Value, Write, events};
use crate::status::EventKind;
use crate::time::Timestamp;

/// Name of the orchestrator's stream of a task. Its head is in the mirror's row.
pub const ORCHESTRATOR: &str = "orchestrator";

/// Whether a stream of this name is the orchestrator's: the usual one, or one that took its place.
#[must_use]
pub fn is_orchestrators(stream: &str) -> bool {
    let rest = stream.strip_prefix(ORCHESTRATOR);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(SUCCESSOR))
}

/// Between the name of the orchestrator's stream and what tells one that took its place from it.
const SUCCESSOR: char = '~';

/// How far ahead events that are not ours are looked out for: one change set makes no more.
const AHEAD: u32 = 4;

/// Delivery state of an event nobody was told of yet.
const PENDING: &str = "pending";

/// Name of the stream of one attempt in one process of a worker.
#[must_use]
pub fn attempt_stream(worker: WorkerId, attempt: Attempt, boot: BootId) -> String {
    format!("{worker}/{attempt}/{boot}")
}

/// The hash of an event: SHA-256 of the previous one's hash and the content, in hexadecimal.
#[must_use]
pub fn hash(previous: &str, content: &str) -> String {
    let digest = Sha256::new()
        .chain_update(previous)
        .chain_update(content)
        .finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a stream is about; the same for all its events.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) mirror: MirrorId,
    pub(crate) task: TaskId,
    pub(crate) user: Option<UserId>,
    pub(crate) attempt: Attempt,
    pub(crate) stream: String,
}

/// The writing end of a stream: makes the rows of new events and moves the head.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    about: About,
    head: StreamHead,
}

impl Stream {
    pub(crate) const fn new(about: About, head: StreamHead) -> Self {
        Self { about, head }
    }

    /// The orchestrator's stream, from its head on. Where somebody else's events (`taken`) sit at the
    /// identities that come next, one that takes its place: its first event says so. Its name holds the
    /// time, so that nobody can have put something there before.
    pub(crate) fn resume(
        about: About,
        head: &StreamHead,
        taken: &HashSet<EventId>,
        at: Timestamp,
    ) -> (Self, Option<Write>) {
        let usual = head.stream.clone().unwrap_or(about.stream);
        let mirror = about.mirror;
        let met = |stream: &str, from: u32| {
            let next = (1..=AHEAD).map(|n| EventId::of(mirror, stream, from.saturating_add(n)));
            next.into_iter().find(|id| taken.contains(id))
        };
        let about = |stream| About { stream, ..about };
        let Some(foreign) = met(&usual, head.sequence) else {
            return (Self::new(about(usual), head.clone()), None);
        };
        let names = (0_u32..).map(|n| match n {
            0 => format!("{ORCHESTRATOR}{SUCCESSOR}{}", at.as_secs()),
            n => format!("{ORCHESTRATOR}{SUCCESSOR}{}.{n}", at.as_secs()),
        });
        let mut free = names.filter(|name| met(name, 0).is_none());
        let name = free.next().expect("taken is finite, names are not");
        let fresh = StreamHead {
            stream: Some(name.clone()),
            ..StreamHead::default()
        };
        let mut stream = Self::new(about(name), fresh);
        let said = "an event of somebody else's sits in the orchestrator's stream; another goes on";
        let content = Object::new()
            .text("event", foreign)
            .text("instead_of", usual)
            .int("ended_at", head.sequence)
            .text("ended_with", &head.hash)
            .text("reason", Reason::Quarantined);
        let event = stream.push(EventKind::Error, said, at, content);
        (stream, Some(event))
    }

    pub(crate) fn name(&self) -> &str {
        &self.about.stream
    }

    pub(crate) const fn head(&self) -> &StreamHead {
        &self.head
    }

    /// Goes back to an earlier head: what was pushed since never reached the store.
    pub(crate) fn rewind(&mut self, head: StreamHead) {
        self.head = head;
    }

    /// Sets the attempt that events from now on are about.
    pub(crate) const fn attempt(&mut self, attempt: Attempt) {
        self.about.attempt = attempt;
    }

    /// The row of the next event. `said` is the line people read, `content` what is hashed.
    pub(crate) fn push(
        &mut self,
        kind: EventKind,
        said: &str,
        at: Timestamp,
        content: Object,
    ) -> Write {
        let content = content
            .time("at", at)
            .int("attempt", self.about.attempt.0)
            .text("task", self.about.task)
            .text("type", kind)
            .finish();
        let previous = std::mem::take(&mut self.head.hash);
        self.head.sequence = self.head.sequence.saturating_add(1);
        self.head.hash = hash(&previous, &content);
        let id = EventId::of(self.about.mirror, &self.about.stream, self.head.sequence);
        Write::create(
            Table::Events,
            id.get(),
            self.cells(kind, said, content, previous),
        )
    }

    fn cells(
        &self,
        kind: EventKind,
        said: &str,
        content: String,
        previous: String,
    ) -> Vec<(Column, Value)> {
        vec![
            (events::NAME, limits::line(said, limits::NAME_UNITS).into()),
            (events::USER_ID, self.about.user.map(UserId::get).into()),
            (events::KIND, kind.as_str().into()),
            (events::CONTENT, content.into()),
            (events::TASK_ID, self.about.task.get().into()),
            (events::ATTEMPT, i64::from(self.about.attempt.0).into()),
            (events::STREAM, self.about.stream.as_str().into()),
            (events::SEQUENCE, i64::from(self.head.sequence).into()),
            (
                events::PREVIOUS_HASH,
                (!previous.is_empty()).then_some(previous).into(),
            ),
            (events::HASH, self.head.hash.as_str().into()),
            (events::DELIVERY, PENDING.into()),
        ]
    }
}

/// An event as read back, for checking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number in the stream.
    pub sequence: u32,
    /// The stored bytes of its content.
    pub content: String,
    /// Hash of the event before it, as stored.
    pub previous: String,
    /// Its hash, as stored.
    pub hash: String,
}

/// Where a stream does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A number is missing or there twice.
    #[error("event {expected} is missing: found {found}")]
    Gap {
        /// The number that should follow.
        expected: u32,
        /// The number that does.
        found: u32,
    },
    /// An event does not follow from the one before it.
    #[error("event {sequence} does not name the event before it")]
    Unchained {
        /// Its number.
        sequence: u32,
    },
    /// The content is not what was hashed.
    #[error("the content of event {sequence} was changed")]
    Changed {
        /// Its number.
        sequence: u32,
    },
    /// The stream ends elsewhere than its head says.
    #[error("the stream ends at event {found}, its head says {expected}")]
    Head {
        /// The number the head names.
        expected: u32,
        /// The number of the last event.
        found: u32,
    },
}

/// Checks a whole stream, in order of its numbers, against its head when that is known.
///
/// # Errors
/// The first place where it does not hold.
pub fn verify(stream: &[Recorded], head: Option<&StreamHead>) -> Result<StreamHead, Broken> {
    let mut last = StreamHead::default();
    for event in stream {
        let expected = last.sequence.saturating_add(1);
        if event.sequence != expected {
            let found = event.sequence;
            return Err(Broken::Gap { expected, found });
        }
        let sequence = event.sequence;
        if event.previous != last.hash {
            return Err(Broken::Unchained { sequence });
        }
        if hash(&event.previous, &event.content) != event.hash {
            return Err(Broken::Changed { sequence });
        }
        last = StreamHead {
            sequence,
            hash: event.hash.clone(),
            stream: None,
        };
    }
    match head {
        Some(head) if (head.sequence, &head.hash) != (last.sequence, &last.hash) => {
            Err(Broken::Head {
                expected: head.sequence,
                found: last.sequence,
            })
        }
        Some(_) | None => Ok(last),
    }
}

#[cfg(test)]
mod tests;
