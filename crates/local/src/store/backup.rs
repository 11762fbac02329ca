//! A copy of the database before it is brought forward: the version before can't read what comes then.
//!
//! Made by SQLite itself, whole and consistent, and on disk before anything is changed. Copies are never read here:
//! putting one back is a person's decision, since it loses what was written later.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::sql::meta;

/// Where copies are, in the data folder.
pub(super) const FOLDER: &str = "backup";

/// Copies that are kept: each may be as large as the database.
const KEPT: usize = 3;

/// Why there is no copy.
#[derive(Debug)]
pub(super) enum Uncopied {
    /// SQLite could not make it.
    Database(rusqlite::Error),
    /// The folder can't be used.
    Folder(io::Error),
}

/// Copies the database of `data`, which has form `found`, and takes away the oldest copies but [`KEPT`]. `at` tells
/// copies apart: seconds by the store's clock.
pub(super) fn copy(
    conn: &Connection,
    data: &Path,
    found: i64,
    at: i64,
) -> Result<PathBuf, Uncopied> {
    let folder = data.join(FOLDER);
    super::open::make_private(&folder).map_err(Uncopied::Folder)?;
    let path = folder.join(format!("store-{at:012}-form-{found}.sqlite3"));
    let beside = path.with_extension("unfinished");
    gone(&beside).map_err(Uncopied::Folder)?;
    let name = beside
        .to_str()
        .ok_or_else(|| Uncopied::Folder(io::Error::other("the data folder's path is no text")))?;
    meta::copy_into(conn, name).map_err(Uncopied::Database)?;
    File::open(&beside)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&beside, &path))
        .and_then(|()| prune(&folder))
        .map_err(Uncopied::Folder)?;
    Ok(path)
}

/// The newest copy in the data folder.
pub(super) fn newest(data: &Path) -> Option<PathBuf> {
    all(&data.join(FOLDER)).ok()?.pop()
}

/// The copies, oldest first.
fn all(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with("store-") && name.ends_with(".sqlite3")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn prune(folder: &Path) -> io::Result<()> {
    let all = all(folder)?;
    let old = all.len().saturating_sub(KEPT);
    all.iter().take(old).try_for_each(|path| gone(path))
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
