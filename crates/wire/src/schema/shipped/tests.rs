//! The shipped tables are well-formed and mean what their texts say.

use std::collections::HashSet;

use super::*;
use crate::filter::{Filter, Operand};
use crate::schema::Grant;

#[test]
fn identities_of_definitions_are_unique_and_stable() {
    let mut seen = HashSet::new();
    for table in shipped().into_iter().chain([system_user()]) {
        assert!(seen.insert(table.metadata_id), "{}", table.logical);
        for column in &table.columns {
            assert!(
                seen.insert(column.metadata_id),
                "{}.{}",
                table.logical,
                column.logical
            );
        }
    }
    assert_eq!(shipped(), shipped());
}

#[test]
fn names_follow_dataverse() {
    let tables = shipped();
    assert_eq!(tables[0].set, "cr_shraga_tasks");
    assert_eq!(tables[0].primary_id, "cr_shraga_taskid");
    assert_eq!(tables[0].schema, "cr_shraga_Task");
    let status = &tables[0].columns.iter().find(|c| c.logical == "cr_status");
    assert_eq!(status.map(|c| c.schema.as_str()), Some("cr_Status"));
}

/// The columns a condition names.
fn columns_of(filter: &Filter, found: &mut Vec<String>) {
    let mut filter = filter.clone();
    let seen = std::cell::RefCell::new(Vec::new());
    filter.rename_columns(&|name| {
        seen.borrow_mut().push(name.to_owned());
        name.to_owned()
    });
    found.extend(seen.into_inner());
}

/// The parameters a condition names.
fn aliases_of(filter: &Filter) -> Vec<String> {
    let alias = |operand: &Operand| match operand {
        Operand::Alias(name) => Some(name.clone()),
        Operand::Column(_) | Operand::Literal(_) => None,
    };
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().flat_map(aliases_of).collect(),
        Filter::Not(inner) => aliases_of(inner),
        Filter::Compare(a, _, b) => [a, b].into_iter().filter_map(alias).collect(),
        Filter::Text(_, _, needle) => alias(needle).into_iter().collect(),
        Filter::In { .. } => vec![],
    }
}

fn wire_names(table: &TableDef) -> HashSet<String> {
    let system = ["_ownerid_value", "createdon", "modifiedon", "versionnumber"];
    let defined = table.columns.iter().map(|c| c.logical.as_str());
    let all = defined.chain(system).chain([table.primary_id.as_str()]);
    all.map(str::to_owned).collect()
}

fn conditions(grant: &Grant) -> Vec<&String> {
    let rules = [&grant.create, &grant.update].into_iter().flatten();
    rules
        .flat_map(|rule| [&rule.rows, &rule.check])
        .chain([&grant.read, &grant.delete])
        .flatten()
        .collect()
}

#[test]
fn every_condition_is_a_filter_over_the_tables_own_columns_and_the_callers_parameters() {
    for table in shipped().into_iter().chain([system_user()]) {
        let names = wire_names(&table);
        let index_rows = table.indexes.iter().filter_map(|index| index.rows.as_ref());
        let grants = [&table.access.user, &table.access.worker];
        let bars = &table.access.bars;
        let all = grants.into_iter().flat_map(conditions).chain(index_rows);
        for text in all.chain(bars) {
            let filter: Filter = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            let mut columns = Vec::new();
            columns_of(&filter, &mut columns);
            for column in columns {
                assert!(names.contains(&column), "{}: {text}", table.logical);
            }
            for alias in aliases_of(&filter) {
                let known = ["me", "worker", "pool", "slots", "labels"];
                assert!(known.contains(&alias.as_str()), "{text}");
            }
        }
    }
}

#[test]
fn writable_indexed_and_waking_columns_exist() {
    for table in shipped() {
        let names = wire_names(&table);
        let grants = [&table.access.user, &table.access.worker];
        let rules = grants
            .into_iter()
            .flat_map(|grant| [&grant.create, &grant.update]);
        let writable = rules
            .flatten()
            .flat_map(|rule| &rule.columns)
            .map(|c| &c.name);
        let indexed = table.indexes.iter().flat_map(|index| &index.columns);
        for name in writable.chain(indexed).chain(&table.wake) {
            assert!(names.contains(name), "{}.{name}", table.logical);
        }
    }
}

#[test]
fn nobody_but_an_admin_writes_what_decides_about_others() {
    for table in shipped() {
        for grant in [&table.access.user, &table.access.worker] {
            for rule in [&grant.create, &grant.update].into_iter().flatten() {
                for column in &rule.columns {
                    let forbidden = ["cr_rank", "cr_ismirror", "cr_mirroroftaskid", "cr_attempt"];
                    let of_tasks = table.set == "cr_shraga_tasks";
                    assert!(!(of_tasks && forbidden.contains(&column.name.as_str())));
                }
            }
        }
    }
}
