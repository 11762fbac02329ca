//! What was spent and is reserved: per task in its mirror ([`Ledger`]), per person and day in her row
//! ([`Account`]).
//!
//! An attempt's reservation is made in the change set that gives the attempt out, under the versions of
//! the mirror and of every account it counts for. So the sum of what is spent and reserved never passes
//! a day's limit, however many orchestrators assign at once. An attempt counts for the UTC day on
//! which it was given out, however long it runs.
//!
//! Fail closed: an attempt that ended without a report counts with all of its reservation; what it
//! noted while it ran counts where nothing was reserved. An attempt's end is entered once, whoever
//! enters it again.

use crate::budget::Budget;
use crate::ids::{Attempt, MirrorId, WorkerId};
use crate::json::Object;
use crate::time::{Day, Span};
use crate::usage::{Spent, Usage};

#[cfg(test)]
mod tests;

/// Days of a ledger kept apart; earlier ones are added to the first of these. More would crowd the
/// column of a task that runs for months.
const DAYS: usize = 40;

/// Ends of attempts kept apart, for accounts that have not taken them in yet. Accounts are looked at
/// before the next attempt is given out, so one would nearly always do.
const ENDS: usize = 12;

/// Workers of one task whose time is kept apart. A task that ran on more has lost nearly as many
/// machines; what it used of the least used is then nobody's.
const PLACES: usize = 12;

/// Reservations of one account at once: each is an attempt that runs. More would not fit the column.
pub const HELD_MAX: usize = 400;

/// Money and tokens: what days are limited in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// US dollars times 1,000,000.
    pub cost_micros: u64,
    /// Tokens of every kind.
    pub tokens: u64,
}

impl Sum {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// Money and tokens that may be spent: by an attempt, by which time none of it is anybody else's, or by
/// a person on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// US dollars times 1,000,000; `None` where cost is not limited.
    pub cost_micros: Option<u64>,
    /// Tokens; `None` where they are not limited.
    pub tokens: Option<u64>,
}

impl Allowance {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// As an amount; what is not limited counts for nothing.
    #[must_use]
    pub fn sum(self) -> Sum {
        Sum {
            cost_micros: self.cost_micros.unwrap_or(0),
            tokens: self.tokens.unwrap_or(0),
        }
    }
}

/// The attempt that was given out last and has not ended, as far as its ledger knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which.
    pub attempt: Attempt,
    /// The day it counts for.
    pub day: Day,
    /// What it may spend.
    pub reserved: Allowance,
    /// What it noted while it runs.
    pub noted: Option<Spent>,
    /// Whom it was given to; `None` in ledgers of earlier versions.
    pub worker: Option<WorkerId>,
}

impl Open {
    /// What it counts as when it never reports.
    fn written_off(&self) -> Spent {
        let noted = self.noted.unwrap_or(Spent {
            usage: Usage::UNKNOWN,
            ran: Span::ZERO,
        });
        let tokens = noted.usage.tokens();
        let missing = self.reserved.tokens.unwrap_or(0).saturating_sub(tokens);
        let cost = self.reserved.cost_micros.max(noted.usage.cost_micros);
        Spent {
            usage: Usage {
                input_tokens: noted.usage.input_tokens.saturating_add(missing),
                // What was noted is not all there was.
                cost_micros: self.reserved.cost_micros.and(cost),
                ..noted.usage
            },
            ran: noted.ran,
        }
    }
}

/// What was spent on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySpent {
    /// The day.
    pub day: Day,
    /// How much, as far as it is known.
    pub sum: Sum,
    /// Attempts whose cost is not known.
    pub unpriced: u32,
}

/// An attempt that ended, as accounts take it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Which.
    pub attempt: Attempt,
    /// What it counts as.
    pub sum: Sum,
}

/// How long a task's agents ran on one worker, over all of its ended attempts: what of a machine's time
/// is the task's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The worker.
    pub worker: WorkerId,
    /// How long agents ran there.
    pub ran: Span,
}

/// All that a task spent, over all of its attempts and phases: `cr_usage` of its mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// What ended attempts used; its cost is that of those whose cost is known.
    pub spent: Spent,
    /// Attempts whose cost is not known.
    pub unpriced: u32,
    /// The same by day, in order.
    pub days: Vec<DaySpent>,
    /// The last attempts that ended.
    pub ends: Vec<End>,
    /// Where ended attempts ran, the longest first.
    pub places: Vec<Place>,
    /// The attempt that runs.
    pub open: Option<Open>,
}

impl Ledger {
    /// Gives `attempt` to `worker` on `day`. One that is still open is written off.
    #[must_use]
    pub fn give(&self, attempt: Attempt, worker: WorkerId, day: Day, reserved: Allowance) -> Self {
        let mut next = self.written_off();
        next.open = Some(Open {
            attempt,
            day,
            reserved,
            noted: None,
            worker: Some(worker),
        });
        next
    }

    /// Ends `attempt`, which was taken back: all that was reserved for it counts, and its cost is
    /// unknown where nothing was.
    #[must_use]
    pub fn lose(&self, attempt: Attempt, now: Day) -> Self {
        let mut next = self.written_off();
        if next.end_of(attempt).is_none() {
            let usage = Usage::UNKNOWN;
            let ran = Span::ZERO;
            next.enter(attempt, now, Spent { usage, ran }, None);
        }
        next
    }

    /// Notes what the open attempt has used so far.
    #[must_use]
    pub fn note(&self, attempt: Attempt, spent: Spent) -> Self {
        let mut next = self.clone();
        if let Some(open) = next.open.as_mut().filter(|open| open.attempt == attempt) {
            open.noted = Some(spent);
        }
        next
    }

    /// Ends `attempt`, which used this much on `worker`. An end that is entered already stays as it is.
    #[must_use]
    pub fn close(&self, attempt: Attempt, worker: WorkerId, spent: Spent, now: Day) -> Self {
        let mut next = self.clone();
        if next.end_of(attempt).is_some() {
            return next;
        }
        let open = next.open.take_if(|open| open.attempt == attempt);
        let reserved = open.and_then(|open| open.reserved.cost_micros);
        // What isn't known counts with all that was reserved for it.
        let cost_micros = spent.usage.cost_micros.or(reserved);
        let usage = Usage {
            cost_micros,
            ..spent.usage
        };
        next.enter(
            attempt,
            open.map_or(now, |open| open.day),
            Spent { usage, ..spent },
            Some(worker),
        );
        next
    }

    /// Ends the open attempt, which never began: it used nothing.
    #[must_use]
    pub fn close_unused(&self, attempt: Attempt) -> Self {
        let mut next = self.clone();
        if let Some(open) = next.open.take_if(|open| open.attempt == attempt) {
            next.enter(attempt, open.day, Spent::NONE, None);
        }
        next
    }

    /// Ends the open attempt without a report of its own.
    #[must_use]
    pub fn written_off(&self) -> Self {
        let mut next = self.clone();
        if let Some(open) = next.open.take() {
            next.enter(open.attempt, open.day, open.written_off(), open.worker);
        }
        next
    }

    /// All that counts against the task's budget before its next attempt.
    #[must_use]
    pub fn before(&self) -> Spent {
        self.written_off().spent
    }

    /// What the task cost so far, as far as it is told: unknown when the cost of an attempt is.
    #[must_use]
    pub fn total(&self) -> Usage {
        let known = self.unpriced == 0;
        Usage {
            cost_micros: self.spent.usage.cost_micros.filter(|_| known),
            ..self.spent.usage
        }
    }

    /// How an attempt ended, if that is entered.
    #[must_use]
    pub fn end_of(&self, attempt: Attempt) -> Option<End> {
        self.ends.iter().find(|end| end.attempt == attempt).copied()
    }

    fn enter(&mut self, attempt: Attempt, day: Day, spent: Spent, worker: Option<WorkerId>) {
        let sum = Sum {
            cost_micros: spent.usage.cost_micros.unwrap_or(0),
            tokens: spent.usage.tokens(),
        };
        let unpriced = u32::from(spent.usage.cost_micros.is_none());
        let priced = Usage {
            cost_micros: Some(sum.cost_micros),
            ..spent.usage
        };
        self.spent = self.spent.plus(Spent {
            usage: priced,
            ..spent
        });
        self.unpriced = self.unpriced.saturating_add(unpriced);
        self.ends.push(End { attempt, sum });
        let extra = self.ends.len().saturating_sub(ENDS);
        self.ends.drain(..extra);
        self.enter_day(DaySpent { day, sum, unpriced });
        if let Some(worker) = worker {
            enter_place(
                &mut self.places,
                Place {
                    worker,
                    ran: spent.ran,
                },
            );
            self.places.truncate(PLACES);
        }
    }

    /// Where its agents ran, the attempt that runs included as far as it has told.
    #[must_use]
    pub fn ran_on(&self) -> Vec<Place> {
        let mut places = self.places.clone();
        let running = self.open.as_ref().and_then(|open| {
            let (worker, ran) = (open.worker?, open.noted?.ran);
            Some(Place { worker, ran })
        });
        if let Some(place) = running {
            enter_place(&mut places, place);
        }
        places
    }

    fn enter_day(&mut self, new: DaySpent) {
        match self.days.binary_search_by_key(&new.day, |it| it.day) {
            Ok(at) => add(&mut self.days[at], new),
            Err(at) => self.days.insert(at, new),
        }
        while self.days.len() > DAYS {
            let first = self.days.remove(0);
            add(&mut self.days[0], first);
        }
    }

    /// As the column holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let days = self.days.iter().map(|it| {
            sum_json(it.sum)
                .text("day", it.day)
                .counted("unpriced", some(it.unpriced.into()))
        });
        let ends = self.ends.iter();
        let ends = ends.map(|it| sum_json(it.sum).int("attempt", it.attempt.0));
        let mut object = Object::new()
            .object("spent", spent_json(&self.spent))
            .counted("unpriced", some(self.unpriced.into()))
            .objects("days", days)
            .objects("ends", ends);
        if !self.places.is_empty() {
            let places = self.places.iter();
            let places = places.map(|it| {
                Object::new()
                    .text("worker", it.worker)
                    .int("ran_ms", it.ran.as_millis())
            });
            object = object.objects("places", places);
        }
        if let Some(open) = &self.open {
            object = object.object("open", open_json(open));
        }
        object.finish()
    }
}

/// Adds time on a worker; the longest comes first.
fn enter_place(places: &mut Vec<Place>, new: Place) {
    if new.ran <= Span::ZERO {
        return;
    }
    match places.iter_mut().find(|it| it.worker == new.worker) {
        Some(place) => place.ran = place.ran.plus(new.ran),
        None => places.push(new),
    }
    places.sort_by_key(|it| std::cmp::Reverse(it.ran));
}

fn add(to: &mut DaySpent, more: DaySpent) {
    to.sum = to.sum.plus(more.sum);
    to.unpriced = to.unpriced.saturating_add(more.unpriced);
}

/// Nothing is left out of the text: columns are read by people too.
fn some(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

fn sum_json(sum: Sum) -> Object {
    Object::new()
        .counted("cost_micros", some(sum.cost_micros))
        .counted("tokens", some(sum.tokens))
}

fn spent_json(spent: &Spent) -> Object {
    let usage = &spent.usage;
    Object::new()
        .counted("cost_micros", usage.cost_micros)
        .counted("input_tokens", some(usage.input_tokens))
        .counted("output_tokens", some(usage.output_tokens))
        .counted("cache_read_tokens", some(usage.cache_read_tokens))
        .counted("cache_write_tokens", some(usage.cache_write_tokens))
        .counted("turns", some(usage.turns.into()))
        .int("ran_ms", spent.ran.as_millis())
}

fn open_json(open: &Open) -> Object {
    let object = Object::new()
        .int("attempt", open.attempt.0)
        .text("day", open.day)
        .counted("cost_micros", open.reserved.cost_micros)
        .counted("tokens", open.reserved.tokens)
        .known("worker", open.worker);
    match &open.noted {
        Some(noted) => object.object("noted", spent_json(noted)),
        None => object,
    }
}

/// What one attempt may use beside what its task used before: the smaller of what is left to the task
/// and what was reserved. In totals of the task, as the meter counts.
#[must_use]
pub fn ceiling(budget: Budget, ledger: &Ledger) -> Budget {
    let reserved = ledger.open.map(|open| open.reserved).unwrap_or_default();
    let before = ledger.spent.usage;
    let above = |reserved: Option<u64>, before: u64| reserved.map(|it| it.saturating_add(before));
    let share = Budget {
        cost_micros: above(reserved.cost_micros, before.cost_micros.unwrap_or(0)),
        tokens: above(reserved.tokens, before.tokens()),
        ..Budget::NONE
    };
    budget.tighter(share)
}

/// A reservation in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The task's mirror.
    pub mirror: MirrorId,
    /// The attempt.
    pub attempt: Attempt,
    /// How much.
    pub sum: Sum,
}

/// What a person (or everybody) spent and reserved on one day: `cr_usage` of her row. Everybody's is in
/// the admin's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The day; of earlier ones nothing is kept, since nothing more is given out for them.
    pub day: Day,
    /// What ended attempts used.
    pub spent: Sum,
    /// What running ones may use.
    pub held: Vec<Held>,
}

impl Account {
    /// The account as it stands on `day`: a new day begins with nothing.
    #[must_use]
    pub fn on(&self, day: Day) -> Self {
        if day <= self.day {
            return self.clone();
        }
        Self {
            day,
            ..Self::default()
        }
    }

    /// All that is spent or reserved.
    #[must_use]
    pub fn committed(&self) -> Sum {
        let held = self.held.iter().map(|held| held.sum);
        held.fold(self.spent, Sum::plus)
    }

    /// Reserves; a reservation of the same attempt is replaced.
    pub fn hold(&mut self, held: Held) {
        let same = |it: &Held| it.mirror == held.mirror && it.attempt == held.attempt;
        self.held.retain(|it| !same(it));
        self.held.push(held);
    }

    /// Turns a reservation into what was spent of it. Without one nothing changes.
    pub fn settle(&mut self, mirror: MirrorId, attempt: Attempt, spent: Sum) {
        let before = self.held.len();
        let same = |it: &Held| it.mirror == mirror && it.attempt == attempt;
        self.held.retain(|it| !same(it));
        if self.held.len() < before {
            self.spent = self.spent.plus(spent);
        }
    }

    /// As the column holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let held = self.held.iter().map(|it| {
            sum_json(it.sum)
                .text("mirror", it.mirror)
                .int("attempt", it.attempt.0)
        });
        Object::new()
            .text("day", self.day)
            .object("spent", sum_json(self.spent))
            .objects("held", held)
            .finish()
    }
}
