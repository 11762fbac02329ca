//! Why a request failed, in the distinctions that somebody reacts to.

use std::fmt;
use std::time::Duration;

use crate::fault::Fault;
use crate::names::BadName;
use crate::tokens::NoToken;

/// A failed request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The configured address is not one that may be used.
    #[error("the Dev Center's address ({host}) cannot be used: {reason}")]
    BadAddress {
        /// The host it names.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name that the service would not take; nothing was sent.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// The total time of a request was over.
    #[error("{host} gave no answer within {}s ({stage})", .after.as_secs_f32())]
    Timeout {
        /// The host and port.
        host: String,
        /// What it was waiting for.
        stage: Stage,
        /// The limit.
        after: Duration,
    },
    /// No name, no connection, no TLS, or a connection that broke.
    #[error("{host} can't be reached: {said}")]
    Unreachable {
        /// The host and port.
        host: String,
        /// What the transport said.
        said: String,
    },
    /// There is no token; nothing was sent.
    #[error("no token for the Dev Center ({})", .0.said)]
    NoToken(NoToken),
    /// 401, also with a new token.
    #[error("the Dev Center does not accept the token ({0})")]
    Unauthenticated(Fault),
    /// 403.
    #[error("not allowed at the Dev Center ({0})")]
    Forbidden(Fault),
    /// 404.
    #[error("the Dev Center doesn't know {what} ({fault})")]
    Missing {
        /// What was asked for.
        what: String,
        /// The service's words.
        fault: Fault,
    },
    /// 409: no room, or not in this state.
    #[error("the Dev Center can't do that now ({0})")]
    Conflict(Fault),
    /// 400, 422 and every other 4xx: sending it again is of no use.
    #[error("the Dev Center refuses the request ({0})")]
    Refused(Fault),
    /// 429, or the share of the limit that is left is kept for others.
    #[error("the Dev Center asks for fewer requests{}", waits(.after))]
    Throttled {
        /// How long nothing is sent.
        after: Option<Duration>,
        /// The service's words, when it said any.
        fault: Option<Fault>,
    },
    /// 5xx.
    #[error("the Dev Center fails ({0})")]
    Unavailable(Fault),
    /// The answer is not what the protocol says.
    #[error("{host} answers what no Dev Center says: {what}")]
    Malformed {
        /// The host and port.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// The service names an address at another host: it was not followed, and no token sent there.
    #[error("the Dev Center names an address of somebody else ({host}); it was not followed")]
    Foreign {
        /// The host it names.
        host: String,
    },
}

/// What a timed-out request was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its turn, under the pacing of requests.
    Turn,
    /// A token.
    Token,
    /// Connection, or the head of an answer.
    Answer,
    /// The rest of the answer.
    Body,
}

/// What somebody does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wait, ever longer; nobody has to change anything.
    Transient,
    /// Sign in.
    SignIn,
    /// Ask an admin for a right.
    Denied,
    /// What was asked for is not there: its name is wrong, or it is gone.
    Missing,
    /// No room, or not in this state: look what there is, then wait longer.
    Conflict,
    /// A mistake of ours or of a setting: the same request never works.
    Invalid,
    /// Wait as long as the service says.
    Throttled,
    /// Somebody else answers, or the service is not what it was: wait, and show it.
    Malformed,
}

impl Error {
    /// What somebody does about it.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Timeout { .. } | Self::Unreachable { .. } | Self::Unavailable(_) => {
                Class::Transient
            }
            Self::NoToken(why) if why.passes => Class::Transient,
            Self::NoToken(_) | Self::Unauthenticated(_) => Class::SignIn,
            Self::Forbidden(_) => Class::Denied,
            Self::Missing { .. } => Class::Missing,
            Self::Conflict(_) => Class::Conflict,
            Self::BadAddress { .. } | Self::BadName(_) | Self::Refused(_) => Class::Invalid,
            Self::Throttled { .. } => Class::Throttled,
            Self::Malformed { .. } | Self::Foreign { .. } => Class::Malformed,
        }
    }

    /// How long the service wants to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { after, .. } => *after,
            _ => None,
        }
    }

    /// The error that a refusal of `what` is.
    pub(crate) fn refusal(fault: Fault, what: &str, after: Option<Duration>) -> Self {
        match fault.status {
            401 => Self::Unauthenticated(fault),
            403 => Self::Forbidden(fault),
            404 => Self::Missing {
                what: what.to_owned(),
                fault,
            },
            409 => Self::Conflict(fault),
            408 => Self::Unavailable(fault),
            429 => Self::Throttled {
                after,
                fault: Some(fault),
            },
            // Not implemented: it will not be the next time either.
            501 => Self::Refused(fault),
            500.. => Self::Unavailable(fault),
            _ => Self::Refused(fault),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turn => "waiting for its turn",
            Self::Token => "waiting for a token",
            Self::Answer => "waiting for an answer",
            Self::Body => "waiting for the rest of the answer",
        })
    }
}

fn waits(after: &Option<Duration>) -> String {
    match after {
        Some(after) => format!(", for {}s", after.as_secs().max(1)),
        None => String::new(),
    }
}
