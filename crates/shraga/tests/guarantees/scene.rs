//! A real store, a server in front of it that misbehaves on command, and processes that go through that.

use std::process::Command;

use shraga_testkit::evil::{Act, Evil};

use crate::common::{Place, Running};
use crate::daemon::{Daemon, run_bounded};

/// Seconds one request may take in these tests: short, so that a passed deadline is soon seen.
const REQUEST_TIMEOUT: &str = "2";

/// The store looks at its rows every second, woken or not.
const CONFIG: &str = "[assign]\ntick_seconds = 1\n";

pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) evil: Evil,
    _store: Running,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let place = Place::with_config(CONFIG);
        let store = place.start(&["serve"]);
        let url = place.endpoint()["url"].as_str().unwrap().to_owned();
        let behind = url.trim_start_matches("http://").parse().unwrap();
        Self {
            place,
            evil: Evil::before(behind),
            _store: store,
        }
    }

    /// A command that reaches the store through the misbehaving server, as the admin.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_to(&self.evil.url(), args)
    }

    /// The same to another address.
    pub(crate) fn command_to(&self, url: &str, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command
            .env("DATAVERSE_URL", url)
            .env("DATAVERSE_TOKEN", self.admin_token())
            .env("REQUEST_TIMEOUT", REQUEST_TIMEOUT);
        command
    }

    /// An orchestrator that has mirrored a first task through the misbehaving server.
    pub(crate) fn orchestrate(&self) -> Daemon {
        let daemon = Daemon::start(&self.place, self.command(&["orchestrate"]));
        let first = self.place.submit(&["before"]);
        self.place.until_status(&first, "Queued");
        daemon
    }

    pub(crate) fn admin_token(&self) -> String {
        let token = std::fs::read_to_string(self.place.data().join("admin.token"));
        token.unwrap().trim().to_owned()
    }

    /// What a running orchestrator does when this begins, and after it ends: it goes on running, says these words
    /// (with what to do), and afterwards mirrors what was filed meanwhile, once.
    #[track_caller]
    pub(crate) fn outlasts(&self, act: Act, words: &[&str]) {
        let mut daemon = self.orchestrate();
        self.evil.always(act);
        let task = self.place.submit(&["meanwhile"]);
        daemon.until_said(words);
        self.evil.always(Act::Pass);
        self.comes_home(&mut daemon, &task);
        assert!(daemon.stop().success());
    }

    /// Waits until the task is mirrored, and sees that it is so once.
    #[track_caller]
    pub(crate) fn comes_home(&self, daemon: &mut Daemon, task: &str) {
        self.place.until_status(task, "Queued");
        assert!(daemon.runs(), "{}", daemon.said());
        let mirrors = self.mirrors(task.parse().unwrap());
        assert_eq!(mirrors.len(), 1, "{}", daemon.said());
    }

    /// What `args` prints and how it ends when the misbehaving server does this from the beginning.
    #[track_caller]
    pub(crate) fn ends(&self, act: Act, args: &[&str], code: i32, words: &[&str]) {
        self.evil.always(act);
        run_bounded(self.command(args)).fails(code, words);
    }
}
