//! Many reads and writes in one `$batch`.
//!
//! Writes are core's change sets: conditional, so that a stale or repeated one changes nothing. What
//! the reply leaves open is [`Outcome::Unknown`], which only another observation can settle.

use shraga_core::ids::Etag;
use shraga_core::row::{ChangeSet, Table};
use shraga_core::time::Timestamp;
use shraga_wire::fault::Fault;
use shraga_wire::query::Query;
use uuid::Uuid;

use super::Client;
use crate::error::Error;
use crate::rows::Rows;

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
    /// Not tried, since one before it was refused ([`OnRefusal::Stop`]).
    NotTried,
    /// The reply was lost or left it out: it may have been done.
    Unknown,
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
    /// Reads all of `reads` in one request. Lists give their first page.
    ///
    /// # Errors
    /// Any [`Error`] of the request as a whole; those of single reads are inside.
    pub async fn read_batch(&self, reads: &[Read]) -> Result<Answers, Error> {
        let _ = reads;
        Err(Error::NotReached)
    }

    /// Applies change sets in one request, each all or nothing, in order.
    ///
    /// # Errors
    /// Any [`Error`] that says nothing was done. A lost reply is no error: every outcome is then
    /// [`Outcome::Unknown`].
    pub async fn apply(&self, sets: &[ChangeSet], then: OnRefusal) -> Result<Applied, Error> {
        let _ = (sets, then);
        Err(Error::NotReached)
    }

    /// Writes, then reads, in one request: a worker's beat and look. Change sets are independent.
    ///
    /// # Errors
    /// As [`Client::apply`]. After a lost reply every read is an error too.
    pub async fn exchange(&self, sets: &[ChangeSet], reads: &[Read]) -> Result<Exchange, Error> {
        let _ = (sets, reads);
        Err(Error::NotReached)
    }
}
