//! Folders that only their owner reads, and names in them that survive a power cut: what differs
//! between operating systems about files. Nothing else of the worker may ask `cfg`.

use std::io;
use std::path::Path;

pub(crate) use imp::{new_private_folder, sync_folder};

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
    use std::fs::{DirBuilder, File};
    use std::io;
    use std::os::unix::fs::DirBuilderExt;
    use std::path::Path;

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
    use std::io;
    use std::path::Path;

    /// Makes a folder that didn't exist; who may read it is inherited.
    pub(crate) fn new_private_folder(path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    /// A rename is durable by itself here; folders can't be synced.
    pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
        Ok(())
    }
}
