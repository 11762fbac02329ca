//! Making a version: its files, its build, its trials, and its place beside the others. No link is turned here.
//!
//! Core decides what is begun; here it is done. The running program's files are never touched: a version is built in
//! the staging folder and tried there before it comes beside the others. What fails for a reason of the version's is
//! remembered and not tried again; what this machine lacks is told and forgotten.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_core::time::Timestamp;
use shraga_core::update::store::Verdict;
use shraga_core::update::{Failed, Next, Record, Release, Step, UnderWay, Wanted};
use shraga_process::{Exit, end_noted};

use crate::build::{Trouble, build, ended_well, run, started};
use crate::check::{Newest, newest};
use crate::compatibility;
use crate::kept::{FOLDER_VARIABLE, RELEASE_VARIABLE};
use crate::layout::{Held, Layout};
use crate::prebuilt::{Lacking, Prebuilt};
use crate::refused::Refused;
use crate::stage::{Unstaged, stage};
use crate::{Settings, version};

/// What is tried of a built program: its arguments. Each has to end well.
const TRIALS: [&[&str]; 3] = [
    &["--version"],
    // It reads the settings that are there.
    &["config", "--json"],
    // Its own rules hold in histories of its own.
    &["sim", "--histories", "200"],
];

/// How a program of ours ends that is asked for a verb it doesn't have.
const UNKNOWN_VERB: i32 = 2;

/// Where versions go, and how they are made.
#[derive(Clone, Debug)]
pub struct Site {
    /// The root of the installation.
    pub root: PathBuf,
    /// What builds the program, in the folder with the commit's files; `CARGO_TARGET_DIR` names the folder to build in.
    pub build: Vec<String>,
    /// The program that comes of it, in that folder.
    pub artefact: PathBuf,
    /// Where programs are that somebody else built; `None`: they are built here.
    pub prebuilt: Option<Prebuilt>,
    /// How long building, or bringing what was built, may take in total.
    pub build_deadline: Duration,
    /// How long each trial of what was built may take.
    pub trial_deadline: Duration,
    /// Who may have signed the commit (ssh's allowed signers); `None`: signatures aren't looked at.
    pub signers: Option<PathBuf>,
    /// Where the daemons run: the settings found there are those that a new version has to read.
    pub here: PathBuf,
}

impl Site {
    /// How long a version that somebody else makes here may take: everything that has a deadline, one after the other.
    fn patience(&self, settings: &Settings) -> Duration {
        let trials = u32::try_from(TRIALS.len()).unwrap_or(u32::MAX);
        settings.git_timeout + self.build_deadline + self.trial_deadline.saturating_mul(trials)
    }
}

/// A version that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Which it is.
    pub release: Release,
    /// Whether the link leads to it already; otherwise it is beside the others, and no link was turned.
    pub in_use: bool,
}

/// Sees to it that a version is beside the others: the newest of the branch, or the one that is `wanted` of this
/// machine. Waits for whoever makes one in the same root meanwhile. `now` is this machine's clock.
///
/// # Errors
/// It isn't there, and the links lead where they led.
pub async fn make(
    settings: &Settings,
    site: &Site,
    wanted: Option<&Release>,
    now: Timestamp,
) -> Result<Made, Refused> {
    let work = Work::begin(settings, site, site.patience(settings), now).await?;
    if let Some(release) = wanted
        && let Some(made) = work.there(release)?
    {
        return Ok(made);
    }
    let found = newest(settings).await.map_err(Refused::Unknown)?;
    if let Some(named) = wanted.filter(|release| **release != found.release) {
        return Err(Refused::NoSuchVersion {
            named: named.to_string(),
            branch: found.release,
        });
    }
    let current = work.layout.current();
    let wanted = of_branch(&found.release, current.as_ref(), false);
    Ok(match work.ready(&found, &wanted, current).await? {
        Ready::InUse(release) => Made {
            release,
            in_use: true,
        },
        Ready::Beside(going, _) => {
            // It is there: what is in the way of old ones going is no reason not to take it.
            if let Err(error) = work.layout.tidy() {
                tracing::warn!(%error, "old versions can't be taken away");
            }
            Made {
                release: going.to,
                in_use: false,
            }
        }
    })
}

/// What the branch has, compared with what is in use.
pub(crate) fn of_branch(branch: &Release, current: Option<&Release>, named: bool) -> Wanted {
    let order = current.map_or(Ordering::Greater, |current| {
        version::parse(branch.version()).cmp(&version::parse(current.version()))
    });
    Wanted {
        release: branch.clone(),
        order,
        named,
    }
}

/// A version that is there.
#[derive(Debug)]
pub(crate) enum Ready {
    /// It is in use.
    InUse(Release),
    /// It is beside the others, and the record says that only the links are left to do.
    Beside(UnderWay, Record),
}

/// The installation while nobody else changes it.
pub(crate) struct Work<'a> {
    settings: &'a Settings,
    site: &'a Site,
    pub(crate) layout: Layout,
    now: Timestamp,
    _held: Held,
}

impl<'a> Work<'a> {
    /// Waits at most `patience` for whoever has it.
    pub(crate) async fn begin(
        settings: &'a Settings,
        site: &'a Site,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let layout = Layout::new(&site.root);
        let held = layout
            .hold(patience)
            .await
            .map_err(|source| Refused::Disk {
                root: site.root.clone(),
                source,
            })?;
        let held = held.ok_or_else(|| Refused::Busy(site.root.clone()))?;
        // What one that was killed began would go on in the folders that are used now.
        if !end_noted(&layout.note()).await {
            let said = "what an update that was killed began still runs, and can't be ended";
            return Err(Refused::Machine(said.to_owned()));
        }
        Ok(Self {
            settings,
            site,
            layout,
            now,
            _held: held,
        })
    }

    pub(crate) fn disk(&self) -> impl Fn(std::io::Error) -> Refused + use<> {
        let root = self.site.root.clone();
        move |source| Refused::Disk {
            root: root.clone(),
            source,
        }
    }

    /// `release`, if it is there and nothing is said against it.
    fn there(&self, release: &Release) -> Result<Option<Made>, Refused> {
        let record = self.layout.record();
        let in_use = self.layout.current().as_ref() == Some(release);
        if let Some(failed) = record.failed.iter().find(|it| it.release == *release) {
            return Err(Refused::FailedBefore(failed.clone()));
        }
        // One that was cut short while it was put there is made again.
        let doubtful = record.under_way.as_ref();
        let doubtful = doubtful.is_some_and(|left| left.to == *release && left.step < Step::Swap);
        let there = in_use || (self.layout.has(release) && !doubtful);
        Ok(there.then(|| Made {
            release: release.clone(),
            in_use,
        }))
    }

    /// Does what core says about what the branch has, up to the links.
    pub(crate) async fn ready(
        &self,
        found: &Newest,
        wanted: &Wanted,
        current: Option<Release>,
    ) -> Result<Ready, Refused> {
        let mut record = self.layout.record();
        let going = match record.next(current.as_ref(), wanted, self.now) {
            Next::Go(going) => going,
            Next::Nothing => {
                record.settled(&wanted.release);
                self.layout.keep(&record).map_err(self.disk())?;
                self.layout.tidy().map_err(self.disk())?;
                return Ok(Ready::InUse(wanted.release.clone()));
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
                // It stays under way, and counts as cut short: nobody knows whether the machine or the version is slow.
                Trouble::Late(said) => Refused::Machine(said),
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
        Ok(Ready::Beside(going, record))
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
        let disk = |error| Trouble::Machine(self.disk()(error));
        let program = self.layout.begin().map_err(disk)?;
        match &self.site.prebuilt {
            Some(prebuilt) => self.bring(prebuilt, found, release, &program).await?,
            None => {
                let built = build(self.settings, self.site, &self.layout).await?;
                Layout::copy(&built, &program).map_err(disk)?;
            }
        }
        self.came_to(record, Step::Test).map_err(Trouble::Machine)?;
        self.test(&program, release).await?;
        self.came_to(record, Step::Install)
            .map_err(Trouble::Machine)?;
        self.layout.install(release).map_err(disk)
    }

    /// Takes what somebody else built.
    async fn bring(
        &self,
        prebuilt: &Prebuilt,
        found: &Newest,
        release: &Release,
        program: &Path,
    ) -> Result<(), Trouble> {
        let (source, deadline) = (self.layout.source(), self.site.build_deadline);
        let brought = prebuilt.bring(&source, release, &found.commit, program, deadline);
        brought.await.map_err(|lacking| match lacking {
            Lacking::Commit(said) => Trouble::Version(said),
            Lacking::Machine(said) => Trouble::Machine(Refused::Machine(said)),
        })
    }

    /// Tries what was built, as the daemons would run it.
    async fn test(&self, program: &Path, release: &Release) -> Result<(), Trouble> {
        let name = program.display().to_string();
        for args in TRIALS {
            let argv: Vec<&str> = std::iter::once(name.as_str())
                .chain(args.iter().copied())
                .collect();
            let env = self.trial_environment();
            let (here, deadline) = (&self.site.here, self.site.trial_deadline);
            let out = run(&argv, here, env, deadline, &self.layout.note()).await;
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
        self.fits(&name).await
    }

    /// Asks the program whether it can work with the store that is here. One that doesn't know the question was
    /// made before it was asked, and is taken by name alone.
    async fn fits(&self, name: &str) -> Result<(), Trouble> {
        let argv = [name, "schema", "trial", "--json"];
        let (here, deadline) = (&self.site.here, self.site.trial_deadline);
        let note = self.layout.note();
        let (output, whole) = started(&argv, here, self.trial_environment(), deadline, &note)
            .await
            .map_err(|trouble| trouble.of("schema trial"))?;
        if output.exit == Exit::Code(UNKNOWN_VERB) {
            tracing::warn!("the version can't be asked whether it reads the store that is here");
            return Ok(());
        }
        let said = ended_well(&output, whole);
        let said = said.map_err(|trouble| trouble.of("schema trial"))?;
        let Some(compatibility) = compatibility::read(&said) else {
            tracing::warn!("the version doesn't say whether it reads the store that is here");
            return Ok(());
        };
        match compatibility.judge() {
            Verdict::Fails(why) => Err(Trouble::Version(why)),
            Verdict::Fits(remarks) => {
                for remark in remarks {
                    tracing::warn!("of the version: {remark}");
                }
                Ok(())
            }
        }
    }

    /// What a program that is tried sees: what the daemons see, but that nobody keeps it.
    fn trial_environment(&self) -> BTreeMap<String, String> {
        let mut env = self.settings.environment.clone();
        for name in [FOLDER_VARIABLE, RELEASE_VARIABLE] {
            env.remove(name);
        }
        env
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
