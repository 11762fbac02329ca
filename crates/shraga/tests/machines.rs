//! `shraga machines` and what it wishes, with the processes of `shraga up --workers MIN..MAX`.
#![cfg(unix)]

#[cfg(test)]
mod common;

use std::path::{Path, PathBuf};

use common::{Place, until};
use serde_json::Value;

/// A machine as `up` is told to delete it: its name, worker and folder.
struct Doomed {
    name: String,
    worker: String,
    folder: PathBuf,
}

impl Doomed {
    /// The only one there is.
    fn of(place: &Place) -> Self {
        let machine = machine(place);
        let text = |key: &str| machine[key].as_str().expect("it is text").to_owned();
        let folder = place.data().join("machines").join(text("name"));
        assert!(folder.join("token").is_file());
        Self {
            name: text("name"),
            worker: text("worker"),
            folder,
        }
    }

    fn has_token(&self, place: &Place) -> bool {
        let tokens = place.json(&["token", "list"]);
        let tokens = tokens.as_array().expect("a list").clone();
        tokens.iter().any(|it| it["worker"] == self.worker.as_str())
    }

    fn is_gone(&self, place: &Place) {
        is(place, "gone");
        assert!(!self.folder.exists(), "its folder is removed");
        assert!(!self.has_token(place), "its token is revoked");
    }
}

fn outbox(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("work").join("outbox"));
    let entries = entries.into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn place() -> Place {
    let place = Place::new();
    let config = "[agents.say]\nkind = \"command\"\nprogram = [\"echo\", \"said\"]\n";
    std::fs::write(place.path().join("shraga.toml"), config)
        .expect("a temporary folder takes files");
    place
}

fn machine(place: &Place) -> Value {
    let ran = place.run(&["machines", "--all", "--json"]);
    let all: Vec<Value> = serde_json::from_str(&ran.out).unwrap_or_default();
    all.into_iter().next().unwrap_or_default()
}

fn is(place: &Place, stage: &str) {
    until(&format!("the machine is {stage}"), || {
        machine(place)["stage"] == stage
    });
}

#[test]
fn an_admin_stops_and_starts_a_machine_and_a_dry_run_changes_nothing() {
    let place = place();
    let up = place.start(&["up", "--workers", "0..2"]);
    place.until_status(&place.submit(&["a task"]), "Completed");
    is(&place, "up");
    let name = machine(&place)["name"].as_str().unwrap().to_owned();
    let shown = place.run(&["machines"]);
    assert!(shown.out.contains(&name), "{}", shown.out);
    let why = place.run(&["machines", "why", &name[..name.len() - 1]]);
    assert!(why.out.contains("its worker has checked in"), "{}", why.out);
    let dry = place.run(&["machines", "stop", &name, "--dry-run"]);
    assert!(dry.out.contains("it is stopped"), "{}", dry.out);
    assert_eq!(machine(&place)["wish"], Value::Null);
    let stop = place.run(&["machines", "stop", &name]);
    assert_eq!(stop.code, 0, "{}", stop.err);
    is(&place, "asleep");
    let start = place.run(&["machines", "start", &name]);
    assert_eq!(start.code, 0, "{}", start.err);
    is(&place, "up");
    let costs = place.run(&["costs", "--machines", "--json"]);
    let costs: Value = serde_json::from_str(&costs.out).unwrap();
    assert_eq!(costs["rows"][0]["name"], name.as_str(), "{costs}");
    assert_eq!(costs["total"]["cost_usd"], 0.0, "{costs}");
    assert!(up.stop().success());
}

#[test]
fn what_is_wished_of_no_machine_or_by_no_admin_is_refused() {
    let place = place();
    let up = place.start(&["up", "--workers", "1..2"]);
    is(&place, "up");
    let nobody = place.run(&["machines", "stop", "nobody"]);
    assert_eq!(nobody.code, 6, "{}", nobody.err);
    let token = place.data().join("user.token").display().to_string();
    let refused = place.run(&["machines", "stop", "local", "--token-file", &token]);
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(up.stop().success());
}

#[test]
fn a_deleted_machine_leaves_neither_folder_nor_token_and_its_name_is_used_again() {
    let place = place();
    let up = place.start(&["up", "--workers", "0..1"]);
    place.until_status(&place.submit(&["a task"]), "Completed");
    is(&place, "up");
    let doomed = Doomed::of(&place);
    assert!(doomed.has_token(&place));
    let deleted = place.run(&["machines", "delete", &doomed.name]);
    assert_eq!(deleted.code, 0, "{}", deleted.err);
    doomed.is_gone(&place);
    place.until_status(&place.submit(&["another"]), "Completed");
    let again = Doomed::of(&place);
    assert_eq!((&again.name, &again.worker), (&doomed.name, &doomed.worker));
    assert!(up.stop().success());
}

#[test]
fn a_machine_is_removed_only_when_its_reports_were_taken() {
    let place = Place::new();
    let config = format!(
        "[agents.wait]\nkind = \"command\"\nprogram = [\"sh\", \"-c\", \"echo begun > {0}/begun; until [ -e {0}/go ]; do sleep 0.02; done\"]\n",
        place.path().display()
    );
    std::fs::write(place.path().join("shraga.toml"), config).unwrap();
    let up = place.start(&["up", "--workers", "0..1"]);
    let task = place.submit(&["a task"]);
    until("its agent runs", || place.path().join("begun").exists());
    let doomed = Doomed::of(&place);
    // Its report is made while there is no store to take it.
    up.kill();
    std::fs::write(place.path().join("go"), "").unwrap();
    until("there is a report", || !outbox(&doomed.folder).is_empty());
    let report = outbox(&doomed.folder).remove(0);
    let copy = place.path().join("report");
    std::fs::copy(&report, &copy).unwrap();
    let up = place.start(&["up", "--workers", "0..1"]);
    place.until_status(&task, "Completed");
    let stopped = place.run(&["machines", "stop", &doomed.name]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    is(&place, "asleep");
    // One that was taken already, as after an answer that was lost; and one that can't be read.
    let spoiled = doomed
        .folder
        .join("work/outbox/00000000000000000099.spoiled");
    std::fs::copy(&copy, &report).unwrap();
    std::fs::write(&spoiled, "nobody can read this").unwrap();
    let deleted = place.run(&["machines", "delete", &doomed.name]);
    assert_eq!(deleted.code, 0, "{}", deleted.err);
    until("why it waits is said", || {
        let why = place.run(&["machines", "why", &doomed.name]);
        why.out.contains("reports of it were not taken yet")
    });
    until("its worker brings the report home", || !report.exists());
    assert_eq!(outbox(&doomed.folder), std::slice::from_ref(&spoiled));
    assert!(doomed.has_token(&place), "its worker needs it");
    std::fs::remove_file(&spoiled).unwrap();
    doomed.is_gone(&place);
    let task = place.json(&["show", &task]);
    assert_eq!(task["status"], "Completed", "nothing is done twice: {task}");
    assert_eq!(task["attempt"], 1, "{task}");
    assert!(up.stop().success());
}

#[test]
fn a_removal_that_was_cut_short_is_finished_by_the_next_up() {
    let place = place();
    let up = place.start(&["up", "--workers", "0..1"]);
    place.until_status(&place.submit(&["a task"]), "Completed");
    is(&place, "up");
    let doomed = Doomed::of(&place);
    let deleted = place.run(&["machines", "delete", &doomed.name]);
    assert_eq!(deleted.code, 0, "{}", deleted.err);
    // At whatever point of it.
    up.kill();
    let left = place.data().join("machines/.removed-local-pool-9");
    std::fs::create_dir_all(left.join("work")).unwrap();
    let up = place.start(&["up", "--workers", "0..1"]);
    doomed.is_gone(&place);
    assert!(!left.exists(), "what an earlier removal left is removed");
    assert!(up.stop().success());
}
