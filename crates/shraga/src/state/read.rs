//! Reading the state file: every bad element is named and left out, the good ones are used.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::{Map, Value};
use shraga_core::ids::{UserId, WorkerId};

/// The largest file that is read: thousands of workers fit, a mistaken log file does not.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// How a UTF-8 file may begin, as some editors have it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where the admin is named.
pub(super) const ADMIN: &str = "admin_user_id";

/// Where workers are listed.
pub(super) const WORKERS: &str = "shared_workers";

/// Bad elements that are named one by one; of more, how many there are.
const NAMED: usize = 20;

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

/// What is at the file's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// Something whose content can't be had: it is left alone.
    Closed(String),
    /// A file with more in it than is read.
    TooLarge,
    /// A file's content.
    Bytes(Vec<u8>),
}

impl State {
    /// Reads the file; a missing one is an empty state without problems.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        match find(path) {
            Found::Nothing => Self::default(),
            Found::Closed(problem) => Self::broken(problem),
            Found::TooLarge => Self::broken(format!("is larger than {LARGEST_BYTES} bytes")),
            Found::Bytes(bytes) => Self::parse(&bytes),
        }
    }

    /// What the file says, if it is there and can be understood as a whole.
    ///
    /// # Errors
    /// What it is instead.
    pub(super) fn understood(path: &Path) -> Result<Self, String> {
        match find(path) {
            Found::Nothing => Err("is gone".to_owned()),
            Found::Closed(problem) => Err(problem),
            Found::TooLarge => Err(format!("is larger than {LARGEST_BYTES} bytes")),
            Found::Bytes(bytes) => object(&bytes).map(|object| Self::of(&object)),
        }
    }

    /// Parses the file's content, keeping what is good.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        match object(bytes) {
            Ok(object) => Self::of(&object),
            Err(problem) => Self::broken(problem),
        }
    }

    /// What the file's object says.
    pub(super) fn of(object: &Map<String, Value>) -> Self {
        let mut state = Self::default();
        state.take_admin(object.get(ADMIN));
        state.take_workers(object.get(WORKERS));
        let more = state.problems.len().saturating_sub(NAMED);
        if more > 0 {
            state.problems.truncate(NAMED);
            state.problems.push(format!("has {more} more bad elements"));
        }
        state
    }

    fn broken(problem: String) -> Self {
        Self {
            problems: vec![problem],
            ..Self::default()
        }
    }

    fn take_admin(&mut self, value: Option<&Value>) {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return;
        };
        self.admin = value.as_str().and_then(|text| text.parse().ok());
        if self.admin.is_none() {
            let value = clip(value);
            self.problems
                .push(format!("{ADMIN} is {value}, which is not a GUID"));
        }
    }

    fn take_workers(&mut self, value: Option<&Value>) {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return;
        };
        let Some(items) = value.as_array() else {
            self.problems.push(format!("{WORKERS} is not a list"));
            return;
        };
        let mut known = std::collections::HashSet::new();
        for (index, item) in items.iter().enumerate() {
            match item.as_str().and_then(|text| text.parse().ok()) {
                Some(worker) if known.insert(worker) => self.shared_workers.push(worker),
                Some(worker) => self
                    .problems
                    .push(format!("{WORKERS}[{index}] repeats {worker}")),
                None => self.problems.push(format!(
                    "{WORKERS}[{index}] is {}, which is not a GUID",
                    clip(item)
                )),
            }
        }
    }
}

/// Looks what is there, and reads it if it is a file of a sensible size. Nothing that could be waited
/// for, such as a pipe, is opened.
pub(super) fn find(path: &Path) -> Found {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(meta) if meta.is_dir() => return Found::Closed("is a folder".to_owned()),
        Ok(_) => return Found::Closed("is not a file".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match std::fs::symlink_metadata(path) {
                Ok(_) => Found::Closed("is a link to nothing".to_owned()),
                Err(_) => Found::Nothing,
            };
        }
        Err(error) => return Found::Closed(format!("can't be read: {error}")),
    }
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(size) if size as u64 > LARGEST_BYTES => Found::TooLarge,
        Ok(_) => Found::Bytes(bytes),
        Err(error) => Found::Closed(format!("can't be read: {error}")),
    }
}

/// The object that the file's content is, or what else it is.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err("is UTF-16: save it as UTF-8".to_owned());
    }
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("is not a JSON object".to_owned()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

/// A bad element for a message: its start, since it may be anything.
fn clip(value: &Value) -> String {
    /// Longer than a GUID with its quotes, short enough for a log line.
    const LONGEST_CHARS: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
