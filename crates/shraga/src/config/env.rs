//! The one place that reads the environment.

use std::path::PathBuf;

/// The variable's value, if it is set to something. An empty variable counts as unset, as the
/// original treated it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the named file that reads the environment"
)]
pub fn lookup(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The name of the person at this machine; `user` when the system doesn't tell.
pub fn os_user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(lookup)
        .map(|name| {
            name.chars()
                .filter(|c| c.is_alphanumeric() || "._-".contains(*c))
                .collect::<String>()
        })
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "user".to_owned())
}

/// The person's home, beyond which nothing of hers is looked for.
pub fn home() -> Option<PathBuf> {
    ["HOME", "USERPROFILE"]
        .into_iter()
        .find_map(lookup)
        .map(PathBuf::from)
        .and_then(|home| home.canonicalize().ok())
}

/// The name of this machine, from the environment or `/etc/hostname`; never a blocking probe.
pub fn host_name() -> String {
    let file = || std::fs::read_to_string("/etc/hostname").ok();
    ["HOSTNAME", "COMPUTERNAME"]
        .into_iter()
        .find_map(lookup)
        .or_else(file)
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// The user's folder for configuration files of this program.
pub fn config_dir() -> Option<PathBuf> {
    Some(config_home()?.join("shraga"))
}

/// The user's folder for configuration files of all programs.
pub fn config_home() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    Some(etcetera::choose_base_strategy().ok()?.config_dir())
}

/// The whole environment, of which agents see an allow-listed part.
pub fn all() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
