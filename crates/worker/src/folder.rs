//! The worker's folder on disk, and one folder per attempt in it.
//!
//! ```text
//! lock                      held by the living process
//! boot.json                 the boot that used the folder last
//! outbox/                   reports that the store hasn't taken yet
//! running/                  process groups of agents that run now
//! tasks/TASK/attempt-N/     prompt.txt stdout.log stderr.log outcome.json
//!                 work/     the agent's working directory
//!                 course.json   which phase it is in
//!                 exchange-N/   what agent and worker hand each other in phase N
//!                 2-verify/     what the first phase has in the attempt's folder, of a later one
//!                 copy-N/       the files that phase N judges
//!                 repo.git/     the worker's copy of what was committed in a checkout, with diff.patch
//!                               checkout.json evidence.json ([`crate::workspace`])
//! tasks/TASK/attempt-N.accepted     the store has the report of attempt N
//! repositories/             cached repositories
//! removed/                  folders on their way out
//! ```
//!
//! Every file here is made new (`O_EXCL`) and every folder is checked to be one, so that no link is
//! ever followed. The agent works in `work/`: nothing it names can collide with the worker's files.
//! An attempt that is begun again, because the worker ended in mid-run, gets a fresh folder
//! (`attempt-N.2`), so that nothing half-done is mistaken for its own. Nothing is deleted here: that is
//! [`crate::workspace::retention`]'s.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shraga_core::ids::{Attempt, BootId, TaskId};
use shraga_core::worker::pipeline::Phase;
use shraga_process::GroupRecord;
use uuid::Uuid;

use crate::private::{new_private_folder, private_folder};

#[cfg(test)]
mod tests;

/// How many times one attempt may be begun. Only the end of the worker in mid-run repeats one; a task
/// that brings the worker down each time must not do so for ever.
const REPEATS: u32 = 3;

/// A folder or file of the worker's couldn't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Another living process uses the folder.
    #[error("another worker process uses {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// There is something else where a folder should be, such as a link.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The place.
        path: PathBuf,
    },
    /// The attempt was begun too often.
    #[error("the worker ended {REPEATS} times while it ran")]
    BegunTooOften,
    /// The system refused.
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

/// The worker's folder, locked for this process.
#[derive(Debug)]
pub(crate) struct WorkerFolder {
    root: PathBuf,
    previous: Option<BootId>,
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct BootFile {
    boot: Uuid,
}

impl WorkerFolder {
    /// Locks `root` (made when missing) and notes that `boot` uses it now.
    ///
    /// # Errors
    /// [`FolderError::InUse`] when another process holds it; otherwise what the system refused.
    pub(crate) fn open(root: &Path, boot: BootId) -> Result<Self, FolderError> {
        fs::create_dir_all(root).map_err(io_error("made", root))?;
        let root = root.canonicalize().map_err(io_error("resolved", root))?;
        let path = root.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("opened", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse { path: root }),
            Err(TryLockError::Error(source)) => return Err(io_error("locked", &path)(source)),
        }
        let previous = read_boot(&root.join("boot.json"));
        replace(&root.join("boot.json"), &BootFile { boot: boot.get() })?;
        for name in ["running", "tasks"] {
            make_folder(&root.join(name))?;
        }
        Ok(Self {
            root,
            previous,
            _lock: lock,
        })
    }

    /// The boot that used the folder before this one; its process is gone, since the lock was free.
    pub(crate) fn previous_boot(&self) -> Option<BootId> {
        self.previous
    }

    /// Where the outbox is.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.root.join("outbox")
    }

    /// The root, absolute.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Process groups that an earlier process left recorded, each with its file.
    pub(crate) fn recorded_groups(&self) -> Vec<(PathBuf, GroupRecord)> {
        let Ok(entries) = fs::read_dir(self.root.join("running")) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let text = fs::read(entry.path()).ok()?;
                Some((entry.path(), serde_json::from_slice(&text).ok()?))
            })
            .collect()
    }
}

/// The folder of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct AttemptFolder {
    path: PathBuf,
    running: PathBuf,
}

impl AttemptFolder {
    /// Makes a fresh folder for `attempt` of `task` under the worker's `root`, with the prompt in it.
    ///
    /// # Errors
    /// When something other than a folder stands in the way, the disk refuses, or the attempt was begun
    /// too often.
    pub(crate) fn create(
        root: &Path,
        task: TaskId,
        attempt: Attempt,
        prompt: &str,
    ) -> Result<Self, FolderError> {
        let parent = root.join("tasks").join(task.to_string());
        make_folder(&parent)?;
        let path = fresh(&parent, attempt)?;
        make_folder(&path.join("work"))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = Self {
            running: root.join("running").join(format!("{task}-{name}.json")),
            path,
        };
        folder.write("prompt.txt", prompt.as_bytes())?;
        Ok(folder)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the agent works.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// The folder of one of the attempt's later phases; made unless it is there. The first phase has
    /// the attempt's own.
    ///
    /// # Errors
    /// When something other than a folder stands in the way, or the disk refuses.
    pub(crate) fn of_phase(&self, number: u32, phase: Phase) -> Result<Self, FolderError> {
        if number <= 1 {
            return Ok(self.clone());
        }
        let path = self.path.join(format!("{number}-{phase}"));
        make_folder(&path)?;
        Ok(Self {
            path,
            ..self.clone()
        })
    }

    /// The folder of another run of the same phase.
    ///
    /// # Errors
    /// When something other than a folder stands in the way, or the disk refuses.
    pub(crate) fn of_run(&self, run: usize) -> Result<Self, FolderError> {
        if run <= 1 {
            return Ok(self.clone());
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let path = self.path.join(format!("{name}-run-{run}"));
        make_folder(&path)?;
        Ok(Self {
            path,
            ..self.clone()
        })
    }

    /// Makes a new file to write to.
    ///
    /// # Errors
    /// When it exists already, or the disk refuses.
    pub(crate) fn create_file(&self, name: &str) -> Result<File, FolderError> {
        let path = self.path.join(name);
        File::create_new(&path).map_err(io_error("made", &path))
    }

    /// Makes a new file with `content`.
    ///
    /// # Errors
    /// As [`Self::create_file`].
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        self.create_file(name)?
            .write_all(content)
            .map_err(io_error("written", &path))
    }

    /// Records the agent's process group, so that a later process can end it.
    ///
    /// # Errors
    /// When the disk refuses; the agent must not run then.
    pub(crate) fn record_group(&self, group: &GroupRecord) -> Result<(), FolderError> {
        replace(&self.running, group)
    }

    /// Forgets the agent's process group once it is gone.
    pub(crate) fn forget_group(&self) {
        let _ = fs::remove_file(&self.running);
    }
}

/// Makes the first of `attempt-N`, `attempt-N.2`, ... that doesn't exist.
fn fresh(parent: &Path, attempt: Attempt) -> Result<PathBuf, FolderError> {
    for repeat in 1..=REPEATS {
        let name = match repeat {
            1 => format!("attempt-{attempt}"),
            more => format!("attempt-{attempt}.{more}"),
        };
        let path = parent.join(name);
        match new_private_folder(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("made", &path)(error)),
        }
    }
    Err(FolderError::BegunTooOften)
}

/// Makes one folder, or accepts one that is there; a link is neither followed nor accepted.
fn make_folder(path: &Path) -> Result<(), FolderError> {
    private_folder(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => FolderError::NotAFolder {
            path: path.to_owned(),
        },
        _ => io_error("made", path)(error),
    })
}

fn read_boot(path: &Path) -> Option<BootId> {
    let file: BootFile = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(BootId::new(file.boot))
}

/// Writes a small file under a temporary name and renames it into place.
fn replace<T: Serialize>(path: &Path, content: &T) -> Result<(), FolderError> {
    let temporary = path.with_extension("tmp");
    let _ = fs::remove_file(&temporary);
    let written = serde_json::to_vec(content)
        .map_err(io::Error::from)
        .and_then(|bytes| File::create_new(&temporary)?.write_all(&bytes))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(io_error("written", path))
}

fn io_error(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { step, path, source }
}
