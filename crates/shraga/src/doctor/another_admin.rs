//! Whether open tasks are seen to by an orchestrator of another identity: then this one begins nothing.

use shraga_core::model::Mirror;
use shraga_core::row::Table;
use shraga_core::status::TaskStatus;
use shraga_dataverse::rows::{mirror, select, user_task};
use shraga_dataverse::{Client, Role};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::{OrderBy, Query};

use super::{Finding, Reached};

const CHECK: &str = "identity";

/// Rows that are looked at: one of another admin's is enough, and some may only say so.
const ROWS: u32 = 20;

pub(super) async fn check(store: &Reached) -> Option<Finding> {
    if store
        .info
        .as_ref()
        .is_some_and(|info| info.role != Role::Admin)
    {
        return None;
    }
    // Whatever keeps it from being read, another check names.
    let rows = store
        .client
        .page(Table::Tasks, &not_mine(store), None)
        .await;
    for row in rows.ok()?.rows {
        let Ok(theirs) = mirror(&row) else { continue };
        if is_linked(&store.client, &theirs).await {
            return Some(found(store, &theirs));
        }
    }
    Some(Finding::ok(
        CHECK,
        "no open task is seen to by another admin",
    ))
}

fn found(store: &Reached, theirs: &Mirror) -> Finding {
    let what = format!(
        "open tasks are seen to by another admin, {} (task {}): an orchestrator as {} begins nothing beside it",
        theirs.owner,
        theirs.task.short(),
        store.me
    );
    let fix = "run the orchestrator with that admin's identity, or hand its open tasks over \
               (docs/operations.md, \"Under another identity\")";
    Finding::error(CHECK, what, fix)
}

/// Whether the task says so too, and is not its owner's own: anybody may call a row of hers a mirror.
async fn is_linked(client: &Client, theirs: &Mirror) -> bool {
    let task = client
        .get(Table::Tasks, theirs.task.get(), select::USER_TASK)
        .await;
    let task = task.ok().flatten().and_then(|row| user_task(&row).ok());
    task.is_some_and(|task| {
        let link = task.mirror_link.as_deref().map(str::trim);
        link == Some(theirs.id.to_string().as_str()) && task.owner != theirs.owner
    })
}

fn not_mine(store: &Reached) -> Query {
    let is = |column: &str, by, literal| {
        Filter::Compare(
            Operand::Column(column.to_owned()),
            by,
            Operand::Literal(literal),
        )
    };
    let open = TaskStatus::ALL
        .into_iter()
        .filter(|status| !status.is_terminal());
    let open = open.map(|status| is("cr_status", Comparison::Eq, Literal::Int(status.code())));
    Query {
        select: select::MIRROR
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        filter: Some(Filter::And(vec![
            is("cr_ismirror", Comparison::Eq, Literal::Bool(true)),
            Filter::Or(open.collect()),
            is(
                "_ownerid_value",
                Comparison::Ne,
                Literal::Guid(store.me.get()),
            ),
        ])),
        order_by: vec![OrderBy {
            column: "createdon".to_owned(),
            descending: false,
        }],
        top: Some(ROWS),
        ..Query::default()
    }
}
