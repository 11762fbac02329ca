//! What the credentials are made of: values, read by whoever configures the program.
//!
//! Nothing here reads the environment or a file, and nothing is asked: [`Settings::of`] tells from the
//! values alone what a credential lacks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::kind::{Choice, Kind};

/// The sign-in service of Azure's public cloud.
pub const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";

/// The default of [`Settings::deadline`]. The Azure CLI takes seconds to start on a busy machine;
/// much more would use up the time of the request that waits for the token.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// What the credentials are made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which are tried.
    pub choice: Choice,
    /// `AZURE_TENANT_ID`; the tools are asked for a token of this tenant too, when it is set.
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`: the application, or the machine's identity when it has several.
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<SecretString>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`: PEM with a certificate and its RSA key.
    pub client_certificate: Option<PathBuf>,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`: where applications sign in; `https`.
    pub authority: String,
    /// Whether the platform offers its identity at an address in the environment
    /// (`IDENTITY_ENDPOINT` and `IDENTITY_HEADER`), so that nobody needs to look for one.
    pub has_identity_endpoint: bool,
    /// How long one credential may take.
    pub deadline: Duration,
    /// The environment of `az` and `azd`.
    pub tool_environment: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            choice: Choice::All,
            tenant_id: None,
            client_id: None,
            client_secret: None,
            client_certificate: None,
            federated_token_file: None,
            authority: PUBLIC_AUTHORITY.to_owned(),
            has_identity_endpoint: false,
            deadline: DEFAULT_DEADLINE,
            tool_environment: BTreeMap::new(),
        }
    }
}

/// How a credential stands, by the settings alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It needs no settings: it is found out by asking.
    ToBeFound,
    /// Everything it needs is set.
    Set,
    /// A part of what it needs is set; these are missing.
    Lacks(Vec<&'static str>),
    /// Nothing of it is set; it needs these.
    Unset(Vec<&'static str>),
}

impl Settings {
    /// How `kind` stands.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Standing {
        match kind {
            Kind::Environment => {
                let secret = self.client_secret.is_some() || self.client_certificate.is_some();
                self.standing(secret, "AZURE_CLIENT_SECRET")
            }
            Kind::WorkloadIdentity => {
                let file = self.federated_token_file.is_some();
                self.standing(file, "AZURE_FEDERATED_TOKEN_FILE")
            }
            Kind::ManagedIdentity if self.has_identity_endpoint => Standing::Set,
            Kind::ManagedIdentity | Kind::AzureCli | Kind::AzureDeveloperCli => Standing::ToBeFound,
        }
    }

    /// Of a credential that signs an application in. What makes it this credential is `own`: tenant
    /// and application alone belong to several.
    fn standing(&self, has_own: bool, own: &'static str) -> Standing {
        let missing: Vec<_> = [
            ("AZURE_TENANT_ID", self.tenant_id.is_some()),
            ("AZURE_CLIENT_ID", self.client_id.is_some()),
            (own, has_own),
        ]
        .into_iter()
        .filter_map(|(name, set)| (!set).then_some(name))
        .collect();
        match (has_own, missing.is_empty()) {
            (_, true) => Standing::Set,
            (true, false) => Standing::Lacks(missing),
            (false, false) => Standing::Unset(missing),
        }
    }

    /// The authority as an address: a bare host name means `https`.
    pub(super) fn authority(&self) -> String {
        let host = self.authority.trim().trim_end_matches('/');
        if host.contains("://") {
            host.to_owned()
        } else {
            format!("https://{host}")
        }
    }
}
