//! A program of ours that goes on when whoever started it ends, and is found again by its record.
//!
//! It has a folder. Started there ([`start`]), it takes the folder for itself ([`enroll`]): a lock that
//! lasts as long as it lives, so that two never run there, and a record of its process, written by
//! itself, so that no one who is killed after starting it leaves a program that nobody knows. Whoever
//! has the folder can [`look`] at it, [`Record::ask`] it to end and [`Record::end`] it.
//!
//! It runs in a session of its own and no deadline, no output and no signal of its starter's reaches
//! it: what it prints goes into a file. What it needs to know in secret stands in files of its folder
//! or in its environment, never on its command line.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::after;
use crate::os::{self, GroupRecord, end_group};
use crate::supervise::write_whole;

#[cfg(all(test, unix))]
mod tests;

/// Version of the record. One of another version is not understood.
pub const VERSION: u32 = 1;

/// Whether programs of this kind can be told to end on this system, and found again.
pub const SUPPORTED: bool = os::FINDS_AGAIN;

/// What it prints, in its folder; what came before is in [`OLD_LOG`].
pub const LOG: &str = "output.log";
/// What was printed before what is in [`LOG`]: by the program before it, or by itself until [`trim`].
pub const OLD_LOG: &str = "output.old.log";

/// How long [`LOG`] may grow until [`trim`] makes it anew: some days of a busy worker's lines. With
/// [`OLD_LOG`] a folder holds twice as much.
pub const LOG_BYTES_MAX: u64 = 8 * 1024 * 1024;

const LOCK: &str = "lock";
const RECORD: &str = "process.json";

/// How long a lock is waited for: a process that just ended may have started another that holds a
/// copy of it for a moment, until it becomes the program it is to run.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How long a program may take from its start until it is enrolled. It is this program again, from
/// the disk's cache; only a machine that is out of memory or processes needs longer.
const ENROLL_WITHIN: Duration = Duration::from_secs(30);

/// How often that, or a lock, is looked at meanwhile.
const STEP: Duration = Duration::from_millis(20);

/// How much of the end of its output is told when it ends at once.
const LAST_WORDS: u64 = 2000;

/// What to start.
#[derive(Clone, Debug)]
pub struct Order {
    /// Program and arguments; no shell is involved.
    pub argv: Vec<String>,
    /// Working directory.
    pub dir: PathBuf,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Its folder; exists, and only this user enters it.
    pub folder: PathBuf,
}

/// Who runs in a folder, or ran there last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] of the program.
    pub version: u32,
    /// Its process, which leads its group.
    pub process: GroupRecord,
    /// What it wants others to find here.
    pub about: BTreeMap<String, String>,
}

/// What a folder tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing ever ran there.
    Never,
    /// This runs there.
    Lives(Record),
    /// Nothing runs there; this did.
    Ended(Record),
}

/// Why a program isn't there now.
#[derive(Debug, thiserror::Error)]
pub enum LastingError {
    /// No program is named.
    #[error("no program is named")]
    Empty,
    /// The system refused.
    #[error("{} could not be {step}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// With which file or program.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("another process runs in {}", .0.display())]
    InUse(PathBuf),
    /// It ended before it was enrolled; the end of what it printed.
    #[error("it ended at once: {0}")]
    Ended(String),
    /// It neither was enrolled nor ended, and was killed.
    #[error("it said nothing for {} s", .0.as_secs())]
    Silent(Duration),
}

/// The folder is this process's while this lives.
#[derive(Debug)]
pub struct Enrolled(#[expect(dead_code, reason = "held, for its lock")] File);

/// Takes `folder` for this process, and tells others `about` it.
///
/// # Errors
/// [`LastingError::InUse`] when another process has it; otherwise what the system refused.
pub async fn enroll(
    folder: &Path,
    about: BTreeMap<String, String>,
) -> Result<Enrolled, LastingError> {
    let path = folder.join(LOCK);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed("opened", &path))?;
    let mut waited = Duration::ZERO;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if waited < LOCK_PATIENCE => {
                after(STEP).await;
                waited += STEP;
            }
            Err(TryLockError::WouldBlock) => return Err(LastingError::InUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("locked", &path)(source)),
        }
    }
    let record = Record {
        version: VERSION,
        process: GroupRecord::of(std::process::id()),
        about,
    };
    let path = folder.join(RECORD);
    write_whole(&path, &record).map_err(failed("written", &path))?;
    Ok(Enrolled(lock))
}

/// Starts a program and waits until it is enrolled; one that is there already is left alone.
///
/// # Errors
/// It could not be started, or ended at once. Nothing of it is left then.
pub async fn start(order: &Order) -> Result<Record, LastingError> {
    if let State::Lives(record) = look(&order.folder) {
        return Ok(record);
    }
    let (mut child, pid) = spawn(order)?;
    let mut waited = Duration::ZERO;
    while waited < ENROLL_WITHIN {
        if let State::Lives(record) = look(&order.folder) {
            return Ok(record);
        }
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return Err(LastingError::Ended(last_words(&order.folder))),
        }
        after(STEP).await;
        waited += STEP;
    }
    end_group(&GroupRecord::of(pid)).await;
    Err(LastingError::Silent(ENROLL_WITHIN))
}

/// Who runs in `folder`. A record that can't be read counts as none: whoever wrote it holds the lock,
/// so that nothing is started beside it.
#[must_use]
pub fn look(folder: &Path) -> State {
    let read = fs::read(folder.join(RECORD)).ok();
    let record = read.and_then(|text| serde_json::from_slice::<Record>(&text).ok());
    match record.filter(|record| record.version == VERSION) {
        None => State::Never,
        Some(record) if record.process.leader_lives().unwrap_or(false) => State::Lives(record),
        Some(record) => State::Ended(record),
    }
}

impl Record {
    /// Asks it to end (`SIGTERM`), if it still is the process that was recorded. A second time means
    /// at once.
    pub fn ask(&self) {
        os::ask_recorded(&self.process);
    }

    /// Kills it with its group, and waits (2 s at most) until it is gone; whether it is. What it started
    /// in groups of their own lives on.
    pub async fn end(&self) -> bool {
        end_group(&self.process).await
    }
}

/// Makes the log in `folder` anew if it is longer than `most` bytes: what is in it becomes [`OLD_LOG`]. To be
/// called by the program itself now and then; lines that it prints in that moment may be missing. Whether
/// it was too long.
///
/// # Errors
/// The disk refuses; the log is as it was.
pub fn trim(folder: &Path, most: u64) -> io::Result<bool> {
    let log = folder.join(LOG);
    let length = match fs::metadata(&log) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if length <= most {
        return Ok(false);
    }
    // Copied, not renamed: whoever prints goes on with the file it was given.
    fs::copy(&log, folder.join(OLD_LOG))?;
    File::options().write(true).open(&log)?.set_len(0)?;
    Ok(true)
}

fn spawn(order: &Order) -> Result<(Box<dyn ChildWrapper>, u32), LastingError> {
    let Some((name, args)) = order.argv.split_first() else {
        return Err(LastingError::Empty);
    };
    let log = order.folder.join(LOG);
    // Only the first start has none.
    let _ = fs::rename(&log, order.folder.join(OLD_LOG));
    // What is appended goes on at the beginning of a log that was made anew.
    let out = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(failed("made", &log))?;
    let err = out.try_clone().map_err(failed("made", &log))?;
    let mut command = Command::new(name);
    command
        .args(args)
        .current_dir(&order.dir)
        .env_clear()
        .envs(&order.env)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    let mut command = CommandWrap::from(command);
    os::own_session(&mut command);
    let child = command
        .spawn()
        .map_err(failed("started", Path::new(name)))?;
    let pid = child.id().unwrap_or_default();
    Ok((child, pid))
}

fn failed<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> LastingError + 'a {
    move |source| LastingError::Io {
        step,
        path: path.to_owned(),
        source,
    }
}

/// The end of what it printed.
fn last_words(folder: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(folder.join(LOG))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    match text.is_empty() {
        true => "it said nothing".to_owned(),
        false => text,
    }
}
