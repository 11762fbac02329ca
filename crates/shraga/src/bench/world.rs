//! The system under measurement: store, orchestrator, workers with an agent that does nothing, and a
//! person who files tasks.

use shraga_core::ids::UserId;
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::{Client, OnRefusal, Outcome};
use shraga_orchestrator::machines;
use shraga_worker::{Agent, Status, Worker};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::meter::Meter;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::roles::folder::{self, Folder};
use crate::roles::{local, orchestrator, worker};

/// The name of the agent that does nothing.
const NOOP: &str = "noop";

/// A running system.
pub(super) struct World {
    /// The person, counted.
    pub(super) person: Client,
    /// The admin, not counted: for looking.
    pub(super) admin: Client,
    /// Who files.
    pub(super) me: UserId,
    /// What passes between all clients and the store.
    pub(super) meter: Meter,
    workers: Vec<watch::Receiver<Status>>,
    roles: JoinSet<Result<(), Failure>>,
    drain: CancellationToken,
    halt: CancellationToken,
}

impl World {
    pub(super) async fn start(config: &Config, workers: u32, slots: u32) -> Result<Self, Failure> {
        let folder = folder::open(&config.store.data, "bench").await?;
        let meter = Meter::new();
        let drain = CancellationToken::new();
        let halt = CancellationToken::new();
        let admin = || local::transport(&folder.store, folder.admin.clone());
        let person = local::transport(&folder.store, folder.person.clone());
        let mut roles = JoinSet::new();
        let client = local::client(config, meter.around(admin()))?;
        let machines = machines::Settings::default();
        let orchestrator =
            orchestrator::make_local(client, config, &folder, machines, halt.clone(), None);
        roles.spawn(async move { Ok(orchestrator.run().await.map(drop)?) });
        let mut receivers = Vec::new();
        for number in 1..=workers {
            let worker = noop_worker(config, &folder, &meter, number, slots)?;
            receivers.push(worker.status());
            let stop = shraga_worker::Stop {
                drain: drain.clone(),
                ..shraga_worker::Stop::default()
            };
            roles.spawn(async move { Ok(worker.run(stop).await.map(drop)?) });
        }
        Ok(Self {
            person: local::client(config, meter.around(person))?,
            admin: local::client(config, admin())?,
            me: UserId::new(folder.person.user),
            meter,
            workers: receivers,
            roles,
            drain,
            halt,
        })
    }

    /// How many attempts workers have reported.
    pub(super) fn reported(&self) -> u64 {
        self.workers
            .iter()
            .map(|status| status.borrow().reported)
            .sum()
    }

    /// Files `count` tasks in one request; `extra` cells go into each.
    pub(super) async fn file(&self, count: u32, extra: &[(Column, Value)]) -> Result<(), Failure> {
        let sets: Vec<_> = (0..count).map(|number| task(number, extra)).collect();
        let applied = self.person.apply(&sets, OnRefusal::Continue).await?;
        let refused = applied
            .outcomes
            .iter()
            .find(|outcome| !matches!(outcome, Outcome::Done(_)));
        match refused {
            None => Ok(()),
            Some(outcome) => Err(Failure::new(
                Exit::Failed,
                format!("a task was not filed: {outcome:?}"),
            )),
        }
    }

    /// Ends workers, then the orchestrator.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        self.drain.cancel();
        self.halt.cancel();
        while let Some(ended) = self.roles.join_next().await {
            ended.map_err(|error| Failure::from_error(Exit::Failed, error))??;
        }
        Ok(())
    }
}

fn noop_worker(
    config: &Config,
    folder: &Folder,
    meter: &Meter,
    number: u32,
    slots: u32,
) -> Result<Worker, Failure> {
    let name = format!("bench-{number}");
    let mut who = local::worker_principal(&folder.person, &name, config);
    if let Some(claim) = &mut who.worker {
        claim.slots = i32::try_from(slots).unwrap_or(i32::MAX);
    }
    let client = local::client(config, meter.around(local::transport(&folder.store, who)))?;
    let place = worker::folder_of(config, &folder.path, &name);
    let mut settings = worker::settings(config, &name, place);
    settings.slots = slots;
    settings.agents = [(NOOP.to_owned(), Agent::Noop)].into();
    NOOP.clone_into(&mut settings.default_agent);
    Ok(Worker::new(client, settings))
}

fn task(number: u32, extra: &[(Column, Value)]) -> ChangeSet {
    let mut cells = vec![
        (tasks::NAME, format!("bench {number}").into()),
        (tasks::PROMPT, "do nothing".into()),
        (tasks::STATUS, TaskStatus::Pending.code().into()),
    ];
    cells.extend_from_slice(extra);
    ChangeSet {
        task: None,
        why: "filed by the bench".to_owned(),
        writes: vec![Write {
            table: Table::Tasks,
            id: Uuid::now_v7(),
            condition: Condition::Absent,
            owner: None,
            cells,
        }],
    }
}
