//! Tables, columns, keys, indexes and access rules as data.
//!
//! A server serves tables described by these values and nothing else; any table can be added. The
//! shipped tables (tasks, workers, events, users) are values of these types too.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub mod compare;
mod need;
mod shipped;
mod wanted;

pub use need::{Need, need_of_column, need_of_table, wanted};
pub use shipped::{shipped, system_user};
pub use wanted::Wanted;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDef {
    /// Identity of the definition.
    pub metadata_id: Uuid,
    /// Logical name, lower case: `cr_shraga_task`.
    pub logical: String,
    /// Entity set name, used in URLs: `cr_shraga_tasks`.
    pub set: String,
    /// Schema name with its casing: `cr_shraga_Task`.
    pub schema: String,
    /// Singular display name.
    pub display: String,
    /// Plural display name.
    pub display_collection: String,
    /// Logical name of the primary key column.
    pub primary_id: String,
    /// Logical name of the primary name column.
    pub primary_name: String,
    /// Who owns rows.
    pub ownership: Ownership,
    /// Columns beside the system ones (primary key, owner, created, modified, version).
    pub columns: Vec<ColumnDef>,
    /// Alternate keys.
    pub keys: Vec<KeyDef>,
    /// Indexes beyond the primary key and the keys' own.
    pub indexes: Vec<IndexDef>,
    /// Wire names of columns whose values name who is woken by a write of a row: users or workers.
    pub wake: Vec<String>,
    /// Whether `Prefer: odata.track-changes` is allowed.
    pub change_tracking: bool,
    /// What users and workers may do; admins may do everything.
    pub access: Access,
}

/// Who owns the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    /// A user (`_ownerid_value`).
    UserOwned,
    /// Nobody in particular.
    OrganizationOwned,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDef {
    /// Identity of the definition.
    pub metadata_id: Uuid,
    /// Logical name, lower case: `cr_status`.
    pub logical: String,
    /// Schema name with its casing.
    pub schema: String,
    /// Display name.
    pub display: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether a row without it is refused on create.
    pub required: bool,
}

/// What a column holds, with its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    /// Short text of at most this many characters.
    Text {
        /// Limit in characters (UTF-16 units, as Dataverse counts).
        max: u32,
    },
    /// Long text of at most this many characters.
    Memo {
        /// Limit in characters (UTF-16 units).
        max: u32,
    },
    /// A 32-bit whole number.
    Integer {
        /// Smallest value allowed.
        min: i32,
        /// Largest value allowed.
        max: i32,
    },
    /// A 64-bit whole number.
    BigInt,
    /// A decimal number with this many digits after the point.
    Decimal {
        /// Digits after the point, 0 to 10.
        precision: u8,
    },
    /// A floating-point number.
    Double,
    /// Yes or no, by whatever words people know it.
    Boolean {
        /// The label of false.
        no: String,
        /// The label of true.
        yes: String,
    },
    /// A point in time, whole seconds, UTC.
    DateTime,
    /// One of a list of numbered options.
    Choice {
        /// The options.
        options: Vec<ChoiceOption>,
    },
    /// A GUID.
    Guid,
    /// A reference to a row of another table, by that table's logical name.
    Lookup {
        /// Logical name of the table referred to.
        target: String,
    },
}

impl ColumnKind {
    /// A boolean that people read as Yes or No.
    #[must_use]
    pub fn yes_no() -> Self {
        Self::Boolean {
            no: "No".to_owned(),
            yes: "Yes".to_owned(),
        }
    }
}

/// One option of a choice column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceOption {
    /// The number on the wire.
    pub value: i32,
    /// The label people see.
    pub label: String,
}

/// An alternate key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDef {
    /// Identity of the definition.
    pub metadata_id: Uuid,
    /// Logical name.
    pub logical: String,
    /// Schema name with its casing.
    pub schema: String,
    /// Display name.
    pub display: String,
    /// Logical names of its columns, 1 to 16.
    pub columns: Vec<String>,
}

/// An index, for the embedded store only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDef {
    /// Wire names of its columns. The primary key comes last when it isn't among them.
    pub columns: Vec<String>,
    /// `$filter` text of the rows it covers; all when `None`.
    pub rows: Option<String>,
}

/// What roles other than admin may do with a table.
///
/// Row conditions are `$filter` texts in which `@me` is the caller's user, `@worker` its worker,
/// `@pool`, `@slots` and `@labels` what its token allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// What people may do.
    pub user: Grant,
    /// What workers may do.
    pub worker: Grant,
    /// Rows that bar the user whose identity is theirs, as a `$filter` text without parameters:
    /// nobody gets in with a token of such a user. `None`: no row does.
    #[serde(default)]
    pub bars: Option<String>,
}

/// What one role may do with a table. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Rows that exist as far as this role is concerned; `None`: no row does.
    pub read: Option<String>,
    /// Whether and what it may create.
    pub create: Option<WriteRule>,
    /// Whether and what it may update.
    pub update: Option<WriteRule>,
    /// Rows it may delete; `None`: none.
    pub delete: Option<String>,
}

/// A right to write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRule {
    /// Rows that may be written, as they stand before the write (updates only); `None`: every
    /// readable one.
    pub rows: Option<String>,
    /// What must hold for the row after the write; `None`: nothing more.
    pub check: Option<String>,
    /// Logical names of the columns that may be set.
    pub columns: Vec<WritableColumn>,
}

/// A column that may be set, and to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritableColumn {
    /// Logical name.
    pub name: String,
    /// Choice or integer values it may be set to; empty means any.
    #[serde(default)]
    pub values: Vec<i32>,
}
