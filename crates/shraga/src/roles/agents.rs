//! The agents a worker offers: those of the configuration whose programs are there.
//!
//! A worker that advertised an agent whose program is missing would take its tasks only to fail them. Without it they
//! wait, with that reason, for a worker that has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shraga_core::price::Prices;
use shraga_worker::{Agent, Claude, Codex, Command, Kind, Metering};

use crate::config::agents::{Agent as Configured, Kind as ConfiguredKind};
use crate::config::{Config, Seconds, env};

/// The agents whose programs are there, by name.
pub(crate) fn usable(config: &Config) -> BTreeMap<String, Agent> {
    let there = |agent: &&Configured| is_there(&command(agent, config));
    let agents = config.agents.iter().filter(there);
    agents
        .map(|agent| {
            let mut own = command(agent, config);
            own.fallback = stand_ins(agent, config);
            (agent.name.clone(), Agent::Command(Box::new(own)))
        })
        .collect()
}

/// Those that stand in for `agent` and are there. Their own stand-ins don't count.
fn stand_ins(agent: &Configured, config: &Config) -> Vec<Command> {
    let named = agent.fallback.iter().filter_map(|name| config.agent(name));
    let commands = named.map(|agent| command(agent, config));
    commands.filter(is_there).collect()
}

/// Warns of every agent whose program isn't there, in a line each; how many those are.
pub(crate) fn say_missing(config: &Config) -> usize {
    let commands = config
        .agents
        .iter()
        .map(|agent| (agent, command(agent, config)));
    let missing = commands.filter(|(_, command)| !is_there(command));
    let mut count = 0;
    for (Configured { name, .. }, command) in missing {
        let program = &command.program[0];
        tracing::warn!(
            "agent `{name}` is off: there is no program `{program}`; install it or correct \
             agents.{name}.program, and start again"
        );
        count += 1;
    }
    count
}

/// The program that `agent` runs.
///
/// # Errors
/// Its name, when it can't be found and run.
pub(crate) fn program(agent: &Configured, config: &Config) -> Result<PathBuf, String> {
    let command = command(agent, config);
    find(&command).ok_or_else(|| command.program[0].clone())
}

/// How each agent is metered.
pub(crate) fn metering(config: &Config) -> BTreeMap<String, Metering> {
    let prices = Prices::over_shipped(config.budget.prices.0.clone());
    let prices = Arc::new(prices);
    let agents = config.agents.iter().map(|agent| {
        let metering = Metering {
            budget: agent.budget.0,
            tells: agent.usage,
            takes_notices: false,
            model: None,
            prices: Arc::clone(&prices),
        };
        (agent.name.clone(), metering)
    });
    agents.collect()
}

/// Whether the program can be found and run.
fn is_there(command: &Command) -> bool {
    find(command).is_some()
}

fn find(command: &Command) -> Option<PathBuf> {
    let nowhere = Path::new("/");
    let here = std::env::current_dir();
    let here = here.as_deref().unwrap_or(nowhere);
    which::which_in(&command.program[0], env::lookup("PATH"), here).ok()
}

/// A program given by a relative path is meant relative to the file that names it: a worker runs it
/// in another folder for each attempt.
fn command(agent: &Configured, config: &Config) -> Command {
    let folder = config.file.as_deref().and_then(Path::parent);
    let mut program = agent.program.clone();
    let path = Path::new(&program[0]);
    let named_by_path = path.is_relative() && path.components().count() > 1;
    if let Some(folder) = folder.filter(|_| named_by_path) {
        let absolute = std::path::absolute(folder.join(path));
        program[0] = absolute.map_or(program[0].clone(), |path| path.display().to_string());
    }
    Command {
        name: agent.name.clone(),
        program,
        env: agent.env.clone(),
        timeout: Some(agent.timeout.duration()),
        kind: kind(agent),
        silence: agent.silence.map(Seconds::duration),
        result_grace: agent.result_grace.duration(),
        fallback: Vec::new(),
    }
}

fn kind(agent: &Configured) -> Kind {
    match agent.kind {
        ConfiguredKind::Command => Kind::Command,
        ConfiguredKind::Claude => Kind::Claude(Claude {
            model: agent.model.clone(),
            permission_mode: agent.permission_mode.clone(),
            allowed_tools: agent.allowed_tools.clone(),
            max_turns: agent.max_turns.0,
        }),
        ConfiguredKind::Codex => Kind::Codex(Codex {
            model: agent.model.clone(),
            sandbox: agent.sandbox.clone(),
        }),
    }
}
