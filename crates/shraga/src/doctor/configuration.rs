//! The configuration: which file, settings that contradict each other, a secret others can read.

use super::{Case, Finding};
use crate::config::ConfigError;

const CHECK: &str = "configuration";

/// Pairs of settings of which one makes the other useless, and which one counts.
const PAIRS: [(&str, &str); 4] = [
    ("store.token_file", "store.token"),
    ("store.token_file", "credentials.client_secret"),
    ("store.token", "credentials.client_secret"),
    (
        "credentials.client_certificate_path",
        "credentials.client_secret",
    ),
];

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let config = case.config;
    let mut found = vec![match &config.file {
        Some(file) => Finding::ok(CHECK, format!("{} is understood", file.display())),
        None => Finding::ok(CHECK, "no shraga.toml: flags, environment and defaults"),
    }];
    for (counts, useless) in PAIRS {
        if config.is_set(counts) && config.is_set(useless) {
            let what = format!("both `{counts}` and `{useless}` are set; only one of them is used");
            found.push(Finding::warning(CHECK, what, format!("remove `{useless}`")));
        }
    }
    if let Some(agent) = &config.worker.agent
        && config.agent(agent).is_none()
    {
        let what = format!("`worker.agent` is `{agent}`, and there is no [agents.{agent}]");
        let fix = "name an agent that is configured, or remove `worker.agent`";
        found.push(Finding::error(CHECK, what, fix));
    }
    found.extend(open_secret(case));
    found
}

/// What a configuration that can't be used says.
pub(super) fn unusable(error: &ConfigError) -> Finding {
    let fix = "correct it; config.example.toml lists every key with its meaning and default";
    Finding::error(CHECK, shraga_core::causes::chain(error), fix)
}

#[cfg(unix)]
fn open_secret(case: &Case<'_>) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let file = case.config.file.as_deref()?;
    let from_file = |key: &str| {
        let entry = case.config.entries.iter().find(|entry| entry.key == key);
        entry.is_some_and(|entry| matches!(entry.origin, crate::config::Origin::File(_)))
    };
    let secret = ["store.token", "credentials.client_secret"]
        .into_iter()
        .find(|key| from_file(key))?;
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| {
        let what = format!(
            "{} holds `{secret}`, and others can read it",
            file.display()
        );
        Finding::warning(CHECK, what, format!("chmod 600 {}", file.display()))
    })
}

#[cfg(not(unix))]
fn open_secret(_case: &Case<'_>) -> Option<Finding> {
    None
}
