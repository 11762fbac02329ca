//! The record of updates, in a file: read whole, written whole or not at all.
//!
//! A record that can't be read counts as none, and says so: it holds no installation, only what was under way and what
//! failed, so that the worst that follows is one more try.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use shraga_core::time::Timestamp;
use shraga_core::update::{Failed, Record, Release, Step, UnderWay};

use crate::durable::replace;

/// Form of the file.
const FORM: u32 = 1;

const STEPS: [Step; 6] = [
    Step::Stage,
    Step::Build,
    Step::Test,
    Step::Install,
    Step::Swap,
    Step::Health,
];

#[derive(Serialize, Deserialize)]
struct Stored {
    form: u32,
    under_way: Option<StoredUnderWay>,
    failed: Vec<StoredFailed>,
}

#[derive(Serialize, Deserialize)]
struct StoredUnderWay {
    to: String,
    from: Option<String>,
    step: String,
    tries: u32,
    since_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredFailed {
    release: String,
    step: Option<String>,
    said: String,
    at_ms: i64,
}

/// The record in `path`; an empty one when there is none, or none that can be understood.
pub(crate) fn read(path: &Path) -> Record {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Record::default(),
        Err(error) => return unreadable(path, &error.to_string()),
    };
    let stored: Stored = match serde_json::from_slice(&text) {
        Ok(stored) => stored,
        Err(error) => return unreadable(path, &error.to_string()),
    };
    if stored.form != FORM {
        return unreadable(path, &format!("it has form {}", stored.form));
    }
    Record {
        under_way: stored.under_way.and_then(under_way),
        failed: stored.failed.into_iter().filter_map(failed).collect(),
    }
}

/// Writes the record to `path`; after a crash there is this one or the one before.
pub(crate) fn write(path: &Path, record: &Record) -> io::Result<()> {
    let stored = Stored {
        form: FORM,
        under_way: record.under_way.as_ref().map(|going| StoredUnderWay {
            to: going.to.to_string(),
            from: going.from.as_ref().map(ToString::to_string),
            step: going.step.as_str().to_owned(),
            tries: going.tries,
            since_ms: going.since.as_millis(),
        }),
        failed: record.failed.iter().map(stored_failed).collect(),
    };
    replace(path, &serde_json::to_vec_pretty(&stored)?)
}

fn stored_failed(failed: &Failed) -> StoredFailed {
    StoredFailed {
        release: failed.release.to_string(),
        step: failed.step.map(|step| step.as_str().to_owned()),
        said: failed.said.clone(),
        at_ms: failed.at.as_millis(),
    }
}

fn unreadable(path: &Path, why: &str) -> Record {
    let path = path.display();
    tracing::warn!(%path, "the record of updates can't be read and counts as empty: {why}");
    Record::default()
}

fn step(word: &str) -> Option<Step> {
    STEPS.into_iter().find(|step| step.as_str() == word)
}

fn under_way(stored: StoredUnderWay) -> Option<UnderWay> {
    Some(UnderWay {
        to: stored.to.parse().ok()?,
        from: stored.from.and_then(|from| from.parse::<Release>().ok()),
        step: step(&stored.step)?,
        tries: stored.tries,
        since: Timestamp::from_millis(stored.since_ms),
    })
}

fn failed(stored: StoredFailed) -> Option<Failed> {
    Some(Failed {
        release: stored.release.parse().ok()?,
        step: stored.step.as_deref().and_then(step),
        said: stored.said,
        at: Timestamp::from_millis(stored.at_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_torn_one_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        assert_eq!(read(&path), Record::default());
        let release = Release::new("1.0.0", &"a".repeat(40)).unwrap();
        for step in STEPS {
            let record = Record {
                under_way: Some(UnderWay {
                    to: release.clone(),
                    from: Some(release.clone()),
                    step,
                    tries: 2,
                    since: Timestamp::from_millis(7),
                }),
                failed: vec![Failed {
                    release: release.clone(),
                    step: None,
                    said: "no".to_owned(),
                    at: Timestamp::from_millis(8),
                }],
            };
            write(&path, &record).unwrap();
            assert_eq!(read(&path), record);
        }
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(read(&path), Record::default());
    }
}
