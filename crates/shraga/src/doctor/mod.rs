//! The doctor: looks at everything a daemon needs, names what is wrong, and what to do about it.
//!
//! A check is one small function in a file of its own. It reads, or tries something it takes back at
//! once; nothing it does is left behind. With `fix` a check may do what is safe and what it names:
//! permissions of the data folder, a broken state file put aside, a dead address removed, a missing
//! folder made. Nothing here ever prints a secret.

mod agents;
mod another_admin;
mod clock_skew;
mod configuration;
mod credentials;
mod dev_box;
mod disk;
mod endpoint;
mod finding;
mod git;
mod limits;
mod machines;
mod outbox;
mod permissions;
mod prices;
mod reachability;
mod retention;
mod sandbox;
mod schema;
pub mod show;
mod state_file;
mod update;

pub use finding::{Finding, Severity};

use shraga_core::ids::UserId;
use shraga_dataverse::{Client, StoreInfo};

use crate::config::{Config, ConfigError};

/// What checks look at.
#[derive(Debug)]
struct Case<'a> {
    config: &'a Config,
    /// Whether what is safe to fix is fixed.
    fix: bool,
}

/// The store, once it was reached.
#[derive(Debug)]
struct Reached {
    client: Client,
    info: Option<StoreInfo>,
    me: UserId,
}

/// Everything that was found, in the order in which it should be read.
pub async fn examine(config: &Config, fix: bool) -> Vec<Finding> {
    let case = Case { config, fix };
    let here = async {
        let mut found = configuration::check(&case);
        found.extend(dev_box::check(&case));
        found.extend(credentials::check(&case));
        found.extend(endpoint::check(&case).await);
        found
    };
    let place = async {
        let mut found = state_file::check(&case);
        found.extend(agents::check(&case).await);
        found.extend(prices::check(&case));
        found.extend(sandbox::check(&case));
        found.extend(disk::check(&case));
        found.extend(outbox::check(&case));
        found.extend(retention::check(&case));
        found
    };
    // A dead address is removed before the store is looked for.
    let first = here.await;
    let (store, place, git) = tokio::join!(of_the_store(&case), place, git::check(&case));
    [first, store, place, git.into_iter().collect()].concat()
}

/// What is found about a configuration that can't be used: nothing else can be looked at.
#[must_use]
pub fn unusable(error: &ConfigError) -> Vec<Finding> {
    vec![configuration::unusable(error)]
}

async fn of_the_store(case: &Case<'_>) -> Vec<Finding> {
    let (mut found, reached) = reachability::check(case).await;
    let Some(store) = reached else {
        return found;
    };
    found.extend(clock_skew::check(&store).await);
    found.extend(schema::check(&store).await);
    found.extend(permissions::check(&store).await);
    found.extend(another_admin::check(&store).await);
    found.extend(machines::check(case, &store).await);
    found.extend(update::check(&store).await);
    found.extend(limits::check(case, &store));
    found
}
