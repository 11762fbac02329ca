//! What is missing is added, and nothing else happens.

use serde_json::Value;
use shraga::schema::apply::{Said, apply};
use shraga_core::ids::Etag;
use shraga_core::row::{Condition, Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_testkit::faults::{Fault, When};
use shraga_testkit::original;
use shraga_wire::query::Query;
use shraga_wire::schema::{ChoiceOption, ColumnDef, ColumnKind, TableDef, shipped};
use uuid::Uuid;

use crate::run::{World, done, options};

/// Every row of the tasks table with all its cells, in the order of identities.
async fn rows(world: &World) -> Vec<serde_json::Map<String, Value>> {
    let query = Query::default();
    let all = world.client.list(Table::Tasks, &query).await.unwrap();
    let mut rows: Vec<_> = all.iter().map(|row| row.object().unwrap()).collect();
    rows.sort_by_key(|row| row["cr_shraga_taskid"].to_string());
    rows
}

async fn files_some(world: &World) {
    for name in ["one", "two", "three"] {
        let cells = [
            (tasks::NAME, name.into()),
            (tasks::PROMPT, "please".into()),
            (tasks::STATUS, TaskStatus::Pending.code().into()),
            (tasks::SESSION_COST, "$0.12".into()),
        ];
        let created = world.client.create(Table::Tasks, Uuid::now_v7(), &cells);
        created.await.unwrap();
    }
}

fn column<'t>(tables: &'t mut [TableDef], name: &str) -> &'t mut ColumnDef {
    let mut columns = tables.iter_mut().flat_map(|table| &mut table.columns);
    columns.find(|it| it.logical == name).unwrap()
}

/// What the server now has under this name in the tasks table.
fn served(world: &World, name: &str) -> ColumnKind {
    let schema = world.stage.store().schema();
    let table = schema.by_set("cr_shraga_tasks").unwrap();
    let column = table.def.columns.iter().find(|it| it.logical == name);
    column.unwrap().kind.clone()
}

#[tokio::test]
async fn a_store_without_any_table_gets_all_of_them() {
    let world = World::with(Vec::new()).await;
    assert!(!world.check().await.is_usable());
    let said = world.completes().await;
    assert_eq!(said.len(), 4, "one step for each table: {said:#?}");
    files_some(&world).await;
    for (made, wanted) in world
        .stage
        .store()
        .schema()
        .tables()
        .iter()
        .skip(1)
        .zip(shipped())
    {
        let names = |def: &TableDef| (def.set.clone(), def.schema.clone(), def.primary_id.clone());
        assert_eq!(names(&made.def), names(&wanted));
        assert_eq!(made.def.change_tracking, wanted.change_tracking);
        let columns = |def: &TableDef| -> Vec<_> {
            let columns = def.columns.iter();
            columns
                .map(|it| (it.schema.clone(), it.kind.clone()))
                .collect()
        };
        assert_eq!(columns(&made.def), columns(&wanted));
    }
}

#[tokio::test]
async fn a_store_of_the_original_becomes_complete_and_its_rows_stay_as_they_are() {
    let world = World::with(original::tables()).await;
    files_some(&world).await;
    let before = rows(&world).await;
    let found = world.check().await;
    assert!(
        found.is_usable(),
        "the original's columns are enough: {found:#?}"
    );
    world.completes().await;
    let after = rows(&world).await;
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let gone = before
            .iter()
            .find(|(name, cell)| after.get(*name) != Some(cell));
        assert_eq!(gone, None, "versions included");
        assert_eq!(after.get("cr_attempt"), Some(&Value::Null), "a new column");
    }
    let id = after[0]["cr_shraga_taskid"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let etag = after[0]["@odata.etag"].as_str().unwrap();
    let condition = Condition::Version(Etag::new(etag));
    let cells = [(tasks::ATTEMPT, 1.into())];
    let written = world.client.patch(Table::Tasks, id, &condition, &cells);
    written.await.unwrap();
}

#[tokio::test]
async fn adding_to_a_complete_store_changes_nothing() {
    let world = World::with(shipped()).await;
    let before = world.stage.store().schema();
    assert_eq!(world.completes().await, Vec::<String>::new());
    let after = world.stage.store().schema();
    for (before, after) in before.tables().iter().zip(after.tables()) {
        assert_eq!(before.def, after.def);
    }
}

#[tokio::test]
async fn narrow_columns_are_widened_and_choices_get_the_values_they_lack() {
    let mut tables = shipped();
    column(&mut tables, "cr_prompt").kind = ColumnKind::Memo { max: 2000 };
    column(&mut tables, "cr_name").kind = ColumnKind::Text { max: 50 };
    column(&mut tables, "cr_priority").kind = ColumnKind::Integer { min: 0, max: 1000 };
    let ColumnKind::Choice { options } = &mut column(&mut tables, "cr_status").kind else {
        panic!("the status is a choice");
    };
    options.retain(|it| it.value != 11);
    options.push(ChoiceOption {
        value: 99,
        label: "Theirs".to_owned(),
    });
    // The store completes what it ships by itself, so this one does not know that it ships it.
    let world = World::with(Vec::new()).await;
    let admin = world
        .stage
        .admin_client(&shraga_testkit::faults::Faults::new());
    for table in tables {
        let step = shraga_wire::schema::compare::Step::CreateTable(Box::new(table));
        admin.define(&step, None).await.unwrap();
    }
    let mut said = world.completes().await;
    said.sort();
    insta::assert_snapshot!(said.join("\n"), @r"
    1/4 widen cr_shraga_tasks.cr_name to text (100)
    2/4 widen cr_shraga_tasks.cr_prompt to memo (100000)
    3/4 widen cr_shraga_tasks.cr_priority to integer (-100 to 1000)
    4/4 add 11 (Canceling) to cr_shraga_tasks.cr_status
    ");
    let ColumnKind::Choice { options } = served(&world, "cr_status") else {
        panic!("the status is a choice");
    };
    assert!(options.iter().any(|it| it.value == 99), "theirs stays");
    let (min, max) = (-100, 1000);
    assert_eq!(
        served(&world, "cr_priority"),
        ColumnKind::Integer { min, max }
    );
}

#[tokio::test]
async fn other_names_than_the_default_ones_are_honoured() {
    let world = World::with(Vec::new()).await;
    let names = shraga_dataverse::Names::default()
        .with_set(Table::Tasks, "contoso_jobs")
        .with_column("cr_status", "contoso_state");
    let (ended, _) = world.apply_for(names.wanted()).await;
    assert!(done(ended).all.is_empty());
    let schema = world.stage.store().schema();
    let table = &schema.by_set("contoso_jobs").unwrap().def;
    assert_eq!(
        (&*table.schema, &*table.primary_id),
        ("contoso_Job", "contoso_jobid")
    );
    assert!(table.columns.iter().any(|it| it.schema == "contoso_State"));
    assert!(schema.by_set("cr_shraga_tasks").is_none());
}

#[tokio::test]
async fn what_is_new_becomes_a_part_of_the_named_solution() {
    let world = World::with(original::tables()).await;
    let outside = |request: &http::Request<bytes::Bytes>| {
        let named = request.headers().get("mscrm.solutionuniquename");
        let publishes = request.uri().path().ends_with("PublishXml");
        request.method() != http::Method::GET && !publishes && named.is_none_or(|it| it != "Ours")
    };
    let refusal = Fault::Answer { status: 400 };
    let armed = When::matching("a change outside the solution", outside);
    world.faults.arm(armed, refusal);
    let mut options = options(world.client.names().wanted());
    options.solution = Some("Ours".to_owned());
    let mut deaf = |_: Said<'_>| {};
    let ended = apply(&world.client, &options, &mut deaf).await.unwrap();
    assert!(done(ended).all.is_empty());
    assert_eq!(world.faults.pending(), 1, "no change was outside it");
}
