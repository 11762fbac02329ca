//! The command line: one file per verb, each with its arguments, its help and what it does.
//!
//! Here are only the options every verb has, the list of verbs, and the way from arguments to an
//! exit code. Verbs print through [`Output`] and end through [`Exit`] or [`Failure`].

pub mod answer;
pub mod cancel;
pub mod completions;
pub mod config;
pub mod costs;
pub mod doctor;
pub mod drain;
mod dry_run;
pub mod keep;
mod leaving;
pub mod list;
pub mod logs;
pub mod machines;
pub mod orchestrate;
mod overview;
pub mod plan;
pub mod retry;
pub mod schema;
pub mod serve;
pub mod service;
pub mod show;
pub mod sim;
mod stdin;
pub mod submit;
pub mod supervise;
pub mod token;
pub mod up;
pub mod update;
pub mod why;
pub mod worker;
pub mod workers;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{Config, LogFormat, Overrides};
use crate::display::Output;
use crate::exit::{Exit, Failure, HELP};

/// Turns a table of requests into finished work.
///
/// People file tasks; the orchestrator mirrors each and gives it to a worker; the worker runs an
/// agent; progress and result come back to the person. `shraga up --demo` shows it all on this
/// machine.
#[derive(Debug, Parser)]
#[command(name = "shraga", version, after_help = HELP, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// Options every verb takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Read this file instead of shraga.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder [default: .shraga, searched upwards]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address of the store
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "Address of the store [env: DATAVERSE_URL]"
    )]
    pub url: Option<String>,
    /// File with the token for the store
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "File with the token for the store [env: DATAVERSE_TOKEN holds a token itself]"
    )]
    pub token_file: Option<PathBuf>,
    /// How log lines look on standard error: human or json
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What to log: error, warn, info, debug, trace or a filter
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        help = "What to log: error, warn, info, debug, trace or a filter [env: SHRAGA_LOG]"
    )]
    pub log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Up(up::Up),
    Serve(serve::Serve),
    Orchestrate(orchestrate::Orchestrate),
    Worker(worker::Worker),
    Keep(keep::Keep),
    Submit(submit::Submit),
    List(list::List),
    Show(show::Show),
    Logs(logs::Logs),
    Why(why::Why),
    Answer(answer::Answer),
    Cancel(cancel::Cancel),
    Retry(retry::Retry),
    Workers(workers::Workers),
    Machines(machines::Machines),
    Costs(costs::Costs),
    Drain(drain::Drain),
    Undrain(drain::Undrain),
    Plan(plan::ShowPlan),
    Token(token::Token),
    Schema(schema::Schema),
    Config(config::ShowConfig),
    Service(service::Service),
    Update(update::Update),
    Sim(sim::Sim),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    #[command(hide = true)]
    DemoAgent(crate::demo::agent::DemoAgent),
    #[command(hide = true)]
    Supervise(supervise::Supervise),
    #[command(hide = true)]
    Bench(crate::bench::Bench),
}

/// What a verb gets beside its own arguments.
#[derive(Debug)]
pub struct Context {
    /// The effective configuration.
    pub config: Config,
    /// Where output goes.
    pub output: Output,
}

impl Context {
    /// Says something to whoever started a daemon: as talk, or as a line of a log for machines,
    /// which holds nothing else.
    pub(crate) fn say(&self, text: impl std::fmt::Display) {
        match self.config.log.format {
            LogFormat::Human => self.output.talk(text),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }
}

/// Parses the process's arguments, runs the verb, prints what went wrong.
#[must_use]
pub fn main() -> Exit {
    let cli = Cli::parse();
    let json = cli.common.json;
    match run(cli) {
        Ok(exit) => exit,
        Err(failure) if is_broken_pipe(&failure) => Exit::Done,
        Err(failure) => {
            Output::detect(json).talk(crate::display::clean::block(&failure.to_string()));
            failure.exit
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli { common, verb } = cli;
    match verb {
        Verb::Completions(verb) => return verb.run(),
        Verb::Sim(verb) => return verb.run(Output::detect(common.json)),
        // Settings are those of the service, read where it runs.
        Verb::Service(verb) => return crate::runtime()?.block_on(verb.run(&common)),
        Verb::DemoAgent(verb) => return verb.run(),
        Verb::Supervise(verb) => return Ok(verb.run()),
        _ => {}
    }
    let mut flags = common.overrides();
    verb.overrides(&mut flags);
    let config = match (Config::load(common.config.as_deref(), &flags), &verb) {
        (Ok(config), _) => config,
        (Err(error), Verb::Doctor(_)) => {
            return doctor::tell(
                Output::detect(common.json),
                &crate::doctor::unusable(&error),
            );
        }
        (Err(error), _) => return Err(error.into()),
    };
    let context = Context {
        output: Output::detect(common.json),
        config,
    };
    let (daemon, format) = (verb.daemon(), context.config.log.format);
    crate::log::start(&context.config.log, daemon.is_some())?;
    let Some(name) = daemon else {
        return crate::runtime()?.block_on(verb.run(context));
    };
    leaving::begins(name);
    let ended = crate::runtime()?.block_on(verb.run(context));
    leaving::ends(name, format, ended)
}

fn is_broken_pipe(failure: &Failure) -> bool {
    failure
        .error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

impl Common {
    fn overrides(&self) -> Overrides {
        let path = |path: &PathBuf| path.display().to_string();
        let given = [
            ("store.url", self.url.clone()),
            ("store.token_file", self.token_file.as_ref().map(path)),
            ("store.data", self.data.as_ref().map(path)),
            ("log.format", self.log_format.clone()),
            ("log.level", self.log_level.clone()),
        ];
        given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }

    /// What was given, as arguments of a program that works elsewhere: paths lead to the same files there.
    ///
    /// # Errors
    /// The working directory is gone, or a path is no text.
    fn as_arguments(&self) -> Result<Vec<String>, Failure> {
        let path = |path: &PathBuf| {
            let path = std::path::absolute(path)?;
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| {
                let said = format!("{} is no text", path.display());
                Failure::new(Exit::Usage, said)
            })
        };
        let given = [
            ("--config", self.config.as_ref().map(path).transpose()?),
            ("--data", self.data.as_ref().map(path).transpose()?),
            ("--url", self.url.clone()),
            (
                "--token-file",
                self.token_file.as_ref().map(path).transpose()?,
            ),
            ("--log-format", self.log_format.clone()),
            ("--log-level", self.log_level.clone()),
        ];
        let given = given.into_iter();
        let given = given.filter_map(|(name, value)| Some([name.to_owned(), value?]));
        Ok(given.flatten().collect())
    }
}

impl Verb {
    /// Settings that the verb's own flags override.
    fn overrides(&self, flags: &mut Overrides) {
        match self {
            Self::Up(verb) => verb.overrides(flags),
            Self::Serve(verb) => verb.listen.overrides(flags),
            Self::Worker(verb) => verb.overrides(flags),
            // What is found is told once: the log tells only what was asked for.
            Self::Doctor(_) => drop(flags.entry("log.level").or_insert_with(|| "off".to_owned())),
            Self::Update(verb) => verb.overrides(flags),
            Self::Keep(verb) => verb.overrides(flags),
            Self::Orchestrate(_)
            | Self::Submit(_)
            | Self::List(_)
            | Self::Show(_)
            | Self::Logs(_)
            | Self::Why(_)
            | Self::Answer(_)
            | Self::Cancel(_)
            | Self::Retry(_)
            | Self::Workers(_)
            | Self::Machines(_)
            | Self::Costs(_)
            | Self::Drain(_)
            | Self::Undrain(_)
            | Self::Plan(_)
            | Self::Token(_)
            | Self::Schema(_)
            | Self::Config(_)
            | Self::Service(_)
            | Self::Sim(_)
            | Self::Completions(_)
            | Self::DemoAgent(_)
            | Self::Supervise(_)
            | Self::Bench(_) => {}
        }
    }

    /// Its name if it runs until told to stop, and so logs what it does.
    const fn daemon(&self) -> Option<&'static str> {
        match self {
            Self::Serve(_) => Some("serve"),
            Self::Orchestrate(verb) if !verb.dry_run => Some("orchestrate"),
            Self::Worker(_) => Some("worker"),
            Self::Keep(_) => Some("keep"),
            Self::Up(verb) if !verb.demo => Some("up"),
            _ => None,
        }
    }

    async fn run(self, context: Context) -> Result<Exit, Failure> {
        match self {
            Self::Up(verb) => verb.run(context).await,
            Self::Serve(verb) => verb.run(context).await,
            Self::Orchestrate(verb) => verb.run(context).await,
            Self::Worker(verb) => verb.run(context).await,
            Self::Keep(verb) => verb.run(context).await,
            Self::Submit(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Logs(verb) => verb.run(context).await,
            Self::Why(verb) => verb.run(context).await,
            Self::Answer(verb) => verb.run(context).await,
            Self::Cancel(verb) => verb.run(context).await,
            Self::Retry(verb) => verb.run(context).await,
            Self::Workers(verb) => verb.run(context).await,
            Self::Machines(verb) => verb.run(context).await,
            Self::Costs(verb) => verb.run(context).await,
            Self::Drain(verb) => verb.run(context).await,
            Self::Undrain(verb) => verb.run(context).await,
            Self::Plan(verb) => verb.run(context).await,
            Self::Token(verb) => verb.run(context).await,
            Self::Schema(verb) => verb.run(context).await,
            Self::Config(verb) => verb.run(&context),
            Self::Service(verb) => verb.run(&Common::default()).await,
            Self::Update(verb) => verb.run(context).await,
            Self::Bench(verb) => verb.run(context).await,
            Self::Sim(verb) => verb.run(context.output),
            Self::Completions(verb) => verb.run(),
            Self::Doctor(verb) => verb.run(context).await,
            Self::DemoAgent(verb) => verb.run(),
            Self::Supervise(verb) => Ok(verb.run()),
        }
    }
}

/// The whole command line, for completions and tests.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}
