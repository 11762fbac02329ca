//! What tasks cost beside what their agents spent: the time of the machines they ran on.
//!
//! How a machine's time is counted is [`shraga_core::machine::spending`]'s. Machines that cost nothing,
//! such as processes of a machine that is there anyway, are left out of all this.

use std::collections::HashMap;

use serde_json::{Value, json};
use shraga_core::ids::WorkerId;
use shraga_core::ledger::Place;
use shraga_core::machine::spending::{Used, cost, share};
use shraga_core::machine::{Machine, ProviderKind};
use shraga_core::row::{Table, workers};
use shraga_core::time::{Span, Timestamp};
use shraga_core::usage::{MICROS, dollars};
use shraga_dataverse::{Client, Error};

use super::{machines, workers as all};
use crate::config::Config;
use crate::roles::machines::price;

/// The machines that are paid for, by worker.
#[derive(Debug, Default)]
pub struct Paid {
    machines: HashMap<WorkerId, (Machine, Option<u64>)>,
    now: Timestamp,
}

/// What a task used of machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// How long it had them: of one with several slots, only what is its own.
    pub time: Span,
    /// What that costs, in millionths of a dollar, as far as the price is known.
    pub micros: u64,
    /// Of `time`, what has no price.
    pub unpriced: Span,
}

/// Machines' time that no task used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idle {
    /// All machines together, whatever for.
    all: Toll,
    /// What no task used of them.
    idle: Toll,
}

impl Paid {
    /// Those that the caller may see.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn read(client: &Client, config: &Config) -> Result<Self, Error> {
        if !client.absent().has(Table::Workers, workers::MACHINE) {
            return Ok(Self::default());
        }
        let (workers, now) = all::all(client).await?;
        let price = |provider| price(config, provider);
        Ok(Self::of(price, machines::of(&workers), now))
    }

    /// Those among `machines` that have run, and an hour of which costs something, or nobody knows what.
    #[must_use]
    pub fn of(
        price: impl Fn(ProviderKind) -> Option<u64>,
        machines: Vec<Machine>,
        now: Timestamp,
    ) -> Self {
        let paid = machines.into_iter().filter_map(|machine| {
            let price = price(machine.record.provider);
            let ran = machine.record.ran(now) > Span::ZERO;
            (price != Some(0) && ran).then_some((machine.worker, (machine, price)))
        });
        Self {
            machines: paid.collect(),
            now,
        }
    }

    /// Whether no machine was paid for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.machines.is_empty()
    }

    /// What a task used whose agents ran there.
    #[must_use]
    pub fn toll(&self, places: &[Place]) -> Toll {
        let each = places.iter().filter_map(|place| {
            let (machine, price) = self.machines.get(&place.worker)?;
            Some(Toll::of(share(place.ran, machine.slots), *price))
        });
        each.fold(Toll::default(), Toll::plus)
    }

    /// What no task used, where agents of all tasks ran at `places`.
    #[must_use]
    pub fn idle(&self, places: impl IntoIterator<Item = Place>) -> Idle {
        let mut agents: HashMap<WorkerId, Vec<Span>> = HashMap::new();
        for place in places {
            agents.entry(place.worker).or_default().push(place.ran);
        }
        let mut idle = Idle::default();
        for (worker, (machine, price)) in &self.machines {
            let agents = agents.remove(worker).unwrap_or_default();
            let used = Used::of(&machine.record, machine.slots, agents, self.now);
            idle.all = idle.all.plus(Toll::of(used.ran, *price));
            idle.idle = idle.idle.plus(Toll::of(used.idle(), *price));
        }
        idle
    }
}

impl Toll {
    fn of(time: Span, price: Option<u64>) -> Self {
        let micros = price.and_then(|price| cost(price, time));
        Self {
            time,
            micros: micros.unwrap_or(0),
            unpriced: if micros.is_some() { Span::ZERO } else { time },
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            time: self.time.plus(other.time),
            micros: self.micros.saturating_add(other.micros),
            unpriced: self.unpriced.plus(other.unpriced),
        }
    }

    /// `$0.40`, `unknown`, or `-` where no machine was used.
    #[must_use]
    pub fn words(self) -> String {
        let priced = self.unpriced < self.time;
        match (self.time > Span::ZERO, priced) {
            (false, _) => "-".to_owned(),
            (true, false) => "unknown".to_owned(),
            (true, true) if self.unpriced > Span::ZERO => {
                format!("{} + {} unknown", dollars(self.micros), self.unpriced)
            }
            (true, true) => dollars(self.micros),
        }
    }

    /// The same with the time, for one task.
    #[must_use]
    pub fn fact(self) -> String {
        format!("{} for {}", self.words(), self.time)
    }

    /// As scripts get it: seconds, and dollars where they are known.
    #[must_use]
    pub fn json(self) -> Value {
        let known = self.unpriced == Span::ZERO;
        json!({
            "seconds": self.time.as_secs(),
            "cost_usd": known.then(|| usd(self.micros)),
        })
    }
}

impl Idle {
    /// A line for people.
    #[must_use]
    pub fn words(&self) -> String {
        let (all, idle) = (self.all, self.idle);
        let mut line = format!("machines: {}", all.fact());
        match idle.time > Span::ZERO {
            true => {
                let said = format!("; of it {} that no task used", idle.fact());
                line.push_str(&said);
            }
            false => line.push_str(", all of it used by tasks"),
        }
        if all.unpriced > Span::ZERO {
            line.push_str("; set `provision.usd_per_hour` to know");
        }
        line
    }

    /// As scripts get it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut all = self.all.json();
        all["idle"] = self.idle.json();
        all
    }
}

/// Dollars as JSON has them.
#[must_use]
pub fn usd(micros: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "JSON's readers take numbers for doubles; 15 digits of dollars are exact enough"
    )]
    let usd = micros as f64 / MICROS as f64;
    usd
}
