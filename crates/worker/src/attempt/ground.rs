//! The ground an attempt works on: its plain folder, or a checkout of the repository that its task
//! names; what can be told of it, and how its files travel.
//!
//! What an earlier attempt carried over is laid out before the first phase, and taken again for the
//! next one. Ground that can't be made as it was is made afresh, and said to be. A repository that can't
//! be had ends the attempt before any agent runs. What was changed is taken from git when the attempt
//! has ended, however it ended; it is pushed only when it ended well.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shraga_core::causes::chain;
use shraga_core::limits;
use shraga_core::reason::Reason;
use shraga_core::worker::{Finish, Outcome, Push};

use super::files::{self, CarriedCheckout, Files};
use super::{Interrupt, Job, Order};
use crate::folder::AttemptFolder;
use crate::private::read_within;
use crate::workspace::{Carried, Checkout, PUSH_PAUSE, Wanted, WorkspaceError};

/// Bytes of the patch that later phases are shown; all of it is in the attempt's folder.
const SHOWN_BYTES: usize = 256 * 1024;

/// Bytes of a bundle that is carried: as much as the column holds beside the rest, in base 64.
const BUNDLE_BYTES: usize = 600_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Ground {
    work: PathBuf,
    checkout: Option<Checkout>,
}

/// Ground, and how it was come by.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) ground: Ground,
    /// Why files that were carried over are not there.
    pub(super) lost: Option<String>,
}

impl Ground {
    /// Lays out `carried` in the attempt's folder: in a checkout if the task names a repository.
    ///
    /// # Errors
    /// The attempt's end, when there is no checkout to be had.
    pub(super) async fn make(
        job: &Job,
        order: &Order,
        folder: &AttemptFolder,
        carried: Files,
        interrupt: &Interrupt,
    ) -> Result<Made, Box<Finish>> {
        let wanted = match &order.repository {
            Ok(None) => return Ok(Self::plain(folder, carried).await),
            Ok(Some(wanted)) => wanted,
            Err(why) => return Err(Box::new(refused(why))),
        };
        let making = check_out(job, wanted, folder.path(), carried);
        let made = tokio::select! {
            made = making => made,
            // What an earlier process made is only found again.
            why = interrupt.asked(), if job.resumed.is_none() => return Err(Box::new(why.finish())),
        };
        match made {
            Ok((checkout, lost)) => Ok(Made {
                ground: Self {
                    work: folder.work(),
                    checkout: Some(checkout),
                },
                lost,
            }),
            Err(error) => Err(Box::new(no_checkout(&error, folder.path()))),
        }
    }

    async fn plain(folder: &AttemptFolder, carried: Files) -> Made {
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
        let ground = Self {
            work,
            checkout: None,
        };
        Made { ground, lost }
    }

    /// Where agents work.
    pub(super) fn dir(&self) -> PathBuf {
        self.work.clone()
    }

    /// The files, for another attempt to go on from. An agent may be at work on them.
    pub(super) async fn take(&self) -> Files {
        let Some(checkout) = &self.checkout else {
            return files::take(self.work.clone()).await;
        };
        match checkout.checkpoint(BUNDLE_BYTES).await {
            Ok(carried) if carried.head == carried.base => Files::None,
            Ok(carried) if !carried.is_something() => Files::Lost,
            Ok(carried) => Files::Repository(CarriedCheckout {
                base: carried.base,
                tip: carried.tip,
                head: carried.head,
                bundle: carried.bundle.map(|bundle| STANDARD.encode(bundle)),
            }),
            Err(error) => {
                tracing::warn!(error = chain(&error), "a checkout can't be carried over");
                Files::Lost
            }
        }
    }

    /// The patch so far, for those who judge or summarise.
    pub(super) async fn changes(&self) -> Option<String> {
        let checkout = self.checkout.as_ref()?;
        let evidence = match checkout.evidence().await {
            Ok(evidence) => evidence,
            Err(error) => {
                tracing::warn!(error = chain(&error), "what changed so far can't be told");
                return None;
            }
        };
        let patch = checkout.patch();
        let (folder, name) = (patch.parent()?, patch.file_name()?);
        let head = read_within(folder, name.as_ref(), SHOWN_BYTES).ok()?;
        let patch = String::from_utf8_lossy(&head.bytes);
        Some(format!("{}\n\n{patch}", evidence.summary()))
    }

    /// Adds what was changed to the attempt's end, and pushes it if that is asked for.
    pub(super) async fn close(&self, job: &Job, interrupt: &Interrupt, finish: &mut Finish) {
        let Some(checkout) = &self.checkout else {
            return;
        };
        let mut evidence = match checkout.evidence().await {
            Ok(evidence) => evidence,
            Err(error) => {
                let why = chain(&error);
                tracing::error!(error = why, "what an attempt changed can't be told");
                add(finish, &format!("what it changed can't be told: {why}"));
                return;
            }
        };
        if finish.outcome == Outcome::Completed {
            evidence.push = tokio::select! {
                pushed = checkout.push(&job.workspaces, &evidence, PUSH_PAUSE) => pushed,
                _ = interrupt.asked() => Push::Failed("it was interrupted".to_owned()),
            };
        }
        checkout.settle(&evidence);
        if evidence.head != evidence.base || evidence.push.failure().is_some() {
            add(finish, &evidence.summary());
        }
        finish.evidence = Some(Box::new(evidence));
    }
}

/// Makes the checkout, or finds the one that an earlier process made; tells why what was carried over
/// isn't in it.
async fn check_out(
    job: &Job,
    wanted: &Wanted,
    folder: &Path,
    carried: Files,
) -> Result<(Checkout, Option<String>), WorkspaceError> {
    let workspaces = &job.workspaces;
    if let Some(checkout) = workspaces.find(wanted, folder) {
        return Ok((checkout, None));
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let branch = format!("shraga/{}/{name}", job.task.short());
    let lost = match carried {
        Files::None => None,
        Files::Lost => Some("they were too large to be carried over".to_owned()),
        Files::Plain(_) => Some("they belong to no repository".to_owned()),
        Files::Repository(carried) => match unpacked(carried) {
            None => Some("their bundle is broken".to_owned()),
            Some(carried) => {
                let (owner, carried) = (job.owner, &carried);
                let made = workspaces.check_out_carried(wanted, owner, folder, &branch, carried);
                match made.await {
                    Ok(checkout) => return Ok((checkout, None)),
                    Err(WorkspaceError::Unrelated(why)) => {
                        workspaces.restart(folder).await?;
                        Some(why)
                    }
                    Err(error) => return Err(error),
                }
            }
        },
    };
    let made = workspaces.check_out(wanted, job.owner, folder, &branch);
    Ok((made.await?, lost))
}

fn unpacked(carried: CarriedCheckout) -> Option<Carried> {
    Some(Carried {
        base: carried.base,
        tip: carried.tip,
        head: carried.head,
        bundle: Some(STANDARD.decode(carried.bundle?).ok()?),
        notes: Vec::new(),
    })
}

/// Adds to the line that the person reads.
fn add(finish: &mut Finish, words: &str) {
    let line = format!("{}; {words}", finish.message);
    finish.message = limits::line(line.trim_start_matches("; "), limits::MESSAGE_UNITS);
}

fn refused(why: &str) -> Finish {
    let message = limits::line(why, limits::MESSAGE_UNITS);
    Finish::said(Outcome::Failed(Reason::RepositoryRefused), &message)
}

fn no_checkout(error: &WorkspaceError, folder: &Path) -> Finish {
    let why = limits::line(&chain(error), limits::MESSAGE_UNITS);
    tracing::warn!(error = why, "an attempt has no checkout");
    let finish = match error.is_worth_a_retry() {
        true => Finish::said(Outcome::Retry, &why),
        false => refused(&why),
    };
    Finish {
        folder: Some(folder.display().to_string()),
        ..finish
    }
}
