//! What a run of an agent used: tokens, turns and money.
//!
//! Money is counted in millionths of a US dollar, so that sums are exact. What an agent doesn't tell
//! is unknown, never zero: adding something unknown to a cost makes the sum unknown. Nothing here
//! knows prices ([`crate::price`]) or limits ([`crate::budget`]).

use crate::time::Span;

/// Millionths of a dollar in a dollar.
pub const MICROS: u64 = 1_000_000;

/// What was used, by one run or by several together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read by the model, without those from its cache.
    pub input_tokens: u64,
    /// Tokens written by the model.
    pub output_tokens: u64,
    /// Tokens read from the model's cache.
    pub cache_read_tokens: u64,
    /// Tokens written into the model's cache.
    pub cache_write_tokens: u64,
    /// Answers of the model.
    pub turns: u32,
    /// Cost in US dollars times 1,000,000; `None` when it isn't known.
    pub cost_micros: Option<u64>,
}

impl Usage {
    /// Nothing used, at no cost: where a sum begins.
    pub const NONE: Self = Self {
        input_tokens: 0,
        output_tokens: 0,
        cache_read_tokens: 0,
        cache_write_tokens: 0,
        turns: 0,
        cost_micros: Some(0),
    };

    /// Nothing that the agent told of.
    pub const UNKNOWN: Self = Self {
        cost_micros: None,
        ..Self::NONE
    };

    /// Both together. The cost of the sum is known only if both are.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        let cost_micros = match (self.cost_micros, other.cost_micros) {
            (Some(one), Some(two)) => Some(one.saturating_add(two)),
            _ => None,
        };
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cache_read_tokens: self
                .cache_read_tokens
                .saturating_add(other.cache_read_tokens),
            cache_write_tokens: self
                .cache_write_tokens
                .saturating_add(other.cache_write_tokens),
            turns: self.turns.saturating_add(other.turns),
            cost_micros,
        }
    }

    /// All tokens, cached ones included.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.output_tokens)
            .saturating_add(self.cache_read_tokens)
            .saturating_add(self.cache_write_tokens)
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::NONE
    }
}

/// What was used and how long it took: what budgets are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// What was used.
    pub usage: Usage,
    /// How long agents ran.
    pub ran: Span,
}

impl Spent {
    /// Nothing: where a sum begins.
    pub const NONE: Self = Self {
        usage: Usage::NONE,
        ran: Span::ZERO,
    };

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            usage: self.usage.plus(other.usage),
            ran: self.ran.plus(other.ran),
        }
    }
}

/// `$0.12`; amounts below a cent keep four digits.
#[must_use]
pub fn dollars(micros: u64) -> String {
    let (whole, rest) = (micros / MICROS, micros % MICROS);
    match micros {
        0 => "$0.00".to_owned(),
        1..10_000 => format!("${whole}.{:04}", rest / 100),
        10_000.. => format!("${whole}.{:02}", rest / 10_000),
    }
}

/// An amount as people and programs write it, `2.5` or `1.2e-5`, in millionths and rounded up; `None`
/// when it is no amount or too large to count.
#[must_use]
pub fn micros(text: &str) -> Option<u64> {
    scaled(text, 6)
}

/// A decimal number times ten to the power of `places`, rounded up. Exact: no binary fractions.
pub(crate) fn scaled(text: &str, places: i32) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length = i32::try_from(whole.len()).ok()?;
    // How many of the digits stand before the point.
    let kept = length.checked_add(exponent)?.checked_add(places)?;
    let mut number: u64 = 0;
    let mut rest = false;
    for (at, byte) in (0_i32..).zip(digits()) {
        if at < kept {
            number = number
                .checked_mul(10)?
                .checked_add(u64::from(byte - b'0'))?;
        } else {
            rest |= byte != b'0';
        }
    }
    let given = length.checked_add(i32::try_from(fraction.len()).ok()?)?;
    if number > 0 {
        for _ in given..kept {
            number = number.checked_mul(10)?;
        }
    }
    number.checked_add(u64::from(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_and_rounded_up() {
        assert_eq!(micros("2.5"), Some(2_500_000));
        assert_eq!(micros("0.1"), Some(100_000));
        assert_eq!(micros(".5"), Some(500_000));
        assert_eq!(micros("1.2e-5"), Some(12));
        assert_eq!(micros("1.21e-5"), Some(13));
        assert_eq!(micros("1e-9"), Some(1));
        assert_eq!(micros("3E2"), Some(300_000_000));
        assert_eq!(micros("0e999"), Some(0));
        for bad in [
            "",
            ".",
            "-1",
            "1,5",
            "NaN",
            "1e",
            "1e99",
            "99999999999999999999",
        ] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }

    #[test]
    fn amounts_read_like_money() {
        assert_eq!(dollars(0), "$0.00");
        assert_eq!(dollars(1_234), "$0.0012");
        assert_eq!(dollars(12_345_678), "$12.34");
    }

    #[test]
    fn a_sum_with_something_unknown_is_unknown() {
        let known = Usage {
            cost_micros: Some(5),
            turns: 2,
            ..Usage::NONE
        };
        assert_eq!(known.plus(known).cost_micros, Some(10));
        assert_eq!(known.plus(Usage::UNKNOWN).cost_micros, None);
        assert_eq!(known.plus(Usage::UNKNOWN).turns, 2);
    }
}
