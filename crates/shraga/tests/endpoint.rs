//! What scripts rely on: the data folder, its endpoint and token files, and tokens.

#[cfg(test)]
mod common;

use common::Place;
use serde_json::Value;

#[test]
fn the_endpoint_names_the_address_and_both_token_files() {
    let place = Place::new();
    let running = place.start(&["serve", "--listen", "127.0.0.1:0", "--data", ".shraga"]);
    let endpoint = place.endpoint();
    let url = endpoint["url"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    for key in ["token_file", "user_token_file"] {
        let file = endpoint[key].as_str().unwrap();
        let token = std::fs::read_to_string(file).unwrap();
        assert!(token.starts_with("shr_"), "{key} holds a token");
    }
    assert!(running.stop().success());
    assert!(!place.data().join("endpoint.json").exists());
}

#[cfg(unix)]
#[test]
fn what_the_data_folder_holds_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _running = place.start(&["serve"]);
    for file in ["endpoint.json", "admin.token", "user.token"] {
        let path = place.data().join(file);
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let ignore = std::fs::read_to_string(place.data().join(".gitignore")).unwrap();
    assert_eq!(ignore, "*\n");
}

#[test]
fn tokens_are_kept_over_a_restart_and_made_anew_when_missing_or_revoked() {
    let place = Place::new();
    let token = |name: &str| std::fs::read_to_string(place.data().join(name)).unwrap();
    assert!(place.start(&["serve"]).stop().success());
    let (admin, user) = (token("admin.token"), token("user.token"));
    assert!(place.start(&["serve"]).stop().success());
    assert_eq!(
        (token("admin.token"), token("user.token")),
        (admin.clone(), user)
    );
    std::fs::remove_file(place.data().join("user.token")).unwrap();
    std::fs::write(place.data().join("admin.token"), "shr_revoked\n").unwrap();
    let _running = place.start(&["serve"]);
    assert_ne!(token("admin.token"), admin);
    assert_eq!(place.json(&["list"]), serde_json::json!([]));
}

#[test]
fn a_store_starts_and_lets_its_own_admin_in_whoever_was_disabled() {
    let place = Place::new();
    let running = place.start(&["serve"]);
    let token = |name: &str| std::fs::read_to_string(place.data().join(name)).unwrap();
    let (admin, user) = (token("admin.token"), token("user.token"));
    for who in ["admin.token", "user.token"] {
        disable_bearer(&place, who);
    }
    place.run(&["list"]).fails(4, &["disabled"]);
    assert!(running.stop().success());
    let _running = place.start(&["serve"]);
    assert_eq!((token("admin.token"), token("user.token")), (admin, user));
    place.run(&["list"]).fails(4, &["disabled"]);
    let by_admin = ["list", "--token-file", ".shraga/admin.token"];
    assert_eq!(place.json(&by_admin), serde_json::json!([]));
}

/// Has the admin disable whoever bears the token in this file.
#[cfg(test)]
fn disable_bearer(place: &Place, file: &str) {
    let url = place.endpoint()["url"].as_str().unwrap().to_owned();
    let token = |file: &str| std::fs::read_to_string(place.data().join(file)).unwrap();
    let (by, of) = (token("admin.token"), token(file));
    let me: Value = serde_json::from_str(&ask(&url, "GET", "api/shraga", of.trim(), "")).unwrap();
    let row = format!(
        "api/data/v9.2/systemusers({})",
        me["user"].as_str().unwrap()
    );
    ask(&url, "PATCH", &row, by.trim(), r#"{"isdisabled": true}"#);
}

/// One request, by hand; the answer's body.
#[cfg(test)]
fn ask(url: &str, method: &str, path: &str, token: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    body.to_owned()
}

#[test]
fn the_store_is_found_from_a_folder_below() {
    let place = Place::new();
    let _running = place.start(&["serve"]);
    let below = place.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let found = place
        .command(&["list", "--json"])
        .current_dir(&below)
        .output()
        .unwrap();
    assert!(found.status.success());
}

#[test]
fn a_token_is_made_used_listed_and_revoked() {
    let place = Place::new();
    let _running = place.start(&["serve"]);
    let create = [
        "token",
        "create",
        "--user",
        "ada@example.org",
        "--role",
        "user",
    ];
    let made = place.json(&create);
    assert_eq!(made["user"], "ada@example.org");
    assert_eq!(made["role"], "user");
    let id = made["id"].as_str().unwrap();
    std::fs::write(place.path().join("ada"), made["token"].as_str().unwrap()).unwrap();
    let task = place.submit(&["hers", "--token-file", "ada"]);

    // The other person doesn't see it.
    assert_eq!(place.run(&["show", &task]).code, 6);
    assert_eq!(
        place.json(&["show", &task, "--token-file", "ada"])["name"],
        "hers"
    );

    let listed = place.json(&["token", "list"]);
    let listed = listed.as_array().unwrap();
    assert!(listed.iter().any(|token| token["id"] == id));
    assert!(
        listed
            .iter()
            .all(|token| token.get("token").is_none_or(Value::is_null))
    );
    assert_eq!(place.run(&["token", "revoke", id]).code, 0);
    assert_eq!(place.run(&["list", "--token-file", "ada"]).code, 4);
    place
        .run(&[
            "token", "create", "--user", "x@y", "--role", "user", "--slots", "2",
        ])
        .fails(2, &["--slots"]);
}

#[test]
fn a_self_signed_store_is_trusted_through_its_data_folder() {
    let place = Place::new();
    let _running = place.start(&["serve", "--tls-self-signed"]);
    assert!(
        place.endpoint()["url"]
            .as_str()
            .unwrap()
            .starts_with("https://")
    );
    assert!(place.data().join("tls-cert.pem").is_file());
    assert_eq!(place.json(&["list"]), serde_json::json!([]));
}

#[test]
fn the_environment_of_the_original_reaches_the_store() {
    let place = Place::new();
    let _running = place.start(&["serve"]);
    let endpoint = place.endpoint();
    let token = std::fs::read_to_string(endpoint["user_token_file"].as_str().unwrap()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let list = |token: &str| {
        place
            .command(&["list", "--json"])
            .current_dir(elsewhere.path())
            .env("DATAVERSE_URL", endpoint["url"].as_str().unwrap())
            .env("DATAVERSE_TOKEN", token)
            .output()
            .unwrap()
    };
    assert!(list(token.trim()).status.success());
    assert_eq!(list("shr_wrong").status.code(), Some(4));
}

#[test]
fn completions_and_config_need_no_store() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = place.run(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("orchestrate"), "{shell}");
    }
    let config = place.json(&["config", "--token-file", "x"]);
    let entries = config.as_array().unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry["key"] == "store.token_file")
        .unwrap();
    assert_eq!(entry["origin"], "flag");
    assert_eq!(entry["value"], "x");
    let slots = entries.iter().find(|entry| entry["key"] == "worker.slots");
    assert_eq!(slots.unwrap()["value"], 1);
}
