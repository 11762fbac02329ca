//! What a configuration may say, and what it is told when it says something else.

use std::path::Path;

use super::*;

const EXAMPLE: &str = include_str!("../../../../config.example.toml");

fn file(text: &str) -> file::File {
    file::File::parse(Path::new("shraga.toml"), text).unwrap()
}

fn nothing(_: &str) -> Option<String> {
    None
}

fn load(text: &str) -> Result<Config, ConfigError> {
    Config::merge(Some(file(text)), &nothing, &Overrides::new())
}

fn refused(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

fn origin<'a>(config: &'a Config, key: &str) -> &'a Origin {
    &config
        .entries
        .iter()
        .find(|entry| entry.key == key)
        .unwrap()
        .origin
}

#[test]
fn without_anything_set_there_are_defaults() {
    let config = Config::merge(None, &nothing, &Overrides::new()).unwrap();
    assert_eq!(config.schema.tasks.0, "cr_shraga_tasks");
    assert_eq!(config.store.request_timeout_seconds, Seconds(30));
    assert!(
        config
            .entries
            .iter()
            .all(|entry| entry.origin == Origin::Default)
    );
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let env = |name: &str| (name == "TABLE_NAME").then(|| "from_env".to_owned());
    let text = "[schema]\ntasks = \"from_file\"\nworkers = \"from_file\"";
    let config = Config::merge(Some(file(text)), &env, &Overrides::new()).unwrap();
    assert_eq!(config.schema.tasks.0, "from_env");
    assert_eq!(config.schema.workers.0, "from_file");
    assert_eq!(*origin(&config, "schema.tasks"), Origin::Env("TABLE_NAME"));
    assert_eq!(origin(&config, "schema.workers").to_string(), "shraga.toml");

    let flags = Overrides::from([("schema.tasks", "from_flag".to_owned())]);
    let config = Config::merge(Some(file(text)), &env, &flags).unwrap();
    assert_eq!(config.schema.tasks.0, "from_flag");
    assert_eq!(*origin(&config, "schema.tasks"), Origin::Flag);
}

#[test]
fn the_originals_environment_works_unchanged() {
    let env = |name: &str| {
        let value = match name {
            "DATAVERSE_URL" => "https://org.crm3.dynamics.com",
            "DATAVERSE_TOKEN" => "secret",
            "WORKERS_TABLE" => "cr_workers",
            "REQUEST_TIMEOUT" => "12",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let config = Config::merge(None, &env, &Overrides::new()).unwrap();
    assert_eq!(
        config.store.url.unwrap().as_str(),
        "https://org.crm3.dynamics.com/"
    );
    assert_eq!(config.store.request_timeout_seconds, Seconds(12));
    assert_eq!(config.schema.workers.0, "cr_workers");
    let token = config
        .entries
        .iter()
        .find(|entry| entry.key == "store.token")
        .unwrap();
    assert_eq!(token.value.as_deref(), Some("\"***\""));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    insta::assert_snapshot!(refused("[store]\nlissten = \"x\""), @"unknown key `store.lissten` in shraga.toml: did you mean `store.listen`?");
    insta::assert_snapshot!(refused("[stor]\nurl = \"x\""), @"unknown key `stor` in shraga.toml: did you mean `store`?");
    insta::assert_snapshot!(refused("slots = 3"), @"unknown key `slots` in shraga.toml: did you mean `worker.slots`?");
    insta::assert_snapshot!(refused("[agents.a]\nkind = \"command\"\nprogramm = [\"x\"]"), @"unknown key `agents.a.programm` in shraga.toml: did you mean `agents.a.program`?");
    insta::assert_snapshot!(refused("[schema.columns]\ncr_nam = \"x\""), @"unknown key `schema.columns.cr_nam` in shraga.toml: did you mean `schema.columns.cr_name`?");
}

#[test]
fn a_bad_value_is_refused_by_key_origin_and_expectation() {
    insta::assert_snapshot!(refused("[worker]\nslots = 0"), @"`worker.slots` from shraga.toml is 0, but must be a whole number from 1 to 256");
    insta::assert_snapshot!(refused("[log]\nformat = \"xml\""), @r#"`log.format` from shraga.toml is "xml", but must be "human" or "json""#);
    insta::assert_snapshot!(refused("[agents.a]\nkind = \"gpt\"\nprogram = [\"x\"]"), @r#"`agents.a.kind` from shraga.toml is "gpt", but must be "command", "claude" or "codex""#);
    insta::assert_snapshot!(refused("[agents.a]\nkind = \"codex\"\nallowed_tools = [\"x\"]"), @r#"`agents.a.allowed_tools` from shraga.toml is ["x"], but must be left out: agents of kind "codex" don't know it"#);
    insta::assert_snapshot!(refused("[agents.a]\nkind = \"claude\"\nfallback = [\"a\"]"), @r#"`agents.a.fallback` from shraga.toml is ["a"], but must be names of other agents of this file"#);
    insta::assert_snapshot!(refused("[agents.a]\nkind = \"command\""), @"`agents.a.program` is not set: it is needed for every agent");
    let env = |name: &str| (name == "REQUEST_TIMEOUT").then(|| "soon".to_owned());
    let error = Config::merge(None, &env, &Overrides::new()).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"`store.request_timeout_seconds` from environment REQUEST_TIMEOUT is "soon", but must be a whole number of seconds from 1 to 86400"#);
}

#[test]
fn nobody_is_given_up_before_two_beats_were_due() {
    let error = refused("[health]\nconfirm_seconds = 12\n");
    assert!(
        error.contains("`health.confirm_seconds` is 12") && error.contains("30 s"),
        "{error}"
    );
    let error = refused("[worker]\nbeat_seconds = 60\n");
    assert!(error.contains("`health.suspect_seconds` is 90"), "{error}");
    load("[health]\nsuspect_seconds = 6\nconfirm_seconds = 12\n[worker]\nbeat_seconds = 3\n")
        .unwrap();
}

#[test]
fn a_token_never_travels_unencrypted_beyond_this_machine_and_never_shows() {
    assert!(refused("[store]\nurl = \"http://example.org\"").contains("https://"));
    assert!(load("[store]\nurl = \"http://127.0.0.1:80\"").is_ok());
    assert!(load("[store]\nurl = \"http://[::1]:80\"").is_ok());
    assert!(!refused("[store]\ntoken = \"two words\"").contains("words"));
}

#[test]
fn the_example_lists_every_key_with_its_default_and_nothing_else() {
    let config = load(EXAMPLE).unwrap();
    for entry in &config.entries {
        let listed = EXAMPLE.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            let name = entry.key.rsplit('.').next().unwrap();
            line.starts_with(&format!("{name} = "))
        });
        assert!(listed, "{} is missing in config.example.toml", entry.key);
    }
    let defaults = Config::merge(None, &nothing, &Overrides::new()).unwrap();
    for default in &defaults.entries {
        let shown = config
            .entries
            .iter()
            .find(|entry| entry.key == default.key)
            .unwrap();
        assert_eq!(
            shown.value, default.value,
            "{} isn't the default",
            default.key
        );
    }
}

#[test]
fn every_key_that_the_example_only_mentions_exists() {
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| {
            let key = line.strip_prefix("# ").filter(|rest| {
                rest.split_once(" = ").is_some_and(|(name, _)| {
                    name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                })
            });
            format!("{}\n", key.unwrap_or(line))
        })
        .collect();
    load(&uncommented).unwrap();
}

#[test]
fn a_file_sends_no_secret_to_another_sign_in_service_than_azures() {
    let authority = |line: &str, env: Option<&str>| {
        let env = |name: &str| {
            env.filter(|_| name == "AZURE_AUTHORITY_HOST")
                .map(str::to_owned)
        };
        let text = format!("[credentials]\n{line}");
        let config = Config::merge(Some(file(&text)), &env, &Overrides::new());
        config.map(|config| config.credentials.authority_host.0)
    };
    let us = authority("authority_host = \"login.microsoftonline.us/\"", None);
    assert_eq!(us.unwrap(), "https://login.microsoftonline.us");
    for bad in [
        "https://login.example.org",
        "https://login.microsoftonline.com.example.org",
        "http://login.microsoftonline.com",
    ] {
        let error = authority(&format!("authority_host = {bad:?}"), None).unwrap_err();
        assert!(
            error.to_string().contains("AZURE_AUTHORITY_HOST"),
            "{error}"
        );
    }
    let own = authority("", Some("https://login.example.org"));
    assert_eq!(own.unwrap(), "https://login.example.org");
    assert!(authority("", Some("http://login.example.org")).is_err());
}

#[test]
fn a_tables_name_cannot_hold_a_request_of_its_own() {
    for bad in ["", "a/b", "a?b", "a b", "a\r\nDELETE /b", "a('1')", "ä"] {
        let text = format!("[schema]\ntasks = {bad:?}");
        let error = Config::merge(Some(file(&text)), &nothing, &Overrides::new()).unwrap_err();
        assert!(error.to_string().contains("schema.tasks"), "{error}");
    }
}
