//! What a status that is no success means.

use std::time::Duration;

use http::header;
use shraga_wire::fault::Fault;

use super::{Reply, date};
use crate::error::Error;

/// How much of a surprising answer is kept, in characters: enough to tell who sent it.
const EXCERPT_CHARS: usize = 200;

/// The error that an answer with this status is.
pub(super) fn refusal(reply: &Reply) -> Error {
    if reply.status < 400 {
        let location = reply.header("location").unwrap_or("nowhere");
        return reply.bad(format!(
            "the service answered {} (to {location}), which is not followed",
            reply.status
        ));
    }
    let fault = Fault::from_body(reply.status, &reply.body);
    from_fault(fault, retry_after(reply))
}

/// The error that a fault is, wherever it stood.
pub(crate) fn from_fault(fault: Fault, retry_after: Option<Duration>) -> Error {
    match fault.status {
        401 => Error::Unauthenticated(fault),
        403 => Error::Forbidden(fault),
        404 => Error::Missing(fault),
        412 => Error::Conflict(fault),
        429 => Error::Throttled { retry_after, fault },
        // Not implemented: it will not be the next time either.
        501 => Error::Refused(fault),
        500.. => Error::Unavailable(fault),
        _ => Error::Refused(fault),
    }
}

/// `Retry-After`, in seconds or as a date of the store's clock.
pub(super) fn retry_after(reply: &Reply) -> Option<Duration> {
    let text = reply
        .headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let span = date::parse(text)?.since(reply.date?);
    Some(Duration::from_millis(
        u64::try_from(span.as_millis()).unwrap_or(0),
    ))
}

pub(crate) fn bad_answer(what: impl Into<String>, body: &[u8]) -> Error {
    let text = String::from_utf8_lossy(body);
    Error::BadAnswer {
        what: what.into(),
        excerpt: text.trim().chars().take(EXCERPT_CHARS).collect(),
    }
}
