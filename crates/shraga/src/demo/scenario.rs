//! The demo's tasks, and how each should end.

use std::path::Path;

use serde_json::json;
use shraga_core::status::TaskStatus;

use super::AGENT;
use crate::cli::submit::Draft;

/// A task of the demo.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Its name.
    pub(super) name: &'static str,
    /// What is asked for, in words.
    words: &'static str,
    /// What the demo's agent is to do about it.
    action: &'static str,
    /// How it should end.
    pub(super) expected: TaskStatus,
    /// How many attempts it should take.
    pub(super) attempts: u32,
    /// Whether it should leave a commit on its branch.
    pub(super) commits: bool,
}

/// All tasks, in the order in which they are filed: the long ones first, so that the short ones run
/// beside them.
pub(super) fn pieces() -> Vec<Piece> {
    let completed = |name, words, action, commits| Piece {
        name,
        words,
        action,
        expected: TaskStatus::Completed,
        attempts: 1,
        commits,
    };
    vec![
        completed(
            "Find primes",
            "Find all primes below 200,000, write them to primes.txt and commit the file.",
            "primes",
            true,
        ),
        Piece {
            name: "Keep watch",
            words: "Watch the repository until somebody cancels this task.",
            action: "watch",
            expected: TaskStatus::Canceled,
            attempts: 1,
            commits: false,
        },
        Piece {
            name: "Write changelog",
            words: "Write CHANGELOG.md from the history and commit it. (The first try fails.)",
            action: "changelog",
            expected: TaskStatus::Completed,
            attempts: 2,
            commits: true,
        },
        completed(
            "Say hello",
            "Write a greeting to hello.txt and commit it.",
            "hello",
            true,
        ),
        completed(
            "Count lines",
            "Count the lines of every file in the repository.",
            "count",
            false,
        ),
        completed(
            "Check repository",
            "Check the repository's objects and say how many commits it has.",
            "check",
            false,
        ),
    ]
}

impl Piece {
    /// The task as it is filed.
    pub(super) fn draft(&self, repository: &Path) -> Draft {
        let Self { words, action, .. } = self;
        Draft {
            name: self.name.to_owned(),
            prompt: format!(
                "{words}\n\nrepository: {}\naction: {action}\n",
                repository.display()
            ),
            input: json!({ "agent": AGENT }),
            priority: 0,
            beside: Vec::new(),
        }
    }
}
