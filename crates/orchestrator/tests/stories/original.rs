//! A store with the original's table and columns only.

use shraga_core::ids::WorkerId;
use shraga_core::row::{Table, tasks};
use shraga_core::status::{TaskStatus, WorkPhase};
use shraga_local::ops::{Principal, Role};
use shraga_local::store::SchemaChange;
use shraga_orchestrator::{Config, Orchestrator};
use shraga_testkit::faults::Faults;
use shraga_testkit::original;
use shraga_testkit::stage::{Kind, Stage};
use shraga_wire::schema::shipped;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cast::{plain, rest, seen};

pub(crate) async fn stage() -> Stage {
    Stage::with(Kind::Dataverse, original::tables()).await
}

/// An orchestrator beside legacy workers.
pub(crate) fn beside(stage: &Stage, legacy: &[WorkerId], faults: &Faults) -> Orchestrator {
    let mut config = Config::new("one");
    config.legacy_workers = watch::Sender::new(legacy.to_vec()).subscribe();
    Orchestrator::new(stage.admin_client(faults), config, CancellationToken::new())
}

pub(crate) fn legacy_id() -> WorkerId {
    WorkerId::new(Uuid::now_v7())
}

#[tokio::test]
async fn a_task_is_mirrored_and_given_to_a_legacy_worker_with_the_originals_columns_only() {
    let stage = stage().await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    let old = legacy_id();
    let mut orchestrator = beside(&stage, &[old], &Faults::new());
    let report = rest(&mut orchestrator).await;
    assert_eq!(report.refused, [""; 0]);
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.status, TaskStatus::Running);
    assert_eq!(mirror.shown.worker, Some(old));
    assert_eq!(mirror.phase, Some(WorkPhase::Assigned));
    assert_eq!(seen(&stage, task).await, TaskStatus::Pending);
    assert_eq!(
        stage.task(task).await.unwrap().mirror_link,
        Some(mirror.id.to_string())
    );
}

#[tokio::test]
async fn what_a_legacy_worker_did_is_adopted_with_the_originals_columns_only() {
    let stage = stage().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.legacy_worker(&ann, "BOX-1");
    let task = ann.files("one").await;
    let mut orchestrator = beside(&stage, &[legacy_id()], &Faults::new());
    rest(&mut orchestrator).await;
    assert_eq!(worker.works().await, [task.get()]);
    rest(&mut orchestrator).await;
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.status, TaskStatus::Completed);
    let row = stage.admin_client(&Faults::new());
    let row = row.get(Table::Tasks, mirror.id.get(), &["cr_result"]).await;
    let row = row.unwrap().unwrap().object().unwrap();
    assert_eq!(row["cr_result"], "done by the original");
}

#[tokio::test]
async fn nothing_is_written_when_nothing_happens_with_the_originals_columns_only() {
    let stage = stage().await;
    let ann = stage.person("ann@example.com").await;
    let (waits, ends) = (ann.files("waits").await, ann.files("ends").await);
    ann.edits(ends, &[(tasks::STATUS, TaskStatus::Canceled.code().into())])
        .await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    assert_eq!(seen(&stage, waits).await, TaskStatus::Pending);
    assert_eq!(seen(&stage, ends).await, TaskStatus::Canceled);
    let before = stage.store().version();
    stage.clock.advance(3600);
    for _ in 0..3 {
        let report = rest(&mut orchestrator).await;
        assert_eq!((report.counts.planned, report.counts.done), (0, 0));
    }
    assert_eq!(stage.store().version(), before);
}

#[tokio::test]
async fn a_store_without_leases_gives_nothing_to_our_own_workers_and_says_so() {
    let mut tables = original::tables();
    tables.extend(
        shipped()
            .into_iter()
            .filter(|it| it.set == "cr_shraga_workers"),
    );
    let stage = Stage::with(Kind::Dataverse, tables).await;
    let ann = stage.person("ann@example.com").await;
    let _worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    let report = rest(&mut orchestrator).await;
    assert_eq!(
        report.waiting,
        [(task, shraga_core::reason::Reason::NotFenced)]
    );
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Pending);
}

#[tokio::test]
async fn a_required_column_that_is_missing_is_named_and_nothing_is_written() {
    let fewer: Vec<&str> = original::COLUMNS
        .into_iter()
        .filter(|name| *name != "cr_mirroroftaskid")
        .collect();
    let stage = Stage::with(Kind::Dataverse, original::with_columns(&fewer)).await;
    let ann = stage.person("ann@example.com").await;
    ann.files("one").await;
    let before = stage.store().version();
    let mut orchestrator = plain(&stage);
    let error = orchestrator.tick_once().await.unwrap_err();
    assert_eq!(error.kind(), "lacking");
    let words = error.to_string();
    assert!(words.contains("cr_mirroroftaskid"), "{words}");
    assert!(!words.contains("cr_mirrortaskid"), "{words}");
    assert!(error.advice().unwrap().contains("shraga schema apply"));
    assert_eq!(stage.store().version(), before);
}

#[tokio::test]
async fn a_column_that_is_added_is_used_without_a_restart() {
    let fewer: Vec<&str> = original::COLUMNS
        .into_iter()
        .filter(|name| *name != "cr_ismirror")
        .collect();
    let stage = Stage::with(Kind::Dataverse, original::with_columns(&fewer)).await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    let mut config = Config::new("one");
    config.probe = std::time::Duration::ZERO;
    let client = stage.admin_client(&Faults::new());
    let mut orchestrator = Orchestrator::new(client, config, CancellationToken::new());
    orchestrator.tick_once().await.unwrap_err();
    add_column(&stage, "cr_ismirror").await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirrors(task).await.len(), 1);
    add_column(&stage, "cr_reason").await;
    stage.clock.advance(60);
    rest(&mut orchestrator).await;
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.shown.reason.as_deref(), Some("no-worker"));
}

/// Adds a shipped column to the tasks table, as `schema apply` would.
async fn add_column(stage: &Stage, name: &str) {
    let admin = Principal {
        user: stage.admin.get(),
        role: Role::Admin,
        worker: None,
        on_behalf_by: None,
        session: None,
    };
    let tasks = shipped().swap_remove(0);
    let column = tasks.columns.into_iter().find(|it| it.logical == name);
    let change = SchemaChange::AddColumn {
        table: tasks.logical,
        column: column.unwrap(),
    };
    stage.store().alter(&admin, change).await.unwrap();
}
