//! Guarantee 4: shared workers take turns, fairly after restarts and with several orchestrators. One that is full,
//! draining or suspect is passed over, and an assignment that failed uses up no turn.

use std::collections::BTreeMap;

use shraga_core::ids::{TaskId, WorkerId};
use shraga_core::row::{Table, workers};
use shraga_core::status::TaskStatus;
use shraga_orchestrator::{Config, Orchestrator};
use shraga_testkit::faults::{Fault, Faults, When};
use shraga_testkit::site::Site;
use shraga_testkit::stage::{Person, Stage};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::beside::{daemon, file, now, once, stage};
use crate::common::{Place, until};

/// Legacy workers in the order of their turns.
fn names(count: u128) -> Vec<Uuid> {
    (1..=count).map(|n| Uuid::from_u128(n << 64)).collect()
}

fn list(place: &Place, workers: &[Uuid]) {
    let text = serde_json::json!({ "shared_workers": workers }).to_string();
    std::fs::write(file(place), text).unwrap();
}

/// To whom the task was given, if it was.
async fn given(stage: &Stage, task: TaskId) -> Option<Uuid> {
    let mirrors = stage.mirrors(task).await;
    mirrors.first()?.shown.worker.map(WorkerId::get)
}

async fn count(stage: &Stage, tasks: &[TaskId]) -> BTreeMap<Uuid, usize> {
    let mut counts = BTreeMap::new();
    for task in tasks {
        if let Some(worker) = given(stage, *task).await {
            *counts.entry(worker).or_default() += 1;
        }
    }
    counts
}

async fn files(ann: &Person, count: usize) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for n in 0..count {
        tasks.push(ann.files(&format!("task {n}")).await);
    }
    tasks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_04_turns_go_on_where_they_stopped_after_a_restart() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let workers = names(3);
    list(&place, &workers);
    for round in 0..2 {
        for worker in &workers {
            let task = ann.files("one").await;
            assert_eq!(once(&place, &site).code, 0);
            assert_eq!(
                given(&site.stage, task).await,
                Some(*worker),
                "round {round}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_04_two_orchestrators_at_once_share_out_fairly_and_give_nothing_twice() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let places = [Place::new(), Place::new()];
    let workers = names(3);
    places.iter().for_each(|place| list(place, &workers));
    let tasks = files(&ann, 30).await;
    let daemons = [daemon(&places[0], &site), daemon(&places[1], &site)];
    let all = |tasks: &[TaskId]| now(count(&site.stage, tasks)).values().sum::<usize>();
    until("everything is given", || all(&tasks) == tasks.len());
    let more = files(&ann, 15).await;
    until("the rest is given", || all(&more) == more.len());
    for daemon in daemons {
        assert!(daemon.stop().success());
    }
    let counts = count(&site.stage, &[tasks.clone(), more].concat()).await;
    assert!(workers.iter().all(|id| counts[id] >= 12), "{counts:?}");
    for task in tasks {
        assert_eq!(site.stage.mirrors(task).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_04_an_assignment_that_failed_uses_up_no_turn() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let workers = names(3);
    list(&place, &workers);
    for worker in &workers {
        site.faults
            .arm(When::write(), Fault::Answer { status: 503 });
        let task = ann.files("one").await;
        assert_eq!(once(&place, &site).code, 0);
        assert_eq!(given(&site.stage, task).await, Some(*worker));
        assert_eq!(site.faults.pending(), 0, "the write failed once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_04_a_worker_added_to_the_file_gets_its_turn_without_a_restart() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let workers = names(2);
    list(&place, &[]);
    let mut daemon = daemon(&place, &site);
    let first = ann.files("first").await;
    until("it waits", || now(site.stage.mirrors(first)).len() == 1);
    assert_eq!(given(&site.stage, first).await, None);
    list(&place, &workers);
    daemon.until_said(&["the state file names 2 workers now"]);
    let second = ann.files("second").await;
    until("both are given", || {
        now(count(&site.stage, &[first, second])).len() == workers.len()
    });
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn guarantee_04_a_worker_that_is_full_draining_or_suspect_is_passed_over() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let full = stage.shared_worker("full", 1).await;
    let mut orchestrator = Orchestrator::new(
        stage.admin_client(&Faults::new()),
        Config::new("one"),
        CancellationToken::new(),
    );
    let filling = ann.files("filling").await;
    orchestrator.run_until_idle().await.unwrap();
    assert_eq!(given(&stage, filling).await, Some(full.id.get()));
    for state in ["draining", "suspect", "offline"] {
        let worker = stage.shared_worker(state, 5).await;
        let cells = [(workers::STATE, state.into())];
        stage
            .overwrite(Table::Workers, worker.id.get(), &cells)
            .await;
    }
    let ready = stage.shared_worker("ready", 2).await;
    let tasks = files(&ann, 3).await;
    stage.clock.advance(5);
    orchestrator.run_until_idle().await.unwrap();
    let counts = count(&stage, &tasks).await;
    assert_eq!(counts, BTreeMap::from([(ready.id.get(), 2)]));
    assert_eq!(stage.mirror(tasks[2]).await.status, TaskStatus::Pending);
}
