//! What is said of machines: one value in a `watch`, replaced after every look.

use std::collections::BTreeMap;
use std::fmt;

use shraga_core::machine::{Machine, ProviderKind, Stage, Trouble};
use shraga_core::time::{Span, Timestamp};

use super::observe::called;
use crate::clock::Moment;

/// Machines in trouble that a status names. More make a line that nobody reads.
const HAMPERED_MAX: usize = 3;

/// From what age on a look is told with it: younger ones are as of now.
const AGE_TOLD: Span = Span::secs(5);

/// Machines as last looked at, by provider.
pub type Machines = BTreeMap<ProviderKind, Making>;

/// One provider, and its machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Making {
    /// Store time of the last look at the store that was answered.
    pub looked: Option<Timestamp>,
    /// Store time of the last list it gave.
    pub listed: Option<Timestamp>,
    /// What is in the way, if something is, since when it is. It is tried again at each look.
    pub trouble: Option<Trouble>,
    /// What the store lacks, so that no machine is made.
    pub lacks: Option<String>,
    /// Machines by stage.
    pub stages: BTreeMap<Stage, u32>,
    /// Machines that something is in the way of, a line each: the first few.
    pub hampered: Vec<String>,
    /// What somebody should know of them, as of the last look.
    pub notes: Vec<String>,
    /// When it is looked at next.
    pub next: Option<Moment>,
}

impl Making {
    /// Counts machines anew.
    pub(super) fn count(&mut self, machines: impl Iterator<Item = Machine>) {
        self.stages.clear();
        self.hampered.clear();
        for machine in machines {
            self.hampered.extend(hampered(&machine));
            *self.stages.entry(machine.record.stage).or_default() += 1;
        }
        self.hampered.truncate(HAMPERED_MAX);
    }

    /// Machines that run work, or are about to.
    #[must_use]
    pub fn coming(&self) -> u32 {
        let coming = self.stages.iter().filter(|(stage, _)| stage.is_coming());
        coming.map(|(_, count)| count).sum()
    }

    /// One line: how many there are, how far, and what is in the way; as of when, where that is some time
    /// before `now` (store time).
    #[must_use]
    pub fn line(&self, provider: ProviderKind, now: Option<Timestamp>) -> impl fmt::Display {
        let shown = self
            .stages
            .iter()
            .filter(|(stage, _)| **stage != Stage::Gone);
        let mut parts: Vec<String> = shown
            .map(|(stage, count)| format!("{count} {stage}"))
            .collect();
        if parts.is_empty() {
            parts.push("none".to_owned());
        }
        let trouble = self.trouble.as_ref();
        let trouble = trouble.map(|it| format!("; {} since {}: {}", it.class, it.since, it.said));
        let hampered = match self.trouble {
            // It is what they wait for.
            Some(_) => String::new(),
            None => self.hampered.iter().map(|it| format!("; {it}")).collect(),
        };
        let lacks = self.lacks.as_ref().map(|lacks| format!("; {lacks}"));
        let age = self.looked.zip(now).map(|(looked, now)| now.since(looked));
        let age = age.filter(|age| *age >= AGE_TOLD);
        let age = age.map_or_else(String::new, |age| format!(" ({age} ago)"));
        let kind = called(provider);
        let (trouble, lacks) = (trouble.unwrap_or_default(), lacks.unwrap_or_default());
        format!(
            "{kind} machines: {}{age}{trouble}{hampered}{lacks}",
            parts.join(", ")
        )
    }
}

/// What is in the way of a machine that there is, or should be.
fn hampered(machine: &Machine) -> Option<String> {
    let record = &machine.record;
    let trouble = record
        .trouble
        .as_ref()
        .filter(|_| record.stage != Stage::Gone)?;
    let (class, since, said) = (trouble.class, trouble.since, &trouble.said);
    Some(format!(
        "{} is {}, {class} since {since}: {said}",
        record.name, record.stage
    ))
}
