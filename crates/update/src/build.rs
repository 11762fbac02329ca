//! Building a version, and running what is the version's own: each program ends in time, and what is wrong when one doesn't
//! end well is told apart.
//!
//! What a version needs of other places is fetched first, and it is built without a network: so what fails in building is
//! the version's own, and what fails in fetching is not. Nothing here remembers anything or decides what follows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_process::{Exit, ToolError, ToolOutput, allowed_environment, tool_noted};

use crate::Settings;
use crate::clock::Deadline;
use crate::layout::Layout;
use crate::make::Site;
use crate::refused::Refused;

/// What a build may see of the environment beside the harmless basics: where its tools are and how they reach a registry.
const BUILD_ENVIRONMENT: [&str; 12] = [
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "CARGO_NET_OFFLINE",
    "CARGO_BUILD_JOBS",
    "CC",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// Tells cargo to use what was fetched and nothing else.
const OFFLINE: &str = "CARGO_NET_OFFLINE";

/// What a build and what fetches for it are told alike.
const SAME: [&str; 3] = ["--locked", "--frozen", "--offline"];

/// How cargo says that the version's own files are wrong, and not the way to a registry: the lock file doesn't fit the
/// manifest, or the manifest can't be read.
const OWN_FAULTS: [&str; 4] = [
    "--locked",
    "failed to parse manifest",
    "failed to load manifest",
    // A line of it.
    "Cargo.toml:",
];

/// What is kept of a build's or a trial's answer. More on standard output ends it.
const OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// What a full disk sounds like, from whatever program met it.
const DISK_FULL: &str = "No space left on device";

/// Builds the staged files; the program that came of it.
pub(crate) async fn build(
    settings: &Settings,
    site: &Site,
    layout: &Layout,
) -> Result<PathBuf, Trouble> {
    let names: Vec<String> = BUILD_ENVIRONMENT.map(str::to_owned).into();
    let mut env = allowed_environment(&settings.environment, &names);
    let folder = layout.build();
    env.insert("CARGO_TARGET_DIR".to_owned(), folder.display().to_string());
    let (source, note) = (layout.source(), layout.note());
    let deadline = Deadline::after(site.build_deadline);
    if let Some(argv) = fetching(&site.build) {
        fetch(&argv, &source, env.clone(), deadline.left(), &note).await?;
        env.insert(OFFLINE.to_owned(), "true".to_owned());
    }
    let program = folder.join(&site.artefact);
    // What an earlier build left must not pass for this one's.
    crate::layout::remove(&program).map_err(|source| {
        Trouble::Machine(Refused::Disk {
            root: site.root.clone(),
            source,
        })
    })?;
    let argv: Vec<&str> = site.build.iter().map(String::as_str).collect();
    run(&argv, &source, env, deadline.left(), &note).await?;
    match program.is_file() {
        true => Ok(program),
        false => Err(Trouble::Version(format!(
            "nothing was built as {}",
            site.artefact.display()
        ))),
    }
}

/// What fetches all that `build` needs, where cargo builds; other programs fetch as they like.
fn fetching(build: &[String]) -> Option<Vec<&str>> {
    let (program, args) = build.split_first()?;
    let cargo = Path::new(program).file_stem()? == "cargo";
    let toolchain = args.iter().take_while(|arg| arg.starts_with('+'));
    let same = args.iter().filter(|arg| SAME.contains(&arg.as_str()));
    let manifest = args.iter().position(|arg| arg == "--manifest-path");
    let manifest = manifest.and_then(|at| args.get(at..at + 2));
    let fetch = std::iter::once(program.as_str())
        .chain(toolchain.map(String::as_str))
        .chain(std::iter::once("fetch"))
        .chain(same.map(String::as_str))
        .chain(manifest.unwrap_or_default().iter().map(String::as_str));
    cargo.then(|| fetch.collect())
}

/// Fetches. What fails is this machine's way to what is fetched, unless cargo says that it is the version's own files.
async fn fetch(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
    note: &Path,
) -> Result<(), Trouble> {
    let away = |said: String| {
        let said = format!("what it needs can't be fetched: {said}");
        Trouble::Machine(Refused::Machine(said))
    };
    let (output, whole) = match started(argv, dir, env, deadline, note).await {
        Err(Trouble::Late(said)) => return Err(away(said)),
        ran => ran?,
    };
    let complaint = String::from_utf8_lossy(&output.err).into_owned();
    let own = OWN_FAULTS.iter().any(|fault| complaint.contains(fault));
    match ended_well(&output, whole) {
        Err(Trouble::Version(said)) if !own => Err(away(said)),
        ended => ended.map(drop),
    }
}

/// Why a version isn't there.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// For a reason of its own.
    Version(String),
    /// It took longer than it may, which may be either's fault.
    Late(String),
    /// For a reason of this machine's.
    Machine(Refused),
}

impl Trouble {
    /// The same, of a trial: it is short, so that one that takes too long hangs.
    pub(crate) fn of(self, tried: &str) -> Self {
        match self {
            Self::Version(said) | Self::Late(said) => Self::Version(format!("`{tried}`: {said}")),
            Self::Machine(refused) => Self::Machine(refused),
        }
    }
}

/// Runs a program of the version's to its end; its standard output.
pub(crate) async fn run(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
    note: &Path,
) -> Result<String, Trouble> {
    let (output, whole) = started(argv, dir, env, deadline, note).await?;
    ended_well(&output, whole)
}

/// Runs a program of the version's to its end, whichever that is; whether all it printed was kept.
pub(crate) async fn started(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
    note: &Path,
) -> Result<(ToolOutput, bool), Trouble> {
    let ran = tool_noted(argv, dir, env, deadline, OUTPUT_BYTES, note).await;
    ran.map_err(|error| match error {
        ToolError::TooLong { .. } => Trouble::Late(error.to_string()),
        ToolError::Process(_) | ToolError::TooMuch { .. } | ToolError::Failed { .. } => {
            let said = shraga_core::causes::chain(&error);
            Trouble::Machine(Refused::Machine(said))
        }
    })
}

/// The signal that no program ends itself by: the system sends it where memory runs out.
const KILLED: i32 = 9;

/// The standard output of a program that ended well.
pub(crate) fn ended_well(output: &ToolOutput, whole: bool) -> Result<String, Trouble> {
    let complaint = String::from_utf8_lossy(&output.err);
    if complaint.contains(DISK_FULL) && output.exit != Exit::Code(0) {
        let said = format!("the disk is full ({DISK_FULL})");
        return Err(Trouble::Machine(Refused::Machine(said)));
    }
    let last = complaint.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or("it said nothing");
    let last = last.trim().replace(char::is_control, " ");
    match output.exit {
        _ if !whole => Err(Trouble::Version("it prints without end".to_owned())),
        Exit::Code(0) => Ok(String::from_utf8_lossy(&output.out).into_owned()),
        Exit::Code(code) => Err(Trouble::Version(format!("exit code {code}: {last}"))),
        Exit::Signal(KILLED) => {
            let said = "it was killed from outside: is there enough memory?".to_owned();
            Err(Trouble::Machine(Refused::Machine(said)))
        }
        Exit::Signal(signal) => Err(Trouble::Version(format!("signal {signal}: {last}"))),
    }
}
