//! The worker as the binary sees it: made, watched, run until told to stop.

use std::collections::HashSet;
use std::sync::Arc;

use shraga_core::ids::{Attempt, MirrorId};
use shraga_core::row::Table;
use shraga_core::status::WorkerState;
use shraga_core::time::{Span, Timestamp};
use shraga_core::worker::{Identity, Input, Limits, Machine, Report};
use shraga_dataverse::Client;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::clock::{Mark, StoreClock};
use crate::config::{Agent, Config};
use crate::driver::{Driver, Parts};
use crate::error::WorkerError;
use crate::folder::WorkerFolder;
use crate::keeper::{Keeper, Reports};
use crate::presence::{self, Offer, Presence};
use crate::sessions::Sessions;
use crate::status::Status;
use crate::survivors::{Survivor, Survivors, read_told};
use crate::trust::Trust;
use crate::workspace::Retention;
use crate::workspace::retention::Disk;
use crate::{wake, warmup};

/// News that wait for the driver, of all agents together. It takes them at once; more would only
/// hold more memory while it doesn't.
const NEWS_WAITING: usize = 64;

/// Least time between two batches of lines on Dataverse, whose requests are counted.
const LINES_DATAVERSE: Span = Span::secs(2);

/// The same on the embedded store, where somebody watches.
const LINES_EMBEDDED: Span = Span::millis(250);

/// Bytes of lines that become events, per attempt; all of them are in the attempt's folder. More
/// would make a chatty agent the store's largest writer.
const LINE_BYTES_PER_ATTEMPT: usize = 256 * 1024;

/// How a worker is told to stop, or to make way for the next process of it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Take nothing new, finish what runs (within the drain deadline).
    pub drain: CancellationToken,
    /// End now: agents are killed with their groups, their attempts reported as interrupted.
    pub now: CancellationToken,
    /// Take nothing new, and leave what runs to the next process of this worker.
    pub hand_over: CancellationToken,
    /// Take nothing new, let what runs finish however long it takes, and then hand over: for a process that could not
    /// go on with what runs. Taken back before that, it works on.
    pub hand_over_empty: Wish,
}

/// Something that is wished for, and may be taken back.
#[derive(Clone, Debug, Default)]
pub struct Wish(watch::Sender<bool>);

impl Wish {
    /// Wishes for it, or not any more.
    pub fn set(&self, wished: bool) {
        self.0.send_replace(wished);
    }

    /// Completes once it is wished for, or once it is not.
    pub async fn until(&self, wished: bool) {
        let mut now = self.0.subscribe();
        // It can't fail: the sender is here.
        let _ = now.wait_for(|now| *now == wished).await;
    }
}

/// How a worker left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It stopped: nothing of it runs any more.
    Stopped,
    /// It made way: the next process of its folder goes on with what runs.
    HandedOver,
}

/// A worker that hasn't been started.
#[derive(Debug)]
pub struct Worker {
    client: Client,
    config: Config,
    status: watch::Sender<Status>,
}

impl Worker {
    /// A worker with this configuration. Nothing happens yet.
    #[must_use]
    pub fn new(client: Client, config: Config) -> Self {
        let status = Status {
            worker: None,
            name: config.name.clone(),
            state: WorkerState::Provisioning,
            slots: config.slots,
            running: Vec::new(),
            unsent: 0,
            disk: Disk::default(),
            last_beat: None,
            reported: 0,
            allowed: None,
            trouble: None,
            turned: None,
            beaten: None,
            beat: config.beat,
        };
        Self {
            client,
            config,
            status: watch::Sender::new(status),
        }
    }

    /// What it shows of itself.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Registers, then claims, runs and reports until told to stop or to hand over.
    ///
    /// # Errors
    /// When it can't start, or another process took its place. A store that can't be reached later
    /// on is waited for.
    pub async fn run(self, stop: Stop) -> Result<Left, WorkerError> {
        check(&self.config)?;
        let begun = tokio::select! {
            begun = self.begin() => begun?,
            () = stop.drain.cancelled() => return Ok(Left::Stopped),
            () = stop.now.cancelled() => return Ok(Left::Stopped),
            () = stop.hand_over.cancelled() => return Ok(Left::HandedOver),
            () = stop.hand_over_empty.until(true) => return Ok(Left::HandedOver),
        };
        let woken = self
            .client
            .store_info()
            .await
            .is_ok_and(|info| info.is_some());
        let wake = Arc::new(wake::Wake::default());
        let listening = CancellationToken::new();
        let _listening = listening.clone().drop_guard();
        if woken {
            let client = self.client.clone();
            tokio::spawn(wake::listen(client, Arc::clone(&wake), listening));
        }
        let (sender, news) = mpsc::channel(NEWS_WAITING);
        let config = Arc::new(Config {
            slots: begun.presence.offer.slots,
            ..self.config
        });
        let root = begun.folder.root().to_owned();
        let offer = &begun.presence.offer;
        let holder = (offer.worker, offer.boot);
        let span =
            tracing::info_span!("worker", worker.id = %offer.worker, worker.name = offer.name);
        let told = read_told(&self.client, &begun.survivors).await;
        let resumed = told.iter().map(|(survivor, told)| survivor.resumed(told));
        let left = vec![
            Input::Restored(begun.restored),
            Input::Resumed(resumed.collect()),
        ];
        let clock = StoreClock::new(begun.now);
        let retention = Retention::start(&root, config.keeping, clock);
        let trust = Trust::new(woken, &config.trusts, begun.presence.offer.caller);
        let mut sessions = Sessions::new(Arc::clone(&config), root, sender, holder);
        sessions.expect(told);
        let driver = Driver::new(Parts {
            machine: machine(&begun.presence.offer, woken, has_events(&self.client)),
            trust,
            clock,
            sessions,
            client: self.client,
            config,
            presence: begun.presence,
            keeper: begun.keeper,
            retention,
            news,
            wake,
            status: self.status,
            stop,
            woken,
        });
        driver.run(left).instrument(span).await
    }

    /// Takes the folder and the row, in this order: who holds the folder knows who is dead. The row
    /// is written before anything slow, so that the first beat is never late.
    async fn begin(&self) -> Result<Begun, WorkerError> {
        let folder = WorkerFolder::open(&self.config.folder).await?;
        let (keeper, restored) = open_outbox(&folder);
        let mut survivors = Survivors::find(&folder, &keys_of(&restored));
        let boot = match folder.previous_boot() {
            Some(boot) if !survivors.attempts.is_empty() => boot,
            Some(_) | None => presence::new_boot(),
        };
        let noted = folder.note_boot(boot);
        noted.map_err(|error| WorkerError::Folder(Box::new(error)))?;
        let offer = Offer::make(&self.client, &self.config, boot).await?;
        let previous = folder.previous_boot();
        let (mut presence, now) = Presence::register(&self.client, offer, previous).await?;
        let offer = &presence.offer;
        tracing::info!(worker.id = %offer.worker, worker.name = offer.name, slots = offer.slots, "registered");
        self.status.send_modify(|status| {
            status.worker = Some(offer.worker);
            status.slots = offer.slots;
            status.allowed = presence.allowed().cloned();
            status.state = WorkerState::Ready;
            status.last_beat = Some(now);
            status.beaten = Some(Mark::now());
        });
        let slow = survivors.end_leftovers();
        let beat = self.config.beat;
        warmup::while_beating(&self.client, &mut presence, now, beat, slow).await;
        Ok(Begun {
            folder,
            presence,
            now,
            keeper,
            restored,
            survivors: survivors.attempts,
        })
    }
}

/// A worker that has its folder and its row. Dropping it frees the folder.
struct Begun {
    folder: WorkerFolder,
    presence: Presence,
    now: Timestamp,
    keeper: Keeper,
    restored: Vec<Report>,
    survivors: Vec<Survivor>,
}

fn check(config: &Config) -> Result<(), WorkerError> {
    let refuse = |text: String| Err(WorkerError::Config(text));
    if config.slots == 0 {
        return refuse("a worker needs at least one slot".to_owned());
    }
    if config.agents.is_empty() {
        return refuse("a worker needs at least one agent".to_owned());
    }
    if !config.agents.contains_key(&config.default_agent) {
        let agent = &config.default_agent;
        return refuse(format!("the default agent `{agent}` is not configured"));
    }
    if let Some(agent) = config.verifier.as_ref()
        && !config.agents.contains_key(agent)
    {
        return refuse(format!("the verifier `{agent}` is not configured"));
    }
    let runs = |agent: &Agent| matches!(agent, Agent::Command(_));
    if config.supervisor.is_empty() && config.agents.values().any(runs) {
        return refuse("a worker needs a program that looks after its agents".to_owned());
    }
    Ok(())
}

/// Opens the outbox, and hands what it holds to the machine. One that can't be used costs
/// durability, not work.
fn open_outbox(folder: &WorkerFolder) -> (Keeper, Vec<Report>) {
    let (outbox, found) = match Reports::open(&folder.outbox()) {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(%error, "reports can't be kept on disk; they will be sent directly");
            return (Keeper::new(None, &[]), Vec::new());
        }
    };
    for spoiled in &found.spoiled {
        let (path, why) = (spoiled.path.display(), &spoiled.why);
        tracing::error!(%path, why, "an unreadable report was kept aside");
    }
    let reports = found
        .entries
        .iter()
        .flat_map(|(_, reports)| reports.clone())
        .filter_map(|stored| match Report::try_from(stored) {
            Ok(report) => Some(report),
            Err(error) => {
                tracing::error!(%error, "a report in the outbox can't be understood; it stays there");
                None
            }
        })
        .collect();
    (Keeper::new(Some(outbox), &found.entries), reports)
}

fn keys_of(reports: &[Report]) -> HashSet<(MirrorId, Attempt)> {
    let keys = reports.iter().map(|report| (report.mirror, report.attempt));
    keys.collect()
}

/// Whether events can be written. Where they can't, a late result stays in the outbox, rather than
/// being taken for one that the store has.
fn has_events(client: &Client) -> bool {
    client.absent().has_table(Table::Events)
}

fn machine(offer: &Offer, embedded: bool, events: bool) -> Machine {
    let identity = Identity {
        worker: offer.worker,
        boot: offer.boot,
        name: offer.name.clone(),
    };
    let line_interval = match embedded {
        true => LINES_EMBEDDED,
        false => LINES_DATAVERSE,
    };
    Machine::new(
        identity,
        Limits {
            slots: offer.slots,
            line_interval,
            line_bytes_per_attempt: LINE_BYTES_PER_ATTEMPT,
            events,
        },
    )
}
