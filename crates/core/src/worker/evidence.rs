//! What an attempt did to a repository, as it can be checked: commits and changed files.
//!
//! It is taken from git by the worker, never from what an agent says. Subjects and paths are an
//! agent's words all the same: they are bounded here, and whoever shows them cleans them.

use crate::json::Object;
use crate::limits;

/// Commits named one by one; more are counted.
pub const COMMITS: usize = 50;

/// Files named one by one; more are counted.
pub const FILES: usize = 200;

/// Longest subject, path or note that is kept.
const TEXT_UNITS: usize = 200;

/// A commit of the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its whole id.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
}

/// A file that differs from the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path in the repository.
    pub path: String,
    /// Lines added; `None` for a binary file.
    pub added: Option<u64>,
    /// Lines removed; `None` for a binary file.
    pub removed: Option<u64>,
}

/// What became of pushing the branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Push {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// It was asked for, and this worker doesn't push.
    Off,
    /// There was no commit to push.
    Nothing,
    /// The branch is at the repository.
    Done,
    /// It failed, for this reason; the branch is kept in the attempt's folder.
    Failed(String),
}

impl Push {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::Off => "off",
            Self::Nothing => "nothing-to-push",
            Self::Done => "done",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(why) => Some(why),
            Self::NotAsked | Self::Off | Self::Nothing | Self::Done => None,
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The repository's address, as the task names it.
    pub repository: String,
    /// The attempt's own branch.
    pub branch: String,
    /// The commit it began from.
    pub base: String,
    /// The commit it ended at.
    pub head: String,
    /// Whether the head is a commit of the worker's, with what the agent left uncommitted.
    pub unfinished: bool,
    /// The newest commits, newest first.
    pub commits: Vec<Commit>,
    /// All commits.
    pub commit_count: u64,
    /// The first changed files, by path.
    pub files: Vec<ChangedFile>,
    /// All changed files.
    pub file_count: u64,
    /// Whether the branch was pushed.
    pub push: Push,
    /// What is missing from it, and why: files too large, a repository that can't be read.
    pub notes: Vec<String>,
}

impl Evidence {
    /// As a part of `cr_output`.
    pub(crate) fn to_json(&self) -> Object {
        let short = |text: &str| limits::head(text, TEXT_UNITS);
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let commits = self.commits.iter().take(COMMITS).map(|commit| {
            let subject = short(&commit.subject);
            Object::new()
                .text("id", &commit.id)
                .text("subject", subject)
        });
        let files = self.files.iter().take(FILES).map(|file| {
            let path = Object::new().text("path", short(&file.path));
            match (file.added, file.removed) {
                (Some(added), Some(removed)) => path
                    .int("added", count(added))
                    .int("removed", count(removed)),
                _ => path,
            }
        });
        let notes: Vec<String> = self.notes.iter().map(|note| short(note)).collect();
        Object::new()
            .text("repository", &self.repository)
            .text("branch", &self.branch)
            .text("base", &self.base)
            .text("head", &self.head)
            .text("push", self.push.as_str())
            .known("push_failure", self.push.failure().map(short))
            .int("unfinished", i64::from(self.unfinished))
            .objects("commits", commits)
            .int("commit_count", count(self.commit_count))
            .objects("files", files)
            .int("file_count", count(self.file_count))
            .list("notes", &notes)
    }

    /// One line for a person: `2 commits, 3 files on shraga/.../attempt-1`.
    #[must_use]
    pub fn summary(&self) -> String {
        let plural = |count: u64, one: &str| match count {
            1 => format!("1 {one}"),
            more => format!("{more} {one}s"),
        };
        let done = format!(
            "{}, {} on {}",
            plural(self.commit_count, "commit"),
            plural(self.file_count, "file"),
            self.branch
        );
        match &self.push {
            Push::Failed(why) => format!("{done}; not pushed: {why}"),
            Push::Off => format!("{done}; not pushed: this worker doesn't push"),
            Push::Done => format!("{done}, pushed"),
            Push::NotAsked | Push::Nothing => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_within_its_bounds_whatever_an_agent_names_its_files() {
        let file = |at: usize| ChangedFile {
            path: format!("{at}\u{1b}[2J\n{}", "x".repeat(10_000)),
            added: (at > 0).then_some(3),
            removed: (at > 0).then_some(1),
        };
        let evidence = Evidence {
            branch: "shraga/t/attempt-1".to_owned(),
            commits: vec![
                Commit {
                    id: "c".repeat(40),
                    subject: "s".repeat(10_000)
                };
                1_000
            ],
            commit_count: 1_000,
            files: (0..1_000).map(file).collect(),
            file_count: 1_000,
            push: Push::Failed("no network".to_owned()),
            ..Evidence::default()
        };
        let text = evidence.to_json().finish();
        assert!(text.len() < limits::MEMO_UNITS, "{}", text.len());
        assert!(
            !text.contains('\u{1b}') && !text.contains('\n'),
            "they are escaped"
        );
        assert!(text.contains(r#""commit_count":1000"#), "{text}");
        assert!(
            text.contains(r#""push":"failed","push_failure":"no network""#),
            "{text}"
        );
        assert_eq!(
            evidence.summary(),
            "1000 commits, 1000 files on shraga/t/attempt-1; not pushed: no network"
        );
    }
}
