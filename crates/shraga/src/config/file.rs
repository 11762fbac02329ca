//! `shraga.toml`: finding it, parsing it, refusing keys that don't exist.

use std::path::{Path, PathBuf};

use super::agents;
use super::error::{ConfigError, nearest};
use super::sections::SECTIONS;
use super::value::is_name;

/// The file's name in the working directory and in the user's configuration folder.
pub const FILE_NAME: &str = "shraga.toml";

/// A parsed file.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    table: toml::Table,
}

impl File {
    /// Parses `text`; `path` is for messages.
    ///
    /// # Errors
    /// It isn't TOML.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table = text.parse().map_err(|source| ConfigError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            path: path.to_owned(),
            table,
        })
    }

    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// It can't be read, or isn't TOML.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Reads the file in the working directory, else the one in the user's configuration folder. It says
    /// where a token goes and what is run, so in a folder that others write too it may not be theirs.
    ///
    /// # Errors
    /// It is there but can't be read, isn't TOML, or belongs to somebody else.
    pub fn find() -> Result<Option<Self>, ConfigError> {
        let user = super::env::config_dir().map(|dir| dir.join(FILE_NAME));
        let found = std::iter::once(PathBuf::from(FILE_NAME))
            .chain(user)
            .find(|path| path.is_file());
        match found {
            Some(path) if !is_trusted(&path) => Err(ConfigError::Foreign { path }),
            found => found.map(|path| Self::read(&path)).transpose(),
        }
    }

    /// The value of a key, if it is set.
    pub(crate) fn get(&self, section: &str, name: &str) -> Option<&toml::Value> {
        self.table.get(section)?.as_table()?.get(name)
    }

    /// A whole section.
    pub(crate) fn section(&self, name: &str) -> Option<&toml::Table> {
        self.table.get(name)?.as_table()
    }

    /// Refuses sections and keys that don't exist, with the nearest one that does.
    pub(crate) fn check_keys(&self) -> Result<(), ConfigError> {
        for (section, value) in &self.table {
            if section == agents::SECTION {
                continue;
            }
            let known = SECTIONS.iter().find(|(name, _)| name == section);
            let (Some((_, keys)), Some(table)) = (known, value.as_table()) else {
                return Err(self.unknown(section.clone(), nearest_anywhere(section)));
            };
            for name in table.keys() {
                let nested = section == "schema" && name == "columns";
                if !nested && !keys.iter().any(|key| key.name == name) {
                    let path = format!("{section}.{name}");
                    let near = nearest(name, keys.iter().map(|key| key.name))
                        .map(|near| format!("{section}.{near}"))
                        .or_else(|| nearest_anywhere(&path));
                    return Err(self.unknown(path, near));
                }
            }
        }
        Ok(())
    }

    /// `[schema.columns]`: default names to the organisation's.
    pub(crate) fn columns(&self) -> Result<Vec<(String, String)>, ConfigError> {
        use shraga_core::row::{events, tasks, users, workers};
        let Some(value) = self.get("schema", "columns") else {
            return Ok(Vec::new());
        };
        let table = value
            .as_table()
            .ok_or_else(|| self.bad("schema.columns", value, "a table of column names"))?;
        let known = || {
            [tasks::ALL, workers::ALL, events::ALL, users::ALL]
                .into_iter()
                .flatten()
                .map(|column| column.name())
        };
        let mut columns = Vec::with_capacity(table.len());
        for (ours, theirs) in table {
            let key = format!("schema.columns.{ours}");
            if !known().any(|name| name == ours) {
                let near = nearest(ours, known()).map(|near| format!("schema.columns.{near}"));
                return Err(self.unknown(key, near));
            }
            let name = theirs
                .as_str()
                .filter(|name| is_name(name))
                .ok_or_else(|| self.bad(&key, theirs, "a column's logical name"))?;
            columns.push((ours.clone(), name.to_owned()));
        }
        Ok(columns)
    }

    /// An error about a key that doesn't exist.
    pub(crate) fn unknown(&self, key: String, nearest: Option<String>) -> ConfigError {
        ConfigError::UnknownKey {
            path: self.path.clone(),
            key,
            nearest,
        }
    }

    /// An error about a value that can't be used.
    pub(crate) fn bad(&self, key: &str, value: &toml::Value, expected: &str) -> ConfigError {
        ConfigError::Value {
            key: key.to_owned(),
            origin: self.path.display().to_string(),
            value: value.to_string(),
            expected: expected.to_owned(),
        }
    }
}

/// Whether the file is ours, or of whoever administers the machine.
#[cfg(unix)]
fn is_trusted(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let us = rustix::process::geteuid().as_raw();
    // One that can't be looked at can't be read, and that is said better.
    path.metadata()
        .map_or(true, |meta| may_configure(meta.uid(), us))
}

#[cfg(not(unix))]
fn is_trusted(_path: &Path) -> bool {
    true
}

/// Whether a file of `owner` is used when `us` runs the program.
#[cfg(unix)]
const fn may_configure(owner: u32, us: u32) -> bool {
    /// The administrator's number.
    const ROOT: u32 = 0;
    owner == us || owner == ROOT
}

/// The section, or the key of any section, that looks most like `path`.
fn nearest_anywhere(path: &str) -> Option<String> {
    let keys = SECTIONS.iter().flat_map(|(_, keys)| keys.iter());
    let last = path.rsplit('.').next().unwrap_or(path);
    let same_name = keys.clone().find(|key| key.name == last);
    let sections = SECTIONS
        .iter()
        .map(|(name, _)| *name)
        .chain([agents::SECTION]);
    same_name
        .map(|key| key.path)
        .or_else(|| nearest(path, sections.chain(keys.map(|key| key.path))))
        .map(str::to_owned)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebody_elses_is_not_used_unasked() {
        assert!(may_configure(1000, 1000));
        assert!(may_configure(0, 1000), "the machine's administrator");
        assert!(!may_configure(1001, 1000));
        assert!(!may_configure(1000, 0), "not even by the administrator");
    }
}
