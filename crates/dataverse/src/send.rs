//! One request, sent until there is an answer or no point in another try.
//!
//! Every attempt has one total deadline, body included; bodies are bounded; attempts are paced. A
//! request is only repeated when that is harmless ([`Repeat`]) and the failure was of passing nature:
//! a connection that failed, 429, 5xx. A service that is dead is not asked. An expired deadline is not
//! tried again here: the caller's next turn is. The token is taken for each attempt, after its wait for
//! a turn and within its deadline; one that the service refuses is replaced and the request sent once
//! more.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::BodyExt as _;
use shraga_core::time::Timestamp;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;
use url::Url;

use crate::auth::{Access, Bearer, Credentials};
use crate::error::{Cause, Error, Stage};
use crate::options::Options;
use crate::transport::{Body, BoxError, Transport, authority, failure, is_loopback};

pub(crate) mod breaker;
mod date;
mod pace;
pub(crate) mod status;
#[cfg(test)]
mod tests;
pub(crate) mod traffic;

use breaker::{Breaker, Pass, Sign};
pub(crate) use pace::Lane;
use pace::Pace;
use traffic::{Counters, Traffic};

/// The largest answer that is read, in bytes: the largest page of the largest rows that a loop asks
/// for. More would be held in memory at once.
const MAX_BODY_BYTES: usize = 64 << 20;
/// Attempts after the first. More would hold a caller whose next turn is the better retry.
const MAX_RETRIES: usize = 3;
/// The longest wait that is not asked for by the service.
const MAX_DELAY: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is waited for: the window of Dataverse's limits. After a longer one
/// the caller is told instead.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

const MULTIPART: &str = "multipart/mixed";
const USER_AGENT: &str = concat!("shraga/", env!("CARGO_PKG_VERSION"));

/// A request before it has an address and a token.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query, from `/`.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) repeat: Repeat,
    /// Time allowed beyond the usual deadline, for answers that come late on purpose.
    pub(crate) patience: Duration,
    /// Which part of the budget it uses.
    pub(crate) lane: Lane,
}

/// When a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// After every passing failure: reads, and what comes to the same when done twice.
    Freely,
    /// Only after failures that say it was not carried out: no connection, or throttled.
    IfNotDone,
}

/// An answer that is no refusal, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How long the exchange took.
    pub(crate) took: Duration,
    /// The store's time.
    date: Option<Timestamp>,
}

impl Call {
    pub(crate) fn get(target: String) -> Self {
        Self::new(Method::GET, target, Bytes::new(), Repeat::Freely)
    }

    pub(crate) fn new(method: Method, target: String, body: Bytes, repeat: Repeat) -> Self {
        Self {
            method,
            target,
            headers: HeaderMap::new(),
            body,
            repeat,
            patience: Duration::ZERO,
            lane: Lane::Work,
        }
    }

    /// With a header whose value is checked here.
    pub(crate) fn with(mut self, name: http::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl Reply {
    /// The store's time when it answered.
    pub(crate) fn now(&self) -> Result<Timestamp, Error> {
        self.date
            .ok_or_else(|| self.bad("the answer has no Date header"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// This answer is not what the protocol says.
    pub(crate) fn bad(&self, what: impl Into<String>) -> Error {
        status::bad_answer(what, &self.body)
    }

    /// The body as JSON.
    pub(crate) fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.bad(format!("the answer is not the JSON expected: {error}")))
    }

    /// The same answer, or the error it is.
    pub(crate) fn accepted(self) -> Result<Self, Error> {
        match self.status {
            200..300 => Ok(self),
            _ if self.is_batch() => Ok(self),
            _ => Err(status::refusal(&self)),
        }
    }

    /// A batch that stopped at a fault has the fault's status and is an answer all the same.
    fn is_batch(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        kind.get(..MULTIPART.len())
            .is_some_and(|kind| kind.eq_ignore_ascii_case(MULTIPART))
    }
}

/// What sends calls to one store as one caller.
#[derive(Debug)]
pub(crate) struct Sender {
    transport: Transport,
    base: Url,
    limit: Duration,
    first_delay: Duration,
    pace: Pace,
    breaker: Breaker,
    counters: Counters,
    standing: HeaderMap,
    access: Access,
}

impl Sender {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        Ok(Self {
            transport: options.transport.clone(),
            base: checked_base(&options.base)?,
            limit: options.request_timeout,
            first_delay: options.first_retry_delay,
            pace: Pace::new(options.pacing),
            breaker: Breaker::new(options.breaker),
            counters: Counters::default(),
            standing: standing_headers(options),
            access: Access::new(options.token.as_ref(), &options.base)?,
        })
    }

    /// Scheme, host and port, with path `/`.
    pub(crate) const fn base(&self) -> &Url {
        &self.base
    }

    /// The credentials that tokens come from.
    pub(crate) const fn credentials(&self) -> Option<&Credentials> {
        match &self.access {
            Access::Credentials(credentials) => Some(credentials),
            Access::Known | Access::Given(_) => None,
        }
    }

    /// Whether requests carry a token of ours.
    pub(crate) fn has_token(&self) -> bool {
        !matches!(self.access, Access::Known)
    }

    /// What was sent so far, and how fast more may be.
    pub(crate) fn traffic(&self) -> Traffic {
        self.counters
            .traffic(self.pace.rate(), self.breaker.state())
    }

    /// Sends `call`; an answer of any status is an answer once retrying it is of no use.
    pub(crate) async fn send(&self, call: &Call) -> Result<Reply, Error> {
        let delays = ExponentialBuilder::default()
            .with_min_delay(self.first_delay)
            .with_max_delay(MAX_DELAY)
            .with_max_times(MAX_RETRIES)
            .with_jitter();
        let attempt = || self.attempt(call);
        attempt
            .retry(delays)
            .when(|error| may_repeat(call.repeat, error))
            .adjust(delay_after)
            .notify(|error, delay| {
                tracing::debug!(
                    error.kind = error.kind(),
                    delay_ms = delay.as_millis(),
                    "request failed, trying again: {error}"
                );
            })
            .await
    }

    /// Sends `call`; once more with another token, if the service refuses the one it had.
    async fn attempt(&self, call: &Call) -> Result<Reply, Error> {
        let (bearer, mut outcome) = self.attempt_once(call).await?;
        if matches!(outcome, Err(Error::Unauthenticated(_)))
            && self.access.may_replace(bearer.as_ref())
        {
            (_, outcome) = self.attempt_once(call).await?;
        }
        outcome.map_err(|error| self.access.blame(error))
    }

    /// Sends `call` once, when it is its turn and unless the service rests. Fails itself when nothing
    /// was sent.
    async fn attempt_once(
        &self,
        call: &Call,
    ) -> Result<(Option<Bearer>, Result<Reply, Error>), Error> {
        drop(self.admit()?);
        let turn = self.pace.turn(call.lane).await?;
        let limit = Limit::from(Instant::now(), self.limit + call.patience);
        let bearer = limit.within(Stage::Token, self.access.bearer()).await??;
        let pass = self.admit()?;
        let outcome = self.exchange(call, bearer.as_ref(), limit).await;
        let outcome = outcome.and_then(Reply::accepted);
        turn.heed(outcome.as_ref().map(|_| ()));
        pass.showed(Sign::of(&outcome));
        self.counters.count(&outcome);
        Ok((bearer, outcome))
    }

    fn admit(&self) -> Result<Pass<'_>, Error> {
        self.breaker.admit().map_err(|outage| Error::Resting {
            host: self.host(),
            failures: outage.failures,
            lasts: outage.lasts,
            next_probe: outage.next_probe,
            source: outage.last,
        })
    }

    async fn exchange(
        &self,
        call: &Call,
        bearer: Option<&Bearer>,
        limit: Limit,
    ) -> Result<Reply, Error> {
        let sent = Instant::now();
        let mut request = self.request(call)?;
        self.access.sign(request.headers_mut(), bearer);
        let answer = self.transport.clone().oneshot(request);
        let response = limit
            .within(Stage::Answer, answer)
            .await?
            .map_err(|error| self.failure(error))?;
        let (head, body) = response.into_parts();
        let body = limit.within(Stage::Body, self.whole(body)).await??;
        Ok(Reply {
            status: head.status.as_u16(),
            took: sent.elapsed(),
            date: date::of(&head.headers),
            headers: head.headers,
            body,
        })
    }

    fn request(&self, call: &Call) -> Result<http::Request<Bytes>, Error> {
        let base = self.base.as_str().trim_end_matches('/');
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(format!("{base}{}", call.target))
            .body(call.body.clone())
            .map_err(|_| Error::BadAddress {
                address: format!("{base}{}", call.target),
                reason: "it is no valid address",
            })?;
        let headers = request.headers_mut();
        headers.clone_from(&self.standing);
        headers.extend(call.headers.clone());
        Ok(request)
    }

    fn host(&self) -> String {
        authority(&self.base)
    }

    fn failure(&self, error: BoxError) -> Error {
        failure::of(error, self.host())
    }

    /// The whole body. One that comes in one piece, as most do, is not copied.
    async fn whole(&self, mut body: Body) -> Result<Bytes, Error> {
        let Some(first) = self.piece(&mut body).await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.piece(&mut body).await? else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(piece) = next {
            if whole.len() + piece.len() > MAX_BODY_BYTES {
                return Err(Error::TooLarge {
                    limit: MAX_BODY_BYTES as u64,
                    unit: "bytes",
                });
            }
            whole.extend_from_slice(&piece);
            next = self.piece(&mut body).await?;
        }
        Ok(whole.freeze())
    }

    /// The next piece of a body; trailers are passed over.
    async fn piece(&self, body: &mut Body) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|source| Error::Broken {
                host: self.host(),
                source: Cause::new(source),
            })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// The total deadline of one attempt.
#[derive(Clone, Copy, Debug)]
struct Limit {
    deadline: Instant,
    after: Duration,
}

impl Limit {
    fn from(started: Instant, after: Duration) -> Self {
        let deadline = started + after;
        Self { deadline, after }
    }

    /// What comes of `step`, or the deadline while waiting for it.
    async fn within<F: Future>(self, stage: Stage, step: F) -> Result<F::Output, Error> {
        let late = Error::Timeout {
            stage,
            after: self.after,
        };
        timeout_at(self.deadline, step).await.map_err(|_| late)
    }
}

/// Whether `call` may be sent again after `error`. A token that can't be had has its own pace.
fn may_repeat(repeat: Repeat, error: &Error) -> bool {
    let hopeless = matches!(
        error,
        Error::Timeout { .. } | Error::Resting { .. } | Error::NoToken(_)
    );
    let passing = error.is_transient() && !hopeless;
    match repeat {
        Repeat::Freely => passing,
        Repeat::IfNotDone => passing && !error.is_unknown(),
    }
}

/// The wait before the next attempt: what the service asks for, if it does.
fn delay_after(error: &Error, planned: Option<Duration>) -> Option<Duration> {
    let planned = planned?;
    match error {
        Error::Throttled {
            retry_after: Some(asked),
            ..
        } => (*asked <= MAX_RETRY_AFTER).then_some((*asked).max(planned)),
        _ => Some(planned),
    }
}

/// Headers of every request.
fn standing_headers(options: &Options) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let fixed = |text: &'static str| HeaderValue::from_static(text);
    headers.insert(header::ACCEPT, fixed("application/json"));
    headers.insert(header::USER_AGENT, fixed(USER_AGENT));
    headers.insert("odata-version", fixed("4.0"));
    headers.insert("odata-maxversion", fixed("4.0"));
    if let Some(session) = options.session {
        let value = HeaderValue::from_str(&session.to_string());
        headers.insert("x-shraga-session", value.expect("a GUID is a header value"));
    }
    headers
}

/// Only scheme, host and port count; a token travels in the clear to loopback addresses only.
fn checked_base(base: &Url) -> Result<Url, Error> {
    let refuse = |reason| Error::BadAddress {
        address: base.to_string(),
        reason,
    };
    match base.scheme() {
        "https" => {}
        "http" if is_loopback(base) => {}
        "http" => return Err(refuse("plain http is for loopback addresses only")),
        _ => return Err(refuse("it is neither https nor http")),
    }
    if base.host().is_none() {
        return Err(refuse("it names no host"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refuse("it contains a user name or password"));
    }
    let mut origin = base.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    Ok(origin)
}
