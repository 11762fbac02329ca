//! Taking newer versions by itself: making one that this process may take, beside its work, and handing over to it.
//!
//! Who may take what is said by the fleet; what follows from it core decides. Nothing here ends the process: it asks the
//! role to hand over, and says to the keeper which version is to go on once the role has. A process without a keeper,
//! without an installation or without `update.apply` takes nothing.

use std::path::PathBuf;
use std::time::Duration;

use shraga_core::fleet::Said;
use shraga_core::update::Release;
use shraga_core::update::turn::{How, Tried, Turn, turn};
use shraga_orchestrator::Orchestrator;
use shraga_update::{HandOver, Kept, Refused, Settings, Site, goes_on, make};
use shraga_worker::Worker;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::update;
use crate::clock;
use crate::config::Config;
use crate::exit::{Exit, Failure};

/// What may be taken, now and later.
pub(crate) type Allowed = watch::Receiver<Option<Release>>;

/// A process that takes newer versions.
pub(crate) struct Taking {
    kept: Kept,
    running: Release,
    root: PathBuf,
    settings: Settings,
    site: Site,
    said: watch::Sender<Said>,
    to: watch::Sender<Option<Release>>,
    /// Told once a version is there that can go on with what runs.
    pub(crate) hand_over: CancellationToken,
    /// Told once one is there that can't.
    pub(crate) hand_over_empty: CancellationToken,
    /// Ends the ticks of an orchestrator, once nobody needs them any more.
    pub(crate) ticks_end: CancellationToken,
}

/// Completes once it is to hand over, to a version that can go on with what runs or to one that can't; never where it
/// takes nothing.
pub(crate) async fn asked(taking: Option<&Taking>) {
    let Some(taking) = taking else {
        return std::future::pending().await;
    };
    tokio::select! {
        () = taking.hand_over.cancelled() => {}
        () = taking.hand_over_empty.cancelled() => {}
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
            hand_over_empty: CancellationToken::new(),
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
    pub(crate) fn start(&self, allowed: Allowed) -> AbortOnDropHandle<()> {
        let taker = Taker {
            running: self.running.clone(),
            root: self.root.clone(),
            settings: self.settings.clone(),
            site: self.site.clone(),
            said: self.said.clone(),
            to: self.to.clone(),
            hand_over: self.hand_over.clone(),
            hand_over_empty: self.hand_over_empty.clone(),
        };
        AbortOnDropHandle::new(tokio::spawn(taker.run(allowed)))
    }

    /// The end of a process whose role has handed over.
    ///
    /// # Errors
    /// The keeper can't be told: it starts this version again, which goes on with everything.
    pub(crate) fn handed_over(&self) -> Result<Exit, Failure> {
        let to = self.to.borrow().clone();
        let to =
            to.ok_or_else(|| Failure::new(Exit::Failed, "there is nothing to hand over to"))?;
        tracing::info!(release = %to, "handed over: this version ends, and that one goes on");
        let next = HandOver { to, turn: true };
        let said = self.kept.hand_over(&next);
        said.map_err(|error| Failure::from_error(Exit::Failed, error))?;
        Ok(Exit::HandOver)
    }
}

/// The part that runs beside the role.
struct Taker {
    running: Release,
    root: PathBuf,
    settings: Settings,
    site: Site,
    said: watch::Sender<Said>,
    to: watch::Sender<Option<Release>>,
    hand_over: CancellationToken,
    hand_over_empty: CancellationToken,
}

impl Taker {
    async fn run(self, mut allowed: Allowed) {
        let (mut tried, never) = (None, CancellationToken::new());
        loop {
            let may = allowed.borrow_and_update().clone();
            let next = turn(&self.running, may.as_ref(), tried.as_ref(), clock::wall());
            let until = match next {
                Turn::Make(release) => {
                    tried = Some(self.make(release).await);
                    continue;
                }
                Turn::HandOver(release) => return self.ask(release).await,
                Turn::Stay => {
                    if may.is_none() {
                        self.calm();
                        // One that is allowed again later is one that somebody wants tried again.
                        tried = None;
                    }
                    None
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

    /// Asks the role to hand over.
    async fn ask(&self, release: Release) {
        let speaks = goes_on(&self.settings, &self.root, &release).await;
        self.to.send_replace(Some(release.clone()));
        if speaks {
            self.hand_over.cancel();
            return;
        }
        let why = "what runs ends first: that version can't go on with it";
        tracing::info!(%release, "{why}");
        self.said
            .send_replace(Said::Waiting(release, why.to_owned()));
        self.hand_over_empty.cancel();
    }
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

/// What any of these may take, now and later: the first that may take something counts.
pub(crate) fn any_of(sources: Vec<Allowed>) -> Allowed {
    let all = watch::Sender::new(vec![None; sources.len()]);
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
    of(all.subscribe(), |all| all.iter().flatten().next().cloned())
}

/// What `read` says of `source`, now and later.
pub(crate) fn of<T: Send + Sync + 'static>(
    mut source: watch::Receiver<T>,
    read: impl Fn(&T) -> Option<Release> + Send + 'static,
) -> Allowed {
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
pub(crate) fn of_orchestrator(orchestrator: &Orchestrator) -> Allowed {
    of(orchestrator.fleet(), |rolling| rolling.take.clone())
}

/// What a worker may take, as its row says.
pub(crate) fn of_worker(worker: &Worker) -> Allowed {
    of(worker.status(), |status| status.allowed.clone())
}
