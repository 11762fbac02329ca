//! `shraga machines`: what providers made for workers to run on; why each is as it is; what an admin wishes.
//!
//! Nothing is asked of a provider here. A wish is written into the machine's row under its version, and the
//! orchestrator carries it out: it alone knows what the machine holds.

use anstyle::Style;
use clap::{Args, Subcommand};
use serde_json::json;
use shraga_core::machine::{Machine, Stage, Wish};
use shraga_core::model::Mirror;
use shraga_core::row::{Condition, Table, workers};
use shraga_core::time::Timestamp;
use shraga_core::usage::dollars;
use shraga_dataverse::{Error, Role};

use super::Context;
use crate::display::clean::one_line;
use crate::display::paint::{BAD, BOLD, CAREFUL, DIM, GOOD, paint};
use crate::display::table;
use crate::display::time::{age, rfc3339};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::{events, machines, workers as all};

/// Events of a machine that are told: a screen has no room for more.
const TOLD_MAX: u32 = 20;

/// How often a wish is written anew when the row changed under it, as for `drain`.
const TRIES: u32 = 10;

/// List machines that were made for workers: how far each is, whom it serves, what it costs
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  shraga machines
  shraga machines why shraga-1a2b3c4d-1
  shraga machines stop shraga-1a2b3c4d-1 --dry-run

An admin's token shows all machines, a person's only her own. A machine is never stopped or deleted while it holds \
a task. docs/machines.md tells how it is decided."
)]
pub struct Machines {
    /// Also those that are gone
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Explain where a machine stands, since when, what is in its way and what happens next
    Why {
        /// The machine's name, or the start of it
        name: String,
    },
    /// Start a stopped machine, or make one of a failed or gone one anew
    Start(Wanted),
    /// Stop a machine once it holds nothing
    Stop(Wanted),
    /// Start a machine anew once it holds nothing
    Restart(Wanted),
    /// Delete a machine, with all that is on it, once it holds nothing
    Delete(Wanted),
}

#[derive(Debug, Args)]
struct Wanted {
    /// The machine's name, or the start of it
    name: String,
    /// Say what would happen, and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Machines {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Admin).await?;
        if !session
            .client
            .absent()
            .has(Table::Workers, workers::MACHINE)
        {
            let message = "this store has no column for machines (cr_machine): none are made";
            return Err(Failure::new(Exit::Configuration, message)
                .hint("an admin should run `shraga schema apply`"));
        }
        let found = Found::read(&session).await?;
        match self.verb {
            None => list(&context, &found, self.all),
            Some(Verb::Why { name }) => found.why(&context, &session, &name).await,
            Some(Verb::Start(wanted)) => wish(&context, &session, wanted, Wish::Start).await,
            Some(Verb::Stop(wanted)) => wish(&context, &session, wanted, Wish::Stop).await,
            Some(Verb::Restart(wanted)) => wish(&context, &session, wanted, Wish::Restart).await,
            Some(Verb::Delete(wanted)) => wish(&context, &session, wanted, Wish::Delete).await,
        }
    }
}

/// All machines, and what their workers hold where that can be seen.
struct Found {
    workers: Vec<shraga_core::model::Worker>,
    held: Option<Vec<Mirror>>,
    now: Timestamp,
}

impl Found {
    async fn read(session: &Session) -> Result<Self, Failure> {
        let (workers, now) = all::all(&session.client).await?;
        let held = match session.role() {
            Role::Admin => Some(all::held(&session.client, None).await?),
            Role::User | Role::Worker => None,
        };
        Ok(Self { workers, held, now })
    }

    fn held(&self, machine: &Machine) -> Option<usize> {
        let hers = |mirror: &&Mirror| mirror.worker() == Some(machine.worker);
        self.held
            .as_ref()
            .map(|held| held.iter().filter(hers).count())
    }

    async fn why(&self, context: &Context, session: &Session, name: &str) -> Result<Exit, Failure> {
        let machine = machines::find(&self.workers, name)?;
        let held = self.held(&machine);
        let told = match session.client.absent().has_table(Table::Events) {
            true => {
                let head = &machine.record.head;
                events::of_machine(&session.client, machine.worker, head, TOLD_MAX).await?
            }
            false => Vec::new(),
        };
        if context.output.json {
            let mut object = machines::object(&context.config, &machine, held, self.now);
            object["events"] = told.iter().map(events::Told::json).collect();
            context.output.object(&object)?;
            return Ok(Exit::Done);
        }
        let record = &machine.record;
        let stage = paint(style(record.stage), record.stage);
        let name = paint(BOLD, &record.name);
        context.output.line(format_args!("{name}  {stage}"))?;
        for (label, text) in self.lines(context, &machine, held) {
            let label = paint(DIM, format!("{label:<10}"));
            context
                .output
                .line(format_args!("  {label} {}", one_line(&text)))?;
        }
        for told in told {
            let at = paint(DIM, format!("{:<10}", "told"));
            let (when, text) = (rfc3339(told.at), one_line(&told.text));
            context.output.line(format_args!("  {at} {when} {text}"))?;
        }
        Ok(Exit::Done)
    }

    fn lines(
        &self,
        context: &Context,
        machine: &Machine,
        held: Option<usize>,
    ) -> Vec<(&'static str, String)> {
        let (record, now) = (&machine.record, self.now);
        let since = format!(
            "{} ago, at {}",
            age(record.since, now),
            rfc3339(record.since)
        );
        let mut lines = vec![
            ("state", machines::meaning(record.stage).to_owned()),
            ("since", since),
            ("provider", record.provider.to_string()),
            ("for", record.serves.to_string()),
        ];
        if let Some(trouble) = &record.trouble {
            let for_long = age(trouble.since, now);
            let said = machines::trouble(trouble, now);
            lines.push((
                "trouble",
                format!("{} for {for_long}: {said}", trouble.class),
            ));
            let advice = machines::advice(trouble.class).map(str::to_owned);
            lines.extend(advice.map(|advice| ("advice", advice)));
        }
        if let Some(advice) = &record.advice {
            lines.push(("change", advice.clone()));
        }
        if let Some(delayed) = &record.delayed {
            let text = format!(
                "the stop on its pool's schedule, first due at {}, until {}",
                rfc3339(delayed.due),
                rfc3339(delayed.until)
            );
            lines.push(("delayed", text));
        }
        if let Some(held) = held {
            let tasks = if held == 1 { "task" } else { "tasks" };
            lines.push((
                "holds",
                format!("{held} {tasks}, of {} at once", machine.slots),
            ));
        }
        if let Some(used) = record.used_until {
            lines.push(("used", format!("{} ago", age(used, now))));
        }
        lines.push(("cost", cost(context, machine, now)));
        lines.push(("next", machines::next(&context.config, machine, held, now)));
        lines.extend(record.link.clone().map(|link| ("connect", link)));
        lines
    }
}

/// What it cost, and for how long it ran.
fn cost(context: &Context, machine: &Machine, now: Timestamp) -> String {
    let ran = machine.record.ran(now);
    match machines::cost(&context.config, &machine.record, now) {
        Some(micros) => format!("{}, for {ran}", dollars(micros)),
        None => format!("unknown, for {ran}: `provision.usd_per_hour` is not set"),
    }
}

fn list(context: &Context, found: &Found, all: bool) -> Result<Exit, Failure> {
    let machines = machines::of(&found.workers);
    let shown = machines
        .iter()
        .filter(|it| all || it.record.stage != Stage::Gone);
    let shown: Vec<&Machine> = shown.collect();
    if context.output.json {
        let object =
            |it: &&Machine| machines::object(&context.config, it, found.held(it), found.now);
        let objects: Vec<_> = shown.iter().map(object).collect();
        context.output.object(&objects)?;
    } else if shown.is_empty() {
        context.output.talk(
            "no machines: `shraga up --workers MIN..MAX` makes workers on this machine, `[provision]` Dev Boxes",
        );
    } else {
        context.output.line(print(context, &shown, found))?;
    }
    Ok(Exit::Done)
}

fn print(context: &Context, shown: &[&Machine], found: &Found) -> String {
    let headings = [
        "NAME", "STAGE", "SINCE", "FOR", "HOLDS", "RAN", "COST", "NEXT",
    ];
    let mut table = table::Table::new(&context.output, &headings);
    table.keep(&[0, 1, 2]);
    for machine in shown {
        let (record, now) = (&machine.record, found.now);
        let plain = Style::new();
        let held = found.held(machine);
        let holds = match held {
            Some(held) => format!("{held}/{}", machine.slots),
            None => "-".to_owned(),
        };
        let (next, how) = match &record.trouble {
            Some(trouble) => (machines::trouble(trouble, now), CAREFUL),
            None => (machines::next(&context.config, machine, held, now), DIM),
        };
        table.row([
            (record.name.to_string(), plain),
            (record.stage.to_string(), style(record.stage)),
            (age(record.since, now), plain),
            (machines::whom(record.serves), plain),
            (holds, plain),
            (record.ran(now).to_string(), plain),
            (machines::cost_words(&context.config, record, now), plain),
            (next, how),
        ]);
    }
    table.print()
}

const fn style(stage: Stage) -> Style {
    match stage {
        Stage::Up => GOOD,
        Stage::Wanted | Stage::Creating | Stage::Starting | Stage::Cordoned | Stage::Stopping => {
            CAREFUL
        }
        Stage::Failed => BAD,
        Stage::Asleep | Stage::Deleting | Stage::Gone => DIM,
    }
}

/// Writes a wish, or says what it would do.
async fn wish(
    context: &Context,
    session: &Session,
    wanted: Wanted,
    wish: Wish,
) -> Result<Exit, Failure> {
    if session.role() != Role::Admin {
        let message = "only an admin starts, stops, restarts and deletes machines";
        return Err(Failure::new(Exit::Authentication, message)
            .hint("give an admin's token with --token-file"));
    }
    for _ in 0..TRIES {
        let found = Found::read(session).await?;
        let machine = machines::find(&found.workers, &wanted.name)?;
        let (said, writes) = outcome(&machine, found.held(&machine).unwrap_or(0), wish)?;
        if wanted.dry_run || !writes {
            return say(context, &machine, wish, &said, writes);
        }
        let mut record = machine.record.clone();
        record.wish = Some(wish);
        let condition = Condition::Version(machine.etag.clone());
        let cells = [(workers::MACHINE, record.to_json().into())];
        let id = machine.worker.get();
        let written = session.client.patch(Table::Workers, id, &condition, &cells);
        match written.await {
            Ok(_) => return say(context, &machine, wish, &said, true),
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(Exit::TryAgain, "the machine's row keeps changing").hint("try again"))
}

/// What a wish comes to, and whether there is anything to write.
fn outcome(machine: &Machine, held: usize, wish: Wish) -> Result<(String, bool), Failure> {
    let stage = machine.record.stage;
    let after = match held {
        0 => String::new(),
        1 => ", once its task has ended; it is given no other".to_owned(),
        held => format!(", once its {held} tasks have ended; it is given no other"),
    };
    let done = |text: &str| Ok((text.to_owned(), false));
    match (wish, stage) {
        (Wish::Start, Stage::Up | Stage::Creating | Stage::Starting)
        | (Wish::Restart, Stage::Wanted | Stage::Creating) => done("it runs, or is about to"),
        (Wish::Restart, Stage::Gone) => {
            done("there is none any more; `shraga machines start` makes another of its name")
        }
        (Wish::Start | Wish::Restart, Stage::Stopping | Stage::Deleting) => Err(Failure::new(
            Exit::TryAgain,
            format!("it is {stage}; it can be started after that"),
        )
        .hint("`shraga machines` shows when it is")),
        (Wish::Start, Stage::Gone) => Ok(("another of its name is made".to_owned(), true)),
        (Wish::Start, Stage::Wanted | Stage::Cordoned | Stage::Asleep)
        | (Wish::Restart, Stage::Asleep) => Ok(("it is started".to_owned(), true)),
        (Wish::Restart, Stage::Up | Stage::Starting | Stage::Cordoned) => {
            Ok((format!("it is started anew{after}"), true))
        }
        (Wish::Start | Wish::Restart, Stage::Failed) => {
            let said = "it is tried again: started, mended or made anew, whichever its provider allows; \
                        `shraga machines why` says what comes of it";
            Ok((said.to_owned(), true))
        }
        (Wish::Stop | Wish::Delete, Stage::Gone) => done("there is none any more"),
        (Wish::Stop, Stage::Asleep | Stage::Stopping) => done("it is stopped, or is about to be"),
        (Wish::Delete, Stage::Deleting) => done("it is being deleted"),
        (Wish::Stop, _) => Ok((format!("it is stopped{after}"), true)),
        (Wish::Delete, _) => Ok((
            format!("it is deleted, with all that is on it{after}"),
            true,
        )),
    }
}

fn say(
    context: &Context,
    machine: &Machine,
    wish: Wish,
    said: &str,
    written: bool,
) -> Result<Exit, Failure> {
    let name = &machine.record.name;
    if context.output.json {
        context.output.object(&json!({
            "name": name.as_str(),
            "wish": wish.as_str(),
            "stage": machine.record.stage.as_str(),
            "changes": written,
            "says": said,
        }))?;
    } else {
        context.output.line(format_args!("{name}: {said}"))?;
    }
    Ok(Exit::Done)
}
