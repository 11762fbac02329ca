//! Taking a version from the branch into use, step by step, and going back from it.
//!
//! Core decides what is begun; here it is done. The running program's files are never touched: a version is built in
//! the staging folder and tried there, comes beside the others, and only then the link is turned. What fails for a
//! reason of the version's is remembered and not tried again; what this machine lacks is told and forgotten.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_core::time::Timestamp;
use shraga_core::update::{Failed, Next, Record, Release, Step, Wanted};
use shraga_process::{Exit, ToolError, allowed_environment, tool_head};

use crate::check::{Newest, newest};
use crate::layout::{Held, Layout};
use crate::stage::{Unstaged, stage};
use crate::{Found, Settings, version};

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

/// What is tried of a built program: its arguments. Each has to end well.
const TRIALS: [&[&str]; 3] = [
    &["--version"],
    // It reads the settings that are there.
    &["config", "--json"],
    // Its own rules hold in histories of its own.
    &["sim", "--histories", "200"],
];

/// What is kept of a build's or a trial's answer. More on standard output ends it.
const OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// What a full disk sounds like, from whatever program met it.
const DISK_FULL: &str = "No space left on device";

/// Where versions go, and how they are made.
#[derive(Clone, Debug)]
pub struct Site {
    /// The root of the installation.
    pub root: PathBuf,
    /// What builds the program, in the folder with the commit's files; `CARGO_TARGET_DIR` names the folder to build in.
    pub build: Vec<String>,
    /// The program that comes of it, in that folder.
    pub artefact: PathBuf,
    /// How long building may take in total.
    pub build_deadline: Duration,
    /// How long each trial of what was built may take.
    pub trial_deadline: Duration,
    /// Who may have signed the commit (ssh's allowed signers); `None`: signatures aren't looked at.
    pub signers: Option<PathBuf>,
    /// Where the daemons run: the settings found there are those that a new version has to read.
    pub here: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in use for whoever is started next.
    Installed {
        /// What is in use now.
        now: Release,
        /// What can be gone back to.
        before: Option<Release>,
    },
    /// What the branch has is in use already.
    UpToDate(Release),
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The branch could not be looked at.
    #[error("{0}")]
    Unknown(Box<Found>),
    /// Another update has the installation.
    #[error("another update is under way in {}", .0.display())]
    Busy(PathBuf),
    /// The branch has nothing newer.
    #[error("{branch} is not newer than {installed}, which is installed")]
    NotNewer {
        /// What the branch has.
        branch: Release,
        /// What is installed.
        installed: Release,
    },
    /// A version was named that is neither on the branch nor installed.
    #[error("there is no version {named}: the branch has {branch}")]
    NoSuchVersion {
        /// What was named.
        named: String,
        /// What the branch has.
        branch: Release,
    },
    /// It failed before, and the branch still has the same commit.
    #[error("{} failed before: {}", .0.release, told(.0))]
    FailedBefore(Failed),
    /// It failed now, and is not tried again.
    #[error("{} failed: {}", .0.release, told(.0))]
    Failed(Failed),
    /// There is nothing to go back to.
    #[error("there is no version before this one in {}", .0.display())]
    NothingBefore(PathBuf),
    /// This machine could not do it; it says nothing about the version.
    #[error("the version could not be made here: {0}")]
    Machine(String),
    /// The installation's files could not be read or written.
    #[error("the installation in {} can't be changed", root.display())]
    Disk {
        /// Where it is.
        root: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

fn told(failed: &Failed) -> String {
    match failed.step {
        Some(step) => format!("{}: {}", step.as_str(), failed.said),
        None => failed.said.clone(),
    }
}

/// What is installed in a root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// In use.
    pub current: Option<Release>,
    /// To go back to.
    pub previous: Option<Release>,
    /// What is under way, or was cut short, and what failed.
    pub record: Record,
}

/// What is installed in `root`, and what is remembered there.
#[must_use]
pub fn installed(root: &Path) -> Installed {
    let layout = Layout::new(root);
    Installed {
        current: layout.current(),
        previous: layout.previous(),
        record: layout.record(),
    }
}

/// The root of the installation that `program` runs from, if it runs from one.
#[must_use]
pub fn root_of(program: &Path) -> Option<PathBuf> {
    Layout::around(program).map(|layout| layout.root().to_owned())
}

/// Takes what the branch has into use: the newest, or the version that is `named`, which may be older, may have failed
/// before, and may be one that is still there. `now` is this machine's clock.
///
/// # Errors
/// Nothing changed: the links lead where they led.
pub async fn apply(
    settings: &Settings,
    site: &Site,
    named: Option<&str>,
    now: Timestamp,
) -> Result<Applied, Refused> {
    let work = Work::begin(settings, site, now).await?;
    let found = match newest(settings).await {
        Ok(found) => found,
        Err(found) => return Err(Refused::Unknown(found)),
    };
    let branch = found.release.clone();
    let current = work.layout.current();
    let same = |release: &Release, name: &str| {
        release.version() == name
            || release.to_string() == name
            || version::parse(name).is_some_and(|named| named.to_string() == release.version())
    };
    if let Some(name) = named {
        let there = work.layout.installed().map_err(work.disk())?;
        let meant = |release: &Release| match same(&branch, name) {
            true => *release == branch,
            false => same(release, name),
        };
        if let Some(release) = there.into_iter().rfind(meant) {
            return work.turn_to(release);
        }
        if !same(&branch, name) {
            let named = name.to_owned();
            return Err(Refused::NoSuchVersion { named, branch });
        }
    }
    let order = current.as_ref().map_or(Ordering::Greater, |current| {
        version::parse(branch.version()).cmp(&version::parse(current.version()))
    });
    let wanted = Wanted {
        release: branch.clone(),
        order,
        named: named.is_some(),
    };
    work.go(&found, &wanted, current).await
}

/// Turns the links to the version before; the one that is left is not taken again by itself.
///
/// # Errors
/// Nothing changed.
pub async fn roll_back(root: &Path, now: Timestamp) -> Result<Applied, Refused> {
    let layout = Layout::new(root);
    let disk = |source| Refused::Disk {
        root: root.to_owned(),
        source,
    };
    let held = layout.hold().await.map_err(disk)?;
    let _held: Held = held.ok_or_else(|| Refused::Busy(root.to_owned()))?;
    let nothing = || Refused::NothingBefore(root.to_owned());
    let to = layout.previous().ok_or_else(nothing)?;
    let from = layout.current().filter(|from| *from != to);
    let from = from.ok_or_else(nothing)?;
    let mut record = layout.record();
    record.went_back(&from, now);
    // First what is not to be tried again: cut short between the two, nothing brings it back unasked.
    layout.keep(&record).map_err(disk)?;
    layout.turn(Some(&from), &to).map_err(disk)?;
    Ok(Applied::Installed {
        now: to,
        before: Some(from),
    })
}

/// One update being done.
struct Work<'a> {
    settings: &'a Settings,
    site: &'a Site,
    layout: Layout,
    now: Timestamp,
    _held: Held,
}

impl<'a> Work<'a> {
    async fn begin(
        settings: &'a Settings,
        site: &'a Site,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let layout = Layout::new(&site.root);
        let held = layout.hold().await.map_err(|source| Refused::Disk {
            root: site.root.clone(),
            source,
        })?;
        Ok(Self {
            settings,
            site,
            layout,
            now,
            _held: held.ok_or_else(|| Refused::Busy(site.root.clone()))?,
        })
    }

    fn disk(&self) -> impl Fn(std::io::Error) -> Refused + use<> {
        let root = self.site.root.clone();
        move |source| Refused::Disk {
            root: root.clone(),
            source,
        }
    }

    /// Does what core says about what the branch has.
    async fn go(
        &self,
        found: &Newest,
        wanted: &Wanted,
        current: Option<Release>,
    ) -> Result<Applied, Refused> {
        let mut record = self.layout.record();
        let going = match record.next(current.as_ref(), wanted, self.now) {
            Next::Go(going) => going,
            Next::Nothing => {
                record.settled(&wanted.release);
                self.layout.keep(&record).map_err(self.disk())?;
                self.layout.tidy().map_err(self.disk())?;
                return Ok(Applied::UpToDate(wanted.release.clone()));
            }
            Next::NotNewer => {
                return Err(Refused::NotNewer {
                    branch: wanted.release.clone(),
                    installed: current.unwrap_or_else(|| wanted.release.clone()),
                });
            }
            Next::FailedBefore(failed) => return Err(Refused::FailedBefore(failed)),
            Next::GivenUp(failed) => return Err(self.remember(record, failed)?),
        };
        let swap_only = going.step == Step::Swap && self.layout.has(&going.to);
        record.begin(going.clone());
        self.layout.keep(&record).map_err(self.disk())?;
        if !swap_only && let Err(trouble) = self.make(found, &going.to, &mut record).await {
            return Err(match trouble {
                Trouble::Version(said) => match record.failure(&said, self.now) {
                    Some(failed) => self.remember(record, failed)?,
                    None => Refused::Machine(said),
                },
                Trouble::Machine(refused) => {
                    record.put_off();
                    // On a full disk this may fail too; then the try counts as cut short.
                    let _ = self.layout.keep(&record);
                    let _ = self.layout.tidy();
                    refused
                }
            });
        }
        self.came_to(&mut record, Step::Swap)?;
        self.layout
            .turn(going.from.as_ref(), &going.to)
            .map_err(self.disk())?;
        record.succeeded();
        self.layout.keep(&record).map_err(self.disk())?;
        self.layout.tidy().map_err(self.disk())?;
        Ok(Applied::Installed {
            now: going.to,
            before: going.from,
        })
    }

    /// Everything up to the version's place beside the others.
    async fn make(
        &self,
        found: &Newest,
        release: &Release,
        record: &mut Record,
    ) -> Result<(), Trouble> {
        let signers = self.site.signers.as_deref();
        stage(
            self.settings,
            &found.checkout,
            &found.commit,
            signers,
            &self.layout,
        )
        .await
        .map_err(|why| match why {
            Unstaged::Commit(said) => Trouble::Version(said),
            Unstaged::Machine(said) => Trouble::Machine(Refused::Machine(said)),
        })?;
        self.came_to(record, Step::Build)
            .map_err(Trouble::Machine)?;
        let program = self.build().await?;
        self.came_to(record, Step::Test).map_err(Trouble::Machine)?;
        self.test(&program, release).await?;
        self.came_to(record, Step::Install)
            .map_err(Trouble::Machine)?;
        let installed = self.layout.install(&program, release);
        installed.map_err(self.disk()).map_err(Trouble::Machine)
    }

    async fn build(&self) -> Result<PathBuf, Trouble> {
        let names: Vec<String> = BUILD_ENVIRONMENT.map(str::to_owned).into();
        let mut env = allowed_environment(&self.settings.environment, &names);
        let build = self.layout.build();
        env.insert("CARGO_TARGET_DIR".to_owned(), build.display().to_string());
        let argv: Vec<&str> = self.site.build.iter().map(String::as_str).collect();
        let deadline = self.site.build_deadline;
        let program = build.join(&self.site.artefact);
        // What an earlier build left must not pass for this one's.
        crate::layout::remove(&program)
            .map_err(self.disk())
            .map_err(Trouble::Machine)?;
        run(&argv, &self.layout.source(), env, deadline).await?;
        match program.is_file() {
            true => Ok(program),
            false => Err(Trouble::Version(format!(
                "nothing was built as {}",
                self.site.artefact.display()
            ))),
        }
    }

    /// Tries what was built, as the daemons would run it.
    async fn test(&self, program: &Path, release: &Release) -> Result<(), Trouble> {
        let name = program.display().to_string();
        for args in TRIALS {
            let argv: Vec<&str> = std::iter::once(name.as_str())
                .chain(args.iter().copied())
                .collect();
            let env = self.settings.environment.clone();
            let out = run(&argv, &self.site.here, env, self.site.trial_deadline).await;
            let out = out.map_err(|trouble| trouble.of(&args.join(" ")))?;
            if args == ["--version"] {
                let last = out.split_whitespace().next_back().unwrap_or_default();
                let said = version::parse(last).map(|version| version.to_string());
                if said.as_deref() != Some(release.version()) {
                    let (says, wanted) = (version::first_line(&out), release.version());
                    let says = says.unwrap_or("no version");
                    let said = format!("--version says {says:?}, and the branch {wanted}");
                    return Err(Trouble::Version(said));
                }
            }
        }
        Ok(())
    }

    /// Turns the links to a version that is there.
    fn turn_to(&self, release: Release) -> Result<Applied, Refused> {
        let from = self.layout.current();
        if from.as_ref() == Some(&release) {
            return Ok(Applied::UpToDate(release));
        }
        self.layout
            .turn(from.as_ref(), &release)
            .map_err(self.disk())?;
        let mut record = self.layout.record();
        record.forgive(&release);
        self.layout.keep(&record).map_err(self.disk())?;
        Ok(Applied::Installed {
            now: release,
            before: from,
        })
    }

    fn came_to(&self, record: &mut Record, step: Step) -> Result<(), Refused> {
        record.came_to(step);
        self.layout.keep(record).map_err(self.disk())
    }

    /// Remembers a failure, and empties what can't be trusted any more.
    fn remember(&self, mut record: Record, failed: Failed) -> Result<Refused, Refused> {
        record.remember(failed.clone());
        self.layout.keep(&record).map_err(self.disk())?;
        // A build that was cut short may have left something half made.
        crate::layout::remove(&self.layout.build()).map_err(self.disk())?;
        self.layout.tidy().map_err(self.disk())?;
        Ok(Refused::Failed(failed))
    }
}

/// Why a version isn't there.
#[derive(Debug)]
enum Trouble {
    /// For a reason of its own.
    Version(String),
    /// For a reason of this machine's.
    Machine(Refused),
}

impl Trouble {
    /// The same, saying what was tried.
    fn of(self, tried: &str) -> Self {
        match self {
            Self::Version(said) => Self::Version(format!("`{tried}`: {said}")),
            Self::Machine(refused) => Self::Machine(refused),
        }
    }
}

/// Runs a program of the version's to its end; its standard output.
async fn run(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
) -> Result<String, Trouble> {
    let ran = tool_head(argv, dir, env, deadline, Vec::new(), OUTPUT_BYTES).await;
    let (output, whole) = match ran {
        Ok(ran) => ran,
        Err(error @ ToolError::TooLong { .. }) => return Err(Trouble::Version(error.to_string())),
        Err(error) => {
            let said = shraga_core::causes::chain(&error);
            return Err(Trouble::Machine(Refused::Machine(said)));
        }
    };
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
        Exit::Signal(signal) => Err(Trouble::Version(format!("signal {signal}: {last}"))),
    }
}
