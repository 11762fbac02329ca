//! Finding out what a store lacks, when an answer makes one wonder.
//!
//! A refusal alone proves nothing: it may be about the rows. So what is doubted is asked for by itself,
//! in a way that changes nothing (or takes back what it made), and only that answer is believed. While it
//! can't be asked, the refusal counts as no answer, rather than as one for good. What is known to work is
//! not doubted again.

use shraga_core::row::{ChangeSet, Condition, Table, tasks};
use shraga_wire::batch::{Part, Response};
use tokio::time::Instant;
use uuid::Uuid;

use super::multipart::{Batch, Told, parts_of};
use super::{OnRefusal, Outcome};
use crate::client::capabilities::Ability;
use crate::client::encode::{self, API};
use crate::client::{CREATED_ON, Client};
use crate::error::Error;
use crate::send::Repeat;

/// The name of a row that is made to see under which identity, and deleted at once. One that is found
/// was left by a crash in between.
const PROBE_NAME: &str = "shraga: made to see what the store can do, may be deleted";

/// Whether something was found missing, so that the same is to be done another way.
pub(super) type Found = bool;

impl Client {
    /// Asks again for what was missing an hour ago.
    pub(super) async fn recheck(&self) {
        let (learned, now) = (&self.inner.learned, Instant::now());
        if learned.is_due(Ability::Batch, now) {
            let mut batch = Batch::new(self);
            batch.get(&format!("{API}WhoAmI"));
            let sent = batch.send(OnRefusal::Continue, Repeat::Freely).await;
            if sent.is_ok_and(|reply| parts_of(&reply).is_ok()) {
                learned.works(Ability::Batch);
            }
        }
        if learned.capabilities().batch && learned.is_due(Ability::ChangeSets, now) {
            let tried = self.try_change_sets().await;
            tried.unwrap_or_else(|error| tracing::debug!(%error, "change sets were not tried"));
        }
    }

    /// What an error of a whole batch says about the store.
    pub(super) async fn doubt_batch(&self, sets: &[ChangeSet], error: &Error) -> Found {
        let status = error.fault().map(|fault| fault.status);
        match status {
            Some(404 | 405 | 501) => self.try_without_batch().await,
            Some(400 | 415) if sets.iter().any(is_several) => {
                self.doubt_change_sets().await.unwrap_or(false)
            }
            Some(_) | None => false,
        }
    }

    /// What the answers to change sets say about the store; outcomes that they leave open are marked.
    pub(super) async fn doubt_answers(&self, sets: &[ChangeSet], told: &mut [Told]) -> Found {
        let (mut found, mut open) = (false, false);
        for (set, told) in sets.iter().zip(told) {
            found |= match &told.outcome {
                Outcome::Done(_) => {
                    self.taken(set);
                    self.doubt_identities(set, told).await
                }
                Outcome::Refused(refusal) if open && is_misunderstood(refusal.fault.status) => {
                    told.outcome = Outcome::Unknown;
                    false
                }
                Outcome::Refused(refusal) => {
                    let doubted = self.doubt_refusal(set, refusal.fault.status).await;
                    doubted.unwrap_or_else(|error| {
                        tracing::warn!("whether the store can do it could not be asked: {error}");
                        open = true;
                        told.outcome = Outcome::Unknown;
                        false
                    })
                }
                Outcome::Partly(_) | Outcome::NotTried | Outcome::Unknown => false,
            };
        }
        found
    }

    /// A change set was understood.
    fn taken(&self, set: &ChangeSet) {
        if is_several(set) {
            self.inner.learned.works(Ability::ChangeSets);
        }
    }

    async fn doubt_refusal(&self, set: &ChangeSet, status: u16) -> Result<Found, Error> {
        if status == 412 {
            self.taken(set);
            return Ok(false);
        }
        if !is_misunderstood(status) {
            return Ok(false);
        }
        if is_several(set) && self.doubt_change_sets().await? {
            return Ok(true);
        }
        let absent = |write: &&shraga_core::row::Write| write.condition == Condition::Absent;
        match set.writes.iter().find(absent) {
            Some(write) if self.inner.learned.is_doubtful(Ability::OwnIds) => {
                self.try_own_ids(write.table).await
            }
            Some(_) => Ok(!self.capabilities().own_ids),
            None => Ok(false),
        }
    }

    /// Whether rows were made under other identities than planned.
    async fn doubt_identities(&self, set: &ChangeSet, told: &mut Told) -> Found {
        let learned = &self.inner.learned;
        for (planned, given) in &told.made {
            let kept = match given {
                Some(given) => given == planned,
                None if !learned.is_doubtful(Ability::OwnIds) => continue,
                None => match self.is_there(set, *planned).await {
                    Some(there) => there,
                    None => continue,
                },
            };
            if !kept {
                learned.lacks(Ability::OwnIds);
                told.outcome = Outcome::Unknown;
                return true;
            }
            learned.works(Ability::OwnIds);
        }
        false
    }

    /// Whether a row is there, if the store says.
    async fn is_there(&self, set: &ChangeSet, id: Uuid) -> Option<bool> {
        let write = set.writes.iter().find(|write| write.id == id);
        let table = write.map_or(Table::Tasks, |write| write.table);
        let row = self.get(table, id, &[CREATED_ON]).await;
        row.ok().map(|row| row.is_some())
    }

    async fn doubt_change_sets(&self) -> Result<Found, Error> {
        if self.inner.learned.is_doubtful(Ability::ChangeSets) {
            self.try_change_sets().await?;
        }
        Ok(!self.capabilities().change_sets)
    }

    /// Whether it is `$batch` that the store does not know, rather than the whole address.
    async fn try_without_batch(&self) -> Found {
        let there = self.who_am_i().await.is_ok();
        if there {
            self.inner.learned.lacks(Ability::Batch);
        }
        there
    }

    /// Deletes a row that never is, by itself and in a change set, and compares the answers.
    ///
    /// # Errors
    /// Why nothing was learned.
    async fn try_change_sets(&self) -> Result<(), Error> {
        let target = encode::row_path(self.names(), Table::Tasks, Uuid::nil());
        let mut batch = Batch::new(self);
        batch.harmless(&target);
        let sent = batch.send(OnRefusal::Continue, Repeat::Freely).await;
        let learned = &self.inner.learned;
        let parts = match sent.and_then(|reply| parts_of(&reply)) {
            Ok(parts) => parts,
            Err(Error::Refused(_)) => {
                learned.lacks(Ability::ChangeSets);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let statuses: Vec<Option<u16>> = parts.iter().map(status_of).collect();
        match statuses.as_slice() {
            [Some(alone), Some(set)] if is_misunderstood_set(*set) && alone != set => {
                learned.lacks(Ability::ChangeSets);
            }
            [_, Some(set)] if tells_nothing(*set) => return Err(Error::NotReached),
            [_, Some(_)] => learned.works(Ability::ChangeSets),
            _ => {}
        }
        Ok(())
    }

    /// Makes a row under a chosen identity, or without one, sees which, and deletes it.
    ///
    /// # Errors
    /// Why nothing was learned.
    pub(in crate::client) async fn try_own_ids(&self, table: Table) -> Result<Found, Error> {
        let learned = &self.inner.learned;
        let cells = [(tasks::NAME, PROBE_NAME.into())];
        let id = Uuid::now_v7();
        let made = match self.patch(table, id, &Condition::Absent, &cells).await {
            Err(error) if error.fault().is_some_and(|it| is_misunderstood(it.status)) => {
                self.post(table, None, &cells).await.map(|(made, _)| made)
            }
            answer => answer,
        };
        let made = match made {
            Ok(made) => made,
            Err(error) if tells_nothing_of_rows(&error) => return Err(error),
            Err(_) => {
                // Not even an empty row is taken: what was refused was refused for another reason.
                learned.works(Ability::OwnIds);
                return Ok(false);
            }
        };
        if let Err(error) = self.delete(table, made.id, None).await {
            tracing::warn!(id = %made.id, table = table.name(), %error, "a probe's row is left");
        }
        if made.id == id {
            learned.works(Ability::OwnIds);
        } else {
            learned.lacks(Ability::OwnIds);
        }
        Ok(made.id != id)
    }
}

/// Whether a failure says nothing about what was asked: nobody answered, or not now, or not to us.
fn tells_nothing_of_rows(error: &Error) -> bool {
    error.fault().is_none() || error.is_transient() || error.is_about_us()
}

/// The same of a status: who asks is not known, or the service can't answer now.
const fn tells_nothing(status: u16) -> bool {
    matches!(status, 401 | 408 | 429 | 500 | 502..)
}

fn is_several(set: &ChangeSet) -> bool {
    set.writes.len() > 1
}

/// Statuses of a store that does not know what it is asked for, among others.
pub(in crate::client) const fn is_misunderstood(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 415 | 501)
}

const fn is_misunderstood_set(status: u16) -> bool {
    matches!(status, 400 | 405 | 415 | 501)
}

/// The worst status in a part.
fn status_of(part: &Part<Response>) -> Option<u16> {
    match part {
        Part::Single(answer) => Some(answer.status),
        Part::ChangeSet(answers) => answers.iter().map(|it| it.status).max(),
    }
}
