//! Whether the store answers, and if not, which step fails: name, connection, encryption, answer.

use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::{Case, Finding, Reached};
use crate::clock;
use crate::exit::Failure;
use crate::roles::session::{Caller, Session};

const CHECK: &str = "store";

/// Time for a name or a connection. Longer tells nothing new.
const STEP: Duration = Duration::from_secs(10);

/// Answers that take longer make every tick slow.
const SLOW: Duration = Duration::from_secs(2);

pub(super) async fn check(case: &Case<'_>) -> (Vec<Finding>, Option<Reached>) {
    let begun = clock::instant();
    match reach(case).await {
        Ok(reached) => {
            let took = begun.elapsed();
            let kind = match &reached.info {
                Some(info) => format!("an embedded store ({})", info.version),
                None => "Dataverse".to_owned(),
            };
            let what = format!("{kind} answers, in {} ms", took.as_millis());
            let finding = match took > SLOW {
                true => Finding::warning(CHECK, what, "look at the network between here and there"),
                false => Finding::ok(CHECK, what),
            };
            (vec![finding], Some(reached))
        }
        Err(failure) => {
            let mut found = match &case.config.store.url {
                Some(url) => steps(url).await,
                None => Vec::new(),
            };
            let fix = failure.hint.unwrap_or_else(|| "see above".to_owned());
            found.push(Finding::error(CHECK, format!("{:#}", failure.error), fix));
            (found, None)
        }
    }
}

async fn reach(case: &Case<'_>) -> Result<Reached, Failure> {
    let (client, info) = Session::connect(case.config, Caller::Admin).await?;
    let me = match &info {
        Some(info) => info.user,
        None => client.who_am_i().await?,
    };
    Ok(Reached { client, info, me })
}

/// How far it is possible to get, step by step, as long as steps succeed.
async fn steps(url: &Url) -> Vec<Finding> {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Vec::new();
    };
    let host = host.trim_matches(['[', ']']).to_owned();
    let begun = clock::instant();
    let found = tokio::time::timeout(STEP, lookup_host((host.as_str(), port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    let Some(first) = addresses.first() else {
        let what = format!("the name {host} is not known here");
        return vec![Finding::error(
            CHECK,
            what,
            "check DATAVERSE_URL, DNS and VPN",
        )];
    };
    let resolved = format!(
        "the name {host} is {} ({} ms)",
        first.ip(),
        begun.elapsed().as_millis()
    );
    let mut findings = vec![Finding::ok(CHECK, resolved)];
    let begun = clock::instant();
    let connected = tokio::time::timeout(STEP, TcpStream::connect(addresses.as_slice())).await;
    let why = match connected {
        Ok(Ok(_)) => {
            let took = begun.elapsed().as_millis();
            findings.push(Finding::ok(
                CHECK,
                format!("port {port} accepts ({took} ms)"),
            ));
            return findings;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => format!("nothing within {} s", STEP.as_secs()),
    };
    let fix = "check the port, firewalls and, if there is one, the proxy (HTTPS_PROXY)";
    findings.push(Finding::error(
        CHECK,
        format!("port {port} of {host} takes no connection: {why}"),
        fix,
    ));
    findings
}
