//! Listening, with limits: at most [`CONNECTIONS`] at a time, each for one request and a bounded time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::host::loopback_only;
use crate::rooms::{Vitals, router};

/// Connections served at once. A probe and a scrape or two are usual; more would let a greedy client
/// take the process's descriptors. Those beyond wait in the system's queue.
const CONNECTIONS: usize = 16;

/// Time a client has to send its request's head. Shorter cuts off a busy machine, longer lets idle
/// connections keep others waiting.
const HEAD: Duration = Duration::from_secs(5);

/// Time for a connection as a whole, reading the answer included.
const CONNECTION: Duration = Duration::from_secs(15);

/// The largest request head, in bytes: what the HTTP library takes at least.
const HEAD_BYTES: usize = 8 << 10;

/// Wait after the system gave no connection, so that a lack of descriptors isn't met by spinning.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Everybody on the network could read it.
    #[error("{0} is reachable by others, and health and metrics are for this machine")]
    Public(SocketAddr),
    /// The address can't be listened on.
    #[error("cannot listen on {addr}")]
    Address {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A socket that is bound.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    addr: SocketAddr,
}

impl Bound {
    /// Binds `addr`; port 0 takes any free one. Other than loopback addresses only when `insecure`.
    ///
    /// # Errors
    /// The address is public, in use, or not this machine's.
    pub async fn to(addr: SocketAddr, insecure: bool) -> Result<Self, BindError> {
        if !insecure && !addr.ip().is_loopback() {
            return Err(BindError::Public(addr));
        }
        let failed = |source| BindError::Address { addr, source };
        let socket = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, addr })
    }

    /// The bound address, with its real port.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Shows `vitals` until `stop`; what is being answered then is cut off.
    pub async fn serve(self, vitals: Arc<dyn Vitals>, stop: CancellationToken) {
        let mut router = router(vitals);
        if self.addr.ip().is_loopback() {
            router = router.layer(axum::middleware::from_fn(loopback_only));
        }
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&places) => accepted,
                () = stop.cancelled() => return,
            };
            while connections.try_join_next().is_some() {}
            if let Some((stream, place)) = accepted {
                let router = router.clone();
                connections.spawn(async move {
                    answer(stream, router).await;
                    drop(place);
                });
            }
        }
    }

    /// The next connection, once there is a place for it.
    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, _)) => Some((stream, place)),
            Err(error) => {
                tracing::debug!(%error, "no connection could be taken");
                let idle = std::future::pending::<()>();
                let _elapsed = tokio::time::timeout(AFTER_FAILURE, idle).await;
                None
            }
        }
    }
}

/// One request on one connection.
async fn answer(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(CONNECTION, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for health or metrics was broken off"),
        Err(_elapsed) => tracing::debug!("a request for health or metrics took too long"),
    }
}
