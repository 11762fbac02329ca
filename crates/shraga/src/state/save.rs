//! Writing the state file: the admin's identity, once the store has told it.
//!
//! Everything else in the file stays. It is written beside and moved into place, so that it is the old
//! one or the new one at any moment; what wasn't understood is kept under another name first. A link
//! is never written through, and what can't be read is never replaced.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use shraga_core::ids::UserId;

use super::read::{ADMIN, Found, State, WORKERS, find, object};

/// Files kept aside at most: somebody should have looked long before.
const KEPT_MAX: u32 = 1000;

/// What saving did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Nothing: the file says it already.
    Unchanged,
    /// The file was written. What was there and not understood is at this path now.
    Written(Option<PathBuf>),
}

/// Why the file was not written. What is there is untouched.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It is a symbolic link.
    #[error("{} is a symbolic link, which is not written through", .0.display())]
    Link(PathBuf),
    /// Its content can't be had.
    #[error("{} {why}, so it is left as it is", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// Somebody else wrote it at the same moment.
    #[error("{} was changed by somebody else meanwhile", .0.display())]
    Changed(PathBuf),
    /// A step failed.
    #[error("can't {step} {}", path.display())]
    Io {
        /// Which one.
        step: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes sure that the file names `admin`.
///
/// # Errors
/// Why it can't be written.
pub fn save_admin(path: &Path, admin: UserId) -> Result<Saved, SaveError> {
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
        return Err(SaveError::Link(path.to_owned()));
    }
    let found = find(path);
    let (content, state) = match &found {
        Found::Closed(why) => {
            return Err(SaveError::Closed {
                path: path.to_owned(),
                why: why.clone(),
            });
        }
        Found::Nothing => (Some(Map::new()), State::default()),
        Found::TooLarge => (None, State::default()),
        Found::Bytes(bytes) => match object(bytes) {
            Ok(object) => (Some(object.clone()), State::of(&object)),
            Err(_) => (None, State::default()),
        },
    };
    if state.admin == Some(admin) {
        return Ok(Saved::Unchanged);
    }
    let understood = content.is_some() && state.problems.is_empty();
    let text = text_of(content.unwrap_or_default(), &state, admin);
    let new = write_beside(path, &text)?;
    if find(path) != found {
        return Err(SaveError::Changed(path.to_owned()));
    }
    let kept = match understood {
        true => None,
        false => Some(keep_aside(path)?),
    };
    move_into_place(new, path)?;
    Ok(Saved::Written(kept))
}

/// Whether the file's folder takes new files: what saving needs.
///
/// # Errors
/// Why it doesn't.
pub fn check_folder(path: &Path) -> Result<(), SaveError> {
    write_beside(path, "").map(drop)
}

/// The file's text as the original would write it: what was there, with good workers only.
fn text_of(mut object: Map<String, Value>, state: &State, admin: UserId) -> String {
    object.insert(ADMIN.to_owned(), json!(admin.to_string()));
    let as_it_was = state.problems.is_empty() && object.get(WORKERS).is_some_and(Value::is_array);
    if !as_it_was {
        let workers = state.shared_workers.iter();
        let workers: Vec<String> = workers.map(ToString::to_string).collect();
        object.insert(WORKERS.to_owned(), json!(workers));
    }
    format!("{:#}\n", Value::Object(object))
}

/// A new file in the same folder, on disk, with the old one's permissions.
fn write_beside(path: &Path, text: &str) -> Result<tempfile::NamedTempFile, SaveError> {
    let folder = folder_of(path);
    let failed = |step| {
        move |source| SaveError::Io {
            step,
            path: folder.to_owned(),
            source,
        }
    };
    let named = tempfile::Builder::new()
        .prefix(".orchestrator_state.")
        .tempfile_in(folder);
    let mut new = named.map_err(failed("make a new file in"))?;
    new.write_all(text.as_bytes())
        .and_then(|()| new.as_file().sync_all())
        .map_err(failed("write a new file in"))?;
    if let Ok(meta) = fs::metadata(path) {
        new.as_file()
            .set_permissions(meta.permissions())
            .map_err(failed("set permissions of a new file in"))?;
    }
    Ok(new)
}

/// Gives the file a second name, under which it stays.
pub(crate) fn keep_aside(path: &Path) -> Result<PathBuf, SaveError> {
    let failed = |source| SaveError::Io {
        step: "keep aside",
        path: path.to_owned(),
        source,
    };
    for number in 1..=KEPT_MAX {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".kept-{number}"));
        let aside = PathBuf::from(name);
        match fs::hard_link(path, &aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(_no_links_here) => match copy_new(path, &aside) {
                Ok(()) => return Ok(aside),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            },
        }
    }
    Err(failed(io::Error::other("there are too many kept already")))
}

fn copy_new(path: &Path, aside: &Path) -> io::Result<()> {
    let mut copy = File::create_new(aside)?;
    io::copy(&mut File::open(path)?, &mut copy)?;
    copy.sync_all()
}

fn move_into_place(new: tempfile::NamedTempFile, path: &Path) -> Result<(), SaveError> {
    new.persist(path).map_err(|error| SaveError::Io {
        step: "replace",
        path: path.to_owned(),
        source: error.error,
    })?;
    #[cfg(unix)]
    File::open(folder_of(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|source| SaveError::Io {
            step: "make sure of",
            path: folder_of(path).to_owned(),
            source,
        })?;
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}
