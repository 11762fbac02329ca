//! Budgets: what a task may use at most, and the meter that says when it has.
//!
//! A [`Budget`] names up to five limits. [`Budget::judge`] compares one with what was used before and
//! is being used now; it is the same for every level (task, agent, a share of a person's day), since
//! several budgets are one: of each limit the smaller counts ([`Budget::tighter`]). Nothing here stops
//! anything: that is the worker's part. What can't be counted is not let through: a limit on cost is
//! not kept by a cost that isn't known ([`Verdict::Unpriced`]).

use std::fmt;
use std::str::FromStr;

use crate::reason::Reason;
use crate::time::Span;
use crate::usage::{Spent, dollars, micros, scaled};

#[cfg(test)]
mod tests;

/// From how many percent of a limit on the agent is warned. Later, and it has no room left to round
/// its work off; earlier, and it hurries for nothing.
pub const WARN_PERCENT: u8 = 80;

/// The longest time limit: a year, so that sums of times can't overflow.
const LONGEST: Span = Span::mins(60 * 24 * 366);

/// What may be used at most; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// US dollars times 1,000,000.
    pub cost_micros: Option<u64>,
    /// Tokens of every kind, cached ones included.
    pub tokens: Option<u64>,
    /// Answers of the model.
    pub turns: Option<u64>,
    /// How long agents run, all attempts together.
    pub time: Option<Span>,
    /// What one attempt may print.
    pub output_bytes: Option<u64>,
}

/// One of the limits of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Money.
    Cost,
    /// Tokens.
    Tokens,
    /// Answers of the model.
    Turns,
    /// Time.
    Time,
    /// Output.
    Output,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Cost,
        Self::Tokens,
        Self::Turns,
        Self::Time,
        Self::Output,
    ];

    /// The word for it in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::Turns => "turns",
            Self::Time => "time",
            Self::Output => "output",
        }
    }

    /// Why a task ends that reached it.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Cost => Reason::BudgetCost,
            Self::Tokens => Reason::BudgetTokens,
            Self::Turns => Reason::BudgetTurns,
            Self::Time => Reason::BudgetTime,
            Self::Output => Reason::BudgetOutput,
        }
    }

    /// What was used of it; `None` when that isn't known.
    #[must_use]
    pub fn used(self, spent: &Spent, output_bytes: u64) -> Option<u64> {
        match self {
            Self::Cost => spent.usage.cost_micros,
            Self::Tokens => Some(spent.usage.tokens()),
            Self::Turns => Some(u64::from(spent.usage.turns)),
            Self::Time => Some(unsigned(spent.ran)),
            Self::Output => Some(output_bytes),
        }
    }

    /// An amount of it, as people read it.
    #[must_use]
    pub fn amount(self, amount: u64) -> String {
        match self {
            Self::Cost => dollars(amount),
            Self::Tokens => format!("{} tokens", short(amount)),
            Self::Turns => format!("{amount} turns"),
            Self::Time => Span::millis(signed(amount)).to_string(),
            Self::Output => format!("{} bytes", short(amount)),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the meter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is near its limit.
    Go,
    /// So many percent of a limit are used, of the one that is nearest.
    Warn(Limit, u8),
    /// A limit is reached.
    Stop(Limit),
    /// A limit on cost is set, and what was used has no known price.
    Unpriced,
}

impl Budget {
    /// No limit at all.
    pub const NONE: Self = Self {
        cost_micros: None,
        tokens: None,
        turns: None,
        time: None,
        output_bytes: None,
    };

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Of each limit the smaller one.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        fn least<T: Ord>(one: Option<T>, two: Option<T>) -> Option<T> {
            one.into_iter().chain(two).min()
        }
        Self {
            cost_micros: least(self.cost_micros, other.cost_micros),
            tokens: least(self.tokens, other.tokens),
            turns: least(self.turns, other.turns),
            time: least(self.time, other.time),
            output_bytes: least(self.output_bytes, other.output_bytes),
        }
    }

    /// What is left of it after `spent`. A cost that isn't known leaves nothing. Output is counted
    /// anew for each attempt.
    #[must_use]
    pub fn left(&self, spent: &Spent) -> Self {
        let rest = |limit| {
            self.of(limit)
                .map(|all| all.saturating_sub(limit.used(spent, 0).unwrap_or(all)))
        };
        Self {
            cost_micros: rest(Limit::Cost),
            tokens: rest(Limit::Tokens),
            turns: rest(Limit::Turns),
            time: rest(Limit::Time).map(|ms| Span::millis(signed(ms))),
            output_bytes: self.output_bytes,
        }
    }

    /// The first limit of which nothing is left.
    #[must_use]
    pub fn used_up(&self) -> Option<Limit> {
        Limit::ALL.into_iter().find(|it| self.of(*it) == Some(0))
    }

    /// One limit as a plain number: micros, tokens, turns, milliseconds, bytes.
    #[must_use]
    pub fn of(&self, limit: Limit) -> Option<u64> {
        match limit {
            Limit::Cost => self.cost_micros,
            Limit::Tokens => self.tokens,
            Limit::Turns => self.turns,
            Limit::Time => self.time.map(unsigned),
            Limit::Output => self.output_bytes,
        }
    }

    /// The meter: what was used before this attempt and is used by it so far, with what it printed.
    #[must_use]
    pub fn judge(&self, before: &Spent, live: &Spent, output_bytes: u64) -> Verdict {
        let all = before.plus(*live);
        let mut nearest = Verdict::Go;
        for limit in Limit::ALL {
            let Some(most) = self.of(limit) else {
                continue;
            };
            let Some(used) = limit.used(&all, output_bytes) else {
                return Verdict::Unpriced;
            };
            if used >= most {
                return Verdict::Stop(limit);
            }
            let percent = percent(used, most);
            let before = match nearest {
                Verdict::Warn(_, before) => before,
                Verdict::Go | Verdict::Stop(_) | Verdict::Unpriced => WARN_PERCENT - 1,
            };
            if percent > before {
                nearest = Verdict::Warn(limit, percent);
            }
        }
        nearest
    }

    fn set(&mut self, limit: Limit, amount: u64) {
        match limit {
            Limit::Cost => self.cost_micros = Some(amount),
            Limit::Tokens => self.tokens = Some(amount),
            Limit::Turns => self.turns = Some(amount),
            Limit::Time => self.time = Some(Span::millis(signed(amount))),
            Limit::Output => self.output_bytes = Some(amount),
        }
    }
}

fn percent(used: u64, most: u64) -> u8 {
    let percent = u128::from(used) * 100 / u128::from(most.max(1));
    u8::try_from(percent).unwrap_or(u8::MAX)
}

fn unsigned(span: Span) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `950`, `1.2k`, `3.4M`.
#[must_use]
pub fn short(number: u64) -> String {
    let tenths = |unit: u64| number / (unit / 10);
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{}.{}k", tenths(1_000) / 10, tenths(1_000) % 10),
        1_000_000.. => format!("{}.{}M", tenths(1_000_000) / 10, tenths(1_000_000) % 10),
    }
}

impl fmt::Display for Budget {
    /// `$2.50, 200.0k tokens, 40 turns, 30m 0s`, or `no limit`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = Limit::ALL.into_iter();
        let set = set.filter_map(|limit| Some(limit.amount(self.of(limit)?)));
        let parts: Vec<String> = set.collect();
        match parts.is_empty() {
            true => f.write_str("no limit"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

/// A budget that can't be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetError {
    /// The part of it.
    pub part: String,
    /// What is wrong with that.
    pub why: &'static str,
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of the budget: {}", self.part, self.why)
    }
}

impl std::error::Error for BudgetError {}

/// What a part must look like.
const FORM: &str = "give a number and what it counts: usd, tokens (or k-tokens, m-tokens), turns, s, m, h, \
                    kb or mb, such as `2.50usd,30m,200k-tokens,40turns`";

impl FromStr for Budget {
    type Err = BudgetError;

    /// `2.50usd,30m,200k-tokens,40turns,10mb`: any of the limits, each once, in any order.
    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let mut budget = Self::NONE;
        for part in text.split(',') {
            let part = part.trim().to_ascii_lowercase();
            let wrong = |why| BudgetError {
                part: part.clone(),
                why,
            };
            let (limit, amount) = amount(&part).ok_or_else(|| wrong(FORM))?;
            if amount == 0 {
                return Err(wrong(
                    "it must be more than nothing; leave a limit out to have none",
                ));
            }
            if limit == Limit::Time && Span::millis(signed(amount)) > LONGEST {
                return Err(wrong("a year is the longest time there is"));
            }
            if budget.of(limit).is_some() {
                return Err(wrong("it was given twice"));
            }
            budget.set(limit, amount);
        }
        Ok(budget)
    }
}

/// What one part of a budget's text limits, and to how much.
fn amount(part: &str) -> Option<(Limit, u64)> {
    if let Some(number) = part.strip_prefix('$') {
        return Some((Limit::Cost, micros(number)?));
    }
    let end = part.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = part.split_at(end);
    let unit = unit.trim_start_matches([' ', '-']);
    let whole = |factor: u64| {
        scaled(number, 0)
            .filter(|_| !number.contains('.'))?
            .checked_mul(factor)
    };
    let times = |places: i32, factor: u64| scaled(number, places)?.checked_mul(factor);
    Some(match unit {
        "usd" | "$" | "dollars" => (Limit::Cost, micros(number)?),
        "tokens" | "token" => (Limit::Tokens, whole(1)?),
        "ktokens" | "k-tokens" | "k tokens" => (Limit::Tokens, scaled(number, 3)?),
        "mtokens" | "m-tokens" | "m tokens" => (Limit::Tokens, scaled(number, 6)?),
        "turns" | "turn" => (Limit::Turns, whole(1)?),
        "s" | "sec" | "seconds" => (Limit::Time, scaled(number, 3)?),
        "m" | "min" | "minutes" => (Limit::Time, times(3, 60)?),
        "h" | "hours" => (Limit::Time, times(3, 3_600)?),
        "d" | "days" => (Limit::Time, times(3, 86_400)?),
        "kb" => (Limit::Output, scaled(number, 3)?),
        "mb" => (Limit::Output, scaled(number, 6)?),
        "gb" => (Limit::Output, scaled(number, 9)?),
        "bytes" | "b" => (Limit::Output, whole(1)?),
        _ => return None,
    })
}
