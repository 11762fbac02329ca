//! Wrong input gets a documented exit code, a message that names it, and loses nothing.

#[cfg(test)]
mod common;

use common::{Place, Running};

fn serving(place: &Place) -> Running {
    place.start(&["serve", "--data", ".shraga"])
}

#[test]
fn an_unknown_verb_or_flag_is_a_usage_error_with_the_nearest_known_one() {
    let place = Place::new();
    place.run(&["submti", "x"]).fails(2, &["submti", "submit"]);
    place.run(&["list", "--jsn"]).fails(2, &["--jsn", "--json"]);
    place
        .run(&["submit", "x", "--priority", "101"])
        .fails(2, &["101"]);
}

#[test]
fn a_wrong_configuration_is_named_with_key_and_nearest_key() {
    let place = Place::with_config("[worker]\nslot = 2\n");
    place
        .run(&["config"])
        .fails(3, &["worker.slot", "did you mean `worker.slots`?", "hint:"]);
    let place = Place::with_config("[worker\n");
    place.run(&["config"]).fails(3, &["shraga.toml", "TOML"]);
    let place = Place::new();
    place
        .run(&["--config", "nowhere.toml", "config"])
        .fails(3, &["nowhere.toml"]);
    place
        .run(&["list", "--url", "http://example.org"])
        .fails(3, &["store.url", "flag", "https://"]);
    place
        .run(&["--log-level", "=,=", "serve"])
        .fails(3, &["log.level"]);
}

#[test]
fn without_a_store_the_verbs_say_what_to_set() {
    let place = Place::new();
    for verb in [
        &["list"][..],
        &["submit", "x"],
        &["workers"],
        &["plan"],
        &["orchestrate", "--once"],
        &["token", "list"],
    ] {
        place.run(verb).fails(3, &["DATAVERSE_URL", "hint:"]);
    }
    place
        .run(&["list", "--url", "https://org.example"])
        .fails(4, &["token", "AZURE_CLIENT_ID", "hint:"]);
}

#[test]
fn a_store_that_is_gone_is_unreachable_with_a_hint() {
    let place = Place::new();
    serving(&place).kill();
    place
        .run(&["list"])
        .fails(5, &["no store is running", "hint:", "shraga up"]);
    let running = serving(&place);
    assert!(running.stop().success());
    place.run(&["list"]).fails(5, &["no store is running"]);
}

#[test]
fn a_data_folder_or_a_port_in_use_is_a_conflict() {
    let place = Place::new();
    let _running = serving(&place);
    place
        .run(&["serve", "--data", ".shraga"])
        .fails(7, &["in use", "hint:", "--data"]);
    place
        .run(&["up", "--data", ".shraga"])
        .fails(7, &["in use", "--data"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place
        .run(&["serve", "--data", "other", "--listen", &address])
        .fails(7, &[&address, "in use", "--listen"]);
    place
        .run(&["serve", "--data", "other", "--listen", "nonsense"])
        .fails(3, &["nonsense"]);
    place
        .run(&["serve", "--data", "other", "--listen", "0.0.0.0:0"])
        .fails(2, &["unencrypted", "--insecure"]);
    assert_eq!(place.run(&["list"]).code, 0, "the first store goes on");
}

#[test]
fn a_wrong_token_is_refused_as_such() {
    let place = Place::new();
    let _running = serving(&place);
    std::fs::write(place.path().join("wrong"), "shr_nonsense\n").unwrap();
    place
        .run(&["list", "--token-file", "wrong"])
        .fails(4, &["token", "hint:"]);
    place
        .run(&["list", "--token-file", "absent"])
        .fails(3, &["absent"]);
    let user = place.data().join("user.token");
    let user = user.to_str().unwrap();
    place
        .run(&["orchestrate", "--once", "--token-file", user])
        .fails(4, &["admin"]);
    place
        .run(&["token", "list", "--token-file", user])
        .fails(4, &[]);
}

#[test]
fn what_does_not_exist_is_not_found() {
    let place = Place::new();
    let _running = serving(&place);
    let nobody = "0193f0a1-b2c3-7d4e-8f90-112233445566";
    for verb in ["show", "why", "logs", "cancel"] {
        place.run(&[verb, nobody]).fails(6, &[nobody]);
        place.run(&[verb, "0193"]).fails(6, &["0193"]);
        place.run(&[verb, "not hex"]).fails(2, &["not hex"]);
    }
    place.run(&["token", "revoke", nobody]).fails(6, &[nobody]);
}

#[test]
fn a_task_that_does_not_fit_is_refused_before_it_is_filed() {
    let place = Place::new();
    let _running = serving(&place);
    place
        .run(&["submit", "x", "--name", &"n".repeat(101)])
        .fails(2, &["101", "100"]);
    place.run(&["submit", "  "]).fails(2, &["empty", "hint:"]);
    place
        .run(&["submit", &"p".repeat(100_001)])
        .fails(2, &["100001", "100000"]);
    assert_eq!(place.json(&["list"]), serde_json::json!([]));
}

#[test]
fn the_orchestrators_own_identity_files_nothing() {
    let place = Place::new();
    let _running = serving(&place);
    let admin = place.data().join("admin.token");
    place
        .run(&["submit", "x", "--token-file", admin.to_str().unwrap()])
        .fails(2, &["orchestrator", "hint:"]);
    assert_eq!(place.json(&["list"]), serde_json::json!([]));
}

#[test]
fn a_worker_without_an_agent_says_how_to_configure_one() {
    let place = Place::new();
    place.run(&["worker"]).fails(3, &["agent", "[agents."]);
}

#[test]
fn a_shortened_identity_that_fits_several_tasks_lists_them() {
    let place = Place::new();
    let _running = serving(&place);
    let first = place.submit(&["first"]);
    let second = place.submit(&["second"]);
    let shared: String = first
        .chars()
        .zip(second.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a)
        .collect();
    place
        .run(&["show", &shared])
        .fails(2, &[&first, &second, "hint:"]);
    let unique = &first[..=shared.len()];
    assert_eq!(place.json(&["show", unique])["name"], "first");
}
