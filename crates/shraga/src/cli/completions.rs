//! `shraga completions`: a script that teaches a shell the command line.

use clap::Args;
use clap_complete::Shell;

use crate::exit::{Exit, Failure};

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga completions bash > ~/.local/share/bash-completion/completions/shraga
  shraga completions zsh > ~/.zfunc/_shraga")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "shraga", &mut script);
        std::io::Write::write_all(&mut std::io::stdout(), &script)?;
        Ok(Exit::Done)
    }
}
