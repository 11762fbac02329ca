//! Taking newer versions by itself: making one that this process may take, beside its work, and handing over to it.
//!
//! Who may take what is said by the fleet; what follows from it core decides. Nothing here ends the process: it asks the
//! role to hand over, and says to the keeper which version is to go on once the role has. What the fleet has not opened to
//! all is taken by this process alone: the installation's link follows once it is open. A process without a keeper, without
//! an installation or without `update.apply` takes nothing.

use std::path::PathBuf;
use std::time::Duration;

use shraga_core::fleet::{Allowed, Said};
use shraga_core::time::Span;
use shraga_core::update::Release;
use shraga_core::update::turn::{How, Settle, Tried, Turn, turn};
use shraga_orchestrator::Orchestrator;
use shraga_update::{HandOver, Kept, Refused, Settings, Site, goes_on, keep_in_use, make};
use shraga_worker::{Wish, Worker};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::update;
use crate::clock;
use crate::config::Config;
use crate::exit::{Exit, Failure};

/// What may be taken, now and later.
pub(crate) type May = watch::Receiver<Option<Allowed>>;

/// Between two looks whether the version that runs, and is open to all, has proved itself to its keeper.
const SETTLING_SECONDS: i64 = 2;

/// A process that takes newer versions.
pub(crate) struct Taking {
    kept: Kept,
    running: Release,
    root: PathBuf,
    settings: Settings,
    site: Site,
    said: watch::Sender<Said>,
    to: watch::Sender<Option<HandOver>>,
    /// Told once a version is there that can go on with what runs.
    pub(crate) hand_over: CancellationToken,
    /// Told once one is there that can't, and taken back when it may not be taken any more.
    pub(crate) hand_over_empty: Wish,
    /// Told once a worker has handed over after that, from when on nothing is taken back.
    pub(crate) emptied: CancellationToken,
    /// Ends the ticks of an orchestrator, once nobody needs them any more.
    pub(crate) ticks_end: CancellationToken,
}

/// Completes once it is to hand over, to a version that can go on with what runs or to one that can't; never where it
/// takes nothing. Where `workers` empty themselves for the latter, once the first of them has.
pub(crate) async fn asked(taking: Option<&Taking>, workers: bool) {
    let Some(taking) = taking else {
        return std::future::pending().await;
    };
    tokio::select! {
        () = taking.hand_over.cancelled() => {}
        () = taking.emptied.cancelled() => {}
        () = taking.hand_over_empty.until(true), if !workers => {}
    }
}

impl Taking {
    /// As settings and keeper have it; `None`: it takes nothing.
    ///
    /// # Errors
    /// The working directory is gone, or the root has no absolute path.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, Failure> {
        let kept = update::kept().filter(|_| config.update.apply);
        let running = kept.as_ref().and_then(|kept| kept.release().cloned());
        let (Some(kept), Some(running), Some(root)) = (kept, running, update::root(config)) else {
            if config.update.apply {
                tracing::info!(
                    "newer versions are only noticed: this process is not kept by `shraga keep` from an installation"
                );
            }
            return Ok(None);
        };
        let site = update::site(config, root)?;
        Ok(Some(Self {
            kept,
            running,
            root: site.root.clone(),
            settings: update::settings(config),
            site,
            said: watch::Sender::new(Said::On),
            to: watch::Sender::new(None),
            hand_over: CancellationToken::new(),
            hand_over_empty: Wish::default(),
            emptied: CancellationToken::new(),
            ticks_end: CancellationToken::new(),
        }))
    }

    /// The version it runs.
    pub(crate) fn running(&self) -> &Release {
        &self.running
    }

    /// What is to be said of it in a worker's row, now and later.
    pub(crate) fn said(&self) -> watch::Receiver<Said> {
        self.said.subscribe()
    }

    /// Looks after what is `allowed` until a version is handed over to, or the handle is dropped: then what is made is
    /// ended.
    pub(crate) fn start(&self, allowed: May) -> AbortOnDropHandle<()> {
        let taker = Taker {
            kept: self.kept.clone(),
            running: self.running.clone(),
            root: self.root.clone(),
            settings: self.settings.clone(),
            site: self.site.clone(),
            said: self.said.clone(),
            to: self.to.clone(),
            hand_over: self.hand_over.clone(),
            hand_over_empty: self.hand_over_empty.clone(),
            emptied: self.emptied.clone(),
        };
        AbortOnDropHandle::new(tokio::spawn(taker.run(allowed)))
    }

    /// The end of a process whose role has handed over.
    ///
    /// # Errors
    /// The keeper can't be told: it starts this version again, which goes on with everything.
    pub(crate) fn handed_over(&self) -> Result<Exit, Failure> {
        let to = self.to.borrow().clone();
        let next =
            to.ok_or_else(|| Failure::new(Exit::Failed, "there is nothing to hand over to"))?;
        tracing::info!(release = %next.to, "handed over: this version ends, and that one goes on");
        let said = self.kept.hand_over(&next);
        said.map_err(|error| Failure::from_error(Exit::Failed, error))?;
        Ok(Exit::HandOver)
    }
}

/// The part that runs beside the role.
struct Taker {
    kept: Kept,
    running: Release,
    root: PathBuf,
    settings: Settings,
    site: Site,
    said: watch::Sender<Said>,
    to: watch::Sender<Option<HandOver>>,
    hand_over: CancellationToken,
    hand_over_empty: Wish,
    emptied: CancellationToken,
}

impl Taker {
    async fn run(self, mut allowed: May) {
        let (mut tried, never) = (None, CancellationToken::new());
        let mut settled = false;
        loop {
            let may = allowed.borrow_and_update().clone();
            let release = may.as_ref().map(|may| &may.release);
            let open = may.as_ref().is_some_and(|may| may.open);
            let next = turn(&self.running, release, tried.as_ref(), clock::wall());
            let until = match next {
                Turn::Make(release) => {
                    tried = Some(self.make(release).await);
                    continue;
                }
                Turn::HandOver(release) => {
                    let asked = self.ask(&release, open).await;
                    if asked == Asked::Now || !self.recalled(&release, &mut allowed).await {
                        return;
                    }
                    continue;
                }
                Turn::Stay => {
                    let runs = release == Some(&self.running);
                    if may.is_none() || runs {
                        self.calm();
                        // One that is allowed again later is one that somebody wants tried again.
                        tried = None;
                    }
                    settled = settled || (runs && open && self.settle().await);
                    let again = Span::secs(SETTLING_SECONDS);
                    (runs && open && !settled).then(|| clock::wall().plus(again))
                }
                Turn::Wait(until) => Some(until),
            };
            let changed = async {
                if allowed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let Some(until) = until else {
                changed.await;
                continue;
            };
            let left = until.since(clock::wall()).as_millis().max(0).unsigned_abs();
            tokio::select! {
                () = changed => {}
                _ = clock::pause(Duration::from_millis(left), &never) => {}
            }
        }
    }

    /// Nothing is to be taken (any more). What could not be taken stays said: nobody would look for another otherwise.
    fn calm(&self) {
        self.said.send_if_modified(|said| match said {
            Said::Off | Said::On | Said::Unable(..) | Said::Failed(..) => false,
            Said::Making(_) | Said::Waiting(..) | Said::Other(_) => {
                *said = Said::On;
                true
            }
        });
    }

    async fn make(&self, release: Release) -> Tried {
        tracing::info!(%release, "a newer version is made, to be handed over to");
        self.said.send_replace(Said::Making(release.clone()));
        let made = make(&self.settings, &self.site, Some(&release), clock::wall()).await;
        let how = match made {
            Ok(_) => How::Made,
            Err(refused) => {
                let how = how(&refused);
                let said = shraga_core::causes::chain(&refused);
                tracing::warn!(%release, "the newer version is not taken: {said}");
                self.said.send_replace(match how {
                    How::Failed => Said::Failed(release.clone(), said),
                    How::Unable | How::Made => Said::Unable(release.clone(), said),
                });
                how
            }
        };
        Tried {
            release,
            how,
            at: clock::wall(),
        }
    }

    /// Sees to it that others start what runs here, now that it is open to all; whether nothing is left to do.
    async fn settle(&self) -> bool {
        match keep_in_use(&self.root, &self.kept).await {
            Ok(Settle::Wait) => false,
            Ok(Settle::Leave) => true,
            Ok(Settle::Turn) => {
                let release = &self.running;
                tracing::info!(%release, "the version is open to all, and in use from now on");
                true
            }
            Err(refused) => {
                let said = shraga_core::causes::chain(&refused);
                tracing::warn!("the version that runs can't be taken into use yet: {said}");
                false
            }
        }
    }

    /// Asks the role to hand over; others start that release too where it is open to all.
    async fn ask(&self, release: &Release, open: bool) -> Asked {
        let speaks = goes_on(&self.settings, &self.root, release).await;
        let next = HandOver {
            to: release.clone(),
            turn: open,
        };
        self.to.send_replace(Some(next));
        if speaks {
            self.hand_over.cancel();
            return Asked::Now;
        }
        let why = "what runs ends first: that version can't go on with it";
        tracing::info!(%release, "{why}");
        self.said
            .send_replace(Said::Waiting(release.clone(), why.to_owned()));
        self.hand_over_empty.set(true);
        Asked::WhenEmpty
    }

    /// Waits until `release` may not be taken any more, and lets the role work on; `false`: a worker had emptied before.
    async fn recalled(&self, release: &Release, allowed: &mut May) -> bool {
        let other = |may: &Option<Allowed>| may.as_ref().map(|may| &may.release) != Some(release);
        let changed = async {
            if allowed.wait_for(other).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.emptied.cancelled() => return false,
            () = changed => {}
        }
        tracing::info!(%release, "that version may not be taken any more: work goes on with this one");
        self.hand_over_empty.set(false);
        true
    }
}

/// When the role is to hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Now,
    WhenEmpty,
}

/// Whether it is the release's own fault.
fn how(refused: &Refused) -> How {
    match refused {
        Refused::FailedBefore(_) | Refused::Failed(_) => How::Failed,
        Refused::Unknown(_)
        | Refused::NotNewer { .. }
        | Refused::Busy(_)
        | Refused::NoSuchVersion { .. }
        | Refused::NothingBefore(_)
        | Refused::Machine(_)
        | Refused::Disk { .. } => How::Unable,
    }
}

/// What any of these may take, now and later, of those that run `running`: another release before that one, and of those
/// one that is known to be open to all.
pub(crate) fn any_of(sources: Vec<May>, running: Option<Release>) -> May {
    // With somebody who listens from the beginning: a source that finds nobody ends.
    let (all, heard) = watch::channel(vec![None; sources.len()]);
    for (place, mut source) in sources.into_iter().enumerate() {
        let all = all.clone();
        tokio::spawn(async move {
            loop {
                let may = source.borrow_and_update().clone();
                all.send_modify(|all| all[place] = may);
                tokio::select! {
                    changed = source.changed() => if changed.is_err() { return },
                    () = all.closed() => return,
                }
            }
        });
    }
    of(heard, move |all| first(all, running.as_ref()).cloned())
}

fn first<'a>(all: &'a [Option<Allowed>], running: Option<&Release>) -> Option<&'a Allowed> {
    let some = all.iter().flatten();
    some.max_by_key(|may| (running != Some(&may.release), may.open))
}

/// What `read` says of `source`, now and later.
pub(crate) fn of<T: Send + Sync + 'static>(
    mut source: watch::Receiver<T>,
    read: impl Fn(&T) -> Option<Allowed> + Send + 'static,
) -> May {
    let (to, allowed) = watch::channel(read(&source.borrow_and_update()));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = source.changed() => if changed.is_err() { return },
                () = to.closed() => return,
            }
            let may = read(&source.borrow_and_update());
            to.send_if_modified(|now| std::mem::replace(now, may.clone()) != may);
        }
    });
    allowed
}

/// What an orchestrator may take: once the fleet's canary stayed well with it, and not while the fleet is paused.
pub(crate) fn of_orchestrator(orchestrator: &Orchestrator) -> May {
    of(orchestrator.fleet(), |rolling| {
        let take = rolling.take.clone();
        take.map(|release| Allowed {
            release,
            open: true,
        })
    })
}

/// What a worker may take, as its row says.
pub(crate) fn of_worker(worker: &Worker) -> May {
    of(worker.status(), |status| status.allowed.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_and_may_be_kept_is_in_the_way_of_nothing_newer() {
        let may = |version: &str, open| {
            let release = Release::new(version, &"a".repeat(40)).unwrap();
            Some(Allowed { release, open })
        };
        let running = may("1.0.0", true).map(|it| it.release);
        let (keep, next) = (may("1.0.0", true), may("1.1.0", false));
        let all = [keep.clone(), None, next.clone()];
        assert_eq!(first(&all, running.as_ref()), next.as_ref());
        let open = may("1.1.0", true);
        let all = [open.clone(), next, keep.clone()];
        assert_eq!(first(&all, running.as_ref()), open.as_ref());
        assert_eq!(
            first(&[None, keep.clone()], running.as_ref()),
            keep.as_ref()
        );
    }
}
