//! `why`: the gates of a task, and what to change.

use shraga_core::ledger::Allowance;
use shraga_core::model::{Person, Suspicion};
use shraga_core::plan::{Policy, Snapshot};
use shraga_core::status::{TaskStatus, WorkerState};
use shraga_core::time::Day;
use shraga_core::why::why;

use crate::build::{held, mirror, secs, task, user, worker, worker_id};

fn policy() -> Policy {
    Policy {
        adopts: false,
        ..Policy::default()
    }
}

/// The lines `why` says about task `t` at second 100.
fn gates(snapshot: &Snapshot) -> String {
    let gates = why(snapshot, &policy(), secs(100), crate::build::task_id("t"));
    gates.iter().map(|gate| format!("{gate}\n")).collect()
}

fn snapshot() -> Snapshot {
    let mut row = task("t", "ann", 90);
    row.status = TaskStatus::Queued;
    row.mirror_link = Some(mirror(&row).id.to_string());
    Snapshot {
        admin: Some(user("admin")),
        mirrors: vec![mirror(&row)],
        tasks: vec![row],
        active_complete: true,
        workers_complete: true,
        ..Snapshot::default()
    }
}

#[test]
fn without_an_orchestrator_the_mirror_is_what_is_missing() {
    let mut seen = snapshot();
    seen.mirrors.clear();
    seen.tasks = vec![task("t", "ann", 90)];
    seen.admin = None;
    insta::assert_snapshot!(gates(&seen), @r"
    ok filed: 10s ago
    -> mirrored: the orchestrator has not signed in yet (admin-unknown); check the orchestrator's token and log
    ");
}

#[test]
fn a_task_that_no_orchestrator_took_up_says_so() {
    let mut seen = snapshot();
    seen.mirrors.clear();
    seen.tasks = vec![task("t", "ann", 90)];
    assert!(gates(&seen).contains("-> mirrored: not yet; check that an orchestrator runs"));
}

#[test]
fn a_task_without_a_worker_says_which_kind_is_missing() {
    let mut seen = snapshot();
    let said = gates(&seen);
    assert!(
        said.contains("-> worker: there is no worker for this person (no-worker)"),
        "{said}"
    );
    seen.workers = vec![worker("w", 1)];
    seen.workers[0].state = WorkerState::Draining;
    assert!(gates(&seen).contains("(none-ready)"));
    seen.workers[0].state = WorkerState::Ready;
    seen.mirrors[0].wants.agent = Some("codex".to_owned());
    assert!(gates(&seen).contains("(no-worker-for-agent)"));
    seen.workers[0].agents = vec!["codex".to_owned()];
    seen.mirrors[0].wants.labels = vec!["gpu".to_owned()];
    assert!(gates(&seen).contains("(no-label)"));
    seen.workers[0].labels = vec!["gpu".to_owned()];
    assert!(gates(&seen).contains("it is next in turn"));
    seen.mirrors
        .push(held(mirror(&task("u", "bob", 1)), "w", Some("b"), 2));
    assert!(gates(&seen).contains("(all-full)"));
    seen.people = vec![Person {
        id: user("ann"),
        disabled: true,
        account: None,
    }];
    assert!(gates(&seen).contains("(user-disabled)"));
}

#[test]
fn a_running_task_says_where_and_since_when() {
    let mut seen = snapshot();
    seen.workers = vec![worker("w", 1)];
    seen.mirrors[0] = held(seen.mirrors[0].clone(), "w", None, 95);
    assert!(gates(&seen).contains("-> claimed: the worker has not taken it yet"));
    seen.mirrors[0] = held(seen.mirrors[0].clone(), "w", Some("b"), 95);
    seen.mirrors[0].shown.started = Some(secs(96));
    let said = gates(&seen);
    assert!(
        said.contains("ok worker: attempt 1 is with w, since 5s ago"),
        "{said}"
    );
    assert!(
        said.contains("-> finished: it has been running since 4s ago"),
        "{said}"
    );
}

#[test]
fn a_running_task_says_whether_its_worker_is_heard_and_what_it_may_spend() {
    let mut seen = snapshot();
    seen.workers = vec![worker("w", 1)];
    seen.mirrors[0] = held(seen.mirrors[0].clone(), "w", Some("b"), 5);
    seen.workers[0].last_seen = Some(secs(88));
    seen.workers[0].drained = Some(secs(90));
    let said = gates(&seen);
    let heard = "ok heard: w beat 12s ago; it is drained, and finishes this";
    assert!(said.contains(heard), "{said}");
    let reserved = Allowance {
        cost_micros: Some(2_000_000),
        tokens: None,
    };
    let attempt = seen.mirrors[0].shown.attempt;
    let ledger = &seen.mirrors[0].ledger;
    seen.mirrors[0].ledger = ledger.give(attempt, worker_id("w"), Day::of(secs(5)), reserved);
    let said = gates(&seen);
    assert!(said.contains("ok budget: $2.00 reserved for it"), "{said}");
    seen.workers[0].last_seen = Some(secs(2));
    let said = gates(&seen);
    assert!(
        said.contains("-> heard: w was last heard 1m 38s ago"),
        "{said}"
    );
    seen.workers[0].suspicion = Some(Suspicion {
        beat: 0,
        at: secs(95),
    });
    let said = gates(&seen);
    assert!(
        said.contains("-> heard: w was asked whether it lives, 5s ago"),
        "{said}"
    );
}

#[test]
fn a_task_that_a_cap_holds_back_says_how_many_run() {
    let mut seen = snapshot();
    seen.workers = vec![worker("w", 9)];
    seen.mirrors[0].wants.key = Some("db".to_owned());
    let mut other = held(mirror(&task("u", "ann", 1)), "w", Some("b"), 2);
    other.wants.key = Some("db".to_owned());
    seen.mirrors.push(other);
    let said = gates(&seen);
    assert!(
        said.contains("(key-busy): 1 of 1 running with key `db`"),
        "{said}"
    );
}

#[test]
fn an_ended_task_says_how_and_what_next() {
    let mut seen = snapshot();
    let mirror = &mut seen.mirrors[0];
    mirror.status = TaskStatus::Failed;
    mirror.shown.finished = Some(secs(99));
    mirror.shown.reason = Some("agent-failed".to_owned());
    mirror.shown.message = Some("exit code 3".to_owned());
    let said = gates(&seen);
    assert!(
        said.contains("-> ended: Failed 1s ago: exit code 3; read `shraga logs ID`"),
        "{said}"
    );
}

#[test]
fn a_person_gets_what_her_own_row_says() {
    let mut seen = snapshot();
    seen.mirrors.clear();
    seen.tasks[0].shown.reason = Some("no-label".to_owned());
    let said = gates(&seen);
    assert!(said.contains("ok mirrored"), "{said}");
    assert!(said.contains("(no-label)"), "{said}");
    seen.tasks[0].status = TaskStatus::Canceled;
    assert!(
        gates(&seen).contains("-> not canceled"),
        "her request is not its end"
    );
}

#[test]
fn a_task_whose_mirror_cannot_be_understood_says_so() {
    let mut seen = snapshot();
    seen.mirrors.clear();
    seen.unread_mirrors.insert(seen.tasks[0].id);
    let said = gates(&seen);
    let mirrored = "-> mirrored: its mirror can't be understood (unreadable)";
    assert!(said.contains(mirrored), "{said}");
}

#[test]
fn a_task_nobody_knows_has_no_gates() {
    assert_eq!(gates(&Snapshot::default()), "");
}
