//! Releases on their way to workers: one first, the others after it; failures, pauses, two orchestrators.

use std::time::Duration;

use shraga_core::fleet::{Fleet, Pause, Rollout, Said, Stage as How, row_id};
use shraga_core::model::Worker;
use shraga_core::plan::fleet::{FleetPolicy, save};
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, workers};
use shraga_core::time::{Span, Timestamp};
use shraga_core::update::Release;
use shraga_dataverse::rows::{self, select};
use shraga_dataverse::{Client, OnRefusal, Outcome};
use shraga_orchestrator::{Config, Orchestrator, Rolling, roll_out};
use shraga_testkit::double::Double;
use shraga_testkit::faults::Faults;
use shraga_testkit::lesser::Lesser;
use shraga_testkit::stage::Stage;
use tokio_util::sync::CancellationToken;

/// Looks after which a roll-out must have come to rest.
const LOOKS_MAX: usize = 20;

fn release(version: &str) -> Release {
    Release::new(version, "0123456789abcdef").unwrap()
}

fn policy() -> FleetPolicy {
    FleetPolicy {
        order: shraga_update::order,
        canary: Some(Span::mins(10)),
        take_within: FleetPolicy::TAKE_WITHIN,
        ours: Some(release("1.0.0")),
    }
}

/// A store, an admin's client and three workers that run 1.0.0.
struct Fair {
    stage: Stage,
    client: Client,
    workers: Vec<Double>,
}

impl Fair {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let client = stage.admin_client(&Faults::new());
        let mut workers = Vec::new();
        for name in ["w1", "w2", "w3"] {
            workers.push(stage.shared_worker(name, 1).await);
        }
        let fair = Self {
            stage,
            client,
            workers,
        };
        for worker in 0..3 {
            fair.runs(worker, "1.0.0").await;
        }
        fair
    }

    async fn row(&self, worker: usize) -> Worker {
        let id = self.workers[worker].id.get();
        let row = self.client.get(Table::Workers, id, select::WORKER).await;
        rows::worker(&row.unwrap().unwrap()).unwrap()
    }

    /// A worker writes into its own row, with its own rights.
    async fn says(&self, worker: usize, cells: &[(Column, Value)]) -> bool {
        let etag = self.row(worker).await.etag;
        let worker = &self.workers[worker];
        let condition = Condition::Version(etag);
        let written = worker
            .client()
            .patch(Table::Workers, worker.id.get(), &condition, cells);
        written.await.is_ok()
    }

    async fn runs(&self, worker: usize, version: &str) {
        let cells = [
            (workers::VERSION, version.into()),
            (workers::RELEASE, release(version).to_string().into()),
            (workers::UPDATE_STATE, Said::On.to_string().into()),
        ];
        assert!(self.says(worker, &cells).await);
    }

    /// All workers beat; then it is looked at until nothing more is written.
    async fn rolls(&self, offered: &str) -> Rolling {
        let offered = release(offered);
        self.looks(&self.client, Some(&offered)).await
    }

    async fn looks(&self, client: &Client, offered: Option<&Release>) -> Rolling {
        for worker in &self.workers {
            assert!(worker.beats().await);
        }
        for _ in 0..LOOKS_MAX {
            let rolling = roll_out(client, &policy(), self.stage.admin, offered).await;
            if !rolling.wrote {
                return rolling;
            }
        }
        panic!("it never rests");
    }

    async fn allowed(&self) -> Vec<String> {
        let mut allowed = Vec::new();
        for worker in 0..3 {
            let row = self.row(worker).await;
            allowed.extend(row.member.outstanding().map(|_| row.name.clone()));
        }
        allowed
    }

    async fn pause(&self, paused: bool) {
        let row = self
            .client
            .get(Table::Workers, row_id().get(), select::FLEET);
        let row = row.await.unwrap().map(|row| rows::fleet(&row).unwrap());
        let (etag, mut fleet) = row.unzip();
        let fleet = fleet.get_or_insert_default();
        fleet.pause = paused.then(|| Pause {
            by: "ann".to_owned(),
            at: Timestamp::from_secs(1_790_000_000),
            why: None,
        });
        let set = ChangeSet {
            task: None,
            why: "the story".to_owned(),
            writes: vec![save(etag.as_ref(), fleet)],
        };
        let applied = self.client.apply(&[set], OnRefusal::Stop).await.unwrap();
        assert!(matches!(applied.outcomes[0], Outcome::Done(_)));
    }

    async fn canary(&self) -> usize {
        let allowed = self.allowed().await;
        let [name] = allowed.as_slice() else {
            panic!("one canary: {allowed:?}");
        };
        let mut names = ["w1", "w2", "w3"].iter();
        names.position(|it| it == name).unwrap()
    }
}

#[tokio::test]
async fn a_release_goes_to_one_worker_and_then_to_all() {
    let fair = Fair::new().await;
    let rolling = fair.rolls("1.1.0").await;
    assert!(rolling.busy && rolling.take.is_none());
    let canary = fair.canary().await;
    fair.runs(canary, "1.1.0").await;
    assert!(
        fair.rolls("1.1.0")
            .await
            .fleet
            .canary()
            .unwrap()
            .well
            .is_some()
    );
    fair.stage.clock.advance(9 * 60);
    assert_eq!(fair.rolls("1.1.0").await.take, None);
    assert_eq!(fair.allowed().await, Vec::<String>::new());
    fair.stage.clock.advance(60);
    let rolling = fair.rolls("1.1.0").await;
    assert_eq!(rolling.take, Some(release("1.1.0")));
    assert_eq!(fair.allowed().await.len(), 2);
    for worker in 0..3 {
        fair.runs(worker, "1.1.0").await;
    }
    assert!(!fair.rolls("1.1.0").await.busy);
}

#[tokio::test]
async fn a_worker_cannot_allow_itself_anything() {
    let fair = Fair::new().await;
    let cell = (workers::ALLOWED, release("9.0.0").to_string().into());
    assert!(!fair.says(0, &[cell]).await);
    let of_the_fleet = save(None, &Fleet::default());
    let set = ChangeSet {
        task: None,
        why: "the story".to_owned(),
        writes: vec![of_the_fleet],
    };
    let worker = fair.workers[0].client();
    let applied = worker.apply(&[set], OnRefusal::Stop).await.unwrap();
    assert!(matches!(applied.outcomes[0], Outcome::Refused(_)));
}

#[tokio::test]
async fn a_release_that_two_workers_fail_with_goes_to_nobody_else() {
    let fair = Fair::new().await;
    fair.rolls("1.1.0").await;
    let failed = Said::Failed(release("1.1.0"), "it starts and ends".to_owned());
    let cell = (workers::UPDATE_STATE, failed.to_string().into());
    let first = fair.canary().await;
    assert!(fair.says(first, std::slice::from_ref(&cell)).await);
    let rolling = fair.rolls("1.1.0").await;
    assert!(
        rolling.fleet.refused.is_empty(),
        "one worker's word is not enough"
    );
    let second = fair.canary().await;
    assert_ne!(first, second);
    assert!(fair.says(second, &[cell]).await);
    let rolling = fair.rolls("1.1.0").await;
    assert_eq!(fair.allowed().await, Vec::<String>::new());
    assert_eq!((rolling.take, rolling.busy), (None, false));
    assert!(rolling.fleet.refused[0].said.contains("it starts and ends"));
    fair.rolls("1.2.0").await;
    assert_eq!(fair.allowed().await.len(), 1);
}

#[tokio::test]
async fn a_pause_takes_back_what_nobody_took_yet_and_resuming_goes_on() {
    let fair = Fair::new().await;
    fair.pause(true).await;
    assert_eq!(fair.rolls("1.1.0").await.fleet.rollout, None);
    fair.pause(false).await;
    fair.rolls("1.1.0").await;
    let canary = fair.canary().await;
    fair.pause(true).await;
    fair.rolls("1.1.0").await;
    assert_eq!(fair.allowed().await, Vec::<String>::new());
    fair.pause(false).await;
    fair.rolls("1.1.0").await;
    assert_eq!(fair.canary().await, canary);
}

#[tokio::test]
async fn two_orchestrators_at_once_choose_one_worker() {
    let fair = Fair::new().await;
    let other = fair.stage.admin_client(&Faults::new());
    let offered = release("1.1.0");
    for worker in &fair.workers {
        assert!(worker.beats().await);
    }
    for _ in 0..LOOKS_MAX {
        let policy = policy();
        let (first, second) = tokio::join!(
            roll_out(&fair.client, &policy, fair.stage.admin, Some(&offered)),
            roll_out(&other, &policy, fair.stage.admin, Some(&offered)),
        );
        assert!(!(first.wrote && second.wrote), "both wrote");
        assert!(fair.allowed().await.len() <= 1);
    }
    fair.canary().await;
}

#[tokio::test]
async fn without_change_sets_each_orchestrator_is_left_to_itself() {
    let fair = Fair::new().await;
    let lesser = Lesser {
        no_change_sets: true,
        ..Lesser::default()
    };
    let client = fair.stage.admin_client_at(lesser, &Faults::new());
    let offered = release("1.1.0");
    // What the store can't do is learned from the first write.
    let mut rolling = Rolling::default();
    for _ in 0..LOOKS_MAX {
        rolling = roll_out(&client, &policy(), fair.stage.admin, Some(&offered)).await;
    }
    assert_eq!(rolling.take, Some(offered));
    assert_eq!(rolling.notes.len(), 1);
}

#[tokio::test]
async fn an_orchestrator_that_runs_shows_what_it_may_take() {
    let fair = Fair::new().await;
    let fleet = Fleet {
        rollout: Some(Rollout {
            release: release("1.1.0"),
            since: Timestamp::from_secs(1_790_000_000),
            stage: How::Open(Timestamp::from_secs(1_790_000_000)),
            doubt: None,
        }),
        ..Fleet::default()
    };
    let set = ChangeSet {
        task: None,
        why: "the story".to_owned(),
        writes: vec![save(None, &fleet)],
    };
    fair.client.apply(&[set], OnRefusal::Stop).await.unwrap();
    let token = CancellationToken::new();
    let config = Config {
        fleet: Some(policy()),
        ..Config::new("one")
    };
    let orchestrator = Orchestrator::new(fair.client.clone(), config, token.clone());
    let mut shown = orchestrator.fleet();
    let running = tokio::spawn(orchestrator.run());
    let taken = shown.wait_for(|rolling| rolling.take == Some(release("1.1.0")));
    let taken = tokio::time::timeout(Duration::from_secs(60), taken).await;
    assert!(taken.unwrap().is_ok());
    token.cancel();
    running.await.unwrap().unwrap();
}
