//! What an attempt changed, from git: commits, files, and the patch in the attempt's folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use shraga_core::worker::{COMMITS, ChangedFile, Commit, Evidence, FILES, Push};

use super::checkout::Checkout;
use super::git::Git;
use super::{WorkspaceError, git_error, io_error};
use crate::private::read_within;

/// Most bytes of the patch. Reviewers and verifiers read it; more is another program's work.
const PATCH_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes of the list of changed files that are looked at.
const LIST_BYTES: usize = 16 * 1024 * 1024;

/// The message of the worker's own commit.
const UNFINISHED: &str = "Work in progress (committed by the worker)\n\n\
    The agent ended and left this uncommitted.";

/// What keeps a diff from running anything and from depending on anything.
const PLAIN: [&str; 5] = [
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--no-color",
    "--submodule=short",
];

/// The file in the attempt's folder that says what became of its commits.
const TOLD: &str = "evidence.json";

/// Bytes of that file.
const TOLD_BYTES: usize = 4 * 1024;

/// What became of an attempt's commits, for whoever decides how long its folder stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// How many there are.
    pub(super) commits: u64,
    /// Whether they are at the repository too.
    pub(super) pushed: bool,
}

/// What [`Checkout::settle`] wrote into an attempt's `folder`.
pub(super) fn read_told(folder: &Path) -> Option<Told> {
    let head = read_within(folder, Path::new(TOLD), TOLD_BYTES).ok()?;
    serde_json::from_slice(&head.bytes).ok()
}

impl Checkout {
    /// Notes in the attempt's folder what became of its commits; without it they count as being
    /// nowhere else.
    pub(crate) fn settle(&self, evidence: &Evidence) {
        let told = Told {
            commits: evidence.commit_count,
            pushed: evidence.push == Push::Done,
        };
        let path = self.folder.join(TOLD);
        let written = serde_json::to_vec(&told)
            .map_err(io::Error::from)
            .and_then(|text| replace(&path, &text));
        if let Err(error) = written {
            tracing::warn!(%error, "what became of an attempt's commits isn't noted");
        }
    }

    /// Tells what the attempt has changed since its base, and keeps it on the attempt's branch in the
    /// worker's copy; what the agent left uncommitted becomes a last commit there. May be asked again
    /// while the attempt goes on, between its phases.
    ///
    /// # Errors
    /// Git is missing, or the worker's own copy can't be used. What of the agent's can't be read is a
    /// note in the evidence.
    pub(crate) async fn evidence(&self) -> Result<Evidence, WorkspaceError> {
        let own = format!("refs/heads/{}", self.branch);
        let snapshot = self.take_in(UNFINISHED, &own).await?;
        let git = self.git();
        let head = snapshot.head.as_str();
        let (commits, commit_count) = self.commits(&git, head).await?;
        let (files, file_count, whole) = self.files(&git, head).await?;
        let mut notes = snapshot.notes.clone();
        if !whole {
            notes.push("there are more changed files than are counted".to_owned());
        }
        if !self.write_patch(&git, head).await? {
            notes.push(format!("diff.patch is cut at {PATCH_BYTES} bytes"));
        }
        Ok(Evidence {
            repository: self.address.to_string(),
            branch: self.branch.clone(),
            base: self.base.clone(),
            head: head.to_owned(),
            unfinished: snapshot.is_unfinished(),
            commits,
            commit_count,
            files,
            file_count,
            push: Push::NotAsked,
            notes,
        })
    }

    /// Where the patch is, once there is evidence.
    pub(crate) fn patch(&self) -> PathBuf {
        self.folder.join("diff.patch")
    }

    async fn commits(&self, git: &Git, head: &str) -> Result<(Vec<Commit>, u64), WorkspaceError> {
        let failed = || git_error("the commits can't be listed");
        let range = format!("{}..{head}", self.base);
        let count = git.line(&["rev-list", "--count", &range, "--"]).await;
        let count = count.map_err(failed())?.parse().unwrap_or(0);
        let most = format!("--max-count={COMMITS}");
        let args = ["log", "-z", "--format=%H%x09%s", &most, &range, "--"];
        let listed = git.ask(&args, Vec::new(), LIST_BYTES).await;
        let listed = listed.map_err(failed())?.out;
        let text = String::from_utf8_lossy(&listed);
        let commits = text.split('\0').filter_map(|entry| {
            let (id, subject) = entry.split_once('\t')?;
            Some(Commit {
                id: id.to_owned(),
                subject: subject.chars().take(500).collect(),
            })
        });
        Ok((commits.collect(), count))
    }

    async fn files(
        &self,
        git: &Git,
        head: &str,
    ) -> Result<(Vec<ChangedFile>, u64, bool), WorkspaceError> {
        let mut args = vec!["diff", "--numstat", "-z"];
        args.extend(PLAIN);
        args.extend([self.base.as_str(), head, "--"]);
        let listed = git.ask(&args, Vec::new(), LIST_BYTES).await;
        let listed = listed.map_err(git_error("the changed files can't be listed"))?;
        let text = String::from_utf8_lossy(&listed.out);
        let all = text.split('\0').filter_map(|entry| {
            let mut parts = entry.splitn(3, '\t');
            let (added, removed) = (parts.next()?.parse().ok(), parts.next()?.parse().ok());
            Some(ChangedFile {
                path: parts.next()?.to_owned(),
                added,
                removed,
            })
        });
        let mut files: Vec<ChangedFile> = all.collect();
        let count = files.len() as u64;
        files.truncate(FILES);
        Ok((files, count, listed.whole))
    }

    /// Writes the patch anew; tells whether it is whole.
    async fn write_patch(&self, git: &Git, head: &str) -> Result<bool, WorkspaceError> {
        let mut args = vec!["diff", "--patch"];
        args.extend(PLAIN);
        args.extend([self.base.as_str(), head, "--"]);
        let patch = git.ask(&args, Vec::new(), PATCH_BYTES).await;
        let patch = patch.map_err(git_error("the patch can't be made"))?;
        let path = self.patch();
        replace(&path, &patch.out).map_err(io_error("written", &path))?;
        Ok(patch.whole)
    }
}

/// Writes a file under a temporary name and renames it into place.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let _ = fs::remove_file(&temporary);
    File::create_new(&temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&temporary, path))
}
