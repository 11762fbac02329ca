//! Finding out which of the shipped tables and columns a store has.
//!
//! A table is asked for all its columns at once; only when that is refused, for each by itself. 400
//! means that a column is absent, 404 that the table is. Anything else tells nothing, and what was
//! known stays.

use std::sync::Arc;

use shraga_core::row::{Column, Table, events, tasks, users, workers};
use shraga_wire::query::Query;

use super::Client;
use super::batch::Read;
use crate::absent::Absent;
use crate::error::Error;

/// What one question about a table or column told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    There,
    NoColumn,
    NoTable,
    Nothing,
}

impl Client {
    /// What the store is known to lack. Requests leave it out.
    #[must_use]
    pub fn absent(&self) -> Arc<Absent> {
        self.inner.absent.load_full()
    }

    /// Asks the store which tables and columns it has; every later request of this client and its
    /// clones leaves out what is absent.
    ///
    /// # Errors
    /// Any [`Error`] of the request as a whole; what was known stays then.
    pub async fn probe(&self) -> Result<Arc<Absent>, Error> {
        let known = self.absent();
        let whole: Vec<Read> = Table::ALL
            .map(|table| question(table, columns(table)))
            .into();
        let told = self.told(&whole).await?;
        let mut absent = Absent::default();
        let mut doubtful = Vec::new();
        for (table, told) in Table::ALL.into_iter().zip(told) {
            match told {
                Told::There => {}
                Told::NoTable => absent = absent.and_table(table),
                Told::NoColumn => doubtful.push(table),
                Told::Nothing if known.has_table(table) => {
                    absent = absent.and_columns(table, known.columns_of(table));
                }
                Told::Nothing => absent = absent.and_table(table),
            }
        }
        for table in doubtful {
            let missing = self.missing_columns(table, &known).await?;
            absent = absent.and_columns(table, missing);
        }
        self.inner.absent.store(Arc::new(absent));
        Ok(self.absent())
    }

    async fn missing_columns(&self, table: Table, known: &Absent) -> Result<Vec<Column>, Error> {
        let columns = columns(table);
        let each: Vec<Read> = columns.iter().map(|it| question(table, &[*it])).collect();
        let told = self.told(&each).await?;
        let missing = columns
            .iter()
            .zip(told)
            .filter(|(column, told)| match told {
                Told::NoColumn | Told::NoTable => true,
                Told::Nothing => !known.has(table, **column),
                Told::There => false,
            });
        Ok(missing.map(|(column, _)| *column).collect())
    }

    async fn told(&self, reads: &[Read]) -> Result<Vec<Told>, Error> {
        let answers = self.read_batch_as_it_is(reads).await?.answers;
        let told = |answer: &Result<_, Error>| match answer {
            Ok(_) => Told::There,
            Err(Error::Refused(fault)) if fault.status == 400 => Told::NoColumn,
            Err(Error::Missing(_)) => Told::NoTable,
            Err(_) => Told::Nothing,
        };
        Ok(answers.iter().map(told).collect())
    }
}

/// The shipped columns of a table.
const fn columns(table: Table) -> &'static [Column] {
    match table {
        Table::Tasks => tasks::ALL,
        Table::Workers => workers::ALL,
        Table::Events => events::ALL,
        Table::Users => users::ALL,
    }
}

fn question(table: Table, columns: &[Column]) -> Read {
    let names = columns.iter().map(|column| column.name().to_owned());
    Read::List {
        table,
        query: Query {
            select: names.collect(),
            top: Some(1),
            ..Query::default()
        },
    }
}
