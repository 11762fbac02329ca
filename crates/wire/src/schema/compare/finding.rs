//! What is wrong with a store's tables, what it means, and what to do about it.

use std::fmt;

use super::step::words;
use super::{ChoiceOption, ColumnDef, ColumnKind, KeyDef, Need, Wanted};

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which table: its definition as it is wanted.
    pub table: Box<super::super::TableDef>,
    /// Which column of it, if it is about one: its definition as it is wanted.
    pub column: Option<Box<ColumnDef>>,
    /// What is wrong.
    pub trouble: Trouble,
    /// Whether Shraga can do without what is concerned.
    pub need: Need,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such table.
    TableMissing,
    /// The table is there under another set name.
    SetNamed {
        /// Its entity set name.
        found: String,
    },
    /// The table's primary key has another name than its set's name lets expect.
    PrimaryKeyNamed {
        /// The name it has.
        found: String,
    },
    /// Rows of the table belong to nobody.
    NotUserOwned,
    /// `If-Match` is not obeyed.
    ConcurrencyOff,
    /// Changes can't be followed by delta.
    TrackingOff,
    /// There is no such column.
    ColumnMissing,
    /// The column holds something else.
    WrongKind {
        /// What it holds, in words.
        found: String,
    },
    /// The column holds too little.
    TooNarrow {
        /// What it holds.
        found: ColumnKind,
        /// What it would hold enough as, with all it holds now.
        to: ColumnKind,
    },
    /// The choice lacks one of its values.
    OptionMissing {
        /// The value.
        option: ChoiceOption,
        /// The global choice that the column takes its values from, if it does.
        global: Option<String>,
    },
    /// There is no such alternate key.
    KeyMissing {
        /// The key.
        key: KeyDef,
    },
    /// The index of an alternate key is being built.
    KeyBuilding {
        /// The key.
        key: KeyDef,
    },
    /// The index of an alternate key could not be built.
    KeyFailed {
        /// The key.
        key: KeyDef,
        /// What it is called in the store.
        logical: String,
    },
    /// It is defined, but rows can't be asked for it (yet).
    NotServed,
    /// Rows of the table can't be read by this identity.
    NotReadable,
}

/// The cure for what `shraga schema apply` can add.
const APPLY: &str = "run `shraga schema apply`";

impl Finding {
    /// A finding about a table as a whole.
    #[must_use]
    pub fn of_table(table: &Wanted, trouble: Trouble) -> Self {
        Self {
            table: Box::new(table.def.clone()),
            column: None,
            trouble,
            need: table.need,
        }
    }

    /// A finding about one column.
    #[must_use]
    pub fn of_column(table: &Wanted, column: &ColumnDef, need: Need, trouble: Trouble) -> Self {
        Self {
            column: Some(Box::new(column.clone())),
            need,
            ..Self::of_table(table, trouble)
        }
    }

    /// Whether Shraga can't work while it is so.
    #[must_use]
    pub const fn is_blocking(&self) -> bool {
        self.need.is_required()
    }

    /// What it is about: `cr_shraga_tasks` or `cr_shraga_tasks.cr_status`.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.column {
            Some(column) => format!("{}.{}", self.table.set, column.logical),
            None => self.table.set.clone(),
        }
    }

    /// A word for scripts.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.trouble {
            Trouble::TableMissing => "table-missing",
            Trouble::SetNamed { .. } => "table-name",
            Trouble::PrimaryKeyNamed { .. } => "primary-key-name",
            Trouble::NotUserOwned => "not-user-owned",
            Trouble::ConcurrencyOff => "optimistic-concurrency-off",
            Trouble::TrackingOff => "change-tracking-off",
            Trouble::ColumnMissing => "column-missing",
            Trouble::WrongKind { .. } => "wrong-type",
            Trouble::TooNarrow { .. } => "too-narrow",
            Trouble::OptionMissing { .. } => "choice-missing",
            Trouble::KeyMissing { .. } => "key-missing",
            Trouble::KeyBuilding { .. } => "key-building",
            Trouble::KeyFailed { .. } => "key-failed",
            Trouble::NotServed => "not-served",
            Trouble::NotReadable => "not-readable",
        }
    }

    /// What is so, and what follows from it.
    #[must_use]
    pub fn means(&self) -> String {
        let is = self.is();
        match self.need.without() {
            None => format!("{is}: nothing works without it"),
            Some(without) => format!("{is}: {without}"),
        }
    }

    fn is(&self) -> String {
        let wanted = self.column.as_ref().map(|column| words(&column.kind));
        let wanted = wanted.unwrap_or_default();
        match &self.trouble {
            Trouble::TableMissing => "the table is missing".to_owned(),
            Trouble::SetNamed { found } => {
                format!("the table {} is served as {found}", self.table.logical)
            }
            Trouble::PrimaryKeyNamed { found } => format!(
                "the primary key is called {found}, not {}",
                self.table.primary_id
            ),
            Trouble::NotUserOwned => {
                "the organisation owns the table's rows, so no row is anybody's".to_owned()
            }
            Trouble::ConcurrencyOff => {
                "optimistic concurrency is off, so conditional writes are refused".to_owned()
            }
            Trouble::TrackingOff => "change tracking is off".to_owned(),
            Trouble::ColumnMissing => "the column is missing".to_owned(),
            Trouble::WrongKind { found } => format!("the column is {found}, not {wanted}"),
            Trouble::TooNarrow { found, .. } => {
                format!("the column is {}, too narrow for {wanted}", words(found))
            }
            Trouble::OptionMissing { option, .. } => {
                format!("the choice lacks {} ({})", option.value, option.label)
            }
            Trouble::KeyMissing { key } => format!("the alternate key {} is missing", key.logical),
            Trouble::KeyBuilding { key } => {
                format!(
                    "the index of the alternate key {} is being built",
                    key.logical
                )
            }
            Trouble::KeyFailed { key, .. } => format!(
                "the index of the alternate key {} could not be built",
                key.logical
            ),
            Trouble::NotServed => "it is defined, but the service does not serve it yet".to_owned(),
            Trouble::NotReadable => "this identity may not read the table's rows".to_owned(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        let table = &self.table;
        match &self.trouble {
            Trouble::SetNamed { found } => format!(
                "set the table's name to {found} in [schema] of shraga.toml, or its environment variable"
            ),
            Trouble::PrimaryKeyNamed { .. } | Trouble::NotUserOwned => format!(
                "that can't be changed: name another table than {} in [schema] of shraga.toml, and \
                 `shraga schema apply` creates it",
                table.set
            ),
            Trouble::WrongKind { .. } => self.rename(),
            Trouble::KeyBuilding { .. } => {
                "wait; `shraga schema apply` waits until it is built".to_owned()
            }
            Trouble::KeyFailed { key, .. } => format!(
                "rows of {} share values of {}: make them unique, then run `shraga schema apply`",
                table.set,
                key.columns.join(", ")
            ),
            Trouble::NotServed => {
                "wait a minute; `shraga schema apply` waits until it is served".to_owned()
            }
            Trouble::NotReadable => format!(
                "give this identity a security role that may read, create, write, append and assign \
                 {} (organisation level: prvRead{}, ...)",
                table.display_collection, table.schema
            ),
            Trouble::TableMissing
            | Trouble::ConcurrencyOff
            | Trouble::TrackingOff
            | Trouble::ColumnMissing
            | Trouble::TooNarrow { .. }
            | Trouble::OptionMissing { .. }
            | Trouble::KeyMissing { .. } => APPLY.to_owned(),
        }
    }

    /// A column's type never changes: another column can take its place.
    fn rename(&self) -> String {
        let column = self.column.as_ref().map_or("", |it| it.logical.as_str());
        format!(
            "a column's type can't be changed: give Shraga another one, with `{column} = \"...\"` in \
             [schema.columns] of shraga.toml (it holds for all tables), and run `shraga schema apply`"
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.means())
    }
}
