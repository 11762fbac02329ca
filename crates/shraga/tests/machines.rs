//! `shraga machines` and what it wishes, with the processes of `shraga up --workers MIN..MAX`.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::{Place, until};
use serde_json::Value;

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
