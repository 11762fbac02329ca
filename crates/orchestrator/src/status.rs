//! What the orchestrator says of itself: one value in a `watch`, replaced after every tick.
//!
//! Readers (the `status` verbs, a dashboard) never ask the driver; they read the newest value. The
//! driver is its one writer.

use std::collections::VecDeque;
use std::time::Duration;

use shraga_core::ids::UserId;
use shraga_core::time::Timestamp;
use tokio::sync::watch;

use crate::census::Census;
use crate::clock::Moment;
use crate::machines::Machines;

/// The orchestrator as of its last tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// Whom the store takes it for; `None` until the store answered.
    pub identity: Option<UserId>,
    /// Which store it talks to; `None` until the store answered.
    pub store: Option<StoreKind>,
    /// Every loop, in the order they are planned.
    pub loops: Vec<LoopStatus>,
    /// Ticks since the start.
    pub ticks: u64,
    /// Store time of the last tick that could read.
    pub last_tick: Option<Timestamp>,
    /// The courtesy lease, as last seen.
    pub lease: LeaseView,
    /// What is missing in the store and what is therefore not done, one line each.
    pub degraded: Vec<Degraded>,
    /// Why the last tick could not observe, if it could not; with what to do.
    pub trouble: Option<String>,
    /// The newest things somebody should know, oldest first.
    pub notes: VecDeque<String>,
    /// Rows that the largest tick so far held in memory: bounded by windows, whatever the tables hold.
    pub most_rows: usize,
    /// Operations that the next write batch may hold.
    pub batch_operations: usize,
    /// How many tasks and workers there are, by state.
    pub census: Census,
    /// Machines that providers make, as last looked at.
    pub machines: Machines,
    /// When the driver last got on: a tick, or a part of one, had ended.
    pub turned: Option<Moment>,
    /// When a tick last did all it wanted to.
    pub good: Option<Moment>,
    /// How long the last tick took that could read.
    pub took: Duration,
}

/// Notes kept at most: enough to see what happened lately, not a log.
const NOTES_MAX: usize = 50;

impl Status {
    /// Adds notes, each once, and forgets the oldest.
    pub(crate) fn note(&mut self, notes: impl IntoIterator<Item = String>) {
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push_back(note);
            }
        }
        let excess = self.notes.len().saturating_sub(NOTES_MAX);
        self.notes.drain(..excess);
    }
}

/// What the orchestrator is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It has not reached the store yet.
    #[default]
    Starting,
    /// It ticks.
    Running,
    /// It was told to stop and finishes what it applies.
    Draining,
    /// It has ended.
    Stopped,
}

/// The kind of store behind the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Shraga's own: versions order all writes, and it wakes us.
    Embedded,
    /// Microsoft's: polled.
    Dataverse,
}

/// One loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopStatus {
    /// Its name.
    pub name: &'static str,
    /// How long it waits between two activations when nothing wakes it.
    pub period: Duration,
    /// Why it last ran.
    pub reason: Option<Reason>,
    /// How that went.
    pub last: LastResult,
    /// What it has done since the start.
    pub counts: Counts,
}

/// Why a loop ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The first tick.
    Start,
    /// Its timer.
    Timer,
    /// The store said that something changed.
    WakeUp,
    /// The tick before it wrote something.
    Wrote,
    /// The full pass over open rows was due.
    FullPass,
    /// Somebody asked for a tick.
    Asked,
}

/// How an activation went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastResult {
    /// It has not run yet.
    #[default]
    Never,
    /// Nothing was to be done.
    Idle,
    /// It planned this many change sets.
    Planned(usize),
    /// It could not observe or apply; the text says why.
    Trouble(String),
    /// It panicked; the text is the panic's.
    Panicked(String),
}

/// What a loop has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often it ran.
    pub activations: u64,
    /// Change sets it planned.
    pub planned: u64,
    /// Change sets the store accepted.
    pub done: u64,
    /// Change sets whose condition no longer held: planned again on fresh rows.
    pub stale: u64,
    /// Change sets the store refused for another reason.
    pub refused: u64,
    /// Change sets of which no answer came: looked at again.
    pub unknown: u64,
    /// Activations that panicked.
    pub panics: u64,
}

impl Counts {
    /// Adds `other` to these.
    pub(crate) fn add(&mut self, other: Self) {
        self.activations += other.activations;
        self.planned += other.planned;
        self.done += other.done;
        self.stale += other.stale;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.panics += other.panics;
    }
}

/// The courtesy lease as this orchestrator sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LeaseView {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// Ours: we assign.
    Held,
    /// Nobody's, or run out: anyone assigns.
    Free,
    /// Another orchestrator's, by name: it assigns.
    Other(String),
}

/// Something the store lacks, and what is not done without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// The table or column, by its default name, or what the store can't do.
    pub missing: String,
    /// What is not done without it.
    pub without: &'static str,
}

impl Degraded {
    /// Something that the whole store can't do.
    pub(crate) fn of_store(missing: shraga_dataverse::Missing) -> Self {
        Self {
            missing: missing.what.to_owned(),
            without: missing.without,
        }
    }
}

/// The writing end of the status.
#[derive(Clone, Debug)]
pub(crate) struct Board(watch::Sender<Status>);

impl Board {
    /// A board with an empty status.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Status::default()))
    }

    /// A reading end.
    pub(crate) fn reader(&self) -> watch::Receiver<Status> {
        self.0.subscribe()
    }

    /// The driver got on. Readers are not woken for it.
    pub(crate) fn turn(&self) {
        self.0.send_if_modified(|status| {
            status.turned = Some(Moment::now());
            false
        });
    }

    /// Changes the status and tells its readers.
    pub(crate) fn post(&self, change: impl FnOnce(&mut Status)) {
        self.0.send_modify(change);
    }
}
