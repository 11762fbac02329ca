//! What the agents wrote down: which attempts ran, when, in which process, and how each ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::clock::Moment;

/// One run of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) attempt: u32,
    pub(crate) pid: u32,
    pub(crate) worker: String,
    pub(crate) begun: Moment,
    /// When and how it ended, if it came to that.
    pub(crate) ended: Option<(Moment, String)>,
}

/// The runs of each task, by its name, in the order in which they began.
pub(crate) fn read(folder: &Path) -> BTreeMap<String, Vec<Run>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            Some((entry.file_name().to_str()?.to_owned(), runs(&text)))
        })
        .collect()
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [at, what, attempt, pid, worker] = words.as_slice() else {
            continue;
        };
        let (Ok(at), Ok(attempt), Ok(pid)) = (at.parse(), attempt.parse(), pid.parse()) else {
            continue;
        };
        if *what == "begin" {
            runs.push(Run {
                attempt,
                pid,
                worker: (*worker).to_owned(),
                begun: at,
                ended: None,
            });
        } else if let Some(run) = runs
            .iter_mut()
            .rev()
            .find(|run| run.pid == pid && run.attempt == attempt)
        {
            run.ended = Some((at, (*what).to_owned()));
        }
    }
    runs
}
