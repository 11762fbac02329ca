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

#[test]
fn what_failed_is_tried_again_when_an_admin_says_so() {
    let place = Place::new();
    let _running = place.start(&["up"]);
    let nothing = place.run(&["update", "--retry"]);
    assert_eq!(nothing.code, 0, "{}", nothing.err);
    assert!(
        nothing.out.contains("nothing is refused"),
        "{}",
        nothing.out
    );
    let root = place.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let failed = |version: &str| {
        format!(
            r#"{{"release": "{version}-0123456789ab", "step": "test", "said": "no", "at_ms": 0}}"#
        )
    };
    let record = format!(
        r#"{{"form": 1, "under_way": null, "failed": [{}, {}]}}"#,
        failed("1.1.0"),
        failed("1.2.0")
    );
    std::fs::write(root.join("record.json"), record).unwrap();
    let root_name = root.display().to_string();
    let retry = |more: &[&str]| {
        let mut args = vec!["update", "--retry", "--root", &root_name];
        args.extend_from_slice(more);
        place.run(&args)
    };
    let named = retry(&["--to", "1.1.0", "--json"]);
    let told: Value = serde_json::from_str(&named.out).unwrap();
    assert_eq!(told["forgiven_here"], "1.1.0-0123456789ab");
    assert_eq!(
        (&told["changed"], &told["lifted"]),
        (&true.into(), &Value::Null)
    );
    let other = retry(&["--to", "1.1.0"]);
    assert!(other.out.contains("1.1.0 is not refused"), "{}", other.out);
    let last = retry(&[]);
    assert!(
        last.out.contains("1.2.0-0123456789ab may be tried again"),
        "{}",
        last.out
    );
    let record = std::fs::read_to_string(root.join("record.json")).unwrap();
    assert!(!record.contains("0123456789ab"), "{record}");
    let token = place.data().join("user.token").display().to_string();
    let hers = place.run(&["--token-file", &token, "update", "--retry"]);
    assert_eq!(hers.code, 4, "{} {}", hers.out, hers.err);
}
