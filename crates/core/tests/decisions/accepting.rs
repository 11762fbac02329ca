//! A person accepts a late result: what makes it count, and everything that doesn't.

use shraga_core::audit::hash;
use shraga_core::candidate::{Assigned, Candidate, Late, candidate_stream};
use shraga_core::ids::{Attempt, EventId, MirrorId};
use shraga_core::model::Mirror;
use shraga_core::plan::{Loop, Need, Plan, Policy, Snapshot, all};
use shraga_core::reason::Reason;
use shraga_core::row::{Value, Write, tasks};
use shraga_core::status::TaskStatus;

use crate::build::{boot, id, mirror, secs, task, task_id, user, worker, worker_id};

/// `old` of Ann's failed; its first attempt, on w, had ended late. `new` of hers accepts that.
struct Scene {
    snapshot: Snapshot,
    policy: Policy,
}

impl Scene {
    fn new() -> Self {
        let event = candidate().id;
        let mut old = task("old", "ann", 1);
        old.status = TaskStatus::Failed;
        let mut new = task("new", "ann", 90);
        new.retry_of = Some(old.id);
        new.status = TaskStatus::Queued;
        new.wants.candidate = Some(event);
        new.mirror_link = Some(MirrorId::of(new.id, 0).to_string());
        let late = Late {
            candidates: vec![candidate()],
            assigned: vec![assigned()],
        };
        let snapshot = Snapshot {
            admin: Some(user("admin")),
            mirrors: vec![ended(mirror(&old)), mirror(&new)],
            searched: [old.id].into(),
            late: [(old.id, late)].into(),
            tasks: vec![old, new],
            workers: vec![worker("w", 1)],
            active_complete: true,
            workers_complete: true,
            ..Snapshot::default()
        };
        let policy = Policy {
            adopts: false,
            guarded_streams: true,
            ..Policy::default()
        };
        Self { snapshot, policy }
    }

    fn late(&mut self) -> &mut Late {
        self.snapshot.late.get_mut(&task_id("old")).unwrap()
    }

    fn candidate(&mut self) -> &mut Candidate {
        &mut self.late().candidates[0]
    }

    fn plans(&self) -> Vec<Plan> {
        all(&self.snapshot, &self.policy, secs(100))
    }

    /// What is written to the mirror of `new`.
    fn written(&self) -> Option<Write> {
        let plans = self.plans();
        let id = MirrorId::of(task_id("new"), 0).get();
        let mut writes = plans.iter().flat_map(|plan| &plan.sets);
        let set = writes.find(|set| set.writes.iter().any(|write| write.id == id))?;
        set.writes.iter().find(|write| write.id == id).cloned()
    }

    fn refused(&self, why: &str) {
        let write = self.written().unwrap();
        assert_eq!(write.get(tasks::STATUS), Some(&TaskStatus::Failed.into()));
        let reason = Value::from(Reason::CandidateRefused.as_str());
        assert_eq!(write.get(tasks::REASON), Some(&reason));
        let said = Value::from(format!("not accepted: {why}"));
        assert_eq!(write.get(tasks::STATUS_MESSAGE), Some(&said));
        assert_eq!(write.get(tasks::RESULT), None);
    }
}

fn ended(mut mirror: Mirror) -> Mirror {
    mirror.status = TaskStatus::Failed;
    mirror.shown.attempt = Attempt(3);
    mirror
}

fn candidate() -> Candidate {
    let attempt = Attempt(1);
    let stream = candidate_stream(worker_id("w"), attempt, boot("b"));
    let content = r#"{"outcome":"Completed","result":"it works"}"#.to_owned();
    Candidate {
        id: EventId::of(MirrorId::of(task_id("old"), 0), &stream, 1),
        filed_by: user("w"),
        task: task_id("old"),
        attempt,
        stream,
        sequence: 1,
        previous: String::new(),
        hash: hash("", &content),
        content,
        outcome: Some(TaskStatus::Completed),
        result: "it works".to_owned(),
        branch: Some(("shraga/old/attempt-1".to_owned(), "c0ffee".to_owned())),
    }
}

fn assigned() -> Assigned {
    Assigned {
        filed_by: user("admin"),
        stream: "orchestrator".to_owned(),
        attempt: Attempt(1),
        worker: worker_id("w"),
    }
}

#[test]
fn a_late_result_that_counts_becomes_the_new_tasks_without_a_worker() {
    let scene = Scene::new();
    let write = scene.written().unwrap();
    let completed = Value::from(TaskStatus::Completed);
    assert_eq!(write.get(tasks::STATUS), Some(&completed));
    assert_eq!(write.get(tasks::REASON), Some(&Value::Null));
    assert_eq!(write.get(tasks::RESULT), Some(&"it works".into()));
    assert_eq!(write.get(tasks::FINISHED), Some(&secs(100).into()));
    assert_eq!(write.get(tasks::LEASE), None);
    let Some(Value::Text(output)) = write.get(tasks::OUTPUT) else {
        panic!("{write:?}");
    };
    for said in [
        &format!(r#""event":"{}""#, candidate().id)[..],
        &format!(r#""task":"{}""#, id("old")),
        &format!(r#""worker":"{}""#, id("w")),
        r#""kept":{"branch":"shraga/old/attempt-1","head":"c0ffee"}"#,
    ] {
        assert!(output.contains(said), "{said}: {output}");
    }
}

#[test]
fn what_is_to_be_accepted_is_never_given_to_a_worker() {
    let mut scene = Scene::new();
    scene.snapshot.late.clear();
    let waits = |plans: &[Plan]| {
        let by = plans.iter().find(|plan| plan.by == Loop::Assign).unwrap();
        assert!(by.sets.is_empty(), "{by}");
        let waiting = plans.iter().flat_map(|plan| &plan.waiting);
        let new = task_id("new");
        assert!(
            waiting
                .into_iter()
                .any(|it| *it == (new, Reason::Accepting))
        );
    };
    waits(&scene.plans());
    // Nor before it has a mirror, though a slot is free.
    scene.snapshot.mirrors.truncate(1);
    scene.snapshot.tasks[1].status = TaskStatus::Pending;
    scene.snapshot.tasks[1].mirror_link = None;
    waits(&scene.plans());
    let made = scene.written().unwrap();
    assert_eq!(made.get(tasks::STATUS), Some(&TaskStatus::Pending.into()));
    assert_eq!(made.get(tasks::LEASE), None);
}

#[test]
fn what_is_not_in_view_is_asked_for_first() {
    let mut scene = Scene::new();
    let needs = |scene: &Scene| -> Vec<Need> {
        assert_eq!(scene.written(), None);
        let plans = scene.plans().into_iter();
        plans.flat_map(|plan| plan.needs).collect()
    };
    let old = task_id("old");
    scene.snapshot.late.clear();
    assert_eq!(needs(&scene), [Need::MirrorsOf(old), Need::Late(old)]);
    let mut scene = Scene::new();
    scene.snapshot.searched.clear();
    assert!(needs(&scene).contains(&Need::MirrorsOf(old)));
    let mut scene = Scene::new();
    scene.snapshot.unread_mirrors.insert(old);
    needs(&scene);
    // Her row alone tells which task is meant.
    let mut scene = Scene::new();
    scene.snapshot.mirrors[1].user = Some(user("ann"));
    scene.snapshot.tasks.remove(1);
    assert_eq!(needs(&scene), []);
}

#[test]
fn only_her_own_ended_task_gives_a_late_result() {
    let mut scene = Scene::new();
    scene.snapshot.mirrors[0].user = Some(user("bob"));
    scene.snapshot.tasks[0].owner = user("bob");
    scene.refused("the task whose late result it accepts is not this person's");

    let mut scene = Scene::new();
    scene.snapshot.mirrors[0].owner = user("ann");
    scene.refused("the task whose late result it accepts is not this person's");

    let mut scene = Scene::new();
    scene.snapshot.mirrors[0].status = TaskStatus::Running;
    scene.refused("the task whose late result it accepts has not ended");

    let mut scene = Scene::new();
    scene.snapshot.tasks[1].retry_of = None;
    scene.refused("it does not name the task whose late result it accepts");

    let mut scene = Scene::new();
    scene.snapshot.tasks[1].retry_of = Some(task_id("new"));
    scene.refused("it does not name the task whose late result it accepts");
}

#[test]
fn a_candidate_that_is_not_what_it_says_does_not_count() {
    const FORGED: &str = "the event is not what its stream and hash say";
    let forge = |change: fn(&mut Candidate)| {
        let mut scene = Scene::new();
        change(scene.candidate());
        scene
    };
    forge(|it| it.content = it.content.replace("works", "pays")).refused(FORGED);
    forge(|it| it.previous = "0".repeat(64)).refused(FORGED);
    forge(|it| it.sequence = 2).refused(FORGED);
    forge(|it| it.attempt = Attempt(2)).refused(FORGED);
    forge(|it| it.stream = "orchestrator".to_owned()).refused(FORGED);
    forge(|it| it.stream = it.stream.replace("/candidate", "")).refused(FORGED);
    forge(|it| it.task = task_id("other")).refused("there is no such late result of that task");
    forge(|it| it.id = EventId::new(id("else")))
        .refused("there is no such late result of that task");
    for outcome in [None, Some(TaskStatus::Failed), Some(TaskStatus::Canceled)] {
        let mut scene = Scene::new();
        scene.candidate().outcome = outcome;
        scene.refused("that attempt did not complete");
    }
}

#[test]
fn a_late_result_of_a_worker_that_was_never_given_the_attempt_does_not_count() {
    const WHY: &str = "that attempt was not assigned to the worker that the event names";
    let assign = |change: fn(&mut Assigned)| {
        let mut scene = Scene::new();
        change(&mut scene.late().assigned[0]);
        scene
    };
    assign(|it| it.worker = worker_id("v")).refused(WHY);
    assign(|it| it.attempt = Attempt(2)).refused(WHY);
    assign(|it| it.filed_by = user("ann")).refused(WHY);
    assign(|it| it.stream = format!("{}/1", id("w"))).refused(WHY);
}

#[test]
fn where_people_can_make_events_only_the_workers_own_identity_files_its_late_results() {
    let mut scene = Scene::new();
    scene.policy.guarded_streams = false;
    scene.snapshot.workers[0].owner = user("w");
    let completed = Value::from(TaskStatus::Completed);
    let status = |scene: &Scene| scene.written().unwrap().get(tasks::STATUS).cloned();
    assert_eq!(status(&scene), Some(completed.clone()));
    scene.candidate().filed_by = user("eve");
    scene.refused("the event was not filed by the worker that it names");
    scene.candidate().filed_by = user("admin");
    assert_eq!(status(&scene), Some(completed));
    // Of a worker whose row is gone nobody can tell.
    scene.candidate().filed_by = user("w");
    scene.snapshot.workers.clear();
    scene.refused("the event was not filed by the worker that it names");
}

#[test]
fn a_store_without_events_has_none_to_accept_and_a_request_to_cancel_comes_first() {
    let mut scene = Scene::new();
    scene.policy.events = false;
    scene.refused("there is no such late result of that task");
    let mut scene = Scene::new();
    scene.snapshot.tasks[1].status = TaskStatus::Canceled;
    let write = scene.written().unwrap();
    assert_eq!(write.get(tasks::STATUS), Some(&TaskStatus::Canceled.into()));
}

#[test]
fn beside_legacy_workers_its_row_is_not_left_for_them() {
    let mut scene = Scene::new();
    scene.snapshot.legacy = vec![worker_id("l")];
    scene.snapshot.mirrors.truncate(1);
    scene.snapshot.tasks[1].status = TaskStatus::Pending;
    scene.snapshot.tasks[1].mirror_link = None;
    let plans = scene.plans();
    let mut writes = plans
        .iter()
        .flat_map(|plan| &plan.sets)
        .flat_map(|set| &set.writes);
    let hers = writes.find(|write| write.id == id("new")).unwrap();
    assert_eq!(hers.get(tasks::STATUS), Some(&TaskStatus::Queued.into()));
}
