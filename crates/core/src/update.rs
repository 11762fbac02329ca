//! What an update does next: from what is installed, what an earlier try left and what the branch has.
//!
//! The links on disk say what is installed; the record only says what is under way and what failed, so that losing
//! the record loses no installation. A version that failed is never tried again under the same commit unless a person
//! names it, and one whose tries are cut short again and again counts as failed: nothing here can go round for ever.
//! Knows no git, no files and no clock; whoever asks hands in how two versions compare.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;

pub mod keep;
pub mod store;
#[cfg(test)]
mod tests;
pub mod turn;

/// How much of a commit's name tells two builds of one version apart, in characters.
pub const COMMIT_CHARS: usize = 12;

/// How often a try may be cut short (power, kill -9) until the version counts as what cuts it short.
pub const MAX_TRIES: u32 = 3;

/// Failed versions that are remembered. The branch moves on; only its newest is ever asked about.
pub const MAX_FAILED: usize = 20;

/// A version built from a commit; its text form names its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    version: String,
    commit: String,
}

/// It is no version with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRelease;

impl Release {
    /// `version` built from `commit`, of which the first [`COMMIT_CHARS`] are kept.
    ///
    /// # Errors
    /// One of them could not be part of a file's name.
    pub fn new(version: &str, commit: &str) -> Result<Self, NoRelease> {
        let commit = commit.get(..COMMIT_CHARS).ok_or(NoRelease)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
        let begins = version.starts_with(|c: char| c.is_ascii_alphanumeric());
        let good = begins && version.chars().all(plain);
        let named = commit.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        match good && named {
            true => Ok(Self {
                version: version.to_owned(),
                commit: commit.to_owned(),
            }),
            false => Err(NoRelease),
        }
    }

    /// The version, without the commit.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.version, self.commit)
    }
}

impl FromStr for Release {
    type Err = NoRelease;

    fn from_str(text: &str) -> Result<Self, NoRelease> {
        let (version, commit) = text.rsplit_once('-').ok_or(NoRelease)?;
        let release = Self::new(version, commit)?;
        // What is longer than we write it isn't ours.
        (release.to_string() == text)
            .then_some(release)
            .ok_or(NoRelease)
    }
}

/// A step of an update. Each can be cut short and done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The commit's files come into a folder of their own, and its signature is checked.
    Stage,
    /// They are built.
    Build,
    /// What was built is asked who it is, and tried.
    Test,
    /// It is put beside the other versions.
    Install,
    /// The links are turned to it.
    Swap,
    /// It runs, and has to prove itself.
    Health,
}

impl Step {
    /// The word for the record and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Build => "build",
            Self::Test => "test",
            Self::Install => "install",
            Self::Swap => "swap",
            Self::Health => "health",
        }
    }
}

/// An update that was begun and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// What is to be installed.
    pub to: Release,
    /// What was installed when it began; the one to go back to.
    pub from: Option<Release>,
    /// What is being done.
    pub step: Step,
    /// How often it was begun.
    pub tries: u32,
    /// When it was begun last, by this machine's clock.
    pub since: Timestamp,
}

/// Why a version is not tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Which version.
    pub release: Release,
    /// What was being done; `None`: a person went back from it.
    pub step: Option<Step>,
    /// What was said, in one line.
    pub said: String,
    /// When, by this machine's clock.
    pub at: Timestamp,
}

/// What is remembered between two updates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What an earlier process left unfinished, or this one is doing.
    pub under_way: Option<UnderWay>,
    /// What failed, the latest last.
    pub failed: Vec<Failed>,
}

/// What the branch has, compared with what is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What it is.
    pub release: Release,
    /// Its version against the installed one's; `Greater` when nothing is installed.
    pub order: Ordering,
    /// Whether a person named this version.
    pub named: bool,
}

/// What to do about what the branch has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Begin, or go on, at its step.
    Go(UnderWay),
    /// It is installed already.
    Nothing,
    /// It is older than what is installed, or another build of the same version: only by name.
    NotNewer,
    /// It failed before.
    FailedBefore(Failed),
    /// It was cut short too often: to be recorded as failed.
    GivenUp(Failed),
}

impl Record {
    /// What to do about `wanted`, with `installed` in use.
    ///
    /// What was cut short before it was beside the other versions begins from the start: nobody knows how much of a
    /// folder is whole. After that only the links are left to do.
    #[must_use]
    pub fn next(&self, installed: Option<&Release>, wanted: &Wanted, now: Timestamp) -> Next {
        let to = &wanted.release;
        let cut_short = self.under_way.as_ref().filter(|left| left.to == *to);
        if installed == Some(to) {
            // The links may have been turned by one that was killed before it could say so.
            return Next::Nothing;
        }
        if !wanted.named {
            if let Some(failed) = self.failed.iter().rfind(|failed| failed.release == *to) {
                return Next::FailedBefore(failed.clone());
            }
            if wanted.order != Ordering::Greater {
                return Next::NotNewer;
            }
        }
        let tries = cut_short.map_or(0, |left| left.tries);
        if tries >= MAX_TRIES && !wanted.named {
            let step = cut_short.map(|left| left.step);
            let said = format!("it was cut short, or took too long, {tries} times");
            return Next::GivenUp(failed(to, step, &said, now));
        }
        let step = match cut_short.map(|left| left.step) {
            Some(Step::Swap | Step::Health) => Step::Swap,
            Some(Step::Stage | Step::Build | Step::Test | Step::Install) | None => Step::Stage,
        };
        Next::Go(UnderWay {
            to: to.clone(),
            from: installed.cloned(),
            step,
            tries: tries + 1,
            since: now,
        })
    }

    /// It begins, or goes on.
    pub fn begin(&mut self, going: UnderWay) {
        self.under_way = Some(going);
    }

    /// It came to `step`.
    pub fn came_to(&mut self, step: Step) {
        if let Some(going) = &mut self.under_way {
            going.step = step;
        }
    }

    /// It ended well: what was said against this version before counts no more.
    pub fn succeeded(&mut self) {
        if let Some(done) = self.under_way.take() {
            self.forgive(&done.to);
        }
    }

    /// `release` is in use, whoever brought it there.
    pub fn settled(&mut self, release: &Release) {
        match &self.under_way {
            Some(left) if left.to == *release => self.succeeded(),
            Some(_) | None => self.put_off(),
        }
    }

    /// A person wants `release`, whatever was said against it.
    pub fn forgive(&mut self, release: &Release) {
        self.failed.retain(|failed| failed.release != *release);
    }

    /// It ended for a reason of this machine's, which says nothing about the version.
    pub fn put_off(&mut self) {
        self.under_way = None;
    }

    /// It failed, and is not tried again.
    pub fn remember(&mut self, failed: Failed) {
        self.under_way = None;
        self.failed.retain(|known| known.release != failed.release);
        self.failed.push(failed);
        let too_many = self.failed.len().saturating_sub(MAX_FAILED);
        self.failed.drain(..too_many);
    }

    /// `release` ran and did not prove itself.
    pub fn fell(&mut self, release: &Release, said: &str, now: Timestamp) {
        let under_way = self.under_way.take();
        self.remember(failed(release, Some(Step::Health), said, now));
        self.under_way = under_way.filter(|going| going.to != *release);
    }

    /// A person went back from `release`.
    pub fn went_back(&mut self, release: &Release, now: Timestamp) {
        self.remember(failed(release, None, "somebody went back from it", now));
    }

    /// What is under way failed at its step.
    #[must_use]
    pub fn failure(&self, said: &str, now: Timestamp) -> Option<Failed> {
        let going = self.under_way.as_ref()?;
        Some(failed(&going.to, Some(going.step), said, now))
    }
}

fn failed(release: &Release, step: Option<Step>, said: &str, at: Timestamp) -> Failed {
    Failed {
        release: release.clone(),
        step,
        said: said.to_owned(),
        at,
    }
}

/// Which of the `installed` versions to take away, oldest first: all but the `keep` newest, and never one that
/// is `held` (in use, or the one to go back to).
#[must_use]
pub fn to_prune(installed: &[Release], held: &[Release], keep: usize) -> Vec<Release> {
    let free: Vec<&Release> = installed
        .iter()
        .filter(|release| !held.contains(release))
        .collect();
    let too_many = free.len().saturating_sub(keep);
    free[..too_many].iter().copied().cloned().collect()
}
