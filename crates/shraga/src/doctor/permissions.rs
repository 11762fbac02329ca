//! What the token may do: read each table, and make the rows the role needs.
//!
//! Making is tried in a change set that can't succeed as a whole: a new row, and a change of one that
//! doesn't exist. The store refuses the change when the new row was allowed, and the new row when it
//! wasn't; either way nothing is made.

use shraga_core::ids::Etag;
use shraga_core::row::{ChangeSet, Column, Table, Value, Write, events, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::{Error, OnRefusal, Outcome, RefusalKind, Role};
use shraga_wire::query::Query;
use uuid::Uuid;

use super::{Finding, Reached};

const CHECK: &str = "permissions";

/// What the probe's rows would be called.
const NAME: &str = "shraga doctor (never kept)";

pub(super) async fn check(store: &Reached) -> Vec<Finding> {
    let role = store.info.as_ref().map_or(Role::Admin, |info| info.role);
    let word = match role {
        Role::Admin => "an admin",
        Role::Worker => "a worker",
        Role::User => "a person",
    };
    let mut found = vec![Finding::ok(
        CHECK,
        format!("the store knows us as {}, {word}", store.me),
    )];
    let reads: &[Table] = match role {
        Role::Admin => &Table::ALL,
        Role::Worker => &[Table::Tasks, Table::Workers],
        Role::User => &[Table::Tasks, Table::Events],
    };
    for table in reads {
        found.extend(read(store, *table).await);
    }
    let makes: &[Table] = match role {
        Role::Admin => &[Table::Tasks, Table::Events],
        Role::User => &[Table::Tasks],
        // It changes what is assigned to it, and that only.
        Role::Worker => &[],
    };
    for table in makes {
        found.extend(make(store, *table).await);
    }
    if role != Role::Admin {
        let what = format!("{word}'s token can't run an orchestrator");
        found.push(Finding::ok(CHECK, what));
    }
    found
}

async fn read(store: &Reached, table: Table) -> Option<Finding> {
    let query = Query {
        select: vec!["createdon".to_owned()],
        top: Some(1),
        ..Query::default()
    };
    let error = store.client.page(table, &query, None).await.err()?;
    let table = table.name();
    match error {
        // The schema says so already.
        Error::Missing(_) | Error::Lacking { .. } => None,
        Error::Forbidden(fault) => {
            let fix = format!("give this identity the right to read {table}");
            Some(Finding::error(
                CHECK,
                format!("{table} can't be read: {fault}"),
                fix,
            ))
        }
        other => {
            let fix = other.advice().unwrap_or("try again".into());
            let what = format!("{table} can't be read: {}", other.explained());
            Some(Finding::error(CHECK, what, fix))
        }
    }
}

async fn make(store: &Reached, table: Table) -> Option<Finding> {
    let (new, absent) = (Uuid::now_v7(), Uuid::now_v7());
    let set = ChangeSet {
        task: None,
        why: "see what may be written".to_owned(),
        writes: vec![
            Write::create(table, new, cells(table)),
            Write::update(table, absent, &Etag::new("W/\"1\""), cells(table)),
        ],
    };
    let applied = store.client.apply(&[set], OnRefusal::Stop).await;
    let refusal = match applied {
        Ok(applied) => match applied.outcomes.into_iter().next() {
            Some(Outcome::Refused(refusal)) => refusal,
            Some(Outcome::Done(_) | Outcome::Partly(_) | Outcome::NotTried | Outcome::Unknown)
            | None => {
                return Some(taken_back(store, table, new).await);
            }
        },
        Err(_) => return Some(taken_back(store, table, new).await),
    };
    let name = table.name();
    match refusal.kind {
        // The change was refused: the new row was allowed.
        RefusalKind::Stale | RefusalKind::Missing => None,
        RefusalKind::Forbidden => {
            let fix = format!("give this identity the right to create {name}");
            let what = format!("rows of {name} can't be made: {}", refusal.fault);
            Some(Finding::error(CHECK, what, fix))
        }
        RefusalKind::Invalid | RefusalKind::Unavailable => {
            let what = format!(
                "whether rows of {name} can be made is open: {}",
                refusal.fault
            );
            Some(Finding::warning(CHECK, what, "see what the schema lacks"))
        }
    }
}

/// A store that does half of a change set may have made the row: it is removed.
async fn taken_back(store: &Reached, table: Table, id: Uuid) -> Finding {
    let name = table.name();
    let gone = match store.client.delete(table, id, None).await {
        Ok(()) | Err(Error::Missing(_)) => "nothing was left behind".to_owned(),
        Err(error) => format!("look for a row `{NAME}` ({id}) there: {error}"),
    };
    let what = format!("whether rows of {name} can be made could not be told; {gone}");
    Finding::warning(
        CHECK,
        what,
        "does this store do change sets? Without them writes are slower",
    )
}

fn cells(table: Table) -> Vec<(Column, Value)> {
    match table {
        Table::Tasks => vec![
            (tasks::NAME, NAME.into()),
            (tasks::STATUS, TaskStatus::Canceled.into()),
        ],
        Table::Events => vec![(events::NAME, NAME.into())],
        Table::Workers | Table::Users => Vec::new(),
    }
}
