//! Turning the links: taking a version from the branch into use, and going back from it.
//!
//! A version is made first, beside the others, and only then the link is turned; nothing that runs is touched.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use shraga_core::time::Timestamp;
use shraga_core::update::turn::{self, Settle};
use shraga_core::update::{Record, Release, UnderWay};

use crate::check::newest;
use crate::kept::Kept;
use crate::layout::{AT_ONCE, Held, Layout};
use crate::make::{Ready, Site, Work, of_branch};
use crate::refused::Refused;
use crate::version::order;
use crate::{Settings, version};

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
    let work = Work::begin(settings, site, AT_ONCE, now).await?;
    let found = newest(settings).await.map_err(Refused::Unknown)?;
    let branch = found.release.clone();
    let current = work.layout.current();
    if let Some(name) = named {
        let there = work.layout.installed().map_err(work.disk())?;
        let meant = |release: &Release| match names(&branch, name) {
            true => *release == branch,
            false => names(release, name),
        };
        if let Some(release) = there.into_iter().rfind(meant) {
            return work.turn_to(release);
        }
        if !names(&branch, name) {
            let named = name.to_owned();
            return Err(Refused::NoSuchVersion { named, branch });
        }
    }
    let wanted = of_branch(&branch, current.as_ref(), named.is_some());
    match work.ready(&found, &wanted, current).await? {
        Ready::InUse(release) => Ok(Applied::UpToDate(release)),
        Ready::Beside(going, record) => work.turn(going, record),
    }
}

/// Whether `name` means this release: its version, or its version with its commit.
#[must_use]
pub fn names(release: &Release, name: &str) -> bool {
    release.version() == name
        || release.to_string() == name
        || version::parse(name).is_some_and(|named| named.to_string() == release.version())
}

/// Forgets what is remembered in `root` against the release that is `meant`, the one that failed last if several are.
/// `None`: nothing is.
///
/// # Errors
/// The installation is being changed, or can't be.
pub async fn forgive(
    root: &Path,
    meant: impl Fn(&Release) -> bool,
) -> Result<Option<Release>, Refused> {
    let layout = Layout::new(root);
    let disk = |source| Refused::Disk {
        root: root.to_owned(),
        source,
    };
    let mut record = layout.record();
    let failed = record.failed.iter().rfind(|it| meant(&it.release));
    let Some(release) = failed.map(|it| it.release.clone()) else {
        return Ok(None);
    };
    let held = layout.hold(AT_ONCE).await.map_err(disk)?;
    let _held: Held = held.ok_or_else(|| Refused::Busy(root.to_owned()))?;
    record = layout.record();
    record.forgive(&release);
    layout.keep(&record).map_err(disk)?;
    Ok(Some(release))
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
    let held = layout.hold(AT_ONCE).await.map_err(disk)?;
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

/// Turns the link of the installation in `root` to the release that the process `kept` runs, now that it is open to all,
/// unless somebody decided otherwise. [`Settle::Wait`]: it is to be asked again.
///
/// # Errors
/// The link leads where it led.
pub async fn keep_in_use(root: &Path, kept: &Kept) -> Result<Settle, Refused> {
    let Some(running) = kept.release() else {
        return Ok(Settle::Leave);
    };
    let layout = Layout::new(root);
    let disk = |source| Refused::Disk {
        root: root.to_owned(),
        source,
    };
    let Some(_held) = layout.hold(AT_ONCE).await.map_err(disk)? else {
        return Ok(Settle::Wait);
    };
    let (current, record) = (layout.current(), layout.record());
    let memory = kept.memory();
    let there = turn::Installed {
        current: current.as_ref(),
        failed: &record.failed,
        memory: &memory,
    };
    let newer = current
        .as_ref()
        .is_none_or(|it| order(running, it) == Ordering::Greater);
    let settled = turn::settle(running, &there, newer);
    if settled == Settle::Turn {
        layout.turn(current.as_ref(), running).map_err(disk)?;
    }
    Ok(settled)
}

impl Work<'_> {
    /// Turns the links to what was made.
    fn turn(&self, going: UnderWay, mut record: Record) -> Result<Applied, Refused> {
        let turned = self.layout.turn(going.from.as_ref(), &going.to);
        turned.map_err(self.disk())?;
        record.succeeded();
        self.layout.keep(&record).map_err(self.disk())?;
        self.layout.tidy().map_err(self.disk())?;
        Ok(Applied::Installed {
            now: going.to,
            before: going.from,
        })
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
}
