//! Sending the machine's writes, many in one batch, and telling it what became of each.

use shraga_core::row::{ChangeSet, Table};
use shraga_core::time::Timestamp;
use shraga_core::worker::{Answer, Ticket};
use shraga_dataverse::{Client, Error, OnRefusal, Outcome, RefusalKind};

/// Most writes in one batch. Dataverse takes 1,000 operations; fewer keep one slow batch from
/// holding up a cancellation.
pub(crate) const BATCH_WRITES: usize = 900;

/// A write and its ticket.
pub(crate) type Posted = (Ticket, ChangeSet);

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Sent {
    /// What became of each write.
    pub(crate) answers: Vec<(Ticket, Answer)>,
    /// The store's time, when it answered.
    pub(crate) now: Option<Timestamp>,
    /// Why some of it, or all, has no answer.
    pub(crate) error: Option<Error>,
}

/// Sends `batch` in one request.
pub(crate) async fn send(client: Client, batch: Vec<Posted>) -> Sent {
    let (tickets, sets): (Vec<Ticket>, Vec<ChangeSet>) = batch.into_iter().unzip();
    let applied = match client.apply(&sets, OnRefusal::Continue).await {
        Ok(applied) => applied,
        Err(error) => {
            let answers = tickets.into_iter().map(|ticket| (ticket, Answer::Unknown));
            return Sent {
                answers: answers.collect(),
                now: None,
                error: Some(error),
            };
        }
    };
    let error = applied.lost.or_else(|| doubtful(&applied.outcomes));
    let mut outcomes = applied.outcomes.into_iter();
    let answers = tickets
        .into_iter()
        .zip(&sets)
        .map(|(ticket, set)| {
            let outcome = outcomes.next().unwrap_or(Outcome::Unknown);
            (ticket, answer(outcome, set))
        })
        .collect();
    Sent {
        answers,
        now: applied.now,
        error,
    }
}

/// Why a batch that was answered leaves some of its writes open.
fn doubtful(outcomes: &[Outcome]) -> Option<Error> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Refused(refusal) => (refusal.kind == RefusalKind::Unavailable)
            .then(|| Error::Unavailable(refusal.fault.clone())),
        Outcome::Unknown | Outcome::Partly(_) | Outcome::NotTried => Some(Error::NotReached),
        Outcome::Done(_) => None,
    })
}

fn answer(outcome: Outcome, set: &ChangeSet) -> Answer {
    match outcome {
        Outcome::Done(etags) => {
            let of_task = |(write, etag): (&shraga_core::row::Write, _)| {
                (write.table == Table::Tasks).then_some(etag)
            };
            let mut versions = set.writes.iter().zip(etags).filter_map(of_task);
            Answer::Done(versions.next().flatten())
        }
        Outcome::Refused(refusal) => match refusal.kind {
            RefusalKind::Stale => Answer::Stale,
            RefusalKind::Unavailable => Answer::Unknown,
            RefusalKind::Forbidden | RefusalKind::Missing | RefusalKind::Invalid => {
                tracing::warn!(why = %set.why, fault = %refusal.fault, "the store refused a write");
                Answer::Refused(refusal.fault.to_string())
            }
        },
        Outcome::Partly(_) | Outcome::NotTried | Outcome::Unknown => Answer::Unknown,
    }
}
