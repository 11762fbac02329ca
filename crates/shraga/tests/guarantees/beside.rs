//! The binary beside an organisation on a socket that has the original's table only.

use std::path::PathBuf;
use std::process::Command;

use shraga_testkit::original;
use shraga_testkit::site::{ADMIN_TOKEN, Site};
use shraga_testkit::stage::{Kind, Person, Stage};

use crate::common::{Place, Ran};
use crate::daemon::{Daemon, run_bounded};

/// The original's state file.
pub(crate) const FILE: &str = ".orchestrator_state.json";

/// A stage with the original's table, and a person who files tasks.
pub(crate) async fn stage() -> (Stage, Person) {
    let stage = Stage::with(Kind::Dataverse, original::tables()).await;
    let ann = stage.person("ann@example.com").await;
    (stage, ann)
}

/// `orchestrate` with the original's environment and nothing else.
pub(crate) fn orchestrate(place: &Place, site: &Site, more: &[&str]) -> Command {
    let mut args = vec!["orchestrate"];
    args.extend_from_slice(more);
    let mut command = place.command(&args);
    command
        .env("DATAVERSE_URL", &site.url)
        .env("DATAVERSE_TOKEN", ADMIN_TOKEN)
        .env("TABLE_NAME", "cr_shraga_tasks")
        .env("WORKERS_TABLE", "cr_shraga_workers");
    command
}

/// Runs it once, to its end.
pub(crate) fn once(place: &Place, site: &Site) -> Ran {
    run_bounded(orchestrate(place, site, &["--once"]))
}

/// Starts it.
pub(crate) fn daemon(place: &Place, site: &Site) -> Daemon {
    Daemon::start(place, orchestrate(place, site, &[]))
}

/// Waits for something of the stage from within a condition.
pub(crate) fn now<T>(looking: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(looking))
}

/// Where the state file is.
pub(crate) fn file(place: &Place) -> PathBuf {
    place.path().join(FILE)
}

/// What it says.
pub(crate) fn state(place: &Place) -> serde_json::Value {
    let bytes = std::fs::read(file(place)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
