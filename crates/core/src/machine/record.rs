//! Records and tallies as `cr_machine` holds them. Reading JSON is the edge's job.

use super::found::{FoundState, Trouble};
use super::{Record, Serves, Tally};
use crate::json::Object;
use crate::limits;

impl Record {
    /// As the column holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let person = match self.serves {
            Serves::Person(user) => Some(user),
            Serves::Everyone => None,
        };
        let mut object = Object::new()
            .text("provider", self.provider)
            .text("name", &self.name)
            .known("person", person)
            .text("stage", self.stage)
            .time("since", self.since)
            .int("tries", self.tries)
            .known("tried", self.tried)
            .known("ready_on", self.ready_on)
            .known("used_until", self.used_until)
            .known("link", self.link.as_ref())
            .yes_no("told", self.told)
            .known("up_since", self.up_since)
            .int("up_ms", self.up.as_millis())
            .known("wish", self.wish)
            .known("advice", self.advice.as_ref())
            .known("boot_before", self.boot_before);
        if self.failures > 0 {
            object = object.int("failures", self.failures);
        }
        if self.mended {
            object = object.yes_no("mended", true);
        }
        if let Some(delayed) = &self.delayed {
            let times = Object::new()
                .time("due", delayed.due)
                .time("until", delayed.until)
                .time("asked", delayed.asked);
            object = object.object("delayed", times);
        }
        if let Some(trouble) = &self.trouble {
            object = object.object("trouble", trouble.to_object());
        }
        if self.head.sequence > 0 {
            object = object.object("head", self.head.to_object());
        }
        object.finish()
    }
}

impl Tally {
    /// As the column holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        Object::new()
            .text("provider", self.provider)
            .text("month", self.month)
            .int("made", self.made)
            .finish()
    }
}

impl Trouble {
    pub(crate) fn to_object(&self) -> Object {
        Object::new()
            .text("class", self.class)
            .text("said", limits::line(&self.said, limits::MESSAGE_UNITS * 5))
            .time("since", self.since)
            .known("again", self.again)
    }
}

impl FoundState {
    /// The state in one word, as people read it; what the provider said where we know no word.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Making => "being made",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Asleep => "stopped",
            Self::Deleting => "being deleted",
            Self::Failed => "failed",
            Self::Expiring => "about to be taken away",
            Self::AwaitingApproval => "waiting for approval",
            Self::Other(said) => said,
        }
    }
}
