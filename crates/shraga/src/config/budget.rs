//! Settings about money: budgets as people write them, and prices of models.

use std::collections::BTreeMap;

use shraga_core::budget::Budget;
use shraga_core::ids::UserId;
use shraga_core::ledger::Allowance;
use shraga_core::price::Price;
use shraga_core::usage::{MICROS, dollars, micros};
use shraga_worker::Tells;

use super::value::{Raw, Setting, word_setting};

/// Money and tokens that may be spent on a day, or by an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day(pub Allowance);

impl Setting for Day {
    const EXPECTS: &'static str =
        "an amount of money, of tokens, or both, such as \"20usd,5m-tokens\"";
    fn read(raw: &Raw) -> Option<Self> {
        day(raw.word()?).map(Self)
    }
    fn show(&self) -> Option<String> {
        (!self.0.is_none()).then(|| format!("{:?}", text(self.0)))
    }
}

fn day(text: &str) -> Option<Allowance> {
    let budget: Budget = text.parse().ok()?;
    let other = budget.turns.is_some() || budget.time.is_some() || budget.output_bytes.is_some();
    (!other).then_some(Allowance {
        cost_micros: budget.cost_micros,
        tokens: budget.tokens,
    })
}

fn text(allowance: Allowance) -> String {
    let cost = allowance.cost_micros.map(dollars);
    let tokens = allowance.tokens.map(|tokens| format!("{tokens}tokens"));
    let parts: Vec<String> = cost.into_iter().chain(tokens).collect();
    parts.join(",")
}

/// What single people may spend on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days(pub BTreeMap<UserId, Allowance>);

impl Setting for Days {
    const EXPECTS: &'static str = "a table of amounts by person, such as { \"GUID\" = \"50usd\" } (`shraga token list` shows them)";
    fn read(raw: &Raw) -> Option<Self> {
        let Raw::Toml(toml::Value::Table(table)) = raw else {
            return None;
        };
        let each = table.iter().map(|(id, value)| {
            let id: UserId = id.parse().ok()?;
            Some((id, day(value.as_str()?)?))
        });
        each.collect::<Option<_>>().map(Self)
    }
    fn show(&self) -> Option<String> {
        let each = self.0.iter();
        let each = each.map(|(id, most)| format!("\"{id}\" = {:?}", text(*most)));
        let each: Vec<String> = each.collect();
        (!each.is_empty()).then(|| format!("{{ {} }}", each.join(", ")))
    }
}

/// What models cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList(pub Vec<(String, Price)>);

impl Setting for PriceList {
    const EXPECTS: &'static str = "a table of prices by model, in US dollars per million tokens: \
                                   { \"MODEL*\" = [input, output, cache read, cache write] }";
    fn read(raw: &Raw) -> Option<Self> {
        let Raw::Toml(toml::Value::Table(table)) = raw else {
            return None;
        };
        let each = table
            .iter()
            .map(|(model, value)| Some((model.clone(), price(value.as_array()?)?)));
        each.collect::<Option<_>>().map(Self)
    }
    fn show(&self) -> Option<String> {
        let usd = |price: u64| format!("{}.{:06}", price / MICROS, price % MICROS);
        let each = self.0.iter().map(|(model, it)| {
            let prices = [it.input, it.output, it.cache_read, it.cache_write].map(usd);
            format!("{model:?} = [{}]", prices.join(", "))
        });
        let each: Vec<String> = each.collect();
        (!each.is_empty()).then(|| format!("{{ {} }}", each.join(", ")))
    }
}

fn price(values: &[toml::Value]) -> Option<Price> {
    let prices: Option<Vec<u64>> = values
        .iter()
        .map(|value| match value {
            toml::Value::Integer(_) | toml::Value::Float(_) => micros(&value.to_string()),
            _ => None,
        })
        .collect();
    let [input, output, cache_read, cache_write] = prices?[..] else {
        return None;
    };
    Some(Price {
        input,
        output,
        cache_read,
        cache_write,
    })
}

/// What an agent may use for one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most(pub Budget);

impl Setting for Most {
    const EXPECTS: &'static str = "limits such as \"2.50usd,30m,200k-tokens,40turns,10mb\"";
    fn read(raw: &Raw) -> Option<Self> {
        raw.word()?.parse().ok().map(Self)
    }
    fn show(&self) -> Option<String> {
        (!self.0.is_none()).then(|| format!("{:?}", self.0.to_string()))
    }
}

word_setting!(Tells, "\"none\", \"free\" or \"file\"", {
    "none" => Tells::Nothing,
    "free" => Tells::Free,
    "file" => Tells::File,
});

#[cfg(test)]
mod tests {
    use super::*;

    fn toml(text: &str) -> Raw {
        let table: toml::Table = format!("it = {text}").parse().unwrap();
        Raw::Toml(table["it"].clone())
    }

    #[test]
    fn a_day_limits_money_and_tokens_only() {
        let read = Day::read(&toml("\"20usd,5m-tokens\"")).unwrap();
        assert_eq!(read.0.cost_micros, Some(20_000_000));
        assert_eq!(read.show().as_deref(), Some("\"$20.00,5000000tokens\""));
        assert_eq!(Day::read(&toml("\"20usd,3turns\"")), None);
        assert_eq!(Day::read(&toml("\"20eur\"")), None);
        let days = "{ \"11111111-1111-1111-1111-111111111111\" = \"1usd\" }";
        assert_eq!(Days::read(&toml(days)).unwrap().0.len(), 1);
        assert_eq!(Days::read(&toml("{ ann = \"1usd\" }")), None);
    }

    #[test]
    fn prices_are_exact_and_complete() {
        let read = PriceList::read(&toml("{ \"gpt-5*\" = [1.25, 10, 0.125, 1.25] }")).unwrap();
        let (model, price) = &read.0[0];
        assert_eq!(
            (model.as_str(), price.input, price.cache_read),
            ("gpt-5*", 1_250_000, 125_000)
        );
        assert_eq!(PriceList::read(&toml("{ x = [1, 2] }")), None);
        assert_eq!(PriceList::read(&toml("{ x = [1, -2, 3, 4] }")), None);
    }
}
