//! Attempts' folders: what they take of the disk cap, and what will never be removed by itself.

use std::path::Path;

use shraga_worker::{Holdings, holdings};

use super::{Case, Finding};
use crate::roles::worker::{data_folder, keeping, work_folder};

const CHECK: &str = "retention";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let root = work_folder(case.config, &data_folder(case.config));
    let cap = keeping(case.config).cap_bytes;
    let workers = std::fs::read_dir(root).into_iter().flatten().flatten();
    workers
        .map(|worker| worker.path())
        .filter(|worker| worker.join("tasks").is_dir())
        .flat_map(|worker| judge(&worker, &holdings(&worker), cap))
        .collect()
}

fn judge(worker: &Path, holds: &Holdings, cap: Option<u64>) -> Vec<Finding> {
    let place = worker.display();
    let (megabytes, cap_megabytes) = (holds.bytes / 1_000_000, cap.unwrap_or(0) / 1_000_000);
    let mut found = Vec::new();
    if cap.is_some_and(|cap| holds.bytes > cap) {
        let what = format!(
            "{place} takes {megabytes} MB, more than `worker.disk_cap_gb` allows ({cap_megabytes} MB): \
             unless something may be removed, its worker takes nothing new"
        );
        let fix = "raise `worker.disk_cap_gb`, or remove attempts you have looked at by hand";
        found.push(Finding::warning(CHECK, what, fix));
    } else if holds.attempts > 0 {
        let what = format!(
            "{place} takes {megabytes} MB for {} attempts",
            holds.attempts
        );
        found.push(Finding::ok(CHECK, what));
    }
    if holds.unaccepted > 0 {
        let (count, all) = (holds.unaccepted, holds.attempts);
        let what = format!(
            "{count} of {all} attempts in {place} run, or are not known to be in the store: \
             their folders stay"
        );
        found.push(Finding::ok(CHECK, what));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn a_folder_over_its_cap_is_a_warning_with_both_numbers() {
        let holds = Holdings {
            bytes: 2_000_000_000,
            attempts: 3,
            unaccepted: 1,
        };
        let found = judge(Path::new("/w"), &holds, Some(1_000_000_000));
        assert_eq!(found[0].severity, Severity::Warning);
        let what = found[0].what.as_str();
        assert!(
            what.contains("2000 MB") && what.contains("1000 MB"),
            "{what}"
        );
        assert_eq!(found.len(), 2);
        let found = judge(Path::new("/w"), &holds, None);
        assert!(found.iter().all(|finding| finding.severity == Severity::Ok));
    }
}
