//! Stories against a service with Dataverse's limits, in time that is paused: what a burst of tasks and a quiet hour
//! cost. The tests hold their figures against the promises, `cargo xtask bench` prints them.
//!
//! The orchestrator and the worker are the shipped ones; the store is ours, behind limits as Dataverse has them,
//! without wake-ups, and every operation takes simulated time.

use std::path::Path;
use std::time::Duration;

use shraga_core::status::TaskStatus;
use shraga_dataverse::{Client, Pacing};
use shraga_orchestrator::{Config, Orchestrator, Status};
use shraga_testkit::double::Double;
use shraga_testkit::faults::Faults;
use shraga_testkit::limits::{Allowance, Limits, Tally};
use shraga_testkit::stage::{Person, Stage};
use shraga_worker::{Agent, Config as WorkerConfig, Left, Stop, Worker, WorkerError};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// People who file a burst together.
const PEOPLE: usize = 5;
/// Workers that a burst meets, and their slots: enough that the orchestrator is what takes time.
const WORKERS: usize = 10;
const SLOTS: u32 = 100;
/// How often a worker of a burst reports what it has done and takes what is new.
const TURN: Duration = Duration::from_secs(10);
/// How often a story looks whether it is over, in simulated time.
const LOOK: Duration = Duration::from_secs(5);
/// From the last task to the quiet hour.
const SETTLE: Duration = Duration::from_secs(300);
/// Tasks of an outage: enough for several turns of its worker.
const OUTAGE_TASKS: usize = 20;
const HOUR: Duration = Duration::from_secs(3600);
/// The whole of an identity's limits for one process.
pub(crate) const PACED: Pacing = Pacing::Dataverse { share_percent: 100 };
/// Simulated time after which a story is stuck.
const STUCK: Duration = Duration::from_secs(24 * 3600);

/// What a burst cost the orchestrator.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    /// What the service saw of the orchestrator until all were mirrored and assigned.
    pub(crate) tally: Tally,
    /// Requests for each task.
    pub(crate) requests_per_task: f64,
    /// Simulated seconds until then.
    pub(crate) seconds: f64,
    /// Rows that the largest tick held.
    pub(crate) most_rows: usize,
}

/// An orchestrator that runs.
struct Running {
    status: watch::Receiver<Status>,
    stop: CancellationToken,
    run: JoinHandle<()>,
}

impl Running {
    fn start(client: Client) -> Self {
        let stop = CancellationToken::new();
        let orchestrator = Orchestrator::new(client, Config::new("one"), stop.clone());
        let status = orchestrator.status();
        let run = tokio::spawn(async move {
            orchestrator
                .run()
                .await
                .expect("the store answers at the start");
        });
        Self { status, stop, run }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.run.await.expect("an orchestrator ends in order");
    }
}

/// Files `tasks` at once, with workers for all of them.
pub(crate) async fn burst(tasks: usize, pacing: Pacing, limits: &Limits) -> Burst {
    let stage = Stage::in_still_time().await;
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(stage.person(&format!("person{n}@example.com")).await);
    }
    let mut workers = Vec::new();
    for n in 0..WORKERS {
        workers.push(stage.shared_worker(&format!("worker {n}"), SLOTS).await);
    }
    file(&people, tasks).await;
    let began = Instant::now();
    let orchestrator = Running::start(stage.dataverse_client(pacing, limits, &Faults::new()));
    let working = tokio::spawn(work(workers));
    until(async || left(&stage).await == 0).await;
    let (tally, seconds) = (limits.tally(), began.elapsed().as_secs_f64());
    until(async || open(&stage).await == 0).await;
    working.abort();
    let most_rows = orchestrator.status.borrow().most_rows;
    orchestrator.stop().await;
    assert_eq!(unwell(&stage).await, 0, "every task ended well");
    Burst {
        tally,
        requests_per_task: tally.requests as f64 / tasks as f64,
        seconds,
        most_rows,
    }
}

/// What a quiet hour cost.
#[derive(Clone, Debug)]
pub(crate) struct QuietHour {
    /// Requests of the orchestrator.
    pub(crate) orchestrator: u64,
    /// Requests of the worker.
    pub(crate) worker: u64,
}

impl QuietHour {
    /// Requests of both.
    pub(crate) fn requests(&self) -> u64 {
        self.orchestrator + self.worker
    }
}

/// Lets an orchestrator and a worker do a few tasks, leaves them alone, and counts what they send in an hour.
pub(crate) async fn quiet_hour() -> QuietHour {
    let stage = Stage::in_still_time().await;
    let person = stage.person("person@example.com").await;
    let (ours, theirs) = (
        Limits::new(Allowance::DATAVERSE),
        Limits::new(Allowance::DATAVERSE),
    );
    let orchestrator = Running::start(stage.dataverse_client(PACED, &ours, &Faults::new()));
    let worker = AtWork::start(stage.dataverse_client(PACED, &theirs, &Faults::new()));
    person.files_many(3).await;
    until(async || stage.count_tasks(false, TaskStatus::Completed).await == 3).await;
    pass(SETTLE).await;
    let (before, began) = (ours.tally().requests, theirs.tally().requests);
    pass(HOUR).await;
    let hour = QuietHour {
        orchestrator: ours.tally().requests - before,
        worker: theirs.tally().requests - began,
    };
    worker.stop().await;
    orchestrator.stop().await;
    hour
}

/// What an hour without the service was like.
#[derive(Clone, Debug)]
pub(crate) struct HourDown {
    /// Requests that were tried, by an orchestrator and a worker together.
    pub(crate) requests: usize,
    /// Attempts that were taken away from the worker.
    pub(crate) reassigned: u64,
}

/// Takes the service away for an hour while tasks are assigned, claimed and running; all of them end well later.
pub(crate) async fn outage() -> HourDown {
    let stage = Stage::in_still_time().await;
    let person = stage.person("person@example.com").await;
    let (limits, faults) = (Limits::new(Allowance::DATAVERSE), Faults::new());
    let orchestrator = Running::start(stage.dataverse_client(PACED, &limits, &faults));
    let worker = AtWork::start(stage.dataverse_client(PACED, &limits, &faults));
    person.files_many(OUTAGE_TASKS).await;
    let some = async || {
        let running = stage.count_tasks(true, TaskStatus::Running).await;
        running > 0 && stage.count_tasks(false, TaskStatus::Completed).await > 0
    };
    until(some).await;
    faults.cut();
    let before = faults.carried();
    pass(HOUR).await;
    let requests = faults.carried() - before;
    faults.restore();
    let all = OUTAGE_TASKS as u64;
    until(async || stage.count_tasks(false, TaskStatus::Completed).await == all).await;
    let reassigned = stage.count_events("TaskReassigned").await;
    worker.stop().await;
    orchestrator.stop().await;
    HourDown {
        requests,
        reassigned,
    }
}

/// A worker that runs.
struct AtWork {
    stop: Stop,
    run: JoinHandle<Result<Left, WorkerError>>,
    _folder: TempDir,
}

impl AtWork {
    fn start(client: Client) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let stop = Stop::default();
        let worker = Worker::new(client, idle_worker(folder.path()));
        Self {
            run: tokio::spawn(worker.run(stop.clone())),
            stop,
            _folder: folder,
        }
    }

    async fn stop(self) {
        self.stop.drain.cancel();
        let ended = self.run.await.expect("a worker does not panic");
        ended.expect("a worker ends in order");
    }
}

/// A worker whose agent does nothing.
fn idle_worker(folder: &Path) -> WorkerConfig {
    let mut config = WorkerConfig::new("worker", folder);
    config.agents.insert("noop".to_owned(), Agent::Noop);
    "noop".clone_into(&mut config.default_agent);
    config
}

/// Tasks that have not been mirrored and assigned.
async fn left(stage: &Stage) -> u64 {
    stage.count_tasks(false, TaskStatus::Pending).await
        + stage.count_tasks(true, TaskStatus::Pending).await
}

/// Tasks that have not ended, or whose person has not been told.
async fn open(stage: &Stage) -> u64 {
    let mut open = left(stage).await + stage.count_tasks(false, TaskStatus::Queued).await;
    for mirrors in [false, true] {
        open += stage.count_tasks(mirrors, TaskStatus::Running).await;
    }
    open
}

/// Tasks that ended otherwise than completed.
async fn unwell(stage: &Stage) -> u64 {
    let mut unwell = 0;
    for status in [TaskStatus::Failed, TaskStatus::Canceled] {
        for mirrors in [false, true] {
            unwell += stage.count_tasks(mirrors, status).await;
        }
    }
    unwell
}

async fn file(people: &[Person], tasks: usize) {
    let each = tasks / people.len();
    for person in people {
        let mut left = each;
        while left > 0 {
            let now = left.min(500);
            person.files_many(now).await;
            left -= now;
        }
    }
}

/// Claims and ends what is assigned, for ever.
async fn work(workers: Vec<Double>) {
    let mut turns = interval(TURN);
    loop {
        turns.tick().await;
        for worker in &workers {
            worker.works().await;
        }
    }
}

/// Lets simulated time pass.
async fn pass(span: Duration) {
    sleep_until(Instant::now() + span).await;
}

/// Waits until `is_so`, in simulated time.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let stuck = Instant::now() + STUCK;
    let mut looks = interval(LOOK);
    while !is_so().await {
        assert!(Instant::now() < stuck, "nothing moves any more");
        looks.tick().await;
    }
}
