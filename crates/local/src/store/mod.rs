//! The store: tables described by data, kept in one SQLite file, behind a closed set of operations.
//!
//! Invariants: an acknowledged write survives `kill -9` and power loss; the writes of a [`Unit`]
//! happen all or not at all; a caller never sees or changes a row its role may not see, and cannot
//! tell such a row from an absent one; versions only ever rise. Deliberately absent: HTTP, OData
//! text, and any idea of what a table is for.

mod alter;
mod backup;
mod failure;
mod format;
mod group;
mod json;
mod open;
mod readers;
mod reads;
#[cfg(test)]
mod tests;
mod tokens;
mod types;
mod wakes;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use shraga_wire::fault::Fault;
use shraga_wire::schema::TableDef;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::access::admins_only;
use crate::clock::Clock;
use crate::ops::{Principal, Unit, Written};
use crate::schema::Schema;
use readers::ReadJob;
use writer::{Job, WriteJob};

pub use types::{
    Change, Changes, Continue, Form, NewToken, OpenError, ReadAnswer, ReadOp, SchemaChange,
    TokenRecord, TokenRequest, UnitFault,
};

/// A store that is open. Clones share it; the last one dropped waits for its threads and closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// What the threads of a store share.
struct Shared {
    schema: ArcSwap<Schema>,
    tokens: tokens::Tokens,
    board: wakes::Board,
    clock: Clock,
}

struct Inner {
    shared: Arc<Shared>,
    organization: Uuid,
    business_unit: Uuid,
    /// Gone only while closing.
    queues: Option<Queues>,
    threads: Vec<JoinHandle<()>>,
    /// Held until the threads have closed the database.
    _lock: File,
}

struct Queues {
    writes: mpsc::Sender<Job>,
    reads: mpsc::Sender<ReadJob>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Without senders the threads finish what waits and end.
        self.queues = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("store.thread_panicked: a thread of the store had panicked");
            }
        }
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new()
        .name(name)
        .spawn(work)
        .expect("a process that can't start a thread can't run at all")
}

impl Store {
    /// Opens the store kept in the folder `data`, making both when absent. Tables of `defs` that
    /// don't exist yet are created, others brought up to date. The built-in table of users is always
    /// there.
    ///
    /// # Errors
    /// See [`OpenError`]: folder in use by another process, database of a newer version, I/O.
    pub fn open(data: &Path, defs: Vec<TableDef>) -> Result<Self, OpenError> {
        Self::open_with(data, defs, Clock::system())
    }

    /// As [`Store::open`], with a clock of the caller's.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(data: &Path, defs: Vec<TableDef>, clock: Clock) -> Result<Self, OpenError> {
        Ok(Self {
            inner: Arc::new(open::open(data, defs, clock)?),
        })
    }

    /// The form of the database in the folder `data`, which may be open in another process. Changes nothing.
    ///
    /// # Errors
    /// It can't be read.
    pub fn form(data: &Path) -> Result<Form, OpenError> {
        open::form(data)
    }

    /// The newest copy that was made in the folder `data` before its database was brought forward.
    #[must_use]
    pub fn newest_copy(data: &Path) -> Option<PathBuf> {
        backup::newest(data)
    }

    /// The tables as they are now.
    #[must_use]
    pub fn schema(&self) -> Arc<Schema> {
        self.inner.shared.schema.load_full()
    }

    /// Identity of the organisation, made at first start.
    #[must_use]
    pub fn organization_id(&self) -> Uuid {
        self.inner.organization
    }

    /// Identity of the root business unit, made at first start.
    #[must_use]
    pub fn business_unit_id(&self) -> Uuid {
        self.inner.business_unit
    }

    /// The store's time, whole seconds: what rows are stamped with and `Date` headers say.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        let seconds = self.inner.shared.clock.seconds();
        jiff::Timestamp::from_second(seconds).unwrap_or_default()
    }

    /// The version of the newest committed write. A delta link made from it before a full read
    /// misses nothing of what that read doesn't show.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.inner.shared.board.version()
    }

    fn queues(&self) -> &Queues {
        let queues = self.inner.queues.as_ref();
        queues.expect("queues are gone only once no store refers to them")
    }

    /// Answers `ops` in order, all from one snapshot.
    pub async fn read(&self, who: &Principal, ops: Vec<ReadOp>) -> Vec<Result<ReadAnswer, Fault>> {
        let asked = ops.len();
        let (reply, answers) = oneshot::channel();
        let who = who.clone();
        // If nobody takes it, the reply is dropped and the wait below ends at once.
        let _ = self.queues().reads.send(ReadJob { who, ops, reply }).await;
        let closed = |_| vec![Err(failure::closing()); asked];
        answers.await.unwrap_or_else(closed)
    }

    /// Carries out `units` in order and returns when the outcome is durable. With
    /// [`Continue::StopAtFirst`] the answers end with the first fault.
    pub async fn write(
        &self,
        who: &Principal,
        units: Vec<Unit>,
        on_fault: Continue,
    ) -> Vec<Result<Vec<Written>, UnitFault>> {
        let asked = match on_fault {
            Continue::OnError => units.len(),
            Continue::StopAtFirst => units.len().min(1),
        };
        let (reply, outcomes) = oneshot::channel();
        let job = WriteJob {
            who: who.clone(),
            units,
            on_fault,
            reply,
        };
        let _ = self.queues().writes.send(Job::Write(job)).await;
        let closed = |_| {
            let fault = failure::closing();
            vec![Err(UnitFault { op: 0, fault }); asked]
        };
        outcomes.await.unwrap_or_else(closed)
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(writer::Reply<Result<T, Fault>>) -> Job,
    ) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        let _ = self.queues().writes.send(job(reply)).await;
        answer.await.unwrap_or_else(|_| Err(failure::closing()))
    }

    /// Changes definitions, admins only. Returns the schema after the change.
    ///
    /// # Errors
    /// A fault naming what is wrong with the change; nothing happened then.
    pub async fn alter(&self, who: &Principal, change: SchemaChange) -> Result<Arc<Schema>, Fault> {
        admins_only(who, "change definitions")?;
        self.ask(|reply| Job::Alter(Box::new(change), reply)).await
    }

    /// Which tables changed since version `since`, as far as it concerns the caller: at once if
    /// any did, else as soon as one does (the caller bounds the wait by dropping the future).
    /// Without `since`: at once, nothing, and the version to ask from.
    pub async fn changes(&self, who: &Principal, since: Option<i64>) -> Changes {
        let shared = &self.inner.shared;
        shared.board.changes(&shared.schema, who, since).await
    }

    /// Who the bearer of this token is; `None` if the token is unknown or revoked.
    ///
    /// # Errors
    /// 403 if the user is disabled.
    pub fn authenticate(&self, token: &str) -> Result<Option<Principal>, Fault> {
        self.inner.shared.tokens.authenticate(token)
    }

    /// Whom this token was made for, whether or not that user is disabled: for whoever keeps tokens,
    /// not for letting anybody in.
    #[must_use]
    pub fn made_for(&self, token: &str) -> Option<Principal> {
        self.inner.shared.tokens.made_for(token)
    }

    /// Lets this user in whatever rows say: who has the store's files can't be locked out, and an
    /// admin's mistake can be undone. The first one named counts.
    pub fn never_bar(&self, user: Uuid) {
        self.inner.shared.tokens.never_bar(user);
    }

    /// Whether nobody gets in as this user, nor acts for it.
    pub(crate) fn is_barred(&self, user: Uuid) -> bool {
        self.inner.shared.tokens.is_barred(user)
    }

    /// Makes a token, and its user when new. Admins only. The secret is in the answer and nowhere
    /// else.
    ///
    /// # Errors
    /// 403 for others than admins, 400 for a bad request.
    pub async fn create_token(
        &self,
        who: &Principal,
        request: TokenRequest,
    ) -> Result<NewToken, Fault> {
        admins_only(who, "make tokens")?;
        let who = who.clone();
        self.ask(|reply| Job::CreateToken(who, request, reply))
            .await
    }

    /// All tokens, oldest first, without secrets. Admins only.
    ///
    /// # Errors
    /// 403 for others than admins.
    pub async fn list_tokens(&self, who: &Principal) -> Result<Vec<TokenRecord>, Fault> {
        admins_only(who, "list tokens")?;
        Ok(self.inner.shared.tokens.list())
    }

    /// Ends a token at once. Admins only.
    ///
    /// # Errors
    /// 403 for others than admins, 404 if there is no such token.
    pub async fn revoke_token(&self, who: &Principal, id: Uuid) -> Result<(), Fault> {
        admins_only(who, "revoke tokens")?;
        self.ask(|reply| Job::RevokeToken(id, reply)).await
    }

    /// The user with this e-mail address, made when new. Admins only.
    ///
    /// # Errors
    /// 403 for others than admins, 400 for an empty address.
    pub async fn ensure_user(&self, who: &Principal, email: &str) -> Result<Uuid, Fault> {
        admins_only(who, "make users")?;
        let (who, email) = (who.clone(), email.to_owned());
        self.ask(|reply| Job::EnsureUser(who, email, reply)).await
    }
}
