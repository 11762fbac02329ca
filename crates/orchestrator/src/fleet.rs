//! Rolling out releases, beside the ticks and never in their way: observe, plan, apply.
//!
//! What the last check for newer versions found is offered; core decides from rows who may take it, and when this process
//! may. Nothing is remembered between two looks, so that a restart or a second orchestrator changes nothing. A store that
//! can't hold permissions leaves each orchestrator to itself.

use std::collections::HashMap;
use std::time::Duration;

use shraga_core::fleet::{Fleet, row_id};
use shraga_core::ids::UserId;
use shraga_core::plan::fleet::{FleetPolicy, FleetSnapshot, plan};
use shraga_core::row::{ChangeSet, Table, workers};
use shraga_core::time::Timestamp;
use shraga_core::update::Release;
use shraga_dataverse::rows::{self, select};
use shraga_dataverse::{Answers, Client, Error, OnRefusal, Outcome, Read};
use shraga_update::Found;
use tokio::sync::watch;

use crate::observe::question::{Question, WHOLE, Whose, open_work};
use crate::probe;
use crate::status::Status;
use crate::stopper::{Stopped, Stopper};
use crate::trouble;

/// Between two looks of which the first wrote something. Shorter asks before anybody can have answered.
const SOON: Duration = Duration::from_secs(1);

/// Between two looks while a release is on its way. Longer delays what a pause takes back and the next step of a
/// roll-out, shorter costs requests: three reads each.
const BUSY: Duration = Duration::from_secs(10);

/// Between two looks while nothing is: workers may come that run something older.
const QUIET: Duration = Duration::from_secs(60);

/// What is said where rows can't hold permissions.
const ALONE: &str = "each orchestrator takes releases on its own, workers are given none, and nothing can be paused";

/// What is rolled out, as last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rolling {
    /// Store time of the last look that was answered; `None` until there was one.
    pub looked: Option<Timestamp>,
    /// The fleet's row.
    pub fleet: Fleet,
    /// The release that this process may take now: newer than its own, after the canary stayed well with it, and
    /// not while the fleet is paused.
    pub take: Option<Release>,
    /// What somebody should know, as of the last look.
    pub notes: Vec<String>,
    /// Whether a release is on its way.
    pub busy: bool,
    /// Whether the last look wrote something.
    pub wrote: bool,
}

/// What looks at the fleet, again and again.
pub(crate) struct Roller {
    pub(crate) client: Client,
    pub(crate) policy: FleetPolicy,
    pub(crate) newer: watch::Receiver<Option<Found>>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) board: watch::Sender<Rolling>,
}

/// Starts to look, in a task of its own.
pub(crate) fn start(roller: Roller, stopper: Stopper) {
    tokio::spawn(async move {
        // It ends by being stopped.
        let _stopped = roller.run(&stopper).await;
    });
}

impl Roller {
    async fn run(mut self, stopper: &Stopper) -> Result<(), Stopped> {
        loop {
            let offered = self.newer.borrow_and_update().clone();
            let offered = offered.and_then(|found| found.release);
            let admin = self.status.borrow().identity;
            let looked = match admin {
                Some(admin) => {
                    let look = roll_out(&self.client, &self.policy, admin, offered.as_ref());
                    Some(stopper.unless_stopped(look).await?)
                }
                // Nobody knows yet who we are.
                None => None,
            };
            let pause = match looked {
                Some(ref rolling) if rolling.wrote => SOON,
                Some(ref rolling) if rolling.busy => BUSY,
                Some(_) => QUIET,
                None => SOON,
            };
            if let Some(rolling) = looked {
                self.show(rolling);
            }
            tokio::select! {
                waited = stopper.wait(pause) => waited?,
                // Nobody checks any more: the clock decides.
                Ok(()) = self.newer.changed() => {}
            }
        }
    }

    fn show(&self, rolling: Rolling) {
        self.board.send_if_modified(|shown| {
            let news = rolling.notes.iter().filter(|it| !shown.notes.contains(it));
            news.for_each(|note| tracing::warn!("{note}"));
            if shown.take != rolling.take
                && let Some(release) = &rolling.take
            {
                tracing::info!(%release, "this orchestrator may take a newer release");
            }
            let same = *shown == rolling;
            *shown = rolling;
            !same
        });
    }
}

/// Looks once, as the orchestrator `admin`, and writes what follows. With nothing offered it only goes on with what is
/// under way. A store that fails is a look without an answer.
pub async fn roll_out(
    client: &Client,
    policy: &FleetPolicy,
    admin: UserId,
    offered: Option<&Release>,
) -> Rolling {
    if let Some(missing) = lacks(client) {
        return alone(policy, offered, &missing);
    }
    let (snapshot, now) = match observe(client, admin, offered).await {
        Ok(seen) => seen,
        Err(note) => {
            return Rolling {
                notes: note.into_iter().collect(),
                ..Rolling::default()
            };
        }
    };
    let plan = plan(&snapshot, policy, now);
    Rolling {
        wrote: write(client, &plan.sets).await,
        looked: Some(now),
        fleet: snapshot.row.map(|(_, fleet)| fleet).unwrap_or_default(),
        take: plan.take,
        notes: plan.notes,
        busy: plan.busy,
    }
}

/// What keeps permissions from being given at this store.
fn lacks(client: &Client) -> Option<String> {
    let absent = client.absent();
    if !probe::is_usable(&absent, Table::Workers) {
        return Some("a table of workers".to_owned());
    }
    let columns = [workers::RELEASE, workers::ALLOWED, workers::UPDATE_STATE];
    let missing = columns
        .into_iter()
        .find(|it| !absent.has(Table::Workers, *it));
    if let Some(missing) = missing {
        return Some(format!("the column {}", missing.name()));
    }
    let capable = client.capabilities();
    let whole = capable.change_sets && capable.own_ids;
    (!whole).then(|| "change sets".to_owned())
}

/// Where there is no fleet, each takes what there is.
fn alone(policy: &FleetPolicy, offered: Option<&Release>, missing: &str) -> Rolling {
    let newer = |it: &&Release| {
        let ours = policy.ours.as_ref();
        ours.is_some_and(|ours| (policy.order)(it, ours).is_gt())
    };
    Rolling {
        take: offered.filter(newer).cloned(),
        notes: vec![format!("the store lacks {missing}: {ALONE}")],
        ..Rolling::default()
    }
}

/// The fleet's row, workers and what they hold, with the store's time; a note where somebody should know why not.
async fn observe(
    client: &Client,
    admin: UserId,
    offered: Option<&Release>,
) -> Result<(FleetSnapshot, Timestamp), Option<String>> {
    let quietly = |error: Error| {
        // The ticks say so too, and louder.
        let words = trouble::words(&error);
        tracing::debug!(
            error.kind = error.kind(),
            "the fleet was not looked at: {words}"
        );
        None
    };
    let answers = read(client, admin).await.map_err(quietly)?;
    let now = answers.now;
    let mut answers = answers.answers.into_iter();
    let mut next = || {
        let answer = answers.next().unwrap_or(Err(Error::NotReached));
        answer.map_err(quietly)
    };
    let (row, all, work) = (next()?, next()?, next()?);
    let row = match row.rows.first().map(rows::fleet).transpose() {
        Ok(row) => row,
        Err(error) => return Err(Some(format!("nothing is rolled out: {error}"))),
    };
    let read: Vec<_> = all.rows.iter().map(rows::worker).collect();
    let mut leases = HashMap::new();
    for worker in work
        .rows
        .iter()
        .filter_map(|row| rows::open(row).ok()?.worker)
    {
        *leases.entry(worker).or_default() += 1;
    }
    let snapshot = FleetSnapshot {
        row,
        complete: all.rows.len() < WHOLE as usize && read.iter().all(Result::is_ok),
        workers: read.into_iter().filter_map(Result::ok).collect(),
        leases,
        offered: offered.cloned(),
    };
    Ok((snapshot, now))
}

async fn read(client: &Client, admin: UserId) -> Result<Answers, Error> {
    let embedded = client.store_info().await?.is_some();
    let whose = Whose {
        admin: Some(admin),
        impostors: !embedded,
    };
    let row = Read::Get {
        table: Table::Workers,
        id: row_id().get(),
        select: select::FLEET.iter().map(|it| (*it).to_owned()).collect(),
    };
    let work = Read::List {
        table: Table::Tasks,
        query: open_work(whose),
    };
    let all = Question::Workers.read(whose, &client.absent());
    client.read_batch(&[row, all, work]).await
}

/// Writes; whether the store took something.
async fn write(client: &Client, sets: &[ChangeSet]) -> bool {
    if sets.is_empty() {
        return false;
    }
    let outcomes = match client.apply(sets, OnRefusal::Continue).await {
        Ok(applied) => applied.outcomes,
        Err(error) => {
            let words = trouble::words(&error);
            tracing::debug!(error.kind = error.kind(), "nothing was written: {words}");
            return false;
        }
    };
    let mut wrote = false;
    for (set, outcome) in sets.iter().zip(outcomes) {
        match outcome {
            Outcome::Done(_) => {
                tracing::info!("update: {}", set.why);
                wrote = true;
            }
            Outcome::Refused(_) | Outcome::Partly(_) | Outcome::NotTried | Outcome::Unknown => {
                tracing::debug!(?outcome, "somebody else was first, or it is not known");
            }
        }
    }
    wrote
}
