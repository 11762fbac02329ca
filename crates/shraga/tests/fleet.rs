//! The fleet through the real binary: pausing updates, going on, and what is shown of workers' releases.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::{Place, until};
use serde_json::Value;

#[test]
fn updates_are_paused_once_and_everybody_is_told_by_whom_and_why() {
    let place = Place::new();
    let _running = place.start(&["up", "--workers", "1"]);
    let resumed = place.run(&["update", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(resumed.out.contains("not paused"), "{}", resumed.out);

    let paused = place.run(&["update", "--pause", "--why", "a fair\nuntil noon"]);
    assert_eq!(paused.code, 0, "{}", paused.err);
    assert!(paused.out.contains("updates are paused"), "{}", paused.out);
    assert!(paused.err.contains("--resume"), "{}", paused.err);
    let again = place.run(&["update", "--pause", "--why", "another", "--json"]);
    let told: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(told["changed"], false);
    assert_eq!(told["paused"]["why"], "a fair until noon");
    assert!(!told["paused"]["by"].as_str().unwrap().is_empty());

    // There is no checkout here: what the store says is said all the same.
    let check = place.run(&["update", "--check"]);
    assert!(
        check.out.contains("were paused by"),
        "{} {}",
        check.out,
        check.err
    );
    let check = place.run(&["update", "--check", "--json"]);
    let told: Value = serde_json::from_str(&check.out).unwrap();
    assert_eq!(told["fleet"]["paused"]["why"], "a fair until noon");
    let doctor = place.run(&["doctor"]);
    assert!(doctor.out.contains("update --resume"), "{}", doctor.out);

    let resumed = place.run(&["update", "--resume"]);
    assert!(resumed.out.contains("updates go on"), "{}", resumed.out);
    let check = place.run(&["update", "--check"]);
    assert!(!check.out.contains("paused"), "{}", check.out);
}

#[test]
fn workers_are_listed_with_what_they_run_and_the_fleet_is_no_worker() {
    let place = Place::new();
    let config = "[agents.idle]\nkind = \"command\"\nprogram = [\"true\"]\n";
    std::fs::write(place.path().join("shraga.toml"), config).unwrap();
    let _running = place.start(&["up", "--workers", "1"]);
    assert_eq!(place.run(&["update", "--pause"]).code, 0);
    until("a worker", || !place.run(&["workers"]).out.is_empty());
    let table = place.run(&["workers"]);
    assert!(table.out.contains("VERSION"), "{}", table.out);
    let ran = place.run(&["workers", "--json"]);
    let workers: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(workers.len(), 1, "{}", ran.out);
    assert_eq!(workers[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(workers[0]["release"], Value::Null);
    assert_eq!(workers[0]["update"], "off");
}

#[test]
fn only_an_admin_pauses_and_a_pause_needs_a_store() {
    let place = Place::new();
    let nowhere = place.run(&["update", "--pause"]);
    assert_ne!(nowhere.code, 0);
    assert!(!nowhere.err.is_empty());
    let _running = place.start(&["up"]);
    let token = place.data().join("user.token");
    let token = token.display().to_string();
    let hers = place.run(&["--token-file", &token, "update", "--pause"]);
    assert_eq!(hers.code, 4, "{} {}", hers.out, hers.err);
    assert!(hers.err.contains("only an admin"), "{}", hers.err);
    let why = place.run(&["update", "--resume", "--why", "x"]);
    assert_eq!(why.code, 2, "{}", why.err);
}
