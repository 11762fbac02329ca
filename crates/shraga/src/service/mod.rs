//! A role as a service of systemd: its unit written, started, looked at and taken away.
//!
//! Only units that were made here are replaced or removed, and only as long as nobody changed them. Nothing secret
//! stands in a unit: everybody on the machine can read it.

mod file;
mod manager;
mod status;
#[cfg(test)]
mod tests;
mod unit;

use clap::ValueEnum;

pub(crate) use file::{Found, Place, check_environment, marked};
pub(crate) use manager::Manager;
pub(crate) use status::{Seen, Standing};
pub(crate) use unit::{Program, Unit};

/// What a service of ours runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The orchestrator
    Orchestrate,
    /// A worker
    Worker,
    /// The embedded store
    Serve,
    /// Store, orchestrator and workers
    Up,
}

impl Role {
    /// The verb that it is.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Orchestrate => "orchestrate",
            Self::Worker => "worker",
            Self::Serve => "serve",
            Self::Up => "up",
        }
    }

    /// What it is, for people.
    const fn words(self) -> &'static str {
        match self {
            Self::Orchestrate => "orchestrator",
            Self::Worker => "worker",
            Self::Serve => "store",
            Self::Up => "store, orchestrator and workers",
        }
    }

    /// Whether it runs agents, which outlive it and need more of the machine than it does.
    const fn has_agents(self) -> bool {
        match self {
            Self::Worker | Self::Up => true,
            Self::Orchestrate | Self::Serve => false,
        }
    }
}

/// The longest name of one of several services of a role: it stands in names of files.
const LONGEST_NAME: usize = 40;

/// The name of one of several services of a role: letters, digits, `.`, `_` and `-`, so that it means the same in the
/// name of a unit, of a folder and in a command line.
///
/// # Errors
/// It is another text; says what is allowed.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    match begins && text.len() <= LONGEST_NAME && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "give up to {LONGEST_NAME} letters, digits, dots, underscores and hyphens, a letter or digit first"
        )),
    }
}

/// The longest name of a user that Linux' tools make.
const LONGEST_USER: usize = 32;

/// The name of a user, as the system's tools make them.
///
/// # Errors
/// It is another text; says what is allowed.
pub(crate) fn user_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match begins && text.len() <= LONGEST_USER && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("that is no name of a user".to_owned()),
    }
}

/// The name of the unit.
pub(crate) fn unit_name(role: Role, name: Option<&str>) -> String {
    let tail = name.map(|name| format!("-{name}")).unwrap_or_default();
    format!("shraga-{}{tail}.service", role.verb())
}
