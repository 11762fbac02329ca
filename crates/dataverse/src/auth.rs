//! Who we are to the store: a token that was given, or the credentials of Azure's own tools.
//!
//! [`Credentials`] tries them in the order of [`Kind::ALL`] and stays with the first that gave a token:
//! the caller's identity never changes while the program runs. Concurrent requests share one asking,
//! which goes on when the request that began it has run out of time, so that the next one finds its
//! outcome. When to ask is decided in `keep`, how in `ask`.
//!
//! Tokens and secrets are never shown: not in `Debug`, not in logs, not in errors.

mod ask;
mod certificate;
mod http;
mod keep;
mod kind;
mod settings;
#[cfg(test)]
mod tests;
mod tool;
mod trouble;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderValue};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use secrecy::{ExposeSecret as _, SecretString};
use shraga_core::time::{Span, Timestamp};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::error::Error;

pub use http::Roads;
pub use kind::{Choice, Kind};
pub use settings::{DEFAULT_DEADLINE, PUBLIC_AUTHORITY, Settings, Standing};
pub use trouble::{NoToken, Trouble, Why};

use ask::Asking;
pub(crate) use keep::Bearer;
use keep::{Keep, Next};

/// A token that expires sooner than this is as good as expired: the request would be under way.
const SHORTEST_LIFE: Span = Span::secs(5);

/// The clock of this machine.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where a client's token comes from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// It was given, and stays.
    Given(SecretString),
    /// It is asked for, and renewed.
    Credentials(Credentials),
}

impl From<SecretString> for TokenSource {
    fn from(token: SecretString) -> Self {
        Self::Given(token)
    }
}

impl From<String> for TokenSource {
    fn from(token: String) -> Self {
        Self::Given(token.into())
    }
}

/// The credentials for one store. Clones share what they have been given.
#[derive(Clone)]
pub struct Credentials {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    roads: Roads,
    scope: String,
    clock: Clock,
    state: Mutex<State>,
    /// Who gave the first token, for this scope or another.
    chosen: Arc<OnceLock<Kind>>,
}

type Flight = Shared<BoxFuture<'static, Result<Bearer, NoToken>>>;

#[derive(Default)]
struct State {
    keep: Keep,
    /// The asking under way.
    flight: Option<Flight>,
}

/// What the credentials have to say, for a person.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whose token is used.
    pub chosen: Option<Kind>,
    /// When that token expires.
    pub expires: Option<Timestamp>,
    /// What was tried before it, and why it gave none.
    pub tried: Vec<Trouble>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("choice", &self.inner.settings.choice)
            .field("scope", &self.inner.scope)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials for the store at `base`. Nothing is asked yet.
    #[must_use]
    pub fn new(settings: Settings, base: &Url, roads: Roads, clock: Clock) -> Self {
        let origin = base.origin().ascii_serialization();
        Self {
            inner: Arc::new(Inner {
                settings,
                roads,
                scope: format!("{origin}/.default"),
                clock,
                state: Mutex::default(),
                chosen: Arc::default(),
            }),
        }
    }

    /// The same credentials for another service, whose scope this is: whoever gives the first token for one of
    /// them gives all, since the identity never changes while a program runs.
    #[must_use]
    pub fn for_scope(&self, scope: &str) -> Self {
        let Inner {
            settings,
            roads,
            clock,
            chosen,
            ..
        } = &*self.inner;
        Self {
            inner: Arc::new(Inner {
                settings: settings.clone(),
                roads: roads.clone(),
                scope: scope.to_owned(),
                clock: Arc::clone(clock),
                state: Mutex::default(),
                chosen: Arc::clone(chosen),
            }),
        }
    }

    /// The value of an `Authorization` header, marked sensitive: a token that is held, or a new one.
    ///
    /// # Errors
    /// No credential gives one.
    pub async fn authorization(&self) -> Result<HeaderValue, NoToken> {
        Ok(self.bearer().await?.header)
    }

    /// The service answered 401 to a request with this header: whether another token is worth a try.
    #[must_use]
    pub fn refuse_authorization(&self, header: &HeaderValue) -> bool {
        let now = self.inner.now();
        self.state().keep.refuse(header, now)
    }

    /// Asks the credentials in turn, whatever is kept, and tells what each said. The token that one
    /// gave is used from then on.
    pub async fn explain(&self) -> Explanation {
        let (tried, given) = self.inner.ask_in_turn().await;
        if let Some(bearer) = &given {
            self.inner.learn(Ok(bearer.clone()));
        }
        Explanation {
            chosen: given.as_ref().map(|bearer| bearer.kind),
            expires: given.map(|bearer| bearer.expires),
            tried,
        }
    }

    /// A token, from store or by asking. Must be called within a tokio runtime.
    pub(crate) async fn bearer(&self) -> Result<Bearer, NoToken> {
        let flight = {
            let mut state = self.state();
            match state.keep.next(self.inner.now()) {
                Next::Use(bearer) => return Ok(bearer),
                Next::UseAndAsk(bearer) => {
                    drop(self.join(&mut state));
                    return Ok(bearer);
                }
                Next::Fail(trouble) => return Err(trouble),
                Next::Ask => self.join(&mut state),
            }
        };
        flight.await
    }

    /// The service refused `bearer`: whether another token is worth a try.
    pub(crate) fn refuse(&self, bearer: &Bearer) -> bool {
        self.refuse_authorization(&bearer.header)
    }

    /// The asking that is under way, begun if there is none.
    fn join(&self, state: &mut State) -> Flight {
        let begin = || {
            let inner = Arc::clone(&self.inner);
            let asking = AbortOnDropHandle::new(tokio::spawn(inner.ask_and_learn()));
            // Only the end of the runtime or a panic keeps it from its end.
            let interrupted = || NoToken { tried: Vec::new() };
            asking
                .map(move |ended| ended.unwrap_or_else(|_| Err(interrupted())))
                .boxed()
                .shared()
        };
        // One that has ended and is still here was interrupted.
        let under_way = state.flight.take().filter(|flight| flight.peek().is_none());
        let flight = under_way.unwrap_or_else(begin);
        state.flight = Some(flight.clone());
        flight
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state()
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_and_learn(self: Arc<Self>) -> Result<Bearer, NoToken> {
        let (tried, given) = self.ask_in_turn().await;
        let outcome = given.ok_or(NoToken { tried });
        self.learn(outcome.clone());
        outcome
    }

    fn learn(&self, outcome: Result<Bearer, NoToken>) {
        let now = self.now();
        let mut state = self.state();
        match &outcome {
            Ok(bearer) => {
                tracing::debug!(credential = %bearer.kind, "a token was given");
                // Two services may be asked for at once; the first one to be given counts.
                let _is_first = self.chosen.set(bearer.kind);
            }
            // Nobody waits for it, so nobody else says it.
            Err(trouble) if state.keep.usable(now).is_some() => {
                tracing::warn!(
                    hint = trouble.hint(),
                    "the token could not be renewed: {trouble}"
                );
            }
            Err(_) => {}
        }
        state.keep.learn(now, outcome);
        state.flight = None;
    }

    /// Asks one credential after the other until one gives a token, or one that is set up fails.
    async fn ask_in_turn(&self) -> (Vec<Trouble>, Option<Bearer>) {
        let kinds = match self.chosen.get() {
            Some(kind) => vec![*kind],
            None => self.settings.choice.kinds(),
        };
        let alone = kinds.len() == 1;
        let mut tried = Vec::new();
        for kind in kinds {
            match self.ask(kind, alone).await {
                Ok(bearer) => return (tried, Some(bearer)),
                Err(why) => {
                    let trouble = Trouble { kind, why };
                    let goes_on = trouble.lets_the_next_try();
                    tried.push(trouble);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        (tried, None)
    }

    async fn ask(&self, kind: Kind, alone: bool) -> Result<Bearer, Why> {
        let asking = Asking {
            settings: &self.settings,
            roads: &self.roads,
            scope: &self.scope,
            now: self.now(),
            alone,
        };
        let given = ask::ask(kind, asking).await?;
        let expires = Timestamp::from_secs(given.expires_on.unix_timestamp());
        if expires.since(self.now()) < SHORTEST_LIFE {
            return Err(Why::NotAToken("an expired one, by this machine's clock,"));
        }
        let header = header(given.token.secret()).ok_or(Why::NotAToken("its answer"))?;
        Ok(Bearer {
            header,
            expires,
            kind,
        })
    }
}

/// The header that carries a token; `None` when it has characters that no token has.
fn header(token: &str) -> Option<HeaderValue> {
    let token = token.trim();
    if token.is_empty() {
        return None;
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a client sends with each request.
#[derive(Debug)]
pub(crate) enum Access {
    /// In process, where the transport knows who asks.
    Known,
    /// A token that stays.
    Given(HeaderValue),
    /// A token that is asked for.
    Credentials(Credentials),
}

impl Access {
    /// # Errors
    /// A given token that no request can carry.
    pub(crate) fn new(source: Option<&TokenSource>, base: &Url) -> Result<Self, Error> {
        Ok(match source {
            None => Self::Known,
            Some(TokenSource::Credentials(credentials)) => Self::Credentials(credentials.clone()),
            Some(TokenSource::Given(token)) => {
                let header = header(token.expose_secret());
                Self::Given(header.ok_or_else(|| Error::BadAddress {
                    address: base.to_string(),
                    reason: "its token has characters that no token has",
                })?)
            }
        })
    }
    /// The token for one attempt, when it has to be asked for.
    pub(crate) async fn bearer(&self) -> Result<Option<Bearer>, Error> {
        match self {
            Self::Known | Self::Given(_) => Ok(None),
            Self::Credentials(credentials) => {
                let bearer = credentials.bearer().await;
                bearer.map(Some).map_err(Error::NoToken)
            }
        }
    }

    /// Puts the token on a request.
    pub(crate) fn sign(&self, headers: &mut HeaderMap, bearer: Option<&Bearer>) {
        let value = match self {
            Self::Known => None,
            Self::Given(value) => Some(value),
            Self::Credentials(_) => bearer.map(|bearer| &bearer.header),
        };
        if let Some(value) = value {
            headers.insert(AUTHORIZATION, value.clone());
        }
    }

    /// The service answered 401 to `bearer`: whether there may be a better token.
    pub(crate) fn may_replace(&self, bearer: Option<&Bearer>) -> bool {
        match (self, bearer) {
            (Self::Credentials(credentials), Some(bearer)) => credentials.refuse(bearer),
            _ => false,
        }
    }

    /// Names the credential in an error about its token.
    pub(crate) fn blame(&self, error: Error) -> Error {
        match (self, error) {
            (Self::Credentials(credentials), Error::Unauthenticated(fault)) => {
                match credentials.inner.chosen.get() {
                    Some(&credential) => Error::TokenRefused { credential, fault },
                    None => Error::Unauthenticated(fault),
                }
            }
            (_, error) => error,
        }
    }
}
