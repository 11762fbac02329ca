//! Dates of HTTP headers.

use http::{HeaderMap, header};
use jiff::fmt::rfc2822::DateTimeParser;
use shraga_core::time::Timestamp;

static PARSER: DateTimeParser = DateTimeParser::new();

/// The `Date` header: the store's clock, to the second.
pub(super) fn of(headers: &HeaderMap) -> Option<Timestamp> {
    parse(headers.get(header::DATE)?.to_str().ok()?)
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let at = PARSER.parse_timestamp(text).ok()?;
    Some(Timestamp::from_secs(at.as_second()))
}
