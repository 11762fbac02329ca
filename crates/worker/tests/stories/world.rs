//! A store with people and assignments in it, workers that can be started and killed, and what
//! stories ask of rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use shraga_core::audit::{self, Recorded};
use shraga_core::ids::{Attempt, Etag, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::{Lease, StreamHead};
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write, tasks};
use shraga_core::status::{EventKind, TaskStatus, WorkPhase};
use shraga_core::time::Timestamp;
use shraga_dataverse::rows::Event;
use shraga_dataverse::{Client, OnRefusal, Options, Outcome, rows, transport};
use shraga_local::http;
use shraga_local::ops::{Principal, Role, WorkerClaim};
use shraga_local::store::Store;
use shraga_process::supervise::{self, Record};
use shraga_testkit::faults::Faults;
use shraga_testkit::lesser::Lesser;
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::{OrderBy, Query};
use shraga_worker::{Agent, Command, Config, Left, Status, Stop, Worker, WorkerError};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Long enough that only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// The worker most stories have.
pub(crate) const WORKER: WorkerId = WorkerId::new(Uuid::from_u128(0xF0));

/// Not a story: what workers start to look after their agents.
#[test]
#[ignore = "workers of stories start it as their supervisor"]
fn supervisor_of_stories() {
    let _done = supervise::serve();
}

/// This test program as a supervisor.
fn supervisor() -> Vec<String> {
    let args = [
        "--ignored",
        "--exact",
        "world::supervisor_of_stories",
        "--nocapture",
    ];
    supervise::this_program(&std::env::current_exe().unwrap(), &args)
}

/// See the module.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    /// Between the workers and the store.
    pub(crate) faults: Faults,
    pub(crate) admin: Client,
    store: Store,
    owner: Uuid,
    person: UserId,
}

/// A mirror and the task it mirrors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) mirror: MirrorId,
    pub(crate) task: TaskId,
}

/// A worker that runs.
pub(crate) struct Started {
    handle: JoinHandle<Result<Left, WorkerError>>,
    pub(crate) stop: Stop,
    pub(crate) status: watch::Receiver<Status>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&folder.path().join("store"), shraga_wire::schema::shipped()).unwrap();
        let principal = |user| Principal {
            user,
            role: Role::Admin,
            worker: None,
            on_behalf_by: None,
            session: None,
        };
        let nobody = principal(Uuid::from_u128(1));
        let admin = store.ensure_user(&nobody, "admin@example.com").await;
        let owner = store
            .ensure_user(&nobody, "owner@example.com")
            .await
            .unwrap();
        let person = store.ensure_user(&nobody, "ada@example.com").await.unwrap();
        let admin = client(&store, principal(admin.unwrap()), None);
        Self {
            folder,
            faults: Faults::default(),
            admin,
            store,
            owner,
            person: UserId::new(person),
        }
    }

    /// A client as the worker `id` has it, with the faults in between.
    pub(crate) fn worker_client(&self, id: WorkerId, slots: i32) -> Client {
        let principal = Principal {
            user: self.owner,
            role: Role::Worker,
            worker: Some(WorkerClaim {
                id: id.get(),
                pool: "shared".to_owned(),
                slots,
                labels: String::new(),
            }),
            on_behalf_by: None,
            session: None,
        };
        client(&self.store, principal, Some(&self.faults))
    }

    /// A client of the owner's with an admin's rights, at the store made out to be a lesser one.
    pub(crate) fn client_at(&self, lesser: Lesser) -> Client {
        let principal = Principal {
            user: self.owner,
            role: Role::Admin,
            worker: None,
            on_behalf_by: None,
            session: None,
        };
        let server = transport::in_process(http::in_process(self.store.clone(), principal));
        let base = "http://127.0.0.1/".parse().unwrap();
        Client::new(Options::new(base, self.faults.wrap(lesser.wrap(server)))).unwrap()
    }

    /// Whose the workers are.
    pub(crate) fn owner(&self) -> UserId {
        UserId::new(self.owner)
    }

    /// The person whose tasks these are.
    pub(crate) fn person(&self) -> UserId {
        self.person
    }

    /// A client of the owner's with this role.
    pub(crate) fn client_as(&self, role: Role) -> Client {
        let principal = Principal {
            user: self.owner,
            role,
            worker: None,
            on_behalf_by: None,
            session: None,
        };
        client(&self.store, principal, Some(&self.faults))
    }

    /// A worker's configuration whose agent is this shell script.
    pub(crate) fn config(&self, name: &str, script: &str) -> Config {
        let command = Command {
            program: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec!["SHARED".to_owned()],
            timeout: None,
            ..Command::default()
        };
        let own = [
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("SHARED", self.folder.path().display().to_string()),
        ];
        Config {
            agents: BTreeMap::from([("sh".to_owned(), Agent::Command(Box::new(command)))]),
            default_agent: "sh".to_owned(),
            environment: BTreeMap::from(own.map(|(name, value)| (name.to_owned(), value))),
            version: "test".to_owned(),
            grace: Duration::from_millis(100),
            supervisor: supervisor(),
            ..Config::new(name, self.folder.path().join(name))
        }
    }

    /// Starts the usual worker with this agent.
    pub(crate) fn start(&self, script: &str) -> Started {
        self.start_as(WORKER, self.config("w", script))
    }

    pub(crate) fn start_as(&self, id: WorkerId, config: Config) -> Started {
        let slots = i32::try_from(config.slots).unwrap();
        self.start_with(self.worker_client(id, slots), config)
    }

    pub(crate) fn start_with(&self, client: Client, config: Config) -> Started {
        let worker = Worker::new(client, config);
        let (status, stop) = (worker.status(), Stop::default());
        let handle = tokio::spawn(worker.run(stop.clone()));
        Started {
            handle,
            stop,
            status,
        }
    }

    /// A path that all agents can name as `$SHARED/NAME`.
    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Assigns a new task to the usual worker, as the orchestrator would.
    pub(crate) async fn assign(&self, prompt: &str) -> Task {
        self.assign_to(WORKER, prompt).await
    }

    pub(crate) async fn assign_to(&self, worker: WorkerId, prompt: &str) -> Task {
        self.assign_with(worker, prompt, Value::Null).await
    }

    /// Assigns a task whose `cr_input` is `input`.
    pub(crate) async fn assign_wanting(&self, prompt: &str, input: &str) -> Task {
        self.assign_with(WORKER, prompt, input.into()).await
    }

    async fn assign_with(&self, worker: WorkerId, prompt: &str, input: Value) -> Task {
        let task = TaskId::new(Uuid::now_v7());
        let mirror = MirrorId::of(task, 0);
        let mut cells = assignment(worker, Attempt(1));
        cells.extend([
            (tasks::INPUT, input),
            (tasks::NAME, "a task".into()),
            (tasks::PROMPT, prompt.into()),
            (tasks::IS_MIRROR, true.into()),
            (tasks::MIRROR_OF, task.to_string().into()),
            (tasks::USER_ID, self.person.to_string().into()),
            (tasks::RANK, Timestamp::from_secs(1).into()),
            (tasks::DEVBOX, "shraga".into()),
        ]);
        self.write(mirror, Condition::Absent, cells).await;
        Task { mirror, task }
    }

    /// Gives the task's next attempt to `worker`, whatever became of the one before.
    pub(crate) async fn reassign(&self, task: Task, worker: WorkerId, attempt: u32) {
        self.change(task, assignment(worker, Attempt(attempt)))
            .await;
    }

    /// What sync writes when the person asks for the task to end.
    pub(crate) async fn cancel(&self, task: Task) {
        let status = Value::Int(TaskStatus::Canceling.code());
        self.change(task, vec![(tasks::STATUS, status)]).await;
    }

    /// Changes the mirror whatever its version is by then.
    pub(crate) async fn change(&self, task: Task, cells: Vec<(Column, Value)>) {
        loop {
            let row = self.admin.get(Table::Tasks, task.mirror.get(), &[]).await;
            let etag: Etag = row.unwrap().unwrap().etag().unwrap();
            let condition = Condition::Version(etag);
            let set = set(task.mirror, condition, cells.clone());
            let applied = self.admin.apply(&[set], OnRefusal::Stop).await.unwrap();
            if matches!(applied.outcomes[0], Outcome::Done(_)) {
                return;
            }
        }
    }

    async fn write(&self, mirror: MirrorId, condition: Condition, cells: Vec<(Column, Value)>) {
        let set = set(mirror, condition, cells);
        let applied = self.admin.apply(&[set], OnRefusal::Stop).await.unwrap();
        assert!(
            matches!(applied.outcomes[0], Outcome::Done(_)),
            "{:?}",
            applied.outcomes
        );
    }

    /// The mirror's row.
    pub(crate) async fn row(&self, task: Task) -> Map<String, Json> {
        let row = self.admin.get(Table::Tasks, task.mirror.get(), &[]).await;
        row.unwrap().unwrap().object().unwrap()
    }

    /// Waits until the mirror's row is as `wanted`; `what` names it when it never is.
    pub(crate) async fn until(
        &self,
        task: Task,
        what: &str,
        wanted: impl Fn(&Map<String, Json>) -> bool,
    ) -> Map<String, Json> {
        let wait = async {
            let mut since = self.admin.changes(None).await.unwrap().next;
            loop {
                let row = self.row(task).await;
                if wanted(&row) {
                    return row;
                }
                since = self.admin.changes(Some(since)).await.unwrap().next;
            }
        };
        match tokio::time::timeout(HANG, wait).await {
            Ok(row) => row,
            Err(_) => panic!("never {what}: {:#?}", self.row(task).await),
        }
    }

    pub(crate) async fn until_status(&self, task: Task, status: TaskStatus) -> Map<String, Json> {
        self.until(task, status.name(), |row| row["cr_status"] == status.code())
            .await
    }

    pub(crate) async fn until_claimed(&self, task: Task) -> Map<String, Json> {
        self.until(task, "claimed", |row| row["cr_workerstatus"] == "executing")
            .await
    }

    /// Waits until the worker has reported to the store all that is in its outbox.
    pub(crate) async fn until_event(&self, task: Task, kind: EventKind) -> Event {
        let wait = async {
            let mut since = self.admin.changes(None).await.unwrap().next;
            loop {
                let events = self.events(task).await;
                if let Some(event) = events.into_iter().find(|event| event.kind == Ok(kind)) {
                    return event;
                }
                since = self.admin.changes(Some(since)).await.unwrap().next;
            }
        };
        let waited = tokio::time::timeout(HANG, wait).await;
        waited.unwrap_or_else(|_| panic!("never an event {kind}"))
    }

    /// The task's events, stream by stream.
    pub(crate) async fn events(&self, task: Task) -> Vec<Event> {
        let query = Query {
            filter: Some(Filter::Compare(
                Operand::Column("cr_taskid".to_owned()),
                Comparison::Eq,
                Operand::Literal(Literal::Text(task.task.to_string())),
            )),
            order_by: ["cr_stream", "cr_sequence"]
                .map(|column| OrderBy {
                    column: column.to_owned(),
                    descending: false,
                })
                .to_vec(),
            ..Query::default()
        };
        let rows = self.admin.list(Table::Events, &query).await.unwrap();
        rows.iter().map(|row| rows::event(row).unwrap()).collect()
    }

    /// The lines of its agents that the store was told, in order.
    pub(crate) async fn told(&self, task: Task) -> Vec<String> {
        let events = self.events(task).await.into_iter();
        let said = events.filter(|event| event.kind == Ok(EventKind::AgentMessage));
        let contents = said.map(|event| serde_json::from_str(&event.content).unwrap());
        let lines = contents.flat_map(|content: Json| content["lines"].as_array().unwrap().clone());
        lines
            .map(|line| line.as_str().unwrap().to_owned())
            .collect()
    }

    /// What is recorded of the one agent of the worker `w` that runs, or ended unreported.
    pub(crate) fn record(&self) -> Record {
        Record::read(&self.record_path()).unwrap()
    }

    /// Where that is.
    pub(crate) fn record_path(&self) -> PathBuf {
        let all = std::fs::read_dir(self.shared("w").join("running")).unwrap();
        let mut paths: Vec<_> = all.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        });
        assert_eq!(paths.len(), 1, "{paths:?}");
        paths.remove(0)
    }

    /// Checks that every stream of the task is whole, and gives the kinds of all events.
    pub(crate) async fn checked_events(&self, task: Task) -> Vec<EventKind> {
        let events = self.events(task).await;
        let mut streams: BTreeMap<&str, Vec<Recorded>> = BTreeMap::new();
        for event in &events {
            streams.entry(&event.stream).or_default().push(Recorded {
                sequence: event.sequence,
                content: event.content.clone(),
                previous: event.previous_hash.clone(),
                hash: event.hash.clone(),
            });
        }
        for (stream, recorded) in &streams {
            if let Err(broken) = audit::verify(recorded, None::<&StreamHead>) {
                panic!("{stream}: {broken}");
            }
        }
        events
            .into_iter()
            .map(|event| event.kind.unwrap())
            .collect()
    }
}

impl Started {
    /// Waits until its status is as `wanted`.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) {
        let waited = tokio::time::timeout(HANG, self.status.wait_for(|status| wanted(status)));
        if waited.await.is_err() {
            panic!("the worker is never {what}: {:#?}", self.status.borrow());
        }
    }

    /// Kills it as `kill -9` would, as far as that can be done to a part of a process.
    pub(crate) async fn crash(self) {
        self.handle.abort();
        let _ = self.handle.await;
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn drain(self) {
        self.stop.drain.cancel();
        self.ended().await.unwrap();
    }

    /// Asks it to make way for the next process, and waits until it has.
    pub(crate) async fn hand_over(self) {
        self.stop.hand_over.cancel();
        assert_eq!(self.ended().await.unwrap(), Left::HandedOver);
    }

    /// Tells it to end at once and waits until it has.
    pub(crate) async fn end_now(self) {
        self.stop.now.cancel();
        self.ended().await.unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<Left, WorkerError> {
        let ended = tokio::time::timeout(HANG, self.handle).await;
        ended.expect("the worker never ends").unwrap()
    }
}

/// Waits until something outside the store is so; `what` names it when it never is.
pub(crate) async fn until_true(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(HANG, wait).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Waits until an agent has written its process id to `path`, and gives it.
pub(crate) async fn pid_in(path: &Path) -> u32 {
    let text = || std::fs::read_to_string(path).unwrap_or_default();
    until_true("the agent says its process id", || text().ends_with('\n')).await;
    text().trim().parse().unwrap()
}

/// Kills a process without warning.
pub(crate) fn kill(pid: u32) {
    let sent = std::process::Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Whether a process lives.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

fn client(store: &Store, principal: Principal, faults: Option<&Faults>) -> Client {
    let session = Uuid::now_v7();
    let inner = transport::in_process(http::in_process(
        store.clone(),
        Principal {
            session: Some(session),
            ..principal
        },
    ));
    let transport = match faults {
        Some(faults) => faults.wrap(inner),
        None => inner,
    };
    let base = "http://127.0.0.1/".parse().unwrap();
    let options = Options {
        session: Some(session),
        ..Options::new(base, transport)
    };
    Client::new(options).unwrap()
}

fn assignment(worker: WorkerId, attempt: Attempt) -> Vec<(Column, Value)> {
    let lease = Lease {
        worker,
        boot: None,
        attempt,
        since: Timestamp::from_secs(1),
    };
    vec![
        (tasks::STATUS, Value::Int(TaskStatus::Running.code())),
        (tasks::WORK_PHASE, WorkPhase::Assigned.as_str().into()),
        (tasks::ASSIGNED_WORKER, worker.to_string().into()),
        (tasks::LEASE, lease.to_json().into()),
        (tasks::ATTEMPT, i64::from(attempt.0).into()),
    ]
}

fn set(mirror: MirrorId, condition: Condition, cells: Vec<(Column, Value)>) -> ChangeSet {
    ChangeSet {
        task: None,
        why: "the story".to_owned(),
        writes: vec![Write {
            table: Table::Tasks,
            id: mirror.get(),
            condition,
            owner: None,
            cells,
        }],
    }
}
