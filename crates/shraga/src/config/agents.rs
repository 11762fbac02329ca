//! `[agents.NAME]`: the programs workers can run. Agents are data; this only parses them.

use std::collections::BTreeSet;

use super::error::{ConfigError, nearest};
use super::file::File;
use super::resolve::{Origin, parse};
use super::value::{Raw, Seconds, Setting};

/// The section's name.
pub const SECTION: &str = "agents";

/// The keys of an agent with what they mean.
pub const KEYS: &[(&str, &str)] = &[
    (
        "kind",
        "How the program is driven: `command` (any program: prompt on standard input).",
    ),
    ("program", "The program and its arguments."),
    (
        "env",
        "Names of environment variables it may see beside PATH, HOME, LANG and the like.",
    ),
    (
        "timeout_seconds",
        "Seconds an attempt may take before it is ended.",
    ),
];

/// How long an attempt may take unless its agent says otherwise: agents work for hours, and one
/// that hangs must not hold its slot for days.
const DEFAULT_TIMEOUT: Seconds = Seconds(4 * 60 * 60);

/// A configured agent of kind `command`, the only kind so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name, which tasks and workers refer to.
    pub name: String,
    /// The program and its arguments; never empty.
    pub program: Vec<String>,
    /// Names of environment variables it may see.
    pub env: Vec<String>,
    /// How long an attempt may take.
    pub timeout: Seconds,
}

impl Agent {
    /// Its keys with values and meaning, as `shraga config` shows them.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Option<String>, &'static str)> {
        let value = |name: &str| match name {
            "kind" => Some("\"command\"".to_owned()),
            "program" => self.program.show(),
            "env" => self.env.show(),
            _ => self.timeout.show(),
        };
        KEYS.iter()
            .map(|&(name, doc)| (name, value(name), doc))
            .collect()
    }
}

/// All agents of a file, by name.
pub(crate) fn read(file: &File) -> Result<Vec<Agent>, ConfigError> {
    let Some(section) = file.section(SECTION) else {
        return Ok(Vec::new());
    };
    section
        .iter()
        .map(|(name, value)| read_one(file, name, value))
        .collect()
}

fn read_one(file: &File, name: &str, value: &toml::Value) -> Result<Agent, ConfigError> {
    let key = format!("{SECTION}.{name}");
    let table = value
        .as_table()
        .ok_or_else(|| file.bad(&key, value, "a table: [agents.NAME]"))?;
    if name.is_empty() || name.len() > 50 || name.contains(|c: char| c == ',' || c.is_control()) {
        return Err(file.bad(&key, value, "named with 1 to 50 characters and no comma"));
    }
    let known: BTreeSet<_> = KEYS.iter().map(|(name, _)| *name).collect();
    if let Some(stranger) = table.keys().find(|name| !known.contains(name.as_str())) {
        let near = nearest(stranger, known.into_iter()).map(|near| format!("{key}.{near}"));
        return Err(file.unknown(format!("{key}.{stranger}"), near));
    }
    check_kind(file, &key, table)?;
    let program: Vec<String> = required(file, &key, table, "program")?;
    if program.first().is_none_or(String::is_empty) {
        let expected = "a list that starts with the program";
        return Err(file.bad(&format!("{key}.program"), &table["program"], expected));
    }
    Ok(Agent {
        name: name.to_owned(),
        program,
        env: optional(file, &key, table, "env")?.unwrap_or_default(),
        timeout: optional(file, &key, table, "timeout_seconds")?.unwrap_or(DEFAULT_TIMEOUT),
    })
}

fn check_kind(file: &File, key: &str, table: &toml::Table) -> Result<(), ConfigError> {
    let kind: String = required(file, key, table, "kind")?;
    if kind == "command" {
        return Ok(());
    }
    let expected = "\"command\" (the only kind this version runs)";
    Err(file.bad(&format!("{key}.kind"), &table["kind"], expected))
}

fn optional<T: Setting>(
    file: &File,
    key: &str,
    table: &toml::Table,
    name: &str,
) -> Result<Option<T>, ConfigError> {
    table
        .get(name)
        .map(|value| {
            let origin = Origin::File(file.path.clone());
            parse(&format!("{key}.{name}"), &Raw::Toml(value.clone()), &origin)
        })
        .transpose()
}

fn required<T: Setting>(
    file: &File,
    key: &str,
    table: &toml::Table,
    name: &'static str,
) -> Result<T, ConfigError> {
    optional(file, key, table, name)?.ok_or_else(|| ConfigError::Missing {
        key: format!("{key}.{name}"),
        needed_for: "every agent",
    })
}
