//! `shraga schema`: the tables Shraga wants, what a store has of them, and adding what is missing.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use shraga_dataverse::{Client, Error};
use shraga_local::store::Store;
use shraga_wire::schema::compare::{Finding, Step, plan};

use super::Context;
use crate::display::Output;
use crate::display::clean::one_line;
use crate::display::progress::Spinner;
use crate::exit::{Exit, Failure};
use crate::roles::session::{self, Caller, Session};
use crate::roles::worker::data_folder;
use crate::schema::apply::{self, Ended, Said};
use crate::schema::{Findings, check, show};

/// The wait before the second look at a store that was changed: it is served within a second or two
/// where nothing is in the way.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Show, check and complete the tables that Shraga keeps its rows in
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga schema print
  shraga schema check
  shraga schema apply --dry-run
  shraga schema apply --solution ShragaTables --yes

Names follow [schema] and [schema.columns] of shraga.toml. `check` exits 0 when Shraga can work with \
the store, perhaps without something optional, which it names; 1 when something required is missing. \
`apply` adds tables, columns, choices and keys and never drops, renames or narrows anything; stopped \
at any moment, it goes on where it was when it is run again.")]
pub struct Schema {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the tables as Shraga wants them
    Print,
    /// Compare the store's tables with what Shraga wants
    Check,
    /// Add what the store's tables lack, and wait until it is usable
    Apply(Apply),
    /// Tell, as JSON, whether this program can work with the store that is here (asked by `update`)
    #[command(hide = true)]
    Trial,
}

#[derive(Debug, Args)]
struct Apply {
    /// Only print what would be added
    #[arg(long)]
    dry_run: bool,
    /// Don't ask before adding
    #[arg(long, short)]
    yes: bool,
    /// Unique name of the solution that new tables and columns become a part of
    #[arg(long, value_name = "NAME", value_parser = solution_name)]
    solution: Option<String>,
    /// Seconds it may take in total, waiting included
    #[arg(long, value_name = "N", default_value_t = 900,
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout_seconds: u32,
}

fn solution_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !text.is_empty() && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("a solution's unique name has letters, digits and underscores only".to_owned())
}

impl Schema {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Print => print(&context),
            Action::Check => look(&context).await,
            Action::Apply(verb) => verb.run(&context).await,
            Action::Trial => trial(&context).await,
        }
    }
}

/// What this program, not in use yet, says of the store that is here. Nothing is changed.
async fn trial(context: &Context) -> Result<Exit, Failure> {
    let folder = data_folder(&context.config);
    let form = Store::form(&folder)?;
    let database = form
        .found
        .map(|found| json!({"found": found, "known": form.known}));
    let (missing, without, unseen) = match tables(context).await {
        Ok(Some(found)) => {
            let named = |blocking: bool| {
                let all = found.all.iter();
                let all = all.filter(|finding| finding.is_blocking() == blocking);
                all.map(Finding::place).collect::<Vec<_>>()
            };
            (named(true), named(false), found.unseen.clone())
        }
        Ok(None) => (Vec::new(), Vec::new(), None),
        Err(failure) => (Vec::new(), Vec::new(), Some(format!("{:#}", failure.error))),
    };
    context.output.object(&json!({
        "database": database,
        "missing": missing,
        "without": without,
        "unseen": unseen.map(|why| one_line(&why)),
    }))?;
    Ok(Exit::Done)
}

/// What the store's tables lack; `None` where they are this program's own to complete, or no store is named.
async fn tables(context: &Context) -> Result<Option<Findings>, Failure> {
    if context.config.store.url.is_none() {
        return Ok(None);
    }
    let (client, info) = Session::connect(&context.config, Caller::Admin).await?;
    match info {
        Some(_) => Ok(None),
        None => Ok(Some(check(&client).await?)),
    }
}

fn print(context: &Context) -> Result<Exit, Failure> {
    let wanted = session::names(&context.config).wanted();
    let output = &context.output;
    if output.json {
        let tables: Vec<_> = wanted.iter().map(show::table_object).collect();
        output.object(&tables)?;
    } else {
        output.line(show::tables(output, &wanted))?;
    }
    Ok(Exit::Done)
}

async fn look(context: &Context) -> Result<Exit, Failure> {
    let session = Session::open(&context.config, Caller::Admin).await?;
    let found = check(&session.client).await?;
    tell(&context.output, &found)
}

/// Prints what was found; the exit code says whether Shraga can work with it.
fn tell(output: &Output, found: &Findings) -> Result<Exit, Failure> {
    if output.json {
        output.object(&show::findings_object(found))?;
    } else {
        if !found.all.is_empty() || found.unseen.is_some() {
            output.line(show::findings(found))?;
        }
        output.talk(verdict(found));
    }
    Ok(if found.is_usable() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn verdict(found: &Findings) -> &'static str {
    match (found.is_usable(), found.all.is_empty()) {
        (false, _) => "Shraga can't work with these tables yet",
        (true, false) => "Shraga can work with these tables, without what is named above",
        (true, true) if found.unseen.is_some() => "everything Shraga wants seems to be there",
        (true, true) => "everything Shraga wants is there",
    }
}

impl Apply {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let output = &context.output;
        let session = Session::open(&context.config, Caller::Admin).await?;
        let found = check(&session.client).await?;
        if let Some(why) = &found.unseen {
            return Err(Failure::new(Exit::Authentication, why)
                .context("can't read the store's definitions")
                .hint(RIGHTS));
        }
        let steps = plan(&found.all);
        if self.dry_run {
            return print_plan(output, &steps, &found);
        }
        if !steps.is_empty() {
            output.talk(show::steps(&steps));
            self.confirm(steps.len(), context)?;
        }
        let ended = self.carry_out(&session.client, output).await?;
        finish(output, ended)
    }

    /// Asks the person at the terminal; without one, `--yes` is her word.
    fn confirm(&self, steps: usize, context: &Context) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        let stdin = std::io::stdin();
        if !stdin.is_terminal() || !context.output.live {
            return Err(Failure::new(
                Exit::Usage,
                format!("{steps} changes, and nobody to ask: nothing was changed"),
            )
            .hint("add --yes to make them, or --dry-run to only see them"));
        }
        let store = context.config.store.url.as_ref();
        let store = store.map_or_else(|| "the store here".to_owned(), ToString::to_string);
        let mut err = anstream::stderr();
        write!(err, "Make these {steps} changes at {store}? [y/N] ")?;
        err.flush()?;
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::new(Exit::Failed, "nothing was changed")),
        }
    }

    async fn carry_out(&self, client: &Client, output: &Output) -> Result<Ended, Failure> {
        let options = apply::Options {
            wanted: client.names().wanted(),
            solution: self.solution.clone(),
            limit: Duration::from_secs(self.timeout_seconds.into()),
            first_wait: FIRST_WAIT,
        };
        let mut spinner = Spinner::start(*output);
        let ended = apply::apply(client, &options, &mut |said| spinner.show(&words(&said))).await;
        spinner.finish();
        Ok(ended?)
    }
}

fn words(said: &Said<'_>) -> String {
    match said {
        Said::Taking(step, at, of) => format!("{at}/{of}  {}", one_line(&step.to_string())),
        Said::Later(error) => format!("trying again: {}", one_line(&error.to_string())),
        Said::Waiting(finding) => format!(
            "waiting for {}: {}",
            one_line(&finding.place()),
            one_line(&finding.means())
        ),
    }
}

fn print_plan(output: &Output, steps: &[Step], found: &Findings) -> Result<Exit, Failure> {
    if output.json {
        let steps: Vec<_> = steps.iter().map(ToString::to_string).collect();
        output.object(&json!({ "steps": steps, "check": show::findings_object(found) }))?;
        return Ok(Exit::Done);
    }
    if steps.is_empty() {
        output.talk("nothing to add");
    } else {
        output.line(show::steps(steps))?;
    }
    Ok(Exit::Done)
}

fn finish(output: &Output, ended: Ended) -> Result<Exit, Failure> {
    match ended {
        Ended::Done(found) => tell(output, &found),
        Ended::Refused(step, error) => Err(refused(&step, *error)),
        Ended::Late(found, trouble) => {
            output.talk(show::findings(&found));
            let failure = Failure::new(Exit::TryAgain, "the time was over before all was usable");
            let failure = match trouble {
                Some(error) => failure.context(format!("the service said last: {error}")),
                None => failure,
            };
            Err(failure.hint(
                "run it again: it goes on where it was (--timeout-seconds N gives more time)",
            ))
        }
    }
}

/// Rights that adding tables takes.
const RIGHTS: &str = "changing tables takes prvCreateEntity, prvWriteEntity, prvCreateAttribute, \
                      prvWriteAttribute and prvPublishCustomization: give this identity the security \
                      role System Customizer while it runs `shraga schema apply`";

fn refused(step: &Step, error: Error) -> Failure {
    let what = format!("can't {}", one_line(&step.to_string()));
    if matches!(error, Error::Forbidden(_)) {
        return Failure::from(error).context(what).hint(RIGHTS);
    }
    let prefixed = error
        .fault()
        .is_some_and(|it| it.message.to_ascii_lowercase().contains("prefix"));
    let failure = Failure::from(error).context(what);
    if prefixed {
        failure.hint(
            "names begin with their publisher's prefix: name with --solution a solution whose \
             publisher has this one, or give tables and columns names with your publisher's in \
             [schema] and [schema.columns] of shraga.toml",
        )
    } else {
        failure.hint("what was added before stays; run it again once that is put right")
    }
}
