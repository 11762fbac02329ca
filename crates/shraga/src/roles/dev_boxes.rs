//! Dev Boxes as the settings have them: the provider for an orchestrator, or why there is none, said once.
//!
//! Nothing is asked of the Dev Center here, and nothing at all when it isn't configured.

use std::sync::Arc;

use shraga_core::machine::ProviderKind;
use shraga_dataverse::Client;
use shraga_dataverse::transport::{NetworkOptions, is_loopback, network};
use shraga_devcenter::{Options, PoolName, ProjectName};
use shraga_orchestrator::dev_box::{DevBoxes as Checked, Provisioning};
use shraga_orchestrator::machines::Settings;
use shraga_orchestrator::machines::dev_box::{Center, DevBoxes, Identity, Install};
use url::Url;

use super::{credentials, machines as policy, orchestrator};
use crate::config::Config;
use crate::exit::Failure;

/// Adds Dev Boxes to what makes machines, if the settings are right; otherwise says why they are not made.
/// `store` is the store that the boxes' workers are to reach, at `address`.
///
/// # Errors
/// The network can't be used.
pub(crate) fn add(
    machines: &mut Settings,
    config: &Config,
    store: &Client,
    address: Option<&Url>,
) -> Result<(), Failure> {
    let checked = match orchestrator::dev_box(config).check() {
        Ok(checked) => checked,
        Err(off @ Provisioning::NotConfigured) => {
            tracing::info!("{off}");
            return Ok(());
        }
        Err(off @ Provisioning::Wrong(_)) => {
            tracing::warn!("{off}");
            return Ok(());
        }
    };
    let install = match install(config, address) {
        Ok(install) => install,
        Err(wrong) => {
            tracing::warn!("{}", Provisioning::Wrong(vec![wrong]));
            return Ok(());
        }
    };
    let client = match client(config, store, &checked)? {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!("{}", Provisioning::Wrong(vec![error.to_string()]));
            return Ok(());
        }
    };
    let names = (
        ProjectName::parse(&checked.project),
        PoolName::parse(&checked.pool),
    );
    let (Ok(project), Ok(pool)) = names else {
        // Both were checked by the same rule.
        return Ok(());
    };
    let center = Center {
        project,
        pool,
        whose: config.dev_box.account.0,
        prefix: config.provision.prefix.0.clone(),
        install,
    };
    let provider = DevBoxes::new(client, store.clone(), center);
    machines.providers.push(Arc::new(provider));
    let group = policy::dev_box(config, Some(checked.threshold));
    machines.policy.groups.insert(ProviderKind::DevBox, group);
    Ok(())
}

/// A client of the Dev Center, with the identity that the store is spoken to with, if that is one of Azure's.
fn client(
    config: &Config,
    store: &Client,
    checked: &Checked,
) -> Result<Result<shraga_devcenter::Client, shraga_devcenter::Error>, Failure> {
    let endpoint = &checked.endpoint;
    let credentials = match store.credentials() {
        Some(credentials) => credentials.clone(),
        None => credentials::for_store(config, endpoint, &[])?,
    };
    let options = NetworkOptions {
        extra_roots_pem: Vec::new(),
        no_proxy: is_loopback(endpoint),
    };
    Ok(shraga_devcenter::Client::new(Options {
        endpoint: endpoint.clone(),
        transport: network(&options).map_err(credentials::no_network)?,
        tokens: Arc::new(Identity::new(&credentials)),
        request_timeout: config.store.request_timeout_seconds.duration(),
    }))
}

/// What is installed on a box.
fn install(config: &Config, address: Option<&Url>) -> Result<Option<Install>, String> {
    let Some(task) = &config.dev_box.install_task else {
        return Ok(None);
    };
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        // It may hold a secret, so it is not shown.
        _ => Err("dev_box.install_parameters has one that is not NAME=TEXT".to_owned()),
    };
    let parameters = config.dev_box.install_parameters.0.iter().map(pair);
    Ok(Some(Install {
        task: task.clone(),
        parameters: parameters.collect::<Result<_, _>>()?,
        store: address.map(Url::to_string).unwrap_or_default(),
    }))
}
