//! Telling a service manager how the process is, as systemd asks for it; nothing where there is none.

use std::time::Duration;

#[cfg(unix)]
use sd_notify::NotifyState;

use crate::display::clean;

/// Watchdog periods are met this many times over, so that one late turn of a busy machine is no
/// restart.
const AHEAD: u32 = 3;

/// The service manager that started this process.
#[derive(Debug)]
pub(crate) struct Manager {
    watchdog: Option<Duration>,
}

impl Manager {
    /// As the environment says.
    pub(crate) fn from_environment() -> Self {
        #[cfg(unix)]
        let watchdog = sd_notify::watchdog_enabled();
        #[cfg(not(unix))]
        let watchdog = None;
        Self { watchdog }
    }

    /// How often it is to hear that the process is well; `None` when it doesn't ask.
    pub(crate) fn every(&self) -> Option<Duration> {
        self.watchdog.map(|period| period / AHEAD)
    }

    /// The process can do its work.
    pub(crate) fn ready(&self) {
        self.tell(Told::Ready);
    }

    /// What it does, in a line for `systemctl status`.
    pub(crate) fn status(&self, status: &str) {
        self.tell(Told::Status(&clean::one_line(status)));
    }

    /// It is well. When this isn't said in time, the manager restarts the process.
    pub(crate) fn well(&self) {
        if self.watchdog.is_some() {
            self.tell(Told::Well);
        }
    }

    /// It was told to stop and finishes what it has.
    pub(crate) fn stopping(&self) {
        self.tell(Told::Stopping);
        self.tell(Told::Status("stopping: finishing what is under way"));
    }

    #[cfg(unix)]
    fn tell(&self, told: Told<'_>) {
        let state = match told {
            Told::Ready => NotifyState::Ready,
            Told::Status(text) => NotifyState::Status(text),
            Told::Well => NotifyState::Watchdog,
            Told::Stopping => NotifyState::Stopping,
        };
        if let Err(error) = sd_notify::notify(&[state]) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }

    #[cfg(not(unix))]
    fn tell(&self, _told: Told<'_>) {}
}

/// What a service manager is told.
#[derive(Clone, Copy, Debug)]
enum Told<'a> {
    Ready,
    Status(&'a str),
    Well,
    Stopping,
}
