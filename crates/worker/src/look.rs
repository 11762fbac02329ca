//! Looking: which tasks are assigned to this worker, and, with a beat, who holds its own row.
//!
//! One request does it all. What is read is every open assignment, so that what is missing from an
//! answer is known to be gone.

use shraga_core::ids::{MirrorId, UserId, WorkerId};
use shraga_core::model::Mirror;
use shraga_core::row::{ChangeSet, Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use shraga_core::worker::Mark;
use shraga_dataverse::{Client, Error, Outcome, Read, Row, Rows, rows};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::Query;

use crate::trust;

/// What a look found.
#[derive(Debug)]
pub(crate) struct Looked {
    /// The machine's mark from before it was sent.
    pub(crate) asked: Mark,
    /// The store's time, when it answered.
    pub(crate) now: Option<Timestamp>,
    /// What became of the beat, when there was one.
    pub(crate) beat: Option<Outcome>,
    /// The own row, when it was asked for and read: `Some(None)` is a row that is gone.
    pub(crate) own: Option<Option<Row>>,
    /// Who owns the orchestrators' lease, when that was asked for and there is one.
    pub(crate) courtesy: Option<UserId>,
    /// The running and canceling mirrors assigned to this worker.
    pub(crate) mirrors: Result<Vec<Mirror>, Error>,
}

/// What to ask for beside the assignments.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// A beat to write first.
    pub(crate) beat: Option<ChangeSet>,
    /// The read of the own row.
    pub(crate) own: Option<Read>,
    /// The read of the row that shows who the orchestrators are.
    pub(crate) courtesy: Option<Read>,
}

/// Looks once.
pub(crate) async fn look(client: Client, worker: WorkerId, asked: Mark, beside: Beside) -> Looked {
    let query = assigned_to(worker);
    let mut reads = vec![Read::List {
        table: Table::Tasks,
        query: query.clone(),
    }];
    let asks_own = beside.own.is_some();
    reads.extend(beside.own);
    reads.extend(beside.courtesy);
    let sets: Vec<ChangeSet> = beside.beat.into_iter().collect();
    let nothing = |error| Looked {
        asked,
        now: None,
        beat: (!sets.is_empty()).then_some(Outcome::Unknown),
        own: None,
        courtesy: None,
        mirrors: Err(error),
    };
    // A beat has its own part of the budget: what there is to report must not make it late.
    let (now, outcomes, answers) = if sets.is_empty() {
        match client.read_batch(&reads).await {
            Ok(answers) => (Some(answers.now), Vec::new(), answers.answers),
            Err(error) => return nothing(error),
        }
    } else {
        match client.beating().exchange(&sets, &reads).await {
            Ok(exchange) => (exchange.now, exchange.outcomes, exchange.answers),
            Err(error) => return nothing(error),
        }
    };
    let mut answers = answers.into_iter();
    let mirrors = match answers.next().unwrap_or(Err(Error::NotReached)) {
        Ok(rows) => all_pages(&client, rows, &query).await,
        Err(error) => Err(error),
    };
    let own = match asks_own {
        true => answers.next().and_then(Result::ok),
        false => None,
    };
    let courtesy = answers.next().and_then(Result::ok);
    let courtesy = courtesy.and_then(|rows| trust::owner(rows.rows.first()?));
    Looked {
        asked,
        now,
        beat: outcomes.into_iter().next(),
        own: own.map(|rows| rows.rows.into_iter().next()),
        courtesy,
        mirrors: mirrors.map(|rows| parse(&rows)),
    }
}

/// A worker with more assignments than a page holds reads them all in a second request.
async fn all_pages(client: &Client, first: Rows, query: &Query) -> Result<Vec<Row>, Error> {
    match first.next_link {
        None => Ok(first.rows),
        Some(_) => client.list(Table::Tasks, query).await,
    }
}

fn parse(rows: &[Row]) -> Vec<Mirror> {
    let open =
        |mirror: &Mirror| matches!(mirror.status, TaskStatus::Running | TaskStatus::Canceling);
    rows.iter().filter_map(understood).filter(open).collect()
}

/// A row that can't be understood is somebody else's mistake: it is named, and the rest goes on.
fn understood(row: &Row) -> Option<Mirror> {
    match rows::mirror(row) {
        Ok(mirror) => Some(mirror),
        Err(error) => {
            tracing::warn!(%error, "a mirror can't be understood");
            None
        }
    }
}

/// Every open assignment. The words are those of the index that answers it.
fn assigned_to(worker: WorkerId) -> Query {
    let equals = |column: &str, literal| {
        Filter::Compare(
            Operand::Column(column.to_owned()),
            Comparison::Eq,
            Operand::Literal(literal),
        )
    };
    let status = |status: TaskStatus| equals(tasks::STATUS.name(), Literal::Int(status.code()));
    let open = [
        TaskStatus::Running,
        TaskStatus::WaitingForInput,
        TaskStatus::Canceling,
    ];
    Query {
        select: rows::select::MIRROR
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        filter: Some(Filter::And(vec![
            equals(tasks::IS_MIRROR.name(), Literal::Bool(true)),
            equals(
                tasks::ASSIGNED_WORKER.name(),
                Literal::Text(worker.to_string()),
            ),
            Filter::Or(open.map(status).into()),
        ])),
        ..Query::default()
    }
}

/// What became of single mirrors, read by identity whatever their status.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// The store's time, when it answered.
    pub(crate) now: Option<Timestamp>,
    /// Each mirror; `None` when it can't be seen.
    pub(crate) mirrors: Vec<(MirrorId, Option<Box<Mirror>>)>,
    /// Those that have to be asked for again, and why.
    pub(crate) again: Vec<MirrorId>,
    /// Those that are there and can't be understood: to be asked for again once somebody has had the
    /// time to mend them. They are no lost leases.
    pub(crate) unread: Vec<MirrorId>,
    /// Why the request, or a part of it, failed.
    pub(crate) error: Option<Error>,
}

/// Reads these mirrors in one request.
pub(crate) async fn inspect(client: Client, asked: Vec<MirrorId>) -> Inspected {
    let select: Vec<String> = rows::select::MIRROR
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    let reads: Vec<Read> = asked
        .iter()
        .map(|mirror| Read::Get {
            table: Table::Tasks,
            id: mirror.get(),
            select: select.clone(),
        })
        .collect();
    let mut found = Inspected {
        now: None,
        mirrors: Vec::new(),
        again: Vec::new(),
        unread: Vec::new(),
        error: None,
    };
    let answers = match client.read_batch(&reads).await {
        Ok(answers) => answers,
        Err(error) => {
            found.again = asked;
            found.error = Some(error);
            return found;
        }
    };
    found.now = Some(answers.now);
    for (mirror, answer) in asked.into_iter().zip(answers.answers) {
        match answer {
            Ok(rows) => match rows.rows.first().map(understood) {
                Some(None) => found.unread.push(mirror),
                Some(Some(row)) => found.mirrors.push((mirror, Some(Box::new(row)))),
                None => found.mirrors.push((mirror, None)),
            },
            Err(Error::Missing(_)) => found.mirrors.push((mirror, None)),
            Err(error) => {
                found.again.push(mirror);
                found.error = Some(error);
            }
        }
    }
    found
}
