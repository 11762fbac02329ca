//! What is said of machines: one value in a `watch`, replaced after every look.

use std::collections::BTreeMap;
use std::fmt;

use shraga_core::machine::{Machine, ProviderKind, Stage, Trouble};
use shraga_core::time::Timestamp;

use super::observe::called;
use crate::clock::Moment;

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
    /// What somebody should know of them, as of the last look.
    pub notes: Vec<String>,
    /// When it is looked at next.
    pub next: Option<Moment>,
}

impl Making {
    /// Counts machines anew.
    pub(super) fn count(&mut self, machines: impl Iterator<Item = Machine>) {
        self.stages.clear();
        for machine in machines {
            *self.stages.entry(machine.record.stage).or_default() += 1;
        }
    }

    /// Machines that run work, or are about to.
    #[must_use]
    pub fn coming(&self) -> u32 {
        let coming = self.stages.iter().filter(|(stage, _)| stage.is_coming());
        coming.map(|(_, count)| count).sum()
    }

    /// One line: how many there are, how far, and what is in the way.
    #[must_use]
    pub fn line(&self, provider: ProviderKind) -> impl fmt::Display {
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
        let lacks = self.lacks.as_ref().map(|lacks| format!("; {lacks}"));
        let kind = called(provider);
        let (trouble, lacks) = (trouble.unwrap_or_default(), lacks.unwrap_or_default());
        format!("{kind} machines: {}{trouble}{lacks}", parts.join(", "))
    }
}
