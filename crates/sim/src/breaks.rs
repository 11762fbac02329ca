//! Rules that can be broken on purpose, one at a time, to show that the simulator notices.
//!
//! Never part of a shipped decision: a break changes what the simulated processes do with the
//! shipped plans, or what the model store heeds.

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The store ignores `If-Match`.
    NoEtag,
    /// Mirrors get an identity of their own, and are made before they are linked, as the original
    /// made them.
    RandomMirrorId,
    /// An assignment doesn't raise the attempt.
    AssignWithoutAttempt,
    /// A change set is applied write by write, and may stop in the middle.
    NotAtomic,
    /// A worker starts its agent before its claim was answered.
    StartUnclaimed,
    /// A worker forgets its outbox when it restarts.
    LoseOutbox,
    /// A refused condition is taken for success.
    StaleIsDone,
}

impl Break {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NoEtag,
        Self::RandomMirrorId,
        Self::AssignWithoutAttempt,
        Self::NotAtomic,
        Self::StartUnclaimed,
        Self::LoseOutbox,
        Self::StaleIsDone,
    ];
}
