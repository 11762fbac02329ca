//! What tables and columns are called in one organisation.
//!
//! Everything outside this crate uses the default names; an organisation with another publisher
//! prefix has others. Column renames hold for all tables; system columns (`createdon`,
//! `_ownerid_value`) are never renamed.

use std::collections::HashMap;

use shraga_core::row::{Column, Table};
use shraga_wire::schema::{self, Need, Wanted};

/// Names of tables and columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    sets: [String; 4],
    primary_ids: [String; 4],
    renamed: HashMap<String, String>,
    original: HashMap<String, String>,
}

impl Default for Names {
    fn default() -> Self {
        let set = |table: Table| format!("cr_shraga_{}", table.name());
        let sets = Table::ALL.map(set);
        Self {
            primary_ids: sets.each_ref().map(|set| primary_id_of(set)),
            sets,
            renamed: HashMap::new(),
            original: HashMap::new(),
        }
    }
}

impl Names {
    /// With another entity set for a table. Its primary key becomes the set's singular, as
    /// Dataverse makes plurals, and `id`.
    #[must_use]
    pub fn with_set(mut self, table: Table, set: &str) -> Self {
        self.primary_ids[index(table)] = primary_id_of(set);
        set.clone_into(&mut self.sets[index(table)]);
        self
    }

    /// With another name for a column, or for a table's primary key (after its set was given).
    #[must_use]
    pub fn with_column(mut self, default: &str, actual: &str) -> Self {
        if let Some(key) = DEFAULT_IDS.iter().position(|id| *id == default) {
            actual.clone_into(&mut self.primary_ids[key]);
            return self;
        }
        self.renamed.insert(default.to_owned(), actual.to_owned());
        self.original.insert(actual.to_owned(), default.to_owned());
        self
    }

    /// The entity set of a table, as URLs name it.
    #[must_use]
    pub fn set(&self, table: Table) -> &str {
        &self.sets[index(table)]
    }

    /// The primary key column of a table.
    #[must_use]
    pub fn primary_id(&self, table: Table) -> &str {
        &self.primary_ids[index(table)]
    }

    /// The table of an entity set.
    #[must_use]
    pub fn table(&self, set: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|&table| self.set(table) == set)
    }

    /// What a column is called here.
    #[must_use]
    pub fn column<'a>(&'a self, default: &'a str) -> &'a str {
        self.renamed.get(default).map_or(default, String::as_str)
    }

    /// The shipped tables as a store should have them, in the order of [`Table::ALL`], under the
    /// names of this organisation.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        let named = |(table, wanted): (Table, Wanted)| {
            let column = |default: &str| self.column(default).to_owned();
            wanted.named(self.set(table), self.primary_id(table), column)
        };
        Table::ALL
            .into_iter()
            .zip(schema::wanted())
            .map(named)
            .collect()
    }

    /// What a column of `table`, or its primary key, is called here.
    pub(crate) fn actual<'a>(&'a self, table: Table, default: &'a str) -> &'a str {
        if default == DEFAULT_IDS[index(table)] {
            return self.primary_id(table);
        }
        self.column(default)
    }

    /// The default name of a column of `table`, or of its primary key, that is called `actual` here.
    pub(crate) fn default_of<'a>(&'a self, table: Table, actual: &'a str) -> &'a str {
        if actual == self.primary_id(table) {
            return DEFAULT_IDS[index(table)];
        }
        self.original.get(actual).map_or(actual, String::as_str)
    }

    /// Whether every column has its default name, so that rows need no translation.
    pub(crate) fn are_default(&self) -> bool {
        self.renamed.is_empty() && self.primary_ids == DEFAULT_IDS
    }
}

/// Primary key columns by their default names.
const DEFAULT_IDS: [&str; 4] = [
    "cr_shraga_taskid",
    "cr_shraga_workerid",
    "cr_shraga_eventid",
    "cr_shraga_userid",
];

/// Whether Shraga can do without a table, and what it gives up then.
#[must_use]
pub fn need_of_table(table: Table) -> Need {
    schema::need_of_table(default_logical(table))
}

/// Whether Shraga can do without a column of a table, and what it gives up then.
#[must_use]
pub fn need_of_column(table: Table, column: Column) -> Need {
    schema::need_of_column(default_logical(table), column.name())
}

/// A table's logical name, whose primary key is it and `id`.
fn default_logical(table: Table) -> &'static str {
    let id = DEFAULT_IDS[index(table)];
    id.strip_suffix("id").unwrap_or(id)
}

const fn index(table: Table) -> usize {
    match table {
        Table::Tasks => 0,
        Table::Workers => 1,
        Table::Events => 2,
        Table::Users => 3,
    }
}

fn primary_id_of(set: &str) -> String {
    format!("{}id", singular(set))
}

/// The logical name whose plural `set` is: `tasks` of `taskses`, `city` of `cities`, `task` of `tasks`.
fn singular(set: &str) -> String {
    if let Some(stem) = set.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let hissing = ["s", "x", "z", "ch", "sh"];
    match set.strip_suffix("es") {
        Some(stem) if hissing.iter().any(|end| stem.ends_with(end)) => stem.to_owned(),
        _ => set.strip_suffix('s').unwrap_or(set).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_key_follows_from_the_sets_name_as_dataverse_makes_plurals() {
        for (set, key) in [
            ("cr_shraga_tasks", "cr_shraga_taskid"),
            ("cr5d6_cr_shraga_taskses", "cr5d6_cr_shraga_tasksid"),
            ("new_boxes", "new_boxid"),
            ("new_entries", "new_entryid"),
            ("new_staff", "new_staffid"),
        ] {
            let names = Names::default().with_set(Table::Tasks, set);
            assert_eq!(names.primary_id(Table::Tasks), key);
        }
    }

    #[test]
    fn a_primary_key_can_be_named_like_any_other_column() {
        let names = Names::default()
            .with_set(Table::Tasks, "new_jobs")
            .with_column("cr_shraga_taskid", "new_number");
        assert_eq!(names.primary_id(Table::Tasks), "new_number");
        let key = names.default_of(Table::Tasks, "new_number");
        assert_eq!(key, "cr_shraga_taskid");
    }

    #[test]
    fn wanted_tables_have_this_organisations_names() {
        let names = Names::default()
            .with_set(Table::Tasks, "contoso_jobs")
            .with_column("cr_status", "contoso_state");
        let wanted = names.wanted();
        let tasks = &wanted[0].def;
        assert_eq!(tasks.schema, "contoso_Job");
        assert_eq!(
            (tasks.logical.as_str(), tasks.primary_id.as_str()),
            ("contoso_job", "contoso_jobid")
        );
        let state = |it: &Wanted| it.def.columns.iter().any(|it| it.schema == "contoso_State");
        assert!(state(&wanted[0]) && state(&wanted[1]));
        assert_eq!(wanted[2].def.schema, "cr_shraga_Event");
        assert_eq!(Names::default().wanted(), schema::wanted());
    }
}
