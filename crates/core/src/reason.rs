//! Why a task waits, and why it ended: the codes of `cr_reason`, with advice for people.
//!
//! The set is closed: whatever keeps a task from moving has a code here, and every code says what
//! somebody can do about it.

use crate::status::{Unknown, words};
use std::fmt;

words! {
    /// Why a task is where it is.
    Reason, "reason" {
        /// The orchestrator does not know yet who it is, so it cannot own mirrors.
        AdminUnknown = "admin-unknown",
        /// The rows sitting at this task's computed identities are somebody else's.
        Quarantined = "quarantined",
        /// Rows needed to decide are not in view yet.
        NotSeen = "not-seen",
        /// The mirror is not linked from the person's row.
        Unlinked = "unlinked",
        /// The person asked for a later start.
        NotBefore = "not-before",
        /// Set aside for a while after an attempt that did not end well.
        Backoff = "backoff",
        /// An admin disabled the person.
        UserDisabled = "user-disabled",
        /// There is no worker that may serve this person.
        NoWorker = "no-worker",
        /// Workers exist, but none is taking work now.
        NoneReady = "none-ready",
        /// No ready worker runs the agent that the task names.
        NoWorkerForAgent = "no-worker-for-agent",
        /// No ready worker carries the labels that the task asks for.
        NoLabel = "no-label",
        /// Every worker that would do has all its slots in use.
        AllFull = "all-full",
        /// Another orchestrator is assigning.
        NotOurTurn = "not-our-turn",
        /// A legacy worker took the person's row by itself.
        TakenByLegacy = "taken-by-legacy",
        /// Filed as Submitted and not released in time.
        NotReleased = "not-released",
        /// The worker did not claim it in time.
        ClaimTimeout = "claim-timeout",
        /// The worker's row is gone.
        WorkerVanished = "worker-vanished",
        /// The worker put it back: the attempt asked for a retry.
        Retry = "retry",
        /// The worker put it back untouched.
        Released = "released",
        /// Too many attempts were lost or asked for a retry.
        TooManyLosses = "too-many-losses",
        /// The agent ended badly.
        AgentFailed = "agent-failed",
        /// The agent ran out of time.
        TimedOut = "timed-out",
        /// The agent could not be started.
        AgentUnavailable = "agent-unavailable",
        /// The store refused the task's content.
        Invalid = "invalid",
        /// The person asked for it to end.
        CancelRequested = "cancel-requested",
        /// A second mirror of the same task.
        Duplicate = "duplicate",
    }
}
