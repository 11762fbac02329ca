//! An attempt's files as they travel to another attempt: plain folders file by file, checkouts as what
//! git bundles of them ([`crate::workspace`]).
//!
//! Plain files only, within bounds; links and what an agent took the right to read from are left out.
//! What comes from a checkpoint is written under names that lead nowhere else, into an empty folder.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::private::{private_folder, read_within};

#[cfg(test)]
mod tests;

/// Most files carried of a plain folder. What has more is a project, and belongs into a repository.
const MOST_FILES: usize = 2_000;

/// Most bytes carried of a plain folder: beyond what a checkpoint can hold even if they compress well.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Deepest folder that is looked into.
const DEEPEST: usize = 32;

/// What is carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Files {
    /// There were none.
    #[default]
    None,
    /// There were some, and they are not carried.
    Lost,
    /// Those of a plain folder.
    Plain(Vec<Carried>),
    /// Those of a checkout.
    Repository(CarriedCheckout),
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Carried {
    path: String,
    /// Whether it is a program.
    #[serde(default)]
    runs: bool,
    /// In base 64.
    content: String,
}

/// A checkout, as git bundles it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedCheckout {
    pub(crate) base: String,
    pub(crate) tip: String,
    pub(crate) head: String,
    /// In base 64; none when nothing was committed or changed.
    pub(crate) bundle: Option<String>,
}

/// Takes the files of the plain folder `root`.
pub(super) async fn take(root: PathBuf) -> Files {
    let taken = tokio::task::spawn_blocking(move || {
        let mut files = Vec::new();
        let mut room = MOST_BYTES;
        match gather(&root, Path::new(""), 0, &mut files, &mut room) {
            Ok(()) if files.is_empty() => Files::None,
            Ok(()) => Files::Plain(files),
            Err(error) => {
                tracing::debug!(%error, "an attempt's files are not carried over");
                Files::Lost
            }
        }
    });
    taken.await.unwrap_or(Files::Lost)
}

fn gather(
    root: &Path,
    relative: &Path,
    depth: usize,
    files: &mut Vec<Carried>,
    room: &mut usize,
) -> io::Result<()> {
    let too_much = || io::Error::other("there is too much of it");
    if depth > DEEPEST {
        return Err(too_much());
    }
    for entry in fs::read_dir(root.join(relative))? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, relative.join(entry.file_name()));
        if kind.is_dir() {
            gather(root, &path, depth + 1, files, room)?;
        } else if kind.is_file() {
            // A name that is no text could not be told to another system.
            let Some(name) = path.to_str() else {
                continue;
            };
            let head = read_within(root, &path, *room)?;
            if !head.whole || files.len() >= MOST_FILES {
                return Err(too_much());
            }
            *room -= head.bytes.len();
            files.push(Carried {
                path: name.replace('\\', "/"),
                runs: crate::private::runs(&entry.metadata()?),
                content: STANDARD.encode(&head.bytes),
            });
        }
    }
    Ok(())
}

/// Lays carried files out in the empty folder `root`.
///
/// # Errors
/// When one has no place there, or the disk refuses.
pub(super) async fn lay_out(files: Vec<Carried>, root: PathBuf) -> io::Result<()> {
    let laid = tokio::task::spawn_blocking(move || {
        files.iter().try_for_each(|file| lay_out_one(file, &root))
    });
    laid.await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn lay_out_one(file: &Carried, root: &Path) -> io::Result<()> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "a file that has no place here");
    let path = Path::new(&file.path);
    let plain = |step: Component<'_>| matches!(step, Component::Normal(_));
    if file.path.is_empty() || !path.components().all(plain) {
        return Err(bad());
    }
    let mut folder = root.to_owned();
    for step in path.parent().into_iter().flat_map(Path::components) {
        folder.push(step);
        private_folder(&folder)?;
    }
    let content = STANDARD.decode(&file.content).map_err(|_| bad())?;
    let place = root.join(path);
    fs::File::create_new(&place)?.write_all(&content)?;
    match file.runs {
        true => crate::private::let_run(&place),
        false => Ok(()),
    }
}
