//! Rows of the workers table, and of the table of people.

use serde::Deserialize;
use shraga_core::fleet::{Allowed, Member, Said};
use shraga_core::ids::{Etag, UserId, WorkerId};
use shraga_core::model::{Person, Worker};
use shraga_core::status::Pool;
use shraga_core::time::Timestamp;
use shraga_core::update::Release;
use uuid::Uuid;

use super::field::{self, Kind, Of};
use super::{Row, RowError, ledger, machine, words};

const WORKERS: Of = Of("workers");
const USERS: Of = Of("users");

/// Slots of a row that does not say: workers of the original ran one task at a time.
const DEFAULT_SLOTS: u32 = 1;
/// `cr_status` of a person whom an admin shut out.
const DISABLED: &str = "disabled";

#[derive(Default, Deserialize)]
#[serde(default)]
struct WorkerJson {
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    #[serde(rename = "cr_shraga_workerid")]
    id: Option<Uuid>,
    #[serde(rename = "_ownerid_value")]
    owner: Option<Uuid>,
    modifiedon: Option<String>,
    cr_name: Option<String>,
    cr_type: Option<String>,
    cr_status: Option<String>,
    cr_pool: Option<String>,
    cr_slots: Option<i64>,
    cr_labels: Option<String>,
    cr_agents: Option<String>,
    cr_bootid: Option<String>,
    cr_beat: Option<i64>,
    cr_lastseen: Option<String>,
    cr_lastassigned: Option<String>,
    cr_drainedon: Option<String>,
    cr_machine: Option<String>,
    cr_nonce: Option<String>,
    cr_echo: Option<String>,
    cr_version: Option<String>,
    cr_release: Option<String>,
    cr_allowedrelease: Option<String>,
    cr_updatestate: Option<String>,
}

const WORKER_FIELDS: &[(&str, Kind)] = &[
    ("@odata.etag", Kind::Text),
    ("cr_shraga_workerid", Kind::Text),
    ("_ownerid_value", Kind::Text),
    ("modifiedon", Kind::Text),
    ("cr_name", Kind::Text),
    ("cr_type", Kind::Text),
    ("cr_status", Kind::Text),
    ("cr_pool", Kind::Text),
    ("cr_slots", Kind::Int),
    ("cr_labels", Kind::Text),
    ("cr_agents", Kind::Text),
    ("cr_bootid", Kind::Text),
    ("cr_beat", Kind::Int),
    ("cr_lastseen", Kind::Text),
    ("cr_lastassigned", Kind::Text),
    ("cr_drainedon", Kind::Text),
    ("cr_machine", Kind::Text),
    ("cr_nonce", Kind::Text),
    ("cr_echo", Kind::Text),
    ("cr_version", Kind::Text),
    ("cr_release", Kind::Text),
    ("cr_allowedrelease", Kind::Text),
    ("cr_updatestate", Kind::Text),
];

/// A worker's row (read with [`super::select::WORKER`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn worker(row: &Row) -> Result<Worker, RowError> {
    let mut json: WorkerJson = WORKERS.read(row, WORKER_FIELDS)?;
    let member = member(&mut json);
    let last_seen = last_seen(&json)?;
    let kind = WORKERS.required("cr_type", json.cr_type)?;
    let state = WORKERS.required("cr_status", json.cr_status)?;
    let pool = WORKERS.parse_some("cr_pool", json.cr_pool.as_ref())?;
    Ok(Worker {
        member,
        last_seen,
        // Anything else is no question of ours, and is never answered.
        suspicion: json.cr_nonce.and_then(|text| text.parse().ok()),
        echo: json.cr_echo,
        machine: json.cr_machine.as_deref().and_then(machine::note),
        kind: WORKERS.parse("cr_type", &kind)?,
        state: WORKERS.parse("cr_status", &state)?,
        pool: pool.unwrap_or(Pool::Dedicated),
        slots: WORKERS.int("cr_slots", json.cr_slots, DEFAULT_SLOTS)?,
        labels: words(json.cr_labels.as_deref().unwrap_or_default()),
        agents: words(json.cr_agents.as_deref().unwrap_or_default()),
        boot: WORKERS.parse_some("cr_bootid", json.cr_bootid.as_ref())?,
        beat: json.cr_beat.unwrap_or_default(),
        last_assigned: WORKERS.time_some("cr_lastassigned", json.cr_lastassigned.as_ref())?,
        drained: WORKERS.time_some("cr_drainedon", json.cr_drainedon.as_ref())?,
        id: WorkerId::new(WORKERS.required("cr_shraga_workerid", json.id)?),
        owner: UserId::new(WORKERS.required("_ownerid_value", json.owner)?),
        etag: field::etag(WORKERS, json.etag)?,
        name: json.cr_name.unwrap_or_default(),
    })
}

/// Its part in updates. What is no release is none: the worker's row counts all the same. A release of another version
/// than the program's was left by a program that ran before it, and knew releases.
fn member(json: &mut WorkerJson) -> Member {
    let release = |text: &Option<String>| -> Option<Release> { text.as_deref()?.parse().ok() };
    let version = json.cr_version.take();
    let ran = release(&json.cr_release);
    let runs = ran.filter(|it| {
        version
            .as_deref()
            .is_none_or(|version| version == it.version())
    });
    let said = json.cr_updatestate.as_deref().unwrap_or_default();
    let Ok(said) = said.parse();
    let allowed = json.cr_allowedrelease.as_deref();
    let allowed = allowed.and_then(|text| text.parse::<Allowed>().ok());
    Member {
        said: runs.as_ref().map_or(Said::Off, |_| said),
        release: runs,
        open: allowed.as_ref().is_some_and(|allowed| allowed.open),
        allowed: allowed.map(|allowed| allowed.release),
        version,
    }
}

/// When the worker was last heard. It says so itself, and its clock may be wrong: never later than the
/// store wrote its row, or a worker that is gone would be waited for as long as its clock was ahead.
fn last_seen(json: &WorkerJson) -> Result<Option<Timestamp>, RowError> {
    let seen = WORKERS.time_some("cr_lastseen", json.cr_lastseen.as_ref())?;
    let written = WORKERS.time_some("modifiedon", json.modifiedon.as_ref())?;
    Ok(seen.map(|seen| written.map_or(seen, |written| seen.min(written))))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PersonJson {
    #[serde(rename = "cr_shraga_userid")]
    id: Option<Uuid>,
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    cr_status: Option<String>,
    cr_usage: Option<String>,
}

/// A row of the users table (read with [`super::select::PERSON`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn person(row: &Row) -> Result<Person, RowError> {
    let fields = [
        ("cr_shraga_userid", Kind::Text),
        ("cr_status", Kind::Text),
        ("cr_usage", Kind::Text),
    ];
    let json: PersonJson = USERS.read(row, &fields)?;
    let account = ledger::account(USERS, json.cr_usage.as_ref())?;
    Ok(Person {
        id: UserId::new(USERS.required("cr_shraga_userid", json.id)?),
        disabled: json.cr_status.as_deref() == Some(DISABLED),
        account: json.etag.map(|etag| (Etag::new(etag), account)),
    })
}
