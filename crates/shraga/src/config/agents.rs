//! `[agents.NAME]`: the programs workers can run. Agents are data; this only parses them.

use std::collections::BTreeSet;

use super::budget::Most;
use super::error::{ConfigError, nearest};
use super::file::File;
use super::resolve::{Origin, parse};
use super::value::{Limit, Raw, Seconds, Setting};
use shraga_worker::Tells;

/// The section's name.
pub const SECTION: &str = "agents";

/// The keys of an agent with what they mean.
pub const KEYS: &[(&str, &str)] = &[
    (
        "kind",
        "How the program is driven: `command` (any program: prompt on standard input), `claude` (Claude Code) or `codex` (OpenAI's Codex CLI).",
    ),
    (
        "program",
        "The program and its arguments. Unset: `claude` or `codex`, from PATH.",
    ),
    (
        "env",
        "Names of environment variables it may see beside PATH, HOME, LANG and the like.",
    ),
    (
        "timeout_seconds",
        "Seconds one run may take before it is ended.",
    ),
    (
        "silence_seconds",
        "Seconds it may print nothing before it counts as hanging. Unset: 900 for `claude`, 1800 for `codex`, no limit for `command`.",
    ),
    (
        "result_grace_seconds",
        "Seconds it may go on after its last word (`claude`, `codex`).",
    ),
    (
        "model",
        "The model (`claude`, `codex`). Unset: its own choice.",
    ),
    (
        "permission_mode",
        "How `claude` decides what it may do unasked.",
    ),
    (
        "allowed_tools",
        "Tools that `claude` may use without asking, such as `Bash(git:*)`.",
    ),
    (
        "max_turns",
        "Most turns of one run of `claude`; 0: no limit.",
    ),
    (
        "sandbox",
        "What commands of `codex` may do: its `sandbox_mode`.",
    ),
    (
        "fallback",
        "Agents that stand in, one after the other, when it can't work for a reason of its vendor's.",
    ),
    (
        "budget",
        "What it may use for one task, such as `2.50usd,30m,200k-tokens,40turns,10mb`; a task may name less.",
    ),
    (
        "usage",
        "What a `command` tells of its usage: `none`, `free` (it costs nothing) or `file` (it writes SHRAGA_USAGE_FILE).",
    ),
];

/// How long a run may take unless its agent says otherwise: agents work for hours, and one that
/// hangs must not hold its slot for days.
const DEFAULT_TIMEOUT: Seconds = Seconds(4 * 60 * 60);

/// Claude Code prints as its model speaks, and its tools end within ten minutes by themselves.
const CLAUDE_SILENCE: Seconds = Seconds(900);

/// Codex prints nothing while its model thinks or a command runs.
const CODEX_SILENCE: Seconds = Seconds(1800);

/// How Claude Code decides unless told otherwise: it may edit the files where it works.
const PERMISSION_MODE: &str = "acceptEdits";

/// What commands of Codex may do unless told otherwise: write where it works.
const SANDBOX: &str = "workspace-write";

/// The kinds of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any program.
    Command,
    /// Claude Code.
    Claude,
    /// The Codex CLI of `OpenAI`.
    Codex,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Command, Self::Claude, Self::Codex];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Claude => "claude",
            Self::Codex => "codex",
        }
    }

    /// Which kinds know a key that not all know.
    fn knows(self, key: &str) -> bool {
        match key {
            "permission_mode" | "allowed_tools" | "max_turns" => self == Self::Claude,
            "sandbox" => self == Self::Codex,
            "usage" => self == Self::Command,
            "model" | "result_grace_seconds" => self != Self::Command,
            _ => true,
        }
    }
}

/// A configured agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name, which tasks and workers refer to.
    pub name: String,
    /// How its program is driven.
    pub kind: Kind,
    /// The program and its arguments; never empty.
    pub program: Vec<String>,
    /// Names of environment variables it may see.
    pub env: Vec<String>,
    /// How long one run may take.
    pub timeout: Seconds,
    /// How long it may print nothing.
    pub silence: Option<Seconds>,
    /// How long it may go on after its last word.
    pub result_grace: Seconds,
    /// Its model.
    pub model: Option<String>,
    /// How Claude Code decides what it may do unasked.
    pub permission_mode: String,
    /// What Claude Code may use without asking.
    pub allowed_tools: Vec<String>,
    /// Most turns of a run of Claude Code.
    pub max_turns: Limit,
    /// What commands of Codex may do.
    pub sandbox: String,
    /// The agents that stand in for it.
    pub fallback: Vec<String>,
    /// What it may use for one task.
    pub budget: Most,
    /// What a command tells of its usage.
    pub usage: Tells,
}

impl Agent {
    /// An agent of this kind, all else at its default.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: Kind, program: Vec<String>) -> Self {
        Self {
            name: name.into(),
            kind,
            program,
            env: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            silence: match kind {
                Kind::Command => None,
                Kind::Claude => Some(CLAUDE_SILENCE),
                Kind::Codex => Some(CODEX_SILENCE),
            },
            result_grace: Seconds(30),
            model: None,
            permission_mode: PERMISSION_MODE.to_owned(),
            allowed_tools: Vec::new(),
            max_turns: Limit(None),
            sandbox: SANDBOX.to_owned(),
            fallback: Vec::new(),
            budget: Most::default(),
            usage: Tells::default(),
        }
    }

    /// Its keys with values and meaning, as `shraga config` shows them.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Option<String>, &'static str)> {
        let value = |name: &str| match name {
            "kind" => Some(format!("{:?}", self.kind.as_str())),
            "program" => self.program.show(),
            "env" => self.env.show(),
            "timeout_seconds" => self.timeout.show(),
            "silence_seconds" => self.silence.show(),
            "result_grace_seconds" => self.result_grace.show(),
            "model" => self.model.show(),
            "permission_mode" => self.permission_mode.show(),
            "allowed_tools" => self.allowed_tools.show(),
            "max_turns" => self.max_turns.show(),
            "sandbox" => self.sandbox.show(),
            "budget" => self.budget.show(),
            "usage" => self.usage.show(),
            _ => self.fallback.show(),
        };
        KEYS.iter()
            .filter(|(name, _)| self.kind.knows(name))
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
    let kind = read_kind(file, &key, table)?;
    if let Some(foreign) = table.keys().find(|name| !kind.knows(name)) {
        let expected = format!("left out: agents of kind {:?} don't know it", kind.as_str());
        return Err(file.bad(&format!("{key}.{foreign}"), &table[foreign], &expected));
    }
    let program = read_program(file, &key, table, kind)?;
    let mut agent = Agent::new(name, kind, program);
    let place = Place {
        file,
        key: &key,
        table,
    };
    place.set("env", &mut agent.env)?;
    place.set("timeout_seconds", &mut agent.timeout)?;
    place.set("silence_seconds", &mut agent.silence)?;
    place.set("result_grace_seconds", &mut agent.result_grace)?;
    place.set("model", &mut agent.model)?;
    place.set("permission_mode", &mut agent.permission_mode)?;
    place.set("allowed_tools", &mut agent.allowed_tools)?;
    place.set("max_turns", &mut agent.max_turns)?;
    place.set("sandbox", &mut agent.sandbox)?;
    place.set("fallback", &mut agent.fallback)?;
    place.set("budget", &mut agent.budget)?;
    place.set("usage", &mut agent.usage)?;
    check_fallback(file, &place, &agent)?;
    Ok(agent)
}

/// Where an agent stands in its file.
struct Place<'a> {
    file: &'a File,
    key: &'a str,
    table: &'a toml::Table,
}

impl Place<'_> {
    /// Takes the value of a key, if there is one.
    fn set<T: Setting>(&self, name: &str, target: &mut T) -> Result<(), ConfigError> {
        if let Some(value) = optional(self.file, self.key, self.table, name)? {
            *target = value;
        }
        Ok(())
    }
}

fn read_kind(file: &File, key: &str, table: &toml::Table) -> Result<Kind, ConfigError> {
    let given: String = required(file, key, table, "kind")?;
    let known = Kind::ALL.into_iter().find(|kind| kind.as_str() == given);
    known.ok_or_else(|| {
        let expected = "\"command\", \"claude\" or \"codex\"";
        file.bad(&format!("{key}.kind"), &table["kind"], expected)
    })
}

/// Only a vendor's program has a name that is known.
fn read_program(
    file: &File,
    key: &str,
    table: &toml::Table,
    kind: Kind,
) -> Result<Vec<String>, ConfigError> {
    let program: Vec<String> = match (kind, optional(file, key, table, "program")?) {
        (_, Some(program)) => program,
        (Kind::Command, None) => required(file, key, table, "program")?,
        (Kind::Claude | Kind::Codex, None) => vec![kind.as_str().to_owned()],
    };
    if program.first().is_none_or(String::is_empty) {
        let expected = "a list that starts with the program";
        return Err(file.bad(&format!("{key}.program"), &table["program"], expected));
    }
    Ok(program)
}

/// What stands in must be there, and another.
fn check_fallback(file: &File, place: &Place<'_>, agent: &Agent) -> Result<(), ConfigError> {
    let known = |name: &String| {
        *name != agent.name
            && file
                .section(SECTION)
                .is_some_and(|section| section.contains_key(name))
    };
    if agent.fallback.iter().all(known) {
        return Ok(());
    }
    let key = format!("{}.fallback", place.key);
    Err(file.bad(
        &key,
        &place.table["fallback"],
        "names of other agents of this file",
    ))
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
