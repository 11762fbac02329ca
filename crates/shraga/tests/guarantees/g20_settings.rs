//! Guarantee 20: every setting has a documented default or says what it is needed for, and `shraga config` prints
//! each effective value and where it came from.

use serde_json::Value;

use crate::common::Place;

/// The environment of the original, each with another value than its default.
const ORIGINAL: [(&str, &str, &str); 10] = [
    (
        "DATAVERSE_URL",
        "store.url",
        "https://org.crm4.dynamics.com/",
    ),
    ("TABLE_NAME", "schema.tasks", "new_tasks"),
    ("WORKERS_TABLE", "schema.workers", "new_workers"),
    (
        "DEVCENTER_ENDPOINT",
        "provision.endpoint",
        "https://c.example.org",
    ),
    ("DEVBOX_PROJECT", "provision.project", "project"),
    ("DEVBOX_POOL", "provision.pool", "pool"),
    ("PROVISION_THRESHOLD", "provision.threshold", "7"),
    ("GIT_BRANCH", "update.branch", "stable"),
    ("GIT_TIMEOUT", "update.git_timeout_seconds", "61"),
    ("REQUEST_TIMEOUT", "store.request_timeout_seconds", "31"),
];

fn entry<'a>(entries: &'a Value, key: &str) -> &'a Value {
    let entries = entries.as_array().unwrap();
    entries.iter().find(|entry| entry["key"] == key).unwrap()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn guarantee_20_every_setting_has_a_default_or_says_what_it_is_needed_for() {
    let place = Place::new();
    for entry in place.json(&["config"]).as_array().unwrap() {
        let about = entry["about"].as_str().unwrap();
        assert!(!about.is_empty(), "{entry}");
        let explained =
            about.contains("Unset") || about.contains("Needed for") || about.contains("unset");
        assert!(!entry["value"].is_null() || explained, "{entry}");
    }
}

#[test]
fn guarantee_20_every_variable_of_the_original_counts_and_config_says_so() {
    let place = Place::new();
    let defaults = place.json(&["config"]);
    let mut command = place.command(&["config", "--json"]);
    command.envs(ORIGINAL.map(|(name, _, value)| (name, value)));
    let ran = crate::daemon::run_bounded(command);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let entries: Value = serde_json::from_str(&ran.out).unwrap();
    for (name, key, value) in ORIGINAL {
        let shown = entry(&entries, key);
        assert_eq!(text(&shown["value"]), value, "{name}");
        assert_eq!(shown["origin"], format!("environment {name}"));
        assert_ne!(
            text(&entry(&defaults, key)["value"]),
            value,
            "{name} shows nothing"
        );
    }
}

#[test]
fn guarantee_20_flags_win_over_environment_over_file_over_defaults_and_the_origin_is_shown() {
    let place = Place::with_config("[store]\nrequest_timeout_seconds = 11\nca_file = \"f\"\n");
    let mut command = place.command(&["config", "--json", "--url", "https://flag.example.org"]);
    command
        .env("DATAVERSE_URL", "https://env.example.org")
        .env("REQUEST_TIMEOUT", "12");
    let ran = crate::daemon::run_bounded(command);
    let entries: Value = serde_json::from_str(&ran.out).unwrap();
    for (key, value, origin) in [
        ("store.url", "https://flag.example.org/", "flag"),
        (
            "store.request_timeout_seconds",
            "12",
            "environment REQUEST_TIMEOUT",
        ),
        ("store.ca_file", "f", "shraga.toml"),
        ("assign.tick_seconds", "10", "default"),
    ] {
        let shown = entry(&entries, key);
        assert_eq!(
            (
                text(&shown["value"]).as_str(),
                text(&shown["origin"]).as_str()
            ),
            (value, origin)
        );
    }
}

#[test]
fn guarantee_20_secrets_are_masked_and_what_is_missing_says_how_to_set_it() {
    let place = Place::new();
    let mut command = place.command(&["config"]);
    command.env("DATAVERSE_TOKEN", "hush-hush");
    let ran = crate::daemon::run_bounded(command);
    assert!(
        ran.out.contains("***") && !ran.out.contains("hush-hush"),
        "{}",
        ran.out
    );
    place
        .run(&["orchestrate"])
        .fails(3, &["DATAVERSE_URL is not set", "hint:", "DATAVERSE_URL"]);
    let place = Place::with_config("[agents.a]\nkind = \"command\"\n");
    place
        .run(&["worker"])
        .fails(3, &["agents.a.program", "needed for every agent"]);
}
