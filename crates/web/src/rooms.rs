//! The rooms: `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use crate::verdict::{Shown, Verdict};

/// The text format that Prometheus reads.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the rooms show; asked anew for each request, so it must be quick and never wait.
pub trait Vitals: Send + Sync + 'static {
    /// The program's version.
    fn version(&self) -> &str;
    /// Whether the process is alive and its work goes round.
    fn health(&self) -> Verdict;
    /// Whether it can do its work now.
    fn readiness(&self) -> Verdict;
    /// All metrics in the text format of Prometheus.
    fn metrics(&self) -> String;
}

/// The rooms, showing `vitals`.
pub(crate) fn router(vitals: Arc<dyn Vitals>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .fallback(nothing_here)
        .layer(axum::middleware::map_response(never_stored))
        .with_state(vitals)
}

async fn health(State(vitals): State<Arc<dyn Vitals>>) -> Response {
    told(&vitals.health(), vitals.version())
}

async fn readiness(State(vitals): State<Arc<dyn Vitals>>) -> Response {
    told(&vitals.readiness(), vitals.version())
}

async fn metrics(State(vitals): State<Arc<dyn Vitals>>) -> Response {
    ([(CONTENT_TYPE, EXPOSITION)], vitals.metrics()).into_response()
}

async fn nothing_here() -> Response {
    let text = "nothing here; there are /healthz, /readyz and /metrics\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

fn told(verdict: &Verdict, version: &str) -> Response {
    let status = match verdict.is_ok() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(Shown::of(verdict, version))).into_response()
}

async fn never_stored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
