//! Rows that are not what they say, and rows the store refuses.

use shraga_core::ids::{EventId, MirrorId};
use shraga_core::row::{Table, events, tasks, workers};
use shraga_core::status::TaskStatus;
use shraga_local::ops::{Principal, Role};
use shraga_local::store::SchemaChange;
use shraga_testkit::original;
use shraga_testkit::stage::{Kind, Stage};
use shraga_wire::schema::{ColumnKind, shipped};

use crate::cast::{plain, play, rest, seen, went_through_once};

#[tokio::test]
async fn a_link_to_somebody_elses_row_proves_nothing() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let bob = stage.person("bob@example.com").await;
    let worker = stage.shared_worker("w1", 2).await;
    let others = bob.files("bob's").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    let task = ann.files("ann's").await;
    let link = stage.mirror(others).await.id;
    let cells = [(tasks::MIRROR_LINK, link.to_string().into())];
    stage.overwrite(Table::Tasks, task.get(), &cells).await;
    ann.edits(task, &[(tasks::NAME, "still ann's".into())])
        .await;
    play(&mut orchestrator, &worker).await;
    went_through_once(&stage, task).await;
    went_through_once(&stage, others).await;
    assert_ne!(stage.mirror(task).await.id, link);
}

#[tokio::test]
async fn a_row_of_somebody_else_at_the_computed_identity_is_left_alone() {
    let stage = Stage::new().await;
    let (ann, eve) = (
        stage.person("ann@example.com").await,
        stage.person("eve@example.com").await,
    );
    let worker = stage.shared_worker("w1", 2).await;
    let task = ann.files("one").await;
    let taken = MirrorId::of(task, 0);
    let hers = [(tasks::NAME, "eve's".into()), (tasks::STATUS, 10.into())];
    let made = eve.client.create(Table::Tasks, taken.get(), &hers).await;
    made.unwrap();
    let mut orchestrator = plain(&stage);
    play(&mut orchestrator, &worker).await;
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.id, MirrorId::of(task, 1));
    assert_eq!(stage.events(task, "Error").await, 1);
    assert_eq!(seen(&stage, task).await, TaskStatus::Completed);
    let row = stage.admin_client(&shraga_testkit::faults::Faults::new());
    let row = row.get(Table::Tasks, taken.get(), &["cr_name"]).await;
    assert_eq!(row.unwrap().unwrap().object().unwrap()["cr_name"], "eve's");
}

#[tokio::test]
async fn nonsense_in_a_mirror_or_a_worker_makes_no_second_mirror_and_no_second_attempt() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    worker.claims(&worker.assigned().await).await;
    let held = worker.executing().await;
    rest(&mut orchestrator).await;
    let (mirror, row) = (held[0].id.get(), held[0].worker().unwrap().get());
    let by_hand = [(tasks::ASSIGNED_WORKER, "the one by the window".into())];
    stage.overwrite(Table::Tasks, mirror, &by_hand).await;
    let state = [(workers::STATE, "resting".into())];
    stage.overwrite(Table::Workers, row, &state).await;
    // Another orchestrator looks at everything, and time passes.
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    stage.clock.advance(3600);
    rest(&mut orchestrator).await;
    assert_eq!(stage.count_tasks(true, TaskStatus::Running).await, 1);
    assert_eq!(stage.count_tasks(true, TaskStatus::Pending).await, 0);
    let right = [(tasks::ASSIGNED_WORKER, row.to_string().into())];
    stage.overwrite(Table::Tasks, mirror, &right).await;
    rest(&mut orchestrator).await;
    stage.clock.advance(3600);
    rest(&mut orchestrator).await;
    let held = worker.executing().await;
    assert_eq!(worker.completes(&held, "done").await, [true]);
    rest(&mut orchestrator).await;
    assert_eq!(seen(&stage, task).await, TaskStatus::Completed);
    assert_eq!(stage.mirror(task).await.shown.attempt.0, 1);
}

#[tokio::test]
async fn a_task_that_the_store_refuses_fails_with_the_reason_and_blocks_nobody() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 2).await;
    let long = "x".repeat(5000);
    let refused = ann.files("long").await;
    ann.edits(refused, &[(tasks::PROMPT, long.into())]).await;
    let behind = ann.files("behind").await;
    shorten_prompts(&stage).await;
    let mut orchestrator = plain(&stage);
    play(&mut orchestrator, &worker).await;
    let row = stage.task(refused).await.unwrap();
    assert_eq!(row.status, TaskStatus::Failed);
    assert_eq!(row.shown.reason.as_deref(), Some("invalid"));
    assert_eq!(stage.mirrors(refused).await, []);
    went_through_once(&stage, behind).await;
}

#[tokio::test]
async fn rows_at_all_of_a_tasks_identities_end_it_with_the_reason_and_keep_nobody_behind_it() {
    let stage = Stage::new().await;
    let (ann, bob, eve) = (
        stage.person("ann@example.com").await,
        stage.person("bob@example.com").await,
        stage.person("eve@example.com").await,
    );
    let worker = stage.shared_worker("w1", 2).await;
    let blocked = ann.files("blocked").await;
    for counter in 0..8 {
        let hers = [(tasks::NAME, "eve's".into()), (tasks::STATUS, 10.into())];
        let at = MirrorId::of(blocked, counter).get();
        eve.client.create(Table::Tasks, at, &hers).await.unwrap();
    }
    let behind = bob.files("behind").await;
    let mut orchestrator = plain(&stage);
    play(&mut orchestrator, &worker).await;
    let row = stage.task(blocked).await.unwrap();
    assert_eq!(row.status, TaskStatus::Failed);
    assert_eq!(row.shown.reason.as_deref(), Some("quarantined"));
    assert_eq!(stage.events(blocked, "Error").await, 1);
    assert_eq!(stage.mirrors(blocked).await, []);
    went_through_once(&stage, behind).await;
}

#[tokio::test]
async fn an_event_of_a_workers_in_the_orchestrators_way_keeps_no_task_from_being_settled() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let bad = stage.shared_worker("bad", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    let mirror = stage.mirror(task).await;
    // It never claims, and puts events of its own where the orchestrator's next ones belong.
    for ahead in 1..=2 {
        let sequence = mirror.head.sequence + ahead;
        let id = EventId::of(mirror.id, "orchestrator", sequence);
        let cells = [
            (events::NAME, "in the way".into()),
            (events::KIND, "AgentMessage".into()),
            (events::STREAM, format!("{}/1/x", bad.id).into()),
            (events::SEQUENCE, i64::from(ahead).into()),
            (events::TASK_ID, task.to_string().into()),
            (events::CONTENT, "{}".into()),
        ];
        let planted = bad.client().create(Table::Events, id.get(), &cells).await;
        planted.expect("a worker may insert events");
    }
    stage.clock.advance(121);
    rest(&mut orchestrator).await;
    let back = stage.mirror(task).await;
    assert_eq!(back.status, TaskStatus::Pending, "it was taken back");
    assert!(
        back.head
            .stream
            .is_some_and(|it| it.starts_with("orchestrator~"))
    );
    assert_eq!(stage.events(task, "Error").await, 1);
    let good = stage.shared_worker("good", 1).await;
    stage.clock.advance(60);
    play(&mut orchestrator, &good).await;
    if stage.mirror(task).await.status == TaskStatus::Running {
        bad.works().await;
        rest(&mut orchestrator).await;
    }
    assert_eq!(seen(&stage, task).await, TaskStatus::Completed);
}

#[tokio::test]
async fn rows_that_lie_are_named_and_never_believed() {
    let stage = Stage::with(Kind::Dataverse, original::with_ours()).await;
    let (bob, eve) = (
        stage.person("bob@example.com").await,
        stage.person("eve@example.com").await,
    );
    let worker = stage.shared_worker("w1", 2).await;
    let theirs = bob.files("bob's").await;
    let lies = [
        (tasks::USER_ID, bob.id.to_string().into()),
        (tasks::MIRROR_OF, theirs.to_string().into()),
    ];
    let liar = eve.files("eve's").await;
    eve.edits(liar, &lies).await;
    let impostor = eve.files("a mirror of bob's").await;
    let mut as_mirror = lies.to_vec();
    as_mirror.push((tasks::IS_MIRROR, true.into()));
    eve.edits(impostor, &as_mirror).await;
    let mut orchestrator = plain(&stage);
    play(&mut orchestrator, &worker).await;
    assert_eq!(seen(&stage, theirs).await, TaskStatus::Completed);
    assert_eq!(seen(&stage, liar).await, TaskStatus::Completed);
    let hers = stage.mirrors(liar).await;
    assert_eq!(hers.len(), 1);
    assert_eq!(hers[0].user, Some(eve.id));
    assert_eq!(stage.events(liar, "Error").await, 1);
    let row = stage.task(impostor).await.unwrap();
    assert_eq!(row.shown.reason.as_deref(), Some("quarantined"));
    assert_eq!(row.status, TaskStatus::Pending, "nobody works on it");
}

/// From now on no row with a long prompt is accepted; those there are stay.
async fn shorten_prompts(stage: &Stage) {
    let admin = Principal {
        user: stage.admin.get(),
        role: Role::Admin,
        worker: None,
        on_behalf_by: None,
        session: None,
    };
    let table = shipped()
        .into_iter()
        .find(|table| table.logical == "cr_shraga_task");
    let columns = table.unwrap().columns;
    let prompt = columns.into_iter().find(|it| it.logical == "cr_prompt");
    let mut column = prompt.unwrap();
    column.kind = ColumnKind::Memo { max: 1000 };
    let change = SchemaChange::UpdateColumn {
        table: "cr_shraga_task".to_owned(),
        column,
    };
    stage.store().alter(&admin, change).await.unwrap();
}
