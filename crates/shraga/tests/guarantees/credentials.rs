//! The part of the guarantees that is about tokens: programs (1), deadlines (2), secrets and failures that read
//! differently (14). An `az` of our own, a sign-in service with TLS, a store that lets in who has the right token.

use std::path::{Path, PathBuf};
use std::process::Command;

use shraga_testkit::evil::{Act, Certificate, Evil, Options, always, json, reply};

use crate::common::{Place, Ran, Running, until};
use crate::daemon::run_bounded;
use crate::programs::runs;

/// A real store, and a server in front of it that may refuse tokens.
struct Store {
    front: Evil,
    /// What the store lets in.
    token: String,
    _server: Running,
    _place: Place,
}

impl Store {
    fn start() -> Self {
        let place = Place::new();
        let server = place.start(&["serve", "--listen", "127.0.0.1:0"]);
        let endpoint = place.endpoint();
        let token = std::fs::read_to_string(endpoint["user_token_file"].as_str().unwrap());
        let address = endpoint["url"]
            .as_str()
            .unwrap()
            .trim_start_matches("http://");
        Self {
            front: Evil::before(address.trim_end_matches('/').parse().unwrap()),
            token: token.unwrap().trim().to_owned(),
            _server: server,
            _place: place,
        }
    }

    /// An `az` that gives its token, and counts.
    fn az(&self) -> String {
        let token = &self.token;
        format!(
            "echo >> \"$HOME/starts\"\n\
             echo '{{\"accessToken\": \"{token}\", \"expires_on\": 4000000000, \"tokenType\": \"Bearer\"}}'"
        )
    }
}

/// A store that isn't to be reached without a token.
fn closed_store() -> Evil {
    Evil::with([Act::Close])
}

/// A place in which `az` does what the script says.
fn place_with_az(script: &str) -> (Place, PathBuf) {
    let place = Place::new();
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    // The stand-in reads its script: a file that was just written can't always be started.
    let stand_in = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../dataverse/tests/credentials/tool.sh"
    );
    std::os::unix::fs::symlink(stand_in, bin.join("az")).unwrap();
    std::fs::write(place.path().join("az.script"), script).unwrap();
    (place, bin)
}

/// `shraga list` at `store` with the identity of `az`.
fn list_by_az(place: &Place, bin: &Path, store: &Evil) -> Command {
    let mut command = place.command(&["list"]);
    command
        .env("DATAVERSE_URL", store.url())
        .env("AZURE_TOKEN_CREDENTIALS", "azureclicredential")
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    command
}

/// An `az` that hangs, deaf to being asked to end, with a child that holds its pipes.
const HANGS: &str = "trap '' TERM; sleep 600 & echo $! $$ > \"$HOME/pids\"; wait; sleep 600";

/// Waits until nothing of the `az` that hung is left.
fn until_gone(place: &Place) {
    let pids = std::fs::read_to_string(place.path().join("pids"));
    let pids = pids.expect("az was started");
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), 2);
    until("az and its child are gone", || {
        !pids.iter().any(|pid| runs(pid))
    });
}

#[test]
fn guarantee_01_an_az_that_hangs_is_ended_with_its_child_at_its_deadline() {
    let (place, bin) = place_with_az(HANGS);
    let config = "[credentials]\ntimeout_seconds = 6\n";
    std::fs::write(place.path().join("shraga.toml"), config).unwrap();
    let store = closed_store();
    let ran = run_bounded(list_by_az(&place, &bin, &store));
    ran.fails(
        5,
        &[
            "AzureCliCredential: no answer within 6s",
            "hint: try `az` by hand",
        ],
    );
    until_gone(&place);
    assert!(store.seen().is_empty(), "nothing is sent without a token");
}

#[test]
fn guarantee_02_waiting_for_a_token_is_part_of_a_requests_total_deadline() {
    let (place, bin) = place_with_az(HANGS);
    let store = closed_store();
    let mut command = list_by_az(&place, &bin, &store);
    command.env("REQUEST_TIMEOUT", "6");
    run_bounded(command).fails(5, &["no answer within 6s (waiting for a token)"]);
    until_gone(&place);
}

#[test]
fn guarantee_02_a_sign_in_service_that_drips_cannot_beat_the_deadline() {
    let store = closed_store();
    let drip = Act::Drip {
        at_once: "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".to_owned(),
        slowly: " ".repeat(5000),
    };
    let (place, service) = place_with_sign_in(drip);
    let mut command = list_by_principal(&place, &store, &service);
    command.env("REQUEST_TIMEOUT", "2");
    run_bounded(command).fails(5, &["no answer within 2s (waiting for a token)"]);
    assert!(store.seen().is_empty());
}

#[test]
fn guarantee_14_each_failure_of_az_says_what_it_is_and_what_to_do() {
    let store = closed_store();
    let run = |script| {
        let (place, bin) = place_with_az(script);
        run_bounded(list_by_az(&place, &bin, &store))
    };
    run("echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1").fails(
        4,
        &[
            "AzureCliCredential: nobody is logged in",
            "hint: run `az login`",
        ],
    );
    run("echo 'ERROR: AADSTS500011: The resource was not found in the tenant.' >&2; exit 1").fails(
        4,
        &[
            "AADSTS500011",
            "hint: the tenant doesn't know the organisation",
        ],
    );
    let rubbish = run("echo '{\"accessToken\": \"hidden-words\"}'");
    rubbish.fails(4, &["what it printed is no token", "hint: update `az`"]);
    assert!(!rubbish.err.contains("hidden-words"));
    let place = Place::new();
    let nowhere = place.path().join("bin");
    run_bounded(list_by_az(&place, &nowhere, &store)).fails(
        4,
        &["AzureCliCredential: not installed", "hint: install az"],
    );
}

#[test]
fn guarantee_14_a_token_refused_once_is_replaced_and_one_refused_for_ever_is_told() {
    let store = Store::start();
    let (place, bin) = place_with_az(&store.az());
    let starts = || {
        let text = std::fs::read_to_string(place.path().join("starts"));
        text.unwrap().lines().count()
    };
    let ran = run_bounded(list_by_az(&place, &bin, &store.front));
    assert_eq!((ran.code, starts()), (0, 1), "{}", ran.err);
    let refused = || reply("401 Unauthorized", &[], "");
    store.front.once(always, refused());
    let ran = run_bounded(list_by_az(&place, &bin, &store.front));
    assert_eq!((ran.code, starts()), (0, 3), "{}", ran.err);
    let before = store.front.seen().len();
    store.front.always(refused());
    let words = [
        "does not accept the token of AzureCliCredential",
        "hint: make this identity a user",
    ];
    run_bounded(list_by_az(&place, &bin, &store.front)).fails(4, &words);
    assert_eq!(store.front.seen().len(), before + 2);
}

/// A place that trusts a sign-in service which does this.
fn place_with_sign_in(act: Act) -> (Place, Evil) {
    let place = Place::new();
    let certificate = Certificate::valid();
    let pem = place.path().join("ca.pem");
    std::fs::write(&pem, certificate.pem()).unwrap();
    let config = format!("[store]\nca_file = {:?}\n", pem.display().to_string());
    std::fs::write(place.path().join("shraga.toml"), config).unwrap();
    let options = Options {
        certificate: Some(certificate),
        ..Options::default()
    };
    (place, Evil::start(options, act))
}

/// `shraga list` at `store` as a service principal that signs in at `service`.
fn list_by_principal(place: &Place, store: &Evil, service: &Evil) -> Command {
    let mut command = place.command(&["list"]);
    command
        .env("DATAVERSE_URL", store.url())
        .env("AZURE_TOKEN_CREDENTIALS", "prod")
        .env("AZURE_TENANT_ID", "contoso.example")
        .env("AZURE_CLIENT_ID", "the-application")
        .env("AZURE_CLIENT_SECRET", "hidden-words")
        .env(
            "AZURE_AUTHORITY_HOST",
            format!("https://{}", service.address()),
        );
    command
}

#[test]
fn guarantee_14_a_service_principal_signs_in_and_a_wrong_secret_is_told_without_showing_it() {
    let store = Store::start();
    let token = format!(
        r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{}"}}"#,
        store.token
    );
    let (place, service) = place_with_sign_in(json(&token));
    let run = || run_bounded(list_by_principal(&place, &store.front, &service));
    let ran = run();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(service.seen().len(), 1);
    let before = store.front.seen().len();
    let wrong = r#"{"error_codes":[7000215],"error_description":"AADSTS7000215: Invalid secret hidden-words."}"#;
    service.always(reply(
        "401 Unauthorized",
        &["Content-Type: application/json"],
        wrong,
    ));
    let ran = run();
    let words = [
        "EnvironmentCredential: AADSTS7000215: Invalid secret",
        "hint: AZURE_CLIENT_SECRET is wrong",
    ];
    ran.fails(4, &words);
    assert!(!ran.err.contains("hidden-words"), "{}", ran.err);
    service.refuse();
    run().fails(
        5,
        &["EnvironmentCredential: could not connect to 127.0.0.1"],
    );
    assert_eq!(store.front.seen().len(), before);
}

#[test]
fn guarantee_14_the_identity_of_the_machine_is_used_where_the_platform_offers_one() {
    let store = Store::start();
    let token = format!(
        r#"{{"access_token":"{}","expires_on":"4000000000","token_type":"Bearer","resource":"x"}}"#,
        store.token
    );
    let platform = Evil::with([json(&token)]);
    let list = || {
        let place = Place::new();
        let mut command = place.command(&["list"]);
        command
            .env("DATAVERSE_URL", store.front.url())
            .env("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
            .env("IDENTITY_ENDPOINT", format!("{}/token", platform.url()))
            .env("IDENTITY_HEADER", "proof");
        run_bounded(command)
    };
    let ran = list();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let asked = platform.seen();
    assert!(asked[0].text.contains("resource=http%3A%2F%2F127.0.0.1%3A"));
    assert!(
        asked[0].text.contains("x-identity-header: proof"),
        "{}",
        asked[0].text
    );
    platform.always(reply("400 Bad Request", &[], "{}"));
    let words = [
        "no identity is assigned to this machine",
        "hint: check which identity is assigned",
    ];
    list().fails(4, &words);
}

#[test]
fn guarantee_20_the_choice_of_credentials_is_checked_and_explained_without_asking_anybody() {
    let place = Place::new();
    let run = |args: &[&str], env: &[(&str, &str)]| -> Ran {
        let mut command = place.command(args);
        run_bounded({
            command.env_remove("AZURE_TOKEN_CREDENTIALS");
            command.envs(env.iter().copied());
            command
        })
    };
    let known = [
        "AZURE_TOKEN_CREDENTIALS",
        "dev, prod, EnvironmentCredential",
        "AzureDeveloperCliCredential",
    ];
    run(&["config"], &[("AZURE_TOKEN_CREDENTIALS", "az")]).fails(3, &known);
    let store = ("DATAVERSE_URL", "https://org.crm.dynamics.com");
    let secret = ("AZURE_CLIENT_SECRET", "hidden-words");
    let shown = run(&["config"], &[store, secret]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(!shown.out.contains("hidden-words"), "{}", shown.out);
    let words = "Token: EnvironmentCredential (lacks AZURE_TENANT_ID, AZURE_CLIENT_ID), then WorkloadIdentityCredential (not set), then \
                 ManagedIdentityCredential (asked), then AzureCliCredential (asked)";
    assert!(shown.out.contains(words), "{}", shown.out);
    let shown = run(&["config"], &[store, ("DATAVERSE_TOKEN", "hidden-words")]);
    assert!(
        shown
            .out
            .contains("Token: `store.token` (environment DATAVERSE_TOKEN)"),
        "{}",
        shown.out
    );
    assert!(!shown.out.contains("hidden-words"), "{}", shown.out);
    let near = ("DATAVERSE_URL", "http://127.0.0.1:1");
    run(&["list"], &[near]).fails(3, &["no token for the store", "hint: set DATAVERSE_TOKEN"]);
}
