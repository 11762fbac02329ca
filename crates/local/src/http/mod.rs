//! The Dataverse Web API in front of the store.
//!
//! One code path serves the network ([`service`]) and this process ([`in_process`]); they differ
//! only in how the caller is known: by token, or handed in. A request is parsed into operations
//! ([`crate::ops`]) and the store's answers are shaped as Dataverse's. What is not supported faults by
//! name. A panic while serving one request becomes its 500 and ends nothing else.
//!
//! Row security is not here: the store applies it below every operation.

mod answer;
mod base;
mod batch;
mod call;
mod caller;
mod elsewhere;
pub mod limits;
mod metadata;
mod names;
mod path;
mod prefer;
mod rows;
mod shraga;
mod tokens;

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use shraga_wire::fault::{Fault, codes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::ops::Principal;
use crate::store::Store;

use answer::Answer;
use base::Base;
pub(crate) use base::OverTls;
use call::{Call, Head};
use limits::{
    BODY, MAX_BATCH_BYTES, MAX_BODIES_KIB, MAX_BODY_BYTES, MAX_URL_BYTES, SMALL_BODY_KIB,
};
use path::Resource;

/// Ends long polls when the server stops; set on requests by the listener.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(pub(crate) CancellationToken);

/// The server's state: the store, and what is left of the memory for bodies.
#[derive(Clone)]
pub(crate) struct App {
    /// Where the rows are.
    pub(crate) store: Store,
    /// KiB that bodies may still take.
    bodies: Arc<Semaphore>,
}

impl App {
    fn new(store: Store) -> Self {
        Self {
            store,
            bodies: Arc::new(Semaphore::new(MAX_BODIES_KIB as usize)),
        }
    }
}

/// The Web API for callers that prove who they are with a bearer token.
pub fn service(store: Store) -> Router {
    Router::new()
        .fallback(serve_one)
        .with_state(App::new(store))
}

/// The Web API for this process: every request is `principal`'s.
#[must_use]
pub fn in_process(store: Store, principal: Principal) -> InProcess {
    InProcess {
        app: App::new(store),
        principal,
    }
}

/// The Web API as a service without a socket. See [`in_process`].
#[derive(Clone)]
pub struct InProcess {
    app: App,
    principal: Principal,
}

impl tower::Service<Request<Bytes>> for InProcess {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let Self { app, principal } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let answer = guarded(app.answer(principal, &parts, body)).await;
            Ok(answer.into_response(app.store.now()))
        })
    }
}

/// Serves one request that came over a socket.
async fn serve_one(State(app): State<App>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let answer = guarded(async {
        let who = caller::by_token(&app.store, &parts)?;
        let (body, _held) = collect(&app.bodies, &parts, body).await?;
        app.answer(who, &parts, body).await
    });
    answer.await.into_response(app.store.now())
}

/// Turns refusals and panics into answers.
async fn guarded(work: impl Future<Output = Result<Answer, Fault>>) -> Answer {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Ok(Err(fault)) => {
            if fault.status >= 500 && fault.status != 501 {
                tracing::warn!(status = fault.status, error = %fault, "a request was not served");
            }
            fault.into()
        }
        Err(_panic) => {
            tracing::error!("a request ended in a panic; others go on");
            Fault::unexpected("The server failed on this request; the details are in its log.")
                .into()
        }
    }
}

/// The share of memory that a body of `size` bytes takes, once it is free.
async fn share(bodies: &Arc<Semaphore>, size: usize) -> Result<OwnedSemaphorePermit, Fault> {
    let kib = u32::try_from(size.div_ceil(1024)).unwrap_or(MAX_BODIES_KIB);
    let kib = if kib <= SMALL_BODY_KIB { 0 } else { kib };
    let held = tokio::time::timeout(BODY, Arc::clone(bodies).acquire_many_owned(kib)).await;
    let Ok(Ok(held)) = held else {
        return Err(Fault::unavailable(
            "Too many large requests at once; try again.",
        ));
    };
    Ok(held)
}

/// Reads a body within its limits of size and time. The permit stands for the memory it takes.
async fn collect(
    bodies: &Arc<Semaphore>,
    parts: &Parts,
    body: Body,
) -> Result<(Bytes, OwnedSemaphorePermit), Fault> {
    let most = if parts.uri.path().ends_with("/$batch") {
        MAX_BATCH_BYTES
    } else {
        MAX_BODY_BYTES
    };
    let too_large = || Fault::too_large(format!("The body is larger than {most} bytes."));
    let told = parts.headers.get(CONTENT_LENGTH);
    let told = told.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let has_body = told.is_some() || parts.headers.contains_key(TRANSFER_ENCODING);
    let size = told.unwrap_or(if has_body { most } else { 0 });
    if size > most {
        return Err(too_large());
    }
    let held = share(bodies, size).await?;
    let received = Limited::new(body, most).collect();
    match tokio::time::timeout(BODY, received).await {
        Ok(Ok(body)) => Ok((body.to_bytes(), held)),
        Ok(Err(wrong)) if wrong.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(wrong)) => Err(Fault::invalid_argument(format!(
            "The body could not be read: {wrong}."
        ))),
        Err(_elapsed) => Err(Fault::new(
            408,
            codes::INVALID_ARGUMENT,
            format!("The body did not arrive within {} s.", BODY.as_secs()),
        )),
    }
}

impl App {
    /// Answers a request whose caller is known, before impersonation.
    async fn answer(&self, who: Principal, parts: &Parts, body: Bytes) -> Result<Answer, Fault> {
        let length = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
        if length > MAX_URL_BYTES {
            return Err(Fault::new(
                414,
                codes::ODATA,
                format!("The address is longer than {MAX_URL_BYTES} bytes; send it in a $batch."),
            ));
        }
        let who = caller::effective(&self.store, who, &parts.headers).await?;
        let path = parts.uri.path();
        if let Some(inside) = path::under_service_root(path) {
            return self.web_api(&who, parts, inside, body).await;
        }
        if let Some(inside) = path.strip_prefix(shraga::ROOT) {
            return self.shraga(&who, parts, inside, &body).await;
        }
        Err(Fault::no_such_resource(path, Some("/api/data/v9.2/")))
    }

    async fn web_api(
        &self,
        who: &Principal,
        parts: &Parts,
        inside: &str,
        body: Bytes,
    ) -> Result<Answer, Fault> {
        let base = Base::of(parts);
        let call = Call {
            method: &parts.method,
            path: inside,
            query: parts.uri.query().unwrap_or_default(),
            head: Head::of_request(&parts.headers)?,
            body: &body,
        };
        let resource = path::parse(inside)?;
        if resource == Resource::Batch {
            return self.batch(who, parts, &base, &call.head, &body).await;
        }
        let planned = {
            let schema = self.store.schema();
            let context = rows::Context {
                schema: &schema,
                base: &base,
                moment: self.moment(),
                role: who.role,
                ids: rows::target::ContentIds::default(),
            };
            rows::plan(context, &call, &resource)?
        };
        Ok(match planned {
            Some(planned) => self.rows(who, &base, planned).await,
            None => self.elsewhere(who, &base, &call).await,
        })
    }

    async fn batch(
        &self,
        who: &Principal,
        parts: &Parts,
        base: &Base,
        head: &Head,
        body: &Bytes,
    ) -> Result<Answer, Fault> {
        if parts.method != Method::POST {
            return Ok(Answer::not_allowed(&parts.method, "$batch", "POST"));
        }
        let content_type = parts.headers.get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        batch::run(self, who, base, head, content_type, body).await
    }
}

#[cfg(test)]
mod tests;
