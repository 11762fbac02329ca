//! `shraga why`: every gate between a task and its end, with its value and what to change.
//!
//! Core judges; here the rows it judges by are read. A person sees what her own row says; with the
//! admin's token of the data folder at hand, mirror and workers too.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};
use shraga_core::ids::{MirrorId, TaskId, UserId};
use shraga_core::machine::{Machine, Serves, Stage};
use shraga_core::model::Worker;
use shraga_core::plan::Snapshot;
use shraga_core::row::{Table, tasks, users};
use shraga_core::status::{Pool, TaskStatus};
use shraga_core::time::Timestamp;
use shraga_core::why::{Gate, why};
use shraga_dataverse::rows::{mirror, person, select, user_task, worker};
use shraga_dataverse::{Error, Read, Role, RowError, Rows};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::{OrderBy, Query};
use uuid::Uuid;

use super::Context;
use crate::display::clean::one_line;
use crate::display::paint::{BOLD, DIM, paint, status as style_of};
use crate::exit::{Exit, Failure};
use crate::roles::orchestrator;
use crate::roles::session::{Caller, Session};
use crate::tasks::workers::active;
use crate::tasks::{TaskView, find, machines};

/// Waiting tasks looked at for whose turn comes before: with more before it, it is not said how many.
const WAITING: u32 = 1000;

/// Explain why a task is where it is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga why 0193f0a1
  shraga why 0193f0a1 --json | jq -r '.gates[] | select(.holds | not) | .advice'

Shows the gates in the order in which a task passes them, up to the one where it stands, and what to \
change there.")]
pub struct Why {
    /// The task, or the start of its identity
    id: String,
}

impl Why {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let own = Session::open(&context.config, Caller::Person).await?;
        let task = find(&own, &self.id).await?;
        // Whoever has the data folder has the admin's token too, which sees more.
        let session = match Session::open(&context.config, Caller::Admin).await {
            Ok(admin) if admin.role() == Role::Admin => admin,
            Ok(_) | Err(_) => own,
        };
        let (mut snapshot, now) = observe(&session, task.id).await?;
        let absent = session.client.absent();
        let mut policy = orchestrator::policy(&context.config);
        policy.absent = absent.columns_of(Table::Tasks).collect();
        policy.budget.accounts = session.client.capabilities().own_ids
            && absent.has(Table::Users, users::USAGE)
            && absent.has(Table::Tasks, tasks::USAGE);
        if session.role() == Role::Admin && policy.budget.accounts {
            accounts(&session, &mut snapshot).await?;
        }
        let gates = why(&snapshot, &policy, now, task.id);
        let machine = machine(&snapshot, &task);
        if context.output.json {
            let machine = machine.map(|it| machines::object(&context.config, &it, None, now));
            context.output.object(&object(&task, &gates, machine))?;
            return Ok(Exit::Done);
        }
        print(&context, &task, &gates)?;
        if let Some(machine) = machine {
            let next = machines::next(&context.config, &machine, None, now);
            say(&context, "machine", &machines::line(&machine, now))?;
            say(&context, "next", &next)?;
            say(&context, "meanwhile", &meanwhile(&snapshot, &machine))?;
        }
        Ok(Exit::Done)
    }
}

fn print(context: &Context, task: &TaskView, gates: &[Gate]) -> Result<(), Failure> {
    let status = paint(style_of(task.status), task.status);
    let name = paint(BOLD, one_line(&task.name));
    context.output.line(format_args!("{name}  {status}"))?;
    for gate in gates {
        let past = gate.holds || task.status == TaskStatus::Completed;
        let mark = if past { "\u{2713}" } else { "\u{2192}" };
        let label = paint(DIM, format!("{:<10}", gate.name));
        context
            .output
            .line(format_args!("{mark} {label} {}", one_line(&gate.value)))?;
        if let Some(advice) = gate.advice {
            context.output.line(format_args!("  {:<10} {advice}", ""))?;
        }
    }
    Ok(())
}

fn say(context: &Context, label: &str, text: &str) -> Result<(), Failure> {
    let label = paint(DIM, format!("{label:<10}"));
    context
        .output
        .line(format_args!("  {label} {}", one_line(text)))
}

/// The machine that a waiting task may be waiting for: its person's, else one that is on its way to the
/// pool. One that works says nothing about the wait.
fn machine(snapshot: &Snapshot, task: &TaskView) -> Option<Machine> {
    let waits = matches!(task.status, TaskStatus::Pending | TaskStatus::Queued);
    let owner = snapshot.tasks.iter().find(|row| row.id == task.id)?.owner;
    let found = machines::of(&snapshot.workers)
        .into_iter()
        .filter(|machine| {
            let theirs = match machine.record.serves {
                Serves::Person(user) => user == owner,
                Serves::Everyone => true,
            };
            theirs && !matches!(machine.record.stage, Stage::Up | Stage::Gone)
        });
    let rank = |machine: &Machine| {
        let hers = machine.record.serves != Serves::Everyone;
        (hers, machine.record.stage.is_coming(), machine.record.since)
    };
    found.filter(|_| waits).max_by_key(rank)
}

/// What becomes of the person's work while there is no machine.
fn meanwhile(snapshot: &Snapshot, machine: &Machine) -> String {
    let ready = |worker: &&Worker| {
        let hers =
            worker.pool == Pool::Shared || Serves::Person(worker.owner) == machine.record.serves;
        hers && worker.kind.runs_tasks() && worker.state.takes_work() && !worker.is_cordoned()
    };
    match snapshot.workers.iter().filter(ready).count() {
        0 => "no other worker that this token sees is ready: it waits".to_owned(),
        1 => "one other worker is ready, and takes it when it has a slot free".to_owned(),
        more => format!("{more} other workers are ready, and take it when they have a slot free"),
    }
}

fn object(task: &TaskView, gates: &[Gate], machine: Option<Value>) -> Value {
    let gates: Vec<_> = gates
        .iter()
        .map(|gate| {
            json!({
                "name": gate.name,
                "value": gate.value,
                "holds": gate.holds,
                "advice": gate.advice,
            })
        })
        .collect();
    json!({
        "id": task.id.to_string(),
        "status": task.status.name(),
        "reason": task.reason,
        "gates": gates,
        "machine": machine,
    })
}

/// What the decisions about this one task depend on.
async fn observe(session: &Session, task: TaskId) -> Result<(Snapshot, Timestamp), Failure> {
    let reads = [
        Read::Get {
            table: Table::Tasks,
            id: task.get(),
            select: names(select::USER_TASK),
        },
        Read::Get {
            table: Table::Tasks,
            id: MirrorId::of(task, 0).get(),
            select: names(select::MIRROR),
        },
        list(Table::Tasks, select::MIRROR, Some(mirrors_of(task))),
        list(Table::Tasks, select::MIRROR, Some(active())),
        list(Table::Workers, select::WORKER, None),
        waiting(),
    ];
    let answers = session.client.read_batch(&reads).await?;
    let now = answers.now;
    let mut answers = answers.answers.into_iter();
    let mut next = || answers.next().unwrap_or(Err(Error::NotReached));
    let tasks = parsed(next()?, user_task)?;
    let mut mirrors = parsed(next()?, mirror)?;
    mirrors.extend(parsed(next()?, mirror)?);
    mirrors.extend(understood(next()?, mirror));
    let workers = understood(next()?, worker);
    mirrors.extend(understood(next()?, mirror));
    mirrors.sort_by_key(|mirror| mirror.id);
    mirrors.dedup_by_key(|mirror| mirror.id);
    let sees_all = session.role() == Role::Admin;
    let snapshot = Snapshot {
        admin: Some(admin(session, &mirrors)),
        active_complete: sees_all,
        absent: absent(&tasks, task),
        searched: [task].into(),
        workers,
        workers_complete: sees_all && session.client.absent().has_table(Table::Workers),
        legacy: orchestrator::legacy_workers(),
        tasks,
        mirrors,
        ..Snapshot::default()
    };
    Ok((snapshot, now))
}

/// What the task's person and everybody have spent and reserved, which is kept in her row and the admin's.
async fn accounts(session: &Session, snapshot: &mut Snapshot) -> Result<(), Failure> {
    let people = snapshot.tasks.iter().map(|task| task.owner);
    let people: BTreeSet<UserId> = people.chain(snapshot.admin).collect();
    let read = |id: &UserId| Read::Get {
        table: Table::Users,
        id: id.get(),
        select: names(select::PERSON),
    };
    let reads: Vec<Read> = people.iter().map(read).collect();
    let answers = session.client.read_batch(&reads).await?.answers;
    for (id, rows) in people.into_iter().zip(answers) {
        let Ok(rows) = rows else { continue };
        // Whoever has no row has spent nothing.
        match rows.rows.is_empty() {
            true => drop(snapshot.absent.insert(id.get())),
            false => snapshot.people.extend(understood(rows, person)),
        }
    }
    Ok(())
}

/// Whom mirrors belong to: us if we are an admin, else whoever owns those we see.
fn admin(session: &Session, mirrors: &[shraga_core::model::Mirror]) -> UserId {
    let embedded_admin = session.is_embedded() && session.role() == Role::Admin;
    match mirrors.first() {
        Some(mirror) if !embedded_admin => mirror.owner,
        Some(_) => session.me,
        None if embedded_admin => session.me,
        None => UserId::new(Uuid::nil()),
    }
}

fn absent(tasks: &[shraga_core::model::UserTask], task: TaskId) -> std::collections::HashSet<Uuid> {
    let gone = tasks.is_empty().then_some(task.get());
    gone.into_iter().collect()
}

/// The rows that can be understood, or which one can't.
fn parsed<T>(
    rows: Rows,
    parse: fn(&shraga_dataverse::Row) -> Result<T, RowError>,
) -> Result<Vec<T>, Error> {
    rows.rows
        .iter()
        .map(|row| parse(row).map_err(Error::from))
        .collect()
}

/// The rows that can be understood; the others are other tasks' trouble.
fn understood<T>(rows: Rows, parse: fn(&shraga_dataverse::Row) -> Result<T, RowError>) -> Vec<T> {
    rows.rows.iter().filter_map(|row| parse(row).ok()).collect()
}

fn list(table: Table, columns: &[&str], filter: Option<Filter>) -> Read {
    Read::List {
        table,
        query: Query {
            select: names(columns),
            filter,
            ..Query::default()
        },
    }
}

/// The mirrors whose turn comes first: how many are before this one.
fn waiting() -> Read {
    let pending = is("cr_status", Literal::Int(TaskStatus::Pending.code()));
    let filter = Filter::And(vec![pending, is("cr_ismirror", Literal::Bool(true))]);
    Read::List {
        table: Table::Tasks,
        query: Query {
            select: names(select::MIRROR),
            filter: Some(filter),
            order_by: vec![OrderBy {
                column: "cr_rank".to_owned(),
                descending: false,
            }],
            top: Some(WAITING),
            ..Query::default()
        },
    }
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&name| name.to_owned()).collect()
}

fn mirrors_of(task: TaskId) -> Filter {
    is("cr_mirroroftaskid", Literal::Text(task.to_string()))
}

fn is(column: &str, literal: Literal) -> Filter {
    Filter::Compare(
        Operand::Column(column.to_owned()),
        Comparison::Eq,
        Operand::Literal(literal),
    )
}
