//! The unit's file: where it is, whose it is, written whole or not at all.
//!
//! Its first line says that it was made here, with a hash of all other lines: what somebody changed by hand is told
//! from what was made, and is hers.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::exit::{Exit, Failure};

/// How the first line begins.
const MARK: &str =
    "# Made by `shraga service install`; own settings go beside it, by `systemctl edit`. sha256:";

/// The largest file that is read as a unit: no unit is as large.
const LARGEST_BYTES: u64 = 256 * 1024;

/// Where the units of this machine are.
const OF_THE_MACHINE: &str = "/etc/systemd/system";

/// A unit's file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The file.
    pub(crate) path: PathBuf,
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// What was made here.
    Ours,
    /// What was made here, and changed by hand.
    Changed,
    /// Somebody else's.
    Another,
}

impl Place {
    /// The file of `unit`: in `folder`, or where systemd looks for those of the machine, or of this person's own.
    ///
    /// # Errors
    /// The person has no home.
    pub(crate) fn of(unit: &str, folder: Option<&Path>, own: bool) -> Result<Self, Failure> {
        let folder = match (folder, own) {
            (Some(folder), _) => std::path::absolute(folder)?,
            (None, false) => PathBuf::from(OF_THE_MACHINE),
            (None, true) => {
                let config = crate::config::env::config_home();
                let config = config.ok_or_else(|| {
                    Failure::new(Exit::Configuration, "it is not known where your home is")
                        .hint("set HOME, or name the folder with --unit-dir")
                })?;
                config.join("systemd/user")
            }
        };
        Ok(Self {
            path: folder.join(unit),
        })
    }

    /// What is there, and its text if it is a unit's.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn look(&self) -> Result<Found, Failure> {
        match std::fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(self.trouble("read", error)),
            // `systemctl mask` and `link` make links.
            Ok(found) if !found.is_file() || found.len() > LARGEST_BYTES => {
                return Ok(Found::Another);
            }
            Ok(_) => {}
        }
        let text = std::fs::read(&self.path).map_err(|error| self.trouble("read", error))?;
        let Some((first, rest)) = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.split_once('\n'))
        else {
            return Ok(Found::Another);
        };
        Ok(match first.strip_prefix(MARK) {
            None => Found::Another,
            Some(hash) if hash == hash_of(rest) => Found::Ours,
            Some(_) => Found::Changed,
        })
    }

    /// Writes `text` there; after a crash there is this one or what was there before.
    ///
    /// # Errors
    /// The folder can't be made or written.
    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let written = std::fs::create_dir_all(folder).and_then(|()| {
            let mut file = tempfile::Builder::new();
            let file = file.prefix(".shraga-").suffix(".new");
            readable_by_all(file);
            let mut file = file.tempfile_in(folder)?;
            file.write_all(marked(text).as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            Ok(())
        });
        written.map_err(|error| self.trouble("written", error))
    }

    /// Takes it away.
    ///
    /// # Errors
    /// The folder can't be written.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(self.trouble("removed", error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn trouble(&self, step: &str, error: std::io::Error) -> Failure {
        let refused = matches!(
            error.kind(),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
        );
        let said = format!("{} can't be {step}", self.path.display());
        match refused {
            true => Failure::from_error(Exit::Authentication, error)
                .context(said)
                .hint(super::manager::AS_WHOM),
            false => Failure::from(error).context(said),
        }
    }
}

/// The whole file with this text.
pub(crate) fn marked(text: &str) -> String {
    format!("{MARK}{}\n{text}", hash_of(text))
}

fn hash_of(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Nothing in it is secret, and `systemctl cat` is for everybody.
#[cfg(unix)]
fn readable_by_all(file: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt as _;
    file.permissions(std::fs::Permissions::from_mode(0o644));
}

/// There is no systemd either.
#[cfg(not(unix))]
fn readable_by_all(_: &mut tempfile::Builder<'_, '_>) {}

/// Refuses a file of settings that others can read, or that isn't there.
///
/// # Errors
/// Says what to do about it.
pub(crate) fn check_environment(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let found = std::fs::metadata(file).map_err(|error| {
        let said = format!("the environment file {shown} can't be used");
        Failure::from_error(Exit::Configuration, error)
            .context(said)
            .hint("make it with a line NAME=VALUE each, for its owner alone (chmod 600)")
    })?;
    if !found.is_file() {
        let said = format!("the environment file {shown} is no file");
        return Err(Failure::new(Exit::Configuration, said));
    }
    if open_to_others(&found) {
        let said = format!(
            "others can read or write the environment file {shown}, which may hold secrets"
        );
        return Err(Failure::new(Exit::Configuration, said).hint(format!("chmod 600 {shown}")));
    }
    Ok(())
}

#[cfg(unix)]
fn open_to_others(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> bool {
    false
}
