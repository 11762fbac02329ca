//! Operations under way, and where they are asked after.
//!
//! `Operation-Location` is the only address that tells how an operation goes. `Location` beside it is not the resource,
//! whatever the specification says, and is not looked at.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::model::boxes::fault;
use crate::open::{lenient, open_enum};

open_enum!(
    /// How an operation is.
    OperationState {
        /// It is going to begin.
        NotStarted = "NotStarted",
        /// It is under way.
        Running = "Running",
        /// It is done.
        Succeeded = "Succeeded",
        /// It is over, in vain.
        Failed = "Failed",
        /// It was stopped.
        Canceled = "Canceled",
    }
);

/// An operation as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// How it is.
    pub state: OperationState,
    /// Why it failed, in the service's words.
    pub error: Option<String>,
    /// When the service wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Operation {
    /// Whether it ended, well or not. One in a state that nobody knows has not.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(
            self.state,
            OperationState::Succeeded | OperationState::Failed | OperationState::Canceled
        )
    }
}

/// The body of an operation's status.
#[derive(Deserialize)]
pub(crate) struct OperationBody {
    pub(crate) status: OperationState,
    #[serde(default, deserialize_with = "fault")]
    pub(crate) error: Option<String>,
}

/// Where an accepted operation is asked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// There, with [`Client::operation`](crate::Client::operation).
    At(Url),
    /// Nowhere: the service named no address. The box's own state tells.
    Nowhere,
    /// The service named an address at this host, which is not its own and is not asked.
    Foreign(String),
}

/// A page of anything.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
pub(crate) struct Page<T> {
    pub(crate) value: Vec<T>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) next_link: Option<String>,
}
