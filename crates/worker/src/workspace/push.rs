//! Pushing an attempt's branch: that one branch, from the worker's copy, never by force.

use std::time::Duration;

use shraga_core::worker::{Evidence, Push};

use super::checkout::Checkout;
use super::door::Door;
use super::git::GitError;
use super::{PushPolicy, Workspaces};
use crate::clock;

/// How often a push is tried before its failure is reported. The work is kept either way.
const TRIES: u32 = 3;

/// Wait between two tries.
pub(crate) const PUSH_PAUSE: Duration = Duration::from_secs(5);

impl Checkout {
    /// Pushes the branch if the task asks for it and this worker does. A failure is an answer: the
    /// branch stays in the worker's copy. Between two tries it waits for `pause`.
    pub(crate) async fn push(
        &self,
        workspaces: &Workspaces,
        evidence: &Evidence,
        pause: Duration,
    ) -> Push {
        if !self.push {
            return Push::NotAsked;
        }
        if self.settings.push == PushPolicy::Off {
            return Push::Off;
        }
        if evidence.head == evidence.base {
            return Push::Nothing;
        }
        let mut last = String::new();
        for left in (0..TRIES).rev() {
            match self.push_once(workspaces).await {
                Ok(()) => return Push::Done,
                Err(why) => last = why,
            }
            if left > 0 {
                clock::after(pause).await;
            }
        }
        tracing::warn!(branch = self.branch, why = last, "a branch can't be pushed");
        Push::Failed(last)
    }

    async fn push_once(&self, workspaces: &Workspaces) -> Result<(), String> {
        let door = Door::open(workspaces, &self.address).await;
        let door = door.map_err(|error| error.to_string())?;
        let copy = self.copy().display().to_string();
        let git = door.git(&self.folder).set("GIT_DIR", &copy);
        let spec = format!("refs/heads/{0}:refs/heads/{0}", self.branch);
        let args = [
            "push",
            "--quiet",
            "--no-verify",
            "--no-signed",
            "--no-follow-tags",
            "--recurse-submodules=no",
            "--",
            door.source(),
            &spec,
        ];
        let pushed = git.run(&args).await.map(drop);
        pushed.map_err(|error: GitError| error.to_string())
    }
}
