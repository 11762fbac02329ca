//! What was spent and is reserved, as `cr_usage` of mirrors and of people's rows holds it.
//!
//! Read strictly: a sum that can't be understood must not count as nothing.

use serde::Deserialize;
use shraga_core::ids::{Attempt, MirrorId, WorkerId};
use shraga_core::ledger::{Account, Allowance, DaySpent, End, Held, Ledger, Open, Place, Sum};
use shraga_core::row::{tasks, users};
use shraga_core::time::{Day, Span};
use shraga_core::usage::{Spent, Usage};
use uuid::Uuid;

use super::RowError;
use super::field::{Of, time};

#[derive(Clone, Copy, Deserialize)]
struct SumJson {
    #[serde(default)]
    cost_micros: u64,
    #[serde(default)]
    tokens: u64,
}

impl From<SumJson> for Sum {
    fn from(json: SumJson) -> Self {
        Self {
            cost_micros: json.cost_micros,
            tokens: json.tokens,
        }
    }
}

#[derive(Deserialize)]
struct SpentJson {
    #[serde(default)]
    cost_micros: Option<u64>,
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    cache_read_tokens: u64,
    #[serde(default)]
    cache_write_tokens: u64,
    #[serde(default)]
    turns: u32,
    ran_ms: i64,
}

impl From<SpentJson> for Spent {
    fn from(json: SpentJson) -> Self {
        Self {
            usage: Usage {
                input_tokens: json.input_tokens,
                output_tokens: json.output_tokens,
                cache_read_tokens: json.cache_read_tokens,
                cache_write_tokens: json.cache_write_tokens,
                turns: json.turns,
                cost_micros: json.cost_micros,
            },
            ran: Span::millis(json.ran_ms),
        }
    }
}

#[derive(Deserialize)]
struct DayJson {
    day: String,
    #[serde(flatten)]
    sum: SumJson,
    #[serde(default)]
    unpriced: u32,
}

#[derive(Deserialize)]
struct EndJson {
    attempt: u32,
    #[serde(flatten)]
    sum: SumJson,
}

#[derive(Deserialize)]
struct PlaceJson {
    worker: Uuid,
    ran_ms: i64,
}

#[derive(Deserialize)]
struct OpenJson {
    attempt: u32,
    day: String,
    #[serde(default)]
    cost_micros: Option<u64>,
    #[serde(default)]
    tokens: Option<u64>,
    #[serde(default)]
    noted: Option<SpentJson>,
    #[serde(default)]
    worker: Option<Uuid>,
}

#[derive(Deserialize)]
struct LedgerJson {
    spent: SpentJson,
    #[serde(default)]
    unpriced: u32,
    days: Vec<DayJson>,
    ends: Vec<EndJson>,
    #[serde(default)]
    places: Vec<PlaceJson>,
    #[serde(default)]
    open: Option<OpenJson>,
}

const TASKS: Of = Of("tasks");

/// What a task spent; nothing while the column is empty.
///
/// # Errors
/// It can't be understood.
pub fn ledger(text: Option<&str>) -> Result<Ledger, RowError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(Ledger::default());
    };
    parse_ledger(text).ok_or_else(|| TASKS.bad(tasks::USAGE.name(), text))
}

fn parse_ledger(text: &str) -> Option<Ledger> {
    let json: LedgerJson = serde_json::from_str(text).ok()?;
    let mut days = Vec::with_capacity(json.days.len());
    for it in json.days {
        days.push(DaySpent {
            day: day(&it.day)?,
            sum: it.sum.into(),
            unpriced: it.unpriced,
        });
    }
    days.sort_by_key(|it| it.day);
    let open = match json.open {
        Some(open) => Some(Open {
            attempt: Attempt(open.attempt),
            day: day(&open.day)?,
            reserved: Allowance {
                cost_micros: open.cost_micros,
                tokens: open.tokens,
            },
            noted: open.noted.map(Spent::from),
            worker: open.worker.map(WorkerId::new),
        }),
        None => None,
    };
    let ends = json.ends.into_iter().map(|it| End {
        attempt: Attempt(it.attempt),
        sum: it.sum.into(),
    });
    let places = json.places.into_iter().map(|it| Place {
        worker: WorkerId::new(it.worker),
        ran: Span::millis(it.ran_ms),
    });
    Some(Ledger {
        spent: json.spent.into(),
        unpriced: json.unpriced,
        days,
        ends: ends.collect(),
        places: places.collect(),
        open,
    })
}

#[derive(Deserialize)]
struct HeldJson {
    mirror: Uuid,
    attempt: u32,
    #[serde(flatten)]
    sum: SumJson,
}

#[derive(Deserialize)]
struct AccountJson {
    day: String,
    spent: SumJson,
    held: Vec<HeldJson>,
}

/// What a person spent and reserved; nothing while the column is empty.
pub(super) fn account(of: Of, text: Option<&String>) -> Result<Account, RowError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(Account::default());
    };
    parse_account(text).ok_or_else(|| of.bad(users::USAGE.name(), text))
}

fn parse_account(text: &str) -> Option<Account> {
    let json: AccountJson = serde_json::from_str(text).ok()?;
    let held = json.held.into_iter().map(|it| Held {
        mirror: MirrorId::new(it.mirror),
        attempt: Attempt(it.attempt),
        sum: it.sum.into(),
    });
    Some(Account {
        day: day(&json.day)?,
        spent: json.spent.into(),
        held: held.collect(),
    })
}

fn day(text: &str) -> Option<Day> {
    time(&format!("{text}T00:00:00Z")).map(Day::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Of = Of("users");

    fn spent(cost_micros: Option<u64>) -> Spent {
        Spent {
            usage: Usage {
                input_tokens: 1,
                output_tokens: 2,
                cache_read_tokens: 3,
                cache_write_tokens: 4,
                turns: 5,
                cost_micros,
            },
            ran: Span::secs(6),
        }
    }

    fn worker(number: u128) -> WorkerId {
        WorkerId::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_ledger_is_read_as_it_was_written() {
        let today = day("2026-02-28").unwrap();
        let reserved = Allowance {
            cost_micros: Some(500),
            tokens: None,
        };
        let ledger = Ledger::default()
            .close(Attempt(1), worker(1), spent(None), today)
            .give(Attempt(2), worker(2), today, reserved)
            .note(Attempt(2), spent(Some(7)));
        let text = ledger.to_json();
        assert_eq!(super::ledger(Some(&text)), Ok(ledger));
        assert_eq!(super::ledger(None), Ok(Ledger::default()));
        let broken = super::ledger(Some("{}"));
        assert_eq!(broken.unwrap_err().field, "cr_usage");
    }

    #[test]
    fn an_account_is_read_as_it_was_written() {
        let mut account = Account::default().on(day("2026-02-28").unwrap());
        let sum = Sum {
            cost_micros: 5,
            tokens: 6,
        };
        let mirror = MirrorId::new(Uuid::from_u128(9));
        account.hold(Held {
            mirror,
            attempt: Attempt(3),
            sum,
        });
        let text = account.to_json();
        assert_eq!(super::account(OF, Some(&text)), Ok(account));
        assert!(super::account(OF, Some(&"[]".to_owned())).is_err());
    }
}
