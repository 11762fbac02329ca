//! The tables of an organisation that has run the original only: one table, with its columns.
//!
//! No attempts, no leases, no ranks, no reasons, no events, workers or users. Security is
//! Dataverse's user level: everybody may do anything with rows of her own.

use shraga_wire::schema::{Access, ColumnDef, Grant, TableDef, WritableColumn, WriteRule, shipped};

/// The columns of the original's tasks table that Shraga knows.
pub const COLUMNS: [&str; 18] = [
    "cr_name",
    "cr_prompt",
    "cr_status",
    "cr_statusmessage",
    "cr_result",
    "cr_transcript",
    "cr_userid",
    "cr_ismirror",
    "cr_mirrortaskid",
    "cr_mirroroftaskid",
    "cr_assignedworkerid",
    "cr_workerstatus",
    "crb3b_useremail",
    "crb3b_devbox",
    "crb3b_workingdir",
    "crb3b_shortdescription",
    "crb3b_sessionsummary",
    "crb3b_sessioncost",
];

const OWN: &str = "_ownerid_value eq @me";

/// The original's tables.
///
/// # Panics
/// When the shipped tables have no tasks.
#[must_use]
pub fn tables() -> Vec<TableDef> {
    with_columns(&COLUMNS)
}

/// The original's tasks table with these of its columns only.
///
/// # Panics
/// When the shipped tables have no tasks.
#[must_use]
pub fn with_columns(names: &[&str]) -> Vec<TableDef> {
    let mut tables = shipped().into_iter();
    let tasks = tables.find(|table| table.set == "cr_shraga_tasks");
    let mut tasks = tasks.expect("tasks are shipped");
    tasks
        .columns
        .retain(|column| names.contains(&column.logical.as_str()));
    tasks.access = Access {
        user: user_level(&tasks.columns),
        worker: Grant::default(),
        bars: None,
    };
    tasks.indexes.clear();
    vec![tasks]
}

/// All shipped tables, in an organisation in which the original's workers still run: people may do
/// anything with their own tasks.
#[must_use]
pub fn with_ours() -> Vec<TableDef> {
    let mut tables = shipped();
    for table in tables.iter_mut().filter(|it| it.set == "cr_shraga_tasks") {
        table.access.user = user_level(&table.columns);
    }
    tables
}

fn user_level(columns: &[ColumnDef]) -> Grant {
    let own = Some(OWN.to_owned());
    let rule = WriteRule {
        rows: own.clone(),
        check: own.clone(),
        columns: columns.iter().map(any_value).collect(),
    };
    Grant {
        read: own.clone(),
        create: Some(WriteRule {
            rows: None,
            ..rule.clone()
        }),
        update: Some(rule),
        delete: own,
    }
}

fn any_value(column: &ColumnDef) -> WritableColumn {
    WritableColumn {
        name: column.logical.clone(),
        values: Vec::new(),
    }
}
