//! Pages: reading one, and following the addresses of the next to the end.
//!
//! A next page's address comes from outside: it is followed only at the store's own origin, so that a
//! token cannot be lured elsewhere, and never twice, so that a stuck cookie ends in an error.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use shraga_core::row::Table;
use shraga_core::time::Timestamp;
use shraga_wire::query::Query;
use url::Url;

use super::{Client, encode};
use crate::client::batch::Read;
use crate::error::Error;
use crate::rows::{Row, Rows};
use crate::send::{Call, Sender, status};

/// The most rows that all pages of one answer may have together. Questions are bounded; a larger
/// answer means that one is not, and would fill the memory.
const MAX_ROWS: usize = 1_000_000;
/// The longest address of a read, in bytes; Dataverse takes 32 KB. Longer ones travel in a batch,
/// where it takes 64 KB.
const MAX_ADDRESS_BYTES: usize = 30_000;

#[derive(Deserialize)]
struct PageBody<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(rename = "@odata.nextLink", default)]
    next_link: Option<Cow<'a, str>>,
    #[serde(rename = "@odata.count", default)]
    count: Option<u64>,
}

impl Client {
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
        let absent = self.absent();
        let Some(query) = absent.question(table, query) else {
            return self.no_rows().await;
        };
        let target = encode::question_path(self.names(), table, &query);
        if target.len() > MAX_ADDRESS_BYTES {
            return self.page_in_batch(table, &query).await;
        }
        self.page_at(table, target, page_size).await
    }

    /// All rows, page after page to the end. Only `$top` bounds them, so ask a bounded question.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::RepeatedNextLink`], [`Error::ForeignNextLink`] and
    /// [`Error::TooLarge`] of paging.
    pub async fn list(&self, table: Table, query: &Query) -> Result<Vec<Row>, Error> {
        let mut page = self.page(table, query, None).await?;
        let mut rows = std::mem::take(&mut page.rows);
        let mut seen = HashSet::new();
        while let Some(link) = page.next_link.take() {
            let target = next_target(&self.inner.sender, &link)?;
            if !seen.insert(target.clone()) {
                return Err(Error::RepeatedNextLink(link));
            }
            page = self.page_at(table, target, None).await?;
            rows.append(&mut page.rows);
            if rows.len() > MAX_ROWS {
                return Err(Error::TooLarge {
                    limit: MAX_ROWS as u64,
                    unit: "rows",
                });
            }
        }
        Ok(rows)
    }

    async fn page_at(
        &self,
        table: Table,
        target: String,
        page_size: Option<u32>,
    ) -> Result<Rows, Error> {
        let mut call = Call::get(target);
        if let Some(rows) = page_size {
            let preference = format!("odata.maxpagesize={rows}");
            call = call.with(http::HeaderName::from_static("prefer"), &preference);
        }
        let reply = self.send(call).await?;
        self.rows_of(table, &reply.body, reply.now()?)
    }

    /// The answer to a question that no row can answer. The store is asked for its time only.
    async fn no_rows(&self) -> Result<Rows, Error> {
        let reply = self
            .send(Call::get(format!("{}WhoAmI", encode::API)))
            .await?;
        Ok(Rows::of(reply.now()?, Vec::new()))
    }

    async fn page_in_batch(&self, table: Table, query: &Query) -> Result<Rows, Error> {
        let read = Read::List {
            table,
            query: query.clone(),
        };
        let mut answers = self.read_batch(&[read]).await?.answers;
        answers.pop().unwrap_or(Err(Error::NotReached))
    }

    /// Reads the body of a page.
    pub(super) fn rows_of(
        &self,
        table: Table,
        body: &Bytes,
        now: Timestamp,
    ) -> Result<Rows, Error> {
        let page: PageBody<'_> = serde_json::from_slice(body)
            .map_err(|error| status::bad_answer(format!("not a page of rows: {error}"), body))?;
        let row = |raw: &&RawValue| self.row_of(table, body.slice_ref(raw.get().as_bytes()));
        Ok(Rows {
            now,
            rows: page.value.iter().map(row).collect::<Result<_, _>>()?,
            count: page.count,
            next_link: page.next_link.map(Cow::into_owned),
        })
    }

    /// A row with default names.
    pub(super) fn row_of(&self, table: Table, json: Bytes) -> Result<Row, Error> {
        let row = Row::new(json);
        if self.names().are_default() {
            return Ok(row);
        }
        Ok(row.with_default_names(self.names(), table)?)
    }
}

/// Path and query of a next page, if it is at the store's own origin. Without a token there is nothing
/// to lose, and in process the store may not know what it is called.
fn next_target(sender: &Sender, link: &str) -> Result<String, Error> {
    let foreign = || Error::ForeignNextLink(link.to_owned());
    let next: Url = sender.base().join(link).map_err(|_| foreign())?;
    if sender.has_token() && next.origin() != sender.base().origin() {
        return Err(foreign());
    }
    Ok(match next.query() {
        Some(query) => format!("{}?{query}", next.path()),
        None => next.path().to_owned(),
    })
}
