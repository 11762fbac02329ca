//! One attempt's checkout: made from the cache, worked in by the agent, looked at by the worker.
//!
//! `work/` is the agent's, its repository included, and may hold anything afterwards. `repo.git` is
//! the worker's: it borrows from the cache, gets what the agent committed by fetching, and keeps the
//! attempt's branch.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shraga_core::repository::Address;

use super::cache::Found;
use super::git::Git;
use super::{Repositories, Wanted, WorkspaceError, Workspaces, git_error, io_error};
use crate::private::{new_private_folder, read_within, remove_folder};

/// Where commits of the agent's repository are kept in the worker's copy.
pub(super) const AGENT_HEAD: &str = "refs/shraga/agent/HEAD";

/// The branches of the agent's repository there.
pub(super) const AGENT_BRANCHES: &str = "refs/shraga/agent/heads";

/// The file in the attempt's folder that says that the checkout is whole.
const NOTE: &str = "checkout.json";

/// Bytes of that file.
const NOTE_BYTES: usize = 4 * 1024;

#[derive(Serialize, Deserialize)]
struct Note {
    branch: String,
    base: String,
}

/// An attempt's checkout.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    pub(super) settings: Arc<Repositories>,
    pub(super) environment: Arc<BTreeMap<String, String>>,
    /// The attempt's folder.
    pub(super) folder: PathBuf,
    pub(super) address: Address,
    /// The attempt's own branch, without prefix.
    pub(super) branch: String,
    /// The commit it begins from.
    pub(super) base: String,
    /// Whether its branch is to be pushed.
    pub(super) push: bool,
}

impl Checkout {
    /// Makes the checkout of `found` in `folder`.
    pub(super) async fn make(
        workspaces: &Workspaces,
        wanted: &Wanted,
        found: &Found,
        folder: &Path,
        branch: &str,
    ) -> Result<Self, WorkspaceError> {
        let checkout = Self {
            settings: Arc::clone(&workspaces.settings),
            environment: Arc::clone(&workspaces.environment),
            folder: folder.to_owned(),
            address: wanted.address.clone(),
            branch: branch.to_owned(),
            base: found.commit.clone(),
            push: wanted.push,
        };
        checkout.init(found).await?;
        checkout.fill(found).await?;
        checkout.note()?;
        Ok(checkout)
    }

    /// The checkout that an earlier process of this worker made in `folder`; `None` when it made none,
    /// or got no further than the middle.
    pub(super) fn find(workspaces: &Workspaces, wanted: &Wanted, folder: &Path) -> Option<Self> {
        let head = read_within(folder, Path::new(NOTE), NOTE_BYTES).ok()?;
        let note: Note = serde_json::from_slice(&head.bytes).ok()?;
        Some(Self {
            settings: Arc::clone(&workspaces.settings),
            environment: Arc::clone(&workspaces.environment),
            folder: folder.to_owned(),
            address: wanted.address.clone(),
            branch: note.branch,
            base: note.base,
            push: wanted.push,
        })
    }

    /// Notes that the checkout is whole.
    fn note(&self) -> Result<(), WorkspaceError> {
        let note = Note {
            branch: self.branch.clone(),
            base: self.base.clone(),
        };
        let path = self.folder.join(NOTE);
        let written = serde_json::to_vec(&note)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&path, text));
        written.map_err(io_error("written", &path))
    }

    /// Where the agent works.
    pub(super) fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// The worker's copy.
    pub(super) fn copy(&self) -> PathBuf {
        self.folder.join("repo.git")
    }

    /// Git in the worker's copy.
    pub(super) fn git(&self) -> Git {
        let author = &self.settings.author;
        Git::local(&self.environment, &self.folder)
            .set("GIT_DIR", &self.copy().display().to_string())
            .set("GIT_AUTHOR_NAME", &author.name)
            .set("GIT_AUTHOR_EMAIL", &author.email)
            .set("GIT_COMMITTER_NAME", &author.name)
            .set("GIT_COMMITTER_EMAIL", &author.email)
    }

    /// Git in the agent's checkout, for as long as no agent has been there.
    pub(super) fn untouched(&self) -> Git {
        let above = self.folder.display().to_string();
        Git::local(&self.environment, &self.work())
            .set("GIT_CEILING_DIRECTORIES", &above)
            .within(self.settings.timeout)
    }

    /// Makes both repositories, which borrow the cache's objects.
    async fn init(&self, found: &Found) -> Result<(), WorkspaceError> {
        let failed = || git_error("the checkout can't be made");
        let cache = found.clone.display().to_string();
        let above = Git::local(&self.environment, &self.folder);
        let ask = ["rev-parse", "--show-object-format"];
        let format = above.clone().set("GIT_DIR", &cache).line(&ask).await;
        let format = format!("--object-format={}", format.map_err(failed())?);
        let first = format!("--initial-branch={}", self.branch);
        let init = ["init", "--quiet", "--template=", &format, &first];
        let (work, copy) = (self.work(), self.copy());
        for (path, bare) in [(&work, None), (&copy, Some("--bare"))] {
            let text = path.display().to_string();
            let args: Vec<&str> = init.into_iter().chain(bare).chain(["--", &text]).collect();
            above.run(&args).await.map_err(failed())?;
        }
        let borrowed = format!("{}\n", found.clone.join("objects").display());
        for repository in [work.join(".git"), copy.clone()] {
            let info = repository.join("objects").join("info");
            let made = fs::create_dir_all(&info)
                .and_then(|()| fs::write(info.join("alternates"), &borrowed));
            made.map_err(io_error("written", &info))?;
        }
        let reference = format!("refs/heads/{}", self.branch);
        let args = ["update-ref", "--", &reference, &self.base];
        self.git().run(&args).await.map(drop).map_err(failed())
    }

    /// Fills the agent's checkout.
    async fn fill(&self, found: &Found) -> Result<(), WorkspaceError> {
        let failed = || git_error("the repository can't be checked out");
        let git = self.untouched();
        let own = format!("refs/heads/{}", self.branch);
        git.run(&["update-ref", "--", &own, &self.base])
            .await
            .map_err(failed())?;
        if let Some(branch) = &found.branch {
            let origin = format!("refs/remotes/origin/{branch}");
            git.run(&["update-ref", "--", &origin, &self.base])
                .await
                .map_err(failed())?;
        }
        let author = &self.settings.author;
        for (key, value) in [
            ("user.name", author.name.as_str()),
            ("user.email", &author.email),
            ("remote.origin.url", self.address.as_str()),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
            ("gc.auto", "0"),
        ] {
            let args = ["config", "--local", key, value];
            git.run(&args).await.map_err(failed())?;
        }
        // `git checkout` tells of no missing object in older versions.
        let args = ["read-tree", "-u", "--reset", &self.base];
        git.run(&args).await.map(drop).map_err(failed())
    }
}

/// Empties an attempt's folder of a checkout that was begun.
pub(super) async fn clear(folder: &Path) -> Result<(), WorkspaceError> {
    let (work, copy) = (folder.join("work"), folder.join("repo.git"));
    let _ = fs::remove_file(folder.join(NOTE));
    let cleared = tokio::task::spawn_blocking(move || -> Result<(), WorkspaceError> {
        for path in [&work, &copy] {
            match remove_folder(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("removed", path)(error));
                }
                _ => {}
            }
        }
        new_private_folder(&work).map_err(io_error("made", &work))
    });
    cleared.await.unwrap_or_else(|error| {
        let source = io::Error::other(error.to_string());
        Err(io_error("removed", folder)(source))
    })
}
