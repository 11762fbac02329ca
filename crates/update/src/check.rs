//! One check, step by step. Every step that can't be taken ends it with a state that says so.

use std::path::{Path, PathBuf};

use semver::Version;
use shraga_core::update::Release;

use crate::branch::Branch;
use crate::clock::Deadline;
use crate::git::{Git, NoAnswer};
use crate::{Found, Settings, State, version};

/// The exit code of `git ls-remote --exit-code` for "no such branch".
const NO_SUCH_REF: i32 = 2;

/// What answers at a remote that is a folder of this machine; the checkout can't name another program.
const UPLOAD_PACK: &str = "--upload-pack=git-upload-pack";

/// Why a check ends before it could tell: the state, and what git said.
type Ended = (State, Option<String>);

/// Compares the checkout with the configured branch of its remote.
///
/// Takes at most the configured time to talk to the remote, and 10 s for each of a few local
/// commands; leaves no process behind. Never fails: what went wrong is the state.
pub async fn check(settings: &Settings) -> Found {
    let mut found = nothing(settings);
    (found.state, found.detail) = match compare(settings, &mut found).await {
        Ok(told) | Err(told) => told,
    };
    found
}

/// What is known before anything is looked at.
fn nothing(settings: &Settings) -> Found {
    let installed = settings.installed.as_ref();
    Found {
        current: installed.unwrap_or(&settings.running).clone(),
        available: None,
        release: None,
        branch: settings.branch.clone(),
        state: State::Failed,
        checkout: None,
        detail: None,
        installs: installed.is_some(),
    }
}

/// What the branch has, whatever is checked out or installed.
pub(crate) struct Newest {
    /// The checkout whose objects hold it.
    pub(crate) checkout: PathBuf,
    /// The whole name of its commit.
    pub(crate) commit: String,
    /// Its version, with that commit.
    pub(crate) release: Release,
}

/// Looks at the branch as [`check`] does, for whoever takes it into use.
pub(crate) async fn newest(settings: &Settings) -> Result<Newest, Box<Found>> {
    let mut found = nothing(settings);
    let ended = match look(settings, &mut found).await {
        Ok((git, branch, version)) => match commit(&git, &branch).await {
            Ok(commit) => match (Release::new(&version.to_string(), &commit), &found.checkout) {
                (Ok(release), Some(checkout)) => {
                    let checkout = checkout.clone();
                    return Ok(Newest {
                        checkout,
                        commit,
                        release,
                    });
                }
                _ => (State::BadVersion, Some(version.to_string())),
            },
            Err(ended) => ended,
        },
        Err(ended) => ended,
    };
    (found.state, found.detail) = ended;
    Err(Box::new(found))
}

/// The whole name of the branch's commit.
async fn commit(git: &Git, branch: &Branch) -> Result<String, Ended> {
    let name = format!("{}^{{commit}}", branch.tracked());
    let answer = told(
        git.local(&["rev-parse", "--verify", "--end-of-options", &name])
            .await,
    )?;
    match answer.code {
        0 => Ok(answer.out.trim().to_owned()),
        _ => Err((State::Failed, Some(answer.complaint))),
    }
}

async fn compare(settings: &Settings, found: &mut Found) -> Result<Ended, Ended> {
    let (git, branch, newest) = look(settings, found).await?;
    let commit = commit(&git, &branch).await?;
    found.release = Release::new(&newest.to_string(), &commit).ok();
    if !is_newer(&newest, &found.current) {
        return Ok((State::UpToDate, None));
    }
    match found.installs {
        // It is taken from the branch, whatever is checked out.
        true => Ok((State::Available, None)),
        false => obstacle(&git, &branch).await,
    }
}

/// Fetches the branch and reads its version; what is known until then is in `found`.
async fn look(settings: &Settings, found: &mut Found) -> Result<(Git, Branch, Version), Ended> {
    let branch: Branch = settings
        .branch
        .parse()
        .map_err(|_| (State::BadBranch, None))?;
    let checkout = checkout(settings).await?;
    let git = Git::new(&checkout, &settings.environment);
    found.checkout = Some(checkout);
    if !found.installs
        && let Some(told) = version_at(&git, "HEAD").await?
    {
        found.current = told;
    }
    fetch(&git, &branch, settings).await?;
    let Some(text) = version_at(&git, &branch.tracked()).await? else {
        return Err(missing_or_bad(&git, &branch).await);
    };
    let newest = version::parse(&text).ok_or_else(|| (State::BadVersion, Some(text.clone())))?;
    found.available = Some(text);
    Ok((git, branch, newest))
}

/// Whether `newest` is newer than `current`. A version that can't be read is older than any.
fn is_newer(newest: &Version, current: &str) -> bool {
    version::parse(current).is_none_or(|current| *newest > current)
}

/// The top of the first place that is in a work tree.
async fn checkout(settings: &Settings) -> Result<PathBuf, Ended> {
    let mut complaint = None;
    for place in &settings.places {
        if !place.is_dir() {
            complaint.get_or_insert(format!("{} is no folder", place.display()));
            continue;
        }
        let git = Git::new(place, &settings.environment);
        let answer = told(git.local(&["rev-parse", "--show-toplevel"]).await)?;
        let top = Path::new(answer.out.trim_end_matches('\n'));
        if answer.code == 0 && top.is_dir() {
            return Ok(top.to_owned());
        }
        complaint.get_or_insert(format!("{}: {}", place.display(), answer.complaint));
    }
    Err((State::NotARepository, complaint))
}

/// The first line of `VERSION` at `commit`; `None` when there is none.
async fn version_at(git: &Git, commit: &str) -> Result<Option<String>, Ended> {
    let file = format!("{commit}:VERSION");
    let answer = told(
        git.local(&["show", "--no-ext-diff", "--no-textconv", &file])
            .await,
    )?;
    let line = version::first_line(&answer.out).filter(|_| answer.code == 0);
    Ok(line.map(str::to_owned))
}

/// Brings the branch here; says what is missing when it can't.
async fn fetch(git: &Git, branch: &Branch, settings: &Settings) -> Result<(), Ended> {
    let remote = told(git.local(&["remote", "get-url", "--", "origin"]).await)?;
    if remote.code != 0 {
        return Err((State::MissingRemote, None));
    }
    let until = Deadline::after(settings.git_timeout);
    let refspec = format!("+{}:{}", branch.at_remote(), branch.tracked());
    let quietly = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-recurse-submodules",
        // Nothing is fetched later, so all of it is fetched now.
        "--no-filter",
        UPLOAD_PACK,
        "--",
        "origin",
        &refspec,
    ];
    let fetched = told(git.run(&quietly, settings.git_timeout).await)?;
    if fetched.code == 0 {
        return Ok(());
    }
    let wanted = branch.at_remote();
    let ask = [
        "ls-remote",
        "--exit-code",
        "--heads",
        UPLOAD_PACK,
        "--",
        "origin",
        &wanted,
    ];
    match told(git.run(&ask, until.left()).await)?.code {
        NO_SUCH_REF => Err((State::MissingBranch, None)),
        _ => Err((State::Failed, Some(fetched.complaint))),
    }
}

/// Why a fetched branch tells no version.
async fn missing_or_bad(git: &Git, branch: &Branch) -> Ended {
    let tracked = branch.tracked();
    let listed = git
        .local(&["ls-tree", "--name-only", &tracked, "--", "VERSION"])
        .await;
    match told(listed) {
        Ok(answer) if answer.code == 0 && answer.out.trim().is_empty() => {
            (State::MissingVersion, None)
        }
        Ok(_) => (State::BadVersion, None),
        Err(ended) => ended,
    }
}

/// What keeps the checkout from taking the newer version as it is.
async fn obstacle(git: &Git, branch: &Branch) -> Result<Ended, Ended> {
    let attached = told(git.local(&["symbolic-ref", "--quiet", "HEAD"]).await)?;
    if attached.code != 0 {
        return Ok((State::Detached, None));
    }
    let status = [
        "status",
        "--porcelain",
        "--untracked-files=no",
        // Looking into submodules would run git with their settings.
        "--ignore-submodules=dirty",
    ];
    let plain = told(git.without_filters().await)?;
    let changed = told(plain.local(&status).await)?;
    if let Some(first) = changed.out.lines().next() {
        return Ok((State::Dirty, Some(first.trim().to_owned())));
    }
    let tracked = branch.tracked();
    let ahead = told(
        git.local(&["merge-base", "--is-ancestor", "HEAD", &tracked])
            .await,
    )?;
    if ahead.code != 0 {
        let name = attached.out.trim().trim_start_matches("refs/heads/");
        let detail = format!("{name} has commits that {branch} lacks");
        return Ok((State::Diverged, Some(detail)));
    }
    Ok((State::Available, None))
}

fn told<T>(answer: Result<T, NoAnswer>) -> Result<T, Ended> {
    answer.map_err(|none| match none {
        NoAnswer::Missing => (State::GitMissing, None),
        NoAnswer::TooLong(words) => (State::TimedOut, Some(words)),
        NoAnswer::Other(words) => (State::Failed, Some(words)),
    })
}
