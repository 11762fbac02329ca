//! Observing: one batch of reads for all loops, then at most a few more for what core finds missing.
//!
//! Nothing here decides and nothing here writes. The store's time of the first answer is the time of
//! the whole tick.

use std::collections::{BTreeSet, HashSet};

use shraga_core::ids::{EventId, MirrorId, TaskId, UserId};
use shraga_core::plan::Need;
use shraga_core::time::Timestamp;
use shraga_dataverse::{Client, Error};
use uuid::Uuid;

use self::question::{IDS_PER_READ, Question, Whose};
use self::seen::Seen;
use crate::probe;

mod cells;
pub(crate) mod filter;
pub(crate) mod question;
pub(crate) mod reach;
pub(crate) mod seen;

/// Asks `questions` in one request and folds the answers into `seen`. Those about a table that the
/// store doesn't have aren't asked, and so not answered: nothing is known of its rows.
///
/// # Errors
/// The request's error, or the first of a single question: a tick with a hole in it could take a
/// row that was not read for one that isn't there.
pub(crate) async fn ask(
    client: &Client,
    whose: Whose,
    questions: &[Question],
    seen: &mut Seen,
) -> Result<Timestamp, Error> {
    let absent = client.absent();
    let usable = |question: &&Question| probe::is_usable(&absent, question.table());
    let questions: Vec<&Question> = questions.iter().filter(usable).collect();
    let reads = questions.iter().map(|each| each.read(whose, &absent));
    let reads: Vec<_> = reads.collect();
    let reply = client.read_batch(&reads).await?;
    for (question, answer) in questions.into_iter().zip(reply.answers) {
        match (answer, question.optional()) {
            (Ok(rows), _) => seen.take(question, &rows),
            (Err(Error::Missing(_)), Some(degraded)) => seen.lack(degraded),
            (Err(error), _) => return Err(error),
        }
    }
    Ok(reply.now)
}

/// The questions that bring `needs`, without those asked before.
pub(crate) fn bring(needs: impl IntoIterator<Item = Need>, seen: &mut Seen) -> Vec<Question> {
    let mut tasks: BTreeSet<TaskId> = BTreeSet::new();
    let mut mirrors: BTreeSet<MirrorId> = BTreeSet::new();
    let mut mirrors_of: BTreeSet<TaskId> = BTreeSet::new();
    let mut carried: BTreeSet<Uuid> = BTreeSet::new();
    let mut events: BTreeSet<EventId> = BTreeSet::new();
    let mut persons: BTreeSet<UserId> = BTreeSet::new();
    let mut late: BTreeSet<TaskId> = BTreeSet::new();
    let needs: HashSet<Need> = needs.into_iter().collect();
    for need in needs {
        if !seen.ask(need) {
            continue;
        }
        match need {
            Need::Task(id) if !seen.has_task(id) => drop(tasks.insert(id)),
            Need::Mirror(id) if !seen.has_mirror(id) => drop(mirrors.insert(id)),
            Need::Task(_) | Need::Mirror(_) => {}
            Need::MirrorsOf(id) => drop(mirrors_of.insert(id)),
            Need::Carried(id) => drop(carried.insert(id)),
            Need::Event(id) => drop(events.insert(id)),
            Need::Person(id) => drop(persons.insert(id)),
            Need::Late(id) => drop(late.insert(id)),
        }
    }
    let mut asked = in_chunks(tasks, Question::Tasks);
    asked.extend(in_chunks(mirrors, Question::Mirrors));
    asked.extend(in_chunks(mirrors_of, Question::MirrorsOf));
    asked.extend(in_chunks(carried, Question::Carried));
    asked.extend(in_chunks(events, Question::Events));
    asked.extend(in_chunks(persons, Question::Persons));
    asked.extend(in_chunks(late, Question::Late));
    asked
}

fn in_chunks<T: Copy>(ids: BTreeSet<T>, question: fn(Vec<T>) -> Question) -> Vec<Question> {
    let ids: Vec<T> = ids.into_iter().collect();
    let chunks = ids.chunks(IDS_PER_READ);
    chunks.map(|chunk| question(chunk.to_vec())).collect()
}
