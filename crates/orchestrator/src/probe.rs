//! What the store lacks of the shipped tables and columns, and what is therefore not done.
//!
//! Only Dataverse is asked, at the start and hourly: the embedded store makes its tables itself. The
//! client leaves out of every request what is absent; core plans without it; here it is said, once and
//! by name. Without a required column nothing can be done but to say so and look again.

use std::time::Duration;

use shraga_core::row::{Column, Table, tasks, users, workers};
use shraga_dataverse::names::{need_of_column, need_of_table};
use shraga_dataverse::{Absent, Client, Error};

use crate::clock::Moment;
use crate::status::{Degraded, StoreKind};

/// How long an answer counts at most while something required is missing, or nothing is known:
/// somebody is waiting.
const EVERY_WHILE_UNFIT: Duration = Duration::from_secs(60);

/// Columns of the workers table without which a row says nothing.
const OF_WORKERS: [Column; 2] = [workers::KIND, workers::STATE];

/// Columns of the workers table without which there is no courtesy lease.
const OF_COURTESY: [Column; 4] = [
    workers::KIND,
    workers::STATE,
    workers::BOOT,
    workers::LAST_SEEN,
];

/// Columns of the workers table without which a worker can't be asked whether it lives.
const OF_QUESTIONS: [Column; 4] = [
    workers::BEAT,
    workers::NONCE,
    workers::ECHO,
    workers::LAST_SEEN,
];

/// What is not done without what nothing can be done without.
const EVERYTHING: &str = "nothing can be done";

/// What the store is known to lack.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    lacks: Vec<Degraded>,
    due: Option<Moment>,
}

impl Probe {
    /// What is missing, by name.
    pub(crate) fn lacks(&self) -> &[Degraded] {
        &self.lacks
    }

    /// Asks, when the last answer is older than `every`.
    ///
    /// # Errors
    /// [`Error::Lacking`] while a required column or the tasks table is missing.
    pub(crate) async fn refresh(
        &mut self,
        client: &Client,
        store: StoreKind,
        every: Duration,
    ) -> Result<(), Error> {
        if store == StoreKind::Embedded {
            return Ok(());
        }
        if self.due.is_none_or(Moment::passed) {
            self.due = Some(Moment::now().plus(every.min(EVERY_WHILE_UNFIT)));
            match client.probe().await {
                Ok(absent) => {
                    self.say(degraded(&absent));
                    if required(client, &absent).is_ok() {
                        self.due = Some(Moment::now().plus(every));
                    }
                }
                Err(error) => tracing::debug!(error = %error, "what the store lacks is not known"),
            }
        }
        required(client, &client.absent())
    }

    /// The store refused a question: perhaps a column is gone. Looked at with the next tick, unless
    /// that was done a moment ago.
    pub(crate) fn doubt(&mut self) {
        let soon = Moment::now().plus(EVERY_WHILE_UNFIT);
        self.due = self.due.map(|due| due.min(soon));
    }

    fn say(&mut self, lacks: Vec<Degraded>) {
        for lack in lacks.iter().filter(|lack| !self.lacks.contains(lack)) {
            tracing::warn!("the store lacks {}: {}", lack.missing, lack.without);
        }
        for lack in self.lacks.iter().filter(|lack| !lacks.contains(lack)) {
            tracing::info!("the store has {} now", lack.missing);
        }
        self.lacks = lacks;
    }
}

/// Whether rows of this table can be understood at all.
pub(crate) fn is_usable(absent: &Absent, table: Table) -> bool {
    let needed: &[Column] = match table {
        Table::Workers => &OF_WORKERS,
        Table::Tasks | Table::Events | Table::Users => &[],
    };
    absent.has_table(table) && needed.iter().all(|column| absent.has(table, *column))
}

/// Whether orchestrators can tell each other who assigns.
pub(crate) fn has_courtesy(absent: &Absent) -> bool {
    let there = |column: &Column| absent.has(Table::Workers, *column);
    absent.has_table(Table::Workers) && OF_COURTESY.iter().all(there)
}

/// Whether events can be written: to a table of their own, numbered by the mirror's head.
pub(crate) fn has_events(absent: &Absent) -> bool {
    absent.has_table(Table::Events) && absent.has(Table::Tasks, tasks::EVENT_HEAD)
}

/// Whether what people spend on a day can be held.
pub(crate) fn has_accounts(absent: &Absent) -> bool {
    absent.has_table(Table::Users)
        && absent.has(Table::Users, users::USAGE)
        && absent.has(Table::Tasks, tasks::USAGE)
}

/// Whether a worker can be asked whether it lives, and answer.
pub(crate) fn can_ask(absent: &Absent) -> bool {
    let mut columns = OF_QUESTIONS.into_iter();
    columns.all(|column| absent.has(Table::Workers, column))
}

fn degraded(absent: &Absent) -> Vec<Degraded> {
    let tables = absent.tables().map(|table| Degraded {
        missing: table.name().to_owned(),
        without: need_of_table(table).without().unwrap_or(EVERYTHING),
    });
    let columns = Table::ALL.into_iter().flat_map(|table| {
        absent.columns_of(table).map(move |column| Degraded {
            missing: format!("{}.{}", table.name(), column.name()),
            without: need_of_column(table, column)
                .without()
                .unwrap_or(EVERYTHING),
        })
    });
    tables.chain(columns).collect()
}

fn required(client: &Client, absent: &Absent) -> Result<(), Error> {
    let names = client.names();
    let table = names.set(Table::Tasks);
    let missing: Vec<&str> = match absent.has_table(Table::Tasks) {
        false => vec![table],
        true => {
            let gone = absent.columns_of(Table::Tasks);
            let gone = gone.filter(|it| need_of_column(Table::Tasks, *it).is_required());
            gone.map(|it| names.column(it.name())).collect()
        }
    };
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Lacking {
        table: table.to_owned(),
        missing: missing.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_is_not_done_without_it() {
        let absent = Absent::default()
            .and_columns(Table::Tasks, [tasks::ATTEMPT])
            .and_table(Table::Events);
        let lacks = degraded(&absent);
        let named: Vec<_> = lacks.iter().map(|it| it.missing.as_str()).collect();
        assert_eq!(named, ["events", "tasks.cr_attempt"]);
        assert!(!has_events(&absent) && has_courtesy(&absent));
    }
}
