//! Reads of a batch without what the store does not have.
//!
//! A read that no row can answer isn't sent; its answer is put back where it belongs.

use shraga_core::row::Table;
use shraga_core::time::Timestamp;
use shraga_wire::query::Query;

use super::CREATED_ON;
use super::batch::Read;
use crate::absent::Absent;
use crate::error::Error;
use crate::rows::Rows;

/// What is left of some reads.
pub(super) struct Thin {
    /// What is sent: never nothing, since the answer tells the store's time.
    pub(super) asked: Vec<Read>,
    /// For each read, whether it is sent.
    sent: Vec<bool>,
}

/// Thins out `reads`.
pub(super) fn reads(absent: &Absent, reads: &[Read]) -> Thin {
    let mut asked: Vec<Read> = Vec::with_capacity(reads.len());
    let mut sent = Vec::with_capacity(reads.len());
    for read in reads {
        let thin = one(absent, read);
        sent.push(thin.is_some());
        asked.extend(thin);
    }
    if asked.is_empty() && !reads.is_empty() {
        asked.push(least());
    }
    Thin { asked, sent }
}

fn one(absent: &Absent, read: &Read) -> Option<Read> {
    match read {
        Read::Get { table, id, select } => absent.has_table(*table).then(|| Read::Get {
            table: *table,
            id: *id,
            select: absent.select(*table, select),
        }),
        Read::List { table, query } => Some(Read::List {
            table: *table,
            query: absent.question(*table, query)?.into_owned(),
        }),
    }
}

/// As little as can be asked for.
fn least() -> Read {
    Read::List {
        table: Table::Tasks,
        query: Query {
            select: vec![CREATED_ON.to_owned()],
            top: Some(1),
            ..Query::default()
        },
    }
}

impl Thin {
    /// The answers to all reads, those that weren't sent among them.
    pub(super) fn answers(
        &self,
        answers: Vec<Result<Rows, Error>>,
        now: Timestamp,
    ) -> Vec<Result<Rows, Error>> {
        let mut answers = answers.into_iter();
        let answer = |sent: &bool| match sent {
            true => answers.next().unwrap_or(Err(Error::NotReached)),
            false => Ok(Rows::of(now, Vec::new())),
        };
        self.sent.iter().map(answer).collect()
    }
}
