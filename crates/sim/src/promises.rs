//! The promises, as words, and what a broken one looks like.

use std::fmt;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Every task ends, or says why it waits.
    NothingStuck,
    /// One user task has exactly one mirror.
    OneMirror,
    /// Exactly one attempt publishes; what is terminal never changes.
    TerminalIsFinal,
    /// Attempts rise by one, and only when the task is assigned.
    AttemptsRise,
    /// A healthy worker is not declared dead.
    HealthyStays,
    /// What a dead worker held waits for another within the bound.
    DeadAreReplaced,
    /// A person's edits are never overwritten, and a row she deleted stays deleted.
    HerRowIsHers,
    /// Nobody sees or changes rows that aren't theirs.
    OnlyTheirOwn,
    /// A worker runs no more than its slots, and no attempt twice at once.
    SlotsHold,
    /// No finished result is lost, nor what an unfinished one can go on from.
    NoResultLost,
    /// Nobody spends more than she may, on a task or on a day.
    BudgetsHold,
    /// No more machines are made than limits allow.
    CapsHold,
    /// A machine that holds a lease is not stopped.
    LeasesStay,
    /// A machine that is not ours, or in a state that nobody knows, is not touched.
    OthersMachines,
    /// Every machine that we made has a row.
    MachinesKnown,
    /// A worker that is drained begins nothing new.
    DrainedRest,
    /// A question waits for its person, and goes on with her answer to it alone.
    AnswersFit,
    /// Event streams are gapless and their hashes chain.
    AuditVerifies,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingStuck => "every task ends or says why it waits",
            Self::OneMirror => "one task has exactly one mirror",
            Self::TerminalIsFinal => "one attempt publishes, and terminal states never change",
            Self::AttemptsRise => "attempts rise by one, only by assignment",
            Self::HealthyStays => "a healthy worker is not declared dead",
            Self::DeadAreReplaced => "a dead worker is replaced within the bound",
            Self::HerRowIsHers => "a person's edits and deletions stand",
            Self::OnlyTheirOwn => "nobody sees or changes rows that aren't theirs",
            Self::SlotsHold => "slots hold and no attempt runs twice at once",
            Self::NoResultLost => "no finished result is lost",
            Self::BudgetsHold => "nobody spends more than she may",
            Self::CapsHold => "no more machines are made than limits allow",
            Self::LeasesStay => "a machine that holds a lease is not stopped",
            Self::OthersMachines => "what is not ours, or not understood, is not touched",
            Self::MachinesKnown => "every machine that we made has a row",
            Self::DrainedRest => "a drained worker begins nothing new",
            Self::AnswersFit => "a question waits for its person's own answer",
            Self::AuditVerifies => "event streams are gapless and chained",
        })
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// At which step.
    pub step: u64,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            promise,
            step,
            seen,
        } = self;
        write!(f, "step {step}: broken promise: {promise}: {seen}")
    }
}

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// An orchestrator.
    Orchestrator,
    /// A worker.
    Worker,
    /// The original's worker.
    Legacy,
    /// A person.
    Person,
    /// An admin, by hand.
    Admin,
}

/// A promise that turned out broken, and what was seen of it.
pub(crate) type Broken = (Promise, String);

/// The outcome of looking.
pub(crate) type Check<T = ()> = Result<T, Broken>;
