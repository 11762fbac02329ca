//! What a keeper remembers of itself, in a file of its folder: read whole, written whole or not at all. One that can't be read
//! counts as none, and says so: what runs next is what the installation's link leads to then.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use shraga_core::update::Release;
use shraga_core::update::keep::Memory;

use crate::durable::replace;
use crate::kept;

const FILE: &str = "memory.json";

/// Which version the program runs that was started last.
const STARTED: &str = "started.json";

#[derive(Serialize, Deserialize)]
struct Stored {
    proven: Option<String>,
    link: Option<String>,
    trial: Option<Trial>,
}

#[derive(Serialize, Deserialize)]
struct Trial {
    to: String,
    tries: u32,
}

/// What is remembered in `folder`.
pub(crate) fn read(folder: &Path) -> Memory {
    let path = folder.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Memory::default(),
        Err(error) => return unreadable(&path, &error.to_string()),
    };
    let stored: Stored = match serde_json::from_slice(&text) {
        Ok(stored) => stored,
        Err(error) => return unreadable(&path, &error.to_string()),
    };
    let release = |text: Option<String>| text.and_then(|text| text.parse::<Release>().ok());
    let trial = stored
        .trial
        .and_then(|trial| Some((trial.to.parse().ok()?, trial.tries)));
    Memory {
        proven: release(stored.proven),
        link: release(stored.link),
        trial,
    }
}

/// Remembers it, durably.
pub(super) fn write(folder: &Path, memory: &Memory) -> io::Result<()> {
    let text = |release: &Option<Release>| release.as_ref().map(ToString::to_string);
    let trial = memory.trial.as_ref().map(|(to, tries)| Trial {
        to: to.to_string(),
        tries: *tries,
    });
    let stored = Stored {
        proven: text(&memory.proven),
        link: text(&memory.link),
        trial,
    };
    replace(&folder.join(FILE), &serde_json::to_vec(&stored)?)
}

/// Notes which version is about to be started.
pub(super) fn starts(folder: &Path, release: &Release) -> io::Result<()> {
    replace(
        &folder.join(STARTED),
        &serde_json::to_vec(&release.to_string())?,
    )
}

/// Every version that the keeper of `folder` runs, or may start without being told anything more.
pub(crate) fn needs(folder: &Path) -> Vec<Release> {
    let started = fs::read(folder.join(STARTED)).ok();
    let started: Option<String> = started.and_then(|text| serde_json::from_slice(&text).ok());
    let started = started.and_then(|text| text.parse().ok());
    let Memory {
        proven,
        link,
        trial,
    } = read(folder);
    let next = kept::wanted(folder).map(|next| next.to);
    let trial = trial.map(|(to, _)| to);
    [started, proven, link, trial, next]
        .into_iter()
        .flatten()
        .collect()
}

fn unreadable(path: &Path, why: &str) -> Memory {
    let path = path.display();
    tracing::warn!(%path, "what the keeper knew of versions can't be read: {why}");
    Memory::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_again_and_nonsense_counts_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Memory::default());
        let release = Release::new("1.0.0", &"a".repeat(40)).unwrap();
        let memory = Memory {
            proven: Some(release.clone()),
            link: None,
            trial: Some((release, 2)),
        };
        write(folder.path(), &memory).unwrap();
        assert_eq!(read(folder.path()), memory);
        fs::write(folder.path().join(FILE), "{\"proven\":").unwrap();
        assert_eq!(read(folder.path()), Memory::default());
    }
}
