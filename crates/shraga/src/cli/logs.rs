//! `shraga logs`: what happened to a task, and what its agent said.

use std::collections::HashSet;

use clap::Args;
use shraga_core::ids::EventId;

use super::Context;
use crate::display::clean::block;
use crate::display::paint::{DIM, paint};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::events::{Told, of_task};
use crate::tasks::watch::Watch;
use crate::tasks::{find, get};

/// Show what happened to a task, and what its agent said
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga logs 0193f0a1
  shraga logs -f 0193f0a1        follow until the task has ended
  shraga logs 0193f0a1 --json    one JSON object per line")]
pub struct Logs {
    /// The task, or the start of its identity
    id: String,
    /// Follow until the task has ended
    #[arg(short, long)]
    follow: bool,
}

impl Logs {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        let task = find(&session, &self.id).await?;
        let stop = crate::roles::signals::watch().drain;
        let mut watch = Watch::start(session.client.clone(), session.is_embedded()).await?;
        let mut shown = HashSet::new();
        loop {
            // The state is read first: whatever was told before the end is then there to be read.
            let now = get(&session.client, task.id).await?;
            let over = now.is_none_or(|task| task.status.is_terminal());
            for told in of_task(&session.client, task.id).await? {
                print_new(&context, &told, &mut shown)?;
            }
            if over || !self.follow || stop.is_cancelled() {
                return Ok(Exit::Done);
            }
            watch.next(&stop).await?;
        }
    }
}

fn print_new(context: &Context, told: &Told, shown: &mut HashSet<EventId>) -> Result<(), Failure> {
    if !shown.insert(told.event.id) {
        return Ok(());
    }
    if context.output.json {
        return context.output.object(&told.json());
    }
    let at = paint(DIM, local_time(told));
    for line in block(&told.text).lines() {
        if told.is_agents() {
            context.output.line(format_args!("{at}  {line}"))?;
        } else {
            let kind = paint(crate::display::paint::BOLD, told.kind());
            context.output.line(format_args!("{at}  {kind}: {line}"))?;
        }
    }
    Ok(())
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
