//! More tasks that can't run than a tick looks at, and what lies behind them.

use shraga_core::ids::TaskId;
use shraga_core::row::{ChangeSet, Column, Table, Value, Write, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use shraga_dataverse::{OnRefusal, Outcome};
use shraga_orchestrator::Orchestrator;
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::{Kind, Person, Stage};
use shraga_wire::schema;
use uuid::Uuid;

use crate::cast::{TICKS_MAX, orchestrator, plain, rest};

/// More than a tick looks at.
const CROWD: usize = 260;

/// Far beyond the end of any story.
const LATER: Timestamp = Timestamp::from_secs(4_000_000_000);

fn for_an_agent_nobody_has() -> (Column, Value) {
    (tasks::INPUT, r#"{"agent":"nobody-has-it"}"#.into())
}

fn for_much_later() -> (Column, Value) {
    (tasks::NOT_BEFORE, LATER.into())
}

/// Files `count` tasks with this cell in one request.
async fn files(person: &Person, count: usize, cell: &(Column, Value)) {
    let set = |n: usize| {
        let cells = vec![
            (tasks::NAME, format!("task {n}").into()),
            (tasks::PROMPT, "please do it".into()),
            (tasks::STATUS, TaskStatus::Pending.code().into()),
            cell.clone(),
        ];
        ChangeSet {
            task: None,
            why: "file".to_owned(),
            writes: vec![Write::create(Table::Tasks, Uuid::now_v7(), cells)],
        }
    };
    let sets: Vec<ChangeSet> = (0..count).map(set).collect();
    let applied = person.client.apply(&sets, OnRefusal::Continue).await;
    let outcomes = applied.unwrap().outcomes;
    assert!(outcomes.iter().all(|it| matches!(it, Outcome::Done(_))));
}

/// Ticks until everything is told: what is left is seen in windows only.
async fn settle(stage: &Stage, orchestrator: &mut Orchestrator) {
    for _ in 0..TICKS_MAX {
        stage.clock.advance(20);
        rest(orchestrator).await;
        if orchestrator.tick_once().await.unwrap().counts.planned == 0 {
            return;
        }
    }
    panic!("something is left to be told after {TICKS_MAX} turns");
}

/// Her crowd is mirrored, then two tasks of hers behind it; nobody is there to take them yet.
async fn behind_a_crowd(
    stage: &Stage,
    ann: &Person,
    orchestrator: &mut Orchestrator,
    cell: &(Column, Value),
    count: usize,
) -> [TaskId; 2] {
    files(ann, count, cell).await;
    stage.clock.advance(1);
    let behind = [ann.files("hers").await, ann.files("hers too").await];
    settle(stage, orchestrator).await;
    // Nothing of it counts as changed lately any more.
    stage.clock.advance(300);
    rest(orchestrator).await;
    for task in behind {
        assert_eq!(stage.mirror(task).await.status, TaskStatus::Pending);
    }
    behind
}

/// Ticks until one of these tasks is assigned, but no more than `most` times; which one.
async fn assigned_within(
    most: usize,
    stage: &Stage,
    orchestrator: &mut Orchestrator,
    tasks: &[TaskId],
) -> TaskId {
    for _ in 0..most {
        orchestrator.tick_once().await.unwrap();
        for task in tasks {
            if stage.mirror(*task).await.status == TaskStatus::Running {
                return *task;
            }
        }
    }
    panic!("not assigned after {most} ticks");
}

/// She has a crowd of these tasks, and what lies behind it gets the only slot.
async fn is_walked_past(stage: &Stage, cell: &(Column, Value), count: usize, most: usize) {
    let ann = stage.person("ann@example.com").await;
    let mut orchestrator = plain(stage);
    let behind = behind_a_crowd(stage, &ann, &mut orchestrator, cell, count).await;
    let _worker = stage.shared_worker("w1", 1).await;
    assigned_within(most, stage, &mut orchestrator, &behind).await;
}

#[tokio::test]
async fn a_persons_tasks_for_an_agent_nobody_has_do_not_keep_her_own_others_from_their_turn() {
    let stage = Stage::new().await;
    is_walked_past(&stage, &for_an_agent_nobody_has(), CROWD, 3).await;
}

#[tokio::test]
async fn a_persons_tasks_for_much_later_do_not_keep_her_own_others_from_their_turn() {
    let stage = Stage::new().await;
    is_walked_past(&stage, &for_much_later(), CROWD, 3).await;
}

#[tokio::test]
async fn a_crowd_of_several_pages_is_walked_past_a_page_a_tick() {
    let stage = Stage::new().await;
    is_walked_past(&stage, &for_an_agent_nobody_has(), 2 * CROWD, 4).await;
}

#[tokio::test]
async fn a_crowd_is_walked_past_on_a_store_like_dataverse_too() {
    let stage = Stage::with(Kind::Dataverse, schema::shipped()).await;
    is_walked_past(&stage, &for_an_agent_nobody_has(), CROWD, 3).await;
}

#[tokio::test]
async fn a_slot_that_becomes_free_is_used_for_what_lies_behind_a_crowd() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let mut orchestrator = plain(&stage);
    let crowd = for_an_agent_nobody_has();
    let mut behind = behind_a_crowd(&stage, &ann, &mut orchestrator, &crowd, CROWD)
        .await
        .to_vec();
    let worker = stage.shared_worker("w1", 1).await;
    let first = assigned_within(3, &stage, &mut orchestrator, &behind).await;
    assert_eq!(worker.works().await, 1);
    behind.retain(|task| *task != first);
    assigned_within(2, &stage, &mut orchestrator, &behind).await;
}

#[tokio::test]
async fn a_walk_past_a_crowd_costs_no_request_more_and_comes_to_rest() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let faults = Faults::new();
    let mut orchestrator = orchestrator(&stage, &faults);
    let _worker = stage.shared_worker("w1", 1).await;
    files(&ann, CROWD, &for_an_agent_nobody_has()).await;
    settle(&stage, &mut orchestrator).await;
    // Nothing of it counts as changed lately any more.
    stage.clock.advance(300);
    rest(&mut orchestrator).await;
    let mut ticks = Vec::new();
    for _ in 0..2 {
        let before = faults.carried();
        let report = orchestrator.tick_once().await.unwrap();
        ticks.push((report, faults.carried() - before));
    }
    let [(begins, without), (walks, with)] = &ticks[..] else {
        panic!("there were two ticks");
    };
    assert!(
        begins.again && walks.rows > begins.rows,
        "a page is looked at"
    );
    assert_eq!(with, without);
    rest(&mut orchestrator).await;
}
