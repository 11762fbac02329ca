//! The stored form of what an attempt did to a repository.

use serde::{Deserialize, Serialize};
use shraga_core::worker::{ChangedFile, Commit, Evidence, Push};

/// See the module. Fields are only ever added, with defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoredEvidence {
    repository: String,
    branch: String,
    base: String,
    head: String,
    unfinished: bool,
    commits: Vec<(String, String)>,
    commit_count: u64,
    files: Vec<(String, Option<u64>, Option<u64>)>,
    file_count: u64,
    push: StoredPush,
    push_failure: Option<String>,
    notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredPush {
    #[default]
    NotAsked,
    Off,
    Nothing,
    Done,
    Failed,
}

impl From<&Evidence> for StoredEvidence {
    fn from(evidence: &Evidence) -> Self {
        let commit = |it: &Commit| (it.id.clone(), it.subject.clone());
        let file = |it: &ChangedFile| (it.path.clone(), it.added, it.removed);
        Self {
            repository: evidence.repository.clone(),
            branch: evidence.branch.clone(),
            base: evidence.base.clone(),
            head: evidence.head.clone(),
            unfinished: evidence.unfinished,
            commits: evidence.commits.iter().map(commit).collect(),
            commit_count: evidence.commit_count,
            files: evidence.files.iter().map(file).collect(),
            file_count: evidence.file_count,
            push: match evidence.push {
                Push::NotAsked => StoredPush::NotAsked,
                Push::Off => StoredPush::Off,
                Push::Nothing => StoredPush::Nothing,
                Push::Done => StoredPush::Done,
                Push::Failed(_) => StoredPush::Failed,
            },
            push_failure: evidence.push.failure().map(str::to_owned),
            notes: evidence.notes.clone(),
        }
    }
}

impl From<StoredEvidence> for Evidence {
    fn from(stored: StoredEvidence) -> Self {
        let commit = |(id, subject)| Commit { id, subject };
        let file = |(path, added, removed)| ChangedFile {
            path,
            added,
            removed,
        };
        Self {
            repository: stored.repository,
            branch: stored.branch,
            base: stored.base,
            head: stored.head,
            unfinished: stored.unfinished,
            commits: stored.commits.into_iter().map(commit).collect(),
            commit_count: stored.commit_count,
            files: stored.files.into_iter().map(file).collect(),
            file_count: stored.file_count,
            push: match stored.push {
                StoredPush::NotAsked => Push::NotAsked,
                StoredPush::Off => Push::Off,
                StoredPush::Nothing => Push::Nothing,
                StoredPush::Done => Push::Done,
                StoredPush::Failed => Push::Failed(stored.push_failure.unwrap_or_default()),
            },
            notes: stored.notes,
        }
    }
}
