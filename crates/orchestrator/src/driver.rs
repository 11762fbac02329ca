//! The driver: decides when which loops run, and nothing else.
//!
//! It owns all state; others read its status or cancel its token. Timers and wake-ups run the same
//! tick on freshly observed rows, so a lost wake-up costs latency only and the next tick is the retry.
//! A panic in a tick ends that tick; what was remembered is thrown away and a full pass begins.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use shraga_core::ids::{BootId, UserId};
use shraga_core::plan::Plan;
use shraga_core::time::Timestamp;
use shraga_dataverse::{Client, Error};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use uuid::Uuid;

use crate::batch::BatchSize;
use crate::census::Census;
use crate::clock::Moment;
use crate::config::Config;
use crate::consult::message;
use crate::courtesy::Courtesy;
use crate::fleet::{self, Roller, Rolling};
use crate::identity;
use crate::lookout;
use crate::machines::{self, Machines};
use crate::memory::Memory;
use crate::probe::Probe;
use crate::status::{Board, Phase, Reason, Status, StoreKind};
use crate::stopper::Stopper;
use crate::tell;
use crate::tick::{Engine, TickReport};
use crate::trouble;
use crate::update;
use crate::wiring::{LoopState, PerLoop, Wanted};

mod show;

/// Attempts to reach the store at the start.
const START_ATTEMPTS: usize = 2;

/// Wait between them. Longer delays the message of a mistyped address, shorter outruns a store
/// that is just starting.
const START_WAIT: Duration = Duration::from_secs(1);

/// Ticks in a row that follow each other although nothing was done, before the timer decides again:
/// two orchestrators that keep meeting at the same rows should not spin.
const FRUITLESS_MAX: u32 = 3;

/// Wait before the retry of a tick that could not observe, at first; doubles up to the period.
const TROUBLE_WAIT: Duration = Duration::from_secs(1);

/// The latest alarm that is set: whatever is due later is found by a timer before.
const ALARM_MAX: Duration = Duration::from_secs(3600);

/// How long requests under way at providers of machines are awaited before another process takes over. They have
/// deadlines of their own; one that hangs is seen in the rows by the next process, and asked again.
const REQUESTS_MAX: Duration = Duration::from_secs(60);

/// How long handing the lease back may take: it runs out by itself in 30 s.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// When the next tick is.
enum Next {
    /// Now, for these loops.
    AtOnce(Wanted),
    /// Then, or at a wake-up.
    At(Moment),
}

/// The orchestrator.
#[derive(Debug)]
pub struct Orchestrator {
    client: Client,
    config: Config,
    /// Told from outside, to end for good.
    told: Stopper,
    /// Ends the ticks: told from outside, or to hand over.
    stopper: Stopper,
    board: Board,
    newer: watch::Sender<Option<shraga_update::Found>>,
    machines: watch::Sender<Machines>,
    fleet: watch::Sender<Rolling>,
    boot: BootId,
    engine: Option<Engine>,
    loops: PerLoop<LoopState>,
    alarm: Option<Moment>,
    fruitless: u32,
    trouble_wait: Duration,
    /// Ticks begun, the ones in vain included.
    ticked: u64,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store could not be reached or did not accept us at the start.
    #[error("the store cannot be used")]
    Store(#[source] Error),
    /// Work was left when the time for a run until idle was over.
    #[error("there was still work after {}s", .0.as_secs())]
    Deadline(Duration),
    /// Open tasks have another admin's mirrors, so nothing was begun in a run until idle.
    #[error(
        "nothing was begun: open tasks here are seen to by another admin, {theirs}, and {waiting} tasks wait for that to end"
    )]
    AnotherAdmin {
        /// Whose mirrors they have.
        theirs: UserId,
        /// Tasks that were seen to wait for it.
        waiting: usize,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It stopped.
    Stopped,
    /// It made way for another process.
    HandedOver,
}

/// What a run until idle did.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// Ticks it took.
    pub ticks: u64,
    /// Change sets done.
    pub done: u64,
    /// Rows the store refused for good, with its words.
    pub refused: Vec<String>,
}

impl Orchestrator {
    /// An orchestrator that works through `client` until `token` is cancelled. Nothing is sent yet.
    #[must_use]
    pub fn new(client: Client, config: Config, token: CancellationToken) -> Self {
        let told = Stopper::new(token);
        Self {
            loops: PerLoop::starting(config.period_idle),
            boot: config.boot.unwrap_or_else(|| BootId::new(Uuid::now_v7())),
            client,
            config,
            stopper: told.child(),
            told,
            board: Board::new(),
            newer: watch::Sender::default(),
            machines: watch::Sender::default(),
            fleet: watch::Sender::default(),
            engine: None,
            alarm: None,
            fruitless: 0,
            trouble_wait: TROUBLE_WAIT,
            ticked: 0,
        }
    }

    /// What it says of itself, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.board.reader()
    }

    /// What the last check for a newer version found, now and later. Checked while it runs.
    #[must_use]
    pub fn newer(&self) -> watch::Receiver<Option<shraga_update::Found>> {
        self.newer.subscribe()
    }

    /// Machines as last looked at, now and later. Looked at while it runs.
    #[must_use]
    pub fn machines(&self) -> watch::Receiver<Machines> {
        self.machines.subscribe()
    }

    /// What is rolled out, as last looked at, now and later: also which release this process may take itself.
    #[must_use]
    pub fn fleet(&self) -> watch::Receiver<Rolling> {
        self.fleet.subscribe()
    }

    /// Runs until the token is cancelled or it is to hand over, then ends what it applies and hands its lease back.
    ///
    /// # Errors
    /// [`RunError::Store`] when the store could not be used at the start. Later trouble never ends it.
    pub async fn run(mut self) -> Result<Left, RunError> {
        let (hand_over, ticks) = (self.config.hand_over.clone(), self.stopper.clone());
        let _watch = AbortOnDropHandle::new(tokio::spawn(async move {
            hand_over.cancelled().await;
            tracing::info!("handing over: this tick is the last");
            ticks.stop();
        }));
        let outcome = self.drive().await;
        self.board.post(|status| status.phase = Phase::Stopped);
        outcome?;
        Ok(match self.hands_over() {
            true => Left::HandedOver,
            false => Left::Stopped,
        })
    }

    /// Whether it ends for another process to take its place, and not for good.
    fn hands_over(&self) -> bool {
        self.stopper.stopping() && !self.told.stopping()
    }

    /// One tick of all loops.
    ///
    /// # Errors
    /// Why the store could not be read.
    pub async fn tick_once(&mut self) -> Result<TickReport, Error> {
        self.tick(Wanted::all(Reason::Asked)).await
    }

    /// Ticks until nothing is planned and nothing is left over (`orchestrate --once`).
    ///
    /// # Errors
    /// [`RunError::Store`] when the store cannot be used; [`RunError::Deadline`] after
    /// [`Config::once_deadline`]; [`RunError::AnotherAdmin`] when it did nothing beside another one.
    pub async fn run_until_idle(&mut self) -> Result<Finished, RunError> {
        let deadline = Moment::now().plus(self.config.once_deadline);
        let mut finished = Finished::default();
        self.reach().await?;
        loop {
            let report = self.tick_once().await.map_err(RunError::Store)?;
            finished.ticks += 1;
            finished.done += report.counts.done;
            finished.refused.extend(report.refused.iter().cloned());
            if !report.again && report.counts.planned == 0 {
                if self.board.reader().borrow().identity.is_none() {
                    self.client.who_am_i().await.map_err(RunError::Store)?;
                    continue;
                }
                self.release().await;
                return match report.another_admin {
                    Some(theirs) => Err(RunError::AnotherAdmin {
                        theirs,
                        waiting: report.held_back(),
                    }),
                    None => Ok(finished),
                };
            }
            if deadline.passed() || self.stopper.stopping() {
                return Err(RunError::Deadline(self.config.once_deadline));
            }
        }
    }

    /// What would be done now. Writes nothing.
    ///
    /// # Errors
    /// Why the store could not be read.
    pub async fn plan_only(&mut self) -> Result<Vec<Plan>, Error> {
        let planned = self.engine().await?.plan_all().await?;
        Ok(planned)
    }

    async fn drive(&mut self) -> Result<(), RunError> {
        self.reach().await?;
        // What is below the ticks may end what it is at when it hands over, and ends at once when it is told to.
        let below = self.told.child();
        let looks = self.look_after_parts(&below);
        let mut wake_ups = self.look_out(&below).await;
        let mut wanted = Wanted::all(Reason::Start);
        while !self.stopper.stopping() {
            let (grace, stopper) = (self.config.drain, self.stopper.clone());
            let Ok(next) = stopper.drain(grace, self.activate(wanted)).await else {
                tracing::warn!("a tick was cut short: it did not end within the drain deadline");
                break;
            };
            wanted = match next {
                Next::AtOnce(again) => again,
                Next::At(moment) => self.sleep_until(moment, &mut wake_ups).await,
            };
            while let Some(Ok(more)) = wake_ups.as_mut().map(mpsc::Receiver::try_recv) {
                wanted = wanted.or(more);
            }
        }
        self.board.post(|status| status.phase = Phase::Draining);
        if self.hands_over() {
            // Nothing is asked twice, and nobody's machine is said to have stopped.
            let ended = self.told.unless_stopped(join_all(looks));
            if tokio::time::timeout(REQUESTS_MAX, ended).await.is_err() {
                tracing::warn!("a provider of machines does not answer; it is asked again later");
            }
            below.stop();
        } else {
            below.stop();
            let (settings, status) = (&self.config.machines, self.board.reader());
            machines::close(&self.client, settings, &status, &self.machines).await;
        }
        self.release().await;
        Ok(())
    }

    /// Starts what it can do without: each in a task of its own, so that none keeps a tick waiting. Those that look
    /// after machines end between two looks once ticks end, and are handed back.
    fn look_after_parts(&self, below: &Stopper) -> Vec<JoinHandle<()>> {
        if let Some(update) = self.config.update.clone() {
            update::start(update, self.newer.clone(), below.clone());
        }
        if let Some(policy) = self.config.fleet.clone() {
            let (client, newer, status) = (self.client.clone(), self.newer(), self.status());
            let roller = Roller {
                client,
                policy,
                newer,
                status,
                board: self.fleet.clone(),
            };
            fleet::start(roller, below.clone());
        }
        let (settings, status) = (&self.config.machines, self.board.reader());
        let until = (below, &self.stopper);
        machines::start(&self.client, settings, &status, &self.machines, until)
    }

    /// Starts to look out for wake-ups, before the first tick reads, so that nothing falls between.
    async fn look_out(&mut self, below: &Stopper) -> Option<mpsc::Receiver<Wanted>> {
        let embedded = self.engine.as_ref().map(|engine| engine.store) == Some(StoreKind::Embedded);
        if !embedded {
            return None;
        }
        let since = match self.client.changes(None).await {
            Ok(changes) => Some(changes.next),
            Err(error) => {
                tracing::warn!(
                    kind = error.kind(),
                    "no wake-ups yet: {}",
                    trouble::words(&error)
                );
                None
            }
        };
        Some(lookout::start(self.client.clone(), since, below.clone()))
    }

    /// Waits for a wake-up or `moment`; what is wanted then.
    async fn sleep_until(
        &mut self,
        moment: Moment,
        wake_ups: &mut Option<mpsc::Receiver<Wanted>>,
    ) -> Wanted {
        let woken = async {
            match wake_ups {
                Some(wake_ups) => wake_ups.recv().await,
                None => None,
            }
        };
        tokio::select! {
            biased;
            // A closed channel is no wake-up: the timer decides.
            Some(woken) = woken => woken,
            Ok(()) = self.config.legacy_workers.changed() => {
                let workers = self.config.legacy_workers.borrow().len();
                tracing::info!("the state file names {workers} workers now");
                Wanted::all(Reason::Asked)
            }
            _stopped = self.stopper.wait(moment.until()) => self.due(),
        }
    }

    /// What the passed timers want.
    fn due(&self) -> Wanted {
        let mut wanted = self.loops.due();
        if self.alarm.is_some_and(Moment::passed) {
            wanted = wanted.or(Wanted::all(Reason::Timer));
        }
        let memory = self.engine.as_ref().map(|engine| &engine.memory);
        if memory
            .and_then(Memory::next_others)
            .is_some_and(Moment::passed)
        {
            wanted.assign = wanted.assign.or(Some(Reason::Timer));
        }
        if memory
            .and_then(Memory::next_progress)
            .is_some_and(Moment::passed)
        {
            wanted.sync = wanted.sync.or(Some(Reason::Timer));
        }
        wanted
    }

    /// One tick that neither an error nor a panic gets out of, and when the next is due.
    async fn activate(&mut self, wanted: Wanted) -> Next {
        if wanted.is_empty() {
            return Next::At(self.next_timer());
        }
        let ticked = AssertUnwindSafe(self.tick(wanted)).catch_unwind().await;
        match ticked {
            Ok(Ok(report)) => self.after(wanted, &report),
            Ok(Err(_shown)) => {
                self.trouble_wait = (self.trouble_wait * 2).min(self.config.period_open);
                let retry = Moment::now().plus(self.trouble_wait);
                self.loops.as_mut().map(|each| each.due = retry);
                Next::At(retry)
            }
            Err(panic) => {
                self.recover(wanted, &message(panic.as_ref()));
                Next::At(self.next_timer())
            }
        }
    }

    /// When the tick after a good one is due.
    fn after(&mut self, wanted: Wanted, report: &TickReport) -> Next {
        self.trouble_wait = TROUBLE_WAIT;
        let period = match report.open {
            true => self.config.period_open,
            false => self.config.period_idle,
        };
        let next = Moment::now().plus(period);
        self.loops.as_mut().zip(wanted).map(|(each, ran)| {
            each.shown.period = period;
            if ran.is_some() {
                each.due = next;
            }
        });
        // What an earlier tick of other loops waits for still counts.
        let earlier = self.alarm.filter(|alarm| !alarm.passed());
        let due = report.due.map(|due| ahead(due, report.now));
        let due = due.map(|ahead| Moment::now().plus(ahead));
        self.alarm = [earlier, due].into_iter().flatten().min();
        let fruitful = report.counts.done > 0 || report.left_over;
        self.fruitless = if fruitful { 0 } else { self.fruitless + 1 };
        if report.again && self.fruitless <= FRUITLESS_MAX {
            return Next::AtOnce(self.follow_up(wanted));
        }
        Next::At(self.next_timer())
    }

    /// The loops of the tick that follows one that wrote: the same, and those it made room for.
    fn follow_up(&self, ran: Wanted) -> Wanted {
        let passing = |engine: &Engine| engine.memory.pass.is_some();
        let again = Some(Reason::Wrote);
        Wanted {
            repair: self
                .engine
                .as_ref()
                .is_some_and(passing)
                .then_some(Reason::FullPass),
            mirror: again,
            assign: again,
            ..ran.map(|ran| ran.and(again))
        }
    }

    fn next_timer(&self) -> Moment {
        let memory = self.engine.as_ref().map(|engine| &engine.memory);
        let progress = memory.and_then(Memory::next_progress);
        let others = memory.and_then(Memory::next_others);
        let alarms = [self.alarm, progress, others].into_iter().flatten();
        alarms.fold(self.loops.next_due(), Moment::min)
    }

    async fn tick(&mut self, wanted: Wanted) -> Result<TickReport, Error> {
        self.ticked += 1;
        let span = tracing::info_span!("tick", tick = self.ticked);
        self.tick_inside(wanted).instrument(span).await
    }

    async fn tick_inside(&mut self, wanted: Wanted) -> Result<TickReport, Error> {
        self.board.turn();
        let begun = Moment::now();
        let ticked = match self.engine().await {
            Ok(engine) => engine.tick(wanted).await,
            Err(error) => Err(error),
        };
        let took = begun.elapsed();
        match &ticked {
            Ok(report) => self.show(wanted, report, took),
            Err(error) => self.show_trouble(wanted, error),
        }
        self.board.turn();
        tell::ticked(&ticked, took);
        ticked
    }

    /// Hands the courtesy lease back, so that another needn't wait for it to run out.
    async fn release(&mut self) {
        let Some(engine) = &self.engine else {
            return;
        };
        let released = tokio::time::timeout(RELEASE_MAX, engine.release()).await;
        match released {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %error, "the lease runs out by itself"),
            Err(_elapsed) => tracing::debug!("the lease runs out by itself"),
        }
    }

    /// Makes sure that the store can be used, with the attempts of a start.
    async fn reach(&mut self) -> Result<(), RunError> {
        let mut left = START_ATTEMPTS;
        loop {
            left -= 1;
            match self.engine().await {
                Ok(_) => return Ok(()),
                Err(error) if left == 0 || !error.is_transient() => {
                    return Err(RunError::Store(error));
                }
                Err(error) => {
                    let words = trouble::words(&error);
                    tracing::warn!(kind = error.kind(), "asking once more: {words}");
                    if self.stopper.wait(START_WAIT).await.is_err() {
                        return Err(RunError::Store(error));
                    }
                }
            }
        }
    }

    /// What ticks are made with; asks the store who we are the first time.
    async fn engine(&mut self) -> Result<&mut Engine, Error> {
        if self.engine.is_none() {
            self.engine = Some(self.meet_the_store().await?);
        }
        // Filled just above; `get_or_insert_with` can't await.
        let engine = self.engine.as_mut().ok_or(Error::NotReached)?;
        if engine.admin.is_none() {
            engine.admin = identity::ask(&self.client, &self.board).await?;
            if let Some(admin) = engine.admin {
                identity::introduce(admin, self.config.admin_user, &self.board);
            }
        }
        Ok(engine)
    }

    async fn meet_the_store(&self) -> Result<Engine, Error> {
        let store = match self.client.store_info().await? {
            Some(_) => StoreKind::Embedded,
            None => StoreKind::Dataverse,
        };
        let legacy = !self.config.legacy_workers.borrow().is_empty();
        self.board.post(|status| {
            status.phase = Phase::Running;
            status.store = Some(store);
        });
        Ok(Engine {
            client: self.client.clone(),
            config: self.config.clone(),
            store,
            admin: None,
            memory: Memory::new(store == StoreKind::Dataverse || legacy),
            batch: BatchSize::default(),
            courtesy: Courtesy::new(self.boot, &self.config.name),
            probe: Probe::default(),
            census: Census::default(),
            board: self.board.clone(),
            stopper: self.stopper.clone(),
        })
    }
}

/// How long it is from the store's `now` until `due`; the store tells whole seconds, so one more.
pub(crate) fn ahead(due: Timestamp, now: Timestamp) -> Duration {
    let ahead = due.since(now).as_millis().max(0).unsigned_abs();
    Duration::from_millis(ahead).min(ALARM_MAX)
}
