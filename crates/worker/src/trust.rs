//! Whose mirrors this worker takes up.
//!
//! On Dataverse people can make any row of the tasks table, one that says it is a mirror assigned to
//! this worker too, and it would run her prompt as somebody else's. So only the admin's rows count. The
//! admin is whom the configuration names; otherwise the worker's own identity, or whoever owns the row
//! that orchestrators hold their lease in: a person may not take that over once it is there. The
//! embedded store lets nobody but admins make mirrors, and needs none of it.

use std::collections::{BTreeSet, HashSet};

use serde::Deserialize;
use shraga_core::ids::{COURTESY, MirrorId, UserId};
use shraga_core::model::Mirror;
use shraga_core::row::Table;
use shraga_dataverse::{Read, Row};
use uuid::Uuid;

/// Rows that were warned of, at most; more would only say the same.
const WARNED_MAX: usize = 100;

/// See the module.
#[derive(Debug)]
pub(crate) struct Trust {
    /// `None` where the store sees to it.
    owners: Option<BTreeSet<UserId>>,
    /// Whether the orchestrators' row is still to be read.
    asks: bool,
    warned: HashSet<MirrorId>,
}

/// The column that says whose a row is.
const OWNER: &str = "_ownerid_value";

impl Trust {
    /// `named` are those of the configuration, `caller` is this worker's own identity.
    pub(crate) fn new(embedded: bool, named: &[UserId], caller: UserId) -> Self {
        let owners: BTreeSet<UserId> = match named.is_empty() {
            true => [caller].into(),
            false => named.iter().copied().collect(),
        };
        Self {
            owners: (!embedded).then_some(owners),
            asks: !embedded && named.is_empty(),
            warned: HashSet::new(),
        }
    }

    /// What to read with a look, until it is known.
    pub(crate) fn question(&self) -> Option<Read> {
        self.asks.then(|| Read::Get {
            table: Table::Workers,
            id: COURTESY.get(),
            select: vec![OWNER.to_owned()],
        })
    }

    /// The orchestrators' row was read: it stays who it is while this process runs.
    pub(crate) fn learn(&mut self, owner: Option<UserId>) {
        if let (true, Some(owner), Some(owners)) = (self.asks, owner, &mut self.owners) {
            owners.insert(owner);
            self.asks = false;
        }
    }

    /// Whose mirrors count, where not everybody's do.
    pub(crate) fn owners(&self) -> Option<BTreeSet<UserId>> {
        self.owners.clone()
    }

    /// Says once of each row that it is left alone.
    pub(crate) fn warn_of(&mut self, rows: &[Mirror]) {
        let Some(owners) = &self.owners else {
            return;
        };
        for row in rows.iter().filter(|row| !owners.contains(&row.owner)) {
            if self.warned.len() < WARNED_MAX && self.warned.insert(row.id) {
                tracing::warn!(
                    mirror = %row.id, owner = %row.owner,
                    "a row that says it is assigned to this worker is not the orchestrator's, and is \
                     left alone; if it should count, name its owner in `worker.trusts`"
                );
            }
        }
    }
}

/// The owner of a row that was read with [`Trust::question`].
pub(crate) fn owner(row: &Row) -> Option<UserId> {
    #[derive(Deserialize)]
    struct Owned {
        #[serde(rename = "_ownerid_value")]
        owner: Uuid,
    }
    row.part::<Owned>().map(|owned| UserId::new(owned.owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: UserId = UserId::new(Uuid::from_u128(1));
    const ADMIN: UserId = UserId::new(Uuid::from_u128(2));
    const EVE: UserId = UserId::new(Uuid::from_u128(3));

    #[test]
    fn who_first_holds_the_orchestrators_row_stays_trusted_and_nobody_after() {
        let mut trust = Trust::new(false, &[], ME);
        trust.learn(None);
        assert!(trust.question().is_some());
        trust.learn(Some(ADMIN));
        trust.learn(Some(EVE));
        assert!(trust.question().is_none());
        assert_eq!(trust.owners(), Some([ME, ADMIN].into()));
    }

    #[test]
    fn whom_the_configuration_names_is_all_there_is() {
        let mut trust = Trust::new(false, &[ADMIN], ME);
        assert!(trust.question().is_none());
        trust.learn(Some(EVE));
        assert_eq!(trust.owners(), Some([ADMIN].into()));
    }

    #[test]
    fn the_embedded_store_sees_to_it_by_itself() {
        let trust = Trust::new(true, &[], ME);
        assert_eq!((trust.question(), trust.owners()), (None, None));
    }
}
