//! Reports as they lie in the outbox: the stored form of core's [`Report`].
//!
//! Core has no serde, and what is on disk must be readable by later versions, so the stored form is
//! a type of its own; fields are only ever added, with defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shraga_core::ids::{Attempt, BootId, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::StreamHead;
use shraga_core::status::Unknown;
use shraga_core::time::Timestamp;
use shraga_core::worker::{Finish, Outcome, Report};
use uuid::Uuid;

#[cfg(test)]
mod tests;

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
    result: String,
    message: String,
    transcript: String,
    ran_ms: u64,
    cost_micros: Option<u64>,
    folder: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredOutcome {
    Completed,
    Retry,
    Released,
    Failed,
    Canceled,
}

impl StoredReport {
    /// The attempt it reports.
    pub(crate) fn key(&self) -> (MirrorId, Attempt) {
        (MirrorId::new(self.mirror), Attempt(self.attempt))
    }
}

impl From<&Report> for StoredReport {
    fn from(report: &Report) -> Self {
        let finish = &report.finish;
        let (outcome, reason) = match finish.outcome {
            Outcome::Completed => (StoredOutcome::Completed, None),
            Outcome::Retry => (StoredOutcome::Retry, None),
            Outcome::Released => (StoredOutcome::Released, None),
            Outcome::Failed(reason) => (StoredOutcome::Failed, Some(reason.as_str().to_owned())),
            Outcome::Canceled => (StoredOutcome::Canceled, None),
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
            result: finish.result.clone(),
            message: finish.message.clone(),
            transcript: finish.transcript.clone(),
            ran_ms: u64::try_from(finish.ran.as_millis()).unwrap_or(u64::MAX),
            cost_micros: finish.cost_micros,
            folder: finish.folder.clone(),
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
                cost_micros: stored.cost_micros,
                folder: stored.folder,
            },
        })
    }
}
