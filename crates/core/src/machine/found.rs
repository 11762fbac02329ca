//! What a provider says: which machines there are, how much room is left, what is wrong.
//!
//! Words of the service that we don't know stay as they are ([`FoundState::Other`]): they are shown,
//! nothing is scheduled on such a machine and nothing is deleted because of it.

use std::collections::BTreeMap;
use std::fmt;

use super::{MachineName, ProviderKind};
use crate::ids::UserId;
use crate::status::{Unknown, words};
use crate::time::Timestamp;

/// All machines a provider has, ours and others that it shows us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Which provider.
    pub provider: ProviderKind,
    /// Its machines.
    pub found: Vec<Found>,
    /// Store time at which it was asked. What was asked of it later may not show in it.
    pub at: Timestamp,
    /// How much it gives, where it says so.
    pub quota: Option<Quota>,
    /// Why it makes no machine now, where that is known before it is asked. What there is can be looked after
    /// all the same.
    pub bars: Option<Trouble>,
    /// What somebody should change there, since it is bad for workers: a sentence for people.
    pub advice: Option<String>,
}

impl Inventory {
    /// The machine of this name.
    #[must_use]
    pub fn find(&self, name: &MachineName) -> Option<&Found> {
        // The Dev Center doesn't tell capitals apart.
        let same = |found: &&Found| found.name.as_str().eq_ignore_ascii_case(name.as_str());
        self.found.iter().find(same)
    }
}

/// A machine that a provider has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: MachineName,
    /// Where it stands.
    pub state: FoundState,
    /// When it was made, where the provider says so.
    pub created: Option<Timestamp>,
    /// What the provider says is wrong with it, verbatim.
    pub fault: Option<String>,
    /// When the provider is going to stop it by itself, where it says so.
    pub stops_at: Option<Timestamp>,
}

/// Where a machine stands at its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundState {
    /// It is being made.
    Making,
    /// It is being started, restarted or repaired.
    Starting,
    /// It runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// It is stopped, switched off or hibernates, and can be started.
    Asleep,
    /// It is being deleted.
    Deleting,
    /// It could not be made, or is broken.
    Failed,
    /// The provider is about to take it away.
    Expiring,
    /// Somebody has to approve of it first.
    AwaitingApproval,
    /// The provider's own word.
    Other(String),
}

/// How much a provider gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The most machines a person may have; `None` where that isn't limited.
    pub per_person: Option<u32>,
    /// Machines that people have, whoever made them, as far as they are known. The provider itself asks before it makes
    /// one for somebody who isn't here.
    pub used: BTreeMap<UserId, u32>,
}

words! {
    /// What kind of trouble a provider is in, by what waiting does about it.
    TroubleClass, "kind of trouble" {
        /// It isn't configured, or there is no credential for it.
        Unconfigured = "unconfigured",
        /// No answer, or an error that passes.
        Transient = "transient",
        /// Somebody has to sign in.
        SignIn = "sign-in",
        /// We may not.
        Denied = "denied",
        /// What the settings name isn't there.
        Misconfigured = "misconfigured",
        /// It has no room.
        Capacity = "capacity",
        /// It refuses the request as such; repeating it is useless.
        Invalid = "invalid",
        /// It is asked too often.
        Throttled = "throttled",
        /// It tried, and failed.
        Failed = "failed",
        /// Its answer can't be understood.
        Malformed = "malformed",
    }
}

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its kind.
    pub class: TroubleClass,
    /// What was said, verbatim and without secrets.
    pub said: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is tried again, where that is known; only another setting or an admin helps otherwise.
    pub again: Option<Timestamp>,
}

impl TroubleClass {
    /// Whether waiting alone may cure it.
    #[must_use]
    pub const fn passes(self) -> bool {
        match self {
            Self::Transient | Self::Capacity | Self::Throttled | Self::Malformed => true,
            Self::Unconfigured
            | Self::SignIn
            | Self::Denied
            | Self::Misconfigured
            | Self::Invalid
            | Self::Failed => false,
        }
    }
}
