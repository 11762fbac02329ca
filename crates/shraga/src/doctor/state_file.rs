//! The original's state file: what is wrong with it, and whether it can be saved.

use std::path::Path;

use super::{Case, Finding};
use crate::state::save::{check_folder, keep_aside};
use crate::state::{FILE_NAME, State};

const CHECK: &str = "state file";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let path = Path::new(FILE_NAME);
    let mut found = Vec::new();
    let meta = std::fs::symlink_metadata(path);
    let there = meta.is_ok();
    // What isn't a file was put there by somebody, and can't be kept as one.
    let file = meta.as_ref().is_ok_and(std::fs::Metadata::is_file);
    if meta.is_ok_and(|meta| meta.is_symlink()) {
        let what = format!("{FILE_NAME} is a symbolic link, which is never written through");
        found.push(Finding::error(
            CHECK,
            what,
            "replace the link with the file",
        ));
    }
    let state = State::read(path);
    for problem in &state.problems {
        let what = format!("{FILE_NAME} {problem}");
        let fix = "correct it, or let --fix put it aside; what is good in it is used";
        found.push(Finding::error(CHECK, what, fix));
    }
    if case.fix && file && !state.problems.is_empty() {
        found = vec![put_aside(path, found)];
    }
    if let Err(error) = check_folder(path) {
        let what = format!("it can't be saved: {}", shraga_core::causes::chain(&error));
        found.push(Finding::error(
            CHECK,
            what,
            "let this user write the working directory",
        ));
    }
    if found.is_empty() && there {
        let count = state.shared_workers.len();
        found.push(Finding::ok(
            CHECK,
            format!("{FILE_NAME} is understood, {count} workers in it"),
        ));
    }
    found
}

/// Keeps a broken file under another name.
fn put_aside(path: &Path, found: Vec<Finding>) -> Finding {
    let what: Vec<String> = found.into_iter().map(|finding| finding.what).collect();
    let finding = Finding::error(CHECK, what.join("; "), "put it aside by hand");
    let kept = keep_aside(path).map_err(std::io::Error::other);
    let removed = kept.and_then(|aside| std::fs::remove_file(path).map(|()| aside));
    match removed {
        Ok(aside) => finding.after(&format!("it is kept as {}", aside.display()), Ok(())),
        Err(error) => finding.after("", Err(error)),
    }
}
