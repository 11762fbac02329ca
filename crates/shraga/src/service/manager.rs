//! Talking to systemd, through its own program `systemctl`, bounded.
//!
//! Nothing is asked on a terminal: who may not do it is told so.

use std::path::Path;
use std::time::Duration;

use shraga_process::{Exit as Ended, ProcessError, ToolError, allowed_environment, tool_head};

use crate::config::env;
use crate::exit::{Exit, Failure};

/// Longest that `systemctl` may take for what it does at once. A busy machine needs seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// Longest that stopping may take: what a unit allows ([`super::unit`]), and a bit.
const STOP_DEADLINE: Duration = Duration::from_secs(330);

/// What is kept of an answer: lines.
const KEPT_BYTES: usize = 256 * 1024;

/// What leads to the manager of this person's services.
const ITS_BUS: [&str; 2] = ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// What to do without the rights.
pub(super) const AS_WHOM: &str =
    "run it with sudo, or with --user for a service of your own that needs no rights";

/// What to do without systemd.
const NO_SYSTEMD: &str = "docs/operations.md says how to keep it running without systemd; --dry-run prints the unit \
                          all the same";

/// How `systemctl` says that there is no manager to talk to.
const NOBODY: [&str; 4] = [
    "not been booted with systemd",
    "Failed to connect to bus",
    "Failed to connect to user scope bus",
    "Failed to connect to system scope bus",
];

/// How it says that this is for somebody else to do.
const REFUSED: [&str; 3] = [
    "Access denied",
    "authentication required",
    "Permission denied",
];

/// The systemd of the machine, or of this person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manager {
    /// Whether it is the person's own.
    pub(crate) own: bool,
}

impl Manager {
    /// The command that is run, as one would type it.
    pub(crate) fn shown(self, args: &[&str]) -> String {
        let own = if self.own { " --user" } else { "" };
        format!("systemctl{own} {}", args.join(" "))
    }

    /// Its version; `None` when it isn't told.
    ///
    /// # Errors
    /// There is no systemd.
    pub(crate) async fn version(self) -> Result<Option<u32>, Failure> {
        let said = self.told(&["--version"], DEADLINE).await?;
        let number = said.split_whitespace().nth(1);
        Ok(number.and_then(|number| number.parse().ok()))
    }

    /// Does something that is done at once.
    ///
    /// # Errors
    /// It was not done; says why.
    pub(crate) async fn tell(self, args: &[&str]) -> Result<(), Failure> {
        self.told(args, DEADLINE).await.map(drop)
    }

    /// Stops a service, and waits until it has finished what it has.
    ///
    /// # Errors
    /// It was not stopped; says why.
    pub(crate) async fn stop(self, unit: &str) -> Result<(), Failure> {
        self.told(&["stop", unit], STOP_DEADLINE).await.map(drop)
    }

    /// The values of these properties of a unit, in the order asked for.
    ///
    /// # Errors
    /// It can't be asked.
    pub(crate) async fn show(
        self,
        unit: &str,
        properties: &[&str],
    ) -> Result<Vec<String>, Failure> {
        let list = format!("--property={}", properties.join(","));
        let said = self.told(&["show", unit, &list], DEADLINE).await?;
        let value = |name: &&str| {
            let mut lines = said.lines();
            let found = lines.find_map(|line| line.strip_prefix(*name)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        Ok(properties.iter().map(value).collect())
    }

    /// The last lines that a unit logged; none when they can't be had.
    pub(crate) async fn last_words(self, unit: &str, lines: usize) -> Vec<String> {
        let count = format!("--lines={lines}");
        let which = match self.own {
            true => format!("--user-unit={unit}"),
            false => format!("--unit={unit}"),
        };
        let argv = ["journalctl", "--no-pager", "--output=cat", &count, &which];
        match run(&argv, DEADLINE).await {
            Ok((Ended::Code(0), out, _)) => out.lines().map(str::to_owned).collect(),
            // Logs are for those who may read them; what is asked for is told without.
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    async fn told(self, args: &[&str], deadline: Duration) -> Result<String, Failure> {
        let mut argv = vec!["systemctl"];
        if self.own {
            argv.push("--user");
        }
        argv.extend(["--no-pager", "--no-ask-password"]);
        argv.extend(args);
        let shown = self.shown(args);
        let (ended, out, err) = run(&argv, deadline)
            .await
            .map_err(|error| not_run(error, &shown))?;
        if ended == Ended::Code(0) {
            return Ok(out);
        }
        let last = err.lines().rfind(|line| !line.trim().is_empty());
        let last = last.unwrap_or("it said nothing").trim();
        let said = |text: &&str| err.to_lowercase().contains(&text.to_lowercase());
        let failure = |exit| Failure::new(exit, format!("`{shown}` failed: {last}"));
        Err(if NOBODY.iter().any(said) {
            failure(Exit::Configuration).hint(match self.own {
                true => "log in as this person (not by su), or `loginctl enable-linger` for her",
                false => NO_SYSTEMD,
            })
        } else if REFUSED.iter().any(said) {
            failure(Exit::Authentication).hint(AS_WHOM)
        } else {
            failure(Exit::Failed)
        })
    }
}

fn not_run(error: ToolError, shown: &str) -> Failure {
    match error {
        ToolError::Process(ProcessError::Start { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Failure::new(
                Exit::Configuration,
                "there is no systemd on this machine (no systemctl)",
            )
            .hint(NO_SYSTEMD)
        }
        error => {
            Failure::from_error(Exit::Failed, error).context(format!("`{shown}` was not done"))
        }
    }
}

/// Runs a program to its end: how it ended, and both its outputs.
async fn run(argv: &[&str], deadline: Duration) -> Result<(Ended, String, String), ToolError> {
    let names: Vec<String> = ITS_BUS.map(str::to_owned).into();
    let mut environment = allowed_environment(&env::all(), &names);
    // Its words are read.
    environment.insert("LC_ALL".to_owned(), "C".to_owned());
    let here = Path::new("/");
    let (output, _) = tool_head(argv, here, environment, deadline, Vec::new(), KEPT_BYTES).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.exit, text(&output.out), text(&output.err)))
}
