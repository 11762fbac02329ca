//! The place an attempt works in: a plain folder, or a checkout of the repository its task names.
//!
//! ```text
//! repositories/OWNER/KEY/     the cache of one repository for one person
//!                 1.git/      a bare clone; a broken one is followed by the next number
//! tasks/TASK/attempt-N/       the attempt's folder
//!                 work/       the agent's checkout, with a repository of its own (work/.git)
//!                 repo.git/   the worker's copy of what was committed there
//!                 diff.patch  what changed since the base
//! ```
//!
//! The agent's repository borrows the objects of the cache and shares nothing else with it: no
//! settings, hooks, refs, index or stash, so that nothing an agent does with git reaches another
//! attempt. (Worktrees of one repository share all of those.) What it commits is copied into
//! `repo.git`, which the agent doesn't work in; evidence, pushing and carrying over begin from there.
//! The worker runs git only where the settings are its own, see [`git`].
//!
//! A cache belongs to one person (the owner of the task): what was fetched with what one may read
//! never serves another. An attempt's folder is removed only by [`retention`], never by the attempt.

mod cache;
mod checkout;
mod door;
mod evidence;
mod git;
mod push;
pub(crate) mod retention;
mod snapshot;
#[cfg(test)]
mod tests;
mod wip;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shraga_core::ids::UserId;
use shraga_core::repository::{Address, Allowed, NotAllowed, Reference};

pub(crate) use checkout::Checkout;
pub(crate) use git::GitError;
pub(crate) use push::PUSH_PAUSE;
pub(crate) use retention::Retention;
pub(crate) use wip::Carried;

/// Whom the worker commits as, and what the agent's own commits say unless it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

impl Default for Author {
    fn default() -> Self {
        Self {
            name: "Shraga".to_owned(),
            email: "shraga@localhost".to_owned(),
        }
    }
}

/// When a branch is pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushPolicy {
    /// Never.
    Off,
    /// When the task asks for it.
    #[default]
    OnRequest,
}

/// How a worker treats repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repositories {
    /// Local folders and private hosts that tasks may name.
    pub allowed: Allowed,
    /// Whom it commits as.
    pub author: Author,
    /// When it pushes.
    pub push: PushPolicy,
    /// How long one command that talks to a repository may take in total.
    pub timeout: Duration,
}

/// How long a fetch, a clone or a push may take unless it is configured. Longer keeps a slot with a
/// repository that hangs; shorter fails for large ones.
pub const DEFAULT_GIT_TIMEOUT: Duration = Duration::from_secs(1_800);

impl Default for Repositories {
    fn default() -> Self {
        Self {
            allowed: Allowed::default(),
            author: Author::default(),
            push: PushPolicy::default(),
            timeout: DEFAULT_GIT_TIMEOUT,
        }
    }
}

/// What a task says of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Which.
    pub(crate) address: Address,
    /// What to begin from; the default branch when `None`.
    pub(crate) reference: Option<Reference>,
    /// Whether its branch is to be pushed.
    pub(crate) push: bool,
}

/// What all workspaces of a worker have in common.
#[derive(Clone, Debug)]
pub(crate) struct Workspaces {
    settings: Arc<Repositories>,
    environment: Arc<BTreeMap<String, String>>,
    /// The worker's folder.
    root: PathBuf,
}

/// Why there is no checkout, or nothing can be told of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// The repository is not for this worker; another attempt here changes nothing.
    #[error("the repository {address} {source}")]
    NotAllowed {
        /// Which.
        address: String,
        /// Why.
        source: NotAllowed,
    },
    /// The repository has no such branch, tag or commit.
    #[error("the repository {address} has no {reference}")]
    NoSuchRef {
        /// Which repository.
        address: String,
        /// What it lacks.
        reference: String,
    },
    /// What was carried over begins from a commit that the repository doesn't have (any more).
    #[error("the work carried over doesn't fit this repository: {0}")]
    Unrelated(String),
    /// The host has no address now.
    #[error("the host {host} could not be resolved")]
    NoHost {
        /// Which.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Git failed.
    #[error("{step}")]
    Git {
        /// What was to be done.
        step: &'static str,
        /// How it failed.
        source: GitError,
    },
    /// The disk refused.
    #[error("{} could not be {step}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl WorkspaceError {
    /// Whether another attempt may fare better: everything but a plain no.
    pub(crate) const fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::NotAllowed { .. } | Self::NoSuchRef { .. } | Self::Unrelated(_) => false,
            Self::NoHost { .. } | Self::Git { .. } | Self::Io { .. } => true,
        }
    }
}

impl Workspaces {
    /// Workspaces below the worker's folder `root`, as `settings` have it.
    pub(crate) fn new(
        root: &Path,
        settings: Repositories,
        environment: Arc<BTreeMap<String, String>>,
    ) -> Self {
        Self {
            settings: Arc::new(settings),
            environment,
            root: root.to_owned(),
        }
    }

    /// The checkout that an earlier process of this worker made in an attempt's `folder`, if it got to
    /// the end.
    pub(crate) fn find(&self, wanted: &Wanted, folder: &Path) -> Option<Checkout> {
        Checkout::find(self, wanted, folder)
    }

    /// Makes the checkout of an attempt in its `folder`, whose `work/` is there and empty. The branch
    /// is called after `branch`. Dropping the future ends what it started.
    ///
    /// # Errors
    /// See [`WorkspaceError`]; nothing runs any more, and the folder is left as it is.
    pub(crate) async fn check_out(
        &self,
        wanted: &Wanted,
        owner: Option<UserId>,
        folder: &Path,
        branch: &str,
    ) -> Result<Checkout, WorkspaceError> {
        let cache = cache::Cache::open(self, wanted, owner).await?;
        let found = cache.obtain(wanted.reference.as_ref()).await?;
        match Checkout::make(self, wanted, &found, folder, branch).await {
            Err(error) if cache.is_broken(&found).await => {
                tracing::warn!(%error, "a cached repository is broken; it is fetched anew");
                let found = cache.renew(wanted.reference.as_ref()).await?;
                checkout::clear(folder).await?;
                Checkout::make(self, wanted, &found, folder, branch).await
            }
            other => other,
        }
    }
}

fn git_error(step: &'static str) -> impl FnOnce(GitError) -> WorkspaceError {
    move |source| WorkspaceError::Git { step, source }
}

fn io_error(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WorkspaceError {
    let path = path.to_owned();
    move |source| WorkspaceError::Io { step, path, source }
}
