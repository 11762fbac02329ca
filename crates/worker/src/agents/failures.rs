//! The catalogue of what goes wrong with vendors' agents, and what is done about each.
//!
//! A kind's reader says what it saw as a [`Failure`]; what follows is decided here and nowhere else:
//! wait, go on with another agent, ask the person, or fail. Where a vendor gives no code, its words
//! are all there is ([`by_words`]); the tests hold words that real programs printed.

use shraga_core::reason::Reason;
use shraga_core::time::Span;
use shraga_core::worker::Until;

mod reset;
#[cfg(test)]
mod tests;

pub(crate) use reset::At;
pub(super) use reset::{at_epoch, until};

/// Wait after a usage limit that says no reset. Windows last hours: sooner asks in vain, later
/// leaves a paid account idle.
const LIMIT_WAIT: Span = Span::mins(60);

/// Wait after a rate limit or an outage. The program itself has retried for minutes before.
const BUSY_WAIT: Span = Span::mins(5);

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody is signed in, or the key isn't accepted.
    NotSignedIn,
    /// There is no credit: waiting alone doesn't bring any.
    NoCredit,
    /// The account has used all it may until then.
    UsageLimit(Option<Until>),
    /// Too many requests in too short a time.
    RateLimited(Option<Until>),
    /// The model's service is overloaded or down.
    Overloaded,
    /// The conversation no longer fits.
    ContextFull,
    /// The model isn't there, or not for this account.
    NoModel,
    /// The model refuses the request itself.
    RequestRefused,
    /// It needed these, and may not.
    PermissionRefused(Vec<String>),
    /// All its turns are used.
    TurnsUsedUp,
    /// All the money it may spend is spent, as it counts.
    MoneyUsedUp,
    /// It printed nothing for so long that it counts as hanging.
    Silent,
    /// The session to go on with is not there.
    NoSession,
    /// Its program could not be started.
    NotThere,
    /// It ended without a result.
    Crashed,
    /// Anything else.
    Other,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The task goes back, uncounted, and isn't tried before then.
    Wait(Until),
    /// The person is asked; the task waits for her answer.
    Ask,
    /// Another attempt, counted.
    Retry,
    /// The same phase again in a new session.
    Afresh,
    /// The task fails.
    Fail,
}

impl Failure {
    /// The code that people and programs see.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::NotSignedIn => Reason::NotSignedIn,
            Self::NoCredit | Self::UsageLimit(_) => Reason::UsageLimit,
            Self::RateLimited(_) => Reason::RateLimited,
            Self::Overloaded => Reason::ModelOverloaded,
            Self::ContextFull => Reason::ContextFull,
            Self::NoModel => Reason::NoModel,
            Self::RequestRefused => Reason::RequestRefused,
            Self::PermissionRefused(_) => Reason::PermissionRefused,
            Self::TurnsUsedUp => Reason::BudgetTurns,
            Self::MoneyUsedUp => Reason::BudgetCost,
            Self::Silent => Reason::AgentSilent,
            Self::NotThere => Reason::AgentUnavailable,
            Self::NoSession | Self::Crashed | Self::Other => Reason::AgentFailed,
        }
    }

    /// What is done about it, once no other agent is left to try.
    pub(crate) fn action(&self) -> Action {
        match self {
            Self::UsageLimit(until) => Action::Wait(until.unwrap_or(Until::After(LIMIT_WAIT))),
            Self::RateLimited(until) => Action::Wait(until.unwrap_or(Until::After(BUSY_WAIT))),
            Self::Overloaded => Action::Wait(Until::After(BUSY_WAIT)),
            Self::NotSignedIn | Self::NoCredit | Self::PermissionRefused(_) => Action::Ask,
            Self::Silent | Self::Crashed => Action::Retry,
            Self::NoSession => Action::Afresh,
            Self::ContextFull
            | Self::NoModel
            | Self::RequestRefused
            | Self::TurnsUsedUp
            | Self::MoneyUsedUp
            | Self::NotThere
            | Self::Other => Action::Fail,
        }
    }

    /// Whether another vendor's agent may do better, now: its own `fallback` is tried first then.
    pub(crate) const fn may_fall_back(&self) -> bool {
        match self {
            Self::NotSignedIn
            | Self::NoCredit
            | Self::UsageLimit(_)
            | Self::RateLimited(_)
            | Self::Overloaded
            | Self::ContextFull
            | Self::NotThere
            | Self::NoModel => true,
            Self::RequestRefused
            | Self::PermissionRefused(_)
            | Self::TurnsUsedUp
            | Self::MoneyUsedUp
            | Self::Silent
            | Self::NoSession
            | Self::Crashed
            | Self::Other => false,
        }
    }

    /// What the person is asked, of the agent `name`.
    pub(crate) fn question(&self, name: &str, said: &str) -> Option<String> {
        let what = match self {
            Self::NotSignedIn => format!(
                "The agent `{name}` is not signed in on its worker. Sign it in there, or correct its \
                 key, then answer anything to go on."
            ),
            Self::NoCredit => format!(
                "The account of the agent `{name}` has no credit left. Add some, then answer anything \
                 to go on."
            ),
            Self::PermissionRefused(wanted) => format!(
                "The agent `{name}` needed what it has no permission for: {}. Add it to the agent's \
                 `allowed_tools` and restart the worker, or answer how to go on without.",
                wanted.join("; ")
            ),
            _ => return None,
        };
        match said.trim() {
            "" => Some(what),
            said => Some(format!("{what}\nIt said: {said}")),
        }
    }
}

/// What a vendor's words mean, where there is no code. Narrow words come before wide ones.
pub(crate) fn by_words(text: &str, at: &At) -> Option<Failure> {
    let text = text.replace('\u{2019}', "'").to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let later = || until(&text, at);
    let found = if has(NO_SESSION) {
        Failure::NoSession
    } else if has(NO_CREDIT) {
        Failure::NoCredit
    } else if has(USAGE_LIMIT) {
        Failure::UsageLimit(later())
    } else if has(CONTEXT) {
        Failure::ContextFull
    } else if has(RATE) {
        Failure::RateLimited(later())
    } else if has(SIGN_IN) {
        Failure::NotSignedIn
    } else if has(MODEL) {
        Failure::NoModel
    } else if has(BUSY) {
        Failure::Overloaded
    } else if has(REFUSED) {
        Failure::RequestRefused
    } else {
        return None;
    };
    Some(found)
}

const NO_SESSION: &[&str] = &[
    "no conversation found with session id",
    "no rollout found for thread",
];
const NO_CREDIT: &[&str] = &[
    "credit balance is too low",
    "quota exceeded. check your plan",
    "exceeded your current quota",
    "out of usage credits",
    "org is out of usage",
    "insufficient_quota",
    "spend limit reached",
];
const USAGE_LIMIT: &[&str] = &[
    "usage limit",
    "you've hit your",
    "you've reached your",
    "out of extra usage",
];
const CONTEXT: &[&str] = &[
    "prompt is too long",
    "context window",
    "context_length_exceeded",
    "context limit",
    "maximum context length",
];
const RATE: &[&str] = &[
    "rate limit",
    "rate_limit",
    "(429)",
    "429 too many requests",
    "too many requests",
];
const SIGN_IN: &[&str] = &[
    "not logged in",
    "please run /login",
    "invalid api key",
    "incorrect api key",
    "failed to authenticate",
    "401 unauthorized",
    "403 forbidden",
    "authentication_error",
    "oauth token",
    "token has expired",
    "codex login",
    "missing environment variable",
];
const MODEL: &[&str] = &[
    "issue with the selected model",
    "does not exist or you do not have access",
    "model_not_found",
    "model is not supported",
];
const BUSY: &[&str] = &[
    "overloaded",
    "at capacity",
    "experiencing high demand",
    "internal server error",
    "service unavailable",
    "bad gateway",
    "stream disconnected",
    "error sending request",
    "connection error",
    "unable to connect",
];
const REFUSED: &[&str] = &["usage policy", "violate our"];
