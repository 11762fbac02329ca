//! Why there is no token, in words that a person can act on.
//!
//! Each failure names its credential, is one line, and has a hint. What others said is cut to a line
//! and masked: an error never shows a token or a secret, even if a service or a tool repeats one.

use std::fmt;
use std::time::Duration;

use super::kind::Kind;

/// Characters kept of what a service or a tool said: its first sentence or two.
const SAID_CHARS: usize = 200;

/// A word at least this long is no word of a message but a token, or looks like one.
const TOKEN_CHARS: usize = 80;

/// No credential gave a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoToken {
    /// What was tried, in order.
    pub tried: Vec<Trouble>,
}

/// Why one credential gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The credential.
    pub kind: Kind,
    /// Why.
    pub why: Why,
}

/// Why a credential gave no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing of it is set; it needs these variables.
    Unset(Vec<&'static str>),
    /// A part of what it needs is set; these variables are missing.
    Lacks(Vec<&'static str>),
    /// What is set can't be used.
    Misconfigured(String),
    /// The tool isn't installed.
    NotInstalled,
    /// Nobody is logged in to the tool.
    NotLoggedIn,
    /// This machine has no such identity.
    NotHere,
    /// It didn't answer within its deadline.
    TooLong(Duration),
    /// It could not be reached, or failed for a while.
    Unreachable(String),
    /// It said no.
    Refused(String),
    /// What it answered is no token.
    NotAToken(&'static str),
}

impl std::error::Error for NoToken {}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tried.is_empty() {
            return f.write_str("the asking was interrupted");
        }
        for (index, trouble) in self.tried.iter().enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}{trouble}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(names) | Self::Lacks(names) => {
                let verb = if names.len() == 1 { "is" } else { "are" };
                write!(f, "{} {verb} not set", names.join(", "))
            }
            Self::Misconfigured(what) | Self::Unreachable(what) | Self::Refused(what) => {
                f.write_str(what)
            }
            Self::NotInstalled => f.write_str("not installed"),
            Self::NotLoggedIn => f.write_str("nobody is logged in"),
            Self::NotHere => f.write_str("this machine has no identity of its own"),
            Self::TooLong(after) => write!(f, "no answer within {}s", after.as_secs_f32()),
            Self::NotAToken(what) => write!(f, "{what} is no token"),
        }
    }
}

impl NoToken {
    /// Whether asking again later may help without anybody changing anything: the sign-in service
    /// was out of reach, or slow.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.decisive()
            .is_some_and(|trouble| matches!(trouble.why, Why::TooLong(_) | Why::Unreachable(_)))
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.decisive() {
            Some(trouble) => trouble.hint(),
            None => {
                "run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, \
                     or DATAVERSE_TOKEN (docs/credentials.md)"
                    .to_owned()
            }
        }
    }

    /// The failure that somebody most likely meant to work: one that isn't merely absent, and of
    /// several the first; else the only one there is.
    fn decisive(&self) -> Option<&Trouble> {
        let meant = self.tried.iter().find(|trouble| !trouble.why.is_absence());
        match self.tried.as_slice() {
            [only] => Some(only),
            _ => meant,
        }
    }
}

impl Why {
    /// Whether the credential simply isn't used here.
    pub(super) const fn is_absence(&self) -> bool {
        matches!(self, Self::Unset(_) | Self::NotInstalled | Self::NotHere)
    }
}

impl Trouble {
    /// Whether the next credential may try. One that is set up and fails must not: another identity
    /// would silently take its place.
    pub(super) const fn lets_the_next_try(&self) -> bool {
        self.kind.is_tool() || self.why.is_absence()
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match (&self.why, self.kind) {
            (Why::Unset(names) | Why::Lacks(names), _) => {
                format!("set {} (docs/credentials.md)", names.join(", "))
            }
            (Why::Misconfigured(_), kind) => self.about_settings(kind),
            (Why::NotInstalled, kind) => format!(
                "install {}, or choose another credential with AZURE_TOKEN_CREDENTIALS",
                tool(kind).unwrap_or("it")
            ),
            (Why::NotLoggedIn, kind) => login(kind).to_owned(),
            (Why::NotHere, _) => "managed identities exist on machines in Azure only, when one is \
                 assigned: choose another credential with AZURE_TOKEN_CREDENTIALS"
                .to_owned(),
            (Why::TooLong(_), kind) => match tool(kind) {
                Some(tool) => format!(
                    "try `{tool}` by hand; `credentials.timeout_seconds` allows it more time"
                ),
                None => "try again; `credentials.timeout_seconds` allows it more time".to_owned(),
            },
            (Why::Unreachable(_), _) => {
                "check the network and AZURE_AUTHORITY_HOST; it is tried again by itself".to_owned()
            }
            (Why::Refused(said), kind) => self.about_refusal(said, kind),
            (Why::NotAToken(_), kind) => match tool(kind) {
                Some(tool) => format!("update `{tool}`, and see what it prints by hand"),
                None => "check AZURE_AUTHORITY_HOST".to_owned(),
            },
        }
    }

    fn about_settings(&self, kind: Kind) -> String {
        match kind {
            Kind::Environment => {
                "check AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET or \
                 AZURE_CLIENT_CERTIFICATE_PATH, and AZURE_AUTHORITY_HOST"
            }
            Kind::WorkloadIdentity => {
                "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE"
            }
            Kind::ManagedIdentity => "check AZURE_CLIENT_ID and IDENTITY_ENDPOINT",
            Kind::AzureCli | Kind::AzureDeveloperCli => "check AZURE_TENANT_ID",
        }
        .to_owned()
    }

    fn about_refusal(&self, said: &str, kind: Kind) -> String {
        if let Some((_, hint)) = CODES.iter().find(|(code, _)| said.contains(code)) {
            return (*hint).to_owned();
        }
        match kind {
            Kind::Environment => {
                "check the application's secret or certificate, and its tenant".to_owned()
            }
            Kind::WorkloadIdentity => {
                "check that the application trusts this platform's tokens (federated credential)"
                    .to_owned()
            }
            Kind::ManagedIdentity => {
                "check which identity is assigned to this machine; AZURE_CLIENT_ID names one of several"
                    .to_owned()
            }
            Kind::AzureCli | Kind::AzureDeveloperCli => login(kind).to_owned(),
        }
    }
}

/// What the sign-in service's codes mean for whoever set this up.
const CODES: &[(&str, &str)] = &[
    (
        "AADSTS7000215",
        "AZURE_CLIENT_SECRET is wrong: give the secret's value, not its id",
    ),
    (
        "AADSTS7000222",
        "the secret has expired: make a new one and set AZURE_CLIENT_SECRET",
    ),
    (
        "AADSTS700016",
        "the tenant doesn't know this application: check AZURE_CLIENT_ID and AZURE_TENANT_ID",
    ),
    (
        "AADSTS90002",
        "there is no such tenant: check AZURE_TENANT_ID",
    ),
    (
        "AADSTS900023",
        "there is no such tenant: check AZURE_TENANT_ID",
    ),
    (
        "AADSTS500011",
        "the tenant doesn't know the organisation: check DATAVERSE_URL, and set AZURE_TENANT_ID to the \
         organisation's tenant",
    ),
    (
        "AADSTS70021",
        "the application doesn't trust this platform's tokens: check its federated credential",
    ),
];

/// The command of a tool.
const fn tool(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::AzureCli => Some("az"),
        Kind::AzureDeveloperCli => Some("azd"),
        Kind::Environment | Kind::WorkloadIdentity | Kind::ManagedIdentity => None,
    }
}

const fn login(kind: Kind) -> &'static str {
    match kind {
        Kind::AzureDeveloperCli => "run `azd auth login`; it is tried again by itself",
        Kind::AzureCli | Kind::Environment | Kind::WorkloadIdentity | Kind::ManagedIdentity => {
            "run `az login` (with `--tenant`, if the organisation is in another one); it is tried again \
             by itself"
        }
    }
}

/// The first line of what somebody said that says something, cut, with secrets masked.
pub(super) fn said(text: &str, secrets: &[&str]) -> String {
    let mut line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it said nothing")
        .to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        line = line.replace(secret, "***");
    }
    let words = line.split_whitespace().map(|word| {
        if word.chars().count() >= TOKEN_CHARS || word.contains("eyJ") {
            "***"
        } else {
            word
        }
    });
    let whole = words.collect::<Vec<_>>().join(" ");
    whole
        .chars()
        .filter(|c| !c.is_control())
        .take(SAID_CHARS)
        .collect()
}
