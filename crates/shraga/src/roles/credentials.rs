//! The settings as credentials: what the client asks when no token is given.
//!
//! A token that was given wins ([`source_of`]). What the tools `az` and `azd` see of the environment is
//! what they need, and no secret of ours. Nothing is asked here.

use std::collections::BTreeMap;
use std::sync::Arc;

use shraga_dataverse::auth::{self, Credentials, Roads, Settings, Standing};
use shraga_dataverse::transport::{BoxError, NetworkOptions, is_loopback, network};
use url::Url;

use crate::clock;
use crate::config::{Config, Origin, env};
use crate::exit::{Exit, Failure};

/// Variables of the tools beside their own: proxies, certificates, where they keep what they know.
const TOOL_VARIABLES: [&str; 13] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
];

/// How the tools' own variables begin.
const TOOL_PREFIXES: [&str; 2] = ["AZURE_", "AZD_"];

/// What the tools don't need to know.
const SECRETS: [&str; 2] = ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD"];

/// Where the token for the configured store comes from, as far as the settings tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// There is no configured store: the data folder's own token is used.
    Folder,
    /// It is given, by this setting.
    Given {
        /// The setting.
        key: &'static str,
        /// Where it was set.
        origin: String,
    },
    /// These credentials are tried in turn; each with how it stands.
    InTurn(Vec<(auth::Kind, Standing)>),
    /// None is given, and this machine's own addresses are no organisation that Azure knows.
    Missing,
}

/// Where the token comes from.
#[must_use]
pub fn source_of(config: &Config) -> Source {
    for key in ["store.token_file", "store.token"] {
        let set = config.entries.iter().find(|entry| entry.key == key);
        if let Some(entry) = set.filter(|entry| entry.origin != Origin::Default) {
            let origin = entry.origin.to_string();
            return Source::Given { key, origin };
        }
    }
    match &config.store.url {
        None => Source::Folder,
        Some(url) if is_loopback(url) && config.credentials.kind.is_none() => Source::Missing,
        Some(_) => {
            let settings = settings(config);
            let kinds = settings.choice.kinds().into_iter();
            Source::InTurn(kinds.map(|kind| (kind, settings.of(kind))).collect())
        }
    }
}

/// The credentials for the store at `url`.
///
/// # Errors
/// The network can't be used.
pub fn for_store(config: &Config, url: &Url, roots: &[Vec<u8>]) -> Result<Credentials, Failure> {
    let road = |no_proxy| {
        let options = NetworkOptions {
            extra_roots_pem: roots.to_vec(),
            no_proxy,
        };
        network(&options).map_err(no_network)
    };
    let roads = Roads {
        outside: road(false)?,
        direct: road(true)?,
    };
    let clock = Arc::new(clock::wall);
    Ok(Credentials::new(settings(config), url, roads, clock))
}

/// There is no network to be had.
pub(super) fn no_network(error: BoxError) -> Failure {
    let message = format!("can't use the network: {error}");
    Failure::new(Exit::Configuration, message)
}

fn settings(config: &Config) -> Settings {
    let set = &config.credentials;
    let platform = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"];
    Settings {
        choice: set.kind.unwrap_or_default(),
        tenant_id: set.tenant_id.clone(),
        client_id: set.client_id.clone(),
        client_secret: set.client_secret.clone(),
        client_certificate: set.client_certificate_path.clone(),
        federated_token_file: set.federated_token_file.clone(),
        authority: set.authority_host.0.clone(),
        has_identity_endpoint: platform.iter().all(|name| env::lookup(name).is_some()),
        deadline: set.timeout_seconds.duration(),
        tool_environment: tool_environment(&env::all()),
    }
}

/// What `az` and `azd` see of the environment.
fn tool_environment(own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let theirs = own.keys().filter(|name| {
        TOOL_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            && !SECRETS.contains(&name.as_str())
    });
    let known = TOOL_VARIABLES.iter().map(|&name| name.to_owned());
    let extra: Vec<String> = theirs.cloned().chain(known).collect();
    shraga_process::allowed_environment(own, &extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_see_their_own_variables_and_none_of_our_secrets() {
        let own = [
            "PATH",
            "AZURE_CONFIG_DIR",
            "AZD_CONFIG_DIR",
            "HTTPS_PROXY",
            "AZURE_CLIENT_SECRET",
            "DATAVERSE_TOKEN",
            "API_KEY",
        ];
        let own = own.map(|name| (name.to_owned(), "x".to_owned()));
        let seen = tool_environment(&BTreeMap::from(own));
        let seen: Vec<&str> = seen.keys().map(String::as_str).collect();
        let expected = ["AZD_CONFIG_DIR", "AZURE_CONFIG_DIR", "HTTPS_PROXY", "PATH"];
        assert_eq!(seen, expected);
    }
}
