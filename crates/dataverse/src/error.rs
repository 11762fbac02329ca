//! Why a request failed, in the distinctions that somebody reacts to.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use shraga_wire::fault::{Fault, codes};

use crate::auth::{Kind, NoToken};
use crate::rows::RowError;
use crate::transport::BoxError;

/// A failed request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one that may be used.
    #[error("{address} cannot be used: {reason}")]
    BadAddress {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The total time of a request was over.
    #[error("no answer within {}s ({stage})", .after.as_secs_f32())]
    Timeout {
        /// What it was waiting for.
        stage: Stage,
        /// The limit.
        after: Duration,
    },
    /// The host's name could not be resolved.
    #[error("the name of {host} could not be resolved")]
    Dns {
        /// The host.
        host: String,
        /// What the resolver said.
        #[source]
        source: Cause,
    },
    /// No connection: refused, unreachable or reset before the request was sent.
    #[error("could not connect to {host}")]
    Connect {
        /// The host and port.
        host: String,
        /// What the system said.
        #[source]
        source: Cause,
    },
    /// The TLS handshake failed: a certificate that is not trusted, or no common protocol.
    #[error("no secure connection to {host}")]
    Tls {
        /// The host and port.
        host: String,
        /// What the handshake said.
        #[source]
        source: Cause,
    },
    /// The connection broke after the request was sent: whether it was carried out is unknown.
    #[error("the connection to {host} broke before the answer was complete")]
    Broken {
        /// The host and port.
        host: String,
        /// What the transport said.
        #[source]
        source: Cause,
    },
    /// Not sent: the service failed so often in a row that it is only tried now and then.
    #[error(
        "not sent: {host} has failed {failures} times in a row for {}s, and is tried again in {}s",
        .lasts.as_secs(), .next_probe.as_secs()
    )]
    Resting {
        /// The host and port.
        host: String,
        /// Attempts that failed, one after the other.
        failures: u32,
        /// How long ago the first of them did.
        lasts: Duration,
        /// How long it is until the next probe.
        next_probe: Duration,
        /// How the last of them failed.
        #[source]
        source: Cause,
    },
    /// 429: the service asks for less.
    #[error("throttled by the service: {fault}")]
    Throttled {
        /// `Retry-After`, when it was sent.
        retry_after: Option<Duration>,
        /// What the service said.
        fault: Fault,
    },
    /// 401: no token, or one that is not valid.
    #[error("the service does not accept the token: {0}")]
    Unauthenticated(Fault),
    /// 401 for a token that a credential has just given.
    #[error("the service does not accept the token of {credential}: {fault}")]
    TokenRefused {
        /// Who gave the token.
        credential: Kind,
        /// What the service said.
        fault: Fault,
    },
    /// No credential gave a token; nothing was sent.
    #[error("no token for the service ({0})")]
    NoToken(NoToken),
    /// 403: the caller may not do this.
    #[error("not allowed: {0}")]
    Forbidden(Fault),
    /// 404: the address, table or row does not exist for the caller.
    #[error("not found: {0}")]
    Missing(Fault),
    /// 412: the row is not as the condition demands.
    #[error("conflict: {0}")]
    Conflict(Fault),
    /// Any other 4xx, or 501: sending it again is of no use.
    #[error("refused with status {status}: {0}", status = .0.status)]
    Refused(Fault),
    /// 5xx: the service failed; another try may succeed.
    #[error("the service failed with status {status}: {0}", status = .0.status)]
    Unavailable(Fault),
    /// The answer is not what the protocol says.
    #[error("{what} (the answer begins: {excerpt})")]
    BadAnswer {
        /// What is wrong with it.
        what: String,
        /// How it begins.
        excerpt: String,
    },
    /// A page named itself, or an earlier one, as the next.
    #[error("the service repeats the next page's address {0}")]
    RepeatedNextLink(String),
    /// A next page at another host: it was not followed, and no token sent there.
    #[error("the service names a next page at a foreign address {0}")]
    ForeignNextLink(String),
    /// An answer or a batch beyond a limit.
    #[error("more than the {limit} {unit} that are allowed")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Tables or columns without which nothing can be done.
    #[error("the table {table} lacks what is required: {missing}")]
    Lacking {
        /// The table, as it is called there.
        table: String,
        /// The columns (or the table itself), as they are called there, separated by commas.
        missing: String,
    },
    /// A write that names no row, or an update that sets nothing: a mistake of ours, refused before any request.
    #[error("a write to {table} {lacks}")]
    EmptyWrite {
        /// The table, by its default name.
        table: &'static str,
        /// What it lacks.
        lacks: &'static str,
    },
    /// A row that cannot be understood.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The batch was stopped before it came to this request.
    #[error("not carried out: an earlier request of the batch failed")]
    NotReached,
}

/// What a timed-out request was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its turn, under the pacing of requests.
    Turn,
    /// A token, from the credential that gives it.
    Token,
    /// Connection, or the headers of an answer.
    Answer,
    /// The rest of the answer's body.
    Body,
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

/// The error underneath, shared so that errors can be cloned.
#[derive(Clone, Debug)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    /// Wraps an error.
    #[must_use]
    pub fn new(source: BoxError) -> Self {
        Self(Arc::from(source))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Error {
    /// The service's own words, when it answered.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Throttled { fault, .. }
            | Self::Unauthenticated(fault)
            | Self::TokenRefused { fault, .. }
            | Self::Forbidden(fault)
            | Self::Missing(fault)
            | Self::Conflict(fault)
            | Self::Refused(fault)
            | Self::Unavailable(fault) => Some(fault),
            Self::BadAddress { .. }
            | Self::Timeout { .. }
            | Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Broken { .. }
            | Self::Resting { .. }
            | Self::BadAnswer { .. }
            | Self::RepeatedNextLink(_)
            | Self::ForeignNextLink(_)
            | Self::TooLarge { .. }
            | Self::Lacking { .. }
            | Self::EmptyWrite { .. }
            | Self::Row(_)
            | Self::NoToken(_)
            | Self::NotReached => None,
        }
    }

    /// Whether the same request may succeed later: nobody has to change anything first.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        if let Self::NoToken(why) = self {
            return why.is_passing();
        }
        matches!(
            self,
            Self::Timeout { .. }
                | Self::Dns { .. }
                | Self::Connect { .. }
                | Self::Broken { .. }
                | Self::Resting { .. }
                | Self::Throttled { .. }
                | Self::Unavailable(_)
        )
    }

    /// Whether it is about who we are to the service, and says nothing about what was asked.
    #[must_use]
    pub const fn is_about_us(&self) -> bool {
        matches!(
            self,
            Self::Unauthenticated(_) | Self::TokenRefused { .. } | Self::NoToken(_)
        )
    }

    /// Whether it shows that the service is not there, or fails: no answer, or a 5xx.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Timeout {
                stage: Stage::Answer | Stage::Body,
                ..
            } | Self::Dns { .. }
                | Self::Connect { .. }
                | Self::Tls { .. }
                | Self::Broken { .. }
                | Self::Unavailable(_)
        )
    }

    /// Whether a write that failed this way may have been carried out all the same.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::Timeout {
                stage: Stage::Answer | Stage::Body,
                ..
            } | Self::Broken { .. }
                | Self::Unavailable(_)
                | Self::BadAnswer { .. }
                | Self::TooLarge { .. }
        )
    }

    /// Whether it says that a row does not exist for the caller, rather than a table or an address.
    #[must_use]
    pub fn is_missing_row(&self) -> bool {
        let of_address = [codes::NO_SUCH_RESOURCE, codes::ODATA];
        matches!(self, Self::Missing(fault) if !of_address.contains(&fault.code))
    }

    /// The failure behind it: of a request that wasn't sent since the service rests, how the last one
    /// that was sent failed; otherwise this one.
    #[must_use]
    pub fn root(&self) -> &Self {
        match self {
            Self::Resting { source, .. } => source.0.downcast_ref().unwrap_or(self),
            other => other,
        }
    }

    /// The error with all its causes, in one line.
    #[must_use]
    pub fn explained(&self) -> String {
        shraga_core::causes::chain(self)
    }

    /// What a person can do about it, where there is something.
    #[must_use]
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::NoToken(why) => Some(why.hint().into()),
            _ => self.fixed_advice().map(Cow::Borrowed),
        }
    }

    fn fixed_advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::BadAddress { .. } => {
                "use an https:// address; http:// is for loopback addresses only"
            }
            Self::Timeout {
                stage: Stage::Turn, ..
            } => "other processes may use the same identity: give each its share of the limits",
            Self::Timeout {
                stage: Stage::Token,
                ..
            } => {
                "the credential is slow: try its tool by hand (`az account get-access-token`), or choose another with AZURE_TOKEN_CREDENTIALS"
            }
            Self::Timeout { .. } => "try again; REQUEST_TIMEOUT (seconds) allows more time",
            Self::Dns { .. } => "check DATAVERSE_URL and this machine's name resolution",
            Self::Connect { .. } => "check that the store is running and DATAVERSE_URL is right",
            Self::Tls { .. } => {
                "check that this address speaks TLS; a self-signed certificate is given as `store.ca_file`"
            }
            Self::Broken { .. } | Self::Unavailable(_) => {
                "try again; the store's own log says more if it goes on"
            }
            Self::Resting { .. } => {
                "nothing to do here but wait: it goes on once the service answers"
            }
            Self::Throttled { .. } => "wait a minute and try again",
            Self::Unauthenticated(_) => {
                "check DATAVERSE_TOKEN or --token-file; `shraga token create` makes a new one"
            }
            Self::TokenRefused { .. } => {
                "make this identity a user (an application: an application user) of the organisation, or sign in to the organisation's tenant (AZURE_TENANT_ID)"
            }
            Self::Forbidden(_) => "this token may not do that; an admin's may",
            Self::Conflict(_) => "somebody changed it meanwhile: try again",
            Self::Missing(fault) if !self.is_missing_row() || fault.code == codes::NONE => {
                "check DATAVERSE_URL and the names of the tables (TABLE_NAME and the like)"
            }
            Self::BadAnswer { .. } | Self::RepeatedNextLink(_) | Self::ForeignNextLink(_) => {
                "check that DATAVERSE_URL is the store's own address, and that no proxy or sign-in page answers for it"
            }
            Self::Lacking { .. } => {
                "`shraga schema apply` adds them; if they are there under other names, set TABLE_NAME or [schema.columns]"
            }
            Self::Missing(_)
            | Self::Refused(_)
            | Self::TooLarge { .. }
            | Self::Row(_)
            | Self::NoToken(_)
            | Self::EmptyWrite { .. }
            | Self::NotReached => return None,
        })
    }

    /// A word for logs and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => "bad-address",
            Self::Timeout { .. } => "timeout",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Broken { .. } => "broken",
            Self::Resting { .. } => "resting",
            Self::Throttled { .. } => "throttled",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::TokenRefused { .. } => "token-refused",
            Self::NoToken(_) => "no-token",
            Self::Forbidden(_) => "forbidden",
            Self::Missing(_) => "missing",
            Self::Conflict(_) => "conflict",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => "unavailable",
            Self::BadAnswer { .. } => "bad-answer",
            Self::RepeatedNextLink(_) => "repeated-next-link",
            Self::ForeignNextLink(_) => "foreign-next-link",
            Self::TooLarge { .. } => "too-large",
            Self::Lacking { .. } => "lacking",
            Self::EmptyWrite { .. } => "empty-write",
            Self::Row(_) => "bad-row",
            Self::NotReached => "not-reached",
        }
    }
}
