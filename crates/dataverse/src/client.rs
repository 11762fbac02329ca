//! The client: one identity at one store.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName};
use serde::Deserialize;
use shraga_core::ids::{Etag, UserId};
use shraga_core::row::{Column, Condition, Table, Value};
use shraga_wire::filter::Filter;
use shraga_wire::query::Query;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::absent::Absent;
use crate::error::Error;
use crate::names::Names;
use crate::options::Options;
use crate::rows::Row;
use crate::send::traffic::Traffic;
use crate::send::{Call, Lane, Repeat, Reply, Sender};

pub mod batch;
pub mod embedded;
mod encode;
pub mod metadata;
mod paging;
mod probe;
mod thin;

use embedded::StoreInfo;
use encode::API;

const JSON: &str = "application/json";
/// A column that every row has, to ask for as little as possible.
const CREATED_ON: &str = "createdon";

/// A client. Clones share connections, pacing and what was learned of the store.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    acting_for: Option<UserId>,
    lane: Lane,
}

#[derive(Debug)]
struct Inner {
    sender: Sender,
    names: Names,
    absent: ArcSwap<Absent>,
    store: OnceCell<Option<StoreInfo>>,
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
            inner: Arc::new(Inner {
                sender: Sender::new(&options)?,
                names: options.names,
                absent: ArcSwap::default(),
                store: OnceCell::new(),
            }),
            acting_for: None,
            lane: Lane::Work,
        })
    }

    /// The same client acting for `user`, as far as both may (impersonation).
    #[must_use]
    pub fn acting_for(&self, user: UserId) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            acting_for: Some(user),
            lane: self.lane,
        }
    }

    /// The same client on the share of the budget that is kept for signs of life: a beat does not wait
    /// behind what there is to report.
    #[must_use]
    pub fn beating(&self) -> Self {
        Self {
            lane: Lane::Beat,
            ..self.clone()
        }
    }

    /// What was sent so far, how fast more may be sent, and whether the service is tried at all.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.inner.sender.traffic()
    }

    /// What tables and columns are called here.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.inner.names
    }

    /// Who the caller is.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn who_am_i(&self) -> Result<UserId, Error> {
        #[derive(Deserialize)]
        struct WhoAmI {
            #[serde(rename = "UserId")]
            user: Uuid,
        }
        let reply = self.send(Call::get(format!("{API}WhoAmI"))).await?;
        Ok(UserId::new(reply.json::<WhoAmI>()?.user))
    }

    /// One row, or `None` when there is none that the caller can see. No `select`: all columns.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn get(&self, table: Table, id: Uuid, select: &[&str]) -> Result<Option<Row>, Error> {
        let absent = self.absent();
        if !absent.has_table(table) {
            return Ok(None);
        }
        let select = absent.select(table, select);
        let target = self.row_question(table, id, &encode::selecting(&select));
        match self.send(Call::get(target)).await {
            Ok(reply) => {
                reply.json::<&serde_json::value::RawValue>()?;
                self.row_of(table, reply.body).map(Some)
            }
            Err(error) if error.is_missing_row() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many rows there are (Dataverse counts to 5,000 and stops).
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn count(&self, table: Table, filter: Option<&Filter>) -> Result<u64, Error> {
        let query = Query {
            filter: filter.cloned(),
            ..Query::default()
        };
        let absent = self.absent();
        let Some(query) = absent.question(table, &query) else {
            return Ok(0);
        };
        let question = encode::question_path(self.names(), table, &query);
        let path = encode::table_path(self.names(), table);
        let target = format!("{path}/$count{}", &question[path.len()..]);
        let reply = self.send(Call::get(target)).await?;
        let text = String::from_utf8_lossy(&reply.body);
        let digits = text.trim_start_matches('\u{feff}').trim();
        digits
            .parse()
            .map_err(|_| reply.bad("the answer is no number"))
    }

    /// Creates a row under an identity the caller chose. Safe to repeat: it is created once. When a
    /// reply is lost, the row is looked for, and created again only if it is not there.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another row has this identity; any other [`Error`] of a request.
    pub async fn create(
        &self,
        table: Table,
        id: Uuid,
        cells: &[(Column, Value)],
    ) -> Result<Written, Error> {
        let first = self.patch(table, id, &Condition::Absent, cells).await;
        match first {
            Err(error) if error.is_unknown() => {}
            known => return known,
        }
        if let Some(row) = self.get(table, id, &[CREATED_ON]).await? {
            return Ok(Written {
                id,
                etag: row.etag(),
            });
        }
        self.patch(table, id, &Condition::Absent, cells).await
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
        let mut body = Vec::new();
        let cells = self.absent().cells(table, cells).into_owned();
        encode::cells(&mut body, self.names(), None, &cells);
        let (name, value) = encode::condition(condition);
        let target = encode::row_path(self.names(), table, id);
        let call = Call::new(Method::PATCH, target, body.into(), Repeat::IfNotDone)
            .with(header::CONTENT_TYPE, JSON)
            .with(header_name(name), value);
        let reply = self.send(call).await?;
        Ok(Written {
            id,
            etag: reply.header("etag").map(Etag::new),
        })
    }

    /// Deletes a row: exactly this version of it, or any when `None`.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Missing`] or any other [`Error`] of a request.
    pub async fn delete(&self, table: Table, id: Uuid, etag: Option<&Etag>) -> Result<(), Error> {
        let target = encode::row_path(self.names(), table, id);
        let condition = etag.map_or("*", Etag::as_str);
        let call = Call::new(Method::DELETE, target, Bytes::new(), Repeat::IfNotDone)
            .with(header::IF_MATCH, condition);
        self.send(call).await.map(drop)
    }

    /// Sends a call as this caller.
    async fn send(&self, mut call: Call) -> Result<Reply, Error> {
        call.lane = self.lane;
        let call = match self.acting_for {
            Some(user) => call.with(header_name("mscrmcallerid"), &user.to_string()),
            None => call,
        };
        self.inner.sender.send(&call).await
    }

    fn row_question(&self, table: Table, id: Uuid, query: &Query) -> String {
        let question = encode::question_path(self.names(), table, query);
        let path = encode::table_path(self.names(), table);
        format!("{path}({id}){}", &question[path.len()..])
    }
}

fn header_name(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).expect("only literal names come here")
}
