//! The original's state file, `.orchestrator_state.json` in the working directory: read, never
//! written.
//!
//! Every bad element is named and left out; the good ones are used. Nothing in it is believed
//! unchecked: the admin is compared with who the store says we are.

use std::path::Path;

use shraga_core::ids::{UserId, WorkerId};

/// The file's name.
pub const FILE_NAME: &str = ".orchestrator_state.json";

/// The largest file that is read: thousands of workers fit, a mistaken log file does not.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Who the original thought it was.
    pub admin: Option<UserId>,
    /// Workers it shared tasks among, in its order, each once.
    pub shared_workers: Vec<WorkerId>,
    /// What was wrong with the file, one line each.
    pub problems: Vec<String>,
}

impl State {
    /// Reads the file; a missing one is an empty state without problems.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::default(),
            Err(error) => return Self::broken(format!("can't be read: {error}")),
            Ok(meta) if meta.len() > LARGEST_BYTES => {
                return Self::broken(format!("is larger than {LARGEST_BYTES} bytes"));
            }
            Ok(_) => {}
        }
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(&bytes),
            Err(error) => Self::broken(format!("can't be read: {error}")),
        }
    }

    /// Parses the file's content, keeping what is good.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let value: serde_json::Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => return Self::broken(format!("is not JSON: {error}")),
        };
        let Some(object) = value.as_object() else {
            return Self::broken("is not a JSON object".to_owned());
        };
        let mut state = Self::default();
        state.take_admin(object.get("admin_user_id"));
        state.take_workers(object.get("shared_workers"));
        state
    }

    fn broken(problem: String) -> Self {
        Self {
            problems: vec![problem],
            ..Self::default()
        }
    }

    fn take_admin(&mut self, value: Option<&serde_json::Value>) {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return;
        };
        self.admin = value.as_str().and_then(|text| text.parse().ok());
        if self.admin.is_none() {
            self.problems.push(format!(
                "admin_user_id is {}, which is not a GUID",
                clip(value)
            ));
        }
    }

    fn take_workers(&mut self, value: Option<&serde_json::Value>) {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return;
        };
        let Some(items) = value.as_array() else {
            self.problems
                .push("shared_workers is not a list".to_owned());
            return;
        };
        for (index, item) in items.iter().enumerate() {
            match item.as_str().and_then(|text| text.parse().ok()) {
                Some(worker) if self.shared_workers.contains(&worker) => self
                    .problems
                    .push(format!("shared_workers[{index}] repeats {worker}")),
                Some(worker) => self.shared_workers.push(worker),
                None => self.problems.push(format!(
                    "shared_workers[{index}] is {}, which is not a GUID",
                    clip(item)
                )),
            }
        }
    }
}

/// A bad element for a message: its start, since it may be anything.
fn clip(value: &serde_json::Value) -> String {
    /// Longer than a GUID with its quotes, short enough for a log line.
    const LONGEST_CHARS: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
