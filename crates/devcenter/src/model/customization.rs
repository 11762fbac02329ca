//! Customization groups: the one way to run something on a Dev Box. A group is a list of tasks of the project's
//! catalogs; one that runs as `System` needs nobody at the box, one that runs as `User` waits for its person.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::open::{lenient, open_enum};

open_enum!(
    /// How a group is.
    GroupState {
        /// It is going to begin.
        NotStarted = "NotStarted",
        /// It is under way.
        Running = "Running",
        /// It is done.
        Succeeded = "Succeeded",
        /// It failed.
        Failed = "Failed",
        /// It is no group that could run.
        ValidationFailed = "ValidationFailed",
    }
);

open_enum!(
    /// How a task of a group is.
    TaskState {
        /// It is going to begin.
        NotStarted = "NotStarted",
        /// It is under way.
        Running = "Running",
        /// It is done.
        Succeeded = "Succeeded",
        /// It failed.
        Failed = "Failed",
        /// It is no task that could run.
        FailedValidation = "FailedValidation",
        /// It was left out.
        Skipped = "Skipped",
        /// It took too long.
        TimedOut = "TimedOut",
        /// It waits for its person's consent.
        WaitingForUserInputUac = "WaitingForUserInputUac",
        /// It waits for its person to connect.
        WaitingForUserSession = "WaitingForUserSession",
    }
);

/// As whom a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RunAs {
    /// The machine.
    System,
    /// The person, once she has connected.
    User,
}

/// A task as it is asked for. `Debug` shows the names of its parameters, not what they are: one is a token.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// `catalog/task`.
    pub name: String,
    /// What the task needs to know.
    pub parameters: BTreeMap<String, String>,
    /// What it is called for people.
    pub display_name: String,
    /// How long it may take, in seconds.
    pub timeout_in_seconds: u32,
    /// As whom it runs.
    pub run_as: RunAs,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("parameters", &self.parameters.keys())
            .field("run_as", &self.run_as)
            .finish_non_exhaustive()
    }
}

/// A group as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// How it is.
    #[serde(default, rename = "status", deserialize_with = "lenient")]
    pub state: Option<GroupState>,
    /// Its tasks; none of them said when a list was asked for.
    #[serde(default)]
    pub tasks: Vec<TaskSeen>,
}

/// A task as it was seen. What its parameters are is not read back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TaskSeen {
    /// `catalog/task`.
    pub name: String,
    /// Its identity, for its log.
    #[serde(default, deserialize_with = "lenient")]
    pub id: Option<Uuid>,
    /// How it is.
    #[serde(default, rename = "status", deserialize_with = "lenient")]
    pub state: Option<TaskState>,
}

impl TaskSeen {
    /// Whether it waits for its person, and goes on by nobody else.
    #[must_use]
    pub const fn needs_person(&self) -> bool {
        matches!(
            self.state,
            Some(TaskState::WaitingForUserInputUac | TaskState::WaitingForUserSession)
        )
    }
}

/// A task that a catalog of the project offers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinition {
    /// `catalog/task`, or the task alone.
    pub name: String,
    /// Its catalog.
    #[serde(default, rename = "catalogName", deserialize_with = "lenient")]
    pub catalog: Option<String>,
}
