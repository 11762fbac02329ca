//! The store: tables described by data, kept in one SQLite file, behind a closed set of operations.
//!
//! Invariants: an acknowledged write survives `kill -9` and power loss; the writes of a [`Unit`]
//! happen all or not at all; a caller never sees or changes a row its role may not see, and cannot
//! tell such a row from an absent one; versions only ever rise. Deliberately absent: HTTP, OData
//! text, and any idea of what a table is for.

mod types;

use std::path::Path;
use std::sync::Arc;

use shraga_wire::fault::Fault;
use shraga_wire::schema::TableDef;
use uuid::Uuid;

use crate::ops::{Principal, Unit, Written};
use crate::schema::Schema;

pub use types::{
    Change, Changes, Continue, NewToken, OpenError, ReadAnswer, ReadOp, SchemaChange, TokenRecord,
    TokenRequest, UnitFault,
};

/// A store that is open. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    schema: arc_swap::ArcSwap<Schema>,
}

impl Store {
    /// Opens the store kept in the folder `data`, making both when absent. Tables of `defs` that
    /// don't exist yet are created. The built-in table of users is always there.
    ///
    /// # Errors
    /// See [`OpenError`]: folder in use by another process, database of a newer version, I/O.
    pub fn open(data: &Path, defs: Vec<TableDef>) -> Result<Self, OpenError> {
        let _ = data;
        Ok(Self {
            inner: Arc::new(Inner {
                schema: arc_swap::ArcSwap::from_pointee(Schema::new(defs)),
            }),
        })
    }

    /// The tables as they are now.
    #[must_use]
    pub fn schema(&self) -> Arc<Schema> {
        self.inner.schema.load_full()
    }

    /// Identity of the organisation, made at first start.
    #[must_use]
    pub fn organization_id(&self) -> Uuid {
        Uuid::nil()
    }

    /// Identity of the root business unit, made at first start.
    #[must_use]
    pub fn business_unit_id(&self) -> Uuid {
        Uuid::nil()
    }

    /// The store's time, whole seconds: what rows are stamped with and `Date` headers say.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    /// The version of the newest committed write. A delta link made from it before a full read
    /// misses nothing of what that read doesn't show.
    #[must_use]
    pub fn version(&self) -> i64 {
        0
    }

    /// Answers `ops` in order, all from one snapshot.
    pub async fn read(&self, who: &Principal, ops: Vec<ReadOp>) -> Vec<Result<ReadAnswer, Fault>> {
        let _ = (who, ops);
        Vec::new()
    }

    /// Carries out `units` in order and returns when the outcome is durable. With
    /// [`Continue::StopAtFirst`] the answers end with the first fault.
    pub async fn write(
        &self,
        who: &Principal,
        units: Vec<Unit>,
        on_fault: Continue,
    ) -> Vec<Result<Vec<Written>, UnitFault>> {
        let _ = (who, units, on_fault);
        Vec::new()
    }

    /// Changes definitions, admins only. Returns the schema after the change.
    ///
    /// # Errors
    /// A fault naming what is wrong with the change; nothing happened then.
    pub async fn alter(&self, who: &Principal, change: SchemaChange) -> Result<Arc<Schema>, Fault> {
        let _ = (who, change);
        Ok(self.schema())
    }

    /// Which tables changed since version `since`, as far as it concerns the caller: at once if
    /// any did, else as soon as one does (the caller bounds the wait by dropping the future).
    /// Without `since`: at once, nothing, and the version to ask from.
    pub async fn changes(&self, who: &Principal, since: Option<i64>) -> Changes {
        let _ = (who, since);
        std::future::pending().await
    }

    /// Who the bearer of this token is; `None` if the token is unknown or revoked.
    ///
    /// # Errors
    /// 403 if the user is disabled.
    pub fn authenticate(&self, token: &str) -> Result<Option<Principal>, Fault> {
        let _ = token;
        Ok(None)
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
        let _ = (who, request);
        Err(types::not_yet())
    }

    /// All tokens, oldest first, without secrets. Admins only.
    ///
    /// # Errors
    /// 403 for others than admins.
    pub async fn list_tokens(&self, who: &Principal) -> Result<Vec<TokenRecord>, Fault> {
        let _ = who;
        Err(types::not_yet())
    }

    /// Ends a token at once. Admins only.
    ///
    /// # Errors
    /// 403 for others than admins, 404 if there is no such token.
    pub async fn revoke_token(&self, who: &Principal, id: Uuid) -> Result<(), Fault> {
        let _ = (who, id);
        Err(types::not_yet())
    }

    /// The user with this e-mail address, made when new. Admins only.
    ///
    /// # Errors
    /// 403 for others than admins, 400 for an empty address.
    pub async fn ensure_user(&self, who: &Principal, email: &str) -> Result<Uuid, Fault> {
        let _ = (who, email);
        Err(types::not_yet())
    }
}
