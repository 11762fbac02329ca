//! `shraga update --check`: whether a newer version is on the branch, without a store.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shraga_update::{Found, State, check};

use super::Context;
use crate::config::Overrides;
use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};
use crate::roles::update::settings;

/// Tell whether a newer version is on the branch
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga update --check
  shraga update --check --json | jq -r .state
  GIT_BRANCH=main shraga update --check --repo /opt/shraga

Fetches the branch from the checkout's remote `origin` and compares the file VERSION there with the \
checkout's. Changes no work tree, and needs no store. Exits 0 when it could tell (states up-to-date, \
available, and dirty, diverged or detached when the checkout can't take what is available); 3 without git, \
a checkout or a valid branch name; 5 when the remote didn't answer in time; 6 when the remote, the branch or \
its VERSION is missing.")]
pub struct Update {
    /// Only look; this version can do no more
    #[arg(long, required = true)]
    check: bool,
    /// The git checkout to compare [default: the working directory's, else the program's]
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
}

impl Update {
    pub(crate) fn overrides(&self, flags: &mut Overrides) {
        if let Some(repo) = &self.repo {
            flags.insert("update.repo", repo.display().to_string());
        }
    }

    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let found = check(&settings(&context.config)).await;
        if context.output.json {
            context.output.object(&as_json(&found))?;
        } else if found.state.is_told() {
            let advice = found.advice();
            context.output.line(one_line(&found.to_string()))?;
            advice
                .iter()
                .for_each(|advice| context.output.talk(one_line(advice)));
        }
        match not_told(found.state) {
            None => Ok(Exit::Done),
            Some(exit) => {
                let failure = Failure::new(exit, &found);
                Err(failure.hint(found.advice().unwrap_or_default()))
            }
        }
    }
}

fn as_json(found: &Found) -> serde_json::Value {
    json!({
        "current": found.current,
        "available": found.available,
        "branch": found.branch,
        "state": found.state.as_str(),
        "checkout": found.checkout.as_deref().map(|path| path.display().to_string()),
        "detail": found.detail,
    })
}

/// The exit code of a state that leaves the question open.
const fn not_told(state: State) -> Option<Exit> {
    Some(match state {
        State::UpToDate | State::Available | State::Dirty | State::Diverged | State::Detached => {
            return None;
        }
        State::BadBranch | State::NotARepository | State::GitMissing => Exit::Configuration,
        State::MissingVersion | State::MissingRemote | State::MissingBranch => Exit::NotFound,
        State::TimedOut | State::Failed => Exit::Unreachable,
        State::BadVersion => Exit::Failed,
    })
}
