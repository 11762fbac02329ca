//! The closed sets of states a task, a worker and an event can be in, with their wire forms.
//!
//! Numbers and words here are the ones rows carry; nothing else in the workspace spells them.

use std::fmt;

/// A value of a row that is none of the ones the domain knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {what}")]
pub struct Unknown {
    /// What was expected, such as `task status`.
    pub what: &'static str,
    /// What stood there.
    pub value: String,
}

/// Where a task stands: `cr_status`, always the integer on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskStatus {
    /// 1: waiting to be mirrored (user row) or assigned (mirror).
    Pending,
    /// 3: mirrored, on its way to a worker (user rows only).
    Queued,
    /// 5: assigned to a worker.
    Running,
    /// 6: parked with a question to the person.
    WaitingForInput,
    /// 7: ended well.
    Completed,
    /// 8: ended badly.
    Failed,
    /// 9: ended on request; written by a person, a request to cancel.
    Canceled,
    /// 10: filed but not yet released.
    Submitted,
    /// 11: a running task asked to end.
    Canceling,
}

impl TaskStatus {
    /// All of them, in wire order.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Queued,
        Self::Running,
        Self::WaitingForInput,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
        Self::Submitted,
        Self::Canceling,
    ];

    /// The choice value on the wire.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Pending => 1,
            Self::Queued => 3,
            Self::Running => 5,
            Self::WaitingForInput => 6,
            Self::Completed => 7,
            Self::Failed => 8,
            Self::Canceled => 9,
            Self::Submitted => 10,
            Self::Canceling => 11,
        }
    }

    /// The name that people and `--json` see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Queued => "Queued",
            Self::Running => "Running",
            Self::WaitingForInput => "WaitingForInput",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Submitted => "Submitted",
            Self::Canceling => "Canceling",
        }
    }

    /// Whether the task has ended. Such a status never changes again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

impl TryFrom<i64> for TaskStatus {
    type Error = Unknown;

    fn try_from(code: i64) -> Result<Self, Unknown> {
        Self::ALL
            .into_iter()
            .find(|status| status.code() == code)
            .ok_or_else(|| Unknown {
                what: "task status",
                value: code.to_string(),
            })
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Declares an enum whose wire form is a word, with `as_str`, `ALL` and `FromStr`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = Unknown;

            fn from_str(text: &str) -> Result<Self, Unknown> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err(Unknown { what: $what, value: other.to_owned() }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What the worker has made of its assignment: `cr_workerstatus` of a mirror.
    WorkPhase, "worker status of a task" {
        /// Assigned, not yet claimed.
        Assigned = "assigned",
        /// Claimed: the lease names worker, boot and attempt.
        Executing = "executing",
        /// The worker published a result.
        Done = "done",
        /// The worker published a failure.
        Failed = "failed",
    }
}

words! {
    /// What a worker is fit for: `cr_status` of a worker row.
    WorkerState, "worker status" {
        /// A machine is being made; nothing has checked in yet.
        Provisioning = "provisioning",
        /// Takes work.
        Ready = "ready",
        /// Takes work, all slots in use.
        Busy = "busy",
        /// Finishes what it has, takes nothing new.
        Draining = "draining",
        /// Silent for longer than it should be.
        Suspect = "suspect",
        /// Said good-bye, or was confirmed gone.
        Offline = "offline",
        /// Its machine could not be made.
        Failed = "failed",
        /// Its machine is gone for good.
        Deprovisioned = "deprovisioned",
    }
}

words! {
    /// Whom a worker serves: `cr_pool` of a worker row.
    Pool, "pool" {
        /// Anybody.
        Shared = "shared",
        /// The owner of the worker row only.
        Dedicated = "dedicated",
    }
}

words! {
    /// The kind of a row in the workers table: `cr_type`.
    WorkerKind, "worker type" {
        /// An Azure Dev Box.
        DevBox = "DevBox",
        /// A machine somebody started `shraga worker` on.
        LocalMachine = "LocalMachine",
        /// A virtual machine elsewhere.
        CloudVm = "CloudVM",
        /// A container.
        Container = "Container",
        /// Not a worker: an orchestrator's courtesy lease.
        Orchestrator = "Orchestrator",
    }
}

words! {
    /// What an event tells: `cr_type` of an event row.
    EventKind, "event type" {
        /// The orchestrator made the mirror.
        TaskMirrored = "TaskMirrored",
        /// The orchestrator gave the task to a worker.
        TaskAssigned = "TaskAssigned",
        /// The worker claimed it.
        TaskStarted = "TaskStarted",
        /// Lines the agent printed.
        AgentMessage = "AgentMessage",
        /// The agent asks the person.
        Question = "Question",
        /// The person's answer.
        Answer = "Answer",
        /// The task ended well.
        TaskCompleted = "TaskCompleted",
        /// The task ended badly.
        TaskFailed = "TaskFailed",
        /// The task ended on request.
        TaskCanceled = "TaskCanceled",
        /// The task went back to waiting.
        TaskReassigned = "TaskReassigned",
        /// A result that came too late to be published.
        Candidate = "Candidate",
        /// A worker checked in.
        WorkerReady = "WorkerReady",
        /// A worker was confirmed gone.
        WorkerLost = "WorkerLost",
        /// A machine was made for a person.
        DevBoxProvisioned = "DevBoxProvisioned",
        /// Something somebody should look at.
        Error = "Error",
    }
}

impl WorkerState {
    /// Whether a worker in this state is given work, slots permitting.
    #[must_use]
    pub const fn takes_work(self) -> bool {
        match self {
            Self::Ready | Self::Busy => true,
            Self::Provisioning
            | Self::Draining
            | Self::Suspect
            | Self::Offline
            | Self::Failed
            | Self::Deprovisioned => false,
        }
    }

    /// Whether no process of the worker is left, by its own word or because it never had one.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        match self {
            Self::Offline | Self::Failed | Self::Deprovisioned => true,
            Self::Provisioning | Self::Ready | Self::Busy | Self::Draining | Self::Suspect => false,
        }
    }
}

impl WorkerKind {
    /// Whether rows of this kind are workers at all.
    #[must_use]
    pub const fn runs_tasks(self) -> bool {
        match self {
            Self::DevBox | Self::LocalMachine | Self::CloudVm | Self::Container => true,
            Self::Orchestrator => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_survives_its_wire_form() {
        for status in TaskStatus::ALL {
            assert_eq!(TaskStatus::try_from(status.code()), Ok(status));
        }
        assert_eq!(
            TaskStatus::try_from(4).unwrap_err().to_string(),
            "`4` is not a task status"
        );
    }

    #[test]
    fn every_word_survives_its_wire_form() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        assert_eq!("busy ".parse::<WorkerState>().unwrap_err().value, "busy ");
    }
}
