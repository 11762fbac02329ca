//! Times as people read them: ages and durations short, points in time in the local zone.

use shraga_core::time::{Span, Timestamp};

/// `at` as RFC 3339 in UTC, whole seconds; for JSON and logs.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_secs())
        .map_or_else(|_| at.as_secs().to_string(), |at| at.to_string())
}

/// How long ago `at` was at `now`: `<1s`, `12s`, `3m 20s`.
#[must_use]
pub fn age(at: Timestamp, now: Timestamp) -> String {
    let span = now.since(at);
    if span < Span::secs(1) {
        // The store keeps whole seconds.
        return "<1s".to_owned();
    }
    span.to_string()
}

/// From `started` to `finished`, or to `now` while it runs; `-` when it hasn't started.
#[must_use]
pub fn duration(started: Option<Timestamp>, finished: Option<Timestamp>, now: Timestamp) -> String {
    started.map_or_else(
        || "-".to_owned(),
        |started| age(started, finished.unwrap_or(now)),
    )
}
