//! What a store lacks is named, with what it means and what to do.

use shraga::schema::show;
use shraga_testkit::faults::{Fault, Faults};
use shraga_testkit::original;
use shraga_wire::schema::compare::Trouble;
use shraga_wire::schema::{ColumnKind, Ownership, shipped};

use crate::run::{World, done, read_of};

fn plain(found: &shraga::schema::Findings) -> String {
    anstream::adapter::strip_str(&show::findings(found)).to_string()
}

#[tokio::test]
async fn what_the_originals_store_lacks_is_named_with_what_is_given_up() {
    let world = World::with(original::tables()).await;
    insta::assert_snapshot!(plain(&world.check().await), @r"
    optional  cr_shraga_tasks.cr_input: the column is missing: tasks can't name agents, labels or repositories
    optional  cr_shraga_tasks.cr_priority: the column is missing: priorities are ignored
    optional  cr_shraga_tasks.cr_notbefore: the column is missing: tasks can't be deferred, and retries don't wait
    optional  cr_shraga_tasks.cr_answer: the column is missing: questions can't be answered
    optional  cr_shraga_tasks.cr_retryof: the column is missing: a retry does not tell which task it tries again
    optional  cr_shraga_tasks.cr_lastworkerping: the column is missing: rows don't show when their worker last moved on
    optional  cr_shraga_tasks.cr_lease: the column is missing: only legacy workers are assigned to, and health only reports
    optional  cr_shraga_tasks.cr_attempt: the column is missing: only legacy workers are assigned to, and health only reports
    optional  cr_shraga_tasks.cr_losses: the column is missing: lost attempts are not counted
    optional  cr_shraga_tasks.cr_rank: the column is missing: tasks are taken in the order in which they were filed
    optional  cr_shraga_tasks.cr_reason: the column is missing: reasons are told in words only
    optional  cr_shraga_tasks.cr_eventhead: the column is missing: no events are written
    optional  cr_shraga_tasks.cr_startedon: the column is missing: rows don't show when work began
    optional  cr_shraga_tasks.cr_finishedon: the column is missing: rows don't show when work ended
    optional  cr_shraga_tasks.cr_output: the column is missing: deliverables, verdicts and costs are not kept as data
    optional  cr_shraga_tasks.cr_executiondetails: the column is missing: no attempt goes on from another one
    optional  cr_shraga_tasks.cr_usage: the column is missing: budgets count for each attempt anew, there are no budgets for a day, and `costs` is empty
    optional  cr_shraga_tasks.crb3b_sessiontokens: the column is missing: rows don't show how many tokens it took
    optional  cr_shraga_tasks.crb3b_sessionduration: the column is missing: rows don't show how long it took
    optional  cr_shraga_workers: the table is missing: only workers of the state file are assigned to
    optional  cr_shraga_events: the table is missing: no events are written
    optional  cr_shraga_users: the table is missing: people can't be disabled
              fix: run `shraga schema apply`
    ");
}

#[tokio::test]
async fn a_column_of_another_type_is_never_touched_and_another_name_is_advised() {
    let mut tables = original::tables();
    let status = tables[0]
        .columns
        .iter_mut()
        .find(|it| it.logical == "cr_status");
    status.unwrap().kind = ColumnKind::Text { max: 100 };
    tables[0].access = shraga_wire::schema::Access::default();
    let world = World::with(tables).await;
    let (ended, _) = world.apply().await;
    let found = done(ended);
    assert!(!found.is_usable());
    insta::assert_snapshot!(plain(&found), @r#"
    required  cr_shraga_tasks.cr_status: the column is text (100), not choice (1 3 5 6 7 8 9 10 11): nothing works without it
              fix: a column's type can't be changed: give Shraga another one, with `cr_status = "..."` in [schema.columns] of shraga.toml (it holds for all tables), and run `shraga schema apply`
    "#);
}

#[tokio::test]
async fn a_table_whose_rows_belong_to_nobody_is_named() {
    let mut tables = original::tables();
    tables[0].ownership = Ownership::OrganizationOwned;
    let world = World::with(tables).await;
    let found = world.check().await;
    assert_eq!(found.all[0].trouble, Trouble::NotUserOwned);
    assert!(!found.is_usable());
}

#[tokio::test]
async fn a_table_under_another_set_name_is_found_and_the_setting_named() {
    let mut tables = shipped();
    tables[0].set = "cr_shraga_taskses".to_owned();
    let world = World::with(tables).await;
    let found = world.check().await;
    assert_eq!(found.all.len(), 1);
    assert!(
        found.all[0].fix().contains("cr_shraga_taskses"),
        "{}",
        found.all[0].fix()
    );
}

#[tokio::test]
async fn without_the_right_to_read_definitions_each_column_is_asked_for() {
    let world = World::with(original::tables()).await;
    let privilege_denied = Fault::Refuse {
        status: 403,
        code: 0x8004_0220,
    };
    world
        .faults
        .arm(read_of("EntityDefinitions", ""), privilege_denied);
    let blind = world.check().await;
    let seen = world.check().await;
    assert!(blind.unseen.is_some() && seen.unseen.is_none());
    assert!(blind.is_usable());
    let missing = |found: &shraga::schema::Findings| -> Vec<String> {
        let tracking =
            |it: &&shraga_wire::schema::compare::Finding| it.trouble != Trouble::TrackingOff;
        found
            .all
            .iter()
            .filter(tracking)
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(missing(&blind), missing(&seen));
    assert!(plain(&blind).contains("prvReadAttribute"));
}

#[tokio::test]
async fn rows_that_may_not_be_read_are_named_with_the_privilege() {
    let world = World::with(shipped()).await;
    let denied = Fault::Refuse {
        status: 403,
        code: 0x8004_0220,
    };
    world
        .faults
        .arm(read_of("cr_shraga_events?", "select"), denied);
    let found = world.check().await;
    assert_eq!(found.all.len(), 1, "{found:#?}");
    assert_eq!(found.all[0].trouble, Trouble::NotReadable);
    assert!(found.all[0].fix().contains("prvReadcr_shraga_Event"));
}

#[tokio::test]
async fn people_may_look_and_may_not_add() {
    let world = World::with(original::tables()).await;
    let ann = world.stage.person("ann@example.org").await;
    let found = shraga::schema::check(&ann.client).await.unwrap();
    assert!(found.is_usable() && !found.all.is_empty());
    let world = World {
        client: ann.client,
        faults: Faults::new(),
        stage: world.stage,
    };
    let (_, error) = crate::run::refused(world.apply().await.0);
    assert_eq!(error.kind(), "forbidden");
}
