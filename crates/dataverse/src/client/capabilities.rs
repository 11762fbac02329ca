//! What a store can do, learned from its answers: `$batch`, change sets, identities chosen by us.
//!
//! Everything is taken for possible until an answer says otherwise, and a doubtful answer is asked about
//! before anything is concluded from it ([`super::batch`]). What is found missing is logged once, lasts
//! an hour, and is never remembered beyond the process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a missing ability is believed. Shorter costs a request each time, longer keeps the slow way
/// after an administrator (or a proxy) put it right.
const RECHECK_AFTER: Duration = Duration::from_secs(3600);

/// What a store can do, as far as its answers have told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `$batch`: many requests in one. Without, each is sent by itself.
    pub batch: bool,
    /// Change sets: several writes all or not at all. Without, they are made one after the other.
    pub change_sets: bool,
    /// Rows under identities that the client chose. Without, the store's own are taken.
    pub own_ids: bool,
}

impl Capabilities {
    /// Whether a plan can be carried out as it is.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.batch && self.change_sets && self.own_ids
    }

    /// What the store lacks, and how things go without it.
    pub fn missing(self) -> impl Iterator<Item = Missing> {
        let lacks = move |ability: &Ability| !ability.of(self);
        Ability::ALL.into_iter().filter(lacks).map(Ability::missing)
    }
}

/// Something a store can't do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it is called.
    pub what: &'static str,
    /// How things go without it.
    pub without: &'static str,
}

/// One thing a store may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ability {
    /// `$batch`.
    Batch,
    /// Change sets inside it.
    ChangeSets,
    /// Rows under identities chosen by us.
    OwnIds,
}

impl Ability {
    const ALL: [Self; 3] = [Self::Batch, Self::ChangeSets, Self::OwnIds];

    const fn of(self, store: Capabilities) -> bool {
        match self {
            Self::Batch => store.batch,
            Self::ChangeSets => store.change_sets,
            Self::OwnIds => store.own_ids,
        }
    }

    /// Its name, and how things go without it.
    const fn missing(self) -> Missing {
        match self {
            Self::Batch => Missing {
                what: "$batch",
                without: "every read and write is a request of its own",
            },
            Self::ChangeSets => Missing {
                what: "change sets",
                without: "writes are made one by one; a link that fails is tried again",
            },
            Self::OwnIds => Missing {
                what: "identities chosen by the client",
                without: "mirrors are looked for before one is made; people are not entered and can't be \
                          disabled; orchestrators share no courtesy lease",
            },
        }
    }
}

/// What is known of one ability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Works,
    Missing { since: Instant },
}

/// What was learned of a store.
#[derive(Debug)]
pub(super) struct Learned([Mutex<Known>; 3]);

impl Default for Learned {
    fn default() -> Self {
        Self(Ability::ALL.map(|_| Mutex::new(Known::Nothing)))
    }
}

impl Learned {
    /// What the store can do, as far as is known.
    pub(super) fn capabilities(&self) -> Capabilities {
        let has = |ability| !matches!(*self.of(ability), Known::Missing { .. });
        Capabilities {
            batch: has(Ability::Batch),
            change_sets: has(Ability::Batch) && has(Ability::ChangeSets),
            own_ids: has(Ability::OwnIds),
        }
    }

    /// Whether no answer has told yet.
    pub(super) fn is_doubtful(&self, ability: Ability) -> bool {
        *self.of(ability) == Known::Nothing
    }

    /// An answer showed it.
    pub(super) fn works(&self, ability: Ability) {
        let before = std::mem::replace(&mut *self.of(ability), Known::Works);
        if matches!(before, Known::Missing { .. }) {
            tracing::info!("the store takes {} now", ability.missing().what);
        }
    }

    /// An answer showed that there is none.
    pub(super) fn lacks(&self, ability: Ability) {
        let since = Instant::now();
        let before = std::mem::replace(&mut *self.of(ability), Known::Missing { since });
        if !matches!(before, Known::Missing { .. }) {
            let Missing { what, without } = ability.missing();
            tracing::warn!("the store does not take {what}: {without}");
        }
    }

    /// Whether it was found missing so long ago that it is time to ask again. Says so to one caller.
    pub(super) fn is_due(&self, ability: Ability, now: Instant) -> bool {
        let mut known = self.of(ability);
        let due = matches!(*known, Known::Missing { since } if now - since >= RECHECK_AFTER);
        if due {
            *known = Known::Missing { since: now };
        }
        due
    }

    fn of(&self, ability: Ability) -> MutexGuard<'_, Known> {
        self.0[ability as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_asked_about_again_after_an_hour_by_one_caller() {
        let learned = Learned::default();
        assert!(learned.capabilities().is_full());
        learned.lacks(Ability::ChangeSets);
        assert!(!learned.capabilities().change_sets);
        let now = Instant::now();
        assert!(!learned.is_due(Ability::ChangeSets, now));
        let later = now + RECHECK_AFTER;
        assert!(learned.is_due(Ability::ChangeSets, later));
        assert!(!learned.is_due(Ability::ChangeSets, later));
        learned.works(Ability::ChangeSets);
        assert!(learned.capabilities().is_full());
    }

    #[test]
    fn a_store_without_batches_has_no_change_sets_either() {
        let learned = Learned::default();
        learned.lacks(Ability::Batch);
        assert!(!learned.capabilities().change_sets);
        assert!(learned.capabilities().own_ids);
    }
}
