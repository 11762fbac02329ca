//! Answers as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http::Response;
use http_body::Frame;
use serde_json::Value;

/// One event.
pub(super) fn event(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n")
}

/// The events; one that hangs keeps the connection open after them.
pub(super) fn response(events: Vec<String>, hangs: bool) -> Response<Body> {
    let events = Bytes::from(events.concat());
    let body = match hangs {
        false => Body::from(events),
        true => Body::new(Hanging(Some(events))),
    };
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(body)
        .expect("a response")
}

/// A body that says something and never ends.
struct Hanging(Option<Bytes>);

impl http_body::Body for Hanging {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(events) => Poll::Ready(Some(Ok(Frame::data(events)))),
            // Nobody wakes it again: the connection ends with the program or the service.
            None => Poll::Pending,
        }
    }
}
