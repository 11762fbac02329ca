//! The outbox: reports on disk from before they are sent until the store has taken them.
//!
//! An entry is one file with everything reported at one moment, so that one `fsync` serves many. It
//! is written under a temporary name, synced, renamed, and its folder synced: after [`Outbox::put`]
//! returns it survives a power cut. Entries come back in the order they were put. What can't be read
//! is never deleted: it is kept aside under a new name, and named to the caller.
//!
//! Nothing here knows what a report is, and nothing decides when one has been accepted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::private::{private_folder, sync_folder};

#[cfg(test)]
mod tests;

/// First word of an entry; the number is the version of the format.
const MAGIC: &str = "shraga-outbox-1";

/// Extension of a finished entry.
const ENTRY: &str = "json";
/// Extension of an entry that is being written.
const UNFINISHED: &str = "tmp";
/// Extension of an entry that couldn't be read.
const SPOILED: &str = "spoiled";

/// Names an entry; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(u64);

/// What an outbox held when it was opened.
#[derive(Debug)]
pub(crate) struct Found<T> {
    /// Readable entries, oldest first.
    pub(crate) entries: Vec<(EntryId, T)>,
    /// Unreadable ones.
    pub(crate) spoiled: Vec<Spoiled>,
}

/// An entry that couldn't be read and was kept aside.
#[derive(Debug)]
pub(crate) struct Spoiled {
    /// Where it is now.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) why: String,
}

/// An entry couldn't be written, or the folder not used.
#[derive(Debug, thiserror::Error)]
#[error("the outbox at {path} could not be {step}")]
pub(crate) struct OutboxError {
    step: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The folder of entries of one worker. One process at a time uses it (the caller holds a lock).
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    folder: PathBuf,
    next: u64,
    holds: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Outbox<T> {
    /// Opens the outbox at `folder`, made when missing, with what it holds.
    ///
    /// # Errors
    /// When the folder can't be made or listed.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Found<T>), OutboxError> {
        let error = |step| {
            move |source| OutboxError {
                step,
                path: folder.to_owned(),
                source,
            }
        };
        private_folder(folder).map_err(error("made"))?;
        let mut outbox = Self {
            folder: folder.to_owned(),
            next: 1,
            holds: PhantomData,
        };
        let mut found = Found {
            entries: Vec::new(),
            spoiled: Vec::new(),
        };
        for entry in fs::read_dir(folder).map_err(error("listed"))? {
            let path = entry.map_err(error("listed"))?.path();
            outbox.take_in(&path, &mut found);
        }
        found.entries.sort_by_key(|(id, _)| *id);
        Ok((outbox, found))
    }

    /// Takes one file of the folder in: reads it, adopts a finished temporary one, or keeps it aside.
    fn take_in(&mut self, path: &Path, found: &mut Found<T>) {
        let Some((id, extension)) = parts(path) else {
            return;
        };
        self.next = self.next.max(id.0.saturating_add(1));
        if extension == SPOILED {
            return;
        }
        let adopted = read(path).and_then(|value| {
            if extension == UNFINISHED {
                fs::rename(path, self.path(id)).map_err(|error| error.to_string())?;
            }
            Ok(value)
        });
        match adopted {
            Ok(value) => found.entries.push((id, value)),
            Err(why) => found.spoiled.push(keep_aside(path, why)),
        }
    }

    /// Writes an entry; when this returns, it survives a power cut. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk is full or refuses; nothing is left behind then.
    pub(crate) fn put(&mut self, value: &T) -> Result<EntryId, OutboxError> {
        let id = EntryId(self.next);
        self.next += 1;
        let path = self.path(id);
        let temporary = path.with_extension(UNFINISHED);
        let written = encode(value)
            .and_then(|bytes| write_synced(&temporary, &bytes))
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| sync_folder(&self.folder));
        written.map(|()| id).map_err(|source| {
            let _ = fs::remove_file(&temporary);
            OutboxError {
                step: "written",
                path,
                source,
            }
        })
    }

    /// Removes an entry whose reports are all accepted. One that stays because the disk refuses is
    /// only sent again, which the store answers as before.
    pub(crate) fn remove(&self, id: EntryId) {
        if let Err(error) = fs::remove_file(self.path(id)) {
            tracing::warn!(%error, path = %self.path(id).display(), "an accepted report stays in the outbox");
        }
    }

    fn path(&self, id: EntryId) -> PathBuf {
        self.folder.join(format!("{:016x}.{ENTRY}", id.0))
    }
}

/// The number and extension of an entry's file name; `None` for files that are none of ours.
fn parts(path: &Path) -> Option<(EntryId, String)> {
    let (stem, extension) = path.file_name()?.to_str()?.split_once('.')?;
    let number = u64::from_str_radix(stem, 16).ok()?;
    let ours = [ENTRY, UNFINISHED].contains(&extension) || extension.starts_with(SPOILED);
    let kind = if extension.starts_with(SPOILED) {
        SPOILED
    } else {
        extension
    };
    ours.then(|| (EntryId(number), kind.to_owned()))
}

/// `shraga-outbox-1 SHA256\n` and the JSON that the hash covers.
fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(value)?;
    let mut bytes = format!("{MAGIC} {}\n", hex(&Sha256::digest(&body))).into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let cut = bytes.iter().position(|byte| *byte == b'\n');
    let (header, body) = bytes.split_at(cut.map_or(bytes.len(), |at| at + 1));
    let header = String::from_utf8_lossy(header);
    let Some((MAGIC, hash)) = header.trim_end().split_once(' ') else {
        return Err("it doesn't begin like an outbox entry of this version".to_owned());
    };
    if hash != hex(&Sha256::digest(body)) {
        return Err("its content doesn't match its checksum".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Renames an unreadable entry to a name that isn't taken.
fn keep_aside(path: &Path, why: String) -> Spoiled {
    let name = |count: u32| path.with_extension(format!("{SPOILED}-{count}"));
    let aside = (1..=u32::MAX)
        .map(name)
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| name(0));
    let moved = fs::rename(path, &aside);
    Spoiled {
        path: moved.map_or_else(|_| path.to_owned(), |()| aside),
        why,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
