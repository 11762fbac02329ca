//! Money: what people may spend in a history, how rows say what was spent, and the checks on both.
//!
//! What agents really used is told when they begin, whatever they report, so that nothing is spent
//! behind a check's back. An attempt counts for the day and the person it was given out for.

use std::collections::HashMap;

use serde_json::Value as Json;
use shraga_core::ids::{Attempt, MirrorId, UserId, WorkerId};
use shraga_core::ledger::{Account, Allowance, DaySpent, End, Held, Ledger, Open, Place, Sum};
use shraga_core::plan::budget::Budgets;
use shraga_core::row::users;
use shraga_core::time::{Day, Span, Timestamp};
use shraga_core::usage::{Spent, Usage};

use crate::promises::{Check, Promise};
use crate::store::Row;

/// What a person, and everybody together, may spend on a day; what an attempt may.
const HERS: u64 = 1_000;
const EVERYBODYS: u64 = 1_500;
const ATTEMPTS: u64 = 300;

/// What people may spend in a history: in half of them, nothing is limited. A store that can't hold
/// accounts gives out nothing then, which a few histories show.
pub(crate) fn budgets(accounts: bool, dice: &mut fastrand::Rng) -> Budgets {
    let limited = if accounts { 0..2 } else { 0..8 };
    if dice.u8(limited) > 0 {
        return Budgets::default();
    }
    let mut some = |cost| Allowance {
        cost_micros: dice.bool().then_some(cost),
        tokens: None,
    };
    Budgets {
        user_day: some(HERS),
        day: some(EVERYBODYS),
        attempt: some(ATTEMPTS),
        accounts,
        ..Budgets::default()
    }
}

/// `cr_usage` of a mirror.
pub(crate) fn ledger(text: Option<&str>) -> Ledger {
    let Some(json) = text.and_then(|text| serde_json::from_str(text).ok()) else {
        return Ledger::default();
    };
    let json: Json = json;
    let days = list(&json["days"]).map(|it| DaySpent {
        day: day(&it["day"]),
        sum: sum(it),
        unpriced: count(&it["unpriced"]),
    });
    let ends = list(&json["ends"]).map(|it| End {
        attempt: attempt(it),
        sum: sum(it),
    });
    let open = json.get("open").map(|it| Open {
        attempt: attempt(it),
        day: day(&it["day"]),
        reserved: Allowance {
            cost_micros: it["cost_micros"].as_u64(),
            tokens: it["tokens"].as_u64(),
        },
        noted: it.get("noted").map(spent),
        worker: worker(it),
    });
    let places = list(&json["places"]).filter_map(|it| {
        Some(Place {
            worker: worker(it)?,
            ran: spent(it).ran,
        })
    });
    Ledger {
        spent: spent(&json["spent"]),
        unpriced: count(&json["unpriced"]),
        days: days.collect(),
        ends: ends.collect(),
        places: places.collect(),
        open,
    }
}

/// `cr_usage` of a person's row.
pub(crate) fn account(row: &Row) -> Account {
    let text = row.text(users::USAGE);
    let Some(json) = text.and_then(|text| serde_json::from_str(text).ok()) else {
        return Account::default();
    };
    let json: Json = json;
    let held = list(&json["held"]).filter_map(|it| {
        Some(Held {
            mirror: it["mirror"].as_str()?.parse().ok()?,
            attempt: attempt(it),
            sum: sum(it),
        })
    });
    Account {
        day: day(&json["day"]),
        spent: sum(&json["spent"]),
        held: held.collect(),
    }
}

fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

fn count(json: &Json) -> u32 {
    json.as_u64().and_then(|n| n.try_into().ok()).unwrap_or(0)
}

fn worker(json: &Json) -> Option<WorkerId> {
    json["worker"].as_str()?.parse().ok()
}

fn attempt(json: &Json) -> Attempt {
    Attempt(count(&json["attempt"]))
}

fn sum(json: &Json) -> Sum {
    Sum {
        cost_micros: json["cost_micros"].as_u64().unwrap_or(0),
        tokens: json["tokens"].as_u64().unwrap_or(0),
    }
}

fn spent(json: &Json) -> Spent {
    Spent {
        usage: Usage {
            input_tokens: json["input_tokens"].as_u64().unwrap_or(0),
            cost_micros: json["cost_micros"].as_u64(),
            ..Usage::NONE
        },
        ran: Span::millis(json["ran_ms"].as_i64().unwrap_or(0)),
    }
}

fn day(json: &Json) -> Day {
    let midnight = format!("{}T00:00:00Z", json.as_str().unwrap_or_default());
    let at = midnight.parse().map(jiff::Timestamp::as_millisecond);
    Day::of(Timestamp::from_millis(at.unwrap_or(0)))
}

/// An attempt whose agent begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) mirror: MirrorId,
    pub(crate) attempt: Attempt,
    /// What it will have used.
    pub(crate) uses: u64,
}

/// What an attempt was given out for.
#[derive(Clone, Copy, Debug)]
struct Given {
    user: Option<UserId>,
    day: Day,
    reserved: Option<u64>,
    /// What its task may use in all.
    task: Option<u64>,
    used: u64,
    /// What it counts for: all that was reserved, until it ended.
    counts: u64,
}

/// What was given out and used.
#[derive(Debug)]
pub(crate) struct Money {
    budgets: Budgets,
    admin: UserId,
    given: HashMap<(MirrorId, Attempt), Given>,
}

impl Money {
    pub(crate) fn new(admin: UserId, budgets: Budgets) -> Self {
        Self {
            budgets,
            admin,
            given: HashMap::new(),
        }
    }

    /// A mirror that was written: remembers what is given out, and checks what ended.
    pub(crate) fn see(&mut self, row: &Row) -> Check {
        let Some(mirror) = row.mirror() else {
            return Ok(());
        };
        if let Some(open) = mirror.ledger.open {
            let given = Given {
                user: mirror.user,
                day: open.day,
                reserved: open.reserved.cost_micros,
                task: mirror.wants.budget.cost_micros,
                used: 0,
                counts: open.reserved.cost_micros.unwrap_or(0),
            };
            self.given.entry((mirror.id, open.attempt)).or_insert(given);
            self.within_the_day(given)?;
        }
        for end in &mirror.ledger.ends {
            let given = self.given.get_mut(&(mirror.id, end.attempt));
            let given = given.map(|given| {
                given.counts = end.sum.cost_micros;
                &*given
            });
            let used = given.filter(|it| it.reserved.is_some()).map(|it| it.used);
            if used.is_some_and(|used| used > end.sum.cost_micros) {
                let seen = format!(
                    "attempt {} of mirror {} used {used:?} and counts as {}",
                    end.attempt, mirror.id, end.sum.cost_micros
                );
                return Err((Promise::BudgetsHold, seen));
            }
        }
        Ok(())
    }

    /// All that was given out for a day counts for no more than the day has, whatever accounts say.
    fn within_the_day(&self, new: Given) -> Check {
        let sum = |hers: bool| -> u64 {
            let day = self.given.values().filter(|it| it.day == new.day);
            let those = day.filter(|it| !hers || it.user == new.user);
            those.map(|it| it.counts).sum()
        };
        let over = |most: Option<u64>, sum: u64| most.is_some_and(|most| sum > most);
        let budgets = &self.budgets;
        if over(budgets.user_day.cost_micros, sum(true))
            || over(budgets.day.cost_micros, sum(false))
        {
            let seen = format!("{} of a day are given out to {:?}", sum(true), new.user);
            return Err((Promise::BudgetsHold, seen));
        }
        Ok(())
    }

    /// A person's row that was written: what is spent and reserved stays within the day.
    pub(crate) fn account(&self, row: &Row) -> Check {
        let committed = account(row).committed().cost_micros;
        let most = match row.id == self.admin.get() {
            true => self.budgets.day,
            false => self.budgets.user_day,
        };
        if most.cost_micros.is_some_and(|most| committed > most) {
            let seen = format!("the account {} holds {committed}", row.id);
            return Err((Promise::BudgetsHold, seen));
        }
        Ok(())
    }

    /// An agent begins: with what it will use, nobody has used more than she may.
    pub(crate) fn begin(&mut self, begun: Begun) -> Check {
        let Some(given) = self.given.get_mut(&(begun.mirror, begun.attempt)) else {
            return Ok(());
        };
        given.used = begun.uses;
        let given = *given;
        let used = |counts: &dyn Fn(&MirrorId, &Given) -> bool| -> u64 {
            let all = self.given.iter().filter(|((id, _), it)| counts(id, it));
            all.map(|(_, it)| it.used).sum()
        };
        let sums = [
            (used(&|id, _| *id == begun.mirror), given.task, "its task"),
            (
                used(&|_, it| it.user == given.user && it.day == given.day),
                self.budgets.user_day.cost_micros,
                "its person on a day",
            ),
            (
                used(&|_, it| it.day == given.day),
                self.budgets.day.cost_micros,
                "everybody on a day",
            ),
        ];
        for (used, most, whose) in sums {
            if most.is_some_and(|most| used > most) {
                let mirror = begun.mirror;
                let seen = format!("with an attempt of mirror {mirror}, {whose} used {used}");
                return Err((Promise::BudgetsHold, seen));
            }
        }
        Ok(())
    }
}
