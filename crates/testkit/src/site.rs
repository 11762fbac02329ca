//! An organisation on a socket, for trying the real binary: a stage behind a loopback address.
//!
//! Who has a token is who the stage says; everything is counted, and may be disturbed by [`Faults`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::Transport;
use crate::faults::{Faults, is_write};
use crate::stage::{Person, Stage};

/// The admin's token.
pub const ADMIN_TOKEN: &str = "the-admins-token";

/// An organisation on a socket.
pub struct Site {
    /// Whose rows it serves.
    pub stage: Stage,
    /// What goes wrong with requests over the socket.
    pub faults: Faults,
    /// Its address.
    pub url: String,
    seen: Seen,
}

/// What was asked over the socket: method and address, and whether it could change something.
type Seen = Arc<Mutex<Vec<(String, bool)>>>;

#[derive(Clone)]
struct Desk {
    callers: Arc<HashMap<String, Transport>>,
    seen: Seen,
}

impl Site {
    /// Puts `stage` on a socket; `people` have their e-mail as their token.
    ///
    /// # Panics
    /// When there is no loopback address.
    pub async fn start(stage: Stage, people: &[&Person]) -> Self {
        let faults = Faults::new();
        let admin = faults.wrap(stage.admin_transport());
        let mut callers = HashMap::from([(ADMIN_TOKEN.to_owned(), admin)]);
        for person in people {
            let transport = faults.wrap(stage.transport_of(person));
            callers.insert(person.email.clone(), transport);
        }
        let seen = Seen::default();
        let desk = Desk {
            callers: Arc::new(callers),
            seen: Arc::clone(&seen),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback can be listened on");
        let address = listener.local_addr().expect("it has an address");
        let router = Router::new().fallback(serve).with_state(desk);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            stage,
            faults,
            url: format!("http://{address}"),
            seen,
        }
    }

    /// How many requests came that could change something.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.asked(|_, write| write)
    }

    /// How many requests came whose method and address contain `text`.
    #[must_use]
    pub fn requests(&self, text: &str) -> usize {
        self.asked(|line, _| line.contains(text))
    }

    fn asked(&self, which: impl Fn(&str, bool) -> bool) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .filter(|(line, write)| which(line, *write))
            .count()
    }
}

async fn serve(State(desk): State<Desk>, request: Request<Body>) -> Response<Body> {
    let token = request.headers().get(header::AUTHORIZATION);
    let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(caller) = token.and_then(|token| desk.callers.get(token)).cloned() else {
        return plain(StatusCode::UNAUTHORIZED);
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let request = Request::from_parts(parts, body.to_bytes());
    let line = format!("{} {}", request.method(), request.uri());
    let write = is_write(&request);
    desk.seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((line, write));
    match caller.oneshot(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(_closed) => plain(StatusCode::BAD_GATEWAY),
    }
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}
