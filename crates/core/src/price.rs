//! What tokens cost: a table of models and prices, and the cost of what was used.
//!
//! Prices age, and some are agreed between two parties. So a table is data: the operator's rows come
//! first, the shipped ones ([`SHIPPED`]) only cover models whose program tells the true cost at its
//! end, which then counts instead. A model that no row covers has no price: not zero, unknown.

use crate::usage::Usage;

/// When [`SHIPPED`] was written down.
pub const SHIPPED_AS_OF: &str = "2026-11";

/// Prices of one model, in millionths of a US dollar per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Tokens read, without those from the cache.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens read from the cache.
    pub cache_read: u64,
    /// Tokens written into the cache.
    pub cache_write: u64,
}

/// Tokens that a price is for.
const PER: u128 = 1_000_000;

impl Price {
    /// What these tokens cost, rounded up.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> u64 {
        let parts = [
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_read_tokens, self.cache_read),
            (usage.cache_write_tokens, self.cache_write),
        ];
        let sum = parts.into_iter().fold(0_u128, |sum, (tokens, price)| {
            sum.saturating_add(u128::from(tokens) * u128::from(price))
        });
        u64::try_from(sum.div_ceil(PER)).unwrap_or(u64::MAX)
    }
}

/// Prices by model. A name may end in `*`; of several rows that cover a model, the longest name counts,
/// and of equal ones the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    rows: Vec<(String, Price)>,
}

impl Prices {
    /// A table of these rows alone.
    #[must_use]
    pub const fn new(rows: Vec<(String, Price)>) -> Self {
        Self { rows }
    }

    /// These rows, and the shipped ones behind them.
    #[must_use]
    pub fn over_shipped(mut rows: Vec<(String, Price)>) -> Self {
        let shipped = SHIPPED.iter();
        rows.extend(shipped.map(|(model, price)| ((*model).to_owned(), *price)));
        Self { rows }
    }

    /// The price of `model`, if a row covers it.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<Price> {
        let covering = self.rows.iter().rev();
        let covering = covering.filter(|(name, _)| covers(name, model));
        covering
            .max_by_key(|(name, _)| name.len())
            .map(|(_, price)| *price)
    }

    /// `usage` with its cost: as its agent told it, else computed; unknown when `model` has no price.
    #[must_use]
    pub fn priced(&self, usage: Usage, model: &str) -> Usage {
        let computed = || self.of(model).map(|price| price.of(&usage));
        Usage {
            cost_micros: usage.cost_micros.or_else(computed),
            ..usage
        }
    }
}

fn covers(name: &str, model: &str) -> bool {
    match name.strip_suffix('*') {
        Some(beginning) => model.starts_with(beginning),
        None => name == model,
    }
}

/// A price in cents per million tokens, as price lists have it.
const fn cents(input: u64, output: u64, cache_read: u64, cache_write: u64) -> Price {
    Price {
        input: input * 10_000,
        output: output * 10_000,
        cache_read: cache_read * 10_000,
        cache_write: cache_write * 10_000,
    }
}

/// Prices of the models of Claude Code. Between two answers its cost is computed from these; what it
/// tells at its end is what counts. A model not listed yet is taken for the dearest, so that a limit is
/// reached early rather than late.
pub const SHIPPED: &[(&str, Price)] = &[
    ("claude-*", cents(1_500, 7_500, 150, 1_875)),
    ("claude-fable-*", cents(1_000, 5_000, 100, 1_250)),
    ("claude-opus-4-5*", cents(500, 2_500, 50, 625)),
    ("claude-opus-4-6*", cents(500, 2_500, 50, 625)),
    ("claude-opus-4-7*", cents(500, 2_500, 50, 625)),
    ("claude-opus-4-8*", cents(500, 2_500, 50, 625)),
    ("claude-opus-5*", cents(500, 2_500, 50, 625)),
    ("claude-sonnet-*", cents(300, 1_500, 30, 375)),
    ("claude-3-7-sonnet*", cents(300, 1_500, 30, 375)),
    ("claude-haiku-*", cents(100, 500, 10, 125)),
    ("claude-3-5-haiku*", cents(80, 400, 8, 100)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64) -> Usage {
        Usage {
            input_tokens: input,
            output_tokens: output,
            cost_micros: None,
            ..Usage::NONE
        }
    }

    #[test]
    fn a_cost_is_computed_exactly_and_rounded_up() {
        let price = cents(300, 1_500, 30, 375);
        assert_eq!(price.of(&usage(1_000_000, 100_000)), 4_500_000);
        assert_eq!(price.of(&usage(1, 0)), 3);
        let cached = Usage {
            cache_read_tokens: 1,
            ..Usage::NONE
        };
        assert_eq!(price.of(&cached), 1, "0.3 micros are rounded up");
        let many = usage(u64::MAX, u64::MAX);
        assert_eq!(price.of(&many), u64::MAX, "too much to count is not little");
    }

    #[test]
    fn the_row_that_says_most_about_a_model_counts_and_the_operators_before_the_shipped() {
        let own = cents(1, 1, 1, 1);
        let prices = Prices::over_shipped(vec![("claude-sonnet-*".to_owned(), own)]);
        assert_eq!(prices.of("claude-sonnet-4-5"), Some(own));
        assert_eq!(
            prices.of("claude-opus-4-5-20251101").map(|it| it.input),
            Some(5_000_000)
        );
        assert_eq!(
            prices.of("claude-opus-4-1").map(|it| it.input),
            Some(15_000_000)
        );
    }

    #[test]
    fn a_model_without_a_price_has_no_cost_unless_its_agent_tells_it() {
        let prices = Prices::over_shipped(Vec::new());
        assert_eq!(prices.of("gpt-5"), None);
        assert_eq!(prices.priced(usage(10, 10), "gpt-5").cost_micros, None);
        let told = Usage {
            cost_micros: Some(7),
            ..usage(10, 10)
        };
        assert_eq!(prices.priced(told, "gpt-5").cost_micros, Some(7));
        assert_eq!(prices.priced(told, "claude-x").cost_micros, Some(7));
    }
}
