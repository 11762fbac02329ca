//! Agents that outlived the process that started them: which there are, and what is to become of each.
//!
//! A process of a worker that finds agents of the one before it alive, or ended without anybody having
//! taken in how, goes on as that process: under its boot, so that their leases hold. Without any it is
//! a new boot, and what the old one left half done is ended and begun again.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use futures_util::future::join_all;
use shraga_core::ids::{Attempt, BootId, MirrorId, TaskId, UserId, WorkerId};
use shraga_process::supervise::{self, Record};
use uuid::Uuid;

use crate::folder::WorkerFolder;

mod told;

pub(crate) use told::{Told, read_told};

/// What a supervisor's record holds of the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) mirror: MirrorId,
    pub(crate) task: TaskId,
    pub(crate) user: Option<UserId>,
    pub(crate) worker: WorkerId,
    pub(crate) boot: BootId,
    pub(crate) attempt: Attempt,
    /// The task's name.
    pub(crate) name: String,
    /// Name of the agent.
    pub(crate) agent: String,
}

impl About {
    /// As a record keeps it.
    pub(crate) fn to_map(&self) -> BTreeMap<String, String> {
        let user = self.user.map(|user| ("user", user.to_string()));
        let all = [
            ("mirror", self.mirror.to_string()),
            ("task", self.task.to_string()),
            ("worker", self.worker.to_string()),
            ("boot", self.boot.to_string()),
            ("attempt", self.attempt.to_string()),
            ("name", self.name.clone()),
            ("agent", self.agent.clone()),
        ];
        all.into_iter()
            .chain(user)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn from_map(map: &BTreeMap<String, String>) -> Option<Self> {
        fn read<T: FromStr>(map: &BTreeMap<String, String>, name: &str) -> Option<T> {
            map.get(name)?.parse().ok()
        }
        let id = |name| read::<Uuid>(map, name);
        Some(Self {
            mirror: MirrorId::new(id("mirror")?),
            task: TaskId::new(id("task")?),
            user: id("user").map(UserId::new),
            worker: WorkerId::new(id("worker")?),
            boot: BootId::new(id("boot")?),
            attempt: Attempt(read(map, "attempt")?),
            name: read(map, "name")?,
            agent: read(map, "agent")?,
        })
    }
}

/// An attempt that goes on under its boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Survivor {
    pub(crate) about: About,
    /// The attempt's folder.
    pub(crate) folder: PathBuf,
}

/// What a folder holds of earlier processes.
#[derive(Debug, Default)]
pub(crate) struct Survivors {
    /// Attempts to go on with, under the boot of the process before; empty for a new boot.
    pub(crate) attempts: Vec<Survivor>,
    /// Records of what is to be ended.
    leftovers: Vec<(PathBuf, Option<Record>)>,
}

impl Survivors {
    /// Sorts what `folder` has recorded. `reported` are the attempts that the outbox holds a report of:
    /// what came of them is known.
    pub(crate) fn find(folder: &WorkerFolder, reported: &HashSet<(MirrorId, Attempt)>) -> Self {
        let mut found = Self::default();
        let mut goes_on = false;
        let mut theirs = Vec::new();
        for (path, record) in folder.records() {
            let about = record.as_ref().and_then(|record| {
                let about = About::from_map(&record.about)?;
                let ours = Some(about.boot) == folder.previous_boot();
                let open = !reported.contains(&(about.mirror, about.attempt));
                (ours && open).then_some(about)
            });
            let place = record
                .as_ref()
                .and_then(|record| attempt_folder(folder.root(), &record.folder));
            match (record, about, place) {
                (Some(record), Some(about), Some(place)) => {
                    goes_on |= record.may_live() || record.end().is_some();
                    theirs.push((
                        path,
                        record,
                        Survivor {
                            about,
                            folder: place,
                        },
                    ));
                }
                (record, _, _) => found.leftovers.push((path, record)),
            }
        }
        for (path, record, survivor) in theirs {
            if !goes_on {
                found.leftovers.push((path, Some(record)));
            } else if !found.attempts.contains(&survivor) {
                found.attempts.push(survivor);
            }
        }
        found
    }

    /// Ends what is not gone on with, before any task is looked at: what was begun there is lost, and
    /// must not go on beside a new attempt.
    pub(crate) async fn end_leftovers(&mut self) {
        let ended =
            std::mem::take(&mut self.leftovers)
                .into_iter()
                .map(|(path, record)| async move {
                    let gone = match &record {
                        Some(record) => supervise::end(record).await,
                        // Its supervisor, if it lives, ends it once the record is gone.
                        None => true,
                    };
                    if gone {
                        let _ = std::fs::remove_file(path);
                    } else {
                        let path = path.display();
                        tracing::error!(%path, "an agent of an earlier process can't be ended");
                    }
                });
        join_all(ended).await;
    }
}

/// The attempt's folder that `place` is, or is in: `ROOT/tasks/TASK/attempt-N`.
fn attempt_folder(root: &Path, place: &Path) -> Option<PathBuf> {
    let inner: Vec<_> = place.strip_prefix(root).ok()?.components().collect();
    let attempt = inner.get(..3)?.iter().collect::<PathBuf>();
    attempt.starts_with("tasks").then(|| root.join(attempt))
}
