//! One repository's cache for one person: fetched by one attempt at a time, never written otherwise.
//!
//! Its branches and tags are the repository's own. Objects are only ever added: checkouts borrow them.
//! A clone that turns out to be broken is left where it is, for those that borrow from it, and the next
//! number begins afresh.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use shraga_core::ids::UserId;
use shraga_core::repository::{Reference, Way};

use super::door::Door;
use super::git::{Git, GitError};
use super::{Wanted, WorkspaceError, Workspaces, git_error, io_error};
use crate::clock;
use crate::private::private_folder;

/// Digits of an address's digest that name its cache: no two of one person's meet.
const KEY_DIGITS: usize = 32;

/// How often the lock is tried while another attempt fetches.
const LOCK_STEP: Duration = Duration::from_millis(100);

/// Where refs are kept that a task named beyond branches and tags.
const ASKED: &str = "refs/shraga/asked";

/// What is fetched: the repository's own branches and tags, under their own names.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// See the module.
pub(super) struct Cache {
    folder: PathBuf,
    door: Door,
    environment: Arc<BTreeMap<String, String>>,
}

/// A commit in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The bare clone it is in.
    pub(super) clone: PathBuf,
    /// The commit, whole.
    pub(super) commit: String,
    /// The branch it is the tip of, without prefix, if it was asked for by one.
    pub(super) branch: Option<String>,
}

impl Cache {
    /// The cache for what `wanted` names, once it is known that this worker may go there.
    pub(super) async fn open(
        workspaces: &Workspaces,
        wanted: &Wanted,
        owner: Option<UserId>,
    ) -> Result<Self, WorkspaceError> {
        let door = Door::open(workspaces, &wanted.address).await?;
        let person = owner.map_or_else(|| "nobody".to_owned(), |owner| owner.to_string());
        let all = workspaces.root.join("repositories");
        let mine = all.join(person);
        let folder = mine.join(key(door.source()));
        for path in [&all, &mine, &folder] {
            private_folder(path).map_err(io_error("made", path))?;
        }
        Ok(Self {
            folder,
            door,
            environment: Arc::clone(&workspaces.environment),
        })
    }

    /// Fetches, and finds what `reference` means.
    pub(super) async fn obtain(
        &self,
        reference: Option<&Reference>,
    ) -> Result<Found, WorkspaceError> {
        let _lock = self.lock().await?;
        let clone = match self.newest() {
            0 => self.begin(1).await?,
            number => self.clone_path(number),
        };
        match self.fetch(&clone).await {
            Ok(()) => {}
            Err(error) if is_broken(&self.local(&clone)).await => {
                tracing::warn!(%error, "a cached repository is broken; it is fetched anew");
                return self.start_over(reference).await;
            }
            // A git that was killed here has left its locks; nobody else writes here now.
            Err(error) if remove_locks(&clone) > 0 => {
                tracing::info!(%error, "locks of a git that was killed are removed");
                self.fetch(&clone).await?;
            }
            Err(error) => return Err(error),
        }
        self.find(&clone, reference).await
    }

    /// A commit by its whole identity, asked for by itself if it is on no branch any more.
    pub(super) async fn obtain_commit(
        &self,
        clone: &Path,
        commit: &str,
    ) -> Result<Option<String>, WorkspaceError> {
        if let Some(known) = self.commit_of(clone, commit).await? {
            return Ok(Some(known));
        }
        let _lock = self.lock().await?;
        match commit.parse() {
            Ok(reference) => self.ask_for(clone, &reference).await,
            Err(_) => Ok(None),
        }
    }

    /// Begins the next clone, since the one in use is broken.
    pub(super) async fn renew(
        &self,
        reference: Option<&Reference>,
    ) -> Result<Found, WorkspaceError> {
        let _lock = self.lock().await?;
        self.start_over(reference).await
    }

    /// Whether the clone that `found` is in lacks what it should have.
    pub(super) async fn is_broken(&self, found: &Found) -> bool {
        is_broken(&self.local(&found.clone)).await
    }

    async fn start_over(&self, reference: Option<&Reference>) -> Result<Found, WorkspaceError> {
        let clone = self.begin(self.newest() + 1).await?;
        self.fetch(&clone).await?;
        self.find(&clone, reference).await
    }

    fn local(&self, clone: &Path) -> Git {
        let dir = clone.display().to_string();
        Git::local(&self.environment, &self.folder).set("GIT_DIR", &dir)
    }

    fn remote(&self, clone: &Path) -> Git {
        let dir = clone.display().to_string();
        self.door.git(&self.folder).set("GIT_DIR", &dir)
    }

    fn clone_path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number}.git"))
    }

    /// The number of the newest clone; 0 when there is none.
    fn newest(&self) -> u32 {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_suffix(".git")?.parse().ok()
        });
        numbers.max().unwrap_or(0)
    }

    async fn begin(&self, number: u32) -> Result<PathBuf, WorkspaceError> {
        let clone = self.clone_path(number);
        let path = clone.display().to_string();
        let git = Git::local(&self.environment, &self.folder);
        let mut args = vec!["init", "--quiet", "--bare", "--template="];
        let format = self.object_format().await;
        let format = format.map(|format| format!("--object-format={format}"));
        args.extend(format.as_deref());
        args.extend(["--", &path]);
        git.run(&args)
            .await
            .map_err(git_error("a cache can't be made"))?;
        // For people who look at the folder.
        let _ = fs::write(
            self.folder.join("address"),
            format!("{}\n", self.door.address()),
        );
        Ok(clone)
    }

    /// The kind of identities a local repository uses; others are asked for as git itself chooses.
    async fn object_format(&self) -> Option<String> {
        if self.door.address().way() != Way::Local {
            return None;
        }
        let git = Git::local(&self.environment, &self.folder).set("GIT_DIR", self.door.source());
        let inner = Git::local(&self.environment, &self.folder)
            .set("GIT_DIR", &format!("{}/.git", self.door.source()));
        let ask = ["rev-parse", "--show-object-format"];
        match git.line(&ask).await {
            Ok(format) => Some(format),
            Err(_) => inner.line(&ask).await.ok(),
        }
    }

    async fn fetch(&self, clone: &Path) -> Result<(), WorkspaceError> {
        let mut args = self.fetch_args();
        args.push("--prune");
        args.extend(["--", self.door.source()]);
        args.extend(REFSPECS);
        let fetched = self.remote(clone).run(&args).await;
        fetched.map(drop).map_err(git_error(CANT_FETCH))
    }

    fn fetch_args(&self) -> Vec<&'static str> {
        vec![
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--no-write-fetch-head",
            "--force",
        ]
    }

    async fn find(
        &self,
        clone: &Path,
        reference: Option<&Reference>,
    ) -> Result<Found, WorkspaceError> {
        let (commit, branch) = match reference {
            None => self.default_branch(clone).await?,
            Some(reference) => {
                let commit = match self.known(clone, reference).await? {
                    Some(commit) => Some(commit),
                    None => self.ask_for(clone, reference).await?,
                };
                let commit = commit.ok_or_else(|| self.no_such(reference.as_str()))?;
                let branch = reference.branch().map(|name| format!("refs/heads/{name}"));
                let branch = match branch {
                    Some(full) => self.commit_of(clone, &full).await?.map(|_| full),
                    None => None,
                };
                (commit, branch)
            }
        };
        let branch = branch.and_then(|full| Some(full.strip_prefix("refs/heads/")?.to_owned()));
        Ok(Found {
            clone: clone.to_owned(),
            commit,
            branch,
        })
    }

    fn no_such(&self, reference: &str) -> WorkspaceError {
        WorkspaceError::NoSuchRef {
            address: self.door.address().to_string(),
            reference: reference.to_owned(),
        }
    }

    /// What `reference` means among what was fetched.
    async fn known(
        &self,
        clone: &Path,
        reference: &Reference,
    ) -> Result<Option<String>, WorkspaceError> {
        for name in reference.full_names() {
            if let Some(commit) = self.commit_of(clone, &name).await? {
                return Ok(Some(commit));
            }
        }
        match reference.commit() {
            Some(digits) => self.commit_of(clone, digits).await,
            None => Ok(None),
        }
    }

    async fn commit_of(&self, clone: &Path, name: &str) -> Result<Option<String>, WorkspaceError> {
        let revision = format!("{name}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let args: Vec<&str> = args.into_iter().chain([revision.as_str()]).collect();
        let answer = self.local(clone).ask(&args, Vec::new(), 1_000).await;
        let answer = answer.map_err(git_error("a cached repository can't be read"))?;
        let commit = String::from_utf8_lossy(&answer.out).trim().to_owned();
        Ok(answer.good.then_some(commit))
    }

    /// Asks the repository for a ref beyond branches and tags, or a commit by itself.
    async fn ask_for(
        &self,
        clone: &Path,
        reference: &Reference,
    ) -> Result<Option<String>, WorkspaceError> {
        let name = reference.as_str();
        if !name.starts_with("refs/") && !reference.is_whole_commit() {
            return Ok(None);
        }
        let kept = format!("{ASKED}/{}", key(name));
        let spec = format!("+{name}:{kept}");
        let mut args = self.fetch_args();
        args.extend(["--", self.door.source(), &spec]);
        match self.remote(clone).run(&args).await {
            Ok(_) => self.commit_of(clone, &kept).await,
            // It answered to the fetch before this one, so this is its answer.
            Err(GitError::Refused { .. }) => Ok(None),
            Err(error) => Err(git_error(CANT_FETCH)(error)),
        }
    }

    /// The tip and the full name of the branch that the repository itself has checked out.
    async fn default_branch(
        &self,
        clone: &Path,
    ) -> Result<(String, Option<String>), WorkspaceError> {
        let args = ["ls-remote", "--symref", "--", self.door.source(), "HEAD"];
        let out = self.remote(clone).line(&args).await;
        let out = out.map_err(git_error(
            "the repository's default branch can't be asked for",
        ))?;
        let named = out.lines().find_map(|line| {
            let (name, what) = line.strip_prefix("ref: ")?.split_once('\t')?;
            (what == "HEAD").then(|| name.to_owned())
        });
        let tip = out.lines().find_map(|line| {
            let (tip, what) = line.split_once('\t')?;
            (what == "HEAD" && !tip.starts_with("ref: ")).then(|| tip.to_owned())
        });
        // The name is the remote's word: only what was fetched under it counts.
        let named = named.filter(|name| name.starts_with("refs/heads/"));
        let known = match &named {
            Some(name) => self.commit_of(clone, name).await?,
            None => None,
        };
        match (known, tip) {
            (Some(commit), _) => Ok((commit, named)),
            (None, Some(tip)) if tip.bytes().all(|b| b.is_ascii_hexdigit()) => {
                let commit = self.commit_of(clone, &tip).await?;
                let commit = commit.ok_or_else(|| self.no_such("default branch"))?;
                Ok((commit, None))
            }
            (None, _) => Err(self.no_such("default branch (it may be empty)")),
        }
    }

    /// Waits until no other attempt fetches into this cache.
    async fn lock(&self) -> Result<File, WorkspaceError> {
        let path = self.folder.join("lock");
        let mut options = File::options();
        let options = options.create(true).truncate(false).write(true);
        let file = options.open(&path).map_err(io_error("opened", &path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => clock::after(LOCK_STEP).await,
                Err(TryLockError::Error(error)) => return Err(io_error("locked", &path)(error)),
            }
        }
    }
}

/// Words for a fetch that failed.
const CANT_FETCH: &str = "the repository can't be fetched";

/// Whether a clone lacks objects that its refs lead to, or is none.
async fn is_broken(git: &Git) -> bool {
    let args = [
        "fsck",
        "--connectivity-only",
        "--no-dangling",
        "--no-progress",
    ];
    match git.ask(&args, Vec::new(), 64 * 1024).await {
        Ok(answer) => !answer.good,
        Err(_) => false,
    }
}

/// Removes what a killed git has left locked; tells how much that was.
pub(super) fn remove_locks(clone: &Path) -> usize {
    let mut folders = vec![clone.to_owned()];
    let mut removed = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = entry.path();
            if kind.is_dir() && entry.file_name() != "objects" {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|it| it == "lock") {
                removed += usize::from(fs::remove_file(&path).is_ok());
            }
        }
    }
    removed
}

fn key(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..KEY_DIGITS].to_owned()
}
