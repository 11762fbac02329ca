//! The Dev Center on a port of loopback, for clients of other people.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

use super::Center;

/// Largest request: a wish for a box is a line, a group of tasks some.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// A Dev Center that listens. It ends when dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(super) fn start(center: Center) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || run(listener, center, ended));
        Self {
            address,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end = None;
        let ended = self.thread.take().map(JoinHandle::join);
        let failed = ended.is_some_and(|ended| ended.is_err());
        assert!(
            !failed || std::thread::panicking(),
            "the Dev Center panicked"
        );
    }
}

fn run(listener: TcpListener, center: Center, ended: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        listener
            .set_nonblocking(true)
            .expect("a socket of a runtime");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let answer = move |request: Request<Body>| answer(center.clone(), request);
        let served = axum::serve(listener, Router::new().fallback(answer));
        tokio::select! {
            served = served.into_future() => served.expect("it serves"),
            _ = ended => {}
        }
    });
}

async fn answer(center: Center, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await else {
        return refused(413);
    };
    match center.answer(Request::from_parts(head, body)).await {
        Ok(response) => response.map(|body| Body::new(body.map_err(axum::Error::new))),
        // A fault of the transport has no place on a socket; nobody behind a gateway is the nearest.
        Err(_) => refused(502),
    }
}

fn refused(status: u16) -> Response<Body> {
    let response = Response::builder().status(status).body(Body::empty());
    response.expect("a response")
}
