//! The worker's folder on disk, and one folder per attempt in it.
//!
//! ```text
//! lock                      held by the living process
//! holder.json               who that is
//! boot.json                 the boot that used the folder last
//! outbox/                   reports that the store hasn't taken yet
//! running/                  who runs now, or has ended without the store knowing (a supervisor's record)
//! tasks/TASK/attempt-N/     prompt.txt stdout.log stderr.log ended.json outcome.json
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
//! Every file here is made new (`O_EXCL`), under another name if it replaces one, and every folder is checked to be one, so that no link is
//! ever followed. The agent works in `work/`: nothing it names can collide with the worker's files.
//! An attempt that is begun again, because the worker ended in mid-run, gets a fresh folder
//! (`attempt-N.2`), so that nothing half-done is mistaken for its own. Nothing is deleted here: that is
//! [`crate::workspace::retention`]'s.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shraga_core::ids::{Attempt, BootId, MirrorId, TaskId};
use shraga_core::worker::pipeline::Phase;
use shraga_process::holder;
use shraga_process::supervise::Record;
use uuid::Uuid;

use crate::clock::{self, Due};
use crate::private::{new_private_folder, private_folder};

#[cfg(test)]
mod tests;

/// How many times one attempt may be begun. Only the end of the worker in mid-run repeats one; a task
/// that brings the worker down each time must not do so for ever.
const REPEATS: u32 = 3;

/// How long the folder's lock is waited for: a process that just ended may have started another that
/// holds a copy of it for a moment, until it becomes the program it is to run.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How often the lock is tried meanwhile.
const LOCK_STEP: Duration = Duration::from_millis(20);

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
    /// Locks `root`, made when missing.
    ///
    /// # Errors
    /// [`FolderError::InUse`] when another process holds it and keeps it; otherwise what the system refused.
    pub(crate) async fn open(root: &Path) -> Result<Self, FolderError> {
        let patience = Due::after(LOCK_PATIENCE);
        loop {
            let place = root.to_owned();
            let opened = tokio::task::spawn_blocking(move || Self::try_open(&place)).await;
            match opened.map_err(|error| io_error("opened", root)(error.into()))? {
                Err(FolderError::InUse { .. }) if !patience.is_past() => {
                    clock::after(LOCK_STEP).await;
                }
                opened => return opened,
            }
        }
    }

    fn try_open(root: &Path) -> Result<Self, FolderError> {
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
        // Without the note others are told less, and nothing else.
        if let Err(error) = holder::note(&root, "worker") {
            tracing::warn!(%error, "it could not be noted who has {}", root.display());
        }
        let previous = read_boot(&root.join("boot.json"));
        for name in ["running", "tasks"] {
            make_folder(&root.join(name))?;
        }
        Ok(Self {
            root,
            previous,
            _lock: lock,
        })
    }

    /// Notes that `boot` uses the folder now.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn note_boot(&self, boot: BootId) -> Result<(), FolderError> {
        let file = BootFile { boot: boot.get() };
        replace(&self.root.join("boot.json"), &file)
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

    /// What supervisors recorded for this process or an earlier one, each with its file; `None` for a
    /// record that can't be read.
    pub(crate) fn records(&self) -> Vec<(PathBuf, Option<Record>)> {
        let Ok(entries) = fs::read_dir(self.running()) else {
            return Vec::new();
        };
        let paths = entries.flatten().map(|entry| entry.path());
        paths
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .map(|path| {
                let record = Record::read(&path).ok();
                (path, record)
            })
            .collect()
    }

    fn running(&self) -> PathBuf {
        self.root.join("running")
    }
}

/// Forgets the agents of an attempt: what came of it is known to the store. A supervisor that still
/// lives ends its agent then.
pub(crate) fn forget(root: &Path, mirror: MirrorId, attempt: Attempt) {
    let Ok(entries) = fs::read_dir(root.join("running")) else {
        return;
    };
    let own = format!("{mirror}.{attempt}.");
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&own) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The folder of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct AttemptFolder {
    path: PathBuf,
    /// The worker's folder.
    root: PathBuf,
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
        let folder = Self {
            root: root.to_owned(),
            path,
        };
        folder.write("prompt.txt", prompt.as_bytes())?;
        Ok(folder)
    }

    /// The folder at `path`, which an earlier process made under the worker's `root`.
    pub(crate) fn existing(root: &Path, path: PathBuf) -> Self {
        Self {
            path,
            root: root.to_owned(),
        }
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

    /// Makes a file with `content`, or puts it in the place of one that is there.
    ///
    /// # Errors
    /// As [`Self::create_file`].
    pub(crate) fn rewrite(&self, name: &str, content: &[u8]) -> Result<(), FolderError> {
        replace_bytes(&self.path.join(name), content)
    }

    /// Where it is recorded who runs the program whose output is kept here.
    pub(crate) fn record(&self, mirror: MirrorId, attempt: Attempt) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.root
            .join("running")
            .join(format!("{mirror}.{attempt}.{name}.json"))
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
    let bytes = serde_json::to_vec(content).map_err(io::Error::from);
    replace_bytes(path, &bytes.map_err(io_error("written", path))?)
}

fn replace_bytes(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let temporary = path.with_extension("tmp");
    let _ = fs::remove_file(&temporary);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(io_error("written", path))
}

fn io_error(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { step, path, source }
}
