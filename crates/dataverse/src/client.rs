//! The client: one identity at one store.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName};
use serde::Deserialize;
use shraga_core::ids::{Etag, UserId};
use shraga_core::row::{Column, Condition, Table, Value, Write};
use shraga_core::time::Timestamp;
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
pub mod capabilities;
pub mod embedded;
mod encode;
pub mod metadata;
mod paging;
mod probe;
mod thin;

use batch::doubt::is_misunderstood;
use capabilities::{Ability, Capabilities, Learned};
use embedded::StoreInfo;
use encode::API;

const JSON: &str = "application/json";
/// Asks for the row that a write made.
const REPRESENTATION: &str = "return=representation";
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
    learned: Learned,
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
                learned: Learned::default(),
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

    /// The credentials that its token comes from; `None` when a token was given, or none is needed.
    #[must_use]
    pub fn credentials(&self) -> Option<&crate::auth::Credentials> {
        self.inner.sender.credentials()
    }

    /// What the store can do, as far as its answers have told.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.inner.learned.capabilities()
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

    /// The object id of a person's account in Entra ID; `None` when the store doesn't know it, or her.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn account_of(&self, user: UserId) -> Result<Option<Uuid>, Error> {
        #[derive(Deserialize)]
        struct Person {
            #[serde(rename = "azureactivedirectoryobjectid")]
            account: Option<Uuid>,
        }
        let column = "azureactivedirectoryobjectid";
        let target = format!("{API}systemusers({user})?$select={column}");
        match self.send(Call::get(target)).await {
            Ok(reply) => Ok(reply.json::<Person>()?.account),
            Err(error) if error.is_missing_row() => Ok(None),
            Err(error) => Err(error),
        }
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
    /// reply is lost, the row is looked for, and created again only if it is not there. A store that
    /// takes no chosen identities gives it another, which the answer tells; there a lost reply is an
    /// error, and nothing is repeated.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another row has this identity; any other [`Error`] of a request.
    pub async fn create(
        &self,
        table: Table,
        id: Uuid,
        cells: &[(Column, Value)],
    ) -> Result<Written, Error> {
        if !self.capabilities().own_ids {
            return self.post(table, None, cells).await.map(|(made, _)| made);
        }
        let first = self.patch(table, id, &Condition::Absent, cells).await;
        match first {
            Err(error) if error.is_unknown() => {}
            Err(error) if self.takes_no_ids(table, &error).await? => {
                return self.post(table, None, cells).await.map(|(made, _)| made);
            }
            Ok(made) if made.id != id => {
                self.inner.learned.lacks(Ability::OwnIds);
                return Ok(made);
            }
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

    /// Whether `error` is how the store refuses an identity chosen by us.
    ///
    /// # Errors
    /// Why that could not be found out.
    async fn takes_no_ids(&self, table: Table, error: &Error) -> Result<bool, Error> {
        let doubted = error.fault().is_some_and(|it| is_misunderstood(it.status))
            && self.inner.learned.is_doubtful(Ability::OwnIds);
        match doubted {
            true => self.try_own_ids(table).await,
            false => Ok(false),
        }
    }

    /// Creates a row under an identity that the store chooses, and says which: as the row in the answer
    /// says, else its address. Never repeated when the reply is lost.
    async fn post(
        &self,
        table: Table,
        owner: Option<UserId>,
        cells: &[(Column, Value)],
    ) -> Result<(Written, Option<Timestamp>), Error> {
        let mut body = Vec::new();
        let cells = self.absent().cells(table, cells).into_owned();
        encode::cells(&mut body, self.names(), owner, &cells);
        let target = encode::table_path(self.names(), table);
        let call = Call::new(Method::POST, target, body.into(), Repeat::IfNotDone)
            .with(header::CONTENT_TYPE, JSON)
            .with(header_name("prefer"), REPRESENTATION);
        let reply = self.send(call).await?;
        let told = self.made_by(table, &reply.body);
        let etag = reply.header("etag").map(Etag::new);
        let address = reply.header("odata-entityid");
        let made = match told {
            Some(made) => made,
            None => Written {
                id: address
                    .and_then(identity_in)
                    .ok_or_else(|| reply.bad("the answer does not name the row that was made"))?,
                etag: None,
            },
        };
        let etag = made.etag.or(etag);
        Ok((Written { id: made.id, etag }, reply.now().ok()))
    }

    /// The row that a representation is, by its primary key.
    fn made_by(&self, table: Table, body: &Bytes) -> Option<Written> {
        let row = Row::new(body.clone());
        let id = row
            .object()
            .ok()?
            .get(self.names().primary_id(table))?
            .as_str()?
            .parse()
            .ok()?;
        let etag = row.etag();
        Some(Written { id, etag })
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
        encode::says_something(table, id, condition, cells)?;
        let write = Write {
            table,
            id,
            condition: condition.clone(),
            owner: None,
            cells: cells.to_vec(),
        };
        let (written, _) = self.patch_write(&write, Repeat::IfNotDone).await?;
        Ok(written)
    }

    /// Makes a write under its condition; also the store's time.
    async fn patch_write(
        &self,
        write: &Write,
        repeat: Repeat,
    ) -> Result<(Written, Option<Timestamp>), Error> {
        let mut body = Vec::new();
        let cells = self.absent().cells(write.table, &write.cells).into_owned();
        encode::cells(&mut body, self.names(), write.owner, &cells);
        let (name, value) = encode::condition(&write.condition);
        let target = encode::row_path(self.names(), write.table, write.id);
        let call = Call::new(Method::PATCH, target, body.into(), repeat)
            .with(header::CONTENT_TYPE, JSON)
            .with(header_name(name), value);
        let reply = self.send(call).await?;
        let address = reply.header("odata-entityid");
        let written = Written {
            id: address.and_then(identity_in).unwrap_or(write.id),
            etag: reply.header("etag").map(Etag::new),
        };
        Ok((written, reply.now().ok()))
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

/// The identity in a row's address, `.../cr_shraga_tasks(GUID)`.
fn identity_in(address: &str) -> Option<Uuid> {
    let (_, key) = address.rsplit_once('(')?;
    Uuid::parse_str(key.trim_end().strip_suffix(')')?).ok()
}

fn header_name(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).expect("only literal names come here")
}
