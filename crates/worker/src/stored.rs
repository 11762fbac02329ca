//! What lies on disk and in rows of a task's progress: stored forms of core's types.
//!
//! Core has no serde, and what one version wrote another must read, so the stored forms are types of
//! their own; fields are only ever added, with defaults. What can't be understood is an error here,
//! for the reader to do without.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shraga_core::ids::Attempt;
use shraga_core::status::Unknown;
use shraga_core::usage::Usage;
use shraga_core::worker::pipeline::{Place, Progress, Ran, Verdict};

#[cfg(test)]
pub(crate) mod tests;

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StoredUsage {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    turns: u32,
    cost_micros: Option<u64>,
}

impl From<Usage> for StoredUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input: usage.input_tokens,
            output: usage.output_tokens,
            cache_read: usage.cache_read_tokens,
            cache_write: usage.cache_write_tokens,
            turns: usage.turns,
            cost_micros: usage.cost_micros,
        }
    }
}

impl From<StoredUsage> for Usage {
    fn from(stored: StoredUsage) -> Self {
        Self {
            input_tokens: stored.input,
            output_tokens: stored.output,
            cache_read_tokens: stored.cache_read,
            cache_write_tokens: stored.cache_write,
            turns: stored.turns,
            cost_micros: stored.cost_micros,
        }
    }
}

/// How far a task has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredProgress {
    place: StoredPlace,
    #[serde(default)]
    result: String,
    #[serde(default)]
    verdict: Option<StoredVerdict>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    phases: Vec<StoredRan>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPlace {
    phase: String,
    round: u32,
    run: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredVerdict {
    pass: bool,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredRan {
    attempt: u32,
    place: StoredPlace,
    outcome: String,
    usage: StoredUsage,
    ran_ms: u64,
}

impl Default for StoredProgress {
    fn default() -> Self {
        Self::from(&Progress::default())
    }
}

impl From<&Progress> for StoredProgress {
    fn from(progress: &Progress) -> Self {
        let verdict = progress.verdict.as_ref().map(|verdict| match verdict {
            Verdict::Pass { note } => StoredVerdict {
                pass: true,
                text: note.clone(),
            },
            Verdict::Fail { feedback } => StoredVerdict {
                pass: false,
                text: feedback.clone(),
            },
        });
        Self {
            place: StoredPlace::from(progress.place),
            result: progress.result.clone(),
            verdict,
            summary: progress.summary.clone(),
            phases: progress.phases.iter().map(StoredRan::from).collect(),
        }
    }
}

impl TryFrom<StoredProgress> for Progress {
    type Error = Unknown;

    fn try_from(stored: StoredProgress) -> Result<Self, Unknown> {
        let verdict = stored.verdict.map(|verdict| match verdict.pass {
            true => Verdict::Pass { note: verdict.text },
            false => Verdict::Fail {
                feedback: verdict.text,
            },
        });
        Ok(Self {
            place: stored.place.try_into()?,
            result: stored.result,
            verdict,
            summary: stored.summary,
            phases: stored
                .phases
                .into_iter()
                .map(Ran::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<Place> for StoredPlace {
    fn from(place: Place) -> Self {
        Self {
            phase: place.phase.to_string(),
            round: place.round,
            run: place.run,
        }
    }
}

impl TryFrom<StoredPlace> for Place {
    type Error = Unknown;

    fn try_from(stored: StoredPlace) -> Result<Self, Unknown> {
        Ok(Self {
            phase: stored.phase.parse()?,
            round: stored.round.max(1),
            run: stored.run.max(1),
        })
    }
}

impl From<&Ran> for StoredRan {
    fn from(ran: &Ran) -> Self {
        Self {
            attempt: ran.attempt.0,
            place: ran.place.into(),
            outcome: ran.outcome.to_string(),
            usage: ran.usage.into(),
            ran_ms: u64::try_from(ran.ran.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl TryFrom<StoredRan> for Ran {
    type Error = Unknown;

    fn try_from(stored: StoredRan) -> Result<Self, Unknown> {
        Ok(Self {
            attempt: Attempt(stored.attempt),
            place: stored.place.try_into()?,
            outcome: stored.outcome.parse()?,
            usage: stored.usage.into(),
            ran: Duration::from_millis(stored.ran_ms),
        })
    }
}
