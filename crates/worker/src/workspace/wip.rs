//! Work in progress: kept while an agent works, and carried to an attempt elsewhere.
//!
//! A checkpoint is a commit of the worker's, with everything the agent has in its checkout, made
//! without touching the agent's index or branch. It travels as a *bundle* (a file of git's own) of what
//! is new since the base, and is laid out again in a fresh checkout of that base: the agent's commits
//! are its branch, the rest is uncommitted as before.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use shraga_core::ids::UserId;

use super::cache::{Cache, Found};
use super::checkout::Checkout;
use super::git::{Git, GitError};
use super::{Wanted, WorkspaceError, Workspaces, git_error, io_error};
use crate::private::read_within;

/// Where a checkpoint is kept in the worker's copy, and what a bundle calls it.
const CHECKPOINT: &str = "refs/shraga/wip";

/// Where a checkpoint from elsewhere is kept there.
const CARRIED: &str = "refs/shraga/carried";

/// The message of a checkpoint's commit.
const MESSAGE: &str = "Work in progress (checkpoint by the worker)";

/// The longest identity of a commit.
const LONGEST_ID: usize = 64;

/// An attempt's work so far, as it can be laid out again elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// The commit it began from.
    pub(crate) base: String,
    /// The agent's own last commit.
    pub(crate) tip: String,
    /// The tip, or a commit on it with what wasn't committed.
    pub(crate) head: String,
    /// All commits since the base; `None` when there are none, or they are too large to be carried.
    pub(crate) bundle: Option<Vec<u8>>,
    /// What is missing from it, and why.
    pub(crate) notes: Vec<String>,
}

impl Carried {
    /// Whether there is anything in it.
    pub(crate) fn is_something(&self) -> bool {
        self.bundle.is_some()
    }
}

impl Checkout {
    /// Keeps what the agent has done so far, while it works: as a commit in the worker's copy, and as a
    /// bundle of at most `most_bytes`. Not to be asked twice at once for one checkout, nor together with
    /// [`Self::evidence`].
    ///
    /// # Errors
    /// Git is missing, or the worker's own copy can't be used.
    pub(crate) async fn checkpoint(&self, most_bytes: usize) -> Result<Carried, WorkspaceError> {
        let snapshot = self.take_in(MESSAGE, CHECKPOINT).await?;
        let mut carried = Carried {
            base: self.base.clone(),
            tip: snapshot.tip,
            head: snapshot.head,
            bundle: None,
            notes: snapshot.notes,
        };
        if carried.head == carried.base {
            return Ok(carried);
        }
        let name = "checkpoint.bundle";
        let path = self.folder.join(name);
        let (file, without) = (path.display().to_string(), format!("^{}", self.base));
        let args = ["bundle", "create", "--quiet", &file, CHECKPOINT, &without];
        let made = self.git().run(&args).await;
        made.map_err(git_error("the checkpoint can't be bundled"))?;
        let read = read_within(&self.folder, Path::new(name), most_bytes);
        let head = read.map_err(io_error("read", &path))?;
        match head.whole {
            true => carried.bundle = Some(head.bytes),
            false => {
                let note = format!("the checkpoint has more than {most_bytes} bytes");
                carried.notes.push(note);
            }
        }
        Ok(carried)
    }

    /// Lays out what another attempt had done, in this fresh checkout of the same base.
    async fn lay_out(&self, carried: &Carried) -> Result<(), WorkspaceError> {
        let unrelated = |error: GitError| WorkspaceError::Unrelated(error.to_string());
        let Some(bundle) = &carried.bundle else {
            return Ok(());
        };
        let path = self.folder.join("carried.bundle");
        let _ = fs::remove_file(&path);
        let written = File::create_new(&path).and_then(|mut file| file.write_all(bundle));
        written.map_err(io_error("written", &path))?;
        let (file, git) = (path.display().to_string(), self.git());
        git.run(&["bundle", "verify", "--quiet", &file])
            .await
            .map_err(unrelated)?;
        fetch(&git, &file, &format!("+{CHECKPOINT}:{CARRIED}"))
            .await
            .map_err(unrelated)?;
        let head = git.line(&["rev-parse", "--verify", CARRIED]).await;
        if head.map_err(unrelated)? != carried.head {
            let what = "its bundle holds another commit than its checkpoint says";
            return Err(WorkspaceError::Unrelated(what.to_owned()));
        }
        let args = ["merge-base", "--is-ancestor", &carried.tip, &carried.head];
        git.run(&args).await.map_err(unrelated)?;
        let own = format!("refs/heads/{}", self.branch);
        git.run(&["update-ref", "--", &own, &carried.head])
            .await
            .map_err(unrelated)?;
        self.lay_out_files(carried).await.map_err(unrelated)
    }

    /// The agent's side: its branch at the tip, its files as at the head.
    async fn lay_out_files(&self, carried: &Carried) -> Result<(), GitError> {
        let git = self.untouched();
        let copy = self.copy().display().to_string();
        fetch(&git, &copy, &format!("+{CARRIED}:{CARRIED}")).await?;
        git.run(&["read-tree", "-u", "--reset", &carried.head])
            .await?;
        let own = format!("refs/heads/{}", self.branch);
        git.run(&["update-ref", "--", &own, &carried.tip]).await?;
        git.run(&["read-tree", "--reset", &carried.tip]).await?;
        git.run(&["update-ref", "-d", "--", CARRIED])
            .await
            .map(drop)
    }
}

impl Workspaces {
    /// As [`Self::check_out`], going on from what an earlier attempt carried over: the checkout begins
    /// from the same base, with its commits and its uncommitted changes.
    ///
    /// # Errors
    /// [`WorkspaceError::Unrelated`] when it doesn't fit (the base is gone from the repository, the
    /// bundle is damaged): then [`Self::restart`] makes room for a fresh start.
    pub(crate) async fn check_out_carried(
        &self,
        wanted: &Wanted,
        owner: Option<UserId>,
        folder: &Path,
        branch: &str,
        carried: &Carried,
    ) -> Result<Checkout, WorkspaceError> {
        for id in [&carried.base, &carried.tip, &carried.head] {
            check_id(id)?;
        }
        let cache = Cache::open(self, wanted, owner).await?;
        let found = cache.obtain(wanted.reference.as_ref()).await?;
        let commit = cache.obtain_commit(&found.clone, &carried.base).await?;
        let commit = commit.ok_or_else(|| {
            WorkspaceError::Unrelated(format!("the repository has no commit {}", carried.base))
        })?;
        let found = Found { commit, ..found };
        let checkout = Checkout::make(self, wanted, &found, folder, branch).await?;
        checkout.lay_out(carried).await?;
        Ok(checkout)
    }

    /// Empties an attempt's `folder` of a checkout that didn't come to be, so that another can.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) async fn restart(&self, folder: &Path) -> Result<(), WorkspaceError> {
        super::checkout::clear(folder).await
    }
}

/// Takes one ref from `source`, a repository or a bundle.
async fn fetch(git: &Git, source: &str, spec: &str) -> Result<(), GitError> {
    let args = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        "--no-write-fetch-head",
        "--",
        source,
        spec,
    ];
    git.run(&args).await.map(drop)
}

/// A commit's identity as it stands in a row: nothing else becomes an operand.
fn check_id(id: &str) -> Result<(), WorkspaceError> {
    let good =
        id.len() <= LONGEST_ID && id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
    match good {
        true => Ok(()),
        false => Err(WorkspaceError::Unrelated(
            "its checkpoint names no commit".to_owned(),
        )),
    }
}
