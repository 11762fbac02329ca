//! `shraga keep`: what a service manager starts, and what keeps a daemon running over crashes and versions.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::config::Overrides;
use crate::exit::{Exit, Failure};
use crate::roles;

/// What can be kept.
const ROLES: [&str; 4] = ["up", "serve", "orchestrate", "worker"];

/// Keep a daemon running, over crashes and newer versions
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga keep -- worker --name desk
  shraga keep --root /opt/shraga -- orchestrate --metrics-listen 127.0.0.1:9464
  /opt/shraga/current/shraga keep -- up

The daemon is started as ROOT/current/shraga and started again when it ends: after 1 s, doubling to 60 s, for as long as \
it takes. One that says nothing for 60 s is ended first; before its first word it has `update.health_seconds`, if that is \
longer. Its agents are not touched: they go on with their supervisors.

A version that this keeper has not seen healthy is on trial: it has `update.health_seconds` to do its work. If it ends or \
hangs before, it counts as failed, the link goes back, and the version before runs again. Without an installation the \
program itself is kept, and no version is ever taken.

The first signal lets the daemon finish what it has, the second ends it. Options of the daemon stand behind `--`. Exits 7 \
when another keeper has the same name, 6 when nothing is installed in ROOT.")]
pub struct Keep {
    /// The folder of the installation [default: the one this program runs from]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// What this keeper is called: several of one role need names [default: the role]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// up, serve, orchestrate or worker, and what it is to be told
    #[arg(required = true, last = true, value_name = "ROLE [ARGS]...")]
    daemon: Vec<String>,
}

impl Keep {
    pub(crate) fn overrides(&self, flags: &mut Overrides) {
        if let Some(root) = &self.root {
            flags.insert("update.root", root.display().to_string());
        }
    }

    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let role = self.daemon.first().map_or("", String::as_str);
        if !ROLES.contains(&role) {
            let said = format!("{role:?} is nothing that can be kept");
            return Err(Failure::new(Exit::Usage, said).hint(
                "first comes what is kept: up, serve, orchestrate or worker; its options come after it",
            ));
        }
        let name = self.name.unwrap_or_else(|| role.to_owned());
        roles::keep::run(&context, &name, self.daemon).await
    }
}

/// A name that may be a folder's.
fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain);
    match good && text.len() <= 64 {
        true => Ok(text.to_owned()),
        false => Err(
            "letters, digits, `.`, `_` and `-`, 64 at most, beginning with the first two"
                .to_owned(),
        ),
    }
}
