//! `shraga logs`: what happened to a task, and what its agent said, over all its attempts.
//!
//! Followed, it goes on through restarts of store and worker: each event is printed once, by its
//! identity, whenever it comes. Events are the data; why the task waits meanwhile is talk beside it.

use clap::Args;
use shraga_core::row::Table;
use shraga_core::status::TaskStatus;

use super::Context;
use crate::display::clean::{block, one_line};
use crate::display::paint::{BOLD, DIM, paint};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::events::{Log, Told};
use crate::tasks::watch::Watch;
use crate::tasks::{TaskView, WorkerNames, find, get};

/// Show what happened to a task, and what its agent said
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga logs 0193f0a1
  shraga logs -f 0193f0a1        follow over all attempts until the task has ended
  shraga logs 0193f0a1 --json    one JSON object per line")]
pub struct Logs {
    /// The task, or the start of its identity
    id: String,
    /// Follow until the task has ended
    #[arg(short, long)]
    follow: bool,
}

/// What was printed last.
#[derive(Default)]
struct Printed {
    attempt: u32,
    waits: String,
}

impl Logs {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        let task = find(&session, &self.id).await?;
        if !session.client.absent().has_table(Table::Events) {
            context
                .output
                .talk("this store has no table of events; `shraga show` shows the result");
        }
        let stop = crate::roles::signals::watch().drain;
        let mut watch = Watch::start(session.client.clone(), session.is_embedded()).await?;
        let mut log = Log::new(session.client.clone(), task.id);
        let mut printed = Printed::default();
        let names = WorkerNames::read(&session.client).await?;
        loop {
            // The state is read first: whatever was told before the end is then there to be read.
            let looked = match get(&session.client, task.id).await {
                Ok(now) => log
                    .news()
                    .await
                    .map(|news| (now, news))
                    .map_err(Failure::from),
                Err(failure) => Err(failure),
            };
            let over = match looked {
                Ok((now, news)) => {
                    watch.answered();
                    for told in &news {
                        print(&context, told, &mut printed)?;
                    }
                    if let Some(task) = now.as_ref().filter(|_| self.follow) {
                        tell_wait(&context, task, &names, &mut printed);
                    }
                    now.is_none_or(|task| task.status.is_terminal())
                }
                Err(failure) => {
                    let error = failure.error.downcast_ref::<shraga_dataverse::Error>();
                    match error.filter(|_| self.follow).cloned() {
                        Some(error) => watch.bear(error, &stop).await?,
                        None => return Err(failure),
                    }
                    false
                }
            };
            if over || !self.follow || stop.is_cancelled() {
                return Ok(Exit::Done);
            }
            if let Err(error) = watch.next(&stop).await {
                watch.bear(error, &stop).await?;
            }
        }
    }
}

fn print(context: &Context, told: &Told, printed: &mut Printed) -> Result<(), Failure> {
    let output = &context.output;
    if output.json {
        return output.object(&told.json());
    }
    let attempt = told.event.attempt.0;
    if attempt > 0 && attempt != printed.attempt {
        printed.attempt = attempt;
        let on = told
            .worker_name()
            .map(|name| format!(" on {}", one_line(name)));
        let header = format!("-- attempt {attempt}{} --", on.unwrap_or_default());
        output.line(paint(BOLD, header))?;
    }
    let at = paint(DIM, local_time(told));
    for line in block(&told.text).lines() {
        if told.is_agents() {
            output.line(format_args!("{at}  {line}"))?;
        } else {
            let kind = paint(BOLD, one_line(told.kind()));
            output.line(format_args!("{at}  {kind}: {line}"))?;
        }
    }
    Ok(())
}

/// Says why nothing comes, when that has changed.
fn tell_wait(context: &Context, task: &TaskView, names: &WorkerNames, printed: &mut Printed) {
    let note = one_line(task.note());
    let waits = match task.status {
        TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Submitted => match note.as_str() {
            "" => "waits for its turn".to_owned(),
            note => format!("waits: {note}"),
        },
        TaskStatus::WaitingForInput => format!("waits for your answer: {note}"),
        TaskStatus::Canceling => {
            let worker = one_line(&names.of(task.worker.as_deref()));
            format!("is being ended by {worker}")
        }
        TaskStatus::Running | TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Canceled => {
            String::new()
        }
    };
    if waits != printed.waits && !waits.is_empty() {
        context.output.talk(paint(DIM, format!("the task {waits}")));
    }
    printed.waits = waits;
}

/// `14:03:07`, in the zone of whoever looks.
fn local_time(told: &Told) -> String {
    jiff::Timestamp::from_second(told.at.as_secs()).map_or_else(
        |_| told.at.as_secs().to_string(),
        |at| {
            at.to_zoned(jiff::tz::TimeZone::system())
                .strftime("%H:%M:%S")
                .to_string()
        },
    )
}
