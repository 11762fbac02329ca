//! A copy of an attempt's files for those who judge them.
//!
//! Links are copied as links, never followed; what is neither file, folder nor link is left out. The
//! copy is bounded, since an agent may have filled the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::private::{copy_link, new_private_folder, remove_folder};

/// Most files, folders and links copied. Built dependencies have a few hundred thousand; more takes
/// longer than judging.
const MOST_ENTRIES: u64 = 1_000_000;

/// Most bytes copied. A built project has a few gigabytes; more would cost the disk.
const MOST_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// Makes `to` a copy of the folder `from`.
///
/// # Errors
/// When it is too large, or the disk refuses. What was copied until then is removed.
pub(super) async fn make(from: PathBuf, to: PathBuf) -> io::Result<()> {
    let place = to.clone();
    let made = tokio::task::spawn_blocking(move || {
        let mut room = Room {
            entries: MOST_ENTRIES,
            bytes: MOST_BYTES,
        };
        copy(&from, &place, &mut room)
    });
    let made = made
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    if made.is_err() {
        remove(to).await;
    }
    made
}

/// Removes a copy.
pub(super) async fn remove(copy: PathBuf) {
    let removed = tokio::task::spawn_blocking(move || remove_folder(&copy)).await;
    if let Ok(Err(error)) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "a copy of an attempt's files can't be removed");
    }
}

struct Room {
    entries: u64,
    bytes: u64,
}

impl Room {
    fn take(&mut self, bytes: u64) -> io::Result<()> {
        let entries = self.entries.checked_sub(1);
        let bytes = self.bytes.checked_sub(bytes);
        let (Some(entries), Some(bytes)) = (entries, bytes) else {
            return Err(io::Error::other("there is too much of it"));
        };
        *self = Self { entries, bytes };
        Ok(())
    }
}

fn copy(from: &Path, to: &Path, room: &mut Room) -> io::Result<()> {
    new_private_folder(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            room.take(0)?;
            copy(&entry.path(), &target, room)?;
        } else if kind.is_file() {
            room.take(entry.metadata()?.len())?;
            fs::copy(entry.path(), &target)?;
        } else if kind.is_symlink() {
            room.take(0)?;
            copy_link(&entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[cfg(unix)]
    async fn a_copy_has_files_and_links_and_follows_none() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("in")).unwrap();
        fs::write(folder.path().join("outside"), "outside").unwrap();
        fs::write(from.join("in/file"), "text").unwrap();
        std::os::unix::fs::symlink("../outside", from.join("link")).unwrap();
        std::os::unix::fs::symlink(".", from.join("loop")).unwrap();
        make(from, to.clone()).await.unwrap();
        assert_eq!(fs::read_to_string(to.join("in/file")).unwrap(), "text");
        assert_eq!(
            fs::read_link(to.join("link")).unwrap(),
            Path::new("../outside")
        );
        assert!(to.join("loop").is_symlink());
        remove(to.clone()).await;
        assert!(!to.exists());
    }

    #[test]
    fn what_is_too_much_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir_all(&from).unwrap();
        fs::write(from.join("file"), "text").unwrap();
        let mut room = Room {
            entries: 5,
            bytes: 3,
        };
        let error = copy(&from, &folder.path().join("to"), &mut room).unwrap_err();
        assert_eq!(error.to_string(), "there is too much of it");
    }
}
