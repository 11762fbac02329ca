//! One of the soak's daemons: started, killed, stopped and started again, its log kept through all of it.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use crate::place::Place;

/// See the module.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) name: String,
    place: Place,
    args: Vec<String>,
    child: Option<Child>,
}

impl Daemon {
    /// A daemon that is not started yet.
    pub(crate) fn new(place: &Place, name: &str, args: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            place: place.clone(),
            args,
            child: None,
        }
    }

    /// What marks the soak's processes.
    pub(crate) fn mark(&self) -> &str {
        self.place.mark()
    }

    /// Where it logs to.
    pub(crate) fn log(&self) -> PathBuf {
        self.place.root().join(format!("{}.log", self.name))
    }

    /// Starts it.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let mut command = self.place.command(&self.name, &args)?;
        command.stdout(log.try_clone()?).stderr(log);
        self.child = Some(
            command
                .spawn()
                .with_context(|| format!("starting {}", self.name))?,
        );
        Ok(())
    }

    /// How it ended, if it did by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// Kills it without warning.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
    }

    /// Asks it to end, and after `patience` seconds asks again; tells how it ended, `None` when it had to be killed.
    pub(crate) async fn ask_to_end(&mut self, patience: f64) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        if self.wait(patience).await.is_none() {
            self.signal(Signal::TERM);
        }
        let status = self.wait(LAST_PATIENCE_SECONDS).await;
        self.kill().await;
        status
    }

    async fn wait(&mut self, seconds: f64) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let ended = tokio::time::timeout(Duration::from_secs_f64(seconds), child.wait()).await;
        ended.ok()?.ok()
    }

    /// Sends it a signal, if it runs.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().and_then(Child::id);
        let pid = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }
}

/// How long a daemon that was asked twice may take. Its own deadlines for that are 5 and 3 seconds.
const LAST_PATIENCE_SECONDS: f64 = 30.0;
