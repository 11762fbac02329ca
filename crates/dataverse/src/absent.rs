//! Tables and columns that a store does not have, and requests without them.
//!
//! An organisation may hold only some of the shipped tables and columns (the original's, say). What
//! is absent is null in every row: reads don't ask for it, filters are reduced to what is left, and
//! writes leave it out. Whether something is still worth doing without it is not decided here.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write};
use shraga_wire::filter::Reduced;
use shraga_wire::query::{OrderBy, Query};

/// What is read when nothing else that was asked for exists, and ordered by.
const CREATED_ON: &str = "createdon";

/// Tables and columns that a store does not have, by their default names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absent {
    tables: BTreeSet<Table>,
    columns: BTreeMap<Table, BTreeSet<Column>>,
}

impl Absent {
    /// Whether everything is there, as far as is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.columns.is_empty()
    }

    /// Whether the table is there.
    #[must_use]
    pub fn has_table(&self, table: Table) -> bool {
        !self.tables.contains(&table)
    }

    /// Whether the column is there, with its table.
    #[must_use]
    pub fn has(&self, table: Table, column: Column) -> bool {
        self.has_table(table) && !self.columns_of(table).any(|absent| absent == column)
    }

    /// The tables that are absent.
    pub fn tables(&self) -> impl Iterator<Item = Table> {
        self.tables.iter().copied()
    }

    /// The columns of `table` that are absent while the table is there.
    pub fn columns_of(&self, table: Table) -> impl Iterator<Item = Column> {
        self.columns.get(&table).into_iter().flatten().copied()
    }

    /// Without this table.
    #[must_use]
    pub fn and_table(mut self, table: Table) -> Self {
        self.columns.remove(&table);
        self.tables.insert(table);
        self
    }

    /// Without these columns.
    #[must_use]
    pub fn and_columns(mut self, table: Table, columns: impl IntoIterator<Item = Column>) -> Self {
        let columns: BTreeSet<Column> = columns.into_iter().collect();
        if !columns.is_empty() {
            self.columns.entry(table).or_default().extend(columns);
        }
        self
    }

    /// Whether nothing of this change set could be written.
    #[must_use]
    pub fn empties(&self, set: &ChangeSet) -> bool {
        !self.is_empty() && self.kept(set).next().is_none()
    }

    /// The question without what is absent; `None` when no row can be an answer.
    pub(crate) fn question<'a>(&self, table: Table, query: &'a Query) -> Option<Cow<'a, Query>> {
        if !self.has_table(table) {
            return None;
        }
        let Some(columns) = self.columns.get(&table) else {
            return Some(Cow::Borrowed(query));
        };
        let absent = |name: &str| columns.iter().any(|column| column.name() == name);
        let filter = match query.filter.as_ref().map(|filter| filter.without(&absent)) {
            Some(Reduced::Never) => return None,
            Some(Reduced::Depends(filter)) => Some(filter),
            Some(Reduced::Always) | None => None,
        };
        Some(Cow::Owned(Query {
            select: kept_or(
                &query.select,
                |name| !absent(name),
                || CREATED_ON.to_owned(),
            ),
            order_by: kept_or(&query.order_by, |key| !absent(&key.column), by_creation),
            filter,
            ..query.clone()
        }))
    }

    /// The columns to read; never none when some were asked for, since none means all.
    pub(crate) fn select(&self, table: Table, columns: &[impl AsRef<str>]) -> Vec<String> {
        let columns: Vec<String> = columns
            .iter()
            .map(|name| name.as_ref().to_owned())
            .collect();
        let there = |name: &String| !self.columns_of(table).any(|column| column.name() == name);
        kept_or(&columns, there, || CREATED_ON.to_owned())
    }

    /// The cells that can be written.
    pub(crate) fn cells<'a>(
        &self,
        table: Table,
        cells: &'a [(Column, Value)],
    ) -> Cow<'a, [(Column, Value)]> {
        if self.columns.contains_key(&table) {
            let there = |(column, _): &&(Column, Value)| self.has(table, *column);
            Cow::Owned(cells.iter().filter(there).cloned().collect())
        } else {
            Cow::Borrowed(cells)
        }
    }

    /// The change sets without what is absent, as many as before.
    pub(crate) fn change_sets<'a>(&self, sets: &'a [ChangeSet]) -> Cow<'a, [ChangeSet]> {
        if self.is_empty() {
            return Cow::Borrowed(sets);
        }
        let thin = |set: &ChangeSet| ChangeSet {
            task: set.task,
            why: set.why.clone(),
            writes: self.kept(set).collect(),
        };
        Cow::Owned(sets.iter().map(thin).collect())
    }

    fn kept<'a>(&'a self, set: &'a ChangeSet) -> impl Iterator<Item = Write> + 'a {
        set.writes.iter().filter_map(|write| {
            let cells = self.cells(write.table, &write.cells);
            let says_nothing =
                cells.is_empty() && !write.cells.is_empty() && write.condition != Condition::Absent;
            (self.has_table(write.table) && !says_nothing).then(|| Write {
                cells: cells.into_owned(),
                ..write.clone()
            })
        })
    }
}

/// Those that `keep` says yes to; when that leaves none of some, `instead`.
fn kept_or<T: Clone>(all: &[T], keep: impl Fn(&T) -> bool, instead: impl Fn() -> T) -> Vec<T> {
    let kept: Vec<T> = all.iter().filter(|each| keep(each)).cloned().collect();
    if kept.is_empty() && !all.is_empty() {
        return vec![instead()];
    }
    kept
}

fn by_creation() -> OrderBy {
    OrderBy {
        column: CREATED_ON.to_owned(),
        descending: false,
    }
}

#[cfg(test)]
mod tests {
    use shraga_core::ids::Etag;
    use shraga_core::row::{events, tasks};
    use shraga_wire::filter::Filter;
    use uuid::Uuid;

    use super::*;

    fn without_rank_and_events() -> Absent {
        Absent::default()
            .and_columns(Table::Tasks, [tasks::RANK])
            .and_table(Table::Events)
    }

    #[test]
    fn a_question_asks_for_nothing_that_is_absent_and_is_ordered_by_creation_instead() {
        let absent = without_rank_and_events();
        let query = Query {
            select: vec!["cr_name".to_owned(), "cr_rank".to_owned()],
            filter: Some(Filter::eq("cr_status", 1).and(Filter::is_null("cr_rank"))),
            order_by: vec![OrderBy {
                column: "cr_rank".to_owned(),
                descending: true,
            }],
            ..Query::default()
        };
        let asked = absent.question(Table::Tasks, &query).unwrap();
        assert_eq!(
            asked.to_query_string(),
            "$select=cr_name&$filter=cr_status%20eq%201&$orderby=createdon"
        );
        assert_eq!(absent.question(Table::Events, &query), None);
        assert_eq!(absent.select(Table::Tasks, &["cr_rank"]), ["createdon"]);
    }

    #[test]
    fn a_change_set_loses_absent_cells_and_writes_that_say_nothing_without_them() {
        let absent = without_rank_and_events();
        let tag = Etag::new("W/\"1\"");
        let update = |cells| Write::update(Table::Tasks, Uuid::nil(), &tag, cells);
        let set = ChangeSet {
            task: None,
            why: String::new(),
            writes: vec![
                update(vec![(tasks::NAME, "a".into()), (tasks::RANK, Value::Null)]),
                update(vec![(tasks::RANK, Value::Null)]),
                Write::create(
                    Table::Events,
                    Uuid::nil(),
                    vec![(events::NAME, "said".into())],
                ),
            ],
        };
        let sets = [set];
        let thin = absent.change_sets(&sets);
        assert_eq!(
            thin[0].writes,
            [update(vec![(tasks::NAME, "a".into())])],
            "{thin:?}"
        );
        assert!(!absent.empties(&sets[0]));
        let only_rank = ChangeSet {
            writes: sets[0].writes[1..].to_vec(),
            ..sets[0].clone()
        };
        assert!(absent.empties(&only_rank));
    }
}
