//! The client: one identity at one store.

use std::sync::Arc;

use bytes::Bytes;
use shraga_core::ids::{Etag, UserId};
use shraga_core::row::{Column, Condition, Table, Value};
use shraga_wire::filter::Filter;
use shraga_wire::query::Query;
use uuid::Uuid;

use crate::error::Error;
use crate::names::Names;
use crate::options::Options;
use crate::rows::{Row, Rows};

pub mod batch;
pub mod embedded;

/// A client. Clones share connections, pacing and what was learned of the store.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    acting_for: Option<UserId>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
}

/// The identity and version of a row that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The row.
    pub id: Uuid,
    /// Its version, when the store told.
    pub etag: Option<Etag>,
}

impl Client {
    /// A client for the store at `options.base`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::BadAddress`] when the address is not `https`, nor `http` at a loopback host.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self {
            inner: Arc::new(Inner { options }),
            acting_for: None,
        })
    }

    /// The same client acting for `user`, as far as both may (impersonation).
    #[must_use]
    pub fn acting_for(&self, user: UserId) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            acting_for: Some(user),
        }
    }

    /// What tables and columns are called here.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.inner.options.names
    }

    /// Who the caller is.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn who_am_i(&self) -> Result<UserId, Error> {
        Err(Error::NotReached)
    }

    /// One row, or `None` when there is none that the caller can see. No `select`: all columns.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn get(&self, table: Table, id: Uuid, select: &[&str]) -> Result<Option<Row>, Error> {
        let _ = (table, id, select);
        Err(Error::NotReached)
    }

    /// One page of rows, `page_size` at most (the store's own limit when `None`).
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn page(
        &self,
        table: Table,
        query: &Query,
        page_size: Option<u32>,
    ) -> Result<Rows, Error> {
        let _ = (table, query, page_size);
        Err(Error::NotReached)
    }

    /// All rows, page after page to the end. Only `$top` bounds them, so ask a bounded question.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::RepeatedNextLink`], [`Error::ForeignNextLink`] and
    /// [`Error::TooLarge`] of paging.
    pub async fn list(&self, table: Table, query: &Query) -> Result<Vec<Row>, Error> {
        let _ = (table, query);
        Err(Error::NotReached)
    }

    /// How many rows there are (Dataverse counts to 5,000 and stops).
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn count(&self, table: Table, filter: Option<&Filter>) -> Result<u64, Error> {
        let _ = (table, filter);
        Err(Error::NotReached)
    }

    /// Creates a row under an identity the caller chose. Safe to repeat: it is created once.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another row has this identity; any other [`Error`] of a request.
    pub async fn create(
        &self,
        table: Table,
        id: Uuid,
        cells: &[(Column, Value)],
    ) -> Result<Written, Error> {
        let _ = (table, id, cells);
        Err(Error::NotReached)
    }

    /// Changes a row under a condition, never repeated when the reply is lost.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the row is not as `condition` demands; [`Error::Missing`] when it is
    /// gone; any other [`Error`] of a request.
    pub async fn patch(
        &self,
        table: Table,
        id: Uuid,
        condition: &Condition,
        cells: &[(Column, Value)],
    ) -> Result<Written, Error> {
        let _ = (table, id, condition, cells);
        Err(Error::NotReached)
    }

    /// Deletes a row: exactly this version of it, or any when `None`.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Missing`] or any other [`Error`] of a request.
    pub async fn delete(&self, table: Table, id: Uuid, etag: Option<&Etag>) -> Result<(), Error> {
        let _ = (table, id, etag);
        Err(Error::NotReached)
    }

    /// One raw request below `/api/data/v9.2/`, paced and retried when it is a read; for metadata and
    /// diagnosis.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn read_raw(&self, path_and_query: &str) -> Result<Bytes, Error> {
        let _ = path_and_query;
        Err(Error::NotReached)
    }
}
