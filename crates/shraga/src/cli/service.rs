//! `shraga service`: a role as a service of systemd.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Cli, Common};
use crate::clock;
use crate::display::Output;
use crate::exit::{Exit, Failure};
use crate::service::{self, Found, Manager, Place, Program, Role, Seen, Standing, Unit, unit_name};

/// How long a service that was just started is looked at: what is wrong at once is told at once.
const FIRST_LOOKS: u32 = 20;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Longest that the system may take to tell whether it knows a user: it may have to ask a directory.
const WHO_DEADLINE: Duration = Duration::from_secs(30);

/// Keep a role running, as a service of systemd
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo shraga service install orchestrate --user-name shraga --root /opt/shraga
  sudo shraga service install worker --user-name shraga --name gpu -- --slots 4
  shraga service install up --user              a service of your own, in this folder
  shraga service install worker --user --dry-run
  shraga service status worker --name gpu --json
  sudo shraga service uninstall worker --name gpu

The service runs `shraga keep`, which starts the role and starts it again when it ends. With an installation \
(--root, or the one this program runs from) that is whatever version is in use there, so that updates apply; \
otherwise it is this program's file.

Only a unit that was made here and that nobody changed is replaced or removed. Own settings go beside it, by \
`systemctl edit UNIT`. Secrets go into --environment-file or a token file, never into arguments: everybody can \
read those.

`status` exits 0 while the service runs and does its work, 75 while it starts, stops or can't do its work, 1 when it is stopped or has \
failed, 6 when it is not installed, 3 without systemd.")]
pub struct Service {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the unit, and have it started now and with the machine
    Install(Box<Install>),
    /// Stop the service and take its unit away; nothing is wrong if there is none
    Uninstall(Uninstall),
    /// How the service is
    Status(Which),
}

/// Which service.
#[derive(Debug, Args)]
struct Which {
    /// What it runs
    #[arg(value_enum)]
    role: Role,
    /// Which one, where there are several; a worker's name too
    #[arg(long, value_name = "NAME", value_parser = service::name)]
    name: Option<String>,
    /// A service of your own, which needs no rights, instead of the machine's
    #[arg(long)]
    user: bool,
    /// The folder of its unit [default: /etc/systemd/system, with --user ~/.config/systemd/user]
    #[arg(long, value_name = "DIR")]
    unit_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Install {
    #[command(flatten)]
    which: Which,
    /// As whom it runs; needed without --user
    #[arg(long, value_name = "USER", value_parser = service::user_name, conflicts_with = "user")]
    user_name: Option<String>,
    /// A file with its environment, a line NAME=VALUE each, that only its owner can read
    #[arg(long, value_name = "FILE")]
    environment_file: Option<PathBuf>,
    /// Where it works [default: /var/lib/shraga, made by systemd; with --user this folder]
    #[arg(long, value_name = "DIR")]
    working_directory: Option<PathBuf>,
    /// The folder of the installation whose version in use it runs [default: the one this program runs from]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Start it with the machine only, not now
    #[arg(long)]
    no_start: bool,
    /// Print the unit and what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Replace a unit that was changed by hand, or that is not ours
    #[arg(long)]
    force: bool,
    /// Arguments of the role
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

#[derive(Debug, Args)]
struct Uninstall {
    #[command(flatten)]
    which: Which,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove a unit of ours that was changed by hand, too
    #[arg(long)]
    force: bool,
}

impl Service {
    pub(crate) async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let output = Output::detect(common.json);
        match self.what {
            What::Install(install) => install.run(common, output).await,
            What::Uninstall(uninstall) => uninstall.run(output).await,
            What::Status(which) => which.status(output).await,
        }
    }
}

impl Which {
    fn unit(&self) -> String {
        unit_name(self.role, self.name.as_deref())
    }

    fn place(&self) -> Result<Place, Failure> {
        Place::of(&self.unit(), self.unit_dir.as_deref(), self.user)
    }

    const fn manager(&self) -> Manager {
        Manager { own: self.user }
    }

    async fn seen(&self) -> Result<Seen, Failure> {
        let place = self.place()?;
        Seen::of(self.role, self.name.as_deref(), &place, self.manager()).await
    }

    async fn status(&self, output: Output) -> Result<Exit, Failure> {
        let seen = self.seen().await?;
        seen.show(output)?;
        Ok(seen.standing.exit())
    }
}

impl Install {
    async fn run(&self, common: &Common, output: Output) -> Result<Exit, Failure> {
        let (manager, place) = (self.which.manager(), self.which.place()?);
        let version = match (manager.version().await, self.dry_run) {
            (Ok(version), _) => version,
            (Err(_), true) => None,
            (Err(failure), false) => return Err(failure),
        };
        let text = self
            .unit(common, version)?
            .text()
            .map_err(|error| Failure::from_error(Exit::Usage, error))?;
        let unit = self.which.unit();
        let mut steps = vec![vec!["daemon-reload"], vec!["enable", &unit]];
        if !self.no_start {
            // What runs is another version of the unit, or nothing.
            steps.push(vec!["restart", "--no-block", &unit]);
        }
        if self.dry_run {
            let commands: Vec<String> = steps.iter().map(|step| manager.shown(step)).collect();
            return dry(output, &place, Some(&text), &commands);
        }
        self.refuse(&place).await?;
        place.write(&text)?;
        for step in &steps {
            manager.tell(step).await?;
        }
        output.talk(format_args!(
            "{} is written and enabled",
            place.path.display()
        ));
        if self.no_start {
            return Ok(Exit::Done);
        }
        self.first_look(output).await
    }

    /// Refuses what is to be refused before anything is written.
    async fn refuse(&self, place: &Place) -> Result<(), Failure> {
        let (path, found) = (place.path.display(), place.look()?);
        match found {
            Found::Nothing | Found::Ours => {}
            Found::Changed | Found::Another if self.force => {}
            Found::Changed | Found::Another => {
                let said = format!("{path} is {}", found.word());
                return Err(Failure::new(Exit::Conflict, said).hint(
                    "look at it (systemctl cat); --force replaces it, and own settings survive in \
                     a file beside it (systemctl edit)",
                ));
            }
        }
        if let Some(file) = &self.environment_file {
            service::check_environment(file)?;
        }
        if let Some(folder) = self.working_directory.as_ref().filter(|dir| !dir.is_dir()) {
            let said = format!("there is no folder {}", folder.display());
            return Err(Failure::new(Exit::NotFound, said)
                .hint("make it, for the user it runs as; or leave --working-directory out"));
        }
        match &self.user_name {
            Some(user) => known(user).await,
            None => Ok(()),
        }
    }

    fn unit(&self, common: &Common, systemd: Option<u32>) -> Result<Unit, Failure> {
        let which = &self.which;
        if !which.user && self.user_name.is_none() {
            return Err(
                Failure::new(Exit::Usage, "say as whom it runs: --user-name USER").hint(
                    "make one that can do nothing else: useradd --system --create-home \
                 --home-dir /var/lib/shraga shraga; or install a service of your own with --user",
                ),
            );
        }
        let common = common.as_arguments()?;
        let absolute = |path: &PathBuf| std::path::absolute(path);
        let here = match (&self.working_directory, which.user) {
            (Some(folder), _) => Some(absolute(folder)?),
            (None, true) => Some(std::env::current_dir()?),
            (None, false) => None,
        };
        Ok(Unit {
            role: which.role,
            name: which.name.clone(),
            program: self.program()?,
            args: self.arguments(&common)?,
            common,
            user: self.user_name.clone(),
            environment: self.environment_file.as_ref().map(absolute).transpose()?,
            here,
            systemd,
        })
    }

    /// What is started: the version in use, or this file.
    fn program(&self) -> Result<Program, Failure> {
        let this = std::env::current_exe()?;
        let Some(root) = self.root.clone().or_else(|| shraga_update::root_of(&this)) else {
            return Ok(Program::File(this));
        };
        let program = Program::Installed(std::path::absolute(root)?);
        if program.file().is_file() || self.dry_run {
            return Ok(program);
        }
        let said = format!("nothing is installed as {}", program.file().display());
        Err(Failure::new(Exit::NotFound, said)
            .hint("`shraga update --now --root DIR` installs a version there first"))
    }

    /// The role's own arguments: those that were given for it, and a worker's name. They are tried together with those
    /// of every verb.
    fn arguments(&self, common: &[String]) -> Result<Vec<String>, Failure> {
        let mut args = Vec::new();
        if let (Role::Worker, Some(name)) = (self.which.role, &self.which.name) {
            args.extend(["--name".to_owned(), name.clone()]);
        }
        args.extend(self.args.iter().cloned());
        let verb = self.which.role.verb();
        let line = ["shraga", verb].map(str::to_owned).into_iter();
        let line = line.chain(common.iter().chain(&args).cloned());
        match <Cli as clap::Parser>::try_parse_from(line) {
            Ok(_) => Ok(args),
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                let said = format!("`shraga {verb}` would not start: {first}");
                Err(Failure::new(Exit::Usage, said)
                    .hint(format!("`shraga {verb} --help` lists its arguments")))
            }
        }
    }

    /// How it is after a moment.
    async fn first_look(&self, output: Output) -> Result<Exit, Failure> {
        let never = CancellationToken::new();
        let mut seen = self.which.seen().await?;
        for _ in 0..FIRST_LOOKS {
            match seen.standing {
                Standing::Running | Standing::Failed => break,
                Standing::Starting
                | Standing::Unready
                | Standing::Stopping
                | Standing::Stopped
                | Standing::NotInstalled => {}
            }
            clock::pause(LOOK, &never).await;
            seen = self.which.seen().await?;
        }
        seen.show(output)?;
        match seen.standing {
            Standing::Running => Ok(Exit::Done),
            Standing::Starting | Standing::Unready | Standing::Stopping => {
                output.talk("It is being started; `shraga service status` tells how it gets on.");
                Ok(Exit::Done)
            }
            Standing::Stopped | Standing::Failed | Standing::NotInstalled => Ok(Exit::Failed),
        }
    }
}

impl Uninstall {
    async fn run(&self, output: Output) -> Result<Exit, Failure> {
        let (manager, place) = (self.which.manager(), self.which.place()?);
        let (unit, path) = (self.which.unit(), place.path.display());
        let found = place.look()?;
        match found {
            Found::Ours => {}
            Found::Changed if self.force => {}
            Found::Nothing => {
                output.talk(format_args!(
                    "{unit} is not installed ({path} is not there)"
                ));
                return Ok(Exit::Done);
            }
            Found::Changed | Found::Another => {
                let said = format!("{path} is {}", found.word());
                let failure = Failure::new(Exit::Conflict, said);
                return Err(match found {
                    Found::Changed => failure.hint("--force removes it all the same"),
                    Found::Nothing | Found::Ours | Found::Another => {
                        failure.hint("whoever made it removes it")
                    }
                });
            }
        }
        let steps = [["disable", &unit], ["stop", &unit]];
        let after = [vec!["daemon-reload"], vec!["reset-failed", &unit]];
        if self.dry_run {
            let shown = steps.iter().map(|step| manager.shown(step));
            let commands: Vec<String> = shown
                .chain([format!("rm {path}")])
                .chain(after.iter().map(|step| manager.shown(step)))
                .collect();
            return dry(output, &place, None, &commands);
        }
        manager.tell(&steps[0]).await?;
        output.talk(format_args!("stopping {unit}: it finishes what it has ..."));
        manager.stop(&unit).await?;
        place.remove()?;
        manager.tell(&after[0]).await?;
        // A unit that never failed can't be forgotten as one that did.
        manager.tell(&after[1]).await.ok();
        output.talk(format_args!("{path} is gone; data and settings stay"));
        Ok(Exit::Done)
    }
}

/// Prints what would be done.
fn dry(
    output: Output,
    place: &Place,
    text: Option<&str>,
    commands: &[String],
) -> Result<Exit, Failure> {
    let text = text.map(service::marked);
    if output.json {
        let file = place.path.display().to_string();
        output.object(&json!({"file": file, "unit": text, "commands": commands}))?;
        return Ok(Exit::Done);
    }
    if let Some(text) = text {
        output.line(format_args!("# {}", place.path.display()))?;
        output.line(text)?;
    }
    for command in commands {
        output.line(format_args!("# {command}"))?;
    }
    Ok(Exit::Done)
}

/// Whether the system knows this user.
async fn known(user: &str) -> Result<(), Failure> {
    let argv = ["id", "-u", "--", user];
    let env = shraga_process::allowed_environment(&crate::config::env::all(), &[]);
    let here = std::path::Path::new("/");
    match shraga_process::run_tool(&argv, here, env, WHO_DEADLINE).await {
        Ok(_) => Ok(()),
        Err(shraga_process::ToolError::Failed { .. }) => {
            let said = format!("there is no user {user} on this machine");
            Err(Failure::new(Exit::NotFound, said).hint(format!(
                "make one that can do nothing else: useradd --system --create-home \
                 --home-dir /var/lib/shraga {user}"
            )))
        }
        Err(error) => {
            Err(Failure::from_error(Exit::Failed, error).context("users can't be asked for"))
        }
    }
}
