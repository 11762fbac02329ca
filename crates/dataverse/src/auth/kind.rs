//! The credentials there are, by the names that Azure's own tools use, and which of them are tried.
//!
//! Names and order are those of `AZURE_TOKEN_CREDENTIALS`, whatever their case. Nothing is asked here.

use std::fmt;

/// One way to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A service principal from `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and a secret or certificate.
    Environment,
    /// A token file that the platform renews, exchanged for ours (Kubernetes and the like).
    WorkloadIdentity,
    /// The identity of the machine itself, in Azure.
    ManagedIdentity,
    /// Whoever is logged in to the Azure CLI (`az`).
    AzureCli,
    /// Whoever is logged in to the Azure Developer CLI (`azd`).
    AzureDeveloperCli,
}

/// What a deployed service uses, in the order of trying.
const PROD: [Kind; 3] = [
    Kind::Environment,
    Kind::WorkloadIdentity,
    Kind::ManagedIdentity,
];

/// What a person at her machine uses.
const DEV: [Kind; 2] = [Kind::AzureCli, Kind::AzureDeveloperCli];

impl Kind {
    /// Every kind, in the order of trying.
    pub const ALL: [Self; 5] = [
        Self::Environment,
        Self::WorkloadIdentity,
        Self::ManagedIdentity,
        Self::AzureCli,
        Self::AzureDeveloperCli,
    ];

    /// Its name in Azure's tools.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Environment => "EnvironmentCredential",
            Self::WorkloadIdentity => "WorkloadIdentityCredential",
            Self::ManagedIdentity => "ManagedIdentityCredential",
            Self::AzureCli => "AzureCliCredential",
            Self::AzureDeveloperCli => "AzureDeveloperCliCredential",
        }
    }

    /// Whether it is a person's tool: its failure lets the next one try, as Azure's own tools have it.
    pub(super) const fn is_tool(self) -> bool {
        matches!(self, Self::AzureCli | Self::AzureDeveloperCli)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which credentials are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// All, in order.
    #[default]
    All,
    /// Those of a deployed service.
    Prod,
    /// A person's tools.
    Dev,
    /// One.
    Only(Kind),
}

impl Choice {
    /// What [`Self::parse`] accepts, as it completes "must be ...".
    pub const EXPECTS: &'static str = "dev, prod, EnvironmentCredential, WorkloadIdentityCredential, \
        ManagedIdentityCredential, AzureCliCredential or AzureDeveloperCliCredential";

    /// Reads a value of `AZURE_TOKEN_CREDENTIALS`; `None` when it isn't one of [`Self::EXPECTS`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        let named = || Kind::ALL.into_iter().find(|kind| is(kind.name()));
        match () {
            () if is("prod") => Some(Self::Prod),
            () if is("dev") => Some(Self::Dev),
            () => named().map(Self::Only),
        }
    }

    /// The word for it; `None` for all.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Prod => Some("prod"),
            Self::Dev => Some("dev"),
            Self::Only(kind) => Some(kind.name()),
        }
    }

    /// The credentials in the order of trying.
    #[must_use]
    pub fn kinds(self) -> Vec<Kind> {
        match self {
            Self::All => Kind::ALL.to_vec(),
            Self::Prod => PROD.to_vec(),
            Self::Dev => DEV.to_vec(),
            Self::Only(kind) => vec![kind],
        }
    }
}
