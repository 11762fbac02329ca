//! The store's clock, moved by hand.
//!
//! Decisions know one clock: the `Date` header of the store's answers. This layer shifts it, so a
//! story can let a claim time out without waiting. Rows keep the store's own times.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use jiff::{SignedDuration, Timestamp};
use tower::{ServiceExt, service_fn};

use crate::{Answer, Transport};

static PARSER: DateTimeParser = DateTimeParser::new();
static PRINTER: DateTimePrinter = DateTimePrinter::new();

/// How far the store's clock is ahead of the real one. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct StoreClock {
    ahead_seconds: Arc<AtomicI64>,
}

impl StoreClock {
    /// A clock that tells the truth.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock on by `seconds` (back when negative).
    pub fn advance(&self, seconds: i64) {
        self.ahead_seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    /// `inner` with its `Date` headers moved.
    #[must_use]
    pub fn wrap(&self, inner: Transport) -> Transport {
        let clock = self.clone();
        Transport::new(service_fn(move |request: Request<Bytes>| {
            let (clock, inner) = (clock.clone(), inner.clone());
            async move {
                let mut answer = inner.oneshot(request).await?;
                clock.shift(&mut answer);
                Ok(answer)
            }
        }))
    }

    fn shift(&self, answer: &mut Answer) {
        let ahead = SignedDuration::from_secs(self.ahead_seconds.load(Ordering::SeqCst));
        let shifted = answer
            .headers()
            .get(header::DATE)
            .and_then(|date| PARSER.parse_timestamp(date.as_bytes()).ok())
            .and_then(|date: Timestamp| date.checked_add(ahead).ok())
            .and_then(|date| PRINTER.timestamp_to_rfc9110_string(&date).ok())
            .and_then(|text| HeaderValue::from_str(&text).ok());
        if let Some(date) = shifted {
            answer.headers_mut().insert(header::DATE, date);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use http_body_util::{BodyExt, Empty};

    use super::*;

    #[test]
    fn the_date_of_an_answer_moves_with_the_clock() {
        let clock = StoreClock::new();
        clock.advance(3600);
        let mut answer: Answer =
            Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        answer.headers_mut().insert(
            header::DATE,
            HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"),
        );
        clock.shift(&mut answer);
        assert_eq!(
            answer.headers()[header::DATE],
            "Sun, 06 Nov 1994 09:49:37 GMT"
        );
    }
}
