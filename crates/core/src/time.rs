//! Points in time and spans, as plain numbers.
//!
//! The store's clock (the `Date` header) is the only clock decisions use. Nothing here reads a
//! clock; text forms belong to the edge (`shraga-dataverse`).

use std::fmt;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Dataverse keeps whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `ms` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// The point `seconds` after the epoch.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This point plus `span`.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// This point minus `span`.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long after `earlier` this point is; negative when it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// A signed length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `ms` milliseconds.
    #[must_use]
    pub const fn millis(ms: i64) -> Self {
        Self(ms)
    }

    /// A span of `seconds`.
    #[must_use]
    pub const fn secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// A span of `minutes`.
    #[must_use]
    pub const fn mins(minutes: i64) -> Self {
        Self::secs(minutes.saturating_mul(60))
    }

    /// Milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded toward zero.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0 / 1000
    }

    /// `factor` times as long.
    #[must_use]
    pub const fn times(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl fmt::Display for Span {
    /// Short human form: `850ms`, `42s`, `3m 20s`, `2h 5m`, `4d 3h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let secs = ms / 1000;
        match secs {
            0 => write!(f, "{ms}ms"),
            1..60 => write!(f, "{secs}s"),
            60..3600 => write!(f, "{}m {}s", secs / 60, secs % 60),
            3600..86_400 => write!(f, "{}h {}m", secs / 3600, secs % 3600 / 60),
            _ => write!(f, "{}d {}h", secs / 86_400, secs % 86_400 / 3600),
        }
    }
}
