//! What the embedded store offers beside Dataverse's API: who it is, wake-ups, tokens.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use shraga_core::ids::{UserId, WorkerId};
use shraga_core::row::Table;
use uuid::Uuid;

use super::Client;
use crate::error::Error;
use crate::send::{Call, Repeat};

/// Where the embedded store's own endpoints live.
const ROOT: &str = "/api/shraga";
/// What the embedded store calls itself.
const PRODUCT: &str = "shraga";
/// How long the store holds a question for changes back, as agreed with it.
const LONG_POLL: Duration = Duration::from_secs(25);

/// What the embedded store says of itself and of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its version.
    pub version: String,
    /// The caller.
    pub user: UserId,
    /// What the caller may do.
    pub role: Role,
    /// The caller's e-mail.
    pub email: Option<String>,
    /// For worker tokens: the worker.
    pub worker: Option<StoreWorker>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Own rows.
    User,
    /// Rows assigned to its worker.
    Worker,
    /// The organisation.
    Admin,
}

/// The worker that a worker token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreWorker {
    /// Its identity.
    pub id: WorkerId,
    /// `shared` or `dedicated`.
    pub pool: String,
    /// The most slots it may offer.
    pub slots: u32,
    /// Labels it may carry.
    pub labels: Vec<String>,
}

/// What changed since a wake-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Where the next question starts.
    pub next: i64,
    /// Which tables, and who wrote. Unknown tables are left out.
    pub changed: Vec<Changed>,
}

/// A table that somebody wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The table.
    pub table: Table,
    /// Who wrote.
    pub by: Role,
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The person's e-mail, for which a user is made when there is none; or her identity.
    pub user: String,
    /// What the token may do.
    pub role: Role,
    /// For workers: which worker it is; a new one when `None`.
    pub worker: Option<WorkerId>,
    /// For workers: `shared` or `dedicated`.
    pub pool: Option<String>,
    /// For workers: the most slots it may offer.
    pub slots: Option<u32>,
    /// For workers: labels it may carry.
    pub labels: Vec<String>,
}

/// A token as the store describes it.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token's identity, by which it is revoked.
    pub id: Uuid,
    /// The secret itself; only told once, when it is made.
    pub token: Option<SecretString>,
    /// Whose it is: an e-mail, or the user's identity where the store does not tell.
    pub user: String,
    /// What it may do.
    pub role: Role,
    /// Which worker it is, of a worker's.
    pub worker: Option<WorkerId>,
    /// When it was made, as the store prints it.
    pub created: Option<String>,
}

#[derive(Deserialize)]
struct InfoBody {
    product: String,
    version: String,
    user: Uuid,
    role: Role,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    worker: Option<WorkerBody>,
}

#[derive(Deserialize)]
struct WorkerBody {
    id: Uuid,
    pool: String,
    slots: u32,
    #[serde(default)]
    labels: Labels,
}

/// Labels travel as a list or as comma-separated text.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Labels {
    List(Vec<String>),
    Text(String),
    #[default]
    None,
}

#[derive(Deserialize)]
struct ChangesBody<'a> {
    next: i64,
    #[serde(borrow, default)]
    changed: Vec<ChangedBody<'a>>,
}

#[derive(Deserialize)]
struct ChangedBody<'a> {
    #[serde(borrow)]
    table: Cow<'a, str>,
    by: Role,
}

#[derive(Serialize)]
struct TokenRequestBody<'a> {
    user: &'a str,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<String>,
}

#[derive(Deserialize)]
struct TokenBody {
    id: Uuid,
    #[serde(default)]
    token: Option<String>,
    user: Uuid,
    #[serde(default)]
    email: Option<String>,
    role: Role,
    #[serde(default)]
    worker: Option<Uuid>,
    #[serde(default)]
    created: Option<String>,
}

#[derive(Deserialize)]
struct TokensBody {
    value: Vec<TokenBody>,
}

impl Client {
    /// What the embedded store says of itself; `None` at Dataverse. Asked once.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn store_info(&self) -> Result<Option<&StoreInfo>, Error> {
        let info = self
            .inner
            .store
            .get_or_try_init(|| self.ask_store_info())
            .await?;
        Ok(info.as_ref())
    }

    async fn ask_store_info(&self) -> Result<Option<StoreInfo>, Error> {
        match self.send(Call::get(ROOT.to_owned())).await {
            Ok(reply) => Ok(reply.json::<InfoBody>().ok().and_then(store_info)),
            Err(Error::Missing(_) | Error::Refused(_) | Error::BadAnswer { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits (25 s at most) until somebody else changed something that concerns the caller since
    /// `since`; without it, tells at once where to start. Embedded store only.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn changes(&self, since: Option<i64>) -> Result<Changes, Error> {
        let mut call = Call::get(match since {
            Some(since) => format!("{ROOT}/changes?since={since}"),
            None => format!("{ROOT}/changes"),
        });
        call.patience = LONG_POLL;
        let reply = self.send(call).await?;
        let body: ChangesBody<'_> = reply.json()?;
        let known = |changed: &ChangedBody<'_>| {
            let table = self.names().table(&changed.table)?;
            Some(Changed {
                table,
                by: changed.by,
            })
        };
        Ok(Changes {
            next: body.next,
            changed: body.changed.iter().filter_map(known).collect(),
        })
    }

    /// Makes a token (admins).
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn create_token(&self, request: &TokenRequest) -> Result<Token, Error> {
        let body = TokenRequestBody {
            user: &request.user,
            role: request.role,
            worker: request.worker.map(WorkerId::get),
            pool: request.pool.as_deref(),
            slots: request.slots,
            labels: (!request.labels.is_empty()).then(|| request.labels.join(",")),
        };
        let body = serde_json::to_vec(&body).expect("words and numbers are always JSON");
        let target = format!("{ROOT}/tokens");
        let call = Call::new(Method::POST, target, body.into(), Repeat::IfNotDone)
            .with(header::CONTENT_TYPE, super::JSON);
        let reply = self.send(call).await?;
        Ok(reply.json::<TokenBody>()?.into())
    }

    /// All tokens, without their secrets (admins).
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn tokens(&self) -> Result<Vec<Token>, Error> {
        let reply = self.send(Call::get(format!("{ROOT}/tokens"))).await?;
        let body: TokensBody = reply.json()?;
        Ok(body.value.into_iter().map(Token::from).collect())
    }

    /// Revokes a token, at once (admins).
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none; any other [`Error`] of a request.
    pub async fn revoke_token(&self, id: Uuid) -> Result<(), Error> {
        let target = format!("{ROOT}/tokens/{id}");
        let call = Call::new(Method::DELETE, target, Bytes::new(), Repeat::IfNotDone);
        self.send(call).await.map(drop)
    }
}

/// The store's own words, unless they are somebody else's.
fn store_info(body: InfoBody) -> Option<StoreInfo> {
    if body.product != PRODUCT {
        return None;
    }
    Some(StoreInfo {
        version: body.version,
        user: UserId::new(body.user),
        role: body.role,
        email: body.email,
        worker: body.worker.map(|worker| StoreWorker {
            id: WorkerId::new(worker.id),
            pool: worker.pool,
            slots: worker.slots,
            labels: worker.labels.into(),
        }),
    })
}

impl From<Labels> for Vec<String> {
    fn from(labels: Labels) -> Self {
        match labels {
            Labels::List(list) => list,
            Labels::Text(text) => crate::rows::words(&text),
            Labels::None => Self::new(),
        }
    }
}

impl From<TokenBody> for Token {
    fn from(body: TokenBody) -> Self {
        Self {
            id: body.id,
            token: body.token.map(SecretString::from),
            user: body.email.unwrap_or_else(|| body.user.to_string()),
            role: body.role,
            worker: body.worker.map(WorkerId::new),
            created: body.created,
        }
    }
}
