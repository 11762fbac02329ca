//! Why a task waits, and why it ended: the codes of `cr_reason`, with advice for people.
//!
//! The set is closed: whatever keeps a task from moving has a code here, and every code says what
//! somebody can do about it.

use std::fmt;

use crate::status::{Unknown, words};

/// Declares every reason with its code, what it says to the person, and what somebody can do about it.
/// One of those that `lasts` is worth writing into a waiting task's row.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $code:literal $kind:ident, $message:literal, $advice:literal;)+) => {
        words! {
            /// Why a task is where it is.
            Reason, "reason" { $($(#[$doc])* $variant = $code,)+ }
        }

        impl Reason {
            /// One line for the person.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)+ }
            }

            /// What somebody can do about it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)+ }
            }

            /// Itself, if it is worth writing into a waiting task's row: it lasts, and says more than
            /// that there is a queue.
            pub(crate) const fn of_waiting(self) -> Option<Self> {
                match self { $(Self::$variant => reasons!(@$kind self),)+ }
            }
        }
    };
    (@lasts $reason:expr) => { Some($reason) };
    (@passes $reason:expr) => { None };
}

reasons! {
    /// The orchestrator does not know yet who it is, so it cannot own mirrors.
    AdminUnknown "admin-unknown" passes,
        "the orchestrator has not signed in yet",
        "check the orchestrator's token and log";
    /// Open tasks have mirrors of another admin's: an orchestrator with that identity ran here.
    AnotherAdmin "another-admin" passes,
        "open tasks have mirrors of another admin's",
        "an admin should run the orchestrator as before, or hand those mirrors over (docs/operations.md)";
    /// A row is not what it says, or somebody else's rows sit at this task's computed identities.
    Quarantined "quarantined" passes,
        "a row that is not what it says, or sits where a mirror belongs",
        "an admin should look at the Error events of this task; `shraga retry ID` files it again";
    /// The task's mirror can't be understood.
    Unreadable "unreadable" passes,
        "its mirror can't be understood",
        "an admin should correct the column that the orchestrator's log names";
    /// Rows needed to decide are not in view yet.
    NotSeen "not-seen" passes,
        "being looked at",
        "nothing: it takes a moment";
    /// The mirror is not linked from the person's row.
    Unlinked "unlinked" passes,
        "its mirror is not linked yet",
        "nothing: the orchestrator repairs it";
    /// The person asked for a later start.
    NotBefore "not-before" lasts,
        "it is not to start yet",
        "wait, or file it without `notBefore`";
    /// It is to end with a late result of another task, which is being looked at.
    Accepting "accepting" passes,
        "the late result that it accepts is being looked at",
        "nothing: it takes a moment";
    /// The late result that it names does not count.
    CandidateRefused "candidate-refused" passes,
        "the late result that it accepts does not count",
        "`shraga show ID` of the task it names lists what can be accepted; `shraga retry ID` runs it again";
    /// Set aside for a while after an attempt that did not end well.
    Backoff "backoff" passes,
        "waiting before the next attempt",
        "wait, or look at the last attempt: `shraga logs ID`";
    /// An admin disabled the person.
    UserDisabled "user-disabled" lasts,
        "an admin disabled this person",
        "ask an admin to set the person's row to `active`";
    /// There is no worker that may serve this person.
    NoWorker "no-worker" lasts,
        "there is no worker for this person",
        "start one: `shraga worker`, or allow shared workers";
    /// The store lacks the columns without which our workers can't claim a task.
    NotFenced "not-fenced" lasts,
        "the store lacks columns that workers need",
        "an admin should run `shraga schema apply`";
    /// Workers exist, but none is taking work now.
    NoneReady "none-ready" lasts,
        "no worker is ready",
        "see `shraga workers`: restart or undrain one";
    /// No ready worker runs the agent that the task names.
    NoWorkerForAgent "no-worker-for-agent" lasts,
        "no ready worker runs this agent",
        "start a worker with this agent, or file it without";
    /// No ready worker carries the labels that the task asks for.
    NoLabel "no-label" lasts,
        "no ready worker carries these labels",
        "start a worker with these labels, or file it without";
    /// Every worker that would do has all its slots in use.
    AllFull "all-full" passes,
        "waiting for a free slot",
        "wait, raise its priority, or add slots";
    /// As many of the person's tasks run as may at once.
    UserCap "user-cap" lasts,
        "as many of this person's tasks run as may at once",
        "wait for one to end, or ask an admin for more (`assign.user_running`)";
    /// As many tasks with the same key run as may at once.
    KeyBusy "key-busy" lasts,
        "as many tasks with this key run as may at once",
        "wait for one to end: `shraga list` shows what runs";
    /// Another orchestrator is assigning.
    NotOurTurn "not-our-turn" passes,
        "another orchestrator is assigning",
        "nothing: it takes a moment";
    /// A legacy worker took the person's row by itself.
    TakenByLegacy "taken-by-legacy" lasts,
        "a legacy worker took it",
        "wait for the legacy worker, or stop it";
    /// Filed as Submitted and not released in time.
    NotReleased "not-released" passes,
        "filed as Submitted and never released",
        "set its status to Pending (1), or cancel it";
    /// The worker did not claim it in time.
    ClaimTimeout "claim-timeout" passes,
        "the worker did not take it in time",
        "see `shraga workers`; it is tried again";
    /// The worker's row is gone.
    WorkerVanished "worker-vanished" passes,
        "its worker is gone",
        "see `shraga workers`; it is tried again";
    /// The worker was asked whether it lives, and did not answer.
    WorkerLost "worker-lost" passes,
        "its worker did not answer and was given up",
        "see `shraga workers`; it is tried again";
    /// The worker's process ended, and a later one can't go on with it.
    WorkerRestarted "worker-restarted" passes,
        "its worker was restarted",
        "see `shraga workers`; it is tried again";
    /// The worker put it back: the attempt asked for a retry.
    Retry "retry" passes,
        "the attempt asked to be tried again",
        "wait, or look at the last attempt: `shraga logs ID`";
    /// The worker put it back untouched.
    Released "released" passes,
        "the worker put it back",
        "nothing: it is assigned again";
    /// Too many attempts were lost or asked for a retry.
    TooManyLosses "too-many-losses" passes,
        "too many attempts did not end well",
        "read `shraga logs ID`, then `shraga retry ID`";
    /// The agent ended badly.
    AgentFailed "agent-failed" passes,
        "the agent failed",
        "read `shraga logs ID`, then `shraga retry ID`";
    /// The agent ran out of time.
    TimedOut "timed-out" passes,
        "the agent ran out of time",
        "give it more time in its agent's `timeout_seconds`, then `shraga retry ID`";
    /// The agent could not be started.
    AgentUnavailable "agent-unavailable" passes,
        "the agent could not be started",
        "check the agent's `program` on the worker's machine";
    /// Its repository is not for that worker, or has no such branch, tag or commit.
    RepositoryRefused "repository-refused" passes,
        "its repository can't be used",
        "check --repo and --ref; local paths and private hosts need `worker.repositories`";
    /// No verifier said that the criteria hold.
    NotVerified "not-verified" passes,
        "its criteria were not found to hold",
        "read what the verifier found: `shraga show ID`; then `shraga retry ID`, with more `--rounds`";
    /// The agent asks the person.
    NeedsAnswer "needs-answer" passes,
        "it asks a question",
        "answer it: `shraga answer ID TEXT`, or end it: `shraga cancel ID`";
    /// The agent asked, and the person's row is gone.
    NobodyToAnswer "nobody-to-answer" passes,
        "it asked a question, and its row was deleted",
        "`shraga retry ID` if it should go on";
    /// The task's budget of money is used up.
    BudgetCost "budget-cost" passes,
        "its budget of money is used up",
        "look at what it did, `shraga show ID`; then `shraga retry ID --budget LIMITS` with larger ones";
    /// The task's budget of tokens is used up.
    BudgetTokens "budget-tokens" passes,
        "its budget of tokens is used up",
        "look at what it did, `shraga show ID`; then `shraga retry ID --budget LIMITS` with larger ones";
    /// The task's budget of turns is used up.
    BudgetTurns "budget-turns" passes,
        "its budget of turns is used up",
        "look at what it did, `shraga show ID`; then `shraga retry ID --budget LIMITS` with larger ones";
    /// The task's budget of time is used up.
    BudgetTime "budget-time" passes,
        "its budget of time is used up",
        "look at what it did, `shraga show ID`; then `shraga retry ID --budget LIMITS` with larger ones";
    /// The attempt printed more than its budget allows.
    BudgetOutput "budget-output" passes,
        "it printed more than its budget allows",
        "look at what it did, `shraga show ID`; then `shraga retry ID --budget LIMITS` with larger ones";
    /// The person has spent, or reserved, what she may spend today.
    BudgetUserDay "budget-user-day" lasts,
        "this person's budget for today is spent or reserved",
        "wait for the next day (UTC), or ask an admin to raise the limit in `[budget]`";
    /// Everybody together has spent, or reserved, what may be spent today.
    BudgetDay "budget-day" lasts,
        "everybody's budget for today is spent or reserved",
        "wait for the next day (UTC), or ask an admin to raise the limit in `[budget]`";
    /// A day's limit is set, and the store can't hold what was spent.
    BudgetUnheld "budget-unheld" lasts,
        "the store can't hold what a day's budget is compared with",
        "an admin should run `shraga schema apply`, or take the day's limits out of `[budget]`";
    /// A limit on cost is set, and what the agent uses has no known price.
    PriceUnknown "price-unknown" passes,
        "its cost is limited, and what the agent uses has no known price",
        "name the model's price in `[prices]` on the worker, or file it without a limit on cost";
    /// A limit is set on something that the agent does not tell.
    UsageUnknown "usage-unknown" passes,
        "its budget limits what the agent does not tell",
        "use an agent that tells its usage (docs/budgets.md), or file it without this limit";
    /// The agent's account has used all it may for now.
    UsageLimit "usage-limit" passes,
        "the agent's account has used all it may for now",
        "wait for the reset, give the agent a `fallback`, or file it for another agent";
    /// The agent's model refuses more requests for a moment.
    RateLimited "rate-limited" passes,
        "the agent's model takes no more requests for a moment",
        "nothing: it is tried again";
    /// The agent's model is overloaded or down.
    ModelOverloaded "model-overloaded" passes,
        "the agent's model is overloaded or down",
        "nothing: it is tried again";
    /// The agent isn't signed in, or its key isn't accepted.
    NotSignedIn "not-signed-in" passes,
        "the agent isn't signed in",
        "sign the agent in on the worker's machine, or correct the key that its `env` names";
    /// The agent's model is not there, or not for this account.
    NoModel "no-model" passes,
        "the agent's model is not there for this account",
        "correct `model` of the agent, or use an account that has it";
    /// The conversation no longer fits the agent's model.
    ContextFull "context-full" passes,
        "the conversation no longer fits the agent's model",
        "split the task, or file it with less to read";
    /// The agent needed something it has no permission for.
    PermissionRefused "permission-refused" passes,
        "the agent needed something it has no permission for",
        "add what it needed to the agent's `allowed_tools`, then `shraga retry ID`";
    /// The agent's model refuses the request itself.
    RequestRefused "request-refused" passes,
        "the agent's model refuses the request",
        "read `shraga show ID`, then file it in other words";
    /// The agent said nothing for too long.
    AgentSilent "agent-silent" passes,
        "the agent said nothing for too long",
        "`shraga retry ID`; if its tools work silently for long, raise the agent's `silence_seconds`";
    /// The store refused the task's content.
    Invalid "invalid" passes,
        "the store refuses its content",
        "file it with the content corrected";
    /// The person asked for it to end.
    CancelRequested "cancel-requested" passes,
        "canceled on request",
        "nothing; `shraga retry ID` if it should run after all";
    /// A second mirror of the same task.
    Duplicate "duplicate" passes,
        "a second mirror of the same task",
        "nothing: its other mirror goes on";
}

impl Reason {
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
}
