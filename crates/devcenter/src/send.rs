//! One request: in its turn, with a token, to the configured host, bounded, under one deadline.
//!
//! A request is sent once more only after a 401, with another token, if there is one. Everything else is for the caller's
//! next look.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;
use url::Url;

use crate::address;
use crate::error::{Error, Stage};
use crate::fault::Fault;
use crate::model::operations::Tracking;
use crate::pace::{Limits, Pace};
use crate::said::said;
use crate::tokens::Tokens;
use crate::transport::{Body, Transport};

/// The version of the service's protocol.
const API_VERSION: &str = "2025-02-01";
/// The largest answer that is read, in bytes: a page of boxes has some hundred kilobytes. More is no answer of it.
const BODY_BYTES_MAX: usize = 4 << 20;

const USER_AGENT: &str = concat!("shraga/", env!("CARGO_PKG_VERSION"));

/// A request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Bytes>,
    /// What it asks for, for people: stands in the error when it isn't there.
    pub(crate) what: &'a str,
}

/// An answer that is no refusal, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) limits: Limits,
    headers: HeaderMap,
    body: Bytes,
    host: String,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = said(&format!("its answer can't be read ({error})"));
            let host = self.host.clone();
            Error::Malformed { host, what }
        })
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where the operation that it began is asked after.
    pub(crate) fn tracking(&self, base: &Url) -> Tracking {
        let Some(location) = self.headers.get("operation-location") else {
            return Tracking::Nowhere;
        };
        let location = location.to_str().unwrap_or_default();
        match address::own(base, location) {
            Ok(url) => Tracking::At(url),
            Err(host) => {
                tracing::warn!(
                    host,
                    "the Dev Center names an operation at a host that is not its own; it is not asked"
                );
                Tracking::Foreign(host)
            }
        }
    }
}

/// What sends requests to one Dev Center.
#[derive(Debug)]
pub(crate) struct Sender {
    transport: Transport,
    base: Url,
    tokens: Arc<dyn Tokens>,
    limit: Duration,
    pace: Pace,
}

impl Sender {
    pub(crate) fn new(
        base: &Url,
        transport: Transport,
        tokens: Arc<dyn Tokens>,
        limit: Duration,
    ) -> Result<Self, Error> {
        Ok(Self {
            transport,
            base: address::checked_base(base)?,
            tokens,
            limit,
            pace: Pace::new(),
        })
    }

    /// Scheme, host and port, with path `/`.
    pub(crate) const fn base(&self) -> &Url {
        &self.base
    }

    /// Host and port, for people.
    pub(crate) fn host(&self) -> String {
        address::authority(&self.base)
    }

    /// The address of `path` (without a slash before it) with the protocol's version and `query`.
    pub(crate) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url.query_pairs_mut()
            .append_pair("api-version", API_VERSION)
            .extend_pairs(query);
        url
    }

    /// Sends `call`; once more with another token, if the service refuses the one it had.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Reply, Error> {
        let (bearer, outcome) = self.attempt(call).await?;
        match outcome {
            Err(Error::Unauthenticated(_)) if self.tokens.refuse(&bearer) => {
                self.attempt(call).await?.1
            }
            outcome => outcome,
        }
    }

    /// Sends `call` once. Fails itself when nothing was sent.
    async fn attempt(&self, call: &Call<'_>) -> Result<(HeaderValue, Result<Reply, Error>), Error> {
        // Whoever made the call, a token goes to no other host.
        if call.url.origin() != self.base.origin() {
            let host = address::authority(&call.url);
            return Err(Error::Foreign { host });
        }
        self.pace.turn().await?;
        let deadline = Instant::now() + self.limit;
        let token = self.within(deadline, Stage::Token, self.tokens.bearer());
        let mut bearer = token.await?.map_err(Error::NoToken)?;
        bearer.set_sensitive(true);
        let outcome = self.exchange(call, &bearer, deadline).await;
        Ok((bearer, outcome))
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        bearer: &HeaderValue,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let request = self.request(call, bearer)?;
        let answer = self.transport.clone().oneshot(request);
        let response = self.within(deadline, Stage::Answer, answer).await?;
        let (head, body) = response
            .map_err(|error| self.failure(&*error))?
            .into_parts();
        let limits = Limits::read(&head.headers);
        let status = head.status.as_u16();
        let held = self.pace.heed(limits, status == 429);
        let body = self
            .within(deadline, Stage::Body, self.whole(body))
            .await??;
        match status {
            200..300 => Ok(Reply {
                status,
                limits,
                headers: head.headers,
                body,
                host: self.host(),
            }),
            ..200 | 300..400 => {
                Err(self.malformed(format!("status {status}, which is not followed")))
            }
            _ => {
                let fault = Fault::read(status, &head.headers, &body);
                Err(Error::refusal(fault, call.what, held))
            }
        }
    }

    fn request(
        &self,
        call: &Call<'_>,
        bearer: &HeaderValue,
    ) -> Result<http::Request<Bytes>, Error> {
        let body = call.body.clone().unwrap_or_default();
        let request = http::Request::builder()
            .method(call.method.clone())
            .uri(call.url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::AUTHORIZATION, bearer.clone());
        let request = match &call.body {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
            None => request,
        };
        let refused = |_| self.malformed("an address that can't be asked".to_owned());
        request.body(body).map_err(refused)
    }

    /// The whole body.
    async fn whole(&self, mut body: Body) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.failure(&*error))?;
            // Trailers are passed over.
            let data = frame.into_data().unwrap_or_default();
            if whole.len() + data.len() > BODY_BYTES_MAX {
                return Err(self.malformed("more than 4 MiB".to_owned()));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    async fn within<F: Future>(
        &self,
        deadline: Instant,
        stage: Stage,
        step: F,
    ) -> Result<F::Output, Error> {
        let late = |_| Error::Timeout {
            host: self.host(),
            stage,
            after: self.limit,
        };
        timeout_at(deadline, step).await.map_err(late)
    }

    /// The failure of a transport. The outermost words of one that has causes name the whole address, and are left out.
    fn failure(&self, error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
        let told = match error.source() {
            Some(cause) => shraga_core::causes::chain(cause),
            None => error.to_string(),
        };
        Error::Unreachable {
            host: self.host(),
            said: said(&told),
        }
    }

    pub(crate) fn malformed(&self, what: String) -> Error {
        let host = self.host();
        Error::Malformed { host, what }
    }
}
