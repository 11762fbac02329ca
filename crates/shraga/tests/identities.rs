//! Two orchestrators with two identities at one store, through the real binary.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::Place;

/// Arguments that make a verb act as another admin.
fn second(place: &Place) -> Vec<String> {
    let who = ["--user", "second@example.com", "--role", "admin"];
    let made = place.json(&[&["token", "create"][..], &who].concat());
    let file = place.path().join("second.token");
    let token = made["token"].as_str().expect("it prints the token");
    std::fs::write(&file, token).expect("a temporary folder takes files");
    let url = place.endpoint()["url"]
        .as_str()
        .expect("it is told")
        .to_owned();
    let file = file.to_string_lossy().into_owned();
    ["--url", &url, "--token-file", &file]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn an_orchestrator_beside_another_admins_open_tasks_ends_with_7_and_says_what_to_do() {
    let place = Place::new();
    let _running = place.start(&["serve"]);
    let first = place.submit(&["the first's"]);
    assert_eq!(place.run(&["orchestrate", "--once"]).code, 0);
    let new = place.submit(&["new"]);

    let second = second(&place);
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    let once = [&["orchestrate", "--once"][..], &second].concat();
    place.run(&once).fails(
        7,
        &[
            "nothing was begun",
            "another admin",
            "2 tasks wait",
            "Under another identity",
        ],
    );
    let doctor = place.run(&[&["doctor"][..], &second].concat());
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    assert!(
        doctor
            .out
            .contains("open tasks are seen to by another admin"),
        "{}",
        doctor.out
    );

    // The first goes on; once its tasks have ended, the second may begin.
    assert_eq!(place.run(&["orchestrate", "--once"]).code, 0);
    for task in [&first, &new] {
        assert_eq!(place.run(&["cancel", task]).code, 0);
    }
    assert_eq!(place.run(&["orchestrate", "--once"]).code, 0);
    let ran = place.run(&once);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let doctor = place.run(&[&["doctor"][..], &second].concat());
    assert!(
        doctor
            .out
            .contains("no open task is seen to by another admin"),
        "{}",
        doctor.out
    );
}
