//! Listening: TCP, TLS, limits against slow or greedy clients, and an end that is prompt.
//!
//! A client holds at most a connection of [`MAX_CONNECTIONS`]:
//! heads, bodies and answers each have a time limit, and no thread waits for anybody. Addresses
//! other than loopback need TLS. The caller is trusted with one thing only: paths of its own files.

mod guard;
mod tls;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::{Extension, Router};
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use http::Request;
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::http::limits::{
    DRAIN, FIRST_HEAD, HANDSHAKE, HEAD_OR_IDLE, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_HEADERS,
};
use crate::http::{OverTls, Stopping};

use guard::GuardAcceptor;

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// The address; port 0 takes any free one.
    pub addr: SocketAddr,
    /// Whether and how to encrypt.
    pub tls: Tls,
    /// Whether other addresses than loopback may go without TLS.
    pub insecure: bool,
}

/// Encryption of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// With a certificate chain and its key, both PEM files.
    Pem {
        /// The certificate chain, own certificate first.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// With a certificate made here for `localhost`, kept as `cert.pem` and `key.pem`.
    SelfSigned {
        /// The folder the two files are in.
        folder: PathBuf,
    },
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Something else listens there.
    #[error("{addr} is in use by another program; choose another port, or 0 for any free one")]
    InUse {
        /// The address.
        addr: SocketAddr,
    },
    /// The address can't be listened on.
    #[error("cannot listen on {addr}")]
    Address {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Everybody on the network could read tokens.
    #[error(
        "{addr} is reachable by others and would be unencrypted; give a certificate, or allow \
         that explicitly (--insecure)"
    )]
    Unencrypted {
        /// The address.
        addr: SocketAddr,
    },
    /// A file of certificate or key can't be read, written or understood.
    #[error("certificate or key {}: {reason}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// A socket that is bound: connections wait in its queue until [`run`] takes them.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    certificate: Option<PathBuf>,
}

impl Listener {
    /// Binds the address and reads or makes the certificate.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn bind(options: &ListenOptions) -> Result<Self, ListenError> {
        let addr = options.addr;
        if options.tls == Tls::Off && !addr.ip().is_loopback() && !options.insecure {
            return Err(ListenError::Unencrypted { addr });
        }
        let (tls, certificate) = match &options.tls {
            Tls::Off => (None, None),
            Tls::Pem { cert, key } => (Some(tls::from_files(cert, key)?), Some(cert.clone())),
            Tls::SelfSigned { folder } => {
                let (config, cert) = tls::self_signed(folder, addr.ip())?;
                (Some(config), Some(cert))
            }
        };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { addr },
            _ => ListenError::Address { addr, source },
        };
        let socket = TcpListener::bind(addr).map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self {
            socket,
            addr,
            tls,
            certificate,
        })
    }

    /// The bound address, with its real port.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address as a URL for clients on this machine, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            addr.set_ip(match addr {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{addr}")
    }

    /// The certificate that clients have to trust, when there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }
}

/// Serves `router` until `stop` is cancelled; then open requests get [`DRAIN`] to finish.
///
/// # Errors
/// When the socket can't be used any more.
pub async fn run(listener: Listener, router: Router, stop: CancellationToken) -> io::Result<()> {
    let router = router.layer(Extension(Stopping(stop.clone())));
    let server = axum_server::from_tcp(listener.socket)?;
    let guard = GuardAcceptor::new(MAX_CONNECTIONS);
    match listener.tls {
        None => serve(server.acceptor(guard), router, stop).await,
        Some(config) => {
            let tls = RustlsAcceptor::new(RustlsConfig::from_config(config))
                .handshake_timeout(HANDSHAKE)
                .acceptor(guard);
            let router = router.layer(Extension(OverTls));
            serve(server.acceptor(tls), router, stop).await
        }
    }
}

async fn serve<A>(
    server: Server<SocketAddr, A>,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()>
where
    A: Accept<TcpStream, Router> + Clone + Send + Sync + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
    A::Service: axum_server::service::SendService<Request<Incoming>> + Send,
    A::Future: Send,
{
    let handle = Handle::new();
    let mut server = server
        .http1_only()
        .handle(handle.clone())
        .first_request_timeout(FIRST_HEAD)
        .accept_error_handler(|peer, wrong| {
            tracing::debug!(?peer, error = %wrong, "a connection was not accepted");
        });
    server
        .http_builder()
        .http1()
        .header_read_timeout(HEAD_OR_IDLE)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES);
    let serving = server.serve(router.into_make_service());
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = stop.cancelled() => handle.graceful_shutdown(Some(DRAIN)),
    }
    serving.await
}
