//! When a vendor's limit is over, from its words.
//!
//! A wall-clock time is one of the machine that the program ran on, so it becomes a span from that
//! machine's own clock: a clock that is wrong is wrong in both. Nothing here reads a clock. Words that
//! say no time, or one that can't be, give none.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use shraga_core::time::Span;
use shraga_core::time::Timestamp as Moment;
use shraga_core::worker::Until;

/// The longest wait that is believed: the longest windows are a month.
const LONGEST: Span = Span::mins(32 * 24 * 60);

/// Added to a time told in whole minutes, so that it isn't tried in its last seconds.
const MARGIN: Span = Span::secs(60);

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// When and where a program said something: this machine's wall clock and time zone.
#[derive(Clone, Debug)]
pub(crate) struct At {
    /// Now.
    pub(crate) now: Timestamp,
    /// Here.
    pub(crate) zone: TimeZone,
}

/// When the limit of which `text` (lower case) tells is over.
pub(crate) fn until(text: &str, at: &At) -> Option<Until> {
    epoch(text, at)
        .or_else(|| in_a_while(text))
        .or_else(|| by_the_clock(text, at))
}

/// A point in seconds since 1970, if it can be meant.
pub(crate) fn at_epoch(seconds: i64, at: &At) -> Option<Until> {
    let away = Span::secs(seconds.saturating_sub(at.now.as_second()));
    let meant = away > Span::mins(-24 * 60) && away < LONGEST;
    meant.then(|| Until::At(Moment::from_secs(seconds)))
}

/// `limit reached|1700000000`.
fn epoch(text: &str, at: &At) -> Option<Until> {
    let (_, rest) = text.split_once("limit reached|")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    at_epoch(digits.parse().ok()?, at)
}

/// `try again in 11.054s`, `in 6m0s`, `in 2 days 3 hours 5 minutes`.
fn in_a_while(text: &str) -> Option<Until> {
    let (_, rest) = text
        .split_once("try again in ")
        .or_else(|| text.split_once("retry in "))?;
    let mut millis = 0.0;
    let mut any = false;
    let mut rest = rest.trim_start();
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit() && c != '.') {
        let Ok(number) = rest[..end].parse::<f64>() else {
            break;
        };
        let word = rest[end..].trim_start();
        let letters = word.find(|c: char| !c.is_ascii_alphabetic());
        let unit = &word[..letters.unwrap_or(word.len())];
        millis += number * unit_millis(unit)?;
        any = true;
        rest = word[unit.len()..].trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    let longest = f64::from(u32::MAX);
    (any && millis > 0.0 && millis < longest)
        .then(|| Until::After(Span::millis(whole(millis)).plus(Span::secs(1))))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "it is between 0 and 2^32, and fractions of a millisecond don't matter"
)]
fn whole(millis: f64) -> i64 {
    millis as i64
}

fn unit_millis(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
        "m" | "min" | "mins" | "minute" | "minutes" => 60e3,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600e3,
        "d" | "day" | "days" => 86_400e3,
        _ => return None,
    })
}

/// `resets 10:01pm (UTC)`, `resets Nov 27, 11:08am (Europe/Paris)`, `try again at 10:02 PM.`,
/// `try again at Nov 27th, 2026 10:02 PM`.
fn by_the_clock(text: &str, at: &At) -> Option<Until> {
    let (_, rest) = text
        .split_once("resets ")
        .or_else(|| text.split_once("try again at "))?;
    let zone = match rest.split_once('(').and_then(|(_, it)| it.split_once(')')) {
        // Found without regard to capitals.
        Some((name, _)) => TimeZone::get(name.trim()).ok()?,
        None => at.zone.clone(),
    };
    let here = at.now.to_zoned(zone.clone());
    let words: Vec<&str> = rest
        .split(|c: char| c.is_whitespace() || c == ',' || c == '(')
        .filter(|word| !word.is_empty())
        .collect();
    let (date, after) = day(&words, &here)?;
    let time = clock(words.get(after)?, words.get(after + 1).copied())?;
    let mut moment = date
        .unwrap_or(here.date())
        .to_datetime(time)
        .to_zoned(zone.clone())
        .ok()?;
    if date.is_none() && moment.timestamp() < at.now {
        moment = moment.tomorrow().ok()?;
    }
    let away = moment.timestamp().as_second() - at.now.as_second();
    let away = Span::secs(away);
    (away > Span::mins(-60) && away < LONGEST)
        .then(|| Until::After(away.max(Span::ZERO).plus(MARGIN)))
}

/// The day, when one is named, and where the time stands after it.
fn day(words: &[&str], here: &Zoned) -> Option<(Option<Date>, usize)> {
    let month = words.first()?.get(..3).and_then(|it| {
        let at = MONTHS.iter().position(|month| *month == it)?;
        i8::try_from(at + 1).ok()
    });
    let Some(month) = month else {
        return Some((None, 0));
    };
    let day = number(words.get(1)?)?;
    let year = words.get(2).and_then(|it| it.parse::<i16>().ok());
    let after = if year.is_some() { 3 } else { 2 };
    let date = |year| Date::new(year, month, i8::try_from(day).ok()?).ok();
    let mut found = date(year.unwrap_or(here.year()))?;
    // A day without a year that is long past is next year's.
    if year.is_none() && found < here.date().yesterday().ok()? {
        found = date(here.year() + 1)?;
    }
    Some((Some(found), after))
}

/// The digits that `word` begins with.
fn number(word: &str) -> Option<i16> {
    let end = word
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(word.len());
    word[..end].parse().ok()
}

/// `3pm`, `10:01pm`, `10:02` followed by `pm.`, `22:02`.
fn clock(word: &str, next: Option<&str>) -> Option<Time> {
    let hour = number(word)?;
    let minute = match word.split_once(':') {
        Some((_, rest)) => number(rest)?,
        None => 0,
    };
    let half = |text: &str| {
        let text = text.trim_matches(|c: char| !c.is_ascii_alphabetic());
        if text.ends_with("pm") {
            Some(12)
        } else if text.ends_with("am") {
            Some(0)
        } else {
            None
        }
    };
    let hour = match half(word).or_else(|| half(next?)) {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
}
