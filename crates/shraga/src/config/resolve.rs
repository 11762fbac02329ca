//! Finding each setting's value in the layers, and remembering where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::agents::Agent;
use super::error::ConfigError;
use super::file::File;
use super::value::{Raw, Setting};

/// Settings given on the command line, by key (`store.url`).
pub type Overrides = BTreeMap<&'static str, String>;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// An environment variable.
    Env(&'static str),
    /// The file.
    File(PathBuf),
    /// Built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One line of `shraga config`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key with its section.
    pub key: String,
    /// The value as it would stand in the file, masked when secret; `None` when unset.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// What it means.
    pub doc: &'static str,
}

/// A declared setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The section.
    pub section: &'static str,
    /// The name within its section.
    pub name: &'static str,
    /// `section.name`.
    pub path: &'static str,
    /// The environment variable that sets it, if any.
    pub env: Option<&'static str>,
    /// What it means, with its unit.
    pub doc: &'static str,
}

/// Looks values up, layer by layer.
pub(crate) struct Resolver<'a> {
    file: Option<&'a File>,
    env: &'a dyn Fn(&str) -> Option<String>,
    flags: &'a Overrides,
    entries: Vec<Entry>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(
        file: Option<&'a File>,
        env: &'a dyn Fn(&str) -> Option<String>,
        flags: &'a Overrides,
    ) -> Self {
        Self {
            file,
            env,
            flags,
            entries: Vec::new(),
        }
    }

    /// The value of `key`, or `default`.
    pub(crate) fn take<T: Setting>(&mut self, key: &Key, default: T) -> Result<T, ConfigError> {
        let (value, origin) = match self.find(key) {
            Some((raw, origin)) => (parse(key.path, &raw, &origin)?, origin),
            None => (default, Origin::Default),
        };
        self.entries.push(Entry {
            key: key.path.to_owned(),
            value: value.show(),
            origin,
            doc: key.doc,
        });
        Ok(value)
    }

    fn find(&self, key: &Key) -> Option<(Raw, Origin)> {
        if let Some(text) = self.flags.get(key.path) {
            return Some((Raw::Text(text.clone()), Origin::Flag));
        }
        if let Some(name) = key.env
            && let Some(text) = (self.env)(name)
        {
            return Some((Raw::Text(text), Origin::Env(name)));
        }
        let file = self.file?;
        let value = file.get(key.section, key.name)?;
        Some((Raw::Toml(value.clone()), Origin::File(file.path.clone())))
    }

    /// `[schema.columns]`.
    pub(crate) fn columns(&mut self) -> Result<Vec<(String, String)>, ConfigError> {
        let Some(file) = self.file else {
            return Ok(Vec::new());
        };
        let columns = file.columns()?;
        for (ours, theirs) in &columns {
            self.entries.push(Entry {
                key: format!("schema.columns.{ours}"),
                value: Some(format!("{theirs:?}")),
                origin: Origin::File(file.path.clone()),
                doc: "the organisation's name for this column",
            });
        }
        Ok(columns)
    }

    /// `[agents.*]`.
    pub(crate) fn agents(&mut self) -> Result<Vec<Agent>, ConfigError> {
        let Some(file) = self.file else {
            return Ok(Vec::new());
        };
        let agents = super::agents::read(file)?;
        for agent in &agents {
            for (name, value, doc) in agent.shown() {
                self.entries.push(Entry {
                    key: format!("agents.{}.{name}", agent.name),
                    value,
                    origin: Origin::File(file.path.clone()),
                    doc,
                });
            }
        }
        Ok(agents)
    }

    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

/// Parses a value, or says what is wrong with it and where it stands.
pub(crate) fn parse<T: Setting>(key: &str, raw: &Raw, origin: &Origin) -> Result<T, ConfigError> {
    T::read(raw).ok_or_else(|| ConfigError::Value {
        key: key.to_owned(),
        origin: origin.to_string(),
        value: if T::SECRET {
            "***".to_owned()
        } else {
            raw.show()
        },
        expected: T::EXPECTS.to_owned(),
    })
}
