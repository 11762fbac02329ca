//! Many reads and writes in one `$batch`.
//!
//! Writes are core's change sets: conditional, so that a stale or repeated one changes nothing. What
//! the reply leaves open is [`Outcome::Unknown`], which only another observation can settle.

use http::Method;
use http::header::{self, HeaderName};
use shraga_core::ids::Etag;
use shraga_core::row::{ChangeSet, Table, Write};
use shraga_core::time::Timestamp;
pub use shraga_wire::batch::MAX_PARTS;
use shraga_wire::batch::{Part, RequestWriter, Response, decode_response};
use shraga_wire::fault::Fault;
use shraga_wire::query::Query;
use uuid::Uuid;

use super::encode::API;
use super::{Client, encode, thin};
use crate::error::Error;
use crate::rows::Rows;
use crate::send::{Call, Repeat, Reply, status};

/// What our boundaries are made of. Parts are JSON, in which no line can start with a boundary, so it
/// need not differ from batch to batch.
const BOUNDARY: &str = "shraga";

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
    /// How the reply was lost, if it was.
    pub lost: Option<Error>,
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
        let mut batch = Batch::new(self);
        batch.reads(reads);
        let reply = self
            .send_batch(batch, OnRefusal::Continue, Repeat::Freely)
            .await?;
        let now = reply.now()?;
        let mut parts = parts_of(&reply)?.into_iter();
        Ok(Answers {
            now,
            answers: self.answers(reads, &mut parts, now),
        })
    }

    /// Applies change sets in order, each all or nothing, in one request (or as few as the limit of
    /// [`MAX_PARTS`] writes allows).
    ///
    /// # Errors
    /// Any [`Error`] that says nothing was done. A lost reply is no error: what it leaves open is
    /// [`Outcome::Unknown`].
    pub async fn apply(&self, sets: &[ChangeSet], then: OnRefusal) -> Result<Applied, Error> {
        let absent = self.absent();
        let thin = absent.change_sets(sets);
        let sets = thin.as_ref();
        let mut applied = Applied {
            now: None,
            outcomes: Vec::with_capacity(sets.len()),
            lost: None,
        };
        for sets in within_limit(sets)? {
            let done = self.apply_some(sets, &[], then).await;
            let exchange = match done {
                Err(_) if !applied.outcomes.is_empty() => break,
                done => done?,
            };
            applied.now = exchange.now.or(applied.now);
            applied.lost = exchange.lost;
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
        let mut batch = Batch::new(self);
        sets.iter().for_each(|set| batch.change_set(set));
        batch.reads(reads);
        if batch.writer.is_empty() {
            return Ok(nothing_to_do(sets));
        }
        match self.try_apply(batch, sets, reads, then).await {
            Err(error) if error.is_unknown() => Ok(lost(sets, reads, error)),
            answer => answer,
        }
    }

    async fn try_apply(
        &self,
        batch: Batch<'_>,
        sets: &[ChangeSet],
        reads: &[Read],
        then: OnRefusal,
    ) -> Result<Exchange, Error> {
        let reply = self.send_batch(batch, then, Repeat::IfNotDone).await?;
        let now = reply.now()?;
        let mut parts = parts_of(&reply)?.into_iter();
        Ok(Exchange {
            now: Some(now),
            outcomes: outcomes(sets, &mut parts, then),
            answers: self.answers(reads, &mut parts, now),
            lost: None,
        })
    }

    async fn send_batch(
        &self,
        batch: Batch<'_>,
        then: OnRefusal,
        repeat: Repeat,
    ) -> Result<Reply, Error> {
        let kind = batch.writer.content_type();
        let target = format!("{API}$batch");
        let mut call = Call::new(Method::POST, target, batch.writer.finish(), repeat)
            .with(header::CONTENT_TYPE, &kind);
        if then == OnRefusal::Continue {
            call = call.with(HeaderName::from_static("prefer"), "odata.continue-on-error");
        }
        self.send(call).await
    }

    fn answers(
        &self,
        reads: &[Read],
        parts: &mut Parts,
        now: Timestamp,
    ) -> Vec<Result<Rows, Error>> {
        let answer = |read| match parts.next() {
            Some(Part::Single(part)) => self.answer(read, part, now),
            Some(Part::ChangeSet(_)) | None => Err(Error::NotReached),
        };
        reads.iter().map(answer).collect()
    }

    fn answer(&self, read: &Read, part: Response, now: Timestamp) -> Result<Rows, Error> {
        if !(200..300).contains(&part.status) {
            let fault = Fault::from_body(part.status, &part.body);
            let error = status::from_fault(fault, None);
            return match read {
                Read::Get { .. } if error.is_missing_row() => Ok(Rows::of(now, Vec::new())),
                Read::Get { .. } | Read::List { .. } => Err(error),
            };
        }
        match read {
            Read::List { table, .. } => self.rows_of(*table, &part.body, now),
            Read::Get { table, .. } => {
                let row = self.row_of(*table, part.body)?;
                Ok(Rows::of(now, vec![row]))
            }
        }
    }
}

type Parts = std::vec::IntoIter<Part<Response>>;

/// A batch in the making.
struct Batch<'a> {
    client: &'a Client,
    writer: RequestWriter,
    writes: usize,
}

impl<'a> Batch<'a> {
    fn new(client: &'a Client) -> Self {
        Self {
            client,
            writer: RequestWriter::new(BOUNDARY),
            writes: 0,
        }
    }

    fn reads(&mut self, reads: &[Read]) {
        for read in reads {
            let names = self.client.names();
            let target = match read {
                Read::Get { table, id, select } => {
                    let query = encode::selecting(select);
                    self.client.row_question(*table, *id, &query)
                }
                Read::List { table, query } => encode::question_path(names, *table, query),
            };
            let accept = [("Accept", super::JSON)];
            self.writer.single("GET", &target, &accept, |_| {});
        }
    }

    /// A change set of one write needs no envelope: it is all or nothing anyway.
    fn change_set(&mut self, set: &ChangeSet) {
        match set.writes.as_slice() {
            [] => {}
            [write] => self.write(write, false),
            writes => {
                self.writer.begin_change_set();
                writes.iter().for_each(|write| self.write(write, true));
                self.writer.end_change_set();
            }
        }
    }

    fn write(&mut self, write: &Write, enveloped: bool) {
        let names = self.client.names();
        let target = encode::row_path(names, write.table, write.id);
        let headers = [
            ("Content-Type", super::JSON),
            encode::condition(&write.condition),
        ];
        let body = |out: &mut Vec<u8>| encode::cells(out, names, write.owner, &write.cells);
        self.writes += 1;
        if enveloped {
            self.writer
                .change(self.writes, "PATCH", &target, &headers, body);
        } else {
            self.writer.single("PATCH", &target, &headers, body);
        }
    }
}

/// Splits change sets into runs of at most [`MAX_PARTS`] writes.
fn within_limit(sets: &[ChangeSet]) -> Result<Vec<&[ChangeSet]>, Error> {
    if sets.iter().any(|set| set.writes.len() > MAX_PARTS) {
        return Err(too_many_parts());
    }
    let mut runs = Vec::new();
    let (mut start, mut writes) = (0, 0);
    for (i, set) in sets.iter().enumerate() {
        writes += set.writes.len();
        if writes > MAX_PARTS {
            runs.push(&sets[start..i]);
            (start, writes) = (i, set.writes.len());
        }
    }
    runs.push(&sets[start..]);
    Ok(runs)
}

const fn too_many_parts() -> Error {
    Error::TooLarge {
        limit: MAX_PARTS as u64,
        unit: "writes in one change set or exchange",
    }
}

fn parts_of(reply: &Reply) -> Result<Vec<Part<Response>>, Error> {
    let kind = reply.header("content-type").unwrap_or_default();
    decode_response(kind, &reply.body).map_err(|error| reply.bad(error.to_string()))
}

fn outcomes(sets: &[ChangeSet], parts: &mut Parts, then: OnRefusal) -> Vec<Outcome> {
    let mut stopped = false;
    let mut outcome = |set: &ChangeSet| {
        if set.writes.is_empty() {
            return Outcome::Done(Vec::new());
        }
        let outcome = match parts.next() {
            Some(part) => outcome_of(set, part),
            None if stopped => Outcome::NotTried,
            None => Outcome::Unknown,
        };
        stopped |= then == OnRefusal::Stop && matches!(outcome, Outcome::Refused(_));
        outcome
    };
    sets.iter().map(&mut outcome).collect()
}

fn outcome_of(set: &ChangeSet, part: Part<Response>) -> Outcome {
    let answers = match part {
        Part::Single(answer) => vec![answer],
        Part::ChangeSet(answers) => answers,
    };
    if let Some(refused) = answers.iter().find(|answer| answer.status >= 400) {
        return Outcome::Refused(Refusal::of(Fault::from_body(refused.status, &refused.body)));
    }
    if answers.len() != set.writes.len() {
        return Outcome::Unknown;
    }
    let etag = |answer: &Response| answer.headers.get("etag").map(Etag::new);
    Outcome::Done(answers.iter().map(etag).collect())
}

impl Refusal {
    fn of(fault: Fault) -> Self {
        let kind = match fault.status {
            412 => RefusalKind::Stale,
            401 | 403 => RefusalKind::Forbidden,
            404 => RefusalKind::Missing,
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
    }
}

fn lost(sets: &[ChangeSet], reads: &[Read], error: Error) -> Exchange {
    Exchange {
        now: None,
        outcomes: vec![Outcome::Unknown; sets.len()],
        answers: vec![Err(error.clone()); reads.len()],
        lost: Some(error),
    }
}
