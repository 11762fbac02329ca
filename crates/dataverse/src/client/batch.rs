//! Many reads and writes in one `$batch`; at a store without, in as many requests as it takes.
//!
//! Writes are core's change sets: conditional, so that a stale or repeated one changes nothing. What
//! the reply leaves open is [`Outcome::Unknown`], which only another observation can settle. Callers
//! need not know what a store can do: the answers are of the same types either way.

use std::time::Duration;

use shraga_core::ids::Etag;
use shraga_core::row::{ChangeSet, Table};
use shraga_core::time::Timestamp;
pub use shraga_wire::batch::MAX_PARTS;
use shraga_wire::fault::Fault;
use shraga_wire::query::Query;
use uuid::Uuid;

use super::{Client, encode, thin};
use crate::error::Error;
use crate::rows::Rows;
use crate::send::Repeat;

pub(super) mod doubt;
mod multipart;
mod stepwise;

use multipart::{Batch, parts_of, told, too_many_parts, within_limit};

/// A read inside a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// One row by its identity; [`Rows`] holds it, or nothing when it does not exist.
    Get {
        /// The table.
        table: Table,
        /// The row.
        id: Uuid,
        /// Default names of columns; all when empty.
        select: Vec<String>,
    },
    /// A first page of rows.
    List {
        /// The table.
        table: Table,
        /// Which rows, which columns, in what order.
        query: Query,
    },
}

/// Whether what follows a refused change set is still tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRefusal {
    /// Yes: change sets are independent of each other (`odata.continue-on-error`).
    Continue,
    /// No: the rest becomes [`Outcome::NotTried`].
    Stop,
}

/// What became of a change set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the version of each written row, where the store told.
    Done(Vec<Option<Etag>>),
    /// Refused as a whole: nothing of it was done.
    Refused(Refusal),
    /// Begun and not finished, at a store without change sets.
    Partly(Box<Rest>),
    /// Not tried, since one before it was refused ([`OnRefusal::Stop`]), the store could not be asked,
    /// or the store has no change sets and this one [must be whole](ChangeSet::must_be_whole).
    NotTried,
    /// The reply was lost or left it out: it may have been done.
    Unknown,
}

/// What is left of a change set that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The writes that were not made, the first of which failed. Rows made before it are named by the
    /// identities that the store gave them.
    pub set: ChangeSet,
    /// Whether the same may succeed in a moment.
    pub passing: bool,
}

/// Why a change set was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to make of it.
    pub kind: RefusalKind,
    /// The service's own words.
    pub fault: Fault,
}

/// What to make of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// 412: a row is not as its condition demands. Look again.
    Stale,
    /// 401 or 403: not allowed.
    Forbidden,
    /// 404: a row or table is gone or hidden.
    Missing,
    /// 429 or 5xx: the service could not; a later try may succeed.
    Unavailable,
    /// Anything else: it will be refused for good.
    Invalid,
}

/// The answer to a batch of writes.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The store's time; `None` when the reply was lost.
    pub now: Option<Timestamp>,
    /// What became of each change set, in order.
    pub outcomes: Vec<Outcome>,
    /// How the reply was lost, if it was.
    pub lost: Option<Error>,
    /// How long the service took, waiting for a turn or another try not included.
    pub took: Duration,
}

/// The answer to a batch of writes and reads.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The store's time; `None` when the reply was lost.
    pub now: Option<Timestamp>,
    /// What became of each change set, in order.
    pub outcomes: Vec<Outcome>,
    /// The answer to each read, in order.
    pub answers: Vec<Result<Rows, Error>>,
    /// How the reply was lost, if it was.
    pub lost: Option<Error>,
    /// How long the service took, waiting for a turn or another try not included.
    pub took: Duration,
}

/// The answer to a batch of reads.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The store's time.
    pub now: Timestamp,
    /// The answer to each read, in order.
    pub answers: Vec<Result<Rows, Error>>,
}

impl Client {
    /// Reads all of `reads`, in one request where the store takes batches. Lists give their first page.
    ///
    /// # Errors
    /// Any [`Error`] of the request as a whole; those of single reads are inside.
    pub async fn read_batch(&self, reads: &[Read]) -> Result<Answers, Error> {
        let absent = self.absent();
        if absent.is_empty() {
            return self.read_batch_as_it_is(reads).await;
        }
        let thin = thin::reads(&absent, reads);
        let reply = self.read_batch_as_it_is(&thin.asked).await?;
        Ok(Answers {
            answers: thin.answers(reply.answers, reply.now),
            ..reply
        })
    }

    /// The same with whatever `reads` name, whether the store has it or not.
    pub(super) async fn read_batch_as_it_is(&self, reads: &[Read]) -> Result<Answers, Error> {
        self.recheck().await;
        if self.capabilities().batch {
            match self.read_together(reads).await {
                Err(error) if self.doubt_batch(&[], &error).await => {}
                answer => return answer,
            }
        }
        self.read_singly(reads).await
    }

    async fn read_together(&self, reads: &[Read]) -> Result<Answers, Error> {
        let mut batch = Batch::new(self);
        batch.reads(reads);
        let reply = batch.send(OnRefusal::Continue, Repeat::Freely).await?;
        let now = reply.now()?;
        let mut parts = parts_of(&reply)?.into_iter();
        Ok(Answers {
            now,
            answers: self.answers(reads, &mut parts, now),
        })
    }

    /// Applies change sets in order, each all or nothing, in one request (or as few as the limit of
    /// [`MAX_PARTS`] writes allows). A store without change sets may leave one [`Outcome::Partly`] done.
    ///
    /// # Errors
    /// Any [`Error`] that says nothing was done. A lost reply is no error: what it leaves open is
    /// [`Outcome::Unknown`].
    pub async fn apply(&self, sets: &[ChangeSet], then: OnRefusal) -> Result<Applied, Error> {
        for write in sets.iter().flat_map(|set| &set.writes) {
            encode::says_something(write.table, write.id, &write.condition, &write.cells)?;
        }
        let absent = self.absent();
        let thin = absent.change_sets(sets);
        let sets = thin.as_ref();
        let mut applied = Applied {
            now: None,
            outcomes: Vec::with_capacity(sets.len()),
            lost: None,
            took: Duration::ZERO,
        };
        for sets in within_limit(sets)? {
            let done = self.apply_some(sets, &[], then).await;
            let exchange = match done {
                Err(_) if !applied.outcomes.is_empty() => break,
                done => done?,
            };
            applied.now = exchange.now.or(applied.now);
            applied.lost = exchange.lost;
            applied.took += exchange.took;
            applied.outcomes.extend(exchange.outcomes);
            let refused = |o: &Outcome| !matches!(o, Outcome::Done(_));
            if then == OnRefusal::Stop && applied.outcomes.last().is_some_and(refused) {
                break;
            }
        }
        applied.outcomes.resize(sets.len(), Outcome::NotTried);
        Ok(applied)
    }

    /// Writes, then reads, in one request: a worker's beat and look. Change sets are independent.
    ///
    /// # Errors
    /// As [`Client::apply`]; [`Error::TooLarge`] for more than [`MAX_PARTS`] writes and reads. After a
    /// lost reply every read is an error too.
    pub async fn exchange(&self, sets: &[ChangeSet], reads: &[Read]) -> Result<Exchange, Error> {
        let parts = sets.iter().map(|set| set.writes.len()).sum::<usize>() + reads.len();
        if parts > MAX_PARTS {
            return Err(too_many_parts());
        }
        let absent = self.absent();
        if absent.is_empty() {
            return self.apply_some(sets, reads, OnRefusal::Continue).await;
        }
        let (sets, thin) = (absent.change_sets(sets), thin::reads(&absent, reads));
        let then = OnRefusal::Continue;
        let exchange = self.apply_some(&sets, &thin.asked, then).await?;
        Ok(Exchange {
            answers: thin.answers(exchange.answers, exchange.now.unwrap_or_default()),
            ..exchange
        })
    }

    async fn apply_some(
        &self,
        sets: &[ChangeSet],
        reads: &[Read],
        then: OnRefusal,
    ) -> Result<Exchange, Error> {
        if reads.is_empty() && sets.iter().all(|set| set.writes.is_empty()) {
            return Ok(nothing_to_do(sets));
        }
        self.recheck().await;
        if !self.capabilities().is_full() {
            return self.stepwise(sets, reads, then).await;
        }
        match self.apply_together(sets, reads, then).await {
            Err(error) if self.doubt_batch(sets, &error).await => {
                self.stepwise(sets, reads, then).await
            }
            Err(error) if error.is_unknown() => Ok(lost(sets, reads, error)),
            answer => answer,
        }
    }

    async fn apply_together(
        &self,
        sets: &[ChangeSet],
        reads: &[Read],
        then: OnRefusal,
    ) -> Result<Exchange, Error> {
        let mut batch = Batch::new(self);
        sets.iter().for_each(|set| batch.change_set(set));
        batch.reads(reads);
        let reply = batch.send(then, Repeat::IfNotDone).await?;
        let now = reply.now()?;
        let mut parts = parts_of(&reply)?.into_iter();
        let mut told = told(sets, &mut parts, then);
        let answers = self.answers(reads, &mut parts, now);
        let found = self.doubt_answers(sets, &mut told).await;
        let exchange = Exchange {
            now: Some(now),
            outcomes: told.into_iter().map(|told| told.outcome).collect(),
            answers,
            lost: None,
            took: reply.took,
        };
        match found {
            true => self.do_another_way(sets, then, exchange).await,
            false => Ok(exchange),
        }
    }

    /// Makes by steps what was refused because the store lacks what it takes.
    async fn do_another_way(
        &self,
        sets: &[ChangeSet],
        then: OnRefusal,
        mut exchange: Exchange,
    ) -> Result<Exchange, Error> {
        let undone = |outcome: &Outcome| match outcome {
            Outcome::Refused(refusal) => doubt::is_misunderstood(refusal.fault.status),
            Outcome::NotTried => true,
            Outcome::Done(_) | Outcome::Partly(_) | Outcome::Unknown => false,
        };
        let each = exchange.outcomes.iter().enumerate();
        let left: Vec<usize> = each.filter(|(_, it)| undone(it)).map(|(i, _)| i).collect();
        let again: Vec<ChangeSet> = left.iter().map(|&i| sets[i].clone()).collect();
        let done = match self.stepwise(&again, &[], then).await {
            Ok(done) => done,
            // What was done before stays done; of the rest nothing was.
            Err(error) => {
                left.into_iter()
                    .for_each(|i| exchange.outcomes[i] = Outcome::NotTried);
                exchange.lost = Some(error);
                return Ok(exchange);
            }
        };
        for (i, outcome) in left.into_iter().zip(done.outcomes) {
            exchange.outcomes[i] = outcome;
        }
        exchange.now = done.now.or(exchange.now);
        exchange.lost = done.lost;
        exchange.took += done.took;
        Ok(exchange)
    }
}

impl Refusal {
    fn of(fault: Fault) -> Self {
        let kind = match fault.status {
            412 => RefusalKind::Stale,
            401 | 403 => RefusalKind::Forbidden,
            404 => RefusalKind::Missing,
            501 => RefusalKind::Invalid,
            429 | 500.. => RefusalKind::Unavailable,
            _ => RefusalKind::Invalid,
        };
        Self { kind, fault }
    }
}

fn nothing_to_do(sets: &[ChangeSet]) -> Exchange {
    Exchange {
        now: None,
        outcomes: vec![Outcome::Done(Vec::new()); sets.len()],
        answers: Vec::new(),
        lost: None,
        took: Duration::ZERO,
    }
}

fn lost(sets: &[ChangeSet], reads: &[Read], error: Error) -> Exchange {
    Exchange {
        now: None,
        outcomes: vec![Outcome::Unknown; sets.len()],
        answers: vec![Err(error.clone()); reads.len()],
        lost: Some(error),
        took: Duration::ZERO,
    }
}
