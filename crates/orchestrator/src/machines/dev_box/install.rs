//! What makes a worker of a Dev Box: one customization group with one task, run as the machine, which installs
//! `shraga worker` and starts it with the machine's own token.
//!
//! There is one group of a name on a box, and it runs once: that it is there is what says that it was asked for, also to
//! an orchestrator that starts anew. A task that waits for the box's person is trouble that only she ends.
//!
//! A worker has one valid token. One whose group's request was lost is used for the next request, or revoked where
//! nobody knows it any more; and all are revoked before a box of that name is made or deleted.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use shraga_core::machine::{Serves, Trouble, TroubleClass};
use shraga_core::plan::machines::Act;
use shraga_core::time::Timestamp;
use shraga_dataverse::{Role, TokenRequest};
use shraga_devcenter::{BoxId, Group, GroupName, GroupState, RunAs, Task, TaskSeen};

use super::words::trouble;
use super::{DevBoxes, Error};

/// The group's name.
const GROUP: &str = "shraga-worker";

/// How long the task may take: a download and an installation.
const TIMEOUT_SECONDS: u32 = 1800;

/// The task, of one of the project's catalogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// `catalog/task`.
    pub task: String,
    /// What it is told. `{worker}`, `{machine}` and `{store}` stand for the worker's identity, the machine's name and
    /// the store's address; `{token}` for a token of the worker's own, where the store makes tokens.
    pub parameters: BTreeMap<String, String>,
    /// The store's address, as the box reaches it.
    pub store: String,
}

impl Install {
    fn needs_token(&self) -> bool {
        self.parameters.values().any(|it| it.contains("{token}"))
    }

    fn task(&self, act: &Act, token: Option<&str>) -> Task {
        let filled = |text: &String| {
            text.replace("{worker}", &act.worker.to_string())
                .replace("{machine}", act.name.as_str())
                .replace("{store}", &self.store)
                .replace("{token}", token.unwrap_or_default())
        };
        let parameters = self.parameters.iter();
        Task {
            name: self.task.clone(),
            parameters: parameters
                .map(|(name, text)| (name.clone(), filled(text)))
                .collect(),
            display_name: "Shraga worker".to_owned(),
            timeout_in_seconds: TIMEOUT_SECONDS,
            run_as: RunAs::System,
        }
    }
}

impl DevBoxes {
    /// Has the worker installed on a box that runs, unless that was asked for before; what is in its way if it was.
    pub(super) async fn install(
        &self,
        act: &Act,
        id: &BoxId,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let Some(install) = &self.center.install else {
            return Ok(());
        };
        let told = |error: Error| trouble(&error, now);
        let group = GroupName::parse(GROUP).map_err(|error| told(error.into()))?;
        match self.client.customization(id, &group).await.map_err(told)? {
            Some(seen) => {
                // It has arrived.
                self.memory().minted.remove(&act.worker);
                hindrance(id, &group, &seen, now)
            }
            None => {
                let token = self.token(install, act, now).await?;
                let task = install.task(act, token.as_deref());
                let asked = self.client.customize(id, &group, &[task]).await;
                asked.map(drop).map_err(told)
            }
        }
    }

    /// A token for the machine's worker, if it is to be given one.
    async fn token(
        &self,
        install: &Install,
        act: &Act,
        now: Timestamp,
    ) -> Result<Option<String>, Trouble> {
        if !install.needs_token() {
            return Ok(None);
        }
        let known = self.memory().minted.get(&act.worker).cloned();
        if let Some(secret) = known {
            return Ok(Some(secret.expose_secret().to_owned()));
        }
        self.revoke(act, now).await?;
        let (user, pool) = match act.serves {
            Serves::Person(user) => (user.to_string(), "dedicated"),
            Serves::Everyone => (self.me(now).await?, "shared"),
        };
        let request = TokenRequest {
            user,
            role: Role::Worker,
            worker: Some(act.worker),
            pool: Some(pool.to_owned()),
            slots: None,
            labels: Vec::new(),
        };
        let made = self.store.create_token(&request).await;
        let made = made.map_err(|error| at_store(&error, now))?;
        let Some(secret) = made.token else {
            return Ok(None);
        };
        self.memory().minted.insert(act.worker, secret.clone());
        Ok(Some(secret.expose_secret().to_owned()))
    }

    /// Revokes the tokens of the machine's worker, where the installation makes any.
    pub(super) async fn revoke(&self, act: &Act, now: Timestamp) -> Result<(), Trouble> {
        let installs = self.center.install.as_ref();
        if !installs.is_some_and(Install::needs_token) {
            return Ok(());
        }
        self.memory().minted.remove(&act.worker);
        let tokens = self.store.tokens().await;
        let tokens = tokens.map_err(|error| at_store(&error, now))?;
        for token in tokens.iter().filter(|it| it.worker == Some(act.worker)) {
            match self.store.revoke_token(token.id).await {
                // Somebody else was faster.
                Ok(()) | Err(shraga_dataverse::Error::Missing(_)) => {}
                Err(error) => return Err(at_store(&error, now)),
            }
        }
        Ok(())
    }

    async fn me(&self, now: Timestamp) -> Result<String, Trouble> {
        let me = self.store.who_am_i().await;
        let me = me.map_err(|error| at_store(&error, now))?;
        Ok(me.to_string())
    }
}

/// What keeps an installation from its end.
fn hindrance(id: &BoxId, group: &GroupName, seen: &Group, now: Timestamp) -> Result<(), Trouble> {
    let in_the_way = |class, said| Trouble {
        class,
        said,
        since: now,
        again: None,
    };
    if seen.tasks.iter().any(TaskSeen::needs_person) {
        let said = format!(
            "what is installed on {} waits for its person: she has to connect to it once",
            id.name
        );
        return Err(in_the_way(TroubleClass::Denied, said));
    }
    match &seen.state {
        Some(state @ (GroupState::Failed | GroupState::ValidationFailed)) => {
            // Its log is not repeated: the task may have printed its token.
            let said = format!(
                "installing the worker on {} ended as {state}: see the log of its customization group {group}",
                id.name
            );
            Err(in_the_way(TroubleClass::Failed, said))
        }
        Some(
            GroupState::NotStarted
            | GroupState::Running
            | GroupState::Succeeded
            | GroupState::Other(_),
        )
        | None => Ok(()),
    }
}

fn at_store(error: &shraga_dataverse::Error, now: Timestamp) -> Trouble {
    let class = match error.is_transient() {
        true => TroubleClass::Transient,
        false => TroubleClass::Misconfigured,
    };
    Trouble {
        class,
        said: format!(
            "no token for the machine's worker: {}",
            crate::trouble::words(error)
        ),
        since: now,
        again: None,
    }
}
