//! A running `shraga orchestrate`, its log, and what it must have said.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::common::{Place, Ran, until};

/// A started daemon, killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `orchestrate` in this place with these variables.
    pub(crate) fn orchestrate(place: &Place, env: &[(&str, &str)]) -> Self {
        let mut command = place.command(&["orchestrate"]);
        command.envs(env.iter().copied());
        Self::start(place, command)
    }

    /// Starts `command`, its standard error going to a file.
    pub(crate) fn start(place: &Place, mut command: Command) -> Self {
        let log = tempfile::NamedTempFile::new_in(place.path()).unwrap();
        let log = log.into_temp_path().keep().unwrap();
        let child = command
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said all of these words, each line of its own or not.
    #[track_caller]
    pub(crate) fn until_said(&mut self, words: &[&str]) {
        until(&format!("it says {words:?}"), || {
            let said = self.said();
            let all = words.iter().all(|word| said.contains(word));
            assert!(all || self.runs(), "it ended, having said: {said}");
            all
        });
    }

    /// How many lines hold these words.
    pub(crate) fn count(&self, words: &str) -> usize {
        self.said()
            .lines()
            .filter(|line| line.contains(words))
            .count()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself, and tells how.
    #[track_caller]
    pub(crate) fn until_ended(&mut self) -> ExitStatus {
        until("it ends", || !self.runs());
        self.child.wait().unwrap()
    }

    /// Asks it to stop, as a service manager would, and waits.
    #[track_caller]
    pub(crate) fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
        self.until_ended()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ended already, or ended now; either way it is waited for.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("it had said:\n{}", self.said());
        }
    }
}

/// Runs `command` to its end, which must come while the test waits.
#[track_caller]
pub(crate) fn run_bounded(mut command: Command) -> Ran {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Daemon {
        child,
        log: PathBuf::new(),
    };
    until("the command ends", || !child.runs());
    let take = |pipe: Option<&mut dyn std::io::Read>| {
        let mut text = String::new();
        pipe.unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let status = child.child.wait().unwrap();
    Ran {
        code: status.code().unwrap_or(-1),
        out: take(child.child.stdout.as_mut().map(|pipe| pipe as _)),
        err: take(child.child.stderr.as_mut().map(|pipe| pipe as _)),
    }
}
