//! What the store lacks, found by asking for it: tables and columns of the shipped schema.
//!
//! Only asked of Dataverse, at the start and hourly, with one batch of `$select=COLUMN&$top=1`: 400
//! means the column is absent, 404 the table, anything else tells nothing. The embedded store makes
//! its tables itself. What is missing is named before the first task needs it.

use std::time::Duration;

use shraga_core::row::{Column, Table, events, tasks, users, workers};
use shraga_dataverse::{Client, Error, Read};
use shraga_wire::query::Query;

use crate::clock::Moment;
use crate::status::{Degraded, StoreKind};

/// How long an answer counts. Shorter costs a request each time, longer hides that somebody added
/// what was missing.
const EVERY: Duration = Duration::from_secs(3600);

/// Columns, and what is not done without them. The original's own columns are not among them:
/// without those nothing works, and the first tick says so.
const COLUMNS: [(Table, Column, &str); 14] = [
    (
        Table::Tasks,
        tasks::ATTEMPT,
        "attempts are not fenced and health only reports",
    ),
    (Table::Tasks, tasks::LEASE, "claims carry no lease"),
    (Table::Tasks, tasks::LOSSES, "lost attempts are not counted"),
    (
        Table::Tasks,
        tasks::RANK,
        "tasks are not ordered by priority",
    ),
    (Table::Tasks, tasks::PRIORITY, "priorities are ignored"),
    (Table::Tasks, tasks::NOT_BEFORE, "tasks can't be deferred"),
    (Table::Tasks, tasks::REASON, "reasons are not shown in rows"),
    (
        Table::Tasks,
        tasks::EVENT_HEAD,
        "the audit trail has no head",
    ),
    (
        Table::Tasks,
        tasks::INPUT,
        "tasks can't name agents, labels or repositories",
    ),
    (Table::Tasks, tasks::ANSWER, "questions can't be answered"),
    (Table::Workers, workers::SLOTS, "workers run one task each"),
    (
        Table::Workers,
        workers::BEAT,
        "silent workers are not noticed",
    ),
    (
        Table::Events,
        events::HASH,
        "the audit trail can't be verified",
    ),
    (Table::Users, users::STATE, "people can't be disabled"),
];

/// What the store is known to lack.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    lacks: Vec<Degraded>,
    no_events: bool,
    due: Option<Moment>,
}

impl Probe {
    /// What is missing, by name.
    pub(crate) fn lacks(&self) -> &[Degraded] {
        &self.lacks
    }

    /// Whether there is a table for events, as far as is known.
    pub(crate) fn has_events(&self) -> bool {
        !self.no_events
    }

    /// Asks, when it is time to.
    pub(crate) async fn refresh(&mut self, client: &Client, store: StoreKind) {
        if store == StoreKind::Embedded || self.due.is_some_and(|due| !due.passed()) {
            return;
        }
        self.due = Some(Moment::now().plus(EVERY));
        let reads: Vec<Read> = COLUMNS.iter().map(|(t, c, _)| read(*t, *c)).collect();
        match client.read_batch(&reads).await {
            Ok(reply) => {
                let answers = reply.answers.iter().map(|answer| answer.as_ref().err());
                self.take(answers.collect());
            }
            Err(error) => tracing::debug!(error = %error, "what the store lacks is not known"),
        }
    }

    fn take(&mut self, answers: Vec<Option<&Error>>) {
        let each = COLUMNS.iter().zip(answers);
        let mut lacks: Vec<Degraded> = Vec::new();
        self.no_events = false;
        for ((table, column, without), answer) in each {
            let missing = match answer {
                Some(Error::Refused(fault)) if fault.status == 400 => {
                    format!("{}.{}", table.name(), column.name())
                }
                Some(Error::Missing(_)) => {
                    self.no_events |= *table == Table::Events;
                    table.name().to_owned()
                }
                Some(_) | None => continue,
            };
            lacks.push(Degraded { missing, without });
        }
        for lack in &lacks {
            tracing::warn!("{} is missing: {}", lack.missing, lack.without);
        }
        self.lacks = lacks;
    }
}

fn read(table: Table, column: Column) -> Read {
    Read::List {
        table,
        query: Query {
            select: vec![column.name().to_owned()],
            top: Some(1),
            ..Query::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use shraga_wire::fault::{Code, Fault};

    use super::*;

    fn fault(status: u16) -> Fault {
        Fault {
            status,
            code: Code(0x8006_0888),
            message: "no such thing".to_owned(),
        }
    }

    #[test]
    fn an_absent_column_is_a_400_an_absent_table_a_404_and_anything_else_tells_nothing() {
        let (absent, gone) = (Error::Refused(fault(400)), Error::Missing(fault(404)));
        let busy = Error::Unavailable(fault(503));
        let answer = |(table, column, _): &(Table, Column, &str)| match (table, *column) {
            (Table::Tasks, tasks::ATTEMPT) => Some(&absent),
            (Table::Events, _) => Some(&gone),
            _ => Some(&busy),
        };
        let mut probe = Probe::default();
        probe.take(COLUMNS.iter().map(answer).collect());
        let missing: Vec<_> = probe.lacks().iter().map(|it| it.missing.as_str()).collect();
        assert_eq!(missing, ["tasks.cr_attempt", "events"]);
        assert!(!probe.has_events());
    }
}
