//! A place with a vendor's program, a model for it to talk to, and everything of ours running.

use std::path::Path;

use serde_json::Value;
use shraga_testkit::model::{Model, Turn};

use crate::common::{Place, Running, until};

/// Everything that one test needs.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) model: Model,
    running: Option<Running>,
}

impl Scene {
    /// With this configuration, and this model.
    pub(crate) fn new(config: &str, turns: impl IntoIterator<Item = Turn>) -> Self {
        let model = Model::start(turns);
        let place = Place::with_config(&config.replace("MODEL", &model.url()));
        let running = Some(start(&place, &model));
        Self {
            place,
            model,
            running,
        }
    }

    /// Kills everything of ours without warning, but for what looks after agents, and starts it again.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.running.take().expect("it runs").kill();
        self.running = Some(start(&self.place, &self.model));
    }

    /// Files a task, and waits until it has this status.
    pub(crate) fn task(&self, args: &[&str], status: &str) -> Value {
        let id = self.place.submit(args);
        self.place.until_status(&id, status)
    }

    /// Waits until the log of the task has this in it; all of it.
    pub(crate) fn until_said(&self, id: &str, words: &str) -> String {
        let mut said = String::new();
        until(&format!("{words:?} is said"), || {
            said = self.place.run(&["logs", id]).out;
            said.contains(words)
        });
        said
    }

    /// Waits until `why` says this of the task; all it says.
    pub(crate) fn until_why(&self, id: &str, words: &str) -> String {
        let mut said = String::new();
        until(&format!("why says {words:?}"), || {
            said = self.place.run(&["why", id]).out;
            said.contains(words)
        });
        said
    }

    /// The request that was answered `number`th, as text.
    pub(crate) fn request(&self, number: usize) -> String {
        self.model.seen()[number].body.to_string()
    }
}

fn start(place: &Place, model: &Model) -> Running {
    let url = model.url();
    let env = [
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", "dummy"),
        ("CLAUDE_CODE_MAX_RETRIES", "0"),
        ("OPENAI_API_KEY", "dummy"),
        ("GIT_AUTHOR_NAME", "a"),
        ("GIT_AUTHOR_EMAIL", "a@example.com"),
        ("GIT_COMMITTER_NAME", "a"),
        ("GIT_COMMITTER_EMAIL", "a@example.com"),
    ];
    let env = env.map(|(name, value)| (name, Path::new(value)));
    place.start_with(&["up"], &env)
}

/// The program that the variable names. Without it nothing is tested, so nothing passes.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever installs the programs says where they are"
)]
pub(crate) fn program(variable: &str) -> String {
    let named = std::env::var(variable);
    named.unwrap_or_else(|_| panic!("{variable} names no program: run `cargo xtask interop`"))
}
