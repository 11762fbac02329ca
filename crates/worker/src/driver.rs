//! The driver: performs what core's machine decides, and tells it what happened.
//!
//! One task owns all state. It waits for the next [`Event`], hands it to the machine as an input,
//! performs the effects, and starts what may run beside it: one look, [`SENDING`] batches of writes,
//! one job on the outbox, and the agents. Everything those say comes back as an event. No decision
//! about a task is made here; what the driver decides is when to look, to beat, and to leave.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use shraga_core::fleet::Said;
use shraga_core::ids::{BootId, MirrorId};
use shraga_core::status::WorkerState;
use shraga_core::worker::{Answer, Effect, Fate, Finish, Input, Machine, StopCause, Ticket};
use shraga_dataverse::{Client, Error};
use tokio::sync::{mpsc, watch};

use crate::attempt::{Interruption, News};
use crate::clock::{Due, Mark, StoreClock};
use crate::config::Config;
use crate::error::WorkerError;
use crate::keeper::Keeper;
use crate::look::{Inspected, Looked};
use crate::presence::Presence;
use crate::send::{self, BATCH_WRITES, Posted, Sent};
use crate::sessions::Sessions;
use crate::status::Status;
use crate::tell;
use crate::trust::Trust;
use crate::wake::Wake;
use crate::worker::{Left, Stop};
use crate::workspace::Retention;

mod asking;
mod hand_over;
mod leave;

use leave::Leaving;

/// Batches of writes in flight at once: one is encoded while the store commits the other.
const SENDING: usize = 2;

/// News taken in one go before writes are sent. More would let a flood of lines delay them.
const NEWS_AT_ONCE: usize = 256;

/// First wait after the store failed; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest wait after the store failed. Longer would be slower than health's patience.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Least time between two ticks of the machine, in case its clock and ours differ by a hair.
const LEAST_TICK: Duration = Duration::from_millis(2);

/// Something that happened.
enum Event {
    News(News),
    Looked(Box<Looked>),
    Inspected(Inspected),
    Sent(Sent),
    Kept(Vec<MirrorId>),
    Wake,
    OwnRow,
    Room,
    BeatDue,
    LookDue,
    Tick,
    Drain,
    Now,
    Interrupt,
    Leave,
    HandOver,
    HandOverEmpty,
    StayOn,
    Stand,
}

/// See the module.
pub(crate) struct Driver {
    client: Client,
    config: Arc<Config>,
    machine: Machine,
    trust: Trust,
    clock: StoreClock,
    presence: Presence,
    keeper: Keeper,
    retention: Retention,
    sessions: Sessions,
    news: mpsc::Receiver<News>,
    wake: Arc<Wake>,
    status: watch::Sender<Status>,
    stop: Stop,
    outgoing: VecDeque<Posted>,
    sending: FuturesUnordered<BoxFuture<'static, Sent>>,
    looking: Option<BoxFuture<'static, Looked>>,
    inspecting: Option<BoxFuture<'static, Inspected>>,
    to_inspect: Vec<MirrorId>,
    /// Mirrors that could not be understood: read again with the next beat.
    unread: Vec<MirrorId>,
    look_wanted: bool,
    /// Whether the next look reads the own row too.
    row_wanted: bool,
    beat_wanted: bool,
    beat_due: Due,
    look_due: Option<Due>,
    last_look: Option<Mark>,
    /// A beat that was due and could not be made, since the row's version was not known.
    beat_owed: bool,
    /// Whether the own row was gone at the last beat.
    row_gone: bool,
    pause: Duration,
    /// Whether the last writes got no answer: that reads do says nothing about the next.
    writes_fail: bool,
    looked_idle: bool,
    /// Whether an operator wants it to take nothing new.
    drained: bool,
    /// Whether the last look found more than there were slots for.
    more_waits: bool,
    superseded: Option<BootId>,
    leaving: Leaving,
    woken: bool,
    /// What is to be said of its updates.
    update: watch::Receiver<Said>,
}

/// What a driver is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) config: Arc<Config>,
    pub(crate) machine: Machine,
    pub(crate) trust: Trust,
    pub(crate) clock: StoreClock,
    pub(crate) presence: Presence,
    pub(crate) keeper: Keeper,
    pub(crate) retention: Retention,
    pub(crate) sessions: Sessions,
    pub(crate) news: mpsc::Receiver<News>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) stop: Stop,
    /// Whether something wakes this worker, so that it needn't look by the clock.
    pub(crate) woken: bool,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            beat_due: Due::after(parts.config.beat),
            update: parts.config.update.clone(),
            client: parts.client,
            config: parts.config,
            machine: parts.machine,
            trust: parts.trust,
            clock: parts.clock,
            presence: parts.presence,
            keeper: parts.keeper,
            retention: parts.retention,
            sessions: parts.sessions,
            news: parts.news,
            wake: parts.wake,
            status: parts.status,
            stop: parts.stop,
            outgoing: VecDeque::new(),
            sending: FuturesUnordered::new(),
            looking: None,
            inspecting: None,
            to_inspect: Vec::new(),
            unread: Vec::new(),
            look_wanted: true,
            row_wanted: false,
            beat_wanted: false,
            look_due: None,
            last_look: None,
            beat_owed: false,
            row_gone: false,
            pause: FIRST_PAUSE,
            writes_fail: false,
            looked_idle: false,
            drained: false,
            more_waits: false,
            superseded: None,
            leaving: Leaving::No,
            woken: parts.woken,
        }
    }

    /// Takes in what earlier processes left, and runs until told to stop, or until another process took
    /// over.
    pub(crate) async fn run(mut self, left: Vec<Input>) -> Result<Left, WorkerError> {
        self.heed_limits();
        left.into_iter().for_each(|input| self.step(input));
        loop {
            self.turn();
            self.pump();
            self.hasten();
            self.come_to_hand_over();
            if self.is_done() {
                break;
            }
            let event = self.next_event().await;
            self.handle(event);
        }
        self.say_goodbye().await;
        match self.superseded {
            Some(boot) => Err(WorkerError::Superseded {
                worker: self.presence.offer.worker,
                boot,
            }),
            None if self.leaving == Leaving::HandedOver => Ok(Left::HandedOver),
            None => Ok(Left::Stopped),
        }
    }

    /// Shows that it gets on. Readers are not woken for it.
    fn turn(&self) {
        self.status.send_if_modified(|status| {
            status.turned = Some(Mark::now());
            false
        });
    }

    async fn next_event(&mut self) -> Event {
        let tick = self.machine.due().map(|due| {
            let left = due.since(self.clock.now()).as_millis();
            Due::after(Duration::from_millis(u64::try_from(left).unwrap_or(0)).max(LEAST_TICK))
        });
        let leaving = self.leaving;
        tokio::select! {
            // What an agent says from now on is for the next process.
            Some(news) = self.news.recv(), if !leaving.is_frozen() => Event::News(news),
            Some(sent) = self.sending.next(), if !self.sending.is_empty() => Event::Sent(sent),
            looked = lane(&mut self.looking) => Event::Looked(Box::new(looked)),
            inspected = lane(&mut self.inspecting) => Event::Inspected(inspected),
            kept = self.keeper.done() => Event::Kept(kept),
            () = self.wake.tasks.notified(), if !self.look_wanted => Event::Wake,
            () = self.wake.row.notified(), if !self.row_wanted => Event::OwnRow,
            () = self.retention.changed() => Event::Room,
            () = self.beat_due.wait(), if !self.beat_wanted => Event::BeatDue,
            // What it says of its updates is said at once: somebody waits for it.
            Ok(()) = self.update.changed(), if !self.beat_wanted => Event::BeatDue,
            () = at(self.look_due) => Event::LookDue,
            () = at(tick), if !leaving.is_frozen() => Event::Tick,
            () = self.stop.drain.cancelled(), if leaving.may_drain() => Event::Drain,
            () = self.stop.now.cancelled(), if !leaving.is_now() => Event::Now,
            () = self.stop.hand_over.cancelled(), if leaving == Leaving::No => Event::HandOver,
            () = self.stop.hand_over_empty.until(true), if leaving == Leaving::No => Event::HandOverEmpty,
            () = self.stop.hand_over_empty.until(false), if leaving == Leaving::Emptying => Event::StayOn,
            () = self.sessions.door().changed(), if leaving.hands_over() => Event::Stand,
            () = at(leaving.interrupt_at()) => Event::Interrupt,
            () = at(leaving.leave_at()) => Event::Leave,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::News(news) => {
                self.heard(news);
                for _ in 1..NEWS_AT_ONCE {
                    let Ok(news) = self.news.try_recv() else {
                        break;
                    };
                    self.heard(news);
                }
            }
            Event::Looked(looked) => self.looked(*looked),
            Event::Inspected(inspected) => self.inspected(inspected),
            Event::Sent(sent) => self.sent(sent),
            Event::Kept(mirrors) => self.kept(mirrors),
            Event::Wake => self.look_wanted = true,
            Event::OwnRow => {
                self.row_wanted = true;
                self.look_wanted = true;
            }
            Event::BeatDue => self.beat_wanted = true,
            Event::Room => self.heed_limits(),
            Event::LookDue => {
                self.look_due = None;
                self.look_wanted = true;
            }
            Event::Tick => self.step(Input::Tick),
            Event::Drain => self.begin_to_leave(),
            Event::Now => self.leave_now(),
            Event::Interrupt => self.interrupt_agents(),
            Event::Leave => self.leave(),
            Event::HandOver => self.begin_to_hand_over(),
            Event::HandOverEmpty => self.begin_to_empty(),
            Event::StayOn => self.stay_on(),
            // What follows from it is looked at before the next event.
            Event::Stand => {}
        }
    }

    /// Hands `input` to the machine and performs what it asks for, until it asks for nothing more.
    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.machine.step(input, self.clock.now()) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    /// Performs one effect; some are done at once and say so.
    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Write(ticket, set) => self.outgoing.push_back((ticket, set)),
            Effect::Start { mirror, attempt } => {
                let finish = self.sessions.start(&self.client, mirror, attempt);
                return finish.map(|finish| {
                    tell::not_begun(mirror, attempt, &finish);
                    ended(mirror, finish)
                });
            }
            Effect::Stop(mirror, cause) => {
                let why = match cause {
                    StopCause::Cancel => Interruption::Cancel,
                    StopCause::LeaseLost => Interruption::LeaseLost,
                };
                self.sessions.interrupt(mirror, why);
            }
            Effect::Inspect(mirror) => self.to_inspect.push(mirror),
            Effect::Save(report) => self.keeper.add(&report),
            Effect::Drop(mirror, attempt, fate) => {
                self.sessions.forget(mirror, attempt);
                match fate {
                    Fate::Published | Fate::Candidate | Fate::Moot => {
                        tell::reported(mirror, attempt, fate);
                        if let Some(task) = self.keeper.settle(mirror, attempt) {
                            self.retention.accepted(task, attempt, self.clock);
                        }
                        self.look_wanted |=
                            std::mem::take(&mut self.more_waits) || self.config.until_idle;
                        self.status.send_modify(|status| status.reported += 1);
                    }
                    Fate::Refused => {
                        self.keeper.give_up(mirror, attempt);
                        tell::reported(mirror, attempt, fate);
                    }
                }
            }
        }
        None
    }

    fn heard(&mut self, news: News) {
        match news {
            News::Lines(mirror, lines) => {
                let lines = self.sessions.untold(mirror, lines);
                if !lines.is_empty() {
                    self.step(Input::Lines(mirror, lines));
                }
            }
            News::Checkpoint(mirror, text, used) => {
                self.step(Input::Checkpoint(mirror, text, used));
            }
            News::Ended(mirror, run, finish) => {
                if let Some(work) = self.sessions.end(mirror, run) {
                    tell::ended(&work, &finish);
                    self.step(ended(mirror, finish));
                }
            }
        }
    }

    fn kept(&mut self, mirrors: Vec<MirrorId>) {
        for mirror in mirrors {
            self.step(Input::Saved(mirror));
        }
    }

    /// Starts everything that may run now.
    fn pump(&mut self) {
        let through = self.keeper.pump();
        self.kept(through);
        while self.sending.len() < SENDING && !self.outgoing.is_empty() {
            let batch = self.next_batch();
            self.sending
                .push(Box::pin(posted(self.client.clone(), batch)));
        }
        if self.may_ask() && !self.leaving.is_frozen() {
            self.start_inspecting();
            self.start_look();
        }
        self.show();
    }

    fn next_batch(&mut self) -> Vec<Posted> {
        let mut writes = 0;
        let fits = |(_, set): &&Posted| {
            writes += set.writes.len();
            writes <= BATCH_WRITES
        };
        let count = self.outgoing.iter().take_while(fits).count().max(1);
        self.outgoing.drain(..count).collect()
    }

    fn state(&self) -> WorkerState {
        if self.leaving.takes_nothing() || self.drained {
            return WorkerState::Draining;
        }
        match self.is_full() {
            true => WorkerState::Busy,
            false => WorkerState::Ready,
        }
    }

    fn is_full(&self) -> bool {
        self.machine.held().len() >= self.presence.offer.slots as usize
    }

    fn show(&self) {
        let (state, unsent) = (self.state(), self.keeper.unsent());
        self.status.send_if_modified(|status| {
            let running = self.sessions.running();
            let changed =
                status.state != state || status.unsent != unsent || status.running != running;
            status.state = state;
            status.unsent = unsent;
            status.running = running;
            changed
        });
    }
}

fn ended(mirror: MirrorId, finish: Box<Finish>) -> Input {
    Input::Ended(mirror, finish)
}

/// Sends a batch beside the driver; one that panics leaves its writes unanswered, not forgotten.
async fn posted(client: Client, batch: Vec<Posted>) -> Sent {
    let tickets: Vec<Ticket> = batch.iter().map(|(ticket, _)| *ticket).collect();
    let sent = tokio::spawn(send::send(client, batch)).await;
    sent.unwrap_or_else(|panic| {
        tracing::error!(error = %panic, "sending panicked");
        let answers = tickets.into_iter().map(|ticket| (ticket, Answer::Unknown));
        Sent {
            answers: answers.collect(),
            now: None,
            error: Some(Error::NotReached),
        }
    })
}

/// What runs in a lane, once it is done; never for an empty one.
async fn lane<T>(lane: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(future) = lane else {
        return std::future::pending().await;
    };
    let done = future.await;
    *lane = None;
    done
}

/// Completes when `due` comes; never without one.
async fn at(due: Option<Due>) {
    match due {
        Some(due) => due.wait().await,
        None => std::future::pending().await,
    }
}
