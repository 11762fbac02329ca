//! The steps that bring a store's tables to what is wanted: each adds something, none takes away.

use std::fmt;

use super::super::{ChoiceOption, ColumnDef, ColumnKind, KeyDef, TableDef};
use super::{Finding, Trouble};

/// What a table is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// Logical name, by which definitions are addressed.
    pub logical: String,
    /// Entity set name, as people and settings know it.
    pub set: String,
}

/// One change of definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creates a table with all its columns.
    CreateTable(Box<TableDef>),
    /// Adds a column.
    AddColumn {
        /// To which table.
        table: TableName,
        /// The column.
        column: ColumnDef,
    },
    /// Raises what a column holds.
    Widen {
        /// Of which table.
        table: TableName,
        /// Logical name of the column.
        column: String,
        /// What it holds afterwards.
        to: ColumnKind,
    },
    /// Adds a value to a choice.
    AddOption {
        /// Of which table.
        table: TableName,
        /// Logical name of the column.
        column: String,
        /// The value.
        option: ChoiceOption,
        /// The global choice the column takes its values from, if it does.
        global: Option<String>,
    },
    /// Adds an alternate key.
    AddKey {
        /// To which table.
        table: TableName,
        /// The key.
        key: KeyDef,
    },
    /// Starts building the index of an alternate key once more.
    RebuildKey {
        /// Of which table.
        table: TableName,
        /// What the key is called in the store.
        key: String,
    },
    /// Turns on what is off.
    TurnOn {
        /// For which table.
        table: TableName,
        /// Optimistic concurrency.
        concurrency: bool,
        /// Change tracking.
        tracking: bool,
    },
}

/// The steps that cure what can be cured, in an order in which they can be taken.
#[must_use]
pub fn plan(findings: &[Finding]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for finding in findings {
        match (step(finding), steps.last_mut()) {
            // Both flags of a table are turned on at once.
            (
                Some(Step::TurnOn {
                    table,
                    tracking: true,
                    ..
                }),
                Some(Step::TurnOn {
                    table: last,
                    tracking,
                    ..
                }),
            ) if table == *last => *tracking = true,
            (Some(step), _) => steps.push(step),
            (None, _) => {}
        }
    }
    steps
}

fn step(finding: &Finding) -> Option<Step> {
    let table = finding.table.name();
    let column = finding.column.as_deref();
    let step = match &finding.trouble {
        Trouble::TableMissing => Step::CreateTable(finding.table.clone()),
        Trouble::ColumnMissing => Step::AddColumn {
            table,
            column: column?.clone(),
        },
        Trouble::TooNarrow { to, .. } => Step::Widen {
            table,
            column: column?.logical.clone(),
            to: to.clone(),
        },
        Trouble::OptionMissing { option, global } => Step::AddOption {
            table,
            column: column?.logical.clone(),
            option: option.clone(),
            global: global.clone(),
        },
        Trouble::KeyMissing { key } => Step::AddKey {
            table,
            key: key.clone(),
        },
        Trouble::KeyFailed { logical, .. } => Step::RebuildKey {
            table,
            key: logical.clone(),
        },
        Trouble::ConcurrencyOff => Step::TurnOn {
            table,
            concurrency: true,
            tracking: false,
        },
        Trouble::TrackingOff => Step::TurnOn {
            table,
            concurrency: false,
            tracking: true,
        },
        Trouble::SetNamed { .. }
        | Trouble::PrimaryKeyNamed { .. }
        | Trouble::NotUserOwned
        | Trouble::WrongKind { .. }
        | Trouble::KeyBuilding { .. }
        | Trouble::NotServed
        | Trouble::NotReadable => return None,
    };
    Some(step)
}

impl TableDef {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> TableName {
        TableName {
            logical: self.logical.clone(),
            set: self.set.clone(),
        }
    }
}

impl Step {
    /// The table it changes.
    #[must_use]
    pub fn table(&self) -> TableName {
        match self {
            Self::CreateTable(def) => def.name(),
            Self::AddColumn { table, .. }
            | Self::Widen { table, .. }
            | Self::AddOption { table, .. }
            | Self::AddKey { table, .. }
            | Self::RebuildKey { table, .. }
            | Self::TurnOn { table, .. } => table.clone(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTable(def) => {
                write!(f, "create {} with {} columns", def.set, def.columns.len())
            }
            Self::AddColumn { table, column } => {
                write!(
                    f,
                    "add {}.{}, {}",
                    table.set,
                    column.logical,
                    words(&column.kind)
                )
            }
            Self::Widen { table, column, to } => {
                write!(f, "widen {}.{column} to {}", table.set, words(to))
            }
            Self::AddOption {
                table,
                column,
                option,
                global,
            } => {
                let (value, label) = (option.value, &option.label);
                match global {
                    Some(global) => {
                        write!(f, "add {value} ({label}) to the global choice {global}")
                    }
                    None => write!(f, "add {value} ({label}) to {}.{column}", table.set),
                }
            }
            Self::AddKey { table, key } => {
                let columns = key.columns.join(", ");
                write!(
                    f,
                    "add the alternate key {} ({columns}) to {}",
                    key.logical, table.set
                )
            }
            Self::RebuildKey { table, key } => {
                write!(
                    f,
                    "build the alternate key {key} of {} once more",
                    table.set
                )
            }
            Self::TurnOn {
                table,
                concurrency,
                tracking,
            } => {
                let what = match (concurrency, tracking) {
                    (true, true) => "optimistic concurrency and change tracking",
                    (true, false) => "optimistic concurrency",
                    (false, _) => "change tracking",
                };
                write!(f, "turn on {what} for {}", table.set)
            }
        }
    }
}

/// What a column holds: its type as Dataverse's makers know it, and its limits; both may be empty.
#[must_use]
pub fn describe(kind: &ColumnKind) -> (&'static str, String) {
    match kind {
        ColumnKind::Text { max } => ("text", max.to_string()),
        ColumnKind::Memo { max } => ("memo", max.to_string()),
        ColumnKind::Integer { min, max } => ("integer", format!("{min} to {max}")),
        ColumnKind::BigInt => ("bigint", String::new()),
        ColumnKind::Decimal { precision } => ("decimal", format!("{precision} digits")),
        ColumnKind::Double => ("double", String::new()),
        ColumnKind::Boolean { .. } => ("boolean", String::new()),
        ColumnKind::DateTime => ("datetime", String::new()),
        ColumnKind::Choice { options } => {
            let values: Vec<_> = options.iter().map(|it| it.value.to_string()).collect();
            ("choice", values.join(" "))
        }
        ColumnKind::Guid => ("guid", String::new()),
        ColumnKind::Lookup { target } => ("lookup", target.clone()),
    }
}

/// What a column holds, in words: `text (100)`.
pub(super) fn words(kind: &ColumnKind) -> String {
    match describe(kind) {
        (word, limits) if limits.is_empty() => word.to_owned(),
        (word, limits) => format!("{word} ({limits})"),
    }
}
