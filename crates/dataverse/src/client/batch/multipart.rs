//! Bodies of `$batch`, and what their answers say.

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName};
use shraga_core::ids::Etag;
use shraga_core::row::{ChangeSet, Condition, Write};
use shraga_core::time::Timestamp;
use shraga_wire::batch::{MAX_PARTS, Part, RequestWriter, Response, decode_response};
use shraga_wire::fault::Fault;
use uuid::Uuid;

use super::{OnRefusal, Outcome, Read, Refusal};
use crate::client::encode::{self, API};
use crate::client::{Client, JSON, REPRESENTATION, identity_in};
use crate::error::Error;
use crate::rows::Rows;
use crate::send::{Call, Repeat, Reply, status};

/// What our boundaries are made of. Parts are JSON, in which no line can start with a boundary, so it
/// need not differ from batch to batch.
const BOUNDARY: &str = "shraga";

pub(super) type Parts = std::vec::IntoIter<Part<Response>>;

/// A batch in the making.
pub(super) struct Batch<'a> {
    client: &'a Client,
    writer: RequestWriter,
    writes: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self {
            client,
            writer: RequestWriter::new(BOUNDARY),
            writes: 0,
        }
    }

    pub(super) fn reads(&mut self, reads: &[Read]) {
        for read in reads {
            let target = self.client.read_target(read);
            self.get(&target);
        }
    }

    pub(super) fn get(&mut self, target: &str) {
        let accept = [("Accept", JSON)];
        self.writer.single("GET", target, &accept, |_| {});
    }

    /// A change set of one write needs no envelope: it is all or nothing anyway.
    pub(super) fn change_set(&mut self, set: &ChangeSet) {
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
        let condition = encode::condition(&write.condition);
        let headers = [("Content-Type", JSON), condition];
        let body = |out: &mut Vec<u8>| encode::cells(out, names, write.owner, &write.cells);
        self.writes += 1;
        if enveloped {
            let id = self.writes;
            self.writer.change(id, "PATCH", &target, &headers, body);
        } else {
            self.writer.single("PATCH", &target, &headers, body);
        }
    }

    /// A write that names no identity of its own where the store chooses them.
    pub(super) fn step(&mut self, write: &Write, own_ids: bool) {
        if own_ids || write.condition != Condition::Absent {
            return self.write(write, false);
        }
        let names = self.client.names();
        let target = encode::table_path(names, write.table);
        let headers = [("Content-Type", JSON), ("Prefer", REPRESENTATION)];
        let body = |out: &mut Vec<u8>| encode::cells(out, names, write.owner, &write.cells);
        self.writer.single("POST", &target, &headers, body);
    }

    /// Deletions of a row that does not exist: one by itself, then two as a change set.
    pub(super) fn harmless(&mut self, target: &str) {
        let never = [("If-Match", "W/\"1\"")];
        self.writer.single("DELETE", target, &never, |_| {});
        self.writer.begin_change_set();
        self.writer.change(1, "DELETE", target, &never, |_| {});
        self.writer.change(2, "DELETE", target, &never, |_| {});
        self.writer.end_change_set();
    }

    pub(super) async fn send(self, then: OnRefusal, repeat: Repeat) -> Result<Reply, Error> {
        let kind = self.writer.content_type();
        let target = format!("{API}$batch");
        let mut call = Call::new(Method::POST, target, self.writer.finish(), repeat)
            .with(header::CONTENT_TYPE, &kind);
        if then == OnRefusal::Continue {
            call = call.with(HeaderName::from_static("prefer"), "odata.continue-on-error");
        }
        self.client.send(call).await
    }
}

impl Client {
    pub(super) fn answers(
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
        if let Err(error) = accepted(&part) {
            return match read {
                Read::Get { .. } if error.is_missing_row() => Ok(Rows::of(now, Vec::new())),
                Read::Get { .. } | Read::List { .. } => Err(error),
            };
        }
        self.read_rows(read, part.body, now)
    }

    /// The rows in the body of an answer to `read`.
    pub(super) fn read_rows(
        &self,
        read: &Read,
        body: Bytes,
        now: Timestamp,
    ) -> Result<Rows, Error> {
        match read {
            Read::List { table, .. } => self.rows_of(*table, &body, now),
            Read::Get { table, .. } => Ok(Rows::of(now, vec![self.row_of(*table, body)?])),
        }
    }

    pub(super) fn read_target(&self, read: &Read) -> String {
        match read {
            Read::Get { table, id, select } => {
                self.row_question(*table, *id, &encode::selecting(select))
            }
            Read::List { table, query } => encode::question_path(self.names(), *table, query),
        }
    }
}

/// The error that a part is, if it is one.
pub(super) fn accepted(part: &Response) -> Result<(), Error> {
    if (200..300).contains(&part.status) {
        return Ok(());
    }
    let fault = Fault::from_body(part.status, &part.body);
    Err(status::from_fault(fault, None))
}

pub(super) fn parts_of(reply: &Reply) -> Result<Vec<Part<Response>>, Error> {
    let kind = reply.header("content-type").unwrap_or_default();
    decode_response(kind, &reply.body).map_err(|error| reply.bad(error.to_string()))
}

/// Splits change sets into runs of at most [`MAX_PARTS`] writes.
pub(super) fn within_limit(sets: &[ChangeSet]) -> Result<Vec<&[ChangeSet]>, Error> {
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

pub(super) const fn too_many_parts() -> Error {
    Error::TooLarge {
        limit: MAX_PARTS as u64,
        unit: "writes in one change set or exchange",
    }
}

/// A change set's outcome, and the identities under which the store says it made its new rows.
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) made: Vec<(Uuid, Option<Uuid>)>,
}

pub(super) fn told(sets: &[ChangeSet], parts: &mut Parts, then: OnRefusal) -> Vec<Told> {
    let mut stopped = false;
    let mut tell = |set: &ChangeSet| {
        let nothing_made = |outcome| Told {
            outcome,
            made: Vec::new(),
        };
        if set.writes.is_empty() {
            return nothing_made(Outcome::Done(Vec::new()));
        }
        let told = match parts.next() {
            Some(part) => told_by(set, part),
            None if stopped => nothing_made(Outcome::NotTried),
            None => nothing_made(Outcome::Unknown),
        };
        stopped |= then == OnRefusal::Stop && matches!(told.outcome, Outcome::Refused(_));
        told
    };
    sets.iter().map(&mut tell).collect()
}

fn told_by(set: &ChangeSet, part: Part<Response>) -> Told {
    let answers = match part {
        Part::Single(answer) => vec![answer],
        Part::ChangeSet(answers) => answers,
    };
    let outcome = match answers.iter().find(|answer| answer.status >= 400) {
        Some(no) => Outcome::Refused(Refusal::of(Fault::from_body(no.status, &no.body))),
        None if answers.len() != set.writes.len() => Outcome::Unknown,
        None => Outcome::Done(answers.iter().map(version).collect()),
    };
    let done = matches!(outcome, Outcome::Done(_));
    let each = set.writes.iter().zip(&answers).filter(|_| done);
    let made = each.filter(|(write, _)| write.condition == Condition::Absent);
    Told {
        made: made.map(|(write, to)| (write.id, entity(to))).collect(),
        outcome,
    }
}

pub(super) fn version(answer: &Response) -> Option<Etag> {
    answer.headers.get("etag").map(Etag::new)
}

/// The identity that an answer names as the one of the row it is about.
pub(super) fn entity(answer: &Response) -> Option<Uuid> {
    let address = answer.headers.get("odata-entityid");
    identity_in(address.or_else(|| answer.headers.get("location"))?)
}
