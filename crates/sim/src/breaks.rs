//! Rules that can be broken on purpose, one at a time, to show that the simulator notices.
//!
//! Never part of a shipped decision: a break changes what the simulated processes do with the
//! shipped plans, or what the model store heeds.

use shraga_core::plan::Policy;
use shraga_core::row::{ChangeSet, Table, Value, Write, tasks};
use shraga_core::time::Span;

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The store ignores `If-Match`.
    NoEtag,
    /// Mirrors get an identity of their own, and are made before they are linked, as the original
    /// made them.
    RandomMirrorId,
    /// An assignment doesn't raise the attempt.
    AssignWithoutAttempt,
    /// A change set is applied write by write, and may stop in the middle.
    NotAtomic,
    /// A worker starts its agent before its claim was answered.
    StartUnclaimed,
    /// A worker forgets its outbox when it restarts.
    LoseOutbox,
    /// A refused condition is taken for success.
    StaleIsDone,
    /// A worker takes whatever it is given, however much it runs.
    NoSlots,
    /// An orchestrator goes by its own wall clock.
    OwnClock,
    /// A row that says it is a mirror counts as one, whoever made it.
    AnyMirror,
    /// The mirror that a person's row links to counts as hers.
    TrustLink,
    /// Mirrors are made without looking for those of others.
    NoSearch,
    /// A worker throws a result away that comes too late.
    DropLate,
    /// Sync writes the name back that the mirror has.
    OverwriteEdits,
    /// An update of a row that is gone makes it anew.
    Resurrect,
    /// A report whose version is stale is sent again under the newest one.
    ForceReport,
    /// Events are written on their own, and may be lost.
    LooseEvents,
    /// At a store without change sets a mirror is linked before it is made.
    LinkFirst,
    /// A mirror that has no person yet is taken for one that is linked, and assigned.
    AssignUnlinked,
    /// Whatever a person's row says counts as the answer to what is asked.
    AnyAnswer,
    /// A question is kept from the person.
    HideQuestion,
    /// Putting a task back throws away what another attempt could go on from.
    DropCheckpoint,
    /// A worker is given up as soon as it is doubted.
    HastyFence,
    /// A worker that was asked is given up only after four times as long as it may take.
    SlowFence,
    /// A worker begins anew what agents of its last process are at.
    ForgetSurvivors,
    /// Nobody is ever given up.
    NeverFence,
    /// An attempt reserves nothing in the accounts it counts for.
    ReserveNothing,
    /// What an attempt reserves is written over whatever the account holds by then.
    CarelessAccounts,
    /// Drained workers are given work.
    AssignDrained,
    /// A worker doesn't hear that it is to take nothing new.
    IgnoreDrain,
    /// An orchestrator counts the time when it could not look as time that it watched.
    WatchThroughOutages,
    /// The provider is asked although what was to be written before was refused.
    AskUnwritten,
    /// An orchestrator looks at machines and sees no work.
    ForgetOpen,
    /// The store ignores `If-Match` where machines are written.
    CarelessTally,
}

impl Break {
    /// Those of histories of machines.
    pub const OF_MACHINES: [Self; 3] = [Self::AskUnwritten, Self::ForgetOpen, Self::CarelessTally];

    /// All of those of histories of tasks.
    pub const ALL: [Self; 31] = [
        Self::NoEtag,
        Self::RandomMirrorId,
        Self::AssignWithoutAttempt,
        Self::NotAtomic,
        Self::StartUnclaimed,
        Self::LoseOutbox,
        Self::StaleIsDone,
        Self::NoSlots,
        Self::OwnClock,
        Self::AnyMirror,
        Self::TrustLink,
        Self::NoSearch,
        Self::DropLate,
        Self::OverwriteEdits,
        Self::Resurrect,
        Self::ForceReport,
        Self::LooseEvents,
        Self::LinkFirst,
        Self::AssignUnlinked,
        Self::AnyAnswer,
        Self::HideQuestion,
        Self::DropCheckpoint,
        Self::HastyFence,
        Self::SlowFence,
        Self::ForgetSurvivors,
        Self::NeverFence,
        Self::ReserveNothing,
        Self::CarelessAccounts,
        Self::AssignDrained,
        Self::IgnoreDrain,
        Self::WatchThroughOutages,
    ];

    /// What orchestrators take the policy for.
    pub(crate) fn misread(self, policy: Policy) -> Policy {
        let confirm = match self {
            Self::HastyFence => Span::ZERO,
            Self::SlowFence => policy.confirm.times(4),
            _ => policy.confirm,
        };
        Policy {
            confirm,
            asks: policy.asks && self != Self::NeverFence,
            ..policy
        }
    }

    /// Spoils what an orchestrator sends.
    pub(crate) fn spoil(self, set: &mut ChangeSet, dice: &mut fastrand::Rng) {
        let rows = set.writes.len();
        let makes = |write: &Write| write.get(tasks::MIRROR_OF).is_some();
        if self == Self::LinkFirst && rows > 1 && makes(&set.writes[0]) {
            set.writes.swap(0, 1);
        }
        for write in set.writes.iter_mut().filter(|w| w.table == Table::Tasks) {
            match self {
                Self::RandomMirrorId if makes(write) && rows > 1 => {
                    write.id =
                        uuid::Builder::from_random_bytes(dice.u128(..).to_be_bytes()).into_uuid();
                }
                Self::AssignWithoutAttempt => {
                    write.cells.retain(|(column, _)| *column != tasks::ATTEMPT);
                }
                Self::OverwriteEdits if write.get(tasks::FINISHED).is_some() => {
                    write.cells.push((tasks::NAME, "as it was filed".into()));
                }
                Self::HideQuestion if write.get(tasks::IS_MIRROR).is_none() => {
                    write.cells.retain(|(column, _)| *column != tasks::ANSWER);
                }
                Self::DropCheckpoint if write.get(tasks::NOT_BEFORE).is_some() => {
                    write.cells.push((tasks::EXECUTION_DETAILS, Value::Null));
                }
                _ => {}
            }
        }
        if self == Self::ReserveNothing && rows > 1 {
            set.writes.retain(|write| write.table != Table::Users);
        }
        if self == Self::LooseEvents && dice.u8(0..8) == 0 {
            set.writes.retain(|write| write.table != Table::Events);
        }
    }

    /// Whether `set` is carried out write by write.
    pub(crate) fn in_parts(self, set: &ChangeSet) -> bool {
        match self {
            Self::NotAtomic => true,
            Self::RandomMirrorId => {
                let mut writes = set.writes.iter();
                writes.any(|write| write.get(tasks::MIRROR_OF).is_some())
            }
            _ => false,
        }
    }
}
