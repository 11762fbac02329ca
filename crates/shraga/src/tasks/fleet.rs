//! The fleet as verbs see it: what its row says, and an admin's wishes: that nobody takes a release, that one is tried again.

use serde_json::json;
use shraga_core::fleet::{Fleet, Pause, Refused, Stage, Why, row_id};
use shraga_core::ids::Etag;
use shraga_core::plan::fleet::{FleetPolicy, save};
use shraga_core::row::{ChangeSet, Table, users, workers};
use shraga_core::time::{Span, Timestamp};
use shraga_core::update::Release;
use shraga_dataverse::rows::{self, select};
use shraga_dataverse::{Client, Error, OnRefusal, Outcome, Read, RefusalKind};
use shraga_orchestrator::roll_out;

use crate::config::{Config, env};
use crate::display::time::{age, rfc3339};
use crate::exit::{Exit, Failure};
use crate::roles::session::Session;

/// How often a write is tried when the orchestrator writes the row meanwhile.
const TRIES: u32 = 5;

/// How many looks may take back permissions: each takes back all it sees.
const LOOKS: u32 = 5;

/// The fleet's row as it stands.
#[derive(Debug)]
pub struct Known {
    /// Its version; `None` while there is no row.
    etag: Option<Etag>,
    /// What it says.
    pub fleet: Fleet,
    /// The store's time.
    pub now: Timestamp,
}

/// What became of a wish.
#[derive(Debug)]
pub enum Wished {
    /// It was written.
    Done(Known),
    /// It stood there already.
    Already(Known),
}

/// Reads the fleet's row. Who may not see it finds none.
///
/// # Errors
/// The store can't be read, or the row can't be understood.
pub async fn read(client: &Client) -> Result<Known, Error> {
    let row = Read::Get {
        table: Table::Workers,
        id: row_id().get(),
        select: select::FLEET.iter().map(|it| (*it).to_owned()).collect(),
    };
    let answers = client.read_batch(&[row]).await?;
    let rows = answers.answers.into_iter().next();
    let rows = rows.unwrap_or(Err(Error::NotReached))?;
    let read = rows.rows.first().map(rows::fleet).transpose()?;
    let (etag, fleet) = read.unzip();
    Ok(Known {
        etag,
        fleet: fleet.unwrap_or_default(),
        now: answers.now,
    })
}

/// Writes that nobody is to take a release, and takes back what nobody took yet.
///
/// # Errors
/// The store can't hold the wish, or can't be written.
pub async fn pause(
    session: &Session,
    config: &Config,
    why: Option<&str>,
) -> Result<Wished, Failure> {
    let by = me(session).await;
    let wish = |known: &Known| {
        Some(Pause {
            by: by.clone(),
            at: known.now,
            why: why.map(str::to_owned),
        })
    };
    let paused = |known: &Known| Fleet {
        pause: wish(known),
        ..known.fleet.clone()
    };
    let wished = change(session, |known| {
        known.fleet.pause.is_none().then(|| paused(known))
    })
    .await?;
    // An orchestrator does so too; where none runs, nobody else would.
    let policy = policy(config, None);
    for _ in 0..LOOKS {
        let rolling = roll_out(&session.client, &policy, session.me, None).await;
        if !rolling.wrote {
            break;
        }
    }
    Ok(wished)
}

/// Writes that the fleet goes on.
///
/// # Errors
/// The store can't be written.
pub async fn resume(session: &Session) -> Result<Wished, Failure> {
    let resumed = |known: &Known| Fleet {
        pause: None,
        ..known.fleet.clone()
    };
    change(session, |known| {
        known.fleet.pause.is_some().then(|| resumed(known))
    })
    .await
}

/// Writes that a release which is refused may be tried again: the one that `meant` names, else the one that was refused
/// last.
///
/// # Errors
/// The store can't be written.
pub async fn retry(
    session: &Session,
    meant: impl Fn(&Release) -> bool,
) -> Result<(Wished, Option<Release>), Failure> {
    let lifted = std::cell::RefCell::new(None);
    let wished = change(session, |known| {
        let mut fleet = known.fleet.clone();
        let refused = fleet.refused.iter().rfind(|it| meant(&it.release));
        let release = refused.map(|it| it.release.clone());
        lifted.replace(release.clone());
        release.map(|release| {
            fleet.lift(&release);
            fleet
        })
    })
    .await?;
    Ok((wished, lifted.into_inner()))
}

/// Writes what `wish` makes of the row, if it makes anything of it.
async fn change(
    session: &Session,
    wish: impl Fn(&Known) -> Option<Fleet>,
) -> Result<Wished, Failure> {
    can_hold(&session.client)?;
    for _ in 0..TRIES {
        let mut known = read(&session.client).await?;
        let Some(fleet) = wish(&known) else {
            return Ok(Wished::Already(known));
        };
        known.fleet = fleet;
        let set = ChangeSet {
            task: None,
            why: "an admin's wish".to_owned(),
            writes: vec![save(known.etag.as_ref(), &known.fleet)],
        };
        let applied = session.client.apply(&[set], OnRefusal::Stop).await?;
        match applied.outcomes.into_iter().next() {
            Some(Outcome::Done(_)) => return Ok(Wished::Done(known)),
            Some(Outcome::Refused(refusal)) if refusal.kind != RefusalKind::Stale => {
                return Err(Error::Refused(refusal.fault).into());
            }
            // Somebody wrote meanwhile, or the reply was lost: look again.
            Some(
                Outcome::Refused(_) | Outcome::Partly(_) | Outcome::NotTried | Outcome::Unknown,
            )
            | None => {}
        }
    }
    Err(Failure::new(Exit::TryAgain, "the fleet's row keeps changing").hint("try again"))
}

fn can_hold(client: &Client) -> Result<(), Failure> {
    if client.absent().has(Table::Workers, workers::UPDATE_STATE) {
        return Ok(());
    }
    let message = "this store has no column for the wish (cr_updatestate)";
    Err(Failure::new(Exit::Configuration, message)
        .hint("an admin should run `shraga schema apply`"))
}

/// What people know us as: the e-mail or name that the store has, else who sits at this machine.
async fn me(session: &Session) -> String {
    let columns = [users::EMAIL.name(), users::NAME.name()];
    let row = session.client.get(Table::Users, session.me.get(), &columns);
    let row = row.await.ok().flatten().and_then(|row| row.object().ok());
    let named = row.and_then(|row| {
        let mut told = columns.iter().filter_map(|it| row.get(*it)?.as_str());
        told.find(|text| !text.is_empty()).map(str::to_owned)
    });
    let host = env::host_name();
    let environment = env::all();
    let user = ["USER", "USERNAME"]
        .iter()
        .find_map(|name| environment.get(*name));
    let here = user.map_or_else(|| host.clone(), |user| format!("{user}@{host}"));
    named.unwrap_or(here)
}

/// How releases are rolled out, as the settings have it; `ours` is the one this process runs.
#[must_use]
pub fn policy(config: &Config, ours: Option<Release>) -> FleetPolicy {
    let minutes = config.update.canary_minutes.0;
    FleetPolicy {
        order: shraga_update::order,
        canary: minutes.map(|minutes| Span::mins(i64::from(minutes))),
        take_within: FleetPolicy::TAKE_WITHIN,
        ours,
    }
}

/// The release that failed last, unless something newer was begun since.
#[must_use]
pub fn failed(fleet: &Fleet) -> Option<&Refused> {
    let failed = fleet.refused.iter().rfind(|it| it.why == Why::Failed)?;
    let since = fleet.rollout.as_ref().map(|rollout| rollout.since);
    since
        .is_none_or(|since| since <= failed.at)
        .then_some(failed)
}

/// What speaks against a release that is rolled out.
#[must_use]
pub fn doubted(fleet: &Fleet) -> Option<String> {
    let rollout = fleet.rollout.as_ref()?;
    let doubt = rollout.doubt.as_ref()?;
    Some(format!(
        "{} did not do well everywhere: {}",
        rollout.release, doubt.said
    ))
}

/// Who paused it, since when and why.
#[must_use]
pub fn paused(pause: &Pause, now: Timestamp) -> String {
    let why = pause.why.as_ref().map(|why| format!(": {why}"));
    let since = age(pause.at, now);
    let why = why.unwrap_or_default();
    format!("updates were paused by {} {since} ago{why}", pause.by)
}

/// What is rolled out, and how far it is.
#[must_use]
pub fn rolled_out(fleet: &Fleet, now: Timestamp) -> Option<String> {
    let rollout = fleet.rollout.as_ref()?;
    let release = &rollout.release;
    Some(match &rollout.stage {
        Stage::Open(at) => {
            let ago = age(*at, now);
            format!("{release} was opened to all {ago} ago")
        }
        Stage::Canary(canary) => match canary.well {
            Some(well) => {
                let long = age(well, now);
                format!(
                    "worker {} tries {release} first, well for {long}",
                    canary.name
                )
            }
            None => {
                let ago = age(canary.allowed, now);
                format!(
                    "worker {} may take {release} first, allowed {ago} ago",
                    canary.name
                )
            }
        },
    })
}

/// A release that failed, and why.
#[must_use]
pub fn failure(failed: &Refused, now: Timestamp) -> String {
    let since = age(failed.at, now);
    format!("{} failed {since} ago: {}", failed.release, failed.said)
}

/// The fleet in lines for people; none while there is nothing to say.
#[must_use]
pub fn lines(known: &Known) -> Vec<String> {
    let (fleet, now) = (&known.fleet, known.now);
    let paused = fleet.pause.as_ref().map(|pause| paused(pause, now));
    let failed = failed(fleet).map(|failed| failure(failed, now));
    [paused, rolled_out(fleet, now), doubted(fleet), failed]
        .into_iter()
        .flatten()
        .collect()
}

/// The fleet for scripts.
#[must_use]
pub fn json(fleet: &Fleet) -> serde_json::Value {
    let rollout = fleet.rollout.as_ref().map(|rollout| {
        let (canary, open) = match &rollout.stage {
            Stage::Canary(canary) => (Some(canary), None),
            Stage::Open(at) => (None, Some(*at)),
        };
        json!({
            "release": rollout.release.to_string(),
            "since": rfc3339(rollout.since),
            "doubt": rollout.doubt.as_ref().map(|doubt| &doubt.said),
            "canary": canary.map(|canary| json!({
                "worker": canary.worker.to_string(),
                "name": canary.name,
                "allowed": rfc3339(canary.allowed),
                "well_since": canary.well.map(rfc3339),
            })),
            "open_since": open.map(rfc3339),
        })
    });
    let paused = fleet
        .pause
        .as_ref()
        .map(|pause| json!({"by": pause.by, "since": rfc3339(pause.at), "why": pause.why}));
    let refused: Vec<_> = fleet
        .refused
        .iter()
        .map(|it| {
            json!({
                "release": it.release.to_string(),
                "why": it.why.as_str(),
                "said": it.said,
                "at": rfc3339(it.at),
            })
        })
        .collect();
    json!({"paused": paused, "rollout": rollout, "refused": refused})
}
