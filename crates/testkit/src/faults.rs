//! Faults between the shipped client and a server, armed one by one.
//!
//! A [`Fault`] is armed with a condition ([`When`]) and fires on the first request that meets it,
//! then it is used up. Nothing is left to chance, so a story that breaks breaks every time. The layer
//! never looks into an answer and never makes one up, but for [`Fault::Throttle`],
//! [`Fault::Answer`] and [`Fault::Replace`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use tokio::sync::Semaphore;
use tower::{ServiceExt, service_fn};

use crate::{Answer, BoxError, Transport};

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection closes before the server sees the request.
    Close,
    /// The server does all of it, then the answer is lost.
    DropReply,
    /// The client dies before it sends the request: nothing of its gets through any more.
    DieBefore,
    /// The server does all of it, then the client dies: nothing of its gets through any more.
    DieAfter,
    /// The server gets it twice, one after the other; the second answer is delivered.
    Duplicate,
    /// The server isn't asked: 429 with this `Retry-After` in seconds.
    Throttle {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// The server isn't asked: this status with a fault body.
    Answer {
        /// HTTP status.
        status: u16,
    },
    /// The server isn't asked: this status with this code, which stands for `0x` and its digits.
    Refuse {
        /// HTTP status.
        status: u16,
        /// Dataverse's error code.
        code: u32,
    },
    /// The server does all of it; in its answer one text stands for another.
    Replace {
        /// What the server says.
        text: &'static str,
        /// What the client hears.
        by: &'static str,
    },
    /// The request waits at this gate until the test opens it, then goes on.
    HoldRequest(Gate),
    /// The server does all of it; the answer waits at this gate until the test opens it.
    HoldReply(Gate),
}

/// Which request a fault is for.
#[derive(Clone)]
pub struct When {
    what: String,
    test: Arc<Test>,
}

type Test = dyn Fn(&Request<Bytes>) -> bool + Send + Sync;

impl When {
    /// The next request, whatever it is.
    #[must_use]
    pub fn any() -> Self {
        Self::matching("any request", |_| true)
    }

    /// The next request that can change something: anything but GET, or a batch with a change set.
    #[must_use]
    pub fn write() -> Self {
        Self::matching("a write", is_write)
    }

    /// The next request that changes nothing.
    #[must_use]
    pub fn read() -> Self {
        Self::matching("a read", |request| !is_write(request))
    }

    /// The next write that carries `text` in its body.
    #[must_use]
    pub fn write_with(text: &str) -> Self {
        let wanted = text.to_owned();
        Self::matching(&format!("a write with {text}"), move |request| {
            is_write(request) && contains(request.body(), wanted.as_bytes())
        })
    }

    /// The next request that `test` says yes to; `what` names it in messages.
    #[must_use]
    pub fn matching(
        what: &str,
        test: impl Fn(&Request<Bytes>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            what: what.to_owned(),
            test: Arc::new(test),
        }
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

pub(crate) fn is_write(request: &Request<Bytes>) -> bool {
    if request.method() == http::Method::GET {
        return false;
    }
    let batch = request.uri().path().ends_with("$batch");
    !batch
        || [&b"\nPATCH "[..], b"\nPOST ", b"\nDELETE "]
            .iter()
            .any(|verb| contains(request.body(), verb))
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}

/// Holds requests until it is opened.
#[derive(Clone, Debug)]
pub struct Gate {
    open: Arc<Semaphore>,
    arrived: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            open: Arc::new(Semaphore::new(0)),
            arrived: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everything through, now and later.
    pub fn open(&self) {
        self.open.close();
    }

    /// Waits until something stands at the gate.
    pub async fn arrival(&self) {
        if let Ok(permit) = self.arrived.acquire().await {
            permit.forget();
        }
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        // A closed semaphore is an open gate: `acquire` fails at once.
        if let Ok(permit) = self.open.acquire().await {
            permit.forget();
        }
    }
}

/// The faults armed for one transport, and what it has carried.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    armed: VecDeque<(When, Fault)>,
    carried: usize,
    down: bool,
}

impl Faults {
    /// No faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Arms `fault` for the first request that meets `when`.
    pub fn arm(&self, when: When, fault: Fault) {
        self.state().armed.push_back((when, fault));
    }

    /// Forgets what is armed.
    pub fn disarm(&self) {
        self.state().armed.clear();
    }

    /// Closes every connection until [`Self::restore`]: an outage.
    pub fn cut(&self) {
        self.state().down = true;
    }

    /// Ends an outage.
    pub fn restore(&self) {
        self.state().down = false;
    }

    /// How many requests were given to this transport so far.
    #[must_use]
    pub fn carried(&self) -> usize {
        self.state().carried
    }

    /// How many armed faults have not fired yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state().armed.len()
    }

    /// `inner` with these faults in front.
    #[must_use]
    pub fn wrap(&self, inner: Transport) -> Transport {
        let faults = self.clone();
        Transport::new(service_fn(move |request| {
            let (faults, inner) = (faults.clone(), inner.clone());
            async move { faults.carry(inner, request).await }
        }))
    }

    async fn carry(&self, inner: Transport, request: Request<Bytes>) -> Result<Answer, BoxError> {
        match self.take(&request)? {
            None => inner.oneshot(request).await,
            Some(Fault::Close) => Err(closed()),
            Some(Fault::DropReply) => {
                drain(inner.oneshot(request).await?).await?;
                Err(closed())
            }
            Some(Fault::DieBefore) => {
                self.cut();
                Err(closed())
            }
            Some(Fault::DieAfter) => {
                drain(inner.oneshot(request).await?).await?;
                self.cut();
                Err(closed())
            }
            Some(Fault::Duplicate) => {
                drain(inner.clone().oneshot(request.clone()).await?).await?;
                inner.oneshot(request).await
            }
            Some(Fault::Throttle { retry_after }) => Ok(throttled(retry_after)),
            Some(Fault::Answer { status }) => Ok(fault_answer(status, THROTTLED)),
            Some(Fault::Refuse { status, code }) => Ok(fault_answer(status, code)),
            Some(Fault::Replace { text, by }) => {
                let (mut parts, body) = inner.oneshot(request).await?.into_parts();
                let body = body.collect().await?.to_bytes();
                let said = String::from_utf8_lossy(&body).replace(text, by);
                parts.headers.remove(header::CONTENT_LENGTH);
                Ok(Response::from_parts(parts, whole(Bytes::from(said))))
            }
            Some(Fault::HoldRequest(gate)) => {
                gate.pass().await;
                inner.oneshot(request).await
            }
            Some(Fault::HoldReply(gate)) => {
                let answer = inner.oneshot(request).await?;
                let (parts, body) = answer.into_parts();
                let body = body.collect().await?.to_bytes();
                gate.pass().await;
                Ok(Response::from_parts(parts, whole(body)))
            }
        }
    }

    fn take(&self, request: &Request<Bytes>) -> Result<Option<Fault>, BoxError> {
        let mut state = self.state();
        state.carried += 1;
        if state.down {
            return Err(closed());
        }
        let found = state
            .armed
            .iter()
            .position(|(when, _)| (when.test)(request));
        Ok(found
            .and_then(|i| state.armed.remove(i))
            .map(|(_, fault)| fault))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an answer to its end, so that the server has done all of its work.
async fn drain(answer: Answer) -> Result<(), BoxError> {
    answer.into_body().collect().await.map(drop)
}

fn closed() -> BoxError {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
}

fn whole(body: Bytes) -> shraga_dataverse::transport::Body {
    Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn throttled(retry_after: u32) -> Answer {
    let mut answer = fault_answer(429, THROTTLED);
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    answer
}

/// Dataverse's code for too many requests.
const THROTTLED: u32 = 0x8007_2322;

pub(crate) fn fault_answer(status: u16, code: u32) -> Answer {
    let body = format!(
        r#"{{"error":{{"code":"0x{code:08x}","message":"test fault with status {status}"}}}}"#
    );
    let mut answer = Response::new(whole(Bytes::from(body)));
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    answer
}

#[cfg(test)]
mod tests;
