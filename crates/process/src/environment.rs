//! What a program may see of the environment of whoever starts it.

use std::collections::BTreeMap;

use crate::os;

/// Variables every program may see when the starter's own environment has them: what shells,
/// compilers and command-line tools need to find themselves, and nothing that carries a secret.
const ALWAYS_ALLOWED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SystemRoot",
    "SystemDrive",
    "ComSpec",
    "PATHEXT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "ProgramData",
    "ProgramFiles",
];

/// Variables that git may see beside those when it talks to a remote: how to reach it, and as whom.
pub const GIT_REMOTE: &[&str] = &[
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GIT_SSH_COMMAND",
    "GIT_SSL_CAINFO",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_CONFIG_HOME",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// What makes git give up by itself on a remote that says nothing for a minute. Its deadline ends it
/// sooner or later anyway, but not when whoever started it was killed meanwhile.
pub const GIT_PATIENCE: [(&str, &str); 2] = [
    ("GIT_HTTP_LOW_SPEED_LIMIT", "1"),
    ("GIT_HTTP_LOW_SPEED_TIME", "60"),
];

/// The ssh that git uses unless the environment names another: it never asks, and is as patient as
/// [`GIT_PATIENCE`].
pub const GIT_SSH: &str =
    "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4";

/// The part of `environment` that a program may see: the harmless basics and the names in `extra`.
pub fn allowed_environment(
    environment: &BTreeMap<String, String>,
    extra: &[String],
) -> BTreeMap<String, String> {
    let permitted = |name: &str| {
        ALWAYS_ALLOWED
            .iter()
            .any(|known| os::same_variable(known, name))
            || extra.iter().any(|known| os::same_variable(known, name))
    };
    environment
        .iter()
        .filter(|(name, _)| permitted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
