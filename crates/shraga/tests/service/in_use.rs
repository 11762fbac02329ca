//! One process a folder: the second one says who has it, and whoever died has nothing.

use std::fs;

use serde_json::Value;

use crate::common::{Place, Running, until};

const AGENT: &str = "[agents.a]\nkind = \"command\"\nprogram = [\"true\"]\n";

/// The note of who has the data folder.
fn note(place: &Place) -> Value {
    let text = fs::read_to_string(place.data().join("holder.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn pid(place: &Place) -> String {
    note(place)["process"]["pid"].to_string()
}

#[test]
fn whoever_comes_second_is_told_who_has_the_data_folder() {
    let place = Place::with_config(AGENT);
    let store = place.start(&["serve"]);
    let first = pid(&place);
    for verb in ["serve", "up"] {
        let second = place.run(&[verb]);
        second.fails(7, &["in use", &first, "`shraga serve` since 20", "--data"]);
    }
    // It is still the first one's.
    assert_eq!(pid(&place), first);
    store.stop();
    let up = place.start(&["up"]);
    let second = place.run(&["serve"]);
    second.fails(7, &[&pid(&place), "`shraga up`"]);
    assert_ne!(pid(&place), first);
    up.stop();
}

#[test]
fn a_holder_that_was_killed_keeps_nobody_out_and_is_never_named() {
    let place = Place::new();
    place.start(&["serve"]).kill();
    let dead = note(&place);
    let _store: Running = place.start(&["serve"]);
    until("the next one noted itself", || note(&place) != dead);
    // As if the next one had not come to note itself.
    fs::write(place.data().join("holder.json"), dead.to_string()).unwrap();
    let second = place.run(&["serve"]);
    second.fails(7, &["in use", "isn't told which process"]);
    let dead = dead["process"]["pid"].to_string();
    assert!(!second.err.contains(&dead), "{}", second.err);
}

#[test]
fn a_second_worker_in_a_folder_is_told_who_has_it() {
    let place = Place::with_config(AGENT);
    let _store = place.start(&["serve"]);
    let worker = place.start(&["worker", "--name", "one"]);
    let file = place.data().join("work/one/holder.json");
    until("the worker has its folder", || file.is_file());
    let note: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let pid = note["process"]["pid"].to_string();
    let second = place.run(&["worker", "--name", "one"]);
    second.fails(7, &[&pid, "`shraga worker` since 20", "--name"]);
    worker.kill();
    let next = place.start(&["worker", "--name", "one"]);
    until("the next one has it", || {
        fs::read(&file).is_ok_and(|text| !String::from_utf8_lossy(&text).contains(&pid))
    });
    next.kill();
}
