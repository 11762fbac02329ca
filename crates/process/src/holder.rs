//! Who has a folder: a note beside the lock that keeps others out of it.
//!
//! The lock decides, and goes with its process; the note only tells the next one whom to look for. It names a process
//! by number and start, so that one that is long gone, or another that got its number, is never named. Whoever has the
//! lock writes it; nobody removes it.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::os::GroupRecord;
use crate::supervise::write_whole;

/// The note, in the folder.
const FILE: &str = "holder.json";

/// The longest note that is read.
const LONGEST_BYTES: u64 = 4096;

/// A process that has a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// What it does there.
    pub role: String,
    /// Since when it has it, by this machine's clock.
    pub since: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct Note {
    process: GroupRecord,
    role: String,
}

/// Notes that this process has `folder`, as `role`. Only for whoever holds its lock.
///
/// # Errors
/// The folder can't be written.
pub fn note(folder: &Path, role: &str) -> io::Result<()> {
    let note = Note {
        process: GroupRecord::of(std::process::id()),
        role: role.to_owned(),
    };
    write_whole(&folder.join(FILE), &note)
}

/// Who noted that it has `folder` and still lives, as far as the system can tell; `None` when that isn't known.
#[must_use]
pub fn who(folder: &Path) -> Option<Holder> {
    let path = folder.join(FILE);
    let found = std::fs::metadata(&path).ok()?;
    if found.len() > LONGEST_BYTES {
        return None;
    }
    let note: Note = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    let lives = note.process.leader_lives().unwrap_or(true);
    lives.then_some(Holder {
        pid: note.process.pid,
        role: note.role,
        since: found.modified().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_holder_is_named_and_one_that_is_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(who(folder.path()), None);
        note(folder.path(), "serve").unwrap();
        let holder = who(folder.path()).unwrap();
        assert_eq!(
            (holder.pid, holder.role.as_str()),
            (std::process::id(), "serve")
        );
        // Another process has got the number of the one that noted itself.
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut note: serde_json::Value = serde_json::from_str(&text).unwrap();
        note["process"]["started"] = "another/1".into();
        std::fs::write(&path, note.to_string()).unwrap();
        #[cfg(unix)]
        assert_eq!(who(folder.path()), None);
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert_eq!(who(folder.path()), None);
    }
}
