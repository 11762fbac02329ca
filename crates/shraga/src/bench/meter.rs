//! A layer between client and server that counts requests and notes when claims were answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use shraga_dataverse::transport::Transport;
use tokio::sync::watch;
use tower::{Service, ServiceExt, service_fn};

use crate::clock;

/// What a request that claims a task contains.
const CLAIM: &[u8] = b"executing";

/// Counts what passes.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    requests: Arc<AtomicU64>,
    claims: watch::Sender<Option<Instant>>,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            requests: Arc::default(),
            claims: watch::Sender::new(None),
        }
    }

    /// How many requests passed so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// When a claim was last answered.
    pub(super) fn claims(&self) -> watch::Receiver<Option<Instant>> {
        self.claims.subscribe()
    }

    /// `transport`, with everything through it counted.
    pub(super) fn around(&self, transport: Transport) -> Transport {
        let meter = self.clone();
        Transport::new(service_fn(move |request: http::Request<Bytes>| {
            meter.requests.fetch_add(1, Ordering::Relaxed);
            let claims = request.method() != http::Method::GET && contains(request.body(), CLAIM);
            let (meter, mut transport) = (meter.clone(), transport.clone());
            async move {
                let answer = transport.ready().await?.call(request).await;
                if claims {
                    meter.claims.send_replace(Some(clock::instant()));
                }
                answer
            }
        }))
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
