//! What an agent's checkout holds now, as commits in the worker's copy, without touching anything of
//! the agent's: not its index, its branch, or its settings.
//!
//! Commits come by fetching from the agent's repository. Files come through an index of ours. A
//! repository that was tampered with (a link for a folder, objects borrowed from elsewhere) is not
//! read; the files are then compared with the base.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::cache::remove_locks;
use super::checkout::{AGENT_BRANCHES, AGENT_HEAD, Checkout};
use super::git::GitError;
use super::{WorkspaceError, git_error};
use crate::private::{open_to_read, path_of};

/// Largest file that a commit of the worker's takes in. Build results and data sets would fill the
/// store's disk and every push; they stay in the attempt's folder.
const LARGEST_FILE: u64 = 50 * 1024 * 1024;

/// Largest sum of such files.
const LARGEST_SUM: u64 = 500 * 1024 * 1024;

/// Bytes of a list of changed paths. A checkout with more changes than that was filled by a program.
const LIST_BYTES: usize = 16 * 1024 * 1024;

/// The index of the worker's own, in the attempt's folder.
const INDEX: &str = "snapshot.index";

/// Paths named in one note.
const NAMED: usize = 3;

/// What an agent's checkout holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// The agent's own last commit.
    pub(super) tip: String,
    /// The tip, or a commit on it with what wasn't committed.
    pub(super) head: String,
    /// What is missing, and why.
    pub(super) notes: Vec<String>,
}

impl Snapshot {
    /// Whether the head holds something the agent had not committed.
    pub(super) fn is_unfinished(&self) -> bool {
        self.tip != self.head
    }
}

/// What is to become of the paths that differ from the index.
#[derive(Default)]
struct Changes {
    gone: BTreeSet<Vec<u8>>,
    here: BTreeSet<Vec<u8>>,
    large: Vec<String>,
    nested: Vec<String>,
    unreadable: Vec<String>,
    sum: u64,
}

impl Checkout {
    /// Takes in what the agent has done so far. `message` is that of a commit of the worker's, made
    /// only if something isn't committed; `reference` (full) is set to the head.
    pub(super) async fn take_in(
        &self,
        message: &str,
        reference: &str,
    ) -> Result<Snapshot, WorkspaceError> {
        let mut notes = Vec::new();
        // Nobody else works in the copy: a lock there is of a git that was ended half-way.
        self.unlock();
        let tip = match self.fetch_commits().await {
            Ok(tip) => tip,
            Err(why) => {
                notes.push(format!("its repository can't be read: {why}"));
                self.base.clone()
            }
        };
        let head = match self.commit_files(&tip, message, &mut notes).await {
            Ok(head) => head,
            Err(error @ GitError::Missing) => {
                return Err(git_error("the changes can't be read")(error));
            }
            Err(why) => {
                notes.push(format!("what it left uncommitted can't be read: {why}"));
                None
            }
        };
        let head = head.unwrap_or_else(|| tip.clone());
        let args = ["update-ref", "--", reference, &head];
        let set = self.git().run(&args).await;
        set.map_err(git_error("the changes can't be kept"))?;
        Ok(Snapshot { tip, head, notes })
    }

    fn unlock(&self) {
        let _ = fs::remove_file(self.folder.join(format!("{INDEX}.lock")));
        remove_locks(&self.copy());
    }

    /// Copies the agent's commits; its last one, or the base's when it made none.
    async fn fetch_commits(&self) -> Result<String, String> {
        let repository = self.work().join(".git");
        check_repository(&repository, &self.copy())?;
        let source = repository.display().to_string();
        let head = format!("+HEAD:{AGENT_HEAD}");
        let branches = format!("+refs/heads/*:{AGENT_BRANCHES}/*");
        let args = [
            "fetch",
            "--quiet",
            "--force",
            "--prune",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--no-write-fetch-head",
            "--",
            &source,
            &head,
            &branches,
        ];
        let git = self.git();
        git.run(&args).await.map_err(|error| error.to_string())?;
        let revision = format!("{AGENT_HEAD}^{{commit}}");
        let tip = git.line(&["rev-parse", "--verify", &revision]).await;
        tip.map_err(|error| error.to_string())
    }

    /// A commit on `tip` with all files as they are, if they differ from it.
    async fn commit_files(
        &self,
        tip: &str,
        message: &str,
        notes: &mut Vec<String>,
    ) -> Result<Option<String>, GitError> {
        let work = self.work();
        if !work.symlink_metadata().is_ok_and(|it| it.is_dir()) {
            notes.push("its folder is gone, or a link".to_owned());
            return Ok(None);
        }
        let index = self.folder.join(INDEX);
        let git = self
            .git()
            .set("GIT_WORK_TREE", &work.display().to_string())
            .set("GIT_INDEX_FILE", &index.display().to_string());
        // Entries that stay the same keep what is known of their files, so that only what changed is
        // read again.
        git.run(&["read-tree", "--reset", tip]).await?;
        let list = [
            "ls-files",
            "-z",
            "-t",
            "--modified",
            "--deleted",
            "--others",
            "--exclude-standard",
        ];
        let in_work = git.clone().set("GIT_PREFIX", "");
        let listed = in_work.ask(&list, Vec::new(), LIST_BYTES).await?;
        if !listed.whole {
            notes.push("it left too many uncommitted files to list".to_owned());
            return Ok(None);
        }
        if !listed.good {
            return Err(GitError::Refused {
                verb: "ls-files".to_owned(),
                complaint: listed.complaint,
            });
        }
        let changes = tokio::task::spawn_blocking(move || sort(&work, &listed.out));
        let changes = changes.await.unwrap_or_default();
        changes.tell(notes);
        for (paths, how) in [(&changes.gone, "--force-remove"), (&changes.here, "--add")] {
            if paths.is_empty() {
                continue;
            }
            let input: Vec<u8> = paths
                .iter()
                .flat_map(|it| [it, &b"\0"[..]].concat())
                .collect();
            let args = ["update-index", how, "--replace", "-z", "--stdin"];
            git.feed(&args, input).await?;
        }
        let tree = git.line(&["write-tree"]).await?;
        let before = git.line(&["rev-parse", &format!("{tip}^{{tree}}")]).await?;
        if tree == before {
            return Ok(None);
        }
        let args = ["commit-tree", "-p", tip, "-m", message, &tree];
        git.line(&args).await.map(Some)
    }
}

impl Changes {
    fn tell(&self, notes: &mut Vec<String>) {
        for (paths, what) in [
            (&self.large, "too large for a commit of the worker's"),
            (&self.nested, "repositories of their own"),
            (&self.unreadable, "unreadable"),
        ] {
            if paths.is_empty() {
                continue;
            }
            let named: Vec<&str> = paths.iter().take(NAMED).map(String::as_str).collect();
            let more = match paths.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let list = named.join(", ");
            notes.push(format!("left uncommitted, since {what}: {list}{more}"));
        }
    }

    /// Decides about one path as git listed it.
    fn sort_one(&mut self, work: &Path, tag: u8, name: &[u8]) {
        let shown = || String::from_utf8_lossy(name).into_owned();
        if name.ends_with(b"/") {
            self.nested.push(shown());
            return;
        }
        let Some(path) = path_of(name) else {
            self.unreadable.push(shown());
            return;
        };
        let Some(metadata) = behind_no_link(work, &path) else {
            if tag != b'?' {
                self.gone.insert(name.to_owned());
            }
            return;
        };
        if metadata.is_dir() {
            match work.join(&path).join(".git").symlink_metadata() {
                Ok(_) => self.nested.push(shown()),
                Err(_) => drop(self.gone.insert(name.to_owned())),
            }
            return;
        }
        if metadata.is_file() {
            if metadata.len() > LARGEST_FILE || self.sum + metadata.len() > LARGEST_SUM {
                self.large.push(shown());
                return;
            }
            if open_to_read(work, &path).is_err() {
                self.unreadable.push(shown());
                return;
            }
            self.sum += metadata.len();
        } else if !metadata.is_symlink() {
            // A pipe, a socket or a device in a file's place.
            if tag != b'?' {
                self.gone.insert(name.to_owned());
            }
            return;
        }
        self.here.insert(name.to_owned());
    }
}

fn sort(work: &Path, listed: &[u8]) -> Changes {
    let mut changes = Changes::default();
    let entries = listed.split(|byte| *byte == 0);
    for entry in entries.filter(|entry| entry.len() > 2) {
        changes.sort_one(work, entry[0], &entry[2..]);
    }
    changes.here = &changes.here - &changes.gone;
    changes
}

/// What is at `path` below `work`, unless a link leads there.
fn behind_no_link(work: &Path, path: &Path) -> Option<fs::Metadata> {
    let mut at: PathBuf = work.to_owned();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let metadata = at.symlink_metadata().ok()?;
        if parts.peek().is_none() {
            return Some(metadata);
        }
        if !metadata.is_dir() {
            return None;
        }
    }
    None
}

/// Whether the agent's repository is one by itself: no links in it, and objects borrowed from nowhere
/// but the cache. Otherwise another task's commits could be taken for this one's.
fn check_repository(repository: &Path, copy: &Path) -> Result<(), String> {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|it| it.is_dir());
    if !is_folder(repository) {
        return Err("it is gone, or leads elsewhere".to_owned());
    }
    for name in ["commondir", "gitdir"] {
        if repository.join(name).symlink_metadata().is_ok() {
            return Err("it leads elsewhere".to_owned());
        }
    }
    let alternates = Path::new("objects").join("info").join("alternates");
    let ours = fs::read(copy.join(&alternates)).map_err(|error| error.to_string())?;
    let theirs = crate::private::read_within(repository, &alternates, 4 * 1024);
    match theirs {
        Ok(read) if read.bytes == ours => {}
        Ok(_) => return Err("it borrows objects from elsewhere".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(_) => return Err("it borrows objects from elsewhere".to_owned()),
    }
    let mut folders = vec![repository.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| error.to_string())?;
        for entry in entries.flatten() {
            let kind = entry.file_type().map_err(|error| error.to_string())?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if !kind.is_file() {
                return Err("there are links in it".to_owned());
            }
        }
    }
    Ok(())
}
