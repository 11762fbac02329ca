//! What the service is going to do to a Dev Box by itself: stop it, on its pool's schedule.

use serde::Deserialize;
use shraga_core::time::Timestamp;

use crate::open::{lenient, moment, words};

/// A scheduled action.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Its name.
    pub name: String,
    /// What it does, in the service's words (`Stop`).
    #[serde(default, rename = "actionType", deserialize_with = "words")]
    pub kind: Option<String>,
    /// It does not happen before then.
    #[serde(default, rename = "suspendedUntil", deserialize_with = "moment")]
    pub suspended_until: Option<Timestamp>,
    /// When it is carried out next.
    #[serde(default, rename = "next", deserialize_with = "next")]
    pub due: Option<Timestamp>,
}

fn next<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    struct Next {
        #[serde(default, rename = "scheduledTime", deserialize_with = "moment")]
        at: Option<Timestamp>,
    }
    let next: Option<Next> = lenient(from)?;
    Ok(next.and_then(|next| next.at))
}

/// What came of delaying one action, when all were to be delayed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Delayed {
    /// The action's name.
    pub name: String,
    /// `Succeeded` or `Failed`, in the service's words.
    #[serde(default, rename = "result", deserialize_with = "words")]
    pub result: Option<String>,
    /// Why it failed.
    #[serde(default, deserialize_with = "super::boxes::fault")]
    pub error: Option<String>,
}
