//! Asking one credential for a token, within its deadline.
//!
//! The Azure libraries speak to the sign-in service and know the tools' answers; this file hands them
//! the settings, our network and our way of starting programs, and tells what came of it. Everything
//! is made anew for each asking, so that nothing but [`super::keep`] keeps tokens and a file that the
//! platform has rotated is read again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azure_core::Result as AzureResult;
use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use azure_core::http::ClientMethodOptions;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, ClientAssertion, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use shraga_core::time::Timestamp;
use tokio::time::timeout;
use url::Url;

use super::certificate::Certificate;
use super::http::{Courier, Noted, Roads};
use super::kind::Kind;
use super::settings::{Settings, Standing};
use super::tool::{Ended, Toolbox};
use super::trouble::{Why, said};

/// Where a machine in Azure asks for its own identity.
const METADATA_SERVICE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// How long that address is tried before the next credential's turn comes: it is on the machine's own
/// link, so either there is an answer at once or there is nobody.
const PROBE_DEADLINE: Duration = Duration::from_secs(1);

/// The largest federated token file that is read.
const MAX_ASSERTION_BYTES: usize = 64 * 1024;

/// What one asking is about.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) settings: &'a Settings,
    pub(super) roads: &'a Roads,
    pub(super) scope: &'a str,
    /// The time, by the clock of this machine.
    pub(super) now: Timestamp,
    /// Whether no other credential may take its place.
    pub(super) alone: bool,
}

/// Asks `kind` for a token.
pub(super) async fn ask(kind: Kind, asking: Asking<'_>) -> Result<AccessToken, Why> {
    let settings = asking.settings;
    match settings.of(kind) {
        Standing::Set | Standing::ToBeFound => {}
        Standing::Lacks(names) => return Err(Why::Lacks(names)),
        Standing::Unset(names) => return Err(Why::Unset(names)),
    }
    if kind.is_tool() {
        return by_tool(kind, settings, asking.scope).await;
    }
    let courier = Courier::new(asking.roads.clone());
    let looks = kind == Kind::ManagedIdentity && !settings.has_identity_endpoint && !asking.alone;
    if looks && !metadata_service_answers(&courier).await {
        return Err(Why::NotHere);
    }
    let secret = settings.client_secret.as_ref();
    let secrets: Vec<&str> = secret.iter().map(|it| it.expose_secret()).collect();
    let given = by_network(kind, asking, &courier, &secrets);
    let outcome = match timeout(settings.deadline, given).await {
        Ok(outcome) => outcome,
        // It may have failed before, and been tried again until now.
        Err(_elapsed) => Err(match courier.noted() {
            Some(noted) => why_not(kind, noted, &secrets),
            None => Why::TooLong(settings.deadline),
        }),
    };
    match outcome {
        // Most machines in Azure have no identity assigned, and nobody named one here.
        Err(Why::Refused(_)) if looks && settings.client_id.is_none() => Err(Why::NotHere),
        outcome => outcome,
    }
}

/// Whether Azure's service answers where a machine asks for its identity. Without the header that it
/// wants it answers 400; what other clouds have at that address knows no such path.
async fn metadata_service_answers(courier: &Courier) -> bool {
    let Ok(url) = Url::parse(METADATA_SERVICE) else {
        return false;
    };
    let Ok(request) = http::Request::get(METADATA_SERVICE).body(Bytes::new()) else {
        return false;
    };
    let answer = timeout(PROBE_DEADLINE, courier.exchange(request, &url)).await;
    matches!(answer, Ok(Ok(answer)) if answer.status() == http::StatusCode::BAD_REQUEST)
}

async fn by_network(
    kind: Kind,
    asking: Asking<'_>,
    courier: &Courier,
    secrets: &[&str],
) -> Result<AccessToken, Why> {
    let settings = asking.settings;
    let credential = match kind {
        Kind::ManagedIdentity => managed(settings, courier),
        Kind::WorkloadIdentity => workload(settings, courier),
        Kind::Environment | Kind::AzureCli | Kind::AzureDeveloperCli => {
            service_principal(asking, courier)
        }
    };
    // What refuses to be built names a setting, and sends nothing.
    let credential = credential.map_err(|error| Why::Misconfigured(objection(&error, secrets)))?;
    let given = credential.get_token(&[asking.scope], None).await;
    given.map_err(|error| match courier.noted() {
        Some(noted) => why_not(kind, noted, secrets),
        None => Why::Misconfigured(objection(&error, secrets)),
    })
}

fn service_principal(
    asking: Asking<'_>,
    courier: &Courier,
) -> AzureResult<Arc<dyn TokenCredential>> {
    let settings = asking.settings;
    let authority = settings.authority();
    let options = courier.options(authority.clone());
    let tenant = settings.tenant_id.as_deref().unwrap_or_default();
    let client = settings.client_id.clone().unwrap_or_default();
    if let Some(secret) = &settings.client_secret {
        let secret = Secret::new(secret.expose_secret().to_owned());
        let options = ClientSecretCredentialOptions {
            client_options: options,
        };
        return Ok(ClientSecretCredential::new(
            tenant,
            client,
            secret,
            Some(options),
        )?);
    }
    let certificate = Certificate {
        path: settings.client_certificate.clone().unwrap_or_default(),
        client_id: client.clone(),
        audience: format!("{authority}/{tenant}/oauth2/v2.0/token"),
        now: asking.now,
    };
    by_assertion(tenant, client, certificate, courier.options(authority))
}

fn workload(settings: &Settings, courier: &Courier) -> AzureResult<Arc<dyn TokenCredential>> {
    let tenant = settings.tenant_id.as_deref().unwrap_or_default();
    let client = settings.client_id.clone().unwrap_or_default();
    let file = TokenFile(settings.federated_token_file.clone().unwrap_or_default());
    by_assertion(tenant, client, file, courier.options(settings.authority()))
}

fn by_assertion<A: ClientAssertion + 'static>(
    tenant: &str,
    client: String,
    assertion: A,
    client_options: azure_core::http::ClientOptions,
) -> AzureResult<Arc<dyn TokenCredential>> {
    let options = ClientAssertionCredentialOptions { client_options };
    let tenant = tenant.to_owned();
    Ok(ClientAssertionCredential::new(
        tenant,
        client,
        assertion,
        Some(options),
    )?)
}

fn managed(settings: &Settings, courier: &Courier) -> AzureResult<Arc<dyn TokenCredential>> {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: settings.client_id.clone().map(UserAssignedId::ClientId),
        client_options: courier.options(settings.authority()),
    };
    Ok(ManagedIdentityCredential::new(Some(options))?)
}

/// A token file that the platform renews: read anew each time.
#[derive(Debug)]
struct TokenFile(PathBuf);

#[async_trait::async_trait]
impl ClientAssertion for TokenFile {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> AzureResult<String> {
        let text = read_secret_file(&self.0, "AZURE_FEDERATED_TOKEN_FILE").await?;
        Ok(text.trim().to_owned())
    }
}

/// Reads a file named by a variable. The error names both and shows nothing of the content.
pub(super) async fn read_secret_file(path: &PathBuf, variable: &str) -> AzureResult<String> {
    let problem = |what: String| {
        let message = format!("{variable} {} {what}", path.display());
        azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, message)
    };
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| problem(format!("can't be read: {error}")))?;
    match text.len() {
        0 => Err(problem("is empty".to_owned())),
        1..=MAX_ASSERTION_BYTES => Ok(text),
        _ => Err(problem(format!(
            "has more than {MAX_ASSERTION_BYTES} bytes"
        ))),
    }
}

async fn by_tool(kind: Kind, settings: &Settings, scope: &str) -> Result<AccessToken, Why> {
    let toolbox = Toolbox::new(settings.tool_environment.clone(), settings.deadline);
    let executor: Option<Arc<dyn azure_identity::Executor>> = Some(Arc::new(toolbox.clone()));
    let tenant_id = settings.tenant_id.clone();
    let credential: AzureResult<Arc<dyn TokenCredential>> = if kind == Kind::AzureDeveloperCli {
        let mut options = AzureDeveloperCliCredentialOptions::default();
        (options.executor, options.tenant_id) = (executor, tenant_id);
        AzureDeveloperCliCredential::new(Some(options)).map(|it| it as _)
    } else {
        let mut options = AzureCliCredentialOptions::default();
        (options.executor, options.tenant_id) = (executor, tenant_id);
        AzureCliCredential::new(Some(options)).map(|it| it as _)
    };
    let credential = credential.map_err(|error| Why::Misconfigured(objection(&error, &[])))?;
    let given = credential.get_token(&[scope], None).await;
    given.map_err(|error| match toolbox.ended() {
        Some(ended) => why_no_token(ended, settings.deadline),
        None => Why::Misconfigured(objection(&error, &[])),
    })
}

/// The library's objection to what it was given: no request was sent, no tool started.
fn objection(error: &azure_core::Error, secrets: &[&str]) -> String {
    let words = error.to_string();
    let after = words.split_once(" authentication failed.");
    said(after.map_or(words.as_str(), |(_, rest)| rest), secrets)
}

/// Why a tool gave none.
fn why_no_token(ended: Ended, deadline: Duration) -> Why {
    match ended {
        Ended::NotInstalled => Why::NotInstalled,
        Ended::TooLong => Why::TooLong(deadline),
        Ended::TooMuch | Ended::Well => Why::NotAToken("what it printed"),
        Ended::NotStarted(what) => Why::Misconfigured(said(&what, &[])),
        Ended::Failed(words) => {
            let is_login = ["az login", "azd auth login", "not logged in"];
            let code = words.find("AADSTS");
            match code {
                // The sign-in service's own words say more than the advice after them.
                Some(at) => Why::Refused(said(&words[at..], &[])),
                None if is_login.iter().any(|advice| words.contains(advice)) => Why::NotLoggedIn,
                None => Why::Refused(said(&complaint(&words), &[])),
            }
        }
    }
}

/// The part of standard error that says what went wrong: `az` marks it, `azd` wraps it in JSON, and
/// both may print advice and warnings before.
fn complaint(words: &str) -> String {
    #[derive(Deserialize)]
    struct Line {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        message: String,
    }
    let marked = |text: &str| {
        text.split_once("ERROR:")
            .map(|(_, rest)| rest.trim().to_owned())
    };
    let wrapped = words
        .lines()
        .find_map(|line| serde_json::from_str::<Line>(line).ok());
    match wrapped {
        Some(line) => marked(&line.data.message).unwrap_or(line.data.message),
        None => marked(words).unwrap_or_else(|| words.to_owned()),
    }
}

/// Why a service gave none.
fn why_not(kind: Kind, noted: Noted, secrets: &[&str]) -> Why {
    let (status, body) = match noted {
        Noted::Failure(error) => {
            return Why::Unreachable(said(&error.explained(), secrets));
        }
        Noted::Answer { status, body } => (status, body),
    };
    match (status, kind) {
        (200..300, _) => Why::NotAToken("its answer"),
        (500.., _) | (408 | 429, _) => Why::Unreachable(format!("answered with status {status}")),
        (400, Kind::ManagedIdentity) => {
            Why::Refused("no identity is assigned to this machine".to_owned())
        }
        _ => Why::Refused(refusal(status, &body, secrets)),
    }
}

/// What the sign-in service says of itself, or its status when that isn't readable.
fn refusal(status: u16, body: &[u8], secrets: &[&str]) -> String {
    #[derive(Deserialize)]
    struct Answer {
        error_description: String,
    }
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => said(&answer.error_description, secrets),
        Err(_) => format!("answered with status {status}"),
    }
}
