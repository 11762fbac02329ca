//! A model's service on a loopback socket that says what its script says: what vendors' programs talk
//! to in tests, so that everything but the model is real.
//!
//! It speaks as much of Anthropic's Messages API and `OpenAI`'s Responses API as their programs need. A
//! script is a list of turns, one for each request; the last one stands for all that follow. It runs
//! on a thread of its own, so that tests with and without a runtime can use it, and ends with the
//! test.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::oneshot;

mod messages;
mod responses;
mod stream;

/// Largest request: the programs send all their instructions and tools each time.
const REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// A refusal: HTTP status, headers, body.
type Refusal = (u16, Vec<(String, String)>, Value);

/// What the model does with one request.
#[derive(Clone, Debug)]
pub struct Turn {
    say: Option<String>,
    tool: Option<(String, Value)>,
    refusal: Option<Refusal>,
    hangs: bool,
    input_tokens: u64,
    output_tokens: u64,
}

impl Turn {
    fn new() -> Self {
        Self {
            say: None,
            tool: None,
            refusal: None,
            hangs: false,
            input_tokens: 100,
            output_tokens: 20,
        }
    }

    /// Says this, and is done.
    #[must_use]
    pub fn say(text: &str) -> Self {
        Self {
            say: Some(text.to_owned()),
            ..Self::new()
        }
    }

    /// Calls a tool.
    #[must_use]
    pub fn call(tool: &str, input: Value) -> Self {
        Self {
            tool: Some((tool.to_owned(), input)),
            ..Self::new()
        }
    }

    /// Says this, and then nothing more, with the connection open.
    #[must_use]
    pub fn hang(text: &str) -> Self {
        Self {
            hangs: true,
            ..Self::say(text)
        }
    }

    /// Refuses with this status, an error of this type, and these words.
    #[must_use]
    pub fn refuse(status: u16, kind: &str, words: &str) -> Self {
        let error = json!({"type": kind, "message": words});
        let body = json!({"type": "error", "error": error, "request_id": "req_1"});
        Self {
            refusal: Some((status, Vec::new(), body)),
            ..Self::new()
        }
    }

    /// With this header beside the refusal.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl ToString) -> Self {
        if let Some((_, headers, _)) = &mut self.refusal {
            headers.push((name.to_owned(), value.to_string()));
        }
        self
    }

    /// Using this many tokens.
    #[must_use]
    pub const fn using(mut self, input: u64, output: u64) -> Self {
        self.input_tokens = input;
        self.output_tokens = output;
        self
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub path: String,
    /// What it said.
    pub body: Value,
}

#[derive(Debug)]
struct Script {
    turns: VecDeque<Turn>,
    seen: Vec<Request>,
}

type Shared = Arc<Mutex<Script>>;

/// The service. It ends when dropped.
#[derive(Debug)]
pub struct Model {
    address: SocketAddr,
    script: Shared,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Model {
    /// A model that does `turns`, one a request, the last for ever.
    ///
    /// # Panics
    /// Without turns, or without a free port.
    #[must_use]
    pub fn start(turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: VecDeque<Turn> = turns.into_iter().collect();
        assert!(!turns.is_empty(), "at least one turn");
        let seen = Vec::new();
        let script = Arc::new(Mutex::new(Script { turns, seen }));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (end, ended) = oneshot::channel();
        let shared = Arc::clone(&script);
        let thread = std::thread::spawn(move || run(listener, shared, ended));
        Self {
            address,
            script,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Its address, as Anthropic's programs want it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does these turns from the next request on.
    pub fn then(&self, turns: impl IntoIterator<Item = Turn>) {
        lock(&self.script).turns = turns.into_iter().collect();
    }

    /// The requests for an answer so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        lock(&self.script).seen.clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.end = None;
        let ended = self.thread.take().map(JoinHandle::join);
        let failed = ended.is_some_and(|ended| ended.is_err());
        assert!(!failed || std::thread::panicking(), "the model panicked");
    }
}

fn lock(script: &Shared) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(listener: std::net::TcpListener, script: Shared, ended: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        listener
            .set_nonblocking(true)
            .expect("a socket of a runtime");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let router = Router::new().fallback(answer).with_state(script);
        let limit = axum::extract::DefaultBodyLimit::max(REQUEST_BYTES);
        let served = axum::serve(listener, router.layer(limit));
        tokio::select! {
            served = served.into_future() => served.expect("it serves"),
            _ = ended => {}
        }
    });
}

/// Answers a request as the next turn says.
async fn answer(
    State(script): State<Shared>,
    method: Method,
    uri: Uri,
    _headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.path().to_owned();
    if method == Method::HEAD {
        return plain(StatusCode::OK, String::new());
    }
    if method != Method::POST {
        return plain(StatusCode::NOT_FOUND, "{}".to_owned());
    }
    if path.ends_with("/count_tokens") {
        return plain(StatusCode::OK, json!({"input_tokens": 10}).to_string());
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (turn, number) = {
        let mut script = lock(&script);
        script.seen.push(Request {
            path: path.clone(),
            body: body.clone(),
        });
        let turn = match script.turns.len() {
            1 => script.turns[0].clone(),
            _ => script.turns.pop_front().expect("there is always one"),
        };
        (turn, script.seen.len())
    };
    if let Some((status, headers, body)) = turn.refusal {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut response = plain(status, body.to_string());
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a header's name");
            let value = value.parse().expect("a header's value");
            response.headers_mut().insert(name, value);
        }
        return response;
    }
    let events = match path.ends_with("/responses") {
        true => responses::events(&turn, number),
        false => messages::events(&turn, number, &body),
    };
    stream::response(events, turn.hangs)
}

fn plain(status: StatusCode, body: String) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("a response")
}
