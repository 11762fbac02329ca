//! What is done to the daemons: faults chosen by a seed, one after the other for each, all of them beside each other.
//!
//! Each fault is noted from when to when it lasted, so that the judge can tell a false alarm from a true one. When told
//! to stop, each tormentor heals what it did and hands its daemon back, running.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use fastrand::Rng;
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Moment};
use crate::daemon::Daemon;
use crate::place::{Place, Times};
use crate::processes;
use crate::proxy::{Link, Proxy};

/// How long a daemon may take to end in order before it is asked again.
const PATIENCE_SECONDS: f64 = 8.0;

/// What can be done to a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    KillLong,
    Restart,
    Cut,
    CutLong,
    DeafLong,
    Refused,
    Reset,
    Slow,
    Stop,
    StopLong,
    SupervisorKilled,
    Drained,
}

impl Fault {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::KillLong => "killed for long",
            Self::Restart => "restarted in order",
            Self::Cut => "cut off",
            Self::CutLong => "cut off for long",
            Self::DeafLong => "without answers for long",
            Self::Refused => "refused",
            Self::Reset => "connections reset",
            Self::Slow => "slow connection",
            Self::Stop => "stopped",
            Self::StopLong => "stopped for long",
            Self::SupervisorKilled => "supervisor killed",
            Self::Drained => "drained",
        }
    }

    /// Whether a daemon can't do its work, or be heard, meanwhile.
    pub(crate) const fn silences(self) -> bool {
        !matches!(self, Self::SupervisorKilled | Self::Drained | Self::Slow)
    }
}

/// Whom it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Store,
    Orchestrator,
    Worker,
}

impl Role {
    const fn faults(self) -> &'static [Fault] {
        match self {
            Self::Store => &[Fault::Kill, Fault::Kill, Fault::Restart, Fault::Stop],
            Self::Orchestrator => &[
                Fault::Kill,
                Fault::Kill,
                Fault::KillLong,
                Fault::Restart,
                Fault::Cut,
                Fault::Stop,
                Fault::StopLong,
                Fault::Reset,
            ],
            Self::Worker => &[
                Fault::Kill,
                Fault::Kill,
                Fault::KillLong,
                Fault::Restart,
                Fault::Cut,
                Fault::CutLong,
                Fault::CutLong,
                Fault::DeafLong,
                Fault::Refused,
                Fault::Reset,
                Fault::Slow,
                Fault::Stop,
                Fault::StopLong,
                Fault::SupervisorKilled,
                Fault::SupervisorKilled,
                Fault::Drained,
            ],
        }
    }

    /// Seconds between two faults, at least and at most.
    const fn rest(self) -> (f64, f64) {
        match self {
            Self::Store => (15.0, 40.0),
            Self::Orchestrator => (8.0, 25.0),
            Self::Worker => (4.0, 18.0),
        }
    }
}

/// Something that was done to a daemon.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) who: String,
    pub(crate) what: Fault,
    pub(crate) from: Moment,
    pub(crate) until: Moment,
}

/// What happened, told by all tormentors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    inner: Arc<Mutex<(Vec<Trouble>, Vec<String>)>>,
}

impl Story {
    fn trouble(&self, trouble: Trouble) {
        self.with(|(troubles, _)| troubles.push(trouble));
    }

    /// Something that must not happen.
    pub(crate) fn broken(&self, what: String) {
        self.with(|(_, broken)| broken.push(what));
    }

    /// All faults.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.with(|(troubles, _)| troubles.clone())
    }

    /// All that must not have happened.
    pub(crate) fn all_broken(&self) -> Vec<String> {
        self.with(|(_, broken)| broken.clone())
    }

    fn with<T>(&self, what: impl FnOnce(&mut (Vec<Trouble>, Vec<String>)) -> T) -> T {
        what(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A daemon with its tormentor.
#[derive(Debug)]
pub(crate) struct Victim {
    pub(crate) role: Role,
    pub(crate) daemon: Daemon,
    /// The connection it uses; the store itself has none.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) dice: Rng,
    pub(crate) story: Story,
    /// Only faults whose names begin with one of these, if there are any.
    pub(crate) only: Vec<String>,
    /// Called after each start; the store learns its address there.
    pub(crate) started: Started,
    /// Who drains workers.
    pub(crate) operator: Option<Operator>,
}

/// Somebody with an admin's token and an undisturbed connection.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) place: Place,
    pub(crate) url: String,
    pub(crate) token_file: String,
}

impl Operator {
    /// Runs a verb about `worker`; whether it was done.
    async fn does(&self, verb: &str, worker: &str) -> bool {
        let at = ["--url", &self.url, "--token-file", &self.token_file];
        let args = [&[verb, worker][..], &at].concat();
        let Ok(mut command) = self.place.command("people", &args) else {
            return false;
        };
        let output = command.output().await;
        output.is_ok_and(|output| output.status.success())
    }
}

/// What is to be waited for after a start.
#[derive(Debug)]
pub(crate) enum Started {
    Nothing,
    Store(crate::scene::StoreStart),
}

impl Victim {
    /// Starts it.
    pub(crate) async fn start(&mut self) -> Result<()> {
        if let Started::Store(start) = &self.started {
            start.before()?;
        }
        self.daemon.start()?;
        match &self.started {
            Started::Nothing => Ok(()),
            Started::Store(start) => start.after(&mut self.daemon).await,
        }
    }

    /// Torments it until told to stop, then heals it.
    pub(crate) async fn torment(mut self, stop: CancellationToken) -> Result<Self> {
        let chosen = |fault: &Fault| {
            self.only.is_empty()
                || self
                    .only
                    .iter()
                    .any(|word| fault.name().starts_with(word.as_str()))
        };
        let faults: Vec<Fault> = self.role.faults().iter().copied().filter(chosen).collect();
        while !stop.is_cancelled() {
            let (least, most) = self.role.rest();
            let rest = least + (most - least) * self.dice.f64();
            tokio::select! {
                () = clock::pause(rest) => {}
                () = stop.cancelled() => break,
            }
            self.revive().await?;
            if let Some(fault) = self.dice.choice(&faults).copied() {
                self.suffer(fault, &stop).await?;
            }
        }
        self.revive().await?;
        Ok(self)
    }

    /// Starts it again if it ended by itself, as a service manager would. Only a store that did not answer is a
    /// reason to end.
    pub(crate) async fn revive(&mut self) -> Result<()> {
        let Some(status) = self.daemon.ended() else {
            return Ok(());
        };
        let name = &self.daemon.name;
        if status.code() != Some(UNREACHABLE) {
            self.story.broken(format!(
                "{name} ended by itself with {status}; its log is {}",
                self.daemon.log().display()
            ));
        }
        self.start().await
    }

    async fn suffer(&mut self, fault: Fault, stop: &CancellationToken) -> Result<()> {
        let from = clock::now();
        let short = 0.3 + 3.0 * self.dice.f64();
        let long = f64::from(Times::CONFIRM + 6 * Times::BEAT) + 15.0 * self.dice.f64();
        match fault {
            Fault::Kill => self.kill(short).await?,
            Fault::KillLong => self.kill_for(long, stop).await?,
            Fault::Restart => {
                if self.daemon.ask_to_end(PATIENCE_SECONDS).await.is_none() {
                    let name = &self.daemon.name;
                    self.story
                        .broken(format!("{name} did not end when it was asked to, twice"));
                }
                self.start().await?;
            }
            Fault::Cut => self.link(Link::Silent, short, stop).await,
            Fault::CutLong => self.link(Link::Silent, long, stop).await,
            Fault::DeafLong => self.link(Link::Deaf, long, stop).await,
            Fault::Refused => self.link(Link::Refused, short, stop).await,
            Fault::Reset => {
                let which = Link::Reset(self.dice.u32(..));
                self.link(which, 0.5, stop).await;
            }
            Fault::Slow => self.link(Link::Slow(500), 4.0 * short, stop).await,
            Fault::Stop => self.halt(short, stop).await,
            Fault::StopLong => self.halt(long, stop).await,
            Fault::SupervisorKilled => {
                let name = &self.daemon.name;
                let found = processes::supervisors(self.daemon.mark(), name);
                let Some(pid) = self.dice.choice(&found) else {
                    return Ok(());
                };
                processes::kill(*pid);
            }
            Fault::Drained => self.drain(2.0 * short, stop).await,
        }
        self.story.trouble(Trouble {
            who: self.daemon.name.clone(),
            what: fault,
            from,
            until: clock::now(),
        });
        Ok(())
    }

    async fn kill(&mut self, seconds: f64) -> Result<()> {
        self.daemon.kill().await;
        clock::pause(seconds).await;
        self.start().await
    }

    async fn kill_for(&mut self, seconds: f64, stop: &CancellationToken) -> Result<()> {
        self.daemon.kill().await;
        wait(seconds, stop).await;
        self.start().await
    }

    async fn link(&mut self, link: Link, seconds: f64, stop: &CancellationToken) {
        let Some(proxy) = &self.proxy else {
            return;
        };
        proxy.set(link);
        wait(seconds, stop).await;
        proxy.set(Link::Whole);
    }

    /// Drains it for a while; it must not stay so.
    async fn drain(&mut self, seconds: f64, stop: &CancellationToken) {
        let (Some(operator), name) = (&self.operator, &self.daemon.name) else {
            return;
        };
        operator.does("drain", name).await;
        wait(seconds, stop).await;
        for _ in 0..UNDRAIN_TRIES {
            if operator.does("undrain", name).await {
                return;
            }
            clock::pause(1.0).await;
        }
        self.story.broken(format!("{name} could not be undrained"));
    }

    async fn halt(&mut self, seconds: f64, stop: &CancellationToken) {
        self.daemon.signal(Signal::STOP);
        wait(seconds, stop).await;
        self.daemon.signal(Signal::CONT);
    }
}

/// Tries to undrain a worker, a second apart: a store that was killed is back by then.
const UNDRAIN_TRIES: u32 = 60;

/// The exit code of a daemon whose store did not answer when it started.
const UNREACHABLE: i32 = 5;

async fn wait(seconds: f64, stop: &CancellationToken) {
    tokio::select! {
        () = clock::pause(seconds) => {}
        () = stop.cancelled() => {}
    }
}
