//! Git for the demo: with deadlines and none of the person's
//! own configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_process::{ProcessError, ToolError, run_tool};

use crate::config::env;
use crate::exit::{Exit, Failure};

/// How long one git command on a repository of a few files may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The branch everything starts from.
const TRUNK: &str = "main";

/// Runs git in `dir` and returns what it printed, trimmed.
pub(super) async fn git(dir: &Path, args: &[&str]) -> Result<String, Failure> {
    let argv: Vec<_> = std::iter::once("git").chain(args.iter().copied()).collect();
    let output = run_tool(&argv, dir, environment(), DEADLINE).await;
    output
        .map(|text| text.trim().to_owned())
        .map_err(|error| match &error {
            ToolError::Process(ProcessError::Start { .. }) => {
                Failure::from_error(Exit::Failed, error)
                    .hint("the demo works in a git repository: install git")
            }
            ToolError::Process(_)
            | ToolError::TooLong { .. }
            | ToolError::TooMuch { .. }
            | ToolError::Failed { .. } => Failure::from_error(Exit::Failed, error),
        })
}

/// Nothing of the person's configuration: no signing, no hooks, no prompts.
fn environment() -> BTreeMap<String, String> {
    let kept = ["PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SystemRoot"];
    let kept = kept
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), env::lookup(name)?)));
    let set = [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        (
            "GIT_CONFIG_GLOBAL",
            if cfg!(windows) { "NUL" } else { "/dev/null" },
        ),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_AUTHOR_NAME", "Shraga demo"),
        ("GIT_AUTHOR_EMAIL", "demo@localhost"),
        ("GIT_COMMITTER_NAME", "Shraga demo"),
        ("GIT_COMMITTER_EMAIL", "demo@localhost"),
        ("LC_ALL", "C"),
    ];
    let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
    kept.chain(set).collect()
}

/// The demo's repository in `folder`, made when missing, with a first commit.
pub(super) async fn scratch_repository(folder: &Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(folder)?;
    let bare = folder.join("scratch.git");
    if git(folder, &["--git-dir", &text(&bare), "rev-parse", TRUNK])
        .await
        .is_ok()
    {
        return Ok(bare);
    }
    git(
        folder,
        &["init", "--quiet", "--bare", &branch_flag(), &text(&bare)],
    )
    .await?;
    let seed = tempfile::tempdir_in(folder)?;
    git(seed.path(), &["init", "--quiet", &branch_flag()]).await?;
    std::fs::write(
        seed.path().join("README.md"),
        "# Scratch\n\nThe demo's tasks work here, each on a branch of its own.\n",
    )?;
    std::fs::write(
        seed.path().join("words.txt"),
        "many\nhands\nmake\nlight\nwork\n",
    )?;
    git(seed.path(), &["add", "."]).await?;
    git(
        seed.path(),
        &["commit", "--quiet", "-m", "Start the scratch repository"],
    )
    .await?;
    git(seed.path(), &["push", "--quiet", &text(&bare), TRUNK]).await?;
    Ok(bare)
}

/// A fresh clone of `repository` in `dir/repo`, on a branch for `task`. What an earlier attempt left
/// there goes: its work is on the branch.
pub(super) async fn checkout(repository: &str, dir: &Path, task: &str) -> Result<PathBuf, Failure> {
    let clone = dir.join("repo");
    if clone.symlink_metadata().is_ok() {
        std::fs::remove_dir_all(&clone)?;
    }
    git(dir, &["clone", "--quiet", "--", repository, &text(&clone)]).await?;
    git(&clone, &["checkout", "--quiet", "-b", &branch(task)]).await?;
    Ok(clone)
}

/// Commits everything in `clone` and publishes the branch of `task`. Returns the commit.
pub(super) async fn publish(clone: &Path, task: &str, message: &str) -> Result<String, Failure> {
    git(clone, &["add", "--all"]).await?;
    git(clone, &["commit", "--quiet", "-m", message]).await?;
    // An earlier attempt that was lost after this point may have pushed already.
    let target = format!("+HEAD:refs/heads/{}", branch(task));
    git(clone, &["push", "--quiet", "origin", &target]).await?;
    git(clone, &["rev-parse", "--short=12", "HEAD"]).await
}

/// The commit at the end of the branch of `task` in `repository`.
pub(super) async fn commit_of(repository: &Path, task: &str) -> Result<String, Failure> {
    let reference = format!("refs/heads/{}^{{commit}}", branch(task));
    let parent = repository.parent().unwrap_or(repository);
    let args = [
        "--git-dir",
        &text(repository),
        "rev-parse",
        "--verify",
        "--short=12",
        &reference,
    ];
    git(parent, &args).await
}

fn branch(task: &str) -> String {
    format!("task/{task}")
}

fn branch_flag() -> String {
    format!("--initial-branch={TRUNK}")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
