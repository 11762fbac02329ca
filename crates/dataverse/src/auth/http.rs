//! The network as the Azure libraries see it: our transport, bounded, with what came of it noted.
//!
//! The last outcome is kept as a value, so that a failure is told by its type and status instead of
//! by the library's words. Machine-local addresses (where a machine asks for its own identity) are
//! never asked through a proxy.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, ExponentialRetryOptions, HttpClient, Request,
    RetryOptions, Transport as Azure,
};
use azure_core::{Error as AzureError, Result as AzureResult};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use url::{Host, Url};

use crate::error::Error;
use crate::transport::{BoxError, Transport, authority, failure, is_loopback};

/// The largest answer that is read: tokens are a few kilobytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Attempts after the first, when the service is not there or fails. More would use up the time of the
/// request that waits; the next asking is the better retry.
const MAX_RETRIES: u32 = 2;

/// The two ways out.
#[derive(Clone, Debug)]
pub struct Roads {
    /// To services: proxies of the environment are used.
    pub outside: Transport,
    /// To addresses of this machine and its link: never through a proxy.
    pub direct: Transport,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub(super) enum Noted {
    /// There was an answer with this status.
    Answer { status: u16, body: Bytes },
    /// There was none.
    Failure(Error),
}

/// A client for the Azure libraries that remembers the last outcome.
#[derive(Clone)]
pub(super) struct Courier {
    roads: Roads,
    noted: Arc<Mutex<Option<Noted>>>,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Courier")
    }
}

impl Courier {
    pub(super) fn new(roads: Roads) -> Self {
        Self {
            roads,
            noted: Arc::default(),
        }
    }

    /// Options for a credential of the library that goes through this client.
    pub(super) fn options(&self, authority: String) -> ClientOptions {
        let mut cloud = azure_core::cloud::CustomConfiguration::default();
        cloud.authority_host = authority;
        ClientOptions {
            transport: Some(Azure::new(Arc::new(self.clone()))),
            cloud: Some(Arc::new(cloud.into())),
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                max_retries: MAX_RETRIES,
                ..ExponentialRetryOptions::default()
            }),
            ..ClientOptions::default()
        }
    }

    /// The last outcome.
    pub(super) fn noted(&self) -> Option<Noted> {
        self.noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, outcome: Noted) {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    /// Sends one request and reads its whole answer.
    pub(super) async fn exchange(
        &self,
        request: http::Request<Bytes>,
        host: &Url,
    ) -> Result<http::Response<Bytes>, Error> {
        let road = if is_near(host) {
            &self.roads.direct
        } else {
            &self.roads.outside
        };
        let failed = |error: BoxError| failure::of(error, authority(host));
        let response = road.clone().oneshot(request).await.map_err(failed)?;
        let (head, mut body) = response.into_parts();
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(failed)?;
            let data = frame.into_data().unwrap_or_default();
            if whole.len() + data.len() > MAX_ANSWER_BYTES {
                return Err(Error::TooLarge {
                    limit: MAX_ANSWER_BYTES as u64,
                    unit: "bytes",
                });
            }
            whole.extend_from_slice(&data);
        }
        Ok(http::Response::from_parts(head, whole.freeze()))
    }
}

#[async_trait::async_trait]
impl HttpClient for Courier {
    async fn execute_request(&self, request: &Request) -> AzureResult<AsyncRawResponse> {
        let built = translated(request)?;
        match self.exchange(built, request.url()).await {
            Ok(response) => {
                let status = response.status().as_u16();
                let body = response.into_body();
                self.note(Noted::Answer {
                    status,
                    body: body.clone(),
                });
                let headers = Headers::default();
                Ok(AsyncRawResponse::from_bytes(status.into(), headers, body))
            }
            Err(error) => {
                self.note(Noted::Failure(error.clone()));
                // Only this kind is tried again by the library.
                let kind = if error.is_transient() {
                    ErrorKind::Io
                } else {
                    ErrorKind::Other
                };
                Err(AzureError::new(kind, error))
            }
        }
    }
}

/// The library's request as one of ours.
fn translated(request: &Request) -> AzureResult<http::Request<Bytes>> {
    let Body::Bytes(body) = request.body() else {
        let message = "a request for a token has no streamed body";
        return Err(AzureError::with_message(ErrorKind::Other, message));
    };
    let mut builder = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.url().as_str());
    for (name, value) in request.headers().iter() {
        builder = builder.header(name.as_str(), value.as_str());
    }
    builder
        .body(body.clone())
        .map_err(|error| AzureError::new(ErrorKind::DataConversion, error))
}

/// Whether the address is this machine's, or its link's.
fn is_near(url: &Url) -> bool {
    is_loopback(url) || matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local())
}
