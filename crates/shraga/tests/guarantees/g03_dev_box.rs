//! Guarantee 3: Dev Box configuration that is missing, wrong or broken never stops the orchestrator. It warns
//! once, says why where a person looks, and everything else goes on.

use crate::common::Place;
use crate::daemon::Daemon;

/// Starts an orchestrator with these variables, and sees that it says these words once and does its work.
#[track_caller]
fn goes_on_and_says(env: &[(&str, &str)], words: &[&str]) {
    let place = Place::new();
    let _store = place.start(&["serve"]);
    let mut daemon = Daemon::orchestrate(&place, env);
    daemon.until_said(&["provisioning is off"]);
    daemon.until_said(words);
    let task = place.submit(&["work"]);
    place.until_status(&task, "Queued");
    assert_eq!(daemon.count("provisioning is off"), 1, "{}", daemon.said());
    assert!(daemon.stop().success());
}

#[test]
fn guarantee_03_missing_settings_turn_provisioning_off_and_nothing_else() {
    goes_on_and_says(&[], &["DEVCENTER_ENDPOINT and DEVBOX_PROJECT are not set"]);
    goes_on_and_says(
        &[("DEVCENTER_ENDPOINT", ""), ("DEVBOX_PROJECT", "agents")],
        &["WARN", "DEVCENTER_ENDPOINT is not set"],
    );
}

#[test]
fn guarantee_03_an_endpoint_that_is_no_address_is_named_with_what_it_must_be() {
    let project = ("DEVBOX_PROJECT", "agents");
    goes_on_and_says(
        &[("DEVCENTER_ENDPOINT", "not an address"), project],
        &[
            "WARN",
            "DEVCENTER_ENDPOINT is \"not an address\", which is no address",
        ],
    );
    goes_on_and_says(
        &[("DEVCENTER_ENDPOINT", "http://center.example.org"), project],
        &["WARN", "must be https://"],
    );
}

#[test]
fn guarantee_03_every_other_wrong_setting_is_named_in_the_same_line() {
    goes_on_and_says(
        &[
            ("DEVCENTER_ENDPOINT", "https://127.0.0.1:9"),
            ("DEVBOX_PROJECT", "../other"),
            ("DEVBOX_POOL", "?"),
            ("PROVISION_THRESHOLD", "many"),
        ],
        &[
            "DEVBOX_PROJECT is \"../other\"",
            "DEVBOX_POOL is \"?\"",
            "PROVISION_THRESHOLD is \"many\"",
        ],
    );
}

#[test]
fn guarantee_03_right_settings_without_a_credential_are_told_and_everything_else_goes_on() {
    let place = Place::new();
    let _store = place.start(&["serve"]);
    let env = [
        ("DEVCENTER_ENDPOINT", "https://center.invalid"),
        ("DEVBOX_PROJECT", "agents"),
        // Nobody's tool is here, and the machine's own identity is not looked for.
        ("AZURE_TOKEN_CREDENTIALS", "AzureDeveloperCliCredential"),
    ];
    let mut daemon = Daemon::orchestrate(&place, &env);
    daemon.until_said(&[
        "WARN",
        "Dev Box machines can't be looked after, all else goes on",
    ]);
    let task = place.submit(&["work"]);
    place.until_status(&task, "Queued");
    assert_eq!(
        daemon.count("can't be looked after"),
        1,
        "{}",
        daemon.said()
    );
    assert_eq!(daemon.count("provisioning is off"), 0, "{}", daemon.said());
    assert!(daemon.stop().success());
}

#[test]
fn guarantee_03_settings_of_a_wrong_type_in_the_file_stop_nothing_either() {
    let place =
        Place::with_config("[provision]\nendpoint = 7\nproject = [\"a\"]\nthreshold = true\n");
    let _store = place.start(&["serve"]);
    let mut daemon = Daemon::orchestrate(&place, &[]);
    daemon.until_said(&[
        "DEVCENTER_ENDPOINT is \"7\"",
        "PROVISION_THRESHOLD is \"true\"",
    ]);
    let task = place.submit(&["work"]);
    place.until_status(&task, "Queued");
}
