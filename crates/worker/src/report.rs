//! Reports as they lie in the outbox: the stored form of core's [`Report`].
//!
//! Core has no serde, and what is on disk must be readable by later versions, so the stored form is
//! a type of its own; fields are only ever added, with defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shraga_core::ids::{Attempt, BootId, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::StreamHead;
use shraga_core::status::Unknown;
use shraga_core::time::{Span, Timestamp};
use shraga_core::worker::{Finish, Outcome, Report, Until};
use uuid::Uuid;

mod evidence;
#[cfg(test)]
mod tests;

use evidence::StoredEvidence;

use crate::stored::{StoredProgress, StoredUsage};

/// A report on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredReport {
    mirror: Uuid,
    task: Uuid,
    user: Option<Uuid>,
    worker: Uuid,
    boot: Uuid,
    attempt: u32,
    at_ms: i64,
    head_sequence: u32,
    head_hash: String,
    lines: Vec<String>,
    outcome: StoredOutcome,
    reason: Option<String>,
    #[serde(default)]
    until: Option<StoredUntil>,
    result: String,
    message: String,
    transcript: String,
    ran_ms: u64,
    #[serde(default)]
    usage: StoredUsage,
    folder: Option<String>,
    #[serde(default)]
    evidence: Option<StoredEvidence>,
    progress: StoredProgress,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    checkpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredOutcome {
    Completed,
    Retry,
    Released,
    Failed,
    Canceled,
    Asked,
    #[serde(rename = "put-off")]
    PutOff,
}

/// Until when a task is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredUntil {
    AtMs(i64),
    AfterMs(i64),
}

impl From<Until> for StoredUntil {
    fn from(until: Until) -> Self {
        match until {
            Until::At(at) => Self::AtMs(at.as_millis()),
            Until::After(span) => Self::AfterMs(span.as_millis()),
        }
    }
}

impl From<StoredUntil> for Until {
    fn from(until: StoredUntil) -> Self {
        match until {
            StoredUntil::AtMs(ms) => Self::At(Timestamp::from_millis(ms)),
            StoredUntil::AfterMs(ms) => Self::After(Span::millis(ms)),
        }
    }
}

impl StoredReport {
    /// The person's task.
    pub(crate) fn task(&self) -> TaskId {
        TaskId::new(self.task)
    }

    /// The attempt it reports.
    pub(crate) fn key(&self) -> (MirrorId, Attempt) {
        (MirrorId::new(self.mirror), Attempt(self.attempt))
    }
}

impl From<&Report> for StoredReport {
    fn from(report: &Report) -> Self {
        let finish = &report.finish;
        let mut until = None;
        let (outcome, reason) = match finish.outcome {
            Outcome::PutOff(reason, then) => {
                until = Some(then.into());
                (StoredOutcome::PutOff, Some(reason.as_str().to_owned()))
            }
            Outcome::Completed => (StoredOutcome::Completed, None),
            Outcome::Retry => (StoredOutcome::Retry, None),
            Outcome::Released => (StoredOutcome::Released, None),
            Outcome::Failed(reason) => (StoredOutcome::Failed, Some(reason.as_str().to_owned())),
            Outcome::Canceled => (StoredOutcome::Canceled, None),
            Outcome::Asked => (StoredOutcome::Asked, None),
        };
        Self {
            mirror: report.mirror.get(),
            task: report.task.get(),
            user: report.user.map(UserId::get),
            worker: report.worker.get(),
            boot: report.boot.get(),
            attempt: report.attempt.0,
            at_ms: report.at.as_millis(),
            head_sequence: report.head.sequence,
            head_hash: report.head.hash.clone(),
            lines: report.lines.clone(),
            outcome,
            reason,
            until,
            result: finish.result.clone(),
            message: finish.message.clone(),
            transcript: finish.transcript.clone(),
            ran_ms: u64::try_from(finish.ran.as_millis()).unwrap_or(u64::MAX),
            usage: finish.usage.into(),
            folder: finish.folder.clone(),
            evidence: finish.evidence.as_deref().map(StoredEvidence::from),
            progress: StoredProgress::from(&finish.progress),
            question: finish.question.clone(),
            checkpoint: finish.checkpoint.clone(),
        }
    }
}

impl TryFrom<StoredReport> for Report {
    type Error = Unknown;

    fn try_from(stored: StoredReport) -> Result<Self, Unknown> {
        let outcome = match stored.outcome {
            StoredOutcome::Completed => Outcome::Completed,
            StoredOutcome::Retry => Outcome::Retry,
            StoredOutcome::Released => Outcome::Released,
            StoredOutcome::Failed => {
                Outcome::Failed(stored.reason.as_deref().unwrap_or_default().parse()?)
            }
            StoredOutcome::Canceled => Outcome::Canceled,
            StoredOutcome::Asked => Outcome::Asked,
            StoredOutcome::PutOff => Outcome::PutOff(
                stored.reason.as_deref().unwrap_or_default().parse()?,
                stored.until.map_or(Until::After(Span::ZERO), Until::from),
            ),
        };
        Ok(Self {
            mirror: MirrorId::new(stored.mirror),
            task: TaskId::new(stored.task),
            user: stored.user.map(UserId::new),
            worker: WorkerId::new(stored.worker),
            boot: BootId::new(stored.boot),
            attempt: Attempt(stored.attempt),
            at: Timestamp::from_millis(stored.at_ms),
            head: StreamHead {
                sequence: stored.head_sequence,
                hash: stored.head_hash,
                stream: None,
            },
            lines: stored.lines,
            finish: Finish {
                outcome,
                result: stored.result,
                message: stored.message,
                transcript: stored.transcript,
                ran: Duration::from_millis(stored.ran_ms),
                usage: stored.usage.into(),
                folder: stored.folder,
                evidence: stored.evidence.map(|it| Box::new(it.into())),
                // The story of a result is not worth the result.
                progress: stored.progress.try_into().unwrap_or_default(),
                question: stored.question,
                checkpoint: stored.checkpoint,
            },
        })
    }
}
