//! Why an update changed nothing.
//!
//! Each is one that somebody reacts to differently; what is shown to people is in one line.

use std::path::PathBuf;

use shraga_core::update::{Failed, Release};

use crate::Found;

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
