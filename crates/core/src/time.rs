//! Points in time and spans, as plain numbers.
//!
//! The store's clock (the `Date` header) is the only clock decisions use. Nothing here reads a
//! clock; reading text belongs to the edge (`shraga-dataverse`).

use std::fmt;
use std::str::FromStr;

use crate::status::Unknown;

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

/// A day in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl Day {
    /// The day of this point in time.
    #[must_use]
    pub const fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(DAY_MS))
    }

    /// When it is over: the first moment of the next.
    #[must_use]
    pub const fn end(self) -> Timestamp {
        Timestamp((self.0.saturating_add(1)).saturating_mul(DAY_MS))
    }

    /// Its first moment.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(DAY_MS))
    }
}

impl fmt::Display for Day {
    /// `2026-01-31`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A month in UTC, counted from January of the year 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i64);

impl Month {
    /// The month of this point in time.
    #[must_use]
    pub const fn of(at: Timestamp) -> Self {
        let (year, month, _) = civil(Day::of(at).0);
        Self(year * 12 + month - 1)
    }

    /// When it is over: the first moment of the next.
    #[must_use]
    pub const fn end(self) -> Timestamp {
        let next = self.0.saturating_add(1);
        Day(days(next.div_euclid(12), next.rem_euclid(12) + 1)).start()
    }
}

impl fmt::Display for Month {
    /// `2026-01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:02}",
            self.0.div_euclid(12),
            self.0.rem_euclid(12) + 1
        )
    }
}

impl FromStr for Month {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let parts = text.split_once('-').and_then(|(year, month)| {
            let year: i64 = year.parse().ok().filter(|year| (1..=9999).contains(year))?;
            let month: i64 = month
                .parse()
                .ok()
                .filter(|month| (1..=12).contains(month))?;
            Some(Self(year * 12 + month - 1))
        });
        parts.ok_or_else(|| Unknown {
            what: "month",
            value: text.to_owned(),
        })
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

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// One of `parts` equal parts; all of it when there are none.
    #[must_use]
    pub const fn over(self, parts: u32) -> Self {
        match parts {
            0 => self,
            parts => Self(self.0 / parts as i64),
        }
    }

    /// `factor` times as long.
    #[must_use]
    pub const fn times(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC: `2026-01-01T00:00:00Z`, with milliseconds only when there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.as_secs().div_euclid(86_400));
        let second = self.as_secs().rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match self.0.rem_euclid(1000) {
            0 => f.write_str("Z"),
            ms => write!(f, ".{ms:03}Z"),
        }
    }
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let leap = if month <= 2 { 1 } else { 0 };
    (year_of_era + era * 400 + leap, month, day)
}

/// The first day of a month of this year, counted from 1970-01-01 (Howard Hinnant's
/// `days_from_civil`).
const fn days(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_rfc_3339() {
        let text = |ms| Timestamp::from_millis(ms).to_string();
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(text(1_767_225_599_042), "2025-12-31T23:59:59.042Z");
        assert_eq!(text(-1000), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn a_day_ends_at_midnight_in_utc() {
        let day = Day::of(Timestamp::from_millis(951_868_799_999));
        assert_eq!(day.to_string(), "2000-02-29");
        assert_eq!(day.end().to_string(), "2000-03-01T00:00:00Z");
        assert_eq!(Day::of(day.start()), day);
        assert_ne!(Day::of(day.end()), day);
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let month: Month = "2027-12".parse().unwrap();
        assert_eq!(month.end().to_string(), "2028-01-01T00:00:00Z");
        assert_eq!(Month::of(month.end()).to_string(), "2028-01");
        assert_eq!(Month::of(month.end().minus(Span::millis(1))), month);
        let leap: Month = "2028-02".parse().unwrap();
        assert_eq!(leap.end().to_string(), "2028-03-01T00:00:00Z");
        assert!("2028-13".parse::<Month>().is_err());
    }

    #[test]
    fn spans_print_for_people() {
        assert_eq!(Span::millis(850).to_string(), "850ms");
        assert_eq!(Span::secs(200).to_string(), "3m 20s");
        assert_eq!(Span::secs(-42).to_string(), "-42s");
        assert_eq!(Span::mins(60 * 24 * 4 + 180).to_string(), "4d 3h");
    }
}
