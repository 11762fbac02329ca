//! Wake-ups: who has to look again, at which table, after which commit.
//!
//! A ring remembers the newest commits, compacted to one entry per table, role and session of a
//! group. It is a hint, not a log: whoever asks from before its oldest entry is told that
//! everything changed. No wake-up is lost, because an entry is in the ring before its version is
//! announced, and who waits looks at the ring after subscribing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use uuid::Uuid;

use super::types::{Change, Changes};
use crate::ops::{Principal, Role};
use crate::schema::{Schema, Table};

/// How many entries the ring keeps. Fewer makes slow listeners look at every table more often, each
/// entry costs some 100 bytes and 16 per row's wake column.
const RING_ENTRIES: usize = 4_096;

/// A table changed by one caller within one group.
#[derive(Debug)]
pub(super) struct Wake {
    /// The table.
    pub(super) table: Arc<Table>,
    /// The role of who changed it.
    pub(super) by: Role,
    /// The session of who changed it.
    pub(super) session: Option<Uuid>,
    /// Whom the rows name, before or after the change.
    pub(super) named: Vec<Uuid>,
}

/// The changes of one group, compacted.
#[derive(Debug, Default)]
pub(super) struct Wakes(Vec<Wake>);

impl Wakes {
    /// Adds that `who` changed a row of `table` that names `named`.
    pub(super) fn add(&mut self, who: &Principal, table: &Arc<Table>, named: &[Uuid]) {
        let same = |w: &&mut Wake| {
            Arc::ptr_eq(&w.table, table) && w.by == who.role && w.session == who.session
        };
        match self.0.iter_mut().find(same) {
            Some(wake) => wake.named.extend_from_slice(named),
            None => self.0.push(Wake {
                table: Arc::clone(table),
                by: who.role,
                session: who.session,
                named: named.to_vec(),
            }),
        }
    }
}

struct Ring {
    entries: VecDeque<(i64, Wake)>,
    /// The newest version whose wake-up is in the ring, or was.
    latest: i64,
    /// Wake-ups up to this version are no longer, or never were, in the ring.
    floor: i64,
}

/// Remembers and announces wake-ups.
pub(super) struct Board {
    ring: Mutex<Ring>,
    announced: watch::Sender<i64>,
}

impl Board {
    /// A board of a store whose newest version is `version`.
    pub(super) fn new(version: i64) -> Self {
        Self {
            ring: Mutex::new(Ring {
                entries: VecDeque::new(),
                latest: version,
                floor: version,
            }),
            announced: watch::Sender::new(version),
        }
    }

    /// The newest committed version.
    pub(super) fn version(&self) -> i64 {
        *self.announced.borrow()
    }

    /// Makes a group known that was committed with `version` as its newest.
    pub(super) fn publish(&self, version: i64, wakes: Wakes) {
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            for mut wake in wakes.0 {
                wake.named.sort_unstable();
                wake.named.dedup();
                ring.entries.push_back((version, wake));
            }
            while ring.entries.len() > RING_ENTRIES {
                if let Some((gone, _)) = ring.entries.pop_front() {
                    ring.floor = gone;
                }
            }
            ring.latest = version;
        }
        self.announced.send_replace(version);
    }

    /// Waits until something that concerns `who` is newer than `since`. See
    /// [`super::Store::changes`].
    pub(super) async fn changes(
        &self,
        schema: &ArcSwap<Schema>,
        who: &Principal,
        since: Option<i64>,
    ) -> Changes {
        let mut announcements = self.announced.subscribe();
        let Some(mut since) = since else {
            return Changes {
                next: self.version(),
                changed: Vec::new(),
            };
        };
        loop {
            announcements.borrow_and_update();
            let seen = self.look(&schema.load(), who, since);
            if !seen.changed.is_empty() {
                return seen;
            }
            since = seen.next;
            if announcements.changed().await.is_err() {
                // The board outlives its borrowers, so the sender is still there.
                return seen;
            }
        }
    }

    fn look(&self, schema: &Schema, who: &Principal, since: i64) -> Changes {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed: Vec<Change> = if since < ring.floor || since > ring.latest {
            everything(schema)
        } else {
            let from = ring
                .entries
                .partition_point(|(version, _)| *version <= since);
            let newer = ring.entries.range(from..).map(|(_, wake)| wake);
            newer.filter(|w| concerns(w, who)).map(change).collect()
        };
        changed.sort_unstable();
        changed.dedup();
        Changes {
            next: ring.latest,
            changed,
        }
    }
}

fn change(wake: &Wake) -> Change {
    Change {
        table: wake.table.def.set.clone(),
        by: wake.by,
    }
}

fn everything(schema: &Schema) -> Vec<Change> {
    let roles = [Role::User, Role::Worker, Role::Admin];
    let tables = schema.tables().iter();
    tables
        .flat_map(|table| {
            roles.map(|by| Change {
                table: table.def.set.clone(),
                by,
            })
        })
        .collect()
}

/// Admins are concerned by every write but their own, others by those of rows that name them.
fn concerns(wake: &Wake, who: &Principal) -> bool {
    if wake.session.is_some() && wake.session == who.session {
        return false;
    }
    let named = |id: &Uuid| wake.named.binary_search(id).is_ok();
    match who.role {
        Role::Admin => true,
        Role::User | Role::Worker => {
            named(&who.user) || who.worker.as_ref().is_some_and(|claim| named(&claim.id))
        }
    }
}
