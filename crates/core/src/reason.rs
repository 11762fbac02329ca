//! Why a task waits, and why it ended: the codes of `cr_reason`, with advice for people.
//!
//! The set is closed: whatever keeps a task from moving has a code here, and every code says what
//! somebody can do about it.

use std::fmt;

use crate::status::{Unknown, words};

words! {
    /// Why a task is where it is.
    Reason, "reason" {
        /// The orchestrator does not know yet who it is, so it cannot own mirrors.
        AdminUnknown = "admin-unknown",
        /// Open tasks have mirrors of another admin's: an orchestrator with that identity ran here.
        AnotherAdmin = "another-admin",
        /// A row is not what it says, or somebody else's rows sit at this task's computed identities.
        Quarantined = "quarantined",
        /// The task's mirror can't be understood.
        Unreadable = "unreadable",
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
        /// The store lacks the columns without which our workers can't claim a task.
        NotFenced = "not-fenced",
        /// Workers exist, but none is taking work now.
        NoneReady = "none-ready",
        /// No ready worker runs the agent that the task names.
        NoWorkerForAgent = "no-worker-for-agent",
        /// No ready worker carries the labels that the task asks for.
        NoLabel = "no-label",
        /// Every worker that would do has all its slots in use.
        AllFull = "all-full",
        /// As many of the person's tasks run as may at once.
        UserCap = "user-cap",
        /// As many tasks with the same key run as may at once.
        KeyBusy = "key-busy",
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
        /// The worker was asked whether it lives, and did not answer.
        WorkerLost = "worker-lost",
        /// The worker's process ended, and a later one can't go on with it.
        WorkerRestarted = "worker-restarted",
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
        /// Its repository is not for that worker, or has no such branch, tag or commit.
        RepositoryRefused = "repository-refused",
        /// No verifier said that the criteria hold.
        NotVerified = "not-verified",
        /// The agent asks the person.
        NeedsAnswer = "needs-answer",
        /// The agent asked, and the person's row is gone.
        NobodyToAnswer = "nobody-to-answer",
        /// The task's budget of money is used up.
        BudgetCost = "budget-cost",
        /// The task's budget of tokens is used up.
        BudgetTokens = "budget-tokens",
        /// The task's budget of turns is used up.
        BudgetTurns = "budget-turns",
        /// The task's budget of time is used up.
        BudgetTime = "budget-time",
        /// The attempt printed more than its budget allows.
        BudgetOutput = "budget-output",
        /// The person has spent, or reserved, what she may spend today.
        BudgetUserDay = "budget-user-day",
        /// Everybody together has spent, or reserved, what may be spent today.
        BudgetDay = "budget-day",
        /// A day's limit is set, and the store can't hold what was spent.
        BudgetUnheld = "budget-unheld",
        /// A limit on cost is set, and what the agent uses has no known price.
        PriceUnknown = "price-unknown",
        /// A limit is set on something that the agent does not tell.
        UsageUnknown = "usage-unknown",
        /// The agent's account has used all it may for now.
        UsageLimit = "usage-limit",
        /// The agent's model refuses more requests for a moment.
        RateLimited = "rate-limited",
        /// The agent's model is overloaded or down.
        ModelOverloaded = "model-overloaded",
        /// The agent isn't signed in, or its key isn't accepted.
        NotSignedIn = "not-signed-in",
        /// The agent's model is not there, or not for this account.
        NoModel = "no-model",
        /// The conversation no longer fits the agent's model.
        ContextFull = "context-full",
        /// The agent needed something it has no permission for.
        PermissionRefused = "permission-refused",
        /// The agent's model refuses the request itself.
        RequestRefused = "request-refused",
        /// The agent said nothing for too long.
        AgentSilent = "agent-silent",
        /// The store refused the task's content.
        Invalid = "invalid",
        /// The person asked for it to end.
        CancelRequested = "cancel-requested",
        /// A second mirror of the same task.
        Duplicate = "duplicate",
    }
}

impl Reason {
    /// One line for the person.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::AdminUnknown => "the orchestrator has not signed in yet",
            Self::AnotherAdmin => "open tasks have mirrors of another admin's",
            Self::Quarantined => "a row that is not what it says, or sits where a mirror belongs",
            Self::Unreadable => "its mirror can't be understood",
            Self::NotSeen => "being looked at",
            Self::Unlinked => "its mirror is not linked yet",
            Self::NotBefore => "it is not to start yet",
            Self::Backoff => "waiting before the next attempt",
            Self::UserDisabled => "an admin disabled this person",
            Self::NoWorker => "there is no worker for this person",
            Self::NotFenced => "the store lacks columns that workers need",
            Self::NoneReady => "no worker is ready",
            Self::NoWorkerForAgent => "no ready worker runs this agent",
            Self::NoLabel => "no ready worker carries these labels",
            Self::AllFull => "waiting for a free slot",
            Self::UserCap => "as many of this person's tasks run as may at once",
            Self::KeyBusy => "as many tasks with this key run as may at once",
            Self::NotOurTurn => "another orchestrator is assigning",
            Self::TakenByLegacy => "a legacy worker took it",
            Self::NotReleased => "filed as Submitted and never released",
            Self::ClaimTimeout => "the worker did not take it in time",
            Self::WorkerVanished => "its worker is gone",
            Self::WorkerLost => "its worker did not answer and was given up",
            Self::WorkerRestarted => "its worker was restarted",
            Self::Retry => "the attempt asked to be tried again",
            Self::Released => "the worker put it back",
            Self::TooManyLosses => "too many attempts did not end well",
            Self::AgentFailed => "the agent failed",
            Self::TimedOut => "the agent ran out of time",
            Self::AgentUnavailable => "the agent could not be started",
            Self::RepositoryRefused => "its repository can't be used",
            Self::NotVerified => "its criteria were not found to hold",
            Self::NeedsAnswer => "it asks a question",
            Self::NobodyToAnswer => "it asked a question, and its row was deleted",
            Self::BudgetCost => "its budget of money is used up",
            Self::BudgetTokens => "its budget of tokens is used up",
            Self::BudgetTurns => "its budget of turns is used up",
            Self::BudgetTime => "its budget of time is used up",
            Self::BudgetOutput => "it printed more than its budget allows",
            Self::BudgetUserDay => "this person's budget for today is spent or reserved",
            Self::BudgetDay => "everybody's budget for today is spent or reserved",
            Self::BudgetUnheld => "the store can't hold what a day's budget is compared with",
            Self::PriceUnknown => "its cost is limited, and what the agent uses has no known price",
            Self::UsageUnknown => "its budget limits what the agent does not tell",
            Self::UsageLimit => "the agent's account has used all it may for now",
            Self::RateLimited => "the agent's model takes no more requests for a moment",
            Self::ModelOverloaded => "the agent's model is overloaded or down",
            Self::NotSignedIn => "the agent isn't signed in",
            Self::NoModel => "the agent's model is not there for this account",
            Self::ContextFull => "the conversation no longer fits the agent's model",
            Self::PermissionRefused => "the agent needed something it has no permission for",
            Self::RequestRefused => "the agent's model refuses the request",
            Self::AgentSilent => "the agent said nothing for too long",
            Self::Invalid => "the store refuses its content",
            Self::CancelRequested => "canceled on request",
            Self::Duplicate => "a second mirror of the same task",
        }
    }

    /// What somebody can do about it.
    #[must_use]
    #[expect(
        clippy::too_many_lines,
        reason = "a line for each of a closed set, and nothing else"
    )]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::AdminUnknown => "check the orchestrator's token and log",
            Self::AnotherAdmin => {
                "run the orchestrator as before, or make its new identity the owner of those mirrors"
            }
            Self::Quarantined => {
                "file it again; an admin should look at the Error events of this task"
            }
            Self::Unreadable => {
                "an admin should correct the column that the orchestrator's log names"
            }
            Self::NotSeen | Self::NotOurTurn => "nothing: it takes a moment",
            Self::Unlinked => "nothing: the orchestrator repairs it",
            Self::NotBefore => "wait, or file it again without `notBefore`",
            Self::Backoff | Self::Retry => "wait, or look at the last attempt: `shraga logs ID`",
            Self::UserDisabled => "ask an admin to set the person's row to `active`",
            Self::NoWorker => "start one: `shraga worker`, or allow shared workers",
            Self::NotFenced => "an admin should run `shraga schema apply`",
            Self::NoneReady => "see `shraga workers`: restart or undrain one",
            Self::NoWorkerForAgent => "start a worker with this agent, or file it without",
            Self::NoLabel => "start a worker with these labels, or file it without",
            Self::AllFull => "wait, raise its priority, or add slots",
            Self::UserCap => {
                "wait for one to end, or ask an admin for more (`assign.user_running`)"
            }
            Self::KeyBusy => "wait for one to end: `shraga list` shows what runs",
            Self::TakenByLegacy => "wait for the legacy worker, or stop it",
            Self::NotReleased => "set its status to Pending (1), or cancel it",
            Self::ClaimTimeout
            | Self::WorkerVanished
            | Self::WorkerLost
            | Self::WorkerRestarted => "see `shraga workers`; it is tried again",
            Self::Released => "nothing: it is assigned again",
            Self::TooManyLosses | Self::AgentFailed => "read `shraga logs ID`, then file it again",
            Self::TimedOut => {
                "give it more time in its agent's `timeout_seconds`, then file it again"
            }
            Self::AgentUnavailable => "check the agent's `program` on the worker's machine",
            Self::RepositoryRefused => {
                "check --repo and --ref; local paths and private hosts need `worker.repositories`"
            }
            Self::NotVerified => {
                "read what the verifier found: `shraga show ID`; then file it again, or with --rounds"
            }
            Self::NeedsAnswer => {
                "answer it: `shraga answer ID TEXT`, or end it: `shraga cancel ID`"
            }
            Self::NobodyToAnswer => "file it again if it should go on",
            Self::BudgetCost
            | Self::BudgetTokens
            | Self::BudgetTurns
            | Self::BudgetTime
            | Self::BudgetOutput => {
                "look at what it did, `shraga show ID`; file it again with a larger `--budget`"
            }
            Self::BudgetUserDay | Self::BudgetDay => {
                "wait for the next day (UTC), or ask an admin to raise the limit in `[budget]`"
            }
            Self::BudgetUnheld => {
                "an admin should run `shraga schema apply`, or take the day's limits out of `[budget]`"
            }
            Self::PriceUnknown => {
                "name the model's price in `[prices]` on the worker, or file it without a limit on cost"
            }
            Self::UsageUnknown => {
                "use an agent that tells its usage (docs/budgets.md), or file it without this limit"
            }
            Self::UsageLimit => {
                "wait for the reset, give the agent a `fallback`, or file it for another agent"
            }
            Self::RateLimited | Self::ModelOverloaded => "nothing: it is tried again",
            Self::NotSignedIn => {
                "sign the agent in on the worker's machine, or correct the key that its `env` names"
            }
            Self::NoModel => "correct `model` of the agent, or use an account that has it",
            Self::ContextFull => "split the task, or file it again with less to read",
            Self::PermissionRefused => {
                "add what it needed to the agent's `allowed_tools`, then file it again"
            }
            Self::RequestRefused => "read `shraga show ID`, then file it again in other words",
            Self::AgentSilent => {
                "file it again; if its tools work silently for long, raise the agent's `silence_seconds`"
            }
            Self::Invalid => "file it again with the content corrected",
            Self::CancelRequested => "nothing; file it again if it should run after all",
            Self::Duplicate => "nothing: its other mirror goes on",
        }
    }

    /// Whether an attempt that it ended says nothing about the task or the worker: a later one is
    /// likely to do better by waiting alone, so it doesn't count.
    #[must_use]
    pub const fn is_put_off(self) -> bool {
        matches!(
            self,
            Self::UsageLimit | Self::RateLimited | Self::ModelOverloaded
        )
    }

    /// Whether a task that waits for this goes on by itself only if somebody does something.
    #[must_use]
    pub const fn is_stuck(self) -> bool {
        matches!(
            self,
            Self::UserDisabled
                | Self::NoWorker
                | Self::NotFenced
                | Self::NoWorkerForAgent
                | Self::NoLabel
                | Self::NotReleased
                | Self::Unreadable
        )
    }

    /// Itself, if it is worth writing into a waiting task's row: it lasts, and says more than that
    /// there is a queue.
    pub(crate) const fn of_waiting(self) -> Option<Self> {
        match self {
            Self::NotBefore
            | Self::UserDisabled
            | Self::NoWorker
            | Self::NotFenced
            | Self::NoneReady
            | Self::NoWorkerForAgent
            | Self::NoLabel
            | Self::UserCap
            | Self::KeyBusy
            | Self::BudgetUserDay
            | Self::BudgetDay
            | Self::BudgetUnheld
            | Self::TakenByLegacy => Some(self),
            Self::AdminUnknown
            | Self::AnotherAdmin
            | Self::Quarantined
            | Self::Unreadable
            | Self::NotSeen
            | Self::Unlinked
            | Self::Backoff
            | Self::AllFull
            | Self::NotOurTurn
            | Self::NotReleased
            | Self::ClaimTimeout
            | Self::WorkerVanished
            | Self::WorkerLost
            | Self::WorkerRestarted
            | Self::Retry
            | Self::Released
            | Self::TooManyLosses
            | Self::AgentFailed
            | Self::TimedOut
            | Self::AgentUnavailable
            | Self::RepositoryRefused
            | Self::NotVerified
            | Self::NeedsAnswer
            | Self::NobodyToAnswer
            | Self::BudgetCost
            | Self::BudgetTokens
            | Self::BudgetTurns
            | Self::BudgetTime
            | Self::BudgetOutput
            | Self::PriceUnknown
            | Self::UsageUnknown
            | Self::UsageLimit
            | Self::RateLimited
            | Self::ModelOverloaded
            | Self::NotSignedIn
            | Self::NoModel
            | Self::ContextFull
            | Self::PermissionRefused
            | Self::RequestRefused
            | Self::AgentSilent
            | Self::Invalid
            | Self::CancelRequested
            | Self::Duplicate => None,
        }
    }
}
