//! Applying: change sets in batches, in order, none of them changed on the way.
//!
//! Nothing is retried here. What a reply leaves open is unknown, and only another look settles it.

use futures_util::future::join_all;
use shraga_core::row::ChangeSet;
use shraga_dataverse::{Client, Error, OnRefusal, Outcome};

use crate::batch::BatchSize;
use crate::status::Board;
use crate::trouble;

/// Requests with independent change sets under way at once. Dataverse gives an identity four seconds of
/// execution in each second: more would only wait for their turn, fewer leave a burst waiting.
pub(crate) const AT_ONCE: usize = 3;

/// What became of change sets.
#[derive(Debug)]
pub(crate) struct Applied {
    /// One outcome for each set, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// Why the rest was not tried, if it was not.
    pub(crate) trouble: Option<Error>,
}

/// Applies `sets`, as many in one request as `size` allows, and adapts it. Those that are independent
/// of each other go in several requests at once.
pub(crate) async fn apply(
    client: &Client,
    size: &mut BatchSize,
    sets: &[ChangeSet],
    then: OnRefusal,
    board: &Board,
) -> Applied {
    let mut applied = Applied {
        outcomes: Vec::with_capacity(sets.len()),
        trouble: None,
    };
    let at_once = match then {
        OnRefusal::Continue => AT_ONCE,
        OnRefusal::Stop => 1,
    };
    while applied.outcomes.len() < sets.len() && applied.trouble.is_none() {
        let rest = &sets[applied.outcomes.len()..];
        let batches = batches(rest, size.operations(), at_once);
        board.turn();
        let answers = batches.iter().map(|batch| send(client, batch, then));
        let answers = batches.iter().zip(join_all(answers).await);
        let sizes: Vec<BatchSize> = answers
            .map(|(batch, answer)| applied.take(batch, answer, *size))
            .collect();
        *size = sizes.into_iter().min().unwrap_or(*size);
        let failed = |outcome: &Outcome| !matches!(outcome, Outcome::Done(_));
        if then == OnRefusal::Stop && applied.outcomes.iter().any(failed) {
            break;
        }
    }
    applied.outcomes.resize(sets.len(), Outcome::NotTried);
    applied
}

async fn send(
    client: &Client,
    batch: &[ChangeSet],
    then: OnRefusal,
) -> Result<shraga_dataverse::Applied, Error> {
    let answer = client.apply(batch, then).await;
    if let Some(lost) = answer.as_ref().ok().and_then(|it| it.lost.as_ref()) {
        let words = trouble::words(lost);
        tracing::warn!(
            error.kind = lost.kind(),
            "the answer to a write was lost, so what it wrote is looked at again: {words}"
        );
    }
    answer
}

impl Applied {
    /// Takes in what became of one request; the size of batches that follows from it.
    fn take(
        &mut self,
        batch: &[ChangeSet],
        answer: Result<shraga_dataverse::Applied, Error>,
        size: BatchSize,
    ) -> BatchSize {
        match answer {
            Ok(shraga_dataverse::Applied { outcomes, took, .. }) => {
                let unknown = outcomes.iter().all(|o| *o == Outcome::Unknown);
                let operations = batch.iter().map(|set| set.writes.len()).sum();
                self.outcomes.extend(outcomes);
                match unknown {
                    true => size.after_timeout(),
                    false => size.after(operations, took),
                }
            }
            Err(error) => {
                let (outcome, size) = match error.is_unknown() {
                    true => (Outcome::Unknown, size.after_timeout()),
                    false => (Outcome::NotTried, size),
                };
                self.outcomes.extend(batch.iter().map(|_| outcome.clone()));
                self.trouble = Some(error);
                size
            }
        }
    }
}

/// The first change sets as at most `most` batches of `operations` each, in order.
fn batches(sets: &[ChangeSet], operations: usize, most: usize) -> Vec<&[ChangeSet]> {
    let mut batches = Vec::new();
    let mut rest = sets;
    while !rest.is_empty() && batches.len() < most {
        let (batch, after) = rest.split_at(fitting(rest, operations));
        batches.push(batch);
        rest = after;
    }
    batches
}

/// How many of the first change sets fit into `operations`; one always does.
fn fitting(sets: &[ChangeSet], operations: usize) -> usize {
    let mut left = operations;
    let fits = sets.iter().take_while(|set| {
        let enough = left >= set.writes.len();
        left = left.saturating_sub(set.writes.len());
        enough
    });
    fits.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shraga_core::row::{Condition, Table, Write};

    fn set(writes: usize) -> ChangeSet {
        let write = Write {
            table: Table::Tasks,
            id: uuid::Uuid::nil(),
            condition: Condition::Absent,
            owner: None,
            cells: Vec::new(),
        };
        ChangeSet {
            task: None,
            why: String::new(),
            writes: vec![write; writes],
        }
    }

    #[test]
    fn no_more_batches_than_allowed_are_made_at_once_and_none_is_empty() {
        let sets = vec![set(4); 10];
        let sizes = |most| -> Vec<usize> {
            let made = batches(&sets, 12, most);
            made.iter().map(|batch| batch.len()).collect()
        };
        assert_eq!(sizes(2), [3, 3]);
        assert_eq!(sizes(9), [3, 3, 3, 1]);
        assert!(batches(&[], 12, 3).is_empty());
    }

    #[test]
    fn a_batch_takes_whole_change_sets_in_order_and_at_least_one() {
        assert_eq!(fitting(&[set(4), set(4), set(4)], 10), 2);
        assert_eq!(fitting(&[set(4), set(7), set(1)], 10), 1);
        assert_eq!(fitting(&[set(40), set(1)], 10), 1);
    }
}
