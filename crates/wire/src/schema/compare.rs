//! What a store has against what Shraga wants of it, as values: findings, and the steps that cure
//! them.
//!
//! Pure, and it only ever adds: no step drops, renames or narrows anything, and what a store has
//! beyond what is wanted is left alone and not mentioned.

mod finding;
mod step;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use uuid::Uuid;

use super::{ChoiceOption, ColumnDef, ColumnKind, KeyDef, Need, Wanted};

pub use finding::{Finding, Trouble};
pub use step::{Step, TableName, describe, plan};

/// Text columns can't be longer on Dataverse, in characters.
pub(super) const MAX_TEXT: u32 = 4000;

/// What is given up while change tracking is off.
const UNTRACKED: Need = Need::Optional {
    without: "other programs can't follow the table's changes by delta (Shraga itself can do without)",
};

/// A table as a store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedTable {
    /// Identity of its definition.
    pub metadata_id: Uuid,
    /// Logical name.
    pub logical: String,
    /// Entity set name.
    pub set: String,
    /// Logical name of the primary key column.
    pub primary_id: String,
    /// Whether users own its rows.
    pub user_owned: bool,
    /// Whether `Prefer: odata.track-changes` is allowed.
    pub change_tracking: bool,
    /// Whether `If-Match` is obeyed.
    pub optimistic_concurrency: bool,
    /// All columns.
    pub columns: Vec<ObservedColumn>,
    /// Alternate keys; asked for only when some are wanted.
    pub keys: Vec<ObservedKey>,
}

/// A column as a store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedColumn {
    /// Logical name.
    pub logical: String,
    /// What it holds.
    pub kind: ObservedKind,
    /// The name of the global choice it takes its options from, if it does.
    pub global_choice: Option<String>,
}

/// What a column of a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObservedKind {
    /// A kind that tables of ours could have.
    Known(ColumnKind),
    /// Another, by Dataverse's word for it.
    Other(String),
}

/// An alternate key as a store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedKey {
    /// Logical name.
    pub logical: String,
    /// Logical names of its columns.
    pub columns: Vec<String>,
    /// How far its index is.
    pub state: KeyState,
}

/// How far the index of an alternate key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Usable.
    Active,
    /// Being built, or waiting to be.
    Building,
    /// It could not be built: rows share the key's values.
    Failed,
}

/// Compares what is wanted with what was observed. Findings come table by table, in the order of
/// `wanted`.
#[must_use]
pub fn diff(wanted: &[Wanted], observed: &[ObservedTable]) -> Vec<Finding> {
    let mut found = Vec::new();
    for table in wanted {
        match observed_as(&table.def.set, &table.def.logical, observed) {
            None => found.push(Finding::of_table(table, Trouble::TableMissing)),
            Some(observed) => compare_table(table, observed, &mut found),
        }
    }
    found
}

/// The observed table of this set name, else of this logical name.
fn observed_as<'o>(
    set: &str,
    logical: &str,
    observed: &'o [ObservedTable],
) -> Option<&'o ObservedTable> {
    let by_set = observed.iter().find(|it| it.set == set);
    by_set.or_else(|| observed.iter().find(|it| it.logical == logical))
}

fn compare_table(wanted: &Wanted, observed: &ObservedTable, out: &mut Vec<Finding>) {
    let def = &wanted.def;
    let mut table = |trouble| out.push(Finding::of_table(wanted, trouble));
    if observed.set != def.set {
        let found = observed.set.clone();
        return table(Trouble::SetNamed { found });
    }
    if observed.primary_id != def.primary_id {
        let found = observed.primary_id.clone();
        return table(Trouble::PrimaryKeyNamed { found });
    }
    if !observed.user_owned {
        table(Trouble::NotUserOwned);
    }
    if !observed.optimistic_concurrency {
        table(Trouble::ConcurrencyOff);
    }
    if def.change_tracking && !observed.change_tracking {
        out.push(Finding {
            need: UNTRACKED,
            ..Finding::of_table(wanted, Trouble::TrackingOff)
        });
    }
    for (column, need) in wanted.columns() {
        let found = observed
            .columns
            .iter()
            .find(|it| it.logical == column.logical);
        for trouble in compare_column(column, found) {
            out.push(Finding::of_column(wanted, column, need, trouble));
        }
    }
    for key in &def.keys {
        if let Some(trouble) = compare_key(key, &observed.keys) {
            out.push(Finding::of_table(wanted, trouble));
        }
    }
}

fn compare_column(wanted: &ColumnDef, found: Option<&ObservedColumn>) -> Vec<Trouble> {
    let Some(found) = found else {
        return vec![Trouble::ColumnMissing];
    };
    let kind = match &found.kind {
        ObservedKind::Known(kind) => kind,
        ObservedKind::Other(word) => {
            let found = word.clone();
            return vec![Trouble::WrongKind { found }];
        }
    };
    if let (ColumnKind::Choice { options: wanted }, ColumnKind::Choice { options: has }) =
        (&wanted.kind, kind)
    {
        return missing_options(wanted, has, found.global_choice.as_ref());
    }
    match fit(&wanted.kind, kind) {
        Fit::Fits => Vec::new(),
        Fit::Widened(to) => vec![Trouble::TooNarrow {
            found: kind.clone(),
            to,
        }],
        Fit::Never => vec![Trouble::WrongKind {
            found: step::words(kind),
        }],
    }
}

fn missing_options(
    wanted: &[ChoiceOption],
    has: &[ChoiceOption],
    global: Option<&String>,
) -> Vec<Trouble> {
    let has: HashSet<i32> = has.iter().map(|option| option.value).collect();
    let missing = wanted.iter().filter(|option| !has.contains(&option.value));
    missing
        .map(|option| Trouble::OptionMissing {
            option: option.clone(),
            global: global.cloned(),
        })
        .collect()
}

/// Whether a column can hold what is wanted of it.
enum Fit {
    Fits,
    /// Not as it is, but as this, which holds all that it holds now.
    Widened(ColumnKind),
    Never,
}

fn fit(wanted: &ColumnKind, found: &ColumnKind) -> Fit {
    use ColumnKind::{Boolean, DateTime, Integer, Memo, Text};
    match (wanted, found) {
        (Text { max: least } | Memo { max: least }, Text { max } | Memo { max })
            if max >= least =>
        {
            Fit::Fits
        }
        (Text { max: least } | Memo { max: least }, Text { .. }) if *least <= MAX_TEXT => {
            Fit::Widened(Text { max: *least })
        }
        (Text { max: least } | Memo { max: least }, Memo { .. }) => {
            Fit::Widened(Memo { max: *least })
        }
        (Integer { min, max }, Integer { min: from, max: to }) => {
            if from <= min && to >= max {
                return Fit::Fits;
            }
            Fit::Widened(Integer {
                min: *from.min(min),
                max: *to.max(max),
            })
        }
        (Boolean { .. }, Boolean { .. }) | (DateTime, DateTime) => Fit::Fits,
        (wanted, found) if wanted == found => Fit::Fits,
        _ => Fit::Never,
    }
}

fn compare_key(wanted: &KeyDef, has: &[ObservedKey]) -> Option<Trouble> {
    let columns: HashSet<&String> = wanted.columns.iter().collect();
    let same = |key: &&ObservedKey| key.columns.iter().collect::<HashSet<_>>() == columns;
    let key = wanted.clone();
    match has.iter().find(same) {
        None => Some(Trouble::KeyMissing { key }),
        Some(found) => match found.state {
            KeyState::Active => None,
            KeyState::Building => Some(Trouble::KeyBuilding { key }),
            KeyState::Failed => Some(Trouble::KeyFailed {
                logical: found.logical.clone(),
                key,
            }),
        },
    }
}
