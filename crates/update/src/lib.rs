//! Newer versions of the program: noticing one, and taking it into use.
//!
//! [`check()`] only looks: it fetches one branch of `origin` and compares the versions that the file `VERSION` tells. It
//! changes no work tree, needs no store and is never in the way of a tick. [`make()`] makes a version of a commit
//! and tries it, [`apply()`] turns a link to it as well; neither touches a running program's files, nor the checkout's. The configured branch decides what is compared,
//! whatever is checked out. A version that can't be told is a [`State`] of its own, never "something newer", so nothing
//! is ever tried over and over because a file is missing.

mod apply;
mod branch;
mod build;
mod check;
mod clock;
mod compatibility;
mod durable;
mod git;
mod keep;
mod kept;
mod layout;
mod make;
mod prebuilt;
mod record;
mod refused;
mod speaks;
mod stage;
mod version;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use shraga_core::update::Release;

pub use apply::{
    Applied, Installed, apply, forgive, installed, keep_in_use, names, roll_back, root_of,
};
pub use check::check;
pub use keep::{HAND_OVER, KeepError, News, Order, keep};
pub use kept::{FOLDER_VARIABLE, HandOver, Kept, Pulse, RELEASE_VARIABLE, latest};
pub use layout::PROGRAM;
pub use make::{Made, Site, make};
pub use prebuilt::{Fetch, Fetching, LARGEST_BYTES, NotFetched, Prebuilt};
pub use refused::Refused;
pub use speaks::goes_on;
pub use version::order;

/// What is compared, and how long it may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to look for the checkout, in this order; the first that is in a git work tree counts.
    pub places: Vec<PathBuf>,
    /// The branch of `origin` that tells the newest version; checked before it is used.
    pub branch: String,
    /// Total time that git may take to talk to the remote.
    pub git_timeout: Duration,
    /// Between two checks of a running orchestrator; `None`: it never checks.
    pub every: Option<Duration>,
    /// The running program's version, for a checkout that tells none.
    pub running: String,
    /// The version that is installed, where versions are taken into use; `None`: the checkout's counts.
    pub installed: Option<String>,
    /// The process's environment; git sees an allow-listed part of it.
    pub environment: BTreeMap<String, String>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The checkout's version; the running program's where the checkout tells none.
    pub current: String,
    /// The version on the branch, once it is known.
    pub available: Option<String>,
    /// The same version with its commit, for whoever takes it into use; `None` where that could not be told.
    pub release: Option<Release>,
    /// The branch that was asked for.
    pub branch: String,
    /// What follows from it.
    pub state: State,
    /// The checkout, once it was found.
    pub checkout: Option<PathBuf>,
    /// What git said, or which commits are in the way.
    pub detail: Option<String>,
    /// Whether it can be taken into use here.
    pub installs: bool,
}

/// What follows from a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing newer is there.
    UpToDate,
    /// A newer version is there, and the checkout can take it.
    Available,
    /// A newer version is there; the checkout has changes that nobody committed.
    Dirty,
    /// A newer version is there; the checkout has commits that the branch lacks.
    Diverged,
    /// A newer version is there; no branch is checked out.
    Detached,
    /// The branch has no file `VERSION`.
    MissingVersion,
    /// The file `VERSION` tells no version.
    BadVersion,
    /// The checkout has no remote `origin`.
    MissingRemote,
    /// The remote has no such branch.
    MissingBranch,
    /// The configured branch is no name of a branch.
    BadBranch,
    /// There is no checkout.
    NotARepository,
    /// There is no git.
    GitMissing,
    /// Git took longer than it may, and was ended with all it had started.
    TimedOut,
    /// Git failed, mostly since the remote can't be reached.
    Failed,
}

impl State {
    /// The word for scripts and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::Available => "available",
            Self::Dirty => "dirty",
            Self::Diverged => "diverged",
            Self::Detached => "detached",
            Self::MissingVersion => "missing-version",
            Self::BadVersion => "bad-version",
            Self::MissingRemote => "missing-remote",
            Self::MissingBranch => "missing-branch",
            Self::BadBranch => "bad-branch",
            Self::NotARepository => "not-a-repository",
            Self::GitMissing => "git-missing",
            Self::TimedOut => "timed-out",
            Self::Failed => "failed",
        }
    }

    /// Whether it could be told if there is something newer.
    #[must_use]
    pub const fn is_told(self) -> bool {
        matches!(self, Self::UpToDate) || self.is_newer()
    }

    /// Whether there is something newer.
    #[must_use]
    pub const fn is_newer(self) -> bool {
        matches!(
            self,
            Self::Available | Self::Dirty | Self::Diverged | Self::Detached
        )
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::UpToDate => return None,
            Self::Available => "merge it with git, build, and restart",
            Self::Dirty => "commit or put away the changes first, then merge it with git",
            Self::Diverged => "its own commits have to be merged or rebased by hand first",
            Self::Detached => "check out a branch first, then merge it with git",
            Self::MissingVersion => {
                "add a file VERSION to that branch, or name another with GIT_BRANCH"
            }
            Self::BadVersion => "write one version into it, such as 1.4.0",
            Self::MissingRemote => "add the remote: git remote add origin ADDRESS",
            Self::MissingBranch => "name the branch with GIT_BRANCH (or `update.branch`)",
            Self::BadBranch => {
                "give GIT_BRANCH (or `update.branch`) the name of a branch, without origin/"
            }
            Self::NotARepository => {
                "name the checkout as `update.repo`, or turn checks off: update.check_minutes = 0"
            }
            Self::GitMissing => "install git, or turn checks off: update.check_minutes = 0",
            Self::TimedOut => "check the network; GIT_TIMEOUT (seconds) allows more time",
            Self::Failed => {
                "check that the remote can be reached without a password being asked for"
            }
        })
    }
}

impl fmt::Display for Found {
    /// What there is, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (branch, current) = (&self.branch, &self.current);
        let version = self.available.as_deref().unwrap_or("?");
        match self.state {
            State::UpToDate => write!(f, "up to date: {branch} has {version}, this is {current}")?,
            State::Available | State::Dirty | State::Diverged | State::Detached => {
                write!(
                    f,
                    "version {version} is available on {branch}, this is {current}"
                )?;
            }
            State::MissingVersion => write!(f, "origin/{branch} has no file VERSION")?,
            State::BadVersion => write!(f, "the file VERSION of origin/{branch} tells no version")?,
            State::MissingRemote => f.write_str("the checkout has no remote called origin")?,
            State::MissingBranch => write!(f, "the remote has no branch {branch}")?,
            State::BadBranch => write!(f, "{branch:?} is no name of a branch")?,
            State::NotARepository => f.write_str("there is no git checkout to compare")?,
            State::GitMissing => f.write_str("git is not installed")?,
            State::TimedOut => f.write_str("git took too long and was ended")?,
            State::Failed => write!(f, "git could not look at {branch}")?,
        }
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl Found {
    /// What can be done about it, and in which checkout.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        if self.installs && self.state == State::Available {
            return Some("`shraga update --now` takes it into use".to_owned());
        }
        let advice = self.state.advice()?;
        Some(match &self.checkout {
            Some(checkout) => format!("in {}, {advice}", checkout.display()),
            None => advice.to_owned(),
        })
    }
}
