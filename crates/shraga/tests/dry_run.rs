//! `orchestrate --dry-run`: compared with the original, and nothing written.

#[cfg(test)]
mod common;

use std::process::{Command, Stdio};

use common::{Place, Ran, until};
use serde_json::Value;
use shraga_core::row::tasks;
use shraga_testkit::original;
use shraga_testkit::site::{ADMIN_TOKEN, Site};
use shraga_testkit::stage::{Kind, Stage};
use uuid::Uuid;

fn dry_run(place: &Place, site: &Site, more: &[&str]) -> Command {
    let mut command = place.command(&["orchestrate", "--dry-run"]);
    command
        .args(more)
        .env("DATAVERSE_URL", &site.url)
        .env("DATAVERSE_TOKEN", ADMIN_TOKEN);
    command
}

async fn original_stage() -> Stage {
    Stage::with(Kind::Dataverse, original::tables()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_shows_both_and_writes_nothing_anywhere() {
    let stage = original_stage().await;
    let ann = stage.person("ann@example.com").await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let worker = Uuid::now_v7();
    let file = place.path().join(".orchestrator_state.json");
    let text = format!(r#"{{"admin_user_id": "stale", "shared_workers": ["{worker}"]}}"#);
    std::fs::write(&file, &text).unwrap();
    let task = ann.files("fix the build").await;
    ann.edits(task, &[(tasks::IS_MIRROR, false.into())]).await;
    // As a row is that was filed before the column was added: the original never finds it.
    let unseen = ann.files("filed long ago").await;
    let before = site.stage.store().version();
    let ran = Ran::of(dry_run(&place, &site, &["--once"]).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    for words in [
        task.to_string().as_str(),
        unseen.to_string().as_str(),
        "its question does not find it",
        "shraga    mirror task",
        "assign to legacy worker",
        "original  POST a new mirror",
        "original  PATCH the new mirror",
        worker.to_string().as_str(),
    ] {
        assert!(ran.out.contains(words), "{words:?} is not in {}", ran.out);
    }
    assert!(!ran.out.contains("please do"), "no prompt: {}", ran.out);
    assert_eq!(site.writes(), 0);
    assert_eq!(site.stage.store().version(), before);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_for_scripts_is_an_object_a_pass() {
    let stage = original_stage().await;
    let ann = stage.person("ann@example.com").await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let task = ann.files("one").await;
    ann.edits(task, &[(tasks::IS_MIRROR, false.into())]).await;
    let ran = Ran::of(
        dry_run(&place, &site, &["--once", "--json"])
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    let pass: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(pass["pass"], 1);
    let one = &pass["tasks"][0];
    assert_eq!(one["task"], task.to_string());
    assert_eq!(one["found_by_original"], true);
    assert_eq!(one["original"], serde_json::json!([]), "it has no workers");
    assert_eq!(one["shraga"][0]["writes"][0]["condition"], "absent");
    assert_eq!(site.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_goes_on_until_it_is_stopped_and_shows_what_is_new() {
    let stage = original_stage().await;
    let ann = stage.person("ann@example.com").await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::with_config("[assign]\ntick_seconds = 1\n");
    let out = place.path().join("out");
    let mut child = dry_run(&place, &site, &[])
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let shows = |words: &str| std::fs::read_to_string(&out).unwrap().contains(words);
    until("the first pass is shown", || shows("pass 1: 0 tasks"));
    let task = ann.files("late").await;
    until("the new task is shown", || shows(&task.to_string()));
    let asked = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(asked.unwrap().success());
    assert!(child.wait().unwrap().success());
    let shown = std::fs::read_to_string(&out).unwrap();
    assert_eq!(shown.matches("pass ").count(), 2, "once each: {shown}");
    assert_eq!(site.writes(), 0);
}
