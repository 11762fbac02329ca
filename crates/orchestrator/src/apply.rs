//! Applying: change sets in batches, in order, none of them changed on the way.
//!
//! Nothing is retried here. What a reply leaves open is unknown, and only another look settles it.

use shraga_core::row::ChangeSet;
use shraga_dataverse::{Client, Error, OnRefusal, Outcome};

use crate::batch::BatchSize;
use crate::clock::Moment;
use crate::status::Board;
use crate::trouble;

/// What became of change sets.
#[derive(Debug)]
pub(crate) struct Applied {
    /// One outcome for each set, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// Why the rest was not tried, if it was not.
    pub(crate) trouble: Option<Error>,
}

/// Applies `sets`, as many in one request as `size` allows, and adapts it.
pub(crate) async fn apply(
    client: &Client,
    size: &mut BatchSize,
    sets: &[ChangeSet],
    then: OnRefusal,
    board: &Board,
) -> Applied {
    let mut outcomes = Vec::with_capacity(sets.len());
    let mut trouble = None;
    while outcomes.len() < sets.len() && trouble.is_none() {
        let rest = &sets[outcomes.len()..];
        let batch = &rest[..fitting(rest, size.operations())];
        let operations = batch.iter().map(|set| set.writes.len()).sum();
        let begun = Moment::now();
        board.turn();
        let answer = client.apply(batch, then).await;
        if let Some(lost) = answer
            .as_ref()
            .ok()
            .and_then(|applied| applied.lost.as_ref())
        {
            let words = trouble::words(lost);
            tracing::warn!(
                error.kind = lost.kind(),
                "the answer to a write was lost, so what it wrote is looked at again: {words}"
            );
        }
        match answer {
            Ok(applied) if applied.outcomes.iter().all(|o| *o == Outcome::Unknown) => {
                *size = size.after_timeout();
                outcomes.extend(applied.outcomes);
            }
            Ok(applied) => {
                *size = size.after(operations, begun.elapsed());
                outcomes.extend(applied.outcomes);
            }
            Err(error) => {
                if error.is_unknown() {
                    *size = size.after_timeout();
                    outcomes.extend(batch.iter().map(|_| Outcome::Unknown));
                }
                trouble = Some(error);
            }
        }
        if then == OnRefusal::Stop && !outcomes.iter().all(|o| matches!(o, Outcome::Done(_))) {
            break;
        }
    }
    outcomes.resize(sets.len(), Outcome::NotTried);
    Applied { outcomes, trouble }
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
    fn a_batch_takes_whole_change_sets_in_order_and_at_least_one() {
        assert_eq!(fitting(&[set(4), set(4), set(4)], 10), 2);
        assert_eq!(fitting(&[set(4), set(7), set(1)], 10), 1);
        assert_eq!(fitting(&[set(40), set(1)], 10), 1);
    }
}
