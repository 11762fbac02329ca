//! `shraga costs`: what was spent, by person, agent, day or task.
//!
//! Sums are whole millionths of a dollar. What isn't known never counts as nothing: it is told beside
//! each sum it is missing from.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use shraga_core::ledger::{Ledger, Place, Sum};
use shraga_core::row::{Table, tasks};
use shraga_core::time::{Day, Timestamp};
use shraga_core::usage::dollars;
use shraga_dataverse::rows::{self, time};
use shraga_dataverse::{Client, Role, Row};
use shraga_wire::filter::{Filter, Literal};
use shraga_wire::query::{OrderBy, Query};

use super::Context;
use crate::display::Output;
use crate::display::paint::DIM;
use crate::display::table::Table as Grid;
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::mine;
use crate::tasks::paid::{Idle, Paid, Toll, usd};

mod machines;
#[cfg(test)]
mod tests;

/// Stands for the agent that a worker chose, since the task named none.
const ANY_AGENT: &str = "(default)";

/// Tell what tasks cost, by person, agent, day or task, and what machines cost
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga costs
  shraga costs --by task --since 2026-01-31
  shraga costs --machines
  shraga costs --by user --json --token-file .shraga/admin.token | jq '.rows[] | [.name, .cost_usd]'

You see what your own tasks cost; an admin's token (--token-file) sees everybody's. Days are UTC days; an attempt \
counts for the day on which it was given out. Of a running attempt counts what it has told so far. An attempt whose \
cost nobody told counts as unknown: `$1.20 + 2 unknown`.

Where machines cost something, MACHINES is what of their time the tasks' agents used, at `provision.usd_per_hour`; \
what no task used is told below, and spread over none. It is not kept by day.")]
pub struct Costs {
    /// What to add up by [default: user with an admin's token, else day]
    #[arg(long, value_enum, value_name = "WHAT", hide_default_value = true)]
    by: Option<By>,
    /// Only what was spent on this UTC day and later
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    since: Option<Day>,
    /// What machines made for workers cost until now, each for as long as it ran
    #[arg(long, conflicts_with_all = ["by", "since"])]
    machines: bool,
}

/// What sums are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    User,
    Agent,
    Day,
    Task,
}

impl By {
    const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Day => "day",
            Self::Task => "task",
        }
    }
}

impl Costs {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        if self.machines {
            let session = Session::open(&context.config, Caller::Admin).await?;
            return machines::tell(&context, &session).await;
        }
        let session = Session::open(&context.config, Caller::Person).await?;
        let (tasks, all) = read(&session, self.since).await?;
        let by = self.by.unwrap_or(if all { By::User } else { By::Day });
        let paid = Paid::read(&session.client, &context.config).await?;
        let report = Report::of(&tasks, by, self.since, &paid);
        let output = &context.output;
        if output.json {
            output.object(&report.json())?;
        } else if report.lines.is_empty() {
            output.talk("nothing was spent");
        } else {
            output.line(report.screen(output))?;
            if let Some(idle) = &report.idle {
                output.talk(idle.words());
            }
        }
        Ok(Exit::Done)
    }
}

fn day(text: &str) -> Result<Day, String> {
    let at = time(&format!("{text}T00:00:00Z")).filter(|_| text.len() == "2026-01-31".len());
    let day = at.map(Day::of);
    day.ok_or_else(|| "give a day such as 2026-01-31".to_owned())
}

/// What a task spent on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    day: Day,
    spent: Amount,
}

/// An amount, and how much of it nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    sum: Sum,
    /// Attempts whose cost is not in it.
    unknown: u64,
}

impl Amount {
    const fn plus(self, other: Self) -> Self {
        Self {
            sum: self.sum.plus(other.sum),
            unknown: self.unknown.saturating_add(other.unknown),
        }
    }

    const fn of(cost_micros: Option<u64>, tokens: u64) -> Self {
        let (cost_micros, unknown) = match cost_micros {
            Some(micros) => (micros, 0),
            None => (0, 1),
        };
        let sum = Sum {
            cost_micros,
            tokens,
        };
        Self { sum, unknown }
    }

    /// The cost in it, unless all there is to tell is that it isn't known.
    const fn known(self) -> Option<u64> {
        match (self.sum.cost_micros, self.unknown) {
            (0, 1..) => None,
            (micros, _) => Some(micros),
        }
    }

    /// `$1.20 + 2 unknown`
    fn text(self) -> String {
        match (self.known(), self.unknown) {
            (None, _) => "unknown".to_owned(),
            (Some(micros), 0) => dollars(micros),
            (Some(micros), unknown) => format!("{} + {unknown} unknown", dollars(micros)),
        }
    }
}

/// A task and what it spent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bill {
    task: String,
    name: String,
    user: String,
    email: Option<String>,
    agent: String,
    parts: Vec<Part>,
    /// Where its agents ran.
    places: Vec<Place>,
}

/// The tasks that spent something, and whether they are everybody's.
async fn read(session: &Session, since: Option<Day>) -> Result<(Vec<Bill>, bool), Failure> {
    if session.role() == Role::Admin {
        let bills = read_rows(&session.client, Filter::eq("cr_ismirror", true), since).await?;
        // Dataverse doesn't say who is an admin there; a person sees no mirrors.
        if session.is_embedded() || !bills.is_empty() {
            return Ok((bills, true));
        }
    }
    let bills = read_rows(&session.client, mine(Some(session.me)), since).await?;
    Ok((bills, false))
}

async fn read_rows(
    client: &Client,
    which: Filter,
    since: Option<Day>,
) -> Result<Vec<Bill>, Failure> {
    let key = client.names().primary_id(Table::Tasks).to_owned();
    let some = |column: &str| Filter::ne(column, Literal::Null);
    let (usage, output) = (tasks::USAGE.name(), tasks::OUTPUT.name());
    // The long column is read only where the short one says nothing, and before it: a task that gets
    // its first sum between the two is in both, not in neither.
    let questions = [
        (Filter::is_null(usage).and(some(output)), output),
        (some(usage), usage),
    ];
    let mut bills = BTreeMap::new();
    for (filter, column) in questions {
        let mut filter = which.clone().and(filter);
        if let Some(day) = since.and_then(moment) {
            // What was spent on a day was written on that day or later.
            filter = filter.and(Filter::ge("modifiedon", Literal::DateTime(day)));
        }
        let query = Query {
            select: columns(column),
            filter: Some(filter),
            order_by: vec![OrderBy {
                column: "createdon".to_owned(),
                descending: false,
            }],
            ..Query::default()
        };
        for row in client.list(Table::Tasks, &query).await? {
            let bill = bill(&row, &key)?;
            bills.insert(bill.task.clone(), bill);
        }
    }
    Ok(bills.into_values().collect())
}

fn moment(day: Day) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(day.start().as_millis()).ok()
}

fn columns(spent: &str) -> Vec<String> {
    let names = [
        "_ownerid_value",
        "modifiedon",
        tasks::NAME.name(),
        tasks::INPUT.name(),
        tasks::MIRROR_OF.name(),
        tasks::USER_ID.name(),
        tasks::EMAIL.name(),
        tasks::FINISHED.name(),
        spent,
    ];
    names.map(str::to_owned).into()
}

fn bill(row: &Row, key: &str) -> Result<Bill, Failure> {
    let row = row.object().map_err(shraga_dataverse::Error::from)?;
    let text = |name: &str| {
        let text = row.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let owner = text(tasks::USER_ID.name()).or_else(|| text("_ownerid_value"));
    let user = owner.unwrap_or_default().to_ascii_lowercase();
    let task = text(tasks::MIRROR_OF.name()).or_else(|| text(key));
    let input = text(tasks::INPUT.name());
    let at = |name: &str| text(name).and_then(|text| time(&text)).map(Day::of);
    let ended = at(tasks::FINISHED.name()).or_else(|| at("modifiedon"));
    let ended = ended.unwrap_or_else(|| Day::of(Timestamp::default()));
    let (parts, places) = match text(tasks::USAGE.name()) {
        Some(usage) => match rows::ledger(Some(&usage)) {
            Ok(ledger) => (of_ledger(&ledger), ledger.ran_on()),
            Err(error) => {
                tracing::warn!(%error, "what a task spent can't be understood");
                (of_output("", ended), Vec::new())
            }
        },
        None => {
            let output = text(tasks::OUTPUT.name()).unwrap_or_default();
            (of_output(&output, ended), Vec::new())
        }
    };
    Ok(Bill {
        task: task.unwrap_or_default().to_ascii_lowercase(),
        name: text(tasks::NAME.name()).unwrap_or_default(),
        email: text(tasks::EMAIL.name()),
        agent: agent(input.as_deref()),
        user,
        parts,
        places,
    })
}

fn agent(input: Option<&str>) -> String {
    let input = input.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let named = input
        .as_ref()
        .and_then(|input| input.get("agent")?.as_str());
    named.unwrap_or(ANY_AGENT).to_owned()
}

/// What ended attempts spent, day by day, and what the running one noted.
fn of_ledger(ledger: &Ledger) -> Vec<Part> {
    let ended = ledger.days.iter().map(|it| Part {
        day: it.day,
        spent: Amount {
            sum: it.sum,
            unknown: it.unpriced.into(),
        },
    });
    let running = ledger.open.and_then(|open| {
        let usage = open.noted?.usage;
        let spent = Amount::of(usage.cost_micros, usage.tokens());
        Some(Part {
            day: open.day,
            spent,
        })
    });
    ended.chain(running).collect()
}

/// What the last attempt spent, at a store that keeps no sums.
fn of_output(output: &str, day: Day) -> Vec<Part> {
    let output: Value = serde_json::from_str(output).unwrap_or(Value::Null);
    let number = |name: &str| output.get(name).and_then(Value::as_u64);
    let spent = Amount::of(
        number("cost_usd_micros"),
        number("tokens").unwrap_or_default(),
    );
    vec![Part { day, spent }]
}

/// A sum over tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Line {
    key: String,
    /// What people call it; empty where the key says it.
    name: String,
    tasks: BTreeSet<String>,
    spent: Amount,
    /// What of machines' time they used.
    toll: Toll,
}

impl Line {
    fn add(&mut self, bill: &Bill, part: Part, paid: &Paid) {
        if self.tasks.insert(bill.task.clone()) {
            self.toll = self.toll.plus(paid.toll(&bill.places));
        }
        self.spent = self.spent.plus(part.spent);
    }

    fn json(&self) -> Map<String, Value> {
        let fields = [
            ("tasks", json!(self.tasks.len())),
            ("cost_usd", json!(self.spent.known().map(usd))),
            ("unknown", json!(self.spent.unknown)),
            ("tokens", json!(self.spent.sum.tokens)),
        ];
        fields
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect()
    }
}

/// The sums.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    by: By,
    since: Option<Day>,
    lines: Vec<Line>,
    total: Line,
    /// Machines' time that no task used; `None` where machines cost nothing, or only some days count.
    idle: Option<Idle>,
}

impl Report {
    fn of(bills: &[Bill], by: By, since: Option<Day>, paid: &Paid) -> Self {
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        let mut total = Line::default();
        for bill in bills {
            let counts = |part: &&Part| since.is_none_or(|since| part.day >= since);
            for &part in bill.parts.iter().filter(counts) {
                let (key, name) = match by {
                    By::User => (bill.user.clone(), bill.email.as_deref()),
                    By::Agent => (bill.agent.clone(), None),
                    By::Day => (part.day.to_string(), None),
                    By::Task => (bill.task.clone(), Some(bill.name.as_str())),
                };
                let line = lines.entry(key.clone()).or_default();
                line.key = key;
                if let Some(name) = name {
                    name.clone_into(&mut line.name);
                }
                line.add(bill, part, paid);
                total.add(bill, part, paid);
            }
        }
        let mut lines: Vec<_> = lines.into_values().collect();
        if by != By::Day {
            lines.sort_by_key(|line| std::cmp::Reverse(line.spent.sum.cost_micros));
        }
        let places = bills.iter().flat_map(|bill| &bill.places).copied();
        let known = since.is_none() && !paid.is_nothing();
        Self {
            by,
            since,
            lines,
            total,
            idle: known.then(|| paid.idle(places)),
        }
    }

    /// Whether what machines cost can be told line by line: it isn't kept by day.
    fn tells_machines(&self) -> bool {
        self.idle.is_some() && self.by != By::Day
    }

    /// What people call keys, if that is something else.
    const fn named(&self) -> bool {
        matches!(self.by, By::User | By::Task)
    }

    fn json(&self) -> Value {
        let rows = self.lines.iter().map(|line| {
            let mut row = line.json();
            row.insert("key".to_owned(), json!(line.key));
            if self.tells_machines() {
                row.insert("machines".to_owned(), line.toll.json());
            }
            if self.named() {
                row.insert("name".to_owned(), json!(line.name));
            }
            row
        });
        let mut report = json!({
            "by": self.by.word(),
            "since": self.since.map(|day| day.to_string()),
            "rows": rows.collect::<Vec<_>>(),
            "total": self.total.json(),
        });
        if let Some(idle) = &self.idle {
            report["machines"] = idle.json();
        }
        report
    }

    fn screen(&self, output: &Output) -> String {
        let plain = Style::new();
        let first = self.by.word().to_ascii_uppercase();
        let mut headings = vec![first.as_str(), "TASKS", "COST", "TOKENS"];
        let machines = self.tells_machines();
        headings.extend(machines.then_some("MACHINES"));
        headings.extend(self.named().then_some("ID"));
        let mut grid = Grid::new(output, &headings);
        grid.keep(&[1, 2, 3]);
        let sums = |line: &Line| {
            let toll = machines.then(|| (line.toll.words(), plain));
            let sums = [
                (line.tasks.len().to_string(), plain),
                (line.spent.text(), plain),
                (line.spent.sum.tokens.to_string(), plain),
            ];
            sums.into_iter().chain(toll)
        };
        for line in &self.lines {
            let called = match line.name.as_str() {
                "" => &line.key,
                _ => &line.name,
            };
            let mut cells = vec![(called.clone(), plain)];
            cells.extend(sums(line));
            cells.extend(self.named().then(|| (line.key.clone(), DIM)));
            grid.row(cells);
        }
        let mut cells = vec![("total".to_owned(), DIM)];
        cells.extend(sums(&self.total));
        grid.row(cells);
        grid.print()
    }
}
