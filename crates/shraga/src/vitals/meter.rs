//! A layer around a client's transport that counts requests, by kind and by how they were answered.
//!
//! It sees every attempt, repeated ones included, until the head of its answer. An attempt that is
//! dropped without one (its time was over) counts as unanswered.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::Method;
use shraga_dataverse::transport::Transport;
use tower::{Service, ServiceExt, service_fn};

use crate::clock;

/// `transport`, with everything through it counted.
pub(crate) fn around(transport: Transport) -> Transport {
    Transport::new(service_fn(move |request: http::Request<Bytes>| {
        let mut transport = transport.clone();
        let mut attempt = Attempt {
            kind: kind(&request),
            answer: "none",
            began: clock::instant(),
        };
        async move {
            let answer = transport.ready().await?.call(request).await?;
            attempt.answered(answer.status());
            note_limits(answer.headers());
            Ok(answer)
        }
    }))
}

/// What the service said last that is left of its limits: requests, and seconds of execution.
static LEFT: Mutex<Option<(f64, f64)>> = Mutex::new(None);

/// What is left of the service's limits for the next five minutes, as it told last: requests, and
/// seconds of execution. `None` when it doesn't tell.
pub(crate) fn left() -> Option<(f64, f64)> {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note_limits(headers: &http::HeaderMap) {
    let number = |name: &str| -> Option<f64> {
        let text = headers.get(name)?.to_str().ok()?.replace(',', "");
        text.trim().parse().ok()
    };
    let requests = number("x-ms-ratelimit-burst-remaining-xrm-requests");
    let seconds = number("x-ms-ratelimit-time-remaining-xrm-requests");
    if let (Some(requests), Some(seconds)) = (requests, seconds) {
        metrics::gauge!("shraga_limit_requests_left").set(requests);
        metrics::gauge!("shraga_limit_execution_left_seconds").set(seconds);
        *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = Some((requests, seconds));
    }
}

/// An attempt that counts when it is over, however it ended.
struct Attempt {
    kind: &'static str,
    answer: &'static str,
    began: Instant,
}

impl Attempt {
    fn answered(&mut self, status: http::StatusCode) {
        self.answer = class(status);
        if status == http::StatusCode::TOO_MANY_REQUESTS {
            metrics::counter!("shraga_throttled_total").increment(1);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let (kind, answer) = (self.kind, self.answer);
        let took = self.began.elapsed();
        metrics::counter!("shraga_requests_total", "kind" => kind, "answer" => answer).increment(1);
        // A long poll lasts as long as nothing happens, which says nothing of the store.
        if kind != "wait" {
            metrics::histogram!("shraga_request_duration_seconds", "kind" => kind)
                .record(took.as_secs_f64());
        }
        let duration_ms = took.as_millis();
        tracing::debug!(
            request.kind = kind,
            answer,
            duration_ms,
            "a request was sent"
        );
    }
}

/// What a request is about: a closed set, whatever is in its address.
fn kind(request: &http::Request<Bytes>) -> &'static str {
    let path = request.uri().path();
    match *request.method() {
        _ if path.ends_with("/$batch") => "batch",
        _ if path.ends_with("/changes") => "wait",
        _ if path.ends_with("/WhoAmI") => "identity",
        Method::GET => "read",
        _ => "write",
    }
}

fn class(status: http::StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_of_one_of_few_kinds_whatever_it_names() {
        let of = |method: &str, path: &str| {
            let request = http::Request::builder().method(method).uri(path);
            kind(&request.body(Bytes::new()).unwrap())
        };
        let api = "http://localhost/api/data/v9.2";
        assert_eq!(of("POST", &format!("{api}/$batch")), "batch");
        assert_eq!(
            of("GET", "http://localhost/api/shraga/changes?since=7"),
            "wait"
        );
        assert_eq!(of("GET", &format!("{api}/WhoAmI")), "identity");
        assert_eq!(of("GET", &format!("{api}/cr_shraga_tasks?$top=1")), "read");
        assert_eq!(of("PATCH", &format!("{api}/cr_shraga_tasks(1)")), "write");
    }
}
