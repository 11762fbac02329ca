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
use std::task::{Context as TaskContext, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use shraga_wire::fault::Fault;
use tokio_util::sync::CancellationToken;

use crate::ops::Principal;
use crate::store::Store;

use answer::Answer;
use base::Base;
pub(crate) use base::OverTls;
use call::{Call, Head};
use limits::{BODY, MAX_BATCH_BYTES, MAX_BODY_BYTES, MAX_URL_BYTES};
use path::Resource;

/// Ends long polls when the server stops; set on requests by the listener.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(pub(crate) CancellationToken);

/// The server's state: the store, and nothing beside it.
#[derive(Clone)]
pub(crate) struct App {
    /// Where the rows are.
    pub(crate) store: Store,
}

/// The Web API for callers that prove who they are with a bearer token.
pub fn service(store: Store) -> Router {
    Router::new().fallback(serve_one).with_state(App { store })
}

/// The Web API for this process: every request is `principal`'s.
#[must_use]
pub fn in_process(store: Store, principal: Principal) -> InProcess {
    InProcess {
        app: App { store },
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
        let body = collect(&parts, body).await?;
        app.answer(who, &parts, body).await
    });
    let answer = answer.await;
    let unauthenticated = answer.status == 401;
    let mut response = answer.into_response(app.store.now());
    if unauthenticated {
        response.headers_mut().insert(
            http::header::WWW_AUTHENTICATE,
            http::HeaderValue::from_static("Bearer realm=\"shraga\""),
        );
    }
    response
}

/// Turns refusals and panics into answers.
async fn guarded(work: impl Future<Output = Result<Answer, Fault>>) -> Answer {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Ok(Err(fault)) => fault.into(),
        Err(_panic) => {
            tracing::error!("a request ended in a panic; others go on");
            Fault::unexpected("The server failed on this request; the details are in its log.")
                .into()
        }
    }
}

/// Reads a body within its limits of size and time.
async fn collect(parts: &Parts, body: Body) -> Result<Bytes, Fault> {
    let most = if parts.uri.path().ends_with("/$batch") {
        MAX_BATCH_BYTES
    } else {
        MAX_BODY_BYTES
    };
    let too_large = || Fault::too_large(format!("The body is larger than {most} bytes."));
    let told = parts.headers.get(CONTENT_LENGTH);
    let told = told.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > most as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(wrong)) if wrong.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(wrong)) => Err(Fault::invalid_argument(format!(
            "The body could not be read: {wrong}."
        ))),
        Err(_elapsed) => Err(Fault::new(
            408,
            shraga_wire::fault::codes::INVALID_ARGUMENT,
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
                shraga_wire::fault::codes::ODATA,
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
        let ids = elsewhere::no_ids();
        let planned = {
            let schema = self.store.schema();
            let context = rows::Context {
                schema: &schema,
                base: &base,
                moment: self.moment(),
                ids: &ids,
            };
            rows::plan(context, &call, &resource)?
        };
        Ok(match planned {
            Some(planned) => self.rows(who, planned).await,
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
