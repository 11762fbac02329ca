//! A table as a store should have it: its definition without what only the embedded store keeps
//! (rules, indexes, wake-ups), with what Shraga can do without, under the names of one organisation.

use super::need::{Need, need_of_column, need_of_table};
use super::shipped::schema_name;
use super::{Access, ColumnDef, TableDef};

/// A table as a store should have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its definition: names, columns, keys, ownership, change tracking.
    pub def: TableDef,
    /// Whether Shraga can do without it.
    pub need: Need,
    /// The same of each column, in the definition's order.
    needs: Vec<Need>,
}

impl Wanted {
    /// A table that is wanted as `def`, which has default names, says.
    #[must_use]
    pub fn new(mut def: TableDef) -> Self {
        def.indexes = Vec::new();
        def.wake = Vec::new();
        def.access = Access::default();
        let need = |column: &ColumnDef| need_of_column(&def.logical, &column.logical);
        Self {
            needs: def.columns.iter().map(need).collect(),
            need: need_of_table(&def.logical),
            def,
        }
    }

    /// The columns, and whether Shraga can do without each.
    pub fn columns(&self) -> impl Iterator<Item = (&ColumnDef, Need)> {
        self.def.columns.iter().zip(self.needs.iter().copied())
    }

    /// The same table under the names of one organisation: served as `set`, with the primary key
    /// `primary_id`, its columns as `column` renames them. Names that stay keep their casing.
    #[must_use]
    pub fn named(mut self, set: &str, primary_id: &str, column: impl Fn(&str) -> String) -> Self {
        let def = &mut self.def;
        set.clone_into(&mut def.set);
        primary_id.clone_into(&mut def.primary_id);
        let logical = primary_id.strip_suffix("id").unwrap_or(primary_id);
        if logical != def.logical {
            logical.clone_into(&mut def.logical);
            def.schema = schema_name(logical);
        }
        def.primary_name = column(&def.primary_name);
        for it in &mut def.columns {
            let actual = column(&it.logical);
            if actual != it.logical {
                it.schema = schema_name(&actual);
                it.logical = actual;
            }
        }
        for name in def.keys.iter_mut().flat_map(|key| &mut key.columns) {
            *name = column(name);
        }
        self
    }
}
