//! Results that are on disk and not in the store: a worker that runs again sends them.

use std::path::{Path, PathBuf};

use super::{Case, Finding};
use crate::roles::worker::{data_folder, work_folder};

const CHECK: &str = "outbox";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let root = work_folder(case.config, &data_folder(case.config));
    let workers = std::fs::read_dir(root).into_iter().flatten().flatten();
    workers.flat_map(|worker| of(&worker.path())).collect()
}

/// Of one worker's folder.
fn of(worker: &Path) -> Vec<Finding> {
    let outbox = worker.join("outbox");
    let count = |extension: &str| files(&outbox, extension).len();
    let (unsent, spoiled) = (count("json"), count("spoiled"));
    let place = outbox.display();
    let mut found = Vec::new();
    if unsent > 0 {
        let what = format!("{unsent} reports in {place} are not in the store yet");
        let fix = "start that worker again, under the same name: it sends them";
        found.push(Finding::warning(CHECK, what, fix));
    }
    if spoiled > 0 {
        let what = format!("{spoiled} reports in {place} can't be read");
        let fix = "look at them by hand: the result of an attempt is in them";
        found.push(Finding::error(CHECK, what, fix));
    }
    found
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|of| of == extension))
        .collect()
}
