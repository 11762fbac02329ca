//! `shraga update`: whether a newer version is on the branch, and taking one into use, without a store.

mod fleet;

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde_json::json;
use shraga_core::update::Release;
use shraga_update::{Applied, Found, Refused, State, apply, check, roll_back};

use super::Context;
use crate::clock;
use crate::config::Overrides;
use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};
use crate::roles::update::{root, settings, site};
use crate::tasks::fleet::{json as json_of, lines};

/// Look for a newer version, take it into use, or go back
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["check", "now", "rollback", "pause", "resume", "retry"])))]
#[command(after_help = "\
Examples:
  shraga update --check
  shraga update --check --json | jq -r .state
  GIT_BRANCH=main shraga update --check --repo /opt/shraga
  shraga update --now --root /opt/shraga --repo /srv/shraga.git-checkout
  shraga update --now --to 1.4.0
  shraga update --rollback
  shraga update --pause --why 'a demonstration until noon'
  shraga update --resume
  shraga update --retry

--check fetches the branch from the checkout's remote `origin` and compares the file VERSION there with what \
is installed, or else with the checkout's. It changes no work tree, and needs no store. Exits 0 when it could tell \
(states up-to-date, available, and dirty, diverged or detached when the checkout can't take what is available); 3 \
without git, a checkout or a valid branch name; 5 when the remote didn't answer in time; 6 when the remote, the branch \
or its VERSION is missing.

--now builds the branch's commit in a folder of its own, tries what was built, puts it into ROOT/versions and turns \
the link ROOT/current to it. Nothing that runs is touched: what is started next from ROOT/current/shraga is the new \
version. A version that failed is not tried again until the branch has another commit, or --to names it. Exits 1 when \
the version failed, and 7 while another update is under way.

--pause is for all machines of a store: no worker and no orchestrator takes a release by itself until --resume, and what \
was allowed and not taken is taken back. --retry lets a release be tried again that failed on two workers, or on the only \
one: --to names it, else it is the one that was refused last; what this installation remembers against it is forgotten \
too. All three need an admin's token. --check says what is rolled out where it finds a \
store within 5 s; it needs none.")]
pub struct Update {
    /// Only look
    #[arg(long)]
    check: bool,
    /// Take what the branch has into use
    #[arg(long)]
    now: bool,
    /// Go back to the version before
    #[arg(long)]
    rollback: bool,
    /// Let no worker and no orchestrator of the store take a release by itself
    #[arg(long)]
    pause: bool,
    /// Let them go on
    #[arg(long)]
    resume: bool,
    /// Let a release that is refused be tried again
    #[arg(long)]
    retry: bool,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["check", "now", "rollback", "resume", "retry"])]
    why: Option<String>,
    /// This version, which may be older or have failed before: the branch's, or one that is still there
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["check", "rollback", "pause", "resume"])]
    to: Option<String>,
    /// The git checkout to compare [default: the working directory's, else the program's]
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// The folder of the installation [default: the one this program runs from]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl Update {
    pub(crate) fn overrides(&self, flags: &mut Overrides) {
        for (key, given) in [("update.repo", &self.repo), ("update.root", &self.root)] {
            if let Some(path) = given {
                flags.insert(key, path.display().to_string());
            }
        }
    }

    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        if self.check {
            return look(&context).await;
        }
        if self.pause {
            return fleet::pause(&context, self.why.as_deref()).await;
        }
        if self.resume {
            return fleet::resume(&context).await;
        }
        if self.retry {
            return fleet::retry(&context, self.to.as_deref()).await;
        }
        let Some(root) = root(&context.config) else {
            let said = "this program does not run from an installation that can be updated";
            return Err(Failure::new(Exit::Configuration, said).hint(
                "name its folder with --root (or `update.root`): versions are put there, and \
                 daemons are started as ROOT/current/shraga",
            ));
        };
        let now = clock::wall();
        let done = match self.rollback {
            true => roll_back(&root, now).await,
            false => {
                let settings = settings(&context.config);
                let site = site(&context.config, root.clone())?;
                let branch = &settings.branch;
                context
                    .output
                    .talk(one_line(&format!("taking what {branch} has into use ...")));
                apply(&settings, &site, self.to.as_deref(), now).await
            }
        };
        match done {
            Ok(applied) => tell(&context, &root, &applied),
            Err(refused) => refuse(&context, &root, refused),
        }
    }
}

async fn look(context: &Context) -> Result<Exit, Failure> {
    let settings = settings(&context.config);
    let (found, known) = tokio::join!(check(&settings), fleet::near(context));
    if context.output.json {
        let mut object = as_json(&found);
        object["fleet"] = known
            .as_ref()
            .map_or(serde_json::Value::Null, |known| json_of(&known.fleet));
        context.output.object(&object)?;
    } else if found.state.is_told() {
        let advice = found.advice();
        context.output.line(one_line(&found.to_string()))?;
        advice
            .iter()
            .for_each(|advice| context.output.talk(one_line(advice)));
    }
    if let Some(known) = known.filter(|_| !context.output.json) {
        for line in lines(&known) {
            context.output.line(one_line(&line))?;
        }
    }
    unknown(&found).map_or(Ok(Exit::Done), Err)
}

/// The failure of a look that could not tell.
fn unknown(found: &Found) -> Option<Failure> {
    let failure = Failure::new(not_told(found.state)?, found);
    Some(failure.hint(found.advice().unwrap_or_default()))
}

fn tell(context: &Context, root: &Path, applied: &Applied) -> Result<Exit, Failure> {
    let (now, before, changed) = match applied {
        Applied::Installed { now, before } => (now, before.as_ref(), true),
        Applied::UpToDate(now) => (now, None, false),
    };
    show(context, root, Some(now), before, changed)?;
    if changed {
        let program = root.join("current").join(shraga_update::PROGRAM);
        let program = program.display().to_string();
        context.output.talk(one_line(&format!(
            "what is started from now on as {program} is this version; what runs goes on as it was"
        )));
    }
    Ok(Exit::Done)
}

fn show(
    context: &Context,
    root: &Path,
    now: Option<&Release>,
    before: Option<&Release>,
    changed: bool,
) -> Result<(), Failure> {
    if context.output.json {
        context.output.object(&json!({
            "installed": now.map(ToString::to_string),
            "before": before.map(ToString::to_string),
            "changed": changed,
            "root": root.display().to_string(),
        }))?;
        return Ok(());
    }
    let now = now.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let line = match (changed, before) {
        (false, _) => format!("up to date: {now} is installed"),
        (true, None) => format!("{now} is installed"),
        (true, Some(before)) => format!("{now} is installed; before it was {before}"),
    };
    context.output.line(one_line(&line))?;
    Ok(())
}

/// Why nothing changed; that nothing newer is there is no failure.
fn refuse(context: &Context, root: &Path, refused: Refused) -> Result<Exit, Failure> {
    let hint = match &refused {
        Refused::Unknown(found) => {
            let other = || Failure::new(Exit::Failed, found);
            return Err(unknown(found).unwrap_or_else(other));
        }
        Refused::NotNewer { installed, .. } => {
            show(context, root, Some(installed), None, false)?;
            let said = format!("{refused}; --to VERSION takes it all the same");
            context.output.talk(one_line(&said));
            return Ok(Exit::Done);
        }
        Refused::Busy(_) => "wait for it, or look for another `shraga update`",
        Refused::NoSuchVersion { .. } => "ls ROOT/versions lists those that are still there",
        Refused::FailedBefore(_) => {
            "it is tried again when the branch has another commit, or when --to names it"
        }
        Refused::Failed(_) => {
            "nothing was changed; mend it on the branch, or try it again with --to VERSION"
        }
        Refused::NothingBefore(_) => "--now --to VERSION takes any version that is still there",
        Refused::Machine(_) => "nothing was changed; it is tried again by the next --now",
        Refused::Disk { .. } => {
            "check that the disk isn't full and the folder can be written, and run it again"
        }
    };
    let exit = match &refused {
        Refused::Busy(_) => Exit::Conflict,
        Refused::NoSuchVersion { .. } | Refused::NothingBefore(_) => Exit::NotFound,
        Refused::Unknown(_)
        | Refused::NotNewer { .. }
        | Refused::FailedBefore(_)
        | Refused::Failed(_)
        | Refused::Machine(_)
        | Refused::Disk { .. } => Exit::Failed,
    };
    Err(Failure::from_error(exit, refused).hint(hint))
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
