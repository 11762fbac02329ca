//! What a run of an agent used: tokens, turns and money.
//!
//! Money is counted in millionths of a US dollar, so that sums are exact. What an agent doesn't tell
//! is unknown, never zero: adding something unknown to a cost makes the sum unknown. Nothing here
//! knows prices or limits.

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

#[cfg(test)]
mod tests {
    use super::*;

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
