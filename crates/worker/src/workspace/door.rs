//! The way to a repository: whether this worker may go there, and the git that does.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shraga_core::repository::{Address, Host, NotAllowed, Way};

use super::git::{Git, has_proxy};
use super::{Repositories, WorkspaceError, Workspaces};

/// How long a host name may take to be resolved.
const RESOLVE_WITHIN: Duration = Duration::from_secs(10);

/// A repository that this worker may talk to, as of now: opened again for each use.
pub(super) struct Door {
    address: Address,
    /// The operand for git.
    source: String,
    resolved: Vec<IpAddr>,
    environment: Arc<BTreeMap<String, String>>,
    timeout: Duration,
}

impl Door {
    /// Checks the address, and what its name resolves to. A host that the worker's owner named is not
    /// looked up: she may know it by ssh's own settings only.
    pub(super) async fn open(
        workspaces: &Workspaces,
        address: &Address,
    ) -> Result<Self, WorkspaceError> {
        let not_allowed = |source| WorkspaceError::NotAllowed {
            address: address.to_string(),
            source,
        };
        let settings = &workspaces.settings;
        settings.allowed.check(address).map_err(not_allowed)?;
        let source = match address.way() {
            Way::Local => allowed_path(settings, address)?,
            Way::Https | Way::Ssh => address.to_string(),
        };
        let mut resolved = Vec::new();
        let unknown = |it: &&Host| !settings.allowed.trusts(it);
        if let Some(host) = address.remote().map(|(host, _)| host).filter(unknown) {
            resolved = resolve(address, &workspaces.environment).await?;
            let known = settings.allowed.resolved(host, &resolved);
            known.map_err(not_allowed)?;
        }
        Ok(Self {
            address: address.clone(),
            source,
            resolved,
            environment: Arc::clone(&workspaces.environment),
            timeout: settings.timeout,
        })
    }

    /// As the task names it.
    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    /// The operand for git.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Git in `dir` that may talk to it.
    pub(super) fn git(&self, dir: &Path) -> Git {
        let (address, resolved) = (&self.address, &self.resolved);
        Git::towards(&self.environment, dir, address, resolved, self.timeout)
    }
}

/// What a local path really is, if that is below an allowed folder.
fn allowed_path(settings: &Repositories, address: &Address) -> Result<String, WorkspaceError> {
    let not_allowed = || WorkspaceError::NotAllowed {
        address: address.to_string(),
        source: NotAllowed::Folder,
    };
    // Whether something is there is nobody's business outside of the allowed folders.
    let real = fs::canonicalize(address.as_str()).map_err(|_| not_allowed())?;
    let within = settings
        .allowed
        .folders()
        .filter_map(|folder| fs::canonicalize(folder).ok())
        .any(|folder| real.starts_with(folder));
    let text = real.to_str().filter(|_| within).ok_or_else(not_allowed)?;
    Ok(text.to_owned())
}

/// What the host's name resolves to now. A proxy resolves names by itself, and is the operator's own
/// gate; ssh resolves once more, so a name that changes in between is not noticed there.
async fn resolve(
    address: &Address,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<IpAddr>, WorkspaceError> {
    let Some((host, port)) = address.remote() else {
        return Ok(Vec::new());
    };
    let name = match host {
        Host::Ip(address) => return Ok(vec![*address]),
        Host::Name(name) => name.clone(),
    };
    if address.way() == Way::Https && has_proxy(environment) {
        return Ok(Vec::new());
    }
    let asked = tokio::time::timeout(RESOLVE_WITHIN, tokio::net::lookup_host((name, port))).await;
    let answer = asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    match answer {
        Ok(found) => Ok(found.map(|address| address.ip()).collect()),
        Err(source) => Err(WorkspaceError::NoHost {
            host: host.to_string(),
            source,
        }),
    }
}
