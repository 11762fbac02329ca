//! Guarantee 14: a timeout, a refused connection, a TLS failure, a DNS failure, a throttle, an authentication
//! failure and a bad answer read differently in the log, each with what to do.

use shraga_testkit::evil::{Act, Certificate, Evil, Options, always, json, reply};

use crate::common::until;
use crate::daemon::run_bounded;
use crate::scene::Scene;

/// What Dataverse says with an error.
const FAULT: &str = r#"{"error":{"code":"0x80040216","message":"went wrong"}}"#;

const SIGN_IN: &str = "<!DOCTYPE html><html><title>Sign in</title></html>";

fn html() -> Act {
    reply("200 OK", &["Content-Type: text/html"], SIGN_IN)
}

#[test]
fn guarantee_14_a_connection_that_is_refused_says_that_nobody_listens() {
    let scene = Scene::new();
    scene.evil.refuse();
    let ran = run_bounded(scene.command(&["list"]));
    ran.fails(
        5,
        &[
            "could not connect to 127.0.0.1",
            "refused",
            "hint: check that the store is running",
        ],
    );
    scene.evil.accept();

    let mut daemon = scene.orchestrate();
    scene.evil.refuse();
    let task = scene.place.submit(&["meanwhile"]);
    daemon.until_said(&[
        "connect: could not connect to 127.0.0.1",
        "check that the store is running",
    ]);
    scene.evil.accept();
    scene.comes_home(&mut daemon, &task);
    daemon.until_said(&["the store answers again"]);
    assert!(daemon.stop().success());
}

#[test]
fn guarantee_14_a_name_without_an_address_says_which_and_where_it_is_set() {
    let scene = Scene::new();
    let ran = run_bounded(scene.command_to("https://store.invalid", &["orchestrate"]));
    ran.fails(
        5,
        &[
            "the name of store.invalid",
            "could not be resolved",
            "hint: check DATAVERSE_URL",
        ],
    );
}

#[test]
fn guarantee_14_tls_that_fails_says_why() {
    let scene = Scene::new();
    let plain = scene.place.endpoint()["url"]
        .as_str()
        .unwrap()
        .replace("http://", "https://");
    let ran = run_bounded(scene.command_to(&plain, &["orchestrate"]));
    ran.fails(
        5,
        &[
            "no secure connection to 127.0.0.1",
            "hint:",
            "speaks TLS",
            "store.ca_file",
        ],
    );

    let server = |certificate| {
        let certificate = Some(certificate);
        let options = Options {
            certificate,
            ..Options::default()
        };
        Evil::start(options, reply("200 OK", &[], "{}"))
    };
    let stranger = server(Certificate::valid());
    let ran = run_bounded(scene.command_to(&format!("https://{}", stranger.address()), &["list"]));
    ran.fails(
        5,
        &["no secure connection", "UnknownIssuer", "store.ca_file"],
    );

    let old = Certificate::expired();
    let trusted = scene.place.path().join("old.pem");
    std::fs::write(&trusted, old.pem()).unwrap();
    let config = format!("[store]\nca_file = {:?}\n", trusted.display().to_string());
    std::fs::write(scene.place.path().join("shraga.toml"), config).unwrap();
    let old = server(old);
    let ran = run_bounded(scene.command_to(&format!("https://{}", old.address()), &["list"]));
    ran.fails(5, &["no secure connection", "certificate expired"]);
    assert!(
        old.seen().is_empty() && stranger.seen().is_empty(),
        "no request was sent"
    );
}

#[test]
fn guarantee_14_a_page_instead_of_json_shows_how_it_begins_and_what_it_may_be() {
    let scene = Scene::new();
    let words = ["<!DOCTYPE html>", "sign-in page"];
    scene.outlasts(
        html(),
        &[words[0], words[1], "the store cannot be read: bad-answer"],
    );
    scene.ends(html(), &["list"], 1, &words);
}

#[test]
fn guarantee_14_throttling_is_told_as_such_with_and_without_a_time() {
    let scene = Scene::new();
    let limited = |headers: &[&str]| reply("429 Too Many Requests", headers, FAULT);
    scene.outlasts(
        limited(&["Retry-After: 1"]),
        &["throttled: throttled by the service: went wrong"],
    );
    scene.outlasts(
        limited(&[]),
        &["throttled: throttled by the service: went wrong"],
    );
    let words = ["throttled by the service", "hint: wait a minute"];
    scene.ends(limited(&["Retry-After: 4000"]), &["list"], 75, &words);
}

#[test]
fn guarantee_14_a_refused_token_is_told_once_and_for_ever_and_survived() {
    let scene = Scene::new();
    let refused = || reply("401 Unauthorized", &[], "");
    let words = [
        "unauthenticated: the service does not accept the token",
        "DATAVERSE_TOKEN",
    ];
    scene.outlasts(refused(), &words);
    scene.ends(
        refused(),
        &["orchestrate"],
        4,
        &["does not accept the token", "DATAVERSE_TOKEN"],
    );

    // Once: the next tick has it back, and nobody's work is lost.
    scene.evil.always(Act::Pass);
    let mut daemon = scene.orchestrate();
    scene.evil.once(always, refused());
    let task = scene.place.submit(&["meanwhile"]);
    scene.comes_home(&mut daemon, &task);
    assert!(daemon.stop().success());
}

#[test]
fn guarantee_14_what_is_not_allowed_is_told_apart_from_who_is_not_known() {
    let scene = Scene::new();
    let forbidden = || reply("403 Forbidden", &[], FAULT);
    scene.outlasts(
        forbidden(),
        &["forbidden: not allowed: went wrong", "an admin's may"],
    );
    scene.ends(
        forbidden(),
        &["list"],
        4,
        &["not allowed: went wrong", "an admin's may"],
    );
}

#[test]
fn guarantee_14_an_address_that_leads_nowhere_names_what_to_check() {
    let scene = Scene::new();
    let nowhere =
        r#"{"error":{"code":"0x80060889","message":"Resource not found for the segment"}}"#;
    let missing = || reply("404 Not Found", &[], nowhere);
    scene.outlasts(
        missing(),
        &["missing: not found: Resource not found", "TABLE_NAME"],
    );
}

#[test]
fn guarantee_14_a_condition_that_always_fails_is_told_and_survived() {
    let stale = reply("412 Precondition Failed", &[], FAULT);
    Scene::new().outlasts(stale, &["conflict: conflict: went wrong"]);
}

#[test]
fn guarantee_14_a_storm_of_500_is_told_with_the_services_words_and_survived() {
    let storm = || reply("500 Internal Server Error", &[], FAULT);
    let scene = Scene::new();
    scene.outlasts(
        storm(),
        &[
            "the service failed with status 500: went wrong",
            "the store's own log",
        ],
    );
    scene.ends(storm(), &["list"], 5, &["status 500: went wrong", "hint:"]);
}

#[test]
fn guarantee_14_a_connection_that_breaks_in_the_answer_is_told_apart_from_one_that_never_was() {
    let scene = Scene::new();
    let words = [
        "broken: the connection to 127.0.0.1",
        "broke before the answer was complete",
    ];
    scene.outlasts(Act::CutBody, &words);
    scene.outlasts(Act::Close, &words);
}

#[test]
fn guarantee_14_a_reply_that_is_lost_after_the_write_was_done_doubles_nothing() {
    let scene = Scene::new();
    let mut daemon = scene.orchestrate();
    scene
        .evil
        .once(|request| request.is_write(), Act::LoseReply);
    let task = scene.place.submit(&["meanwhile"]);
    scene.comes_home(&mut daemon, &task);
    until("the answer was lost", || scene.evil.pending() == 0);
    daemon.until_said(&[
        "the answer to a write was lost",
        "looked at again",
        "broken:",
    ]);
    let next = scene.place.submit(&["afterwards"]);
    scene.comes_home(&mut daemon, &next);
    assert!(daemon.stop().success());
}

#[test]
fn guarantee_14_a_next_page_that_repeats_or_leads_away_is_told_and_no_token_goes_there() {
    let scene = Scene::new();
    let is_list: fn(&shraga_testkit::evil::Request) -> bool = |request| {
        request
            .text
            .starts_with("GET /api/data/v9.2/cr_shraga_tasks?")
    };
    let page = |link: &str| json(&format!(r#"{{"value":[],"@odata.nextLink":"{link}"}}"#));
    let elsewhere = Evil::start(Options::default(), json(r#"{"value":[]}"#));
    let away = format!(
        "{}/api/data/v9.2/cr_shraga_tasks?$skiptoken=x",
        elsewhere.url()
    );
    let find = ["show", "0193f0a1"];

    scene.evil.once(is_list, page(&away));
    let ran = run_bounded(scene.command(&find));
    ran.fails(1, &["foreign address", "DATAVERSE_URL"]);
    assert!(elsewhere.seen().is_empty(), "{:?}", elsewhere.seen());

    let same = "/api/data/v9.2/cr_shraga_tasks?$skiptoken=x";
    scene.evil.once(is_list, page(same));
    scene.evil.once(is_list, page(same));
    let ran = run_bounded(scene.command(&find));
    ran.fails(1, &["repeats the next page", "DATAVERSE_URL"]);
}
