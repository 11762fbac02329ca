//! What a client is made of.

use std::time::Duration;

use url::Url;
use uuid::Uuid;

use crate::auth::TokenSource;
use crate::names::Names;
use crate::transport::Transport;

/// `REQUEST_TIMEOUT`'s default: the total time of one attempt, connecting and body included. Shorter
/// fails slow batches, longer hides a dead service.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The default of [`Options::first_retry_delay`]. Shorter hammers a service that is down, longer is
/// felt by people waiting at a prompt.
pub const DEFAULT_FIRST_RETRY_DELAY: Duration = Duration::from_millis(200);

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Scheme, host and port of the organisation, such as `https://org.crm.dynamics.com`.
    pub base: Url,
    /// What carries requests.
    pub transport: Transport,
    /// Where its token comes from; `None` in process, where the transport knows who asks.
    pub token: Option<TokenSource>,
    /// Total time of one attempt at a request: token, connecting, headers and body.
    pub request_timeout: Duration,
    /// Marks our writes, so that our own wake-ups are not woken by them (embedded store only).
    pub session: Option<Uuid>,
    /// Names of tables and columns in this organisation.
    pub names: Names,
    /// How fast requests may be sent.
    pub pacing: Pacing,
    /// Whether a service that fails again and again is left alone and only probed now and then, every
    /// request failing at once in between ([`crate::Error::Resting`]). Off in process.
    pub breaker: bool,
    /// Wait before the second attempt at a request; it doubles with each, and is jittered so that
    /// clients that failed together do not come back together.
    pub first_retry_delay: Duration,
}

impl Options {
    /// Defaults for everything but address and transport: no token, 30 s, default names, unpaced,
    /// no breaker.
    #[must_use]
    pub fn new(base: Url, transport: Transport) -> Self {
        Self {
            base,
            transport,
            token: None,
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            session: None,
            names: Names::default(),
            pacing: Pacing::Unpaced,
            breaker: false,
            first_retry_delay: DEFAULT_FIRST_RETRY_DELAY,
        }
    }
}

/// How fast requests may be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// As fast as they come: the embedded store.
    #[default]
    Unpaced,
    /// Under Dataverse's service protection limits for one identity.
    Dataverse {
        /// This process's share of the identity's limits, 1 to 100.
        share_percent: u8,
    },
}
