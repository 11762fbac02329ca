//! The ground an attempt works on: where its files are, what can be told of them, how they travel.
//!
//! What an earlier attempt carried over is laid out before the first phase, and taken again for the
//! next one. Ground that can't be made as it was is made empty, and said to be.

use std::path::PathBuf;

use shraga_core::causes::chain;

use super::files::{self, Files};
use crate::folder::AttemptFolder;

/// See the module.
#[derive(Debug)]
pub(super) struct Ground {
    work: PathBuf,
}

/// Ground, and how it was come by.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) ground: Ground,
    /// Why files that were carried over are not there.
    pub(super) lost: Option<String>,
}

impl Ground {
    /// Lays out `carried` in the attempt's folder.
    pub(super) async fn make(folder: &AttemptFolder, carried: Files) -> Made {
        let work = folder.work();
        let lost = match carried {
            Files::None => None,
            Files::Lost => Some("they were too large to be carried over".to_owned()),
            Files::Plain(files) => {
                let laid = files::lay_out(files, work.clone()).await;
                laid.err().map(|error| chain(&error))
            }
            Files::Repository(_) => Some("they belong to a repository".to_owned()),
        };
        Made {
            ground: Self { work },
            lost,
        }
    }

    /// Where agents work.
    pub(super) fn dir(&self) -> PathBuf {
        self.work.clone()
    }

    /// The files, for another attempt to go on from. An agent may be at work on them.
    pub(super) async fn take(&self) -> Files {
        files::take(self.work.clone()).await
    }

    /// What changed, for those who judge it.
    #[expect(clippy::unused_async, reason = "a repository is asked by running git")]
    pub(super) async fn changes(&self) -> Option<String> {
        None
    }
}
