//! Real git repositories, and programs of a test's own making that stand before the real ones on `PATH`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::until;

/// An origin and a checkout of it, below `root`.
pub(crate) struct Repos {
    pub(crate) origin: PathBuf,
    pub(crate) checkout: PathBuf,
}

impl Repos {
    /// Both with one commit on `main` that says this version.
    pub(crate) fn at(root: &Path, version: &str) -> Self {
        let repos = Self {
            origin: root.join("origin"),
            checkout: root.join("checkout"),
        };
        fs::create_dir(&repos.origin).unwrap();
        git(&repos.origin, &["init", "--quiet", "--initial-branch=main"]);
        release(&repos.origin, "main", version);
        let (from, to) = (repos.origin.display(), repos.checkout.display());
        git(
            root,
            &["clone", "--quiet", &from.to_string(), &to.to_string()],
        );
        repos
    }
}

/// Commits this version on this branch, which is made if need be, and stays on it.
pub(crate) fn release(repo: &Path, branch: &str, version: &str) {
    let on_it = ["checkout", "--quiet", "-B", branch];
    git(repo, &on_it);
    fs::write(repo.join("VERSION"), format!("{version}\n")).unwrap();
    git(repo, &["add", "VERSION"]);
    git(repo, &["commit", "--quiet", "--message", version]);
}

/// Runs the real git, which has to succeed.
pub(crate) fn git(dir: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {args:?}: {said}");
}

/// A folder with a program called `name` that is this shell script; what comes before the real one.
/// `REAL` in the script is the real program.
pub(crate) fn in_front(root: &Path, name: &str, script: &str) -> OsString {
    let folder = root.join("bin");
    fs::create_dir_all(&folder).unwrap();
    let real = path_of(name).map(|path| path.display().to_string());
    let script = script.replace("REAL", real.as_deref().unwrap_or("false"));
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let mut paths = vec![folder];
    paths.extend(search_path());
    std::env::join_paths(paths).unwrap()
}

/// A search path on which there is nothing but a shell and what it needs least.
pub(crate) fn bare_path(root: &Path) -> OsString {
    let folder = root.join("bare");
    fs::create_dir_all(&folder).unwrap();
    for tool in ["sh", "cat", "sleep"] {
        let real = path_of(tool).unwrap();
        std::os::unix::fs::symlink(real, folder.join(tool)).ok();
    }
    folder.into_os_string()
}

fn path_of(name: &str) -> Option<PathBuf> {
    search_path()
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn search_path() -> Vec<PathBuf> {
    let path = std::env::vars_os().find(|(name, _)| name == "PATH");
    path.map(|(_, path)| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}

/// A git that hangs in `verb`, deaf to being asked to end, with a child of its own that holds its
/// output open. Both write their process numbers to `pids`.
pub(crate) fn hanging_git(root: &Path, verb: &str) -> OsString {
    let pids = pids(root);
    let script = format!(
        "case \"$1\" in {verb}) trap '' TERM; sleep 600 & echo $! >>{pids}; echo $$ >>{pids}; wait; sleep 600;; esac\nexec REAL \"$@\"",
        pids = pids.display()
    );
    in_front(root, "git", &script)
}

/// Where [`hanging_git`] writes process numbers.
pub(crate) fn pids(root: &Path) -> PathBuf {
    root.join("pids")
}

/// The process numbers so far.
pub(crate) fn hung(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(pids(root)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until none of what hung runs any more.
pub(crate) fn until_gone(root: &Path) {
    let pids = hung(root);
    assert!(pids.len() >= 2, "git and its child have run: {pids:?}");
    until("git and its child are gone", || {
        !pids.iter().any(|pid| runs(pid))
    });
}

/// Whether the process runs; one that ended and was not yet asked after does not.
pub(crate) fn runs(pid: &str) -> bool {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        return !stat.contains(") Z ");
    }
    let asked = Command::new("kill")
        .args(["-0", pid])
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}
