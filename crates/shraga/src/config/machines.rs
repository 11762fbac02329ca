//! Settings of machines: counts, waits that can be switched off, what a machine costs.
//!
//! Nothing here takes 0: whether it means "at once" or "never" has cost others days of idle machines. The
//! word for never is `off`.

use shraga_core::machine::{PREFIX_CHARS, is_prefix};
use shraga_core::usage::{MICROS, micros};

use super::value::{Raw, Setting};

/// How many, 1 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Many(pub u32);

impl Setting for Many {
    const EXPECTS: &'static str = "a whole number from 1 to 1000";
    fn read(raw: &Raw) -> Option<Self> {
        let number = u32::try_from(raw.integer()?).ok()?;
        (1..=1000).contains(&number).then_some(Self(number))
    }
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A number from 1 to 100,000, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrOff(pub Option<u32>);

impl Setting for OrOff {
    const EXPECTS: &'static str = "a whole number from 1 to 100000, or \"off\" (0 is refused: it could mean at once or never)";
    fn read(raw: &Raw) -> Option<Self> {
        if raw.word() == Some("off") {
            return Some(Self(None));
        }
        let number = u32::try_from(raw.integer()?).ok()?;
        (1..=100_000)
            .contains(&number)
            .then_some(Self(Some(number)))
    }
    fn show(&self) -> Option<String> {
        let number = self.0.map(|number| number.to_string());
        Some(number.unwrap_or_else(|| "\"off\"".to_owned()))
    }
}

/// What names of machines begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(pub String);

const _: () = assert!(
    PREFIX_CHARS == 40,
    "what `Prefix` expects names this number"
);

impl Setting for Prefix {
    const EXPECTS: &'static str =
        "1 to 40 letters, digits, '-', '_' or '.', a letter or digit first";
    fn read(raw: &Raw) -> Option<Self> {
        let text = raw.word()?;
        is_prefix(text).then(|| Self(text.to_owned()))
    }
    fn show(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// US dollars an hour, times 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourPrice(pub u64);

/// The highest: beyond it somebody forgot the point.
const DOLLARS_MAX: u64 = 1000;

impl Setting for HourPrice {
    const EXPECTS: &'static str = "US dollars an hour, from 0.000001 to 1000, such as 1.49";
    fn read(raw: &Raw) -> Option<Self> {
        let text = match raw {
            Raw::Text(text) | Raw::Toml(toml::Value::String(text)) => text.trim().to_owned(),
            Raw::Toml(toml::Value::Float(number)) => number.to_string(),
            Raw::Toml(toml::Value::Integer(number)) => number.to_string(),
            Raw::Toml(_) => return None,
        };
        let micros = micros(&text)?;
        (1..=DOLLARS_MAX * MICROS)
            .contains(&micros)
            .then_some(Self(micros))
    }
    fn show(&self) -> Option<String> {
        let (whole, part) = (self.0 / MICROS, self.0 % MICROS);
        let part = format!("{part:06}");
        let part = part.trim_end_matches('0');
        Some(match part {
            "" => whole.to_string(),
            part => format!("{whole}.{part}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn never_is_a_word_and_zero_is_refused() {
        assert_eq!(OrOff::read(&text("off")), Some(OrOff(None)));
        assert_eq!(OrOff::read(&text("30")), Some(OrOff(Some(30))));
        for wrong in ["0", "-1", "never", "100001"] {
            assert_eq!(OrOff::read(&text(wrong)), None, "{wrong}");
        }
        assert_eq!(Many::read(&text("0")), None);
        assert_eq!(OrOff(None).show().unwrap(), "\"off\"");
    }

    #[test]
    fn a_price_is_read_to_the_millionth_of_a_dollar() {
        assert_eq!(HourPrice::read(&text("1.49")), Some(HourPrice(1_490_000)));
        let toml = Raw::Toml(toml::Value::Float(0.5));
        assert_eq!(HourPrice::read(&toml), Some(HourPrice(500_000)));
        assert_eq!(HourPrice(1_490_000).show().unwrap(), "1.49");
        for wrong in ["0", "-1", "", "1001", "NaN", "free"] {
            assert_eq!(HourPrice::read(&text(wrong)), None, "{wrong}");
        }
    }
}
