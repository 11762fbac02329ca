//! Folders that only their owner reads, names in them that survive a power cut, and reading what
//! somebody else wrote: what differs between operating systems about files. Nothing else of the worker
//! may ask `cfg`.
//!
//! Where an agent writes, a name may be a link to another task's folder, a pipe that never ends, or a
//! file without end. [`open_to_read`] and [`read_within`] follow no link at any step, open plain files
//! only, and read no more than they are told to. A hard link can't be told from a file; systems refuse
//! those to other people's files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub(crate) use imp::{
    bytes_on_disk, copy_link, let_run, new_private_folder, open_to_read, path_of, runs, sync_folder,
};

/// The head of a file that somebody else wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its bytes, as many as were asked for at most.
    pub(crate) bytes: Vec<u8>,
    /// Whether that is all of it.
    pub(crate) whole: bool,
}

/// Reads the first `limit` bytes of the plain file `relative` below `root`.
///
/// # Errors
/// There is no such file, it is something else, or a link leads there.
pub(crate) fn read_within(root: &Path, relative: &Path, limit: usize) -> io::Result<Head> {
    let file = open_to_read(root, relative)?;
    let mut bytes = Vec::new();
    let one_more = limit.saturating_add(1) as u64;
    file.take(one_more).read_to_end(&mut bytes)?;
    let whole = bytes.len() <= limit;
    bytes.truncate(limit);
    Ok(Head { bytes, whole })
}

/// Removes a folder with all below it, following no link, even where an agent took the right to write
/// away (a cache of packages is often read-only).
///
/// # Errors
/// `NotFound` when there is none; otherwise what the system refused. It may be gone in part then.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

/// Gives the owner every right on the folders below `path`.
fn make_writable(path: &Path) -> io::Result<()> {
    let mut folders: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let metadata = folder.symlink_metadata()?;
        if !metadata.is_dir() {
            continue;
        }
        fs::set_permissions(&folder, imp::owners_own(metadata.permissions()))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// A plain file at the end of a path without links, or the reason why not.
fn plain(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_plain()),
    }
}

fn not_plain() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file")
}

fn leads_elsewhere() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the path leads elsewhere")
}

/// Makes the folder `path`, readable to its owner only, or accepts a folder that is there.
///
/// # Errors
/// `NotADirectory` when something else is there, a link to a folder included.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    match new_private_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_folder = path.symlink_metadata()?.is_dir();
            is_folder
                .then_some(())
                .ok_or(io::ErrorKind::NotADirectory.into())
        }
        other => other,
    }
}

#[cfg(unix)]
mod imp {
    use std::ffi::OsStr;
    use std::fs::{DirBuilder, File, Metadata, Permissions};
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    use std::path::{Component, Path, PathBuf};

    use rustix::fs::{AtFlags, FileType, Mode, OFlags};

    use super::{leads_elsewhere, not_plain, plain};

    const FOLDER: OFlags = OFlags::DIRECTORY
        .union(OFlags::NOFOLLOW)
        .union(OFlags::CLOEXEC);

    /// A pipe must not block, nor a terminal become ours.
    const FILE: OFlags = OFlags::NOFOLLOW
        .union(OFlags::CLOEXEC)
        .union(OFlags::NONBLOCK)
        .union(OFlags::NOCTTY);

    /// Opens the plain file `relative` below `root`; neither `root` nor any step below it may be a
    /// link.
    pub(crate) fn open_to_read(root: &Path, relative: &Path) -> io::Result<File> {
        let mut at = rustix::fs::open(root, FOLDER, Mode::empty())?;
        let mut steps = relative.components().peekable();
        while let Some(step) = steps.next() {
            let Component::Normal(name) = step else {
                return Err(leads_elsewhere());
            };
            if steps.peek().is_some() {
                at = rustix::fs::openat(&at, name, FOLDER, Mode::empty())?;
                continue;
            }
            // Opening a device may do something already.
            let is = rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(is.st_mode) != FileType::RegularFile {
                return Err(not_plain());
            }
            return plain(rustix::fs::openat(&at, name, FILE, Mode::empty())?.into());
        }
        Err(leads_elsewhere())
    }

    /// A path as git prints it.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "other systems have bytes that are no path"
    )]
    pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
        Some(PathBuf::from(OsStr::from_bytes(bytes)))
    }

    /// What a file takes on the disk; blocks are counted in 512 bytes whatever the disk's own are.
    pub(crate) fn bytes_on_disk(metadata: &Metadata) -> u64 {
        metadata.blocks() * 512
    }

    /// The same with every right of the owner's.
    pub(super) fn owners_own(permissions: Permissions) -> Permissions {
        Permissions::from_mode(permissions.mode() | 0o700)
    }

    /// Whether the owner may run this file.
    pub(crate) fn runs(metadata: &std::fs::Metadata) -> bool {
        metadata.permissions().mode() & 0o100 != 0
    }

    /// Lets the owner run this file.
    pub(crate) fn let_run(path: &Path) -> io::Result<()> {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
    }

    /// Makes `to` a link to where the link `from` leads.
    pub(crate) fn copy_link(from: &Path, to: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(std::fs::read_link(from)?, to)
    }

    /// Makes a folder that didn't exist, readable to its owner only.
    pub(crate) fn new_private_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    /// Makes names in the folder survive a power cut.
    pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

#[cfg(windows)]
mod imp {
    use std::fs::{File, Metadata, Permissions};
    use std::io;
    use std::path::{Component, Path, PathBuf};

    use super::{leads_elsewhere, not_plain, plain};

    /// Opens the plain file `relative` below `root`, unless a step is a link. Between the look and the
    /// opening a step may become one.
    pub(crate) fn open_to_read(root: &Path, relative: &Path) -> io::Result<File> {
        let mut at = root.to_owned();
        let mut last = at.symlink_metadata()?;
        for step in relative.components() {
            let Component::Normal(name) = step else {
                return Err(leads_elsewhere());
            };
            if !last.is_dir() {
                return Err(leads_elsewhere());
            }
            at.push(name);
            last = at.symlink_metadata()?;
        }
        match last.is_file() {
            true => plain(File::open(&at)?),
            false => Err(not_plain()),
        }
    }

    /// A path as git prints it.
    pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
        std::str::from_utf8(bytes).ok().map(PathBuf::from)
    }

    /// What a file takes on the disk, as far as it is told.
    pub(crate) fn bytes_on_disk(metadata: &Metadata) -> u64 {
        metadata.len()
    }

    /// The same without the mark that keeps it from being removed.
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "there are no rights of others to give here"
    )]
    pub(super) fn owners_own(mut permissions: Permissions) -> Permissions {
        permissions.set_readonly(false);
        permissions
    }

    /// Names tell what runs here.
    pub(crate) fn runs(_metadata: &std::fs::Metadata) -> bool {
        false
    }

    /// Names tell what runs here.
    pub(crate) fn let_run(_path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Links need rights that workers rarely have; the copy goes without.
    pub(crate) fn copy_link(_from: &Path, _to: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Makes a folder that didn't exist; who may read it is inherited.
    pub(crate) fn new_private_folder(path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    /// A rename is durable by itself here; folders can't be synced.
    pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
