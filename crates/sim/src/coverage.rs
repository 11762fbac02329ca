//! What histories contained: faults injected, deeds carried out, reasons given.
//!
//! Counted where they happen, in what the store was given, never where they were intended. A deed is
//! told from the rows it writes alone, since a delayed request arrives without its sender.

use std::collections::BTreeMap;

use shraga_core::plan::machines::ActKind;
use shraga_core::reason::Reason;
use shraga_core::row::{
    ChangeSet, Column, Condition, Table, Value, Write, events, tasks, users, workers,
};
use shraga_core::status::{EventKind, TaskStatus, WorkPhase};

use crate::promises::Author;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What it is called in totals.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

kinds! {
    /// What can go wrong in a history.
    Fault {
        /// An orchestrator forgets all that is not in the store.
        OrchestratorCrash = "orchestrator crash",
        /// A worker's process ends, and its agents with it.
        WorkerCrash = "worker crash",
        /// A worker's process ends, and its agents live.
        DiedAlone = "worker crash survived by agents",
        /// A machine with the original's worker restarts.
        LegacyCrash = "legacy worker crash",
        /// A worker is stopped in good order, and started again later.
        Drain = "worker drained",
        /// A worker can't reach the store for minutes, and an admin removes its row.
        CutOff = "worker cut off",
        /// A machine and its disk are gone for good.
        Retired = "worker gone for good",
        /// A machine and its disk are gone for good, and nobody removes its row.
        Died = "worker died",
        /// A machine is set up anew, without what was on its disk.
        Reimaged = "worker set up anew",
        /// A worker writes to the store and reads nothing for a while.
        Deaf = "worker deaf",
        /// A worker's process stands still for a while, and its agents go on.
        Hang = "worker hangs",
        /// A worker says a time that is off by hours.
        Lies = "worker lies about the time",
        /// A worker works on without the store, and comes back days later.
        GoneForDays = "worker gone for days",
        /// Nobody reaches the store.
        Outage = "outage",
        /// A request never arrives.
        RequestLost = "request lost",
        /// A request is carried out, its reply never arrives.
        ReplyLost = "reply lost",
        /// A request is carried out twice.
        Repeated = "request repeated",
        /// A request arrives when its sender has given it up.
        Delayed = "request delayed",
        /// The store is throttling: it does nothing and says when to come again.
        Throttled = "throttled",
        /// The store begins to throttle in the middle of a batch.
        ThrottledMidway = "throttled midway",
        /// A batch is carried out in part, and its reply never arrives.
        Torn = "batch torn",
        /// A set is made write by write, and its sender comes no further than one of them.
        CutShort = "cut short between writes",
        /// The same, and the next write arrives when nobody waits for it any more.
        NextDelayed = "next write delayed",
        /// A machine's wall clock is off by more than a minute.
        ClockSkew = "clock skew",
    }
}

kinds! {
    /// What somebody did to rows.
    Deed {
        /// A mirror was made without an assignment.
        Mirror = "mirror",
        /// A mirror was made without its person, which nobody may work on yet.
        BareMirror = "bare mirror",
        /// A row got another identity than was asked for.
        Replaced = "identity replaced",
        /// A mirror was made with its assignment.
        MirrorAssigned = "mirror and assign",
        /// A mirror was made beside a row that sat at its identity.
        Quarantine = "quarantine",
        /// A person's row was made.
        Meet = "meet",
        /// An attempt was given out with a reservation in an account.
        Reserve = "reserve",
        /// What attempts used was entered into an account.
        Settle = "settle",
        /// A waiting mirror was assigned.
        Assign = "assign",
        /// The reason of a wait was written down.
        Explain = "explain",
        /// A mirror of the original's was adopted.
        Adopt = "adopt",
        /// A lost link was written again.
        Link = "link",
        /// A link to nothing was taken out.
        Unlink = "unlink",
        /// A second mirror was ended.
        EndDuplicate = "end duplicate",
        /// An assignment nobody claimed was taken back.
        ClaimTimeout = "claim timeout",
        /// An attempt of a worker that is gone was taken back.
        TakeBack = "take back from the vanished",
        /// An attempt that asked for another was put back to wait.
        Backoff = "back off",
        /// A task was given up after too many attempts.
        GiveUp = "give up",
        /// A task nobody worked on was canceled.
        Cancel = "cancel",
        /// A worker was asked to stop.
        AskToStop = "ask to stop",
        /// The end that a legacy worker wrote was taken over.
        AdoptEnd = "adopt a legacy end",
        /// A person was shown how far her task is.
        ShowProgress = "show progress",
        /// A person was shown the end of her task.
        ShowEnd = "show the end",
        /// A silent or deaf worker was asked whether it lives.
        Suspect = "suspect a worker",
        /// A worker that was asked said that it lives.
        Recover = "recover from a suspicion",
        /// A worker that did not answer was given up.
        Fence = "give up a worker",
        /// An attempt of a worker that was given up was taken back.
        TakeBackLost = "take back from the lost",
        /// An attempt of an earlier process of a worker was taken back.
        TakeBackRestarted = "take back from the restarted",
        /// A worker wrote its own row.
        Beat = "beat",
        /// A worker took an assignment.
        Claim = "claim",
        /// A worker's process went on with agents of the one before it.
        GoOn = "go on with agents",
        /// A worker put an assignment back untouched.
        Release = "release",
        /// A worker sent lines of its agent.
        Lines = "lines",
        /// A worker published an end.
        Report = "report",
        /// A worker noted what another attempt would go on from.
        Checkpoint = "note a checkpoint",
        /// An attempt ended by asking its person.
        Ask = "ask a question",
        /// What a person said was handed on.
        HandOn = "hand on an answer",
        /// A task whose person can't be asked any more was ended.
        EndUnanswerable = "end what nobody can answer",
        /// A worker asked for another attempt.
        Retry = "ask for a retry",
        /// A worker kept a late result.
        Candidate = "keep a candidate",
        /// A legacy worker took a person's row.
        LegacyClaim = "legacy claim",
        /// A legacy worker ended a person's row.
        LegacyEnd = "legacy end",
        /// A person filed a task.
        File = "file",
        /// A person changed a row of hers.
        Edit = "edit",
        /// A person asked for an end.
        RequestCancel = "request to cancel",
        /// A person said something to a question.
        Answer = "answer",
        /// A person deleted a row of hers.
        Delete = "delete",
        /// A person put a row where somebody's mirror belongs, or that looks like one.
        Plant = "plant a row",
        /// A person wrote a link of her own.
        ForgeLink = "forge a link",
        /// The original had made this mirror.
        Leftover = "mirror left by the original",
        /// An operator wants a worker to take nothing new.
        DrainWorker = "drain a worker",
        /// An operator took that back.
        UndrainWorker = "undrain a worker",
        /// An admin changed what a person may do.
        Admin = "admin",
    }
}

kinds! {
    /// What can go wrong in a history of machines.
    MachineFault {
        /// An orchestrator forgets all that is not in the store.
        OrchestratorCrash = "orchestrator crash",
        /// A store without change sets makes the first write of a set, and not the rest.
        LeftBetweenWrites = "left between two writes",
        /// What was to be written is, and nobody hears of it.
        LostAnswerOfStore = "lost answer of the store",
        /// An orchestrator ends between writing and asking.
        DiesBeforeAsking = "died before asking",
        /// A request to the provider never arrives.
        LostRequest = "lost request",
        /// It is carried out, and nobody hears of it.
        LostReply = "lost reply",
        /// It arrives when nobody waits for it any more.
        LateRequest = "late request",
        /// The provider stops answering, or answers again.
        ProviderAway = "provider away",
        /// What it makes from now on fails, or doesn't any more.
        MakesBad = "makes what fails",
        /// It says that it makes none, or makes some again.
        Barred = "makes none",
        /// Workers say nothing though their machines run, or speak again.
        Mute = "workers mute",
        /// A worker dies, and its machine runs on.
        WorkerDies = "worker dies",
        /// A machine stops by itself.
        Ends = "machine ends",
        /// A machine fails.
        Breaks = "machine breaks",
        /// A machine is in a state that nobody knows.
        Odd = "unknown state",
        /// A machine is deleted behind everybody's back.
        Vanishes = "machine vanishes",
        /// The provider is going to stop a machine by itself.
        Scheduled = "scheduled stop",
    }
}

kinds! {
    /// What is done in a history of machines, where it changed something at the provider.
    MachineDeed {
        /// One is made.
        Create = "make",
        /// One is started.
        Start = "start",
        /// One is stopped.
        Stop = "stop",
        /// One is deleted.
        Delete = "delete",
        /// One is started anew.
        Restart = "restart",
        /// One is mended.
        Repair = "repair",
        /// A scheduled stop is delayed.
        Delay = "delay a stop",
        /// An admin wishes something.
        Wish = "wish",
    }
}

impl MachineDeed {
    /// What a request comes to; nothing for one that changes nothing.
    pub(crate) const fn of(kind: ActKind) -> Option<Self> {
        Some(match kind {
            ActKind::Create => Self::Create,
            ActKind::Start => Self::Start,
            ActKind::Stop { .. } => Self::Stop,
            ActKind::Delete => Self::Delete,
            ActKind::Restart => Self::Restart,
            ActKind::Repair => Self::Repair,
            ActKind::Delay { .. } => Self::Delay,
            ActKind::Link => return None,
        })
    }
}

/// How often each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Faults, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Deeds, by name.
    pub deeds: BTreeMap<&'static str, u64>,
    /// Reasons written into rows, by code.
    pub reasons: BTreeMap<&'static str, u64>,
}

impl Coverage {
    pub(crate) fn machine_fault(&mut self, fault: MachineFault) {
        *self.faults.entry(fault.as_str()).or_default() += 1;
    }

    pub(crate) fn machine_deed(&mut self, deed: MachineDeed) {
        *self.deeds.entry(deed.as_str()).or_default() += 1;
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault.as_str()).or_default() += 1;
    }

    pub(crate) fn deed(&mut self, deed: Deed) {
        *self.deeds.entry(deed.as_str()).or_default() += 1;
    }

    /// Counts a change set that was carried out.
    pub(crate) fn carried_out(&mut self, author: Author, set: &ChangeSet) {
        if let Some(deed) = deed(author, set) {
            self.deed(deed);
        }
        if author == Author::Orchestrator && has_event(set, EventKind::Error) {
            self.deed(Deed::Quarantine);
        }
        if author == Author::Person {
            return;
        }
        for reason in set.writes.iter().filter_map(reason) {
            *self.reasons.entry(reason.as_str()).or_default() += 1;
        }
    }

    /// Adds what another history contained.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.faults, &other.faults),
            (&mut self.deeds, &other.deeds),
            (&mut self.reasons, &other.reasons),
        ];
        for (sum, more) in pairs {
            for (name, count) in more {
                *sum.entry(name).or_default() += count;
            }
        }
    }
}

fn text(write: &Write, column: Column) -> Option<&str> {
    match write.get(column) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn reason(write: &Write) -> Option<Reason> {
    text(write, tasks::REASON)?.parse().ok()
}

fn status(write: &Write) -> Option<TaskStatus> {
    match write.get(tasks::STATUS) {
        Some(Value::Int(code)) => TaskStatus::try_from(*code).ok(),
        _ => None,
    }
}

fn has_event(set: &ChangeSet, kind: EventKind) -> bool {
    let events = set.writes.iter().filter(|w| w.table == Table::Events);
    let mut kinds = events.filter_map(|write| text(write, events::KIND));
    kinds.any(|word| word == kind.as_str())
}

fn deed(author: Author, set: &ChangeSet) -> Option<Deed> {
    let first = set.writes.first()?;
    match (author, first.table) {
        (Author::Orchestrator, Table::Users) => match first.get(users::USAGE) {
            None => Some(Deed::Meet),
            Some(_) if set.writes.len() == 1 => Some(Deed::Settle),
            Some(_) => Some(Deed::Reserve),
        },
        (Author::Orchestrator, Table::Workers) => Some(match text(first, workers::NONCE) {
            Some(_) => Deed::Suspect,
            None => Deed::Fence,
        }),
        (Author::Orchestrator, _) => orchestrated(set, first),
        (Author::Worker, Table::Workers) => Some(Deed::Beat),
        (Author::Worker, Table::Events) if has_event(set, EventKind::Candidate) => {
            Some(Deed::Candidate)
        }
        (Author::Worker, Table::Events) => Some(Deed::Lines),
        (Author::Worker, _) => worked(first),
        (Author::Legacy, _) => Some(match status(first) {
            Some(TaskStatus::Running) => Deed::LegacyClaim,
            _ => Deed::LegacyEnd,
        }),
        (Author::Admin, Table::Workers) => Some(match first.get(workers::DRAINED) {
            Some(Value::Time(_)) => Deed::DrainWorker,
            _ => Deed::UndrainWorker,
        }),
        (Author::Admin, _) => Some(Deed::Admin),
        (Author::Person, _) => Some(personal(first)),
    }
}

fn orchestrated(set: &ChangeSet, first: &Write) -> Option<Deed> {
    let leased = text(first, tasks::LEASE).is_some();
    if first.condition == Condition::Absent {
        let person = text(first, tasks::USER_ID);
        return Some(match leased {
            true => Deed::MirrorAssigned,
            false if person.is_some() => Deed::Mirror,
            false => Deed::BareMirror,
        });
    }
    if leased {
        return Some(Deed::Assign);
    }
    if has_event(set, EventKind::TaskMirrored) {
        return Some(Deed::Adopt);
    }
    if has_event(set, EventKind::Answer) {
        return Some(Deed::HandOn);
    }
    let linked = set.writes.iter().find_map(|w| w.get(tasks::MIRROR_LINK));
    match linked {
        Some(Value::Null) => return Some(Deed::Unlink),
        Some(_) => return Some(Deed::Link),
        None => {}
    }
    if set
        .writes
        .iter()
        .any(|w| reason(w) == Some(Reason::Duplicate) && w.table == Table::Tasks)
    {
        let tells = first.get(tasks::IS_MIRROR).is_none();
        return Some(if tells {
            Deed::ShowEnd
        } else {
            Deed::EndDuplicate
        });
    }
    let ended = status(first).is_some_and(TaskStatus::is_terminal);
    match (reason(first), status(first)) {
        _ if has_event(set, EventKind::TaskReassigned) => taken_back(reason(first)),
        (Some(Reason::TooManyLosses), _) if first.get(tasks::LOSSES).is_some() => {
            Some(Deed::GiveUp)
        }
        (Some(Reason::TakenByLegacy), Some(_)) if ended => Some(Deed::AdoptEnd),
        (Some(Reason::CancelRequested), Some(TaskStatus::Canceling)) if set.writes.len() > 1 => {
            Some(Deed::AskToStop)
        }
        (Some(Reason::CancelRequested), Some(TaskStatus::Canceled)) => Some(Deed::Cancel),
        (Some(Reason::NobodyToAnswer), _) if set.writes.len() > 1 => Some(Deed::EndUnanswerable),
        (Some(_), Some(TaskStatus::Pending)) => Some(Deed::Explain),
        _ if first.get(tasks::FINISHED).is_some() => Some(Deed::ShowEnd),
        _ => Some(Deed::ShowProgress),
    }
}

const fn taken_back(reason: Option<Reason>) -> Option<Deed> {
    match reason {
        Some(Reason::ClaimTimeout) => Some(Deed::ClaimTimeout),
        Some(Reason::WorkerVanished) => Some(Deed::TakeBack),
        Some(Reason::WorkerLost) => Some(Deed::TakeBackLost),
        Some(Reason::WorkerRestarted) => Some(Deed::TakeBackRestarted),
        _ => Some(Deed::Backoff),
    }
}

fn worked(write: &Write) -> Option<Deed> {
    let Some(phase) = text(write, tasks::WORK_PHASE) else {
        return write
            .get(tasks::EXECUTION_DETAILS)
            .map(|_| Deed::Checkpoint);
    };
    let phase: Option<WorkPhase> = phase.parse().ok();
    Some(match (phase?, reason(write)) {
        (_, Some(Reason::NeedsAnswer)) => Deed::Ask,
        (WorkPhase::Assigned | WorkPhase::Executing, _) => Deed::Claim,
        (WorkPhase::Failed, Some(Reason::Retry)) => Deed::Retry,
        (WorkPhase::Failed, Some(Reason::Released)) => Deed::Release,
        (WorkPhase::Done | WorkPhase::Failed, _) => Deed::Report,
    })
}

fn personal(write: &Write) -> Deed {
    let planted = write.get(tasks::IS_MIRROR).is_some();
    match status(write) {
        _ if planted => Deed::Plant,
        _ if write.get(tasks::MIRROR_LINK).is_some() => Deed::ForgeLink,
        _ if write.condition == Condition::Absent => Deed::File,
        _ if write.get(tasks::ANSWER).is_some() => Deed::Answer,
        Some(TaskStatus::Canceled | TaskStatus::Canceling) => Deed::RequestCancel,
        _ => Deed::Edit,
    }
}
