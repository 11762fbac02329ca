//! The network: reqwest on rustls with the ring provider.
//!
//! Redirects are never followed (a token must not travel), loopback addresses bypass any proxy, and
//! every connection attempt has its own limit within the client's total deadline.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::service_fn;

use super::{Body, BoxError, Transport};

/// How long connecting and the TLS handshake may take. Shorter fails on slow links, longer eats the
/// request's whole deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: less than the idle limit of common load balancers.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// How the network is used.
#[derive(Clone, Debug, Default)]
pub struct NetworkOptions {
    /// Certificates (PEM) trusted beside the system's, such as a store's self-signed one.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// Whether proxies of the environment are ignored. Set it for loopback addresses.
    pub no_proxy: bool,
}

/// A transport over the network.
///
/// # Errors
/// A certificate that cannot be read, or no TLS backend.
pub fn network(options: &NetworkOptions) -> Result<Transport, BoxError> {
    // Already installed is as good: there is one provider in the build.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .dns_resolver(SystemResolver)
        .tcp_nodelay(true);
    if options.no_proxy {
        builder = builder.no_proxy();
    }
    for pem in &options.extra_roots_pem {
        builder = builder.add_root_certificate(reqwest::Certificate::from_pem(pem)?);
    }
    let client = builder.build()?;
    Ok(Transport::new(service_fn(move |request| {
        send(client.clone(), request)
    })))
}

async fn send(
    client: reqwest::Client,
    request: http::Request<Bytes>,
) -> Result<http::Response<Body>, BoxError> {
    let request = reqwest::Request::try_from(request)?;
    let response: http::Response<reqwest::Body> = client.execute(request).await?.into();
    Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
}

/// The system's resolver, with an error type of its own: a name that cannot be resolved and a host
/// that cannot be reached are different troubles.
#[derive(Clone, Copy, Debug)]
struct SystemResolver;

/// A host's name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the resolver found no address")]
pub(super) struct Unresolved(#[source] Option<std::io::Error>);

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> =
                found.map_err(|error| Unresolved(Some(error)))?.collect();
            if addresses.is_empty() {
                return Err(Unresolved(None).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
