//! What a program and its keeper tell each other, in a folder that the keeper made for it.
//!
//! Files, so that it is the same on every system and outlives either of them: `pulse.json` says how the program is, again and
//! again; `next.json` says, before the program ends, which version is to go on. Each is replaced whole. Nothing here decides
//! anything, and neither file holds more than these words.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shraga_core::update::Release;
use shraga_core::update::keep::Memory;

use crate::durable::{replace, replace_lightly};
use crate::keep::memory;

#[cfg(test)]
mod tests;

/// The variable that names the folder to a kept program.
pub const FOLDER_VARIABLE: &str = "SHRAGA_KEEPER";

/// The variable that names the version it runs as, where there is an installation.
pub const RELEASE_VARIABLE: &str = "SHRAGA_RELEASE";

const PULSE: &str = "pulse.json";
const NEXT: &str = "next.json";

/// Longer is no word of a kept program's, in bytes.
const MAX_FILE: u64 = 16 * 1024;

/// How a kept program is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// The process that says so.
    pub pid: u32,
    /// Raised with every pulse: one that stands still is silent.
    pub beat: u64,
    /// Whether it does its work: it has checked in and reads and writes its rows.
    pub healthy: bool,
    /// What it does, or what it lacks, in a line.
    pub says: String,
}

/// What is to go on when a kept program has ended with the code of a hand-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The version; it is installed beside the others.
    pub to: Release,
    /// Whether it becomes the one in use once it proved healthy. `false`: it is tried by this program alone.
    pub turn: bool,
}

#[derive(Serialize, Deserialize)]
struct Next {
    to: String,
    turn: bool,
}

/// A program that is kept, as it sees itself.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
    release: Option<Release>,
}

impl Kept {
    /// As the environment has it; `None` where no keeper started this process.
    #[must_use]
    pub fn from(environment: &BTreeMap<String, String>) -> Option<Self> {
        let folder = environment.get(FOLDER_VARIABLE)?;
        let release = environment.get(RELEASE_VARIABLE);
        Some(Self {
            folder: PathBuf::from(folder),
            release: release.and_then(|release| release.parse().ok()),
        })
    }

    /// The version it runs as; `None` where there is no installation.
    #[must_use]
    pub fn release(&self) -> Option<&Release> {
        self.release.as_ref()
    }

    /// What its keeper remembers of versions.
    pub(crate) fn memory(&self) -> Memory {
        memory::read(&self.folder)
    }

    /// Says how it is.
    ///
    /// # Errors
    /// The disk refuses. The next one may be taken.
    pub fn pulse(&self, pulse: &Pulse) -> io::Result<()> {
        replace_lightly(&self.folder.join(PULSE), &serde_json::to_vec(pulse)?)
    }

    /// Says what is to go on; to be followed by the end of this process. On disk when it returns.
    ///
    /// # Errors
    /// The disk refuses: then this process has to go on itself.
    pub fn hand_over(&self, to: &HandOver) -> io::Result<()> {
        let next = Next {
            to: to.to.to_string(),
            turn: to.turn,
        };
        replace(&self.folder.join(NEXT), &serde_json::to_vec(&next)?)
    }
}

/// Makes the folder afresh for a program that is about to be started.
///
/// # Errors
/// The disk refuses.
pub(crate) fn prepare(folder: &Path) -> io::Result<()> {
    for name in [PULSE, NEXT] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// How the program in `folder` is, by its latest pulse; `None` when it said nothing that can be understood.
#[must_use]
pub fn latest(folder: &Path) -> Option<Pulse> {
    serde_json::from_slice(&read(&folder.join(PULSE)).ok()?).ok()
}

/// What the program in `folder` said is to go on; `None` when it said nothing that can be understood.
pub(crate) fn wanted(folder: &Path) -> Option<HandOver> {
    let next: Next = serde_json::from_slice(&read(&folder.join(NEXT)).ok()?).ok()?;
    Some(HandOver {
        to: next.to.parse().ok()?,
        turn: next.turn,
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}
