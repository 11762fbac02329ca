//! Looks at the store and at the machine all the time, and remembers what it saw: each status a row went through, and
//! from when to when each agent's process lived.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use anyhow::{Context, Result};
use secrecy::SecretString;
use serde::Deserialize;
use shraga_core::row::Table;
use shraga_core::status::TaskStatus;
use shraga_dataverse::rows::select;
use shraga_dataverse::transport::{NetworkOptions, network};
use shraga_dataverse::{Client, Options};
use shraga_wire::query::Query;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Moment};
use crate::processes;

/// Seconds between two looks.
const LOOK_EVERY: f64 = 1.0;

/// Columns that are looked at.
const COLUMNS: &[&str] = &[
    "cr_name",
    "cr_status",
    "cr_ismirror",
    "cr_mirroroftaskid",
    "cr_attempt",
    "cr_reason",
    "cr_statusmessage",
    "cr_result",
    "cr_output",
];

/// A row of the tasks table, as far as the soak looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Task {
    #[serde(rename = "cr_shraga_taskid")]
    pub(crate) id: String,
    #[serde(rename = "cr_name")]
    pub(crate) name: String,
    #[serde(rename = "cr_status")]
    pub(crate) status: i64,
    #[serde(rename = "cr_ismirror")]
    pub(crate) is_mirror: Option<bool>,
    #[serde(rename = "cr_mirroroftaskid")]
    pub(crate) mirror_of: Option<String>,
    #[serde(rename = "cr_attempt")]
    pub(crate) attempt: Option<u32>,
    #[serde(rename = "cr_reason")]
    pub(crate) reason: Option<String>,
    #[serde(rename = "cr_statusmessage")]
    pub(crate) message: Option<String>,
    #[serde(rename = "cr_result")]
    pub(crate) result: Option<String>,
    #[serde(rename = "cr_output")]
    pub(crate) output: Option<String>,
}

impl Task {
    pub(crate) fn is_mirror(&self) -> bool {
        self.is_mirror == Some(true)
    }

    /// Where it stands.
    pub(crate) fn status(&self) -> Option<TaskStatus> {
        TaskStatus::try_from(self.status).ok()
    }

    /// Whether it ended. (A person's row says Canceled from the wish on, so only mirrors tell.)
    pub(crate) fn has_ended(&self) -> bool {
        self.status().is_some_and(TaskStatus::is_terminal)
    }

    /// Whether it was canceled before anybody made a mirror of it.
    pub(crate) fn was_never_mirrored(&self) -> bool {
        self.has_ended()
            && self.attempt.is_none()
            && self.reason.as_deref() == Some("cancel-requested")
    }

    /// Its result, if it has one.
    pub(crate) fn said(&self) -> &str {
        self.result.as_deref().unwrap_or_default()
    }

    pub(crate) fn status_name(&self) -> &'static str {
        self.status().map_or("unknown", TaskStatus::name)
    }
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Every mirror's states, by its identity, each with when it was first seen.
    pub(crate) mirrors: BTreeMap<String, Vec<(Moment, Task)>>,
    /// From when to when each agent's process was seen, by task, attempt and process.
    pub(crate) lives: HashMap<(String, u32, u32), (Moment, Moment)>,
    /// The rows of the last look.
    pub(crate) rows: Vec<Task>,
    /// Looks that the store answered.
    pub(crate) looks: u32,
}

/// Looks until told to stop; `tell` gets the rows of each look.
pub(crate) async fn watch(
    store: watch::Receiver<SocketAddr>,
    token: SecretString,
    mark: String,
    tell: watch::Sender<Vec<Task>>,
    stop: CancellationToken,
) -> Result<Seen> {
    let mut seen = Seen::default();
    loop {
        let now = clock::now();
        for found in processes::marked(&mark) {
            if let Some((task, attempt)) = found.works_on {
                let life = seen
                    .lives
                    .entry((task, attempt, found.pid))
                    .or_insert((now, now));
                life.1 = now;
            }
        }
        let address = *store.borrow();
        if let Ok(rows) = tasks(address, &token).await {
            seen.take(clock::now(), rows.clone());
            tell.send_replace(rows);
        }
        if stop.is_cancelled() {
            return Ok(seen);
        }
        tokio::select! {
            () = clock::pause(LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

impl Seen {
    fn take(&mut self, now: Moment, rows: Vec<Task>) {
        self.looks += 1;
        for row in rows.iter().filter(|row| row.is_mirror()) {
            let states = self.mirrors.entry(row.id.clone()).or_default();
            if states.last().is_none_or(|(_, last)| last != row) {
                states.push((now, row.clone()));
            }
        }
        self.rows = rows;
    }
}

/// A client of the admin's, straight to the store.
pub(crate) fn client(address: SocketAddr, token: &SecretString) -> Result<Client> {
    let transport = network(&NetworkOptions {
        extra_roots_pem: Vec::new(),
        no_proxy: true,
    });
    let transport = transport.map_err(|error| anyhow::anyhow!("no network: {error}"))?;
    let mut options = Options::new(format!("http://{address}").parse()?, transport);
    options.token = Some(token.clone().into());
    options.request_timeout = std::time::Duration::from_secs(5);
    Ok(Client::new(options)?)
}

/// Every row of the tasks table.
pub(crate) async fn tasks(address: SocketAddr, token: &SecretString) -> Result<Vec<Task>> {
    let query = Query {
        select: COLUMNS.iter().map(|it| (*it).to_owned()).collect(),
        ..Query::default()
    };
    let rows = client(address, token)?.list(Table::Tasks, &query).await?;
    let read = |row: &shraga_dataverse::Row| {
        let object = row.object()?;
        serde_json::from_value(object.into()).context("reading a row of the tasks table")
    };
    rows.iter().map(read).collect()
}

/// The names of all workers, by identity.
pub(crate) async fn workers(
    address: SocketAddr,
    token: &SecretString,
) -> Result<BTreeMap<String, String>> {
    let query = Query {
        select: select::WORKER.iter().map(|it| (*it).to_owned()).collect(),
        ..Query::default()
    };
    let rows = client(address, token)?.list(Table::Workers, &query).await?;
    let named = rows.iter().map(|row| {
        let worker = shraga_dataverse::rows::worker(row)?;
        Ok((worker.id.to_string(), worker.name))
    });
    named.collect()
}

/// Every event.
pub(crate) async fn events(
    address: SocketAddr,
    token: &SecretString,
) -> Result<Vec<shraga_dataverse::rows::Event>> {
    let query = Query {
        select: select::EVENT.iter().map(|it| (*it).to_owned()).collect(),
        ..Query::default()
    };
    let rows = client(address, token)?.list(Table::Events, &query).await?;
    Ok(rows
        .iter()
        .map(shraga_dataverse::rows::event)
        .collect::<Result<_, _>>()?)
}
