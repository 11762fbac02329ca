//! Stores without `$batch`, change sets or chosen identities: slower, and the same promises.

use shraga_core::ids::TaskId;
use shraga_core::status::TaskStatus;
use shraga_orchestrator::{Config, LinkTries, Orchestrator};
use shraga_testkit::double::Double;
use shraga_testkit::faults::{Fault, Faults, Gate, When};
use shraga_testkit::lesser::{Ids, Lesser};
use shraga_testkit::stage::Stage;
use tokio_util::sync::CancellationToken;

use crate::cast::{TICKS_MAX, rest, seen};

/// Mirrors that nobody was kept from working on: all but those ended as duplicates.
async fn live(stage: &Stage, task: TaskId) -> Vec<shraga_core::model::Mirror> {
    let mut mirrors = stage.mirrors(task).await;
    mirrors.retain(|it| it.shown.reason.as_deref() != Some("duplicate"));
    mirrors
}

/// The task ended well, once, and its row says so.
async fn ended_once(stage: &Stage, task: TaskId, where_: &str) {
    let live = live(stage, task).await;
    assert_eq!(live.len(), 1, "{where_}: one live mirror: {live:#?}");
    assert_eq!(live[0].status, TaskStatus::Completed, "{where_}");
    assert_eq!(live[0].shown.attempt.0, 1, "{where_}: one attempt");
    assert_eq!(seen(stage, task).await, TaskStatus::Completed, "{where_}");
    let row = stage.task(task).await.expect("her row exists");
    let link = row.mirror_link.expect("her row is linked");
    assert_eq!(link, live[0].id.to_string(), "{where_}");
    let run = stage.events(task, "TaskCompleted").await;
    assert_eq!(run, 1, "{where_}: completed once");
}

/// An orchestrator at a lesser store that waits for nothing between two tries of a link.
fn at(stage: &Stage, lesser: Lesser, name: &str, faults: &Faults) -> Orchestrator {
    let mut config = Config::new(name);
    config.link = LinkTries {
        delay: std::time::Duration::ZERO,
        ..LinkTries::default()
    };
    let client = stage.admin_client_at(lesser, faults);
    Orchestrator::new(client, config, CancellationToken::new())
}

async fn play_all(orchestrators: &mut [Orchestrator], worker: &Double) {
    for _ in 0..TICKS_MAX {
        for orchestrator in &mut *orchestrators {
            rest(orchestrator).await;
        }
        if worker.works().await == 0 {
            return;
        }
    }
    panic!("the worker still has work");
}

#[tokio::test]
async fn at_every_lesser_store_tasks_are_mirrored_linked_and_done() {
    for (name, lesser) in Lesser::all() {
        let stage = Stage::new().await;
        let ann = stage.person("ann@example.com").await;
        let worker = stage.shared_worker_at(lesser, "w1", 2).await;
        let tasks = [ann.files("one").await, ann.files("two").await];
        let mut one = [at(&stage, lesser, "one", &Faults::new())];
        play_all(&mut one, &worker).await;
        for task in tasks {
            ended_once(&stage, task, name).await;
        }
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_what_it_takes_fails_nobodys_task() {
    let mut fired = 0;
    for asked in ["DELETE /api", "shraga: made to see"] {
        for (name, lesser) in Lesser::all() {
            let stage = Stage::new().await;
            let ann = stage.person("ann@example.com").await;
            let worker = stage.shared_worker_at(lesser, "w1", 1).await;
            let task = ann.files("one").await;
            let faults = Faults::new();
            faults.arm(When::write_with(asked), Fault::Answer { status: 401 });
            let mut one = [at(&stage, lesser, "one", &faults)];
            rest(&mut one[0]).await;
            let shown = seen(&stage, task).await;
            assert!(!shown.is_terminal(), "{name}: {shown}");
            fired += 1 - faults.pending();
            play_all(&mut one, &worker).await;
            ended_once(&stage, task, name).await;
        }
    }
    assert!(fired >= 4, "the doubt arose: {fired}");
}

#[tokio::test]
async fn two_orchestrators_at_a_lesser_store_leave_one_live_mirror() {
    for (name, lesser) in Lesser::all() {
        let stage = Stage::new().await;
        let ann = stage.person("ann@example.com").await;
        let worker = stage.shared_worker_at(lesser, "w1", 1).await;
        // Both know what the store can do before the task comes.
        let (faults, gate) = (Faults::new(), Gate::new());
        let mut both = [
            at(&stage, lesser, "one", &faults),
            at(&stage, lesser, "two", &Faults::new()),
        ];
        let first = ann.files("first").await;
        play_all(&mut both, &worker).await;
        ended_once(&stage, first, name).await;
        let task = ann.files("second").await;
        // The first has looked and is about to write what the second now does.
        faults.arm(When::write_with("second"), Fault::HoldRequest(gate.clone()));
        let [mut one, mut two] = both;
        let slow = tokio::spawn(async move {
            one.tick_once().await.ok();
            one
        });
        gate.arrival().await;
        two.tick_once().await.unwrap();
        gate.open();
        let mut both = [slow.await.unwrap(), two];
        play_all(&mut both, &worker).await;
        ended_once(&stage, task, name).await;
    }
}

/// Everything an orchestrator does for one task, ended by a crash at its `n`-th write (what is read
/// between two of them leaves nothing behind); the next takes over. Whether the crash came at all.
async fn crash_at(name: &str, lesser: Lesser, n: usize, fault: fn() -> Fault) -> bool {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker_at(lesser, "w1", 1).await;
    let task = ann.files("one").await;
    let faults = Faults::new();
    let mut doomed = at(&stage, lesser, "doomed", &faults);
    let opened = Gate::new();
    opened.open();
    for _ in 0..n {
        faults.arm(When::write(), Fault::HoldReply(opened.clone()));
    }
    faults.arm(When::write(), fault());
    for _ in 0..8 {
        if faults.pending() == 0 {
            break;
        }
        let _ended = doomed.tick_once().await;
        worker.works().await;
    }
    let crashed = faults.pending() == 0;
    drop(doomed);
    // It may have died holding the courtesy lease.
    stage.clock.advance(31);
    let mut next = [at(&stage, lesser, "next", &Faults::new())];
    play_all(&mut next, &worker).await;
    ended_once(&stage, task, &format!("{name}, crash at write {n}")).await;
    crashed
}

async fn crash_everywhere(lesser: &[(&str, Lesser)], fault: fn() -> Fault) {
    for (name, lesser) in lesser {
        let mut n = 0;
        while crash_at(name, *lesser, n, fault).await {
            n += 1;
        }
        assert!(n > 3, "{name}: only {n} writes were tried");
    }
}

/// Those that differ in what a crash can leave behind.
fn crash_prone() -> Vec<(&'static str, Lesser)> {
    let batch = Some(501);
    let no_change_sets = true;
    let (kept, replaced) = (Ids::Kept, Ids::Replaced);
    let kinds = [
        (
            "no $batch",
            Lesser {
                batch,
                no_change_sets,
                ids: kept,
            },
        ),
        (
            "no change sets",
            Lesser {
                batch: None,
                no_change_sets,
                ids: kept,
            },
        ),
        (
            "no $batch, identities replaced",
            Lesser {
                batch,
                no_change_sets,
                ids: replaced,
            },
        ),
        (
            "identities refused",
            Lesser {
                batch: None,
                no_change_sets,
                ids: Ids::Refused,
            },
        ),
    ];
    kinds.to_vec()
}

#[tokio::test]
async fn a_crash_before_any_write_at_a_lesser_store_is_made_up_for() {
    crash_everywhere(&crash_prone(), || Fault::DieBefore).await;
}

#[tokio::test]
async fn a_crash_after_any_write_at_a_lesser_store_is_made_up_for() {
    crash_everywhere(&crash_prone(), || Fault::DieAfter).await;
}

/// A lost reply, and the orchestrator lives on.
async fn lose_reply(name: &str, lesser: Lesser, n: usize) -> bool {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker_at(lesser, "w1", 1).await;
    let task = ann.files("one").await;
    let faults = Faults::new();
    let opened = Gate::new();
    opened.open();
    for _ in 0..n {
        faults.arm(When::write(), Fault::HoldReply(opened.clone()));
    }
    faults.arm(When::write(), Fault::DropReply);
    let mut one = [at(&stage, lesser, "one", &faults)];
    play_all(&mut one, &worker).await;
    ended_once(&stage, task, &format!("{name}, lost reply to write {n}")).await;
    faults.pending() == 0
}

#[tokio::test]
async fn a_lost_reply_to_any_write_at_a_lesser_store_makes_no_second_live_mirror() {
    for (name, lesser) in crash_prone() {
        let mut n = 0;
        while lose_reply(name, lesser, n).await {
            n += 1;
        }
        assert!(n > 2, "{name}: only {n} writes were tried");
    }
}
