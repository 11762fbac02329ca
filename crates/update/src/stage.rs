//! The commit's files in a folder of their own, with their signature checked.
//!
//! It is a clone that borrows the checkout's objects and shares nothing else, not a worktree of it: no setting, hook,
//! filter or signing program that the checkout names is in effect here, and nothing is left in it. The commit is named
//! by its whole name, so a branch that moves meanwhile changes nothing.

use std::path::Path;

use crate::Settings;
use crate::git::{Answer, Git, NoAnswer};
use crate::layout::{Layout, remove};

/// Why there are no files.
#[derive(Debug)]
pub(crate) enum Unstaged {
    /// It says something about the commit.
    Commit(String),
    /// It says something about this machine.
    Machine(String),
}

/// Brings the files of `commit` from `checkout` into the staging folder.
pub(crate) async fn stage(
    settings: &Settings,
    checkout: &Path,
    commit: &str,
    signers: Option<&Path>,
    layout: &Layout,
) -> Result<(), Unstaged> {
    let source = layout.source();
    remove(&source).map_err(machine)?;
    let (from, to) = (checkout.display().to_string(), source.display().to_string());
    let clone = [
        "clone",
        "--quiet",
        "--shared",
        "--no-checkout",
        "--no-tags",
        // Hooks come from templates.
        "--template=",
        "--",
        &from,
        &to,
    ];
    let note = layout.note();
    let git = Git::new(layout.root(), &settings.environment).noting(&note);
    done(git.run(&clone, settings.git_timeout).await)?;
    let git = Git::new(&source, &settings.environment).noting(&note);
    if let Some(signers) = signers {
        signed(&git, commit, signers, settings).await?;
    }
    let checkout = ["checkout", "--quiet", "--detach", commit, "--"];
    done(git.run(&checkout, settings.git_timeout).await)
}

/// Whether somebody of the file signed the commit with her ssh key. Other signatures count for nothing: who may
/// make them isn't in the file.
async fn signed(
    git: &Git,
    commit: &str,
    signers: &Path,
    settings: &Settings,
) -> Result<(), Unstaged> {
    if !signers.is_file() {
        let signers = signers.display();
        let said = format!("the file of allowed signers is missing: {signers}");
        return Err(Unstaged::Machine(said));
    }
    let signers = signers.display().to_string();
    let only_ssh = [
        ("gpg.ssh.allowedSignersFile", signers.as_str()),
        ("gpg.minTrustLevel", "fully"),
        ("gpg.program", "false"),
        ("gpg.openpgp.program", "false"),
        ("gpg.x509.program", "false"),
        ("gpg.ssh.program", "ssh-keygen"),
        ("gpg.ssh.revocationFile", ""),
    ];
    let verify = ["verify-commit", "--", commit];
    let answer = git
        .also(only_ssh)
        .run(&verify, settings.git_timeout)
        .await
        .map_err(|none| Unstaged::Machine(none.to_string()))?;
    match answer.code {
        0 => Ok(()),
        _ => {
            let git = answer.complaint;
            let said = format!("no allowed signer signed the commit (git: {git})");
            Err(Unstaged::Commit(said))
        }
    }
}

/// Git's word that it did it. What it can't do with objects that are here is this machine's.
fn done(answer: Result<Answer, NoAnswer>) -> Result<(), Unstaged> {
    match answer {
        Ok(answer) if answer.code == 0 => Ok(()),
        Ok(answer) => Err(Unstaged::Machine(format!("git: {}", answer.complaint))),
        Err(none) => Err(Unstaged::Machine(none.to_string())),
    }
}

fn machine(error: std::io::Error) -> Unstaged {
    Unstaged::Machine(format!("the staging folder can't be emptied: {error}"))
}
