//! The decision, case by case, and random histories.

use std::cmp::Ordering;

use uuid::Uuid;

use super::*;
use crate::fleet::{Allowed, Member, Pause};
use crate::ids::UserId;
use crate::model::Suspicion;
use crate::row::{Value, Write, workers};
use crate::status::WorkerKind;

mod random;

const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

pub(super) fn release(minor: u32) -> Release {
    Release::new(&format!("1.{minor}.0"), "0123456789abcdef").unwrap()
}

/// Minor versions alone, of one figure.
pub(super) fn order(a: &Release, b: &Release) -> Ordering {
    a.version().cmp(b.version())
}

pub(super) fn policy() -> FleetPolicy {
    FleetPolicy {
        order,
        canary: Some(Span::mins(10)),
        take_within: FleetPolicy::TAKE_WITHIN,
        ours: Some(release(0)),
    }
}

pub(super) fn worker(number: u128, minor: u32) -> Worker {
    Worker {
        id: WorkerId::new(Uuid::from_u128(number)),
        etag: Etag::new(number.to_string()),
        owner: UserId::new(Uuid::from_u128(1)),
        name: format!("w{number}"),
        kind: WorkerKind::LocalMachine,
        state: WorkerState::Ready,
        pool: Pool::Shared,
        slots: 1,
        labels: Vec::new(),
        agents: Vec::new(),
        boot: None,
        beat: 1,
        last_seen: Some(NOON),
        last_assigned: None,
        drained: None,
        suspicion: None,
        echo: None,
        machine: None,
        member: Member {
            version: Some(format!("1.{minor}.0")),
            release: Some(release(minor)),
            allowed: None,
            open: false,
            said: Said::On,
        },
    }
}

/// A store of workers' rows and the fleet's, in which plans are carried out.
struct Scene {
    snapshot: FleetSnapshot,
    policy: FleetPolicy,
    now: Timestamp,
}

impl Scene {
    fn new(workers: impl IntoIterator<Item = Worker>) -> Self {
        Self {
            snapshot: FleetSnapshot {
                workers: workers.into_iter().collect(),
                complete: true,
                offered: Some(release(1)),
                ..FleetSnapshot::default()
            },
            policy: policy(),
            now: NOON,
        }
    }

    fn of(count: u128) -> Self {
        Self::new((1..=count).map(|number| worker(number, 0)))
    }

    fn fleet(&self) -> Fleet {
        let row = self.snapshot.row.as_ref();
        row.map(|(_, fleet)| fleet.clone()).unwrap_or_default()
    }

    fn plan(&self) -> FleetPlan {
        plan(&self.snapshot, &self.policy, self.now)
    }

    /// Plans and applies until nothing is to be written; what was done.
    fn settle(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..20 {
            let sets = self.plan().sets;
            if sets.is_empty() {
                return done;
            }
            for set in sets {
                set.writes.iter().for_each(|write| self.write(write));
                done.push(set.why);
            }
        }
        panic!("it never settles: {done:?}");
    }

    fn write(&mut self, write: &Write) {
        let text = |column| match write.get(column) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        if write.id == crate::fleet::row_id().get() {
            let json = text(workers::UPDATE_STATE).unwrap();
            self.snapshot.row = Some((Etag::new("f"), random::parse(&json)));
            return;
        }
        let mut rows = self.snapshot.workers.iter_mut();
        let row = rows.find(|row| row.id.get() == write.id).unwrap();
        let allowed = text(workers::ALLOWED).map(|text| text.parse::<Allowed>().unwrap());
        row.member.open = allowed.as_ref().is_some_and(|allowed| allowed.open);
        row.member.allowed = allowed.map(|allowed| allowed.release);
    }

    fn worker(&mut self, number: u128) -> &mut Worker {
        let id = WorkerId::new(Uuid::from_u128(number));
        let mut rows = self.snapshot.workers.iter_mut();
        rows.find(|row| row.id == id).unwrap()
    }

    fn allowed(&self) -> Vec<&str> {
        let rows = self.snapshot.workers.iter();
        let open = rows.filter(|row| row.member.outstanding().is_some());
        open.map(|row| row.name.as_str()).collect()
    }

    fn pass(&mut self, span: Span) {
        self.now = self.now.plus(span);
        for row in &mut self.snapshot.workers {
            if !row.state.is_gone() && row.suspicion.is_none() {
                row.last_seen = Some(self.now);
            }
        }
    }

    fn takes(&mut self, number: u128, minor: u32) {
        self.worker(number).member.release = Some(release(minor));
    }

    fn silent(&mut self, number: u128) {
        let at = self.now;
        self.worker(number).suspicion = Some(Suspicion { beat: 1, at });
    }

    fn pause(&mut self, paused: bool) {
        let mut fleet = self.fleet();
        fleet.pause = paused.then(|| Pause {
            by: "ann".to_owned(),
            at: self.now,
            why: None,
        });
        self.snapshot.row = Some((Etag::new("p"), fleet));
    }

    fn refused(&self) -> Vec<(String, Why)> {
        let fleet = self.fleet();
        let refused = fleet.refused.iter();
        refused.map(|it| (it.said.clone(), it.why)).collect()
    }
}

#[test]
fn one_worker_tries_it_and_the_others_follow_once_it_stayed_well() {
    let mut scene = Scene::of(3);
    scene.settle();
    assert_eq!(scene.allowed(), ["w1"]);
    assert_eq!(scene.plan().take, None);
    scene.takes(1, 1);
    scene.settle();
    scene.pass(Span::mins(9));
    assert_eq!(scene.settle(), Vec::<String>::new());
    scene.pass(Span::mins(1));
    scene.settle();
    assert_eq!(scene.allowed(), ["w2", "w3"]);
    assert_eq!(scene.plan().take, Some(release(1)));
    scene.takes(2, 1);
    scene.takes(3, 1);
    assert!(scene.plan().busy);
    scene.settle();
    assert!(!scene.plan().busy);
    // One that comes later is an old one, too.
    scene.snapshot.workers.push(worker(4, 0));
    scene.settle();
    assert_eq!(scene.allowed(), ["w4"]);
    let mut scene = Scene::of(2);
    scene.worker(1).pool = Pool::Dedicated;
    scene.worker(2).state = WorkerState::Busy;
    scene.settle();
    assert_eq!(scene.allowed(), ["w2"], "a person's own comes last");
}

#[test]
fn the_canary_is_an_idle_and_shared_worker_where_there_is_one() {
    let mut scene = Scene::of(4);
    scene.worker(1).state = WorkerState::Busy;
    scene.worker(2).pool = Pool::Dedicated;
    let third = scene.worker(3).id;
    scene.snapshot.leases.insert(third, 1);
    scene.settle();
    assert_eq!(scene.allowed(), ["w4"]);
}

#[test]
fn who_cannot_take_a_release_is_given_none() {
    let mut scene = Scene::of(9);
    scene.worker(1).member = Member::default();
    scene.worker(2).member.said = Said::Off;
    scene.takes(3, 2);
    scene.worker(4).drained = Some(NOON);
    scene.silent(5);
    scene.worker(6).last_seen = None;
    scene.worker(7).kind = WorkerKind::Orchestrator;
    scene.worker(8).state = WorkerState::Deprovisioned;
    scene.settle();
    assert_eq!(scene.allowed(), ["w9"]);
}

#[test]
fn without_a_worker_that_could_the_orchestrator_takes_it_at_once() {
    for workers in [Vec::new(), vec![worker(1, 3)]] {
        let mut scene = Scene::new(workers);
        scene.settle();
        assert_eq!(scene.plan().take, Some(release(1)));
        assert_eq!(scene.allowed(), Vec::<&str>::new());
    }
    let mut scene = Scene::of(1);
    scene.silent(1);
    assert_eq!((scene.settle().len(), scene.plan().take), (0, None));
    assert_eq!(scene.plan().notes.len(), 1);
    let mut scene = Scene::new([]);
    scene.snapshot.complete = false;
    assert_eq!((scene.settle().len(), scene.plan().take), (0, None));
}

#[test]
fn with_canaries_off_all_take_it_at_once() {
    let mut scene = Scene::of(50);
    scene.policy.canary = None;
    scene.settle();
    assert_eq!(scene.allowed().len(), 50);
    assert_eq!(scene.plan().take, Some(release(1)));
}

/// What a canary can do that says something against the release.
const FAILURES: [fn(&mut Scene, u128); 4] = [
    |scene, it| scene.worker(it).member.said = Said::Failed(release(1), "exit 1".to_owned()),
    |scene, it| {
        scene.takes(it, 1);
        scene.silent(it);
    },
    |scene, it| {
        scene.silent(it);
        scene.worker(it).state = WorkerState::Offline;
    },
    |scene, _| scene.pass(Span::mins(151)),
];

#[test]
fn a_release_that_two_workers_failed_with_is_refused_until_there_is_another() {
    for fail in FAILURES {
        let mut scene = Scene::of(3);
        scene.settle();
        fail(&mut scene, 1);
        scene.settle();
        assert_eq!((scene.allowed(), scene.refused()), (vec!["w2"], Vec::new()));
        fail(&mut scene, 2);
        scene.settle();
        assert_eq!(scene.allowed(), Vec::<&str>::new());
        let (said, why) = scene.refused().remove(0);
        assert!(
            said.contains("worker w1: ") && said.contains("worker w2: "),
            "{said}"
        );
        assert_eq!(why, Why::Failed);
        assert_eq!((scene.plan().take, scene.fleet().rollout), (None, None));
        scene.snapshot.offered = Some(Release::new("1.1.0", "ffffffffffff").unwrap());
        scene.settle();
        assert_eq!(scene.allowed().len(), 1);
    }
}

#[test]
fn one_worker_alone_refuses_nothing_that_another_does_well_with() {
    for fail in FAILURES {
        let mut scene = Scene::of(3);
        scene.settle();
        fail(&mut scene, 1);
        scene.settle();
        scene.takes(2, 1);
        scene.settle();
        scene.pass(Span::mins(10));
        scene.settle();
        assert_eq!(scene.plan().take, Some(release(1)));
        assert!(scene.allowed().contains(&"w3"), "{:?}", scene.allowed());
        assert!(
            scene
                .fleet()
                .rollout
                .unwrap()
                .doubt
                .unwrap()
                .said
                .contains("w1")
        );
    }
}

#[test]
fn nothing_is_refused_while_no_other_worker_may_be_asked() {
    let mut scene = Scene::of(2);
    scene.settle();
    scene.pause(true);
    FAILURES[0](&mut scene, 1);
    scene.settle();
    assert_eq!((scene.allowed(), scene.refused()), (Vec::new(), Vec::new()));
    scene.pause(false);
    scene.settle();
    assert_eq!((scene.allowed(), scene.refused()), (vec!["w2"], Vec::new()));
}

#[test]
fn the_only_worker_that_can_try_a_release_refuses_it_and_an_admin_lifts_that() {
    for fail in FAILURES {
        let mut scene = Scene::of(1);
        scene.settle();
        fail(&mut scene, 1);
        scene.settle();
        assert_eq!(scene.refused()[0].1, Why::Failed);
        scene.pass(Span::mins(600));
        assert_eq!(scene.settle(), Vec::<String>::new());
        let mut fleet = scene.fleet();
        fleet.lift(&release(1));
        scene.snapshot.row = Some((Etag::new("l"), fleet));
        scene.worker(1).member.said = Said::On;
        scene.worker(1).suspicion = None;
        scene.worker(1).state = WorkerState::Ready;
        scene.takes(1, 0);
        scene.pass(Span::mins(0));
        scene.settle();
        assert_eq!(scene.allowed(), ["w1"]);
    }
}

#[test]
fn a_doubted_release_is_refused_once_nobody_is_left_to_try_it() {
    let mut scene = Scene::of(2);
    scene.settle();
    FAILURES[0](&mut scene, 1);
    scene.settle();
    assert_eq!(scene.allowed(), ["w2"]);
    scene.worker(2).member.said = Said::Unable(release(1), "not here".to_owned());
    scene.settle();
    assert_eq!((scene.allowed(), scene.plan().take), (Vec::new(), None));
    assert_eq!(
        scene.refused()[0],
        ("worker w1: exit 1".to_owned(), Why::Failed)
    );
}

#[test]
fn a_canary_that_runs_it_and_goes_back_failed() {
    let mut scene = Scene::of(1);
    scene.settle();
    scene.takes(1, 1);
    scene.settle();
    scene.takes(1, 0);
    scene.settle();
    assert_eq!(
        scene.refused()[0].0,
        "worker w1: it went back to 1.0.0-0123456789ab"
    );
}

#[test]
fn a_canary_that_is_drained_stopped_or_cannot_have_it_is_replaced() {
    let leavings: [fn(&mut Scene); 4] = [
        |scene| scene.worker(1).drained = Some(NOON),
        |scene| {
            scene.worker(1).state = WorkerState::Offline;
            scene.pass(Span::mins(4));
        },
        |scene| scene.worker(1).member.said = Said::Unable(release(1), "not here".to_owned()),
        |scene| drop(scene.snapshot.workers.remove(0)),
    ];
    for leave in leavings {
        let mut scene = Scene::of(2);
        scene.settle();
        assert_eq!(scene.allowed(), ["w1"]);
        leave(&mut scene);
        scene.settle();
        assert_eq!(scene.allowed(), ["w2"]);
        assert_eq!(scene.refused(), []);
    }
}

#[test]
fn who_tries_a_release_may_keep_it_once_it_is_open_to_all_and_hears_so_once() {
    let mut scene = Scene::of(2);
    let open = |scene: &Scene| {
        let workers = scene.snapshot.workers.iter();
        let open: Vec<bool> = workers.map(|worker| worker.member.open).collect();
        open
    };
    scene.settle();
    scene.takes(1, 1);
    scene.settle();
    scene.pass(Span::mins(9));
    scene.settle();
    assert_eq!(open(&scene), [false, false], "on trial");
    scene.pass(Span::mins(1));
    scene.settle();
    // What is taken is asked for by its bare name, which programs of every version understand.
    assert_eq!(
        (open(&scene), scene.allowed()),
        (vec![true, false], vec!["w2"])
    );
    scene.takes(2, 1);
    scene.settle();
    assert_eq!(open(&scene), [true, true]);
    assert!(scene.plan().sets.is_empty() && !scene.plan().busy);
}

#[test]
fn a_release_that_is_refused_is_kept_by_nobody() {
    let mut scene = Scene::of(2);
    scene.settle();
    scene.takes(1, 1);
    scene.settle();
    scene.worker(1).state = WorkerState::Failed;
    scene.settle();
    scene.pass(Span::mins(20));
    scene.settle();
    assert!(scene.snapshot.workers.iter().all(|it| !it.member.open));
}

#[test]
fn workers_that_cannot_have_it_do_not_keep_it_from_others() {
    let mut scene = Scene::of(2);
    for number in 1..=2 {
        scene.settle();
        scene.worker(number).member.said = Said::Unable(release(1), "not here".to_owned());
    }
    scene.settle();
    assert_eq!(scene.plan().take, Some(release(1)));
    assert_eq!(scene.plan().notes.len(), 2);
    // They try again by themselves, and nobody waits for them.
    assert_eq!(scene.allowed(), ["w1", "w2"]);
    assert!(!scene.plan().busy);
}

#[test]
fn a_newer_release_starts_over_and_an_older_one_is_no_release() {
    let mut scene = Scene::of(3);
    scene.settle();
    scene.snapshot.offered = Some(release(2));
    scene.settle();
    let wanted: Vec<_> = scene
        .snapshot
        .workers
        .iter()
        .map(|it| it.member.allowed.clone())
        .collect();
    assert_eq!(wanted, [Some(release(2)), None, None]);
    scene.snapshot.offered = Some(release(1));
    assert_eq!(scene.settle(), Vec::<String>::new());
    // Another commit of the same version takes its place, and never the other way round.
    let other = Release::new("1.2.0", "ffffffffffff").unwrap();
    scene.snapshot.offered = Some(other.clone());
    scene.settle();
    assert_eq!(scene.fleet().rollout.unwrap().release, other);
    scene.snapshot.offered = Some(release(2));
    assert_eq!(scene.settle(), Vec::<String>::new());
    assert_eq!(scene.refused()[0].1, Why::Replaced);
    // Unless the branch still has it when all have looked again: then the other's view was the old one.
    scene.pass(Span::mins(60));
    scene.settle();
    assert_eq!(scene.fleet().rollout.unwrap().release, release(2));
    assert_eq!(scene.refused().len(), 1, "{:?}", scene.refused());
}

#[test]
fn a_pause_takes_back_what_was_not_taken_and_resuming_goes_on() {
    let mut scene = Scene::of(3);
    scene.settle();
    scene.pause(true);
    scene.settle();
    assert_eq!(scene.allowed(), Vec::<&str>::new());
    scene.pass(Span::mins(600));
    assert_eq!(scene.settle(), Vec::<String>::new());
    scene.pause(false);
    scene.settle();
    assert_eq!(scene.allowed(), ["w1"]);
    scene.takes(1, 1);
    scene.settle();
    scene.pass(Span::mins(10));
    scene.settle();
    assert_eq!(scene.allowed(), ["w2", "w3"]);
    scene.takes(2, 1);
    scene.pause(true);
    scene.settle();
    assert_eq!((scene.allowed(), scene.plan().take), (Vec::new(), None));
    scene.pause(false);
    scene.settle();
    assert_eq!(scene.allowed(), ["w3"]);
}

#[test]
fn a_canary_that_has_to_wait_for_its_agents_is_waited_for() {
    let mut scene = Scene::of(1);
    scene.settle();
    scene.worker(1).member.said = Said::Waiting(release(1), "1 agent runs".to_owned());
    scene.pass(Span::mins(600));
    assert_eq!(scene.settle(), Vec::<String>::new());
    // But not for ever, where another could try it.
    scene.snapshot.workers.push(worker(2, 0));
    scene.pass(Span::mins(24 * 60));
    scene.settle();
    assert_eq!((scene.allowed(), scene.refused()), (vec!["w2"], Vec::new()));
}

#[test]
fn a_worker_that_was_given_something_newer_by_hand_is_left_alone() {
    let mut scene = Scene::of(2);
    scene.settle();
    scene.takes(1, 3);
    scene.settle();
    assert_eq!(scene.allowed(), ["w2"]);
}
