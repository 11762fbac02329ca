//! `shraga doctor`: what is wrong, and what to do about it.

use clap::Args;

use super::Context;
use crate::display::Output;
use crate::doctor::{Finding, Severity, examine, show};
use crate::exit::{Exit, Failure};

/// Columns of a terminal that doesn't tell, and of a file.
const WIDTH: u16 = 100;

/// Look at everything that is needed, and say what is wrong
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga doctor
  shraga doctor --fix
  shraga doctor --json | jq '.findings[] | select(.severity != \"ok\")'

Looks at configuration, credentials, the store (name, connection, encryption, answer, clock, schema, \
permissions, limits left), the state file, agents, folders and disk, unsent reports and git. Nothing is \
left behind. --fix does only what is safe, and names it: makes the data folder private or makes it, puts \
a broken state file aside, removes the address of a store that is gone. Exits 0 when nothing is broken, \
1 otherwise.")]
pub struct Doctor {
    /// Fix what can safely be fixed
    #[arg(long)]
    fix: bool,
}

impl Doctor {
    pub(super) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let findings = examine(&context.config, self.fix).await;
        tell(context.output, &findings)
    }
}

/// Prints findings; the exit code says whether one is an error.
pub(super) fn tell(output: Output, findings: &[Finding]) -> Result<Exit, Failure> {
    if output.json {
        output.object(&show::object(findings))?;
    } else {
        let width = output.width().unwrap_or(WIDTH).min(WIDTH);
        output.line(show::lines(findings, width.into()))?;
        output.talk(show::verdict(findings));
    }
    let broken = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    Ok(if broken { Exit::Failed } else { Exit::Done })
}
