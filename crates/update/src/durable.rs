//! Small files that are replaced whole: after a crash, or a loss of power, there is the new content or the one before, and
//! the new one once this has returned. Nothing here knows what is in them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces `path`, to disk: the content first, then its name.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, File::sync_all)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Replaces `path` whole, and leaves it to the system when that is on disk.
pub(crate) fn replace_lightly(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, |_| Ok(()))
}

fn put(path: &Path, bytes: &[u8], sync: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    sync(&file)?;
    fs::rename(&beside, path)
}

/// What was renamed in a folder is on disk.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// There is no such thing.
#[cfg(windows)]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_one_that_can_not_be_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for replaced in [replace, replace_lightly] {
            replaced(&path, b"one, and more").unwrap();
            replaced(&path, b"two").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"two");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // What is in the way of the file beside it is in the way of the new one alone.
        fs::create_dir(path.with_extension("new")).unwrap();
        assert!(replace(&path, b"three").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }
}
