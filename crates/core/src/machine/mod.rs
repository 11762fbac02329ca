//! Machines: what a provider makes so that a worker can run on it.
//!
//! The truth about a machine is the row of its worker: [`Record`] is what `cr_machine` holds there,
//! written by orchestrators under the row's version, and by an admin who wishes something ([`Wish`]).
//! What a provider says of its machines is in [`found`]. What is to be done is decided in
//! [`crate::plan::machines`]; nothing here decides.
//!
//! A machine's name and its worker's identity are computed, so that two who want the same machine make
//! the same row, and one of them is refused.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::ids::{BootId, Etag, UserId, WorkerId};
use crate::model::{StreamHead, Worker};
use crate::status::{Unknown, WorkerState, words};
use crate::time::{Month, Span, Timestamp};

pub mod found;
mod record;
pub mod spending;
#[cfg(test)]
mod tests;

pub use found::{Found, FoundState, Inventory, Quota, Trouble, TroubleClass};

/// The least and most characters of a name, as the Dev Center wants it.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=63;

/// The most characters of a prefix: it leaves room for the tag and a number.
pub const PREFIX_CHARS: usize = 40;

/// Hexadecimal digits of a person's tag in a name. Enough that nobody else's is met by chance.
const TAG_CHARS: usize = 8;

/// What stands in a name for a machine that serves everyone.
const EVERYONE: &str = "pool";

words! {
    /// Who makes machines.
    ProviderKind, "provider of machines" {
        /// Azure's Dev Center: a Windows PC in the cloud, of one person.
        DevBox = "dev-box",
        /// This machine: a process beside the orchestrator.
        Process = "process",
    }
}

words! {
    /// How far a machine is.
    Stage, "stage of a machine" {
        /// Somebody should have it; nobody was asked for it yet.
        Wanted = "wanted",
        /// The provider was asked to make it.
        Creating = "creating",
        /// It exists; its worker has not checked in since it was made or started.
        Starting = "starting",
        /// Its worker checked in.
        Up = "up",
        /// It is given nothing new, since it is about to be stopped.
        Cordoned = "cordoned",
        /// The provider was asked to stop it.
        Stopping = "stopping",
        /// It is stopped, and can be started.
        Asleep = "asleep",
        /// The provider was asked to delete it.
        Deleting = "deleting",
        /// There is none any more. Its row stays, for the sums, and for the next of its name.
        Gone = "gone",
        /// It could not be made, or can't be used. It serves nobody.
        Failed = "failed",
    }
}

words! {
    /// What an admin wants of a machine, whatever the policy says.
    Wish, "wish for a machine" {
        /// It is to run.
        Start = "start",
        /// It is to be stopped, once it holds nothing.
        Stop = "stop",
        /// It is to be deleted, once it holds nothing.
        Delete = "delete",
        /// It is to be started anew, once it holds nothing.
        Restart = "restart",
    }
}

impl Stage {
    /// Whether a worker of such a machine may be given tasks, unless the machine is being mended ([`Record::takes_work`]).
    #[must_use]
    pub const fn takes_work(self) -> bool {
        match self {
            // A worker that checked in before the orchestrator noticed.
            Self::Creating | Self::Starting | Self::Up => true,
            Self::Wanted
            | Self::Cordoned
            | Self::Stopping
            | Self::Asleep
            | Self::Deleting
            | Self::Gone
            | Self::Failed => false,
        }
    }

    /// Whether it runs work, or will without being asked again.
    #[must_use]
    pub const fn is_coming(self) -> bool {
        match self {
            Self::Wanted | Self::Creating | Self::Starting | Self::Up => true,
            Self::Cordoned
            | Self::Stopping
            | Self::Asleep
            | Self::Deleting
            | Self::Gone
            | Self::Failed => false,
        }
    }

    /// Whether the provider was asked for something that takes its time.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        match self {
            Self::Creating | Self::Starting | Self::Stopping | Self::Deleting => true,
            Self::Wanted | Self::Up | Self::Cordoned | Self::Asleep | Self::Gone | Self::Failed => {
                false
            }
        }
    }
}

/// Whom a machine serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Serves {
    /// This person alone; she owns its worker's row.
    Person(UserId),
    /// Everyone: one of the shared pool.
    Everyone,
}

impl fmt::Display for Serves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(user) => user.fmt(f),
            Self::Everyone => f.write_str("everyone"),
        }
    }
}

/// A machine's name: `PREFIX-TAG-N`, 3 to 63 letters, digits, `-`, `_` and `.`, a letter or digit first.
///
/// The tag is `pool`, or eight hexadecimal digits computed from the orchestrator's identity and the
/// person's: two installations that share a provider and a prefix never take each other's machines for
/// theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineName(String);

impl MachineName {
    /// The name of machine number `n`, from 1, that `admin` makes for somebody.
    #[must_use]
    pub fn of(prefix: &str, admin: UserId, serves: Serves, n: u32) -> Self {
        Self(format!("{}{n}", Self::stem(prefix, admin, serves)))
    }

    /// What all names of somebody's machines begin with.
    #[must_use]
    pub fn stem(prefix: &str, admin: UserId, serves: Serves) -> String {
        match serves {
            Serves::Everyone => format!("{prefix}-{EVERYONE}-"),
            Serves::Person(user) => format!("{prefix}-{}-", tag(admin, user)),
        }
    }

    /// Whether it begins as names with this prefix do. That alone makes no machine ours.
    #[must_use]
    pub fn has_prefix(&self, prefix: &str) -> bool {
        let rest = self.0.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.starts_with('-'))
    }

    /// Which number it has among those with this stem, if it is one of them.
    #[must_use]
    pub fn number(&self, stem: &str) -> Option<u32> {
        let digits = self.0.strip_prefix(stem)?;
        let number = digits.parse().ok().filter(|number: &u32| *number > 0)?;
        (number.to_string() == digits).then_some(number)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `prefix` can begin names.
#[must_use]
pub fn is_prefix(prefix: &str) -> bool {
    (1..=PREFIX_CHARS).contains(&prefix.len()) && is_plain(prefix)
}

fn is_plain(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.chars().all(allowed) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn tag(admin: UserId, user: UserId) -> String {
    let digest = Sha256::new()
        .chain_update("shraga machine")
        .chain_update(admin.get().as_bytes())
        .chain_update(user.get().as_bytes())
        .finalize();
    let mut text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(TAG_CHARS);
    text
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MachineName {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let good = NAME_CHARS.contains(&text.len()) && is_plain(text);
        good.then(|| Self(text.to_owned())).ok_or_else(|| Unknown {
            what: "machine's name",
            value: text.to_owned(),
        })
    }
}

/// What is known of a machine: `cr_machine` of its worker's row, as canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who makes it.
    pub provider: ProviderKind,
    /// Its name at the provider, and its worker's name.
    pub name: MachineName,
    /// Whom it serves.
    pub serves: Serves,
    /// How far it is.
    pub stage: Stage,
    /// Since when it is there.
    pub since: Timestamp,
    /// How often the provider was asked for what this stage is about.
    pub tries: u32,
    /// When it was asked last.
    pub tried: Option<Timestamp>,
    /// What is in the way.
    pub trouble: Option<Trouble>,
    /// When a worker first checked in from it; `None` on one that never ran a worker.
    pub ready_on: Option<Timestamp>,
    /// When it was last seen to hold a lease.
    pub used_until: Option<Timestamp>,
    /// Where its person connects to it. Personal data: never logged.
    pub link: Option<String>,
    /// Whether its person was told that it is there.
    pub told: bool,
    /// Since when it runs, and costs.
    pub up_since: Option<Timestamp>,
    /// How long it ran before that, over all machines of this name.
    pub up: Span,
    /// What an admin wants of it.
    pub wish: Option<Wish>,
    /// How often it failed since its worker was there for a while.
    pub failures: u32,
    /// Whether it was restarted or repaired, and its worker has not been there for a while since. That is done once.
    pub mended: bool,
    /// The worker that ran on it before it was mended last: one that beats under this boot outlived that.
    pub boot_before: Option<BootId>,
    /// The stop by its provider that was delayed last.
    pub delayed: Option<Delayed>,
    /// What somebody should change at the provider, since it is bad for this machine's worker.
    pub advice: Option<String>,
    /// Head of the machine's stream of events.
    pub head: StreamHead,
}

impl Record {
    /// One that somebody should have, and that nobody was asked for.
    #[must_use]
    pub fn wanted(
        provider: ProviderKind,
        name: MachineName,
        serves: Serves,
        now: Timestamp,
    ) -> Self {
        Self {
            provider,
            name,
            serves,
            stage: Stage::Wanted,
            since: now,
            tries: 0,
            tried: None,
            trouble: None,
            ready_on: None,
            used_until: None,
            link: None,
            told: false,
            up_since: None,
            up: Span::ZERO,
            wish: None,
            failures: 0,
            mended: false,
            boot_before: None,
            delayed: None,
            advice: None,
            head: StreamHead::default(),
        }
    }

    /// The same in another stage, which begins now and without trouble.
    #[must_use]
    pub fn at(&self, stage: Stage, now: Timestamp) -> Self {
        Self {
            stage,
            since: now,
            tries: 0,
            tried: None,
            trouble: None,
            ..self.clone()
        }
    }

    /// Whether its worker may be given tasks. Not one that may still run from before it was mended: it is about to be
    /// taken down.
    #[must_use]
    pub fn takes_work(&self) -> bool {
        self.stage.takes_work() && !(self.stage == Stage::Starting && self.mended)
    }

    /// How long it has run until `now`, over all machines of this name.
    #[must_use]
    pub fn ran(&self, now: Timestamp) -> Span {
        let since = |since| now.since(since).max(Span::ZERO);
        self.up.plus(self.up_since.map_or(Span::ZERO, since))
    }

    /// Since when nothing it is for has happened: it was used, checked in or changed its stage.
    #[must_use]
    pub fn idle_since(&self) -> Timestamp {
        self.since.max(self.used_until.unwrap_or_default())
    }
}

/// A stop that a provider was going to make by itself, and was asked to make later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delayed {
    /// When it was due at first.
    pub due: Timestamp,
    /// When it is due now, if the provider did as it was asked.
    pub until: Timestamp,
    /// When it was asked.
    pub asked: Timestamp,
}

/// What was asked of a provider, for limits that hold over all of its machines: `cr_machine` of a row
/// of its own in the workers table. Whoever asks for a machine writes it under its version, so that two
/// orchestrators never ask beyond a limit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Which provider.
    pub provider: ProviderKind,
    /// The month that `made` is of.
    pub month: Month,
    /// Machines asked for in it.
    pub made: u32,
}

/// What `cr_machine` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A machine.
    Machine(Box<Record>),
    /// What was asked of a provider.
    Tally(Tally),
    /// Something this version doesn't understand: nothing is given to its worker, nothing done to it.
    Unknown(String),
}

impl Note {
    /// Whether the worker of this row may be given tasks.
    #[must_use]
    pub fn takes_work(&self) -> bool {
        match self {
            Self::Machine(record) => record.takes_work(),
            Self::Tally(_) | Self::Unknown(_) => false,
        }
    }
}

/// A machine as decisions see it: its record, and what its worker's row says beside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its worker.
    pub worker: WorkerId,
    /// The version of the worker's row.
    pub etag: Etag,
    /// Who owns the row.
    pub owner: UserId,
    /// What the worker says it is fit for.
    pub state: WorkerState,
    /// Attempts it runs at once; 0 until it has said so.
    pub slots: u32,
    /// The process that last spoke for the worker.
    pub boot: Option<BootId>,
    /// Store time of the worker's last beat.
    pub last_seen: Option<Timestamp>,
    /// Whether an operator wants it to take nothing new.
    pub drained: bool,
    /// What is known of the machine.
    pub record: Record,
}

impl Machine {
    /// The machine that a worker runs on, if one of ours.
    #[must_use]
    pub fn of(worker: &Worker) -> Option<Self> {
        let Some(Note::Machine(record)) = &worker.machine else {
            return None;
        };
        Some(Self {
            worker: worker.id,
            etag: worker.etag.clone(),
            owner: worker.owner,
            state: worker.state,
            slots: worker.slots,
            boot: worker.boot,
            last_seen: worker.last_seen,
            drained: worker.drained.is_some(),
            record: (**record).clone(),
        })
    }

    /// Whether the worker has checked in since `since`, and has not said good-bye.
    #[must_use]
    pub fn checked_in_since(&self, since: Timestamp) -> bool {
        let beats = match self.state {
            WorkerState::Ready | WorkerState::Busy | WorkerState::Draining => true,
            WorkerState::Provisioning
            | WorkerState::Suspect
            | WorkerState::Offline
            | WorkerState::Failed
            | WorkerState::Deprovisioned => false,
        };
        beats && self.last_seen.is_some_and(|seen| seen >= since)
    }
}
