//! Configuration: flags over environment over `shraga.toml` over defaults, each value with its
//! origin.
//!
//! [`sections`] declares every setting once: type, default, environment variable, documentation. A
//! value is parsed where it enters, and an error names its origin, the key and the value. Unknown
//! keys are refused with the nearest known one. Only [`mod@env`] reads the environment. Nothing is ever
//! written.

pub mod agents;
pub mod budget;
mod dev_box;
pub mod env;
mod error;
pub mod file;
mod found;
pub mod machines;
mod repositories;
mod resolve;
pub mod sections;
mod value;

use std::path::PathBuf;

pub use dev_box::{Account, Parameters};
pub use error::ConfigError;
use resolve::Resolver;
pub use resolve::{Entry, Origin, Overrides};
pub use sections::{
    Assign, Budget, Credentials, DevBox, Health, Log, LogFormat, Provision, Schema, Store, Update,
    Worker,
};
pub use value::{Every, Percent, Seconds, Setting, Unchecked};

/// Every effective setting, a struct per concern.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[store]`
    pub store: Store,
    /// `[credentials]`
    pub credentials: Credentials,
    /// `[schema]`
    pub schema: Schema,
    /// `[schema.columns]`: default column name to the organisation's.
    pub columns: Vec<(String, String)>,
    /// `[assign]`
    pub assign: Assign,
    /// `[health]`
    pub health: Health,
    /// `[worker]`
    pub worker: Worker,
    /// `[agents.NAME]`
    pub agents: Vec<agents::Agent>,
    /// `[provision]`
    pub provision: Provision,
    /// `[dev_box]`
    pub dev_box: DevBox,
    /// `[update]`
    pub update: Update,
    /// `[budget]`
    pub budget: Budget,
    /// `[log]`
    pub log: Log,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// What `shraga config` shows: every setting with its value and origin, in order.
    pub entries: Vec<Entry>,
}

impl Config {
    /// Merges the layers. `file` is the parsed `shraga.toml` with its path, `env` looks a variable
    /// up, `flags` are the command line's.
    ///
    /// # Errors
    /// The first key or value that can't be used, by name and origin.
    pub fn merge(
        file: Option<file::File>,
        env: &dyn Fn(&str) -> Option<String>,
        flags: &Overrides,
    ) -> Result<Self, ConfigError> {
        if let Some(file) = &file {
            file.check_keys()?;
        }
        let mut resolver = Resolver::new(file.as_ref(), env, flags);
        let store = Store::take(&mut resolver)?;
        let credentials = Credentials::take(&mut resolver)?;
        let schema = Schema::take(&mut resolver)?;
        let columns = resolver.columns()?;
        let assign = Assign::take(&mut resolver)?;
        let health = Health::take(&mut resolver)?;
        let worker = Worker::take(&mut resolver)?;
        let agents = resolver.agents()?;
        let provision = Provision::take(&mut resolver)?;
        let dev_box = DevBox::take(&mut resolver)?;
        let update = Update::take(&mut resolver)?;
        let budget = Budget::take(&mut resolver)?;
        let log = Log::take(&mut resolver)?;
        patient(&health, &worker)?;
        Ok(Self {
            store,
            credentials,
            schema,
            columns,
            assign,
            health,
            worker,
            agents,
            provision,
            dev_box,
            update,
            budget,
            log,
            entries: resolver.into_entries(),
            file: file.map(|file| file.path),
        })
    }

    /// Reads the file named by `path` (or the one found) and the environment, and merges.
    ///
    /// # Errors
    /// As [`Config::merge`], or the file can't be read or parsed.
    pub fn load(path: Option<&std::path::Path>, flags: &Overrides) -> Result<Self, ConfigError> {
        let file = match path {
            Some(path) => Some(file::File::read(path)?),
            None => file::File::find()?,
        };
        let config = Self::merge(file, &env::lookup, flags)?;
        match &config.file {
            Some(here) if path.is_none() && here.is_relative() => found::check(&config, here)?,
            Some(_) | None => {}
        }
        Ok(config)
    }

    /// Whether somebody set this key, instead of leaving its default.
    #[must_use]
    pub fn is_set(&self, key: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.key == key && entry.origin != Origin::Default)
    }

    /// The agent with this name.
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<&agents::Agent> {
        self.agents.iter().find(|agent| agent.name == name)
    }
}

/// Workers have time for two beats before they are asked, and before they are given up.
fn patient(health: &Health, worker: &Worker) -> Result<(), ConfigError> {
    let beat = worker.beat_seconds.0;
    let patience = [
        ("health.suspect_seconds", health.suspect_seconds.0),
        ("health.confirm_seconds", health.confirm_seconds.0),
    ];
    match patience
        .into_iter()
        .find(|(_, seconds)| *seconds < beat.saturating_mul(2))
    {
        Some((key, seconds)) => Err(ConfigError::Hasty { key, seconds, beat }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
