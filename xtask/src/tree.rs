//! The work tree as these chores see it: every file of the project, and nothing that was built.
//!
//! Reads the disk, not git, so that an exported archive is checked like a clone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::{DirEntry, WalkDir};

/// Folders that hold what is built or run, never what is written.
const NOT_OURS: [&str; 5] = ["target", ".git", ".shraga", "node_modules", "__pycache__"];

/// A text file: its path relative to the root, with `/`, and its content.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) content: String,
}

impl Text {
    pub(crate) fn extension(&self) -> &str {
        Path::new(&self.path)
            .extension()
            .and_then(OsStr::to_str)
            .unwrap_or("")
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.extension() == "rs"
    }

    /// Whether the whole file is test code: `tests.rs`, or anywhere below a `tests` folder.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.split('/').any(|part| part == "tests")
    }

    /// The lines before an inline test module, numbered from one.
    pub(crate) fn shipped_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut tests = false;
        self.content
            .lines()
            .enumerate()
            .map(|(n, line)| (n + 1, line))
            .take_while(move |(_, line)| {
                tests |= line.trim_start().starts_with("#[cfg(test)]");
                !(tests && line.trim_start().starts_with("mod tests {"))
            })
    }
}

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every file of the project, in a stable order.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(is_ours)
    {
        let entry = entry.context("reading the work tree")?;
        if entry.file_type().is_file() {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

fn is_ours(entry: &DirEntry) -> bool {
    !NOT_OURS
        .iter()
        .any(|name| entry.file_name() == OsStr::new(name))
}

/// Every file of the project that is UTF-8 text.
pub(crate) fn texts(root: &Path) -> Result<Vec<Text>> {
    let mut found = Vec::new();
    for path in files(root)? {
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        if let Ok(content) = String::from_utf8(bytes) {
            found.push(Text {
                path: relative(root, &path),
                content,
            });
        }
    }
    Ok(found)
}

/// A mark per file, to tell later what changed: equal marks, equal content.
pub(crate) fn marks(root: &Path) -> Result<BTreeMap<String, u64>> {
    let mut marks = BTreeMap::new();
    for path in files(root)? {
        let mut hasher = DefaultHasher::new();
        fs::read(&path)
            .with_context(|| format!("reading {}", path.display()))?
            .hash(&mut hasher);
        marks.insert(relative(root, &path), hasher.finish());
    }
    Ok(marks)
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/")
}
