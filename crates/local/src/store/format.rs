//! Values as Dataverse writes them: points in time, and the formatted values of annotations.
//!
//! Formats are those of an English (United States) user in UTC.

use std::fmt::Write;

use rusqlite::types::ValueRef;
use shraga_wire::schema::ColumnKind;

/// A moment of the proleptic Gregorian calendar in UTC.
struct Civil {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// Years a point in time is written with: four digits. Seconds outside are clamped.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

impl Civil {
    /// The calendar by eras of 400 years, whose days are counted from March.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "each is below 60, or a day or month"
    )]
    fn of(seconds: i64) -> Self {
        let seconds = seconds.clamp(FIRST_SECOND, LAST_SECOND);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u8,
            hour: (rest / 3_600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        }
    }
}

/// Writes `2023-04-07T21:59:01Z`.
pub(super) fn push_time(out: &mut Vec<u8>, seconds: i64) {
    let at = Civil::of(seconds);
    push_padded(out, at.year, 4);
    for (separator, part) in [
        (b'-', at.month),
        (b'-', at.day),
        (b'T', at.hour),
        (b':', at.minute),
        (b':', at.second),
    ] {
        out.push(separator);
        push_padded(out, i64::from(part), 2);
    }
    out.push(b'Z');
}

fn push_padded(out: &mut Vec<u8>, n: i64, digits: u32) {
    for place in (0..digits).rev() {
        out.push(b'0' + (n / 10_i64.pow(place) % 10) as u8);
    }
}

/// The formatted value of a column that isn't a lookup; text and identities have none.
pub(super) fn value(kind: &ColumnKind, value: ValueRef<'_>) -> Option<String> {
    match (kind, value) {
        (ColumnKind::Choice { options }, ValueRef::Integer(n)) => {
            let option = options.iter().find(|o| i64::from(o.value) == n);
            option.map(|o| o.label.clone())
        }
        (ColumnKind::Boolean { no, yes }, ValueRef::Integer(n)) => {
            Some(if n == 0 { no } else { yes }.clone())
        }
        (ColumnKind::DateTime, ValueRef::Integer(seconds)) => Some(date_time(seconds)),
        (ColumnKind::Decimal { precision }, ValueRef::Real(x)) => {
            Some(grouped(&format!("{x:.*}", usize::from(*precision))))
        }
        (_, ValueRef::Integer(n)) => Some(grouped(&n.to_string())),
        (_, ValueRef::Real(x)) => Some(grouped(&format!("{x:.2}"))),
        (_, ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_)) => None,
    }
}

/// `4/7/2023 9:59 PM`
fn date_time(seconds: i64) -> String {
    let at = Civil::of(seconds);
    let (hour, half) = match at.hour {
        0 => (12, "AM"),
        hour @ 1..=11 => (hour, "AM"),
        12 => (12, "PM"),
        hour => (hour - 12, "PM"),
    };
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write!(
        text,
        "{}/{}/{} {hour}:{:02} {half}",
        at.month, at.day, at.year, at.minute
    );
    text
}

/// `1234567.5` is `1,234,567.5`.
fn grouped(number: &str) -> String {
    let (whole, fraction) = match number.find('.') {
        Some(point) => number.split_at(point),
        None => (number, ""),
    };
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut text = sign.to_owned();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(fraction);
    text
}

#[cfg(test)]
mod tests;
