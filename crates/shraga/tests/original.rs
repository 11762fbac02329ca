//! What people type, beside an organisation that has the original's table and columns only.

#[cfg(test)]
mod common;

use std::process::Command;

use common::{Place, Ran};
use serde_json::Value;
use shraga_core::row::tasks;
use shraga_core::status::TaskStatus;
use shraga_testkit::original;
use shraga_testkit::site::{ADMIN_TOKEN, Site};
use shraga_testkit::stage::{Kind, Person, Stage};

async fn site() -> (Site, Person) {
    let stage = Stage::with(Kind::Dataverse, original::tables()).await;
    let ann = stage.person("ann@example.com").await;
    (Site::start(stage, &[&ann]).await, ann)
}

fn command(place: &Place, site: &Site, token: &str, args: &[&str]) -> Command {
    let mut command = place.command(args);
    command
        .env("DATAVERSE_URL", &site.url)
        .env("DATAVERSE_TOKEN", token);
    command
}

fn run(place: &Place, site: &Site, token: &str, args: &[&str]) -> Ran {
    Ran::of(
        command(place, site, token, args)
            .output()
            .expect("the program starts"),
    )
}

fn json(place: &Place, site: &Site, token: &str, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let ran = run(place, site, token, &args);
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
    serde_json::from_str(&ran.out).expect("it printed JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_files_sees_explains_and_cancels_with_the_originals_columns_only() {
    let (site, ann) = site().await;
    let place = Place::new();
    let me = ann.email.as_str();
    let id = json(&place, &site, me, &["submit", "say hello"])["id"].clone();
    let id = id.as_str().unwrap();
    assert_eq!(json(&place, &site, me, &["list"])[0]["id"], id);
    assert_eq!(json(&place, &site, me, &["show", id])["status"], "Pending");
    assert_eq!(run(&place, &site, me, &["why", id]).code, 0);
    assert_eq!(run(&place, &site, me, &["logs", id]).code, 0);
    assert_eq!(run(&place, &site, me, &["cancel", id]).code, 0);
    let ran = run(&place, &site, me, &["list"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("say hello"), "{}", ran.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_cannot_hold_is_said_or_refused() {
    let (site, ann) = site().await;
    let place = Place::new();
    let me = ann.email.as_str();
    let urgent = run(&place, &site, me, &["submit", "x", "--priority", "9"]);
    assert_eq!(urgent.code, 0, "{}", urgent.err);
    assert!(urgent.err.contains("priority is ignored"), "{}", urgent.err);
    let agent = run(&place, &site, me, &["submit", "x", "--agent", "codex"]);
    agent.fails(3, &["cr_input", "without them"]);
    let workers = run(&place, &site, ADMIN_TOKEN, &["workers"]);
    assert_eq!(workers.code, 0, "{}", workers.err);
    assert!(
        workers.err.contains("no table of workers"),
        "{}",
        workers.err
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_the_original_ended_is_shown_as_it_ended() {
    let (site, ann) = site().await;
    let place = Place::new();
    let canceled = ann.files("stopped").await;
    let cells = [(tasks::STATUS, TaskStatus::Canceled.code().into())];
    ann.edits(canceled, &cells).await;
    let shown = json(&place, &site, &ann.email, &["show", &canceled.to_string()]);
    assert_eq!(shown["status"], "Canceled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_a_required_column_ends_a_run_with_what_to_do() {
    let fewer: Vec<&str> = original::COLUMNS
        .into_iter()
        .filter(|name| *name != "cr_ismirror")
        .collect();
    let stage = Stage::with(Kind::Dataverse, original::with_columns(&fewer)).await;
    let site = Site::start(stage, &[]).await;
    let place = Place::new();
    let ran = run(&place, &site, ADMIN_TOKEN, &["orchestrate", "--once"]);
    ran.fails(3, &["cr_ismirror", "shraga schema apply"]);
    assert_eq!(site.writes(), 0);
}
