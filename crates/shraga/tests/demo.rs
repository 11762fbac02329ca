//! The first thing a newcomer runs.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::Place;

#[test]
fn the_demo_files_real_tasks_and_each_ends_as_it_should() {
    let place = Place::new();
    let ran = place.run(&["up", "--demo", "--exit-when-idle"]);
    assert_eq!(ran.code, 0, "out: {}\nerr: {}", ran.out, ran.err);
    for words in [
        "6 of 6 tasks ended as they should",
        "Canceled",
        "17984",
        "committed",
    ] {
        assert!(ran.out.contains(words), "{words} is not in:\n{}", ran.out);
    }
    // Once more over the same data: the scratch repository and the store are reused.
    let again = place.run(&["up", "--demo", "--exit-when-idle", "--json"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let tasks: serde_json::Value = serde_json::from_str(&again.out).unwrap();
    assert!(
        tasks
            .as_array()
            .unwrap()
            .iter()
            .all(|task| task["as_expected"] == true)
    );
}
