//! What of the worker's folder may go: told by the reports that the store has, decided by core.
//!
//! When the store has an attempt's report, a small file beside its folder says so
//! (`attempt-N.accepted`); without it nothing of the attempt is ever removed. A folder goes by its name,
//! which is the task and the attempt: it is renamed into `removed/` first, so that a removal that is cut
//! short is finished by the next one. Links are never followed, and what is no attempt's is left alone.
//! Cached repositories that nobody borrows from go first when the disk cap is reached.
//!
//! All of it runs beside the driver, which is told only whether there is room for more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use shraga_core::ids::{Attempt, TaskId};
use shraga_core::time::Timestamp;
use shraga_core::worker::{Keeping, Kept};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::evidence::{Told, read_told};
use crate::clock::{self, StoreClock};
use crate::private::{bytes_on_disk, private_folder, read_within, remove_folder};

#[cfg(test)]
mod tests;

/// How often the disk is looked at when no attempt ends. More often reads every folder for nothing;
/// less often notices a full disk late.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Accepted reports that wait to be noted. One that finds no room is not noted, and its folder stays.
const WAITING: usize = 1_024;

/// Bytes of a note.
const NOTE_BYTES: usize = 4 * 1024;

/// A note of an accepted report.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    at_ms: i64,
}

/// How the worker's disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// What the worker's folder takes, as of the last look.
    pub bytes: u64,
    /// What it may take.
    pub cap_bytes: Option<u64>,
    /// Whether it takes more, with nothing left that may go: nothing new is taken.
    pub full: bool,
}

/// An accepted report.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    task: TaskId,
    attempt: Attempt,
    clock: StoreClock,
}

/// The driver's end: see the module.
#[derive(Debug)]
pub(crate) struct Retention {
    accepted: mpsc::Sender<Accepted>,
    disk: watch::Receiver<Disk>,
    _task: AbortOnDropHandle<()>,
}

impl Retention {
    /// Looks after the worker's folder `root` from now on.
    pub(crate) fn start(root: &Path, keeping: Keeping, clock: StoreClock) -> Self {
        let (accepted, inbox) = mpsc::channel(WAITING);
        let (sender, disk) = watch::channel(Disk::default());
        let work = look_after(root.to_owned(), keeping, clock, inbox, sender);
        Self {
            accepted,
            disk,
            _task: AbortOnDropHandle::new(tokio::spawn(work)),
        }
    }

    /// The store has this attempt's report.
    pub(crate) fn accepted(&self, task: TaskId, attempt: Attempt, clock: StoreClock) {
        let told = self.accepted.try_send(Accepted {
            task,
            attempt,
            clock,
        });
        if told.is_err() {
            tracing::warn!(task.id = %task, attempt = attempt.0, "its folder stays for good: too many ended at once");
        }
    }

    /// Completes when the disk was looked at again.
    pub(crate) async fn changed(&mut self) {
        if self.disk.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// How the disk was at the last look.
    pub(crate) fn disk(&self) -> Disk {
        *self.disk.borrow()
    }
}

async fn look_after(
    root: PathBuf,
    keeping: Keeping,
    mut clock: StoreClock,
    mut inbox: mpsc::Receiver<Accepted>,
    disk: watch::Sender<Disk>,
) {
    loop {
        let (place, now) = (root.clone(), clock.now());
        let swept = tokio::task::spawn_blocking(move || sweep(&place, &keeping, now)).await;
        match swept {
            Ok(found) => tell(&disk, found),
            Err(error) => tracing::error!(%error, "looking after the disk panicked"),
        }
        let mut batch = Vec::new();
        tokio::select! {
            count = inbox.recv_many(&mut batch, WAITING) => if count == 0 { return; },
            () = clock::after(SWEEP_EVERY) => {}
        }
        for accepted in batch {
            clock = accepted.clock;
            if let Err(error) = note(&root, accepted, clock.now()) {
                let (task, attempt) = (accepted.task, accepted.attempt.0);
                tracing::warn!(task.id = %task, attempt, %error, "its folder stays for good: that its report was taken can't be noted");
            }
        }
    }
}

/// Shows the disk, and says it once when it gets full or has room again.
fn tell(disk: &watch::Sender<Disk>, found: Disk) {
    let before = disk.send_replace(found);
    match (before.full, found.full) {
        (false, true) => tracing::error!(
            bytes = found.bytes,
            cap_bytes = found.cap_bytes,
            "the disk cap is reached and nothing more may be removed: no new work is taken \
             (raise `worker.disk_cap_gb`, or look through the worker's folder)"
        ),
        (true, false) => tracing::info!(bytes = found.bytes, "there is room for work again"),
        _ => {}
    }
}

/// Notes that the store has a report.
fn note(root: &Path, accepted: Accepted, now: Timestamp) -> std::io::Result<()> {
    let task = root.join("tasks").join(accepted.task.to_string());
    if !task.symlink_metadata().is_ok_and(|it| it.is_dir()) {
        return Ok(());
    }
    let path = task.join(format!("attempt-{}.accepted", accepted.attempt));
    let note = Note {
        at_ms: now.as_millis(),
    };
    let text = serde_json::to_vec(&note)?;
    match File::create_new(&path) {
        Ok(mut file) => file.write_all(&text),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// One attempt on the disk: its folders and its note.
struct Found {
    task: String,
    attempt: u32,
    folders: Vec<PathBuf>,
    kept: Kept,
}

/// What a worker's folder holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// What it takes on the disk, cached repositories included.
    pub bytes: u64,
    /// Attempts with a folder.
    pub attempts: usize,
    /// Those that aren't known to be in the store: they run, wait, or are of an earlier version.
    pub unaccepted: usize,
}

/// Looks at the worker's folder `root` and changes nothing.
#[must_use]
pub fn holdings(root: &Path) -> Holdings {
    let attempts = attempts(root);
    let used: u64 = attempts.iter().map(|found| found.kept.bytes).sum();
    let unaccepted = attempts.iter().filter(|it| it.kept.accepted.is_none());
    Holdings {
        bytes: used + size(&root.join("repositories")),
        attempts: attempts.len(),
        unaccepted: unaccepted.count(),
    }
}

/// Looks at the disk, removes what may go, and tells how it is then.
pub(crate) fn sweep(root: &Path, keeping: &Keeping, now: Timestamp) -> Disk {
    finish_removals(root);
    let attempts = attempts(root);
    let mut caches = caches(root, &attempts);
    let cached: u64 = caches.iter().map(|cache| cache.bytes).sum();
    let used: u64 = attempts.iter().map(|found| found.kept.bytes).sum();
    let mut other = cached;
    let over = |other: u64| keeping.cap_bytes.is_some_and(|cap| used + other > cap);
    caches.sort_by_key(|cache| cache.used);
    for cache in caches.iter().filter(|cache| !cache.borrowed) {
        if over(other) && remove(root, &cache.folder) {
            tracing::info!(folder = %cache.folder.display(), "an unused cached repository is removed");
            other = other.saturating_sub(cache.bytes);
        }
    }
    let kept: Vec<Kept> = attempts.iter().map(|found| found.kept).collect();
    let decided = keeping.sweep(&kept, other, now);
    let mut bytes = decided.bytes;
    for at in decided.remove {
        let found = &attempts[at];
        if !remove_attempt(root, found) {
            bytes += found.kept.bytes;
        }
    }
    Disk {
        bytes,
        cap_bytes: keeping.cap_bytes,
        full: keeping.cap_bytes.is_some_and(|cap| bytes > cap),
    }
}

fn remove_attempt(root: &Path, found: &Found) -> bool {
    let (task, attempt) = (&found.task, found.attempt);
    let gone = found.folders.iter().all(|folder| remove(root, folder));
    if gone {
        let parent = root.join("tasks").join(task);
        let _ = fs::remove_file(parent.join(format!("attempt-{attempt}.accepted")));
        // Only an empty one goes.
        let _ = fs::remove_dir(&parent);
        tracing::info!(task.id = task, attempt, "an attempt's folder is removed");
    } else {
        tracing::warn!(
            task.id = task,
            attempt,
            "an attempt's folder can't be removed"
        );
    }
    gone
}

/// Where folders are on their way out.
fn leaving(root: &Path) -> PathBuf {
    root.join("removed")
}

/// Renames a folder out of the way, then removes it. Tells whether it is out of the way and gone.
fn remove(root: &Path, folder: &Path) -> bool {
    let leaving = leaving(root);
    if private_folder(&leaving).is_err() {
        return false;
    }
    let names = folder.strip_prefix(root).unwrap_or(folder).components();
    let names: Vec<String> = names
        .map(|name| name.as_os_str().to_string_lossy().into_owned())
        .collect();
    let place = leaving.join(names.join("-"));
    let _ = remove_folder(&place);
    fs::rename(folder, &place).is_ok() && remove_folder(&place).is_ok()
}

fn finish_removals(root: &Path) {
    for path in folders_in(&leaving(root)) {
        let _ = remove_folder(&path);
    }
}

/// The folders in `path`, links excluded.
fn folders_in(path: &Path) -> Vec<PathBuf> {
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let there = path.symlink_metadata().is_ok_and(|it| it.is_dir());
    let entries = there.then(|| fs::read_dir(path).ok()).flatten();
    let entries = entries.into_iter().flatten().flatten().filter(is_folder);
    entries.map(|entry| entry.path()).collect()
}

/// The attempts there are, by task and number.
fn attempts(root: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for task in folders_in(&root.join("tasks")) {
        let name = task.file_name().unwrap_or_default().to_string_lossy();
        if name.parse::<TaskId>().is_err() {
            continue;
        }
        let mut by_number: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
        for folder in folders_in(&task) {
            if let Some(attempt) = number(&folder) {
                by_number.entry(attempt).or_default().push(folder);
            }
        }
        found.extend(by_number.into_iter().map(|(attempt, folders)| Found {
            task: name.clone().into_owned(),
            attempt,
            kept: look_at(&task, attempt, &folders),
            folders,
        }));
    }
    found
}

/// N of `attempt-N` and `attempt-N.2`.
fn number(folder: &Path) -> Option<u32> {
    let name = folder.file_name()?.to_str()?.strip_prefix("attempt-")?;
    let (number, again) = name.split_once('.').unwrap_or((name, "1"));
    again.parse::<u32>().ok()?;
    number.parse().ok()
}

fn look_at(task: &Path, attempt: u32, folders: &[PathBuf]) -> Kept {
    let note = PathBuf::from(format!("attempt-{attempt}.accepted"));
    let note = read_within(task, &note, NOTE_BYTES).ok();
    let note = note.and_then(|head| serde_json::from_slice::<Note>(&head.bytes).ok());
    Kept {
        bytes: folders.iter().map(|folder| size(folder)).sum(),
        accepted: note.map(|note| Timestamp::from_millis(note.at_ms)),
        precious: folders.iter().any(|folder| is_precious(folder)),
    }
}

/// Whether there is a checkout in it whose commits, as far as is known, are nowhere else.
fn is_precious(folder: &Path) -> bool {
    if folder.join("repo.git").symlink_metadata().is_err() {
        return false;
    }
    match read_told(folder) {
        Some(Told { commits, pushed }) => commits > 0 && !pushed,
        None => true,
    }
}

/// What a folder takes on the disk.
fn size(folder: &Path) -> u64 {
    let mut folders = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            bytes += bytes_on_disk(&metadata);
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}

/// A bare clone in the cache.
struct CachedClone {
    folder: PathBuf,
    bytes: u64,
    borrowed: bool,
    used: Option<SystemTime>,
}

fn caches(root: &Path, attempts: &[Found]) -> Vec<CachedClone> {
    let borrowed: BTreeSet<PathBuf> = attempts
        .iter()
        .flat_map(|found| &found.folders)
        .filter_map(|folder| borrowed_from(folder))
        .collect();
    let owners = folders_in(&root.join("repositories"));
    let keys: Vec<PathBuf> = owners.iter().flat_map(|owner| folders_in(owner)).collect();
    let cached = |key: &PathBuf| {
        let used = fs::metadata(key.join("lock")).and_then(|it| it.modified());
        let used = used.ok();
        folders_in(key)
            .into_iter()
            .map(move |folder| (folder, used))
    };
    keys.iter()
        .flat_map(cached)
        .map(|(folder, used)| CachedClone {
            bytes: size(&folder),
            borrowed: borrowed.contains(&folder),
            folder,
            used,
        })
        .collect()
}

/// The clone that an attempt's copy borrows from.
fn borrowed_from(folder: &Path) -> Option<PathBuf> {
    let alternates = Path::new("repo.git/objects/info/alternates");
    let head = read_within(folder, alternates, NOTE_BYTES).ok()?;
    let line = String::from_utf8(head.bytes).ok()?;
    Path::new(line.trim()).parent().map(Path::to_owned)
}
