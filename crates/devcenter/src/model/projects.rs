//! Projects, their pools, and what one may do there.

use serde::Deserialize;

use crate::model::boxes::HibernateSupport;
use crate::open::{lenient, open_enum};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Its name.
    pub name: String,
    /// How many Dev Boxes one person may have in it, whatever their state; no limit of the project when absent.
    #[serde(default, rename = "maxDevBoxesPerUser", deserialize_with = "lenient")]
    pub boxes_per_person: Option<u32>,
}

open_enum!(
    /// How a pool is. One that works was seen to say `Unknown`: only `Unhealthy` is in the way of anything.
    Health {
        /// The service doesn't know.
        Unknown = "Unknown",
        /// It is looked at.
        Pending = "Pending",
        /// Well.
        Healthy = "Healthy",
        /// Well enough.
        Warning = "Warning",
        /// No Dev Box can be made in it.
        Unhealthy = "Unhealthy",
    }
);

/// A pool: what Dev Boxes made in it are like.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How it is.
    #[serde(default, rename = "healthStatus", deserialize_with = "lenient")]
    pub health: Option<Health>,
    /// Whether its boxes can sleep.
    #[serde(default, rename = "hibernateSupport", deserialize_with = "lenient")]
    pub hibernate: Option<HibernateSupport>,
    /// Whether the service stops a box some time after its person has left.
    #[serde(default, deserialize_with = "lenient")]
    pub stop_on_disconnect: Option<StopRule>,
    /// Whether the service stops a box that nobody connects to, as nobody does to a worker.
    #[serde(default, deserialize_with = "lenient")]
    pub stop_on_no_connect: Option<StopRule>,
}

/// When the service stops boxes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopRule {
    /// `Enabled` or `Disabled`.
    status: String,
    /// How long it waits before, in minutes.
    #[serde(default, rename = "gracePeriodMinutes", deserialize_with = "lenient")]
    pub grace_minutes: Option<u32>,
}

impl StopRule {
    /// Whether it is in force.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.status.eq_ignore_ascii_case("Enabled")
    }
}

/// What one may do in a project. Words are the service's, such as `WriteDevBoxes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Abilities {
    /// As its admin, with everybody's boxes.
    #[serde(default)]
    abilities_as_admin: Vec<String>,
    /// As a user of it, with one's own.
    #[serde(default)]
    abilities_as_developer: Vec<String>,
}

impl Abilities {
    /// Whether `ability` is there for one's own boxes.
    #[must_use]
    pub fn for_own(&self, ability: &str) -> bool {
        self.abilities_as_developer.iter().any(|it| it == ability)
    }

    /// Whether `ability` is there for everybody's boxes.
    #[must_use]
    pub fn for_all(&self, ability: &str) -> bool {
        self.abilities_as_admin.iter().any(|it| it == ability)
    }
}
