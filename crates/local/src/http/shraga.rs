//! What this store offers beside Dataverse's API: who am I in full, wake-ups, tokens.

use http::Method;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use shraga_wire::fault::Fault;
use uuid::Uuid;

use crate::http::answer::Answer;
use crate::http::limits::LONG_POLL;
use crate::http::path;
use crate::http::rows::body::not_json;
use crate::http::{App, Stopping};
use crate::ops::{GetOp, Key, Principal, Projection, Role};
use crate::store::{Changes, ReadAnswer, ReadOp, TokenRecord, TokenRequest};

/// Where all of it lies.
pub(crate) const ROOT: &str = "/api/shraga";

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl App {
    /// Answers a request below [`ROOT`]; `inside` is the rest of its path.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) async fn shraga(
        &self,
        who: &Principal,
        parts: &Parts,
        inside: &str,
        body: &[u8],
    ) -> Result<Answer, Fault> {
        let query = parts.uri.query().unwrap_or_default();
        let method = &parts.method;
        match (inside.trim_end_matches('/'), method) {
            ("", &Method::GET) => Ok(self.info(who).await),
            ("", _) => Ok(Answer::not_allowed(method, ROOT, "GET")),
            ("/changes", &Method::GET) => {
                let stopping = parts.extensions.get::<Stopping>();
                self.changes(who, since(query)?, stopping).await
            }
            ("/changes", _) => Ok(Answer::not_allowed(method, "changes", "GET")),
            ("/tokens", &Method::GET) => {
                let tokens = self.store.list_tokens(who).await?;
                let value: Vec<_> = tokens.iter().map(token_json).collect();
                Ok(Answer::json(200, json!({ "value": value }).to_string()))
            }
            ("/tokens", &Method::POST) => self.create_token(who, body).await,
            ("/tokens", _) => Ok(Answer::not_allowed(method, "tokens", "GET, POST")),
            (other, &Method::DELETE) if other.starts_with("/tokens/") => {
                let id = path::guid(&other["/tokens/".len()..])?;
                self.store.revoke_token(who, id).await?;
                Ok(Answer::no_content())
            }
            (other, _) if other.starts_with("/tokens/") => {
                Ok(Answer::not_allowed(method, "a token", "DELETE"))
            }
            (other, _) => Err(Fault::no_such_resource(
                &format!("{ROOT}{other}"),
                Some("/api/shraga, /api/shraga/changes or /api/shraga/tokens"),
            )),
        }
    }

    async fn info(&self, who: &Principal) -> Answer {
        let worker = who.worker.as_ref().map(|worker| {
            json!({
                "id": worker.id,
                "pool": worker.pool,
                "slots": worker.slots,
                "labels": worker.labels,
            })
        });
        let body = json!({
            "product": "shraga",
            "version": VERSION,
            "user": who.user,
            "role": role_name(who.role),
            "email": self.email(who).await,
            "worker": worker,
        });
        Answer::json(200, body.to_string())
    }

    /// The caller's e-mail address; null when its row can't be read.
    async fn email(&self, who: &Principal) -> Value {
        let schema = self.store.schema();
        let Some(users) = schema.by_logical("systemuser") else {
            return Value::Null;
        };
        let read = GetOp {
            table: users.clone(),
            key: Key::Id(who.user),
            projection: Projection::default(),
        };
        match self.store.read(who, vec![ReadOp::Get(read)]).await.pop() {
            Some(Ok(ReadAnswer::Found(found))) => {
                let row: Value = serde_json::from_slice(&found.row).unwrap_or_default();
                row["internalemailaddress"].clone()
            }
            Some(
                Ok(ReadAnswer::Page(_) | ReadAnswer::Count(_) | ReadAnswer::Delta(_)) | Err(_),
            )
            | None => Value::Null,
        }
    }

    async fn changes(
        &self,
        who: &Principal,
        since: Option<i64>,
        stopping: Option<&Stopping>,
    ) -> Result<Answer, Fault> {
        let stopped = async {
            match stopping {
                Some(Stopping(token)) => token.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let changes = tokio::select! {
            changes = self.store.changes(who, since) => changes,
            () = stopped => return Err(Fault::unavailable("The server is stopping.")),
            () = waited() => Changes {
                next: since.unwrap_or_default(),
                changed: Vec::new(),
            },
        };
        let changed: Vec<_> = changes
            .changed
            .iter()
            .map(|change| json!({"table": change.table, "by": role_name(change.by)}))
            .collect();
        let body = json!({"next": changes.next, "changed": changed});
        Ok(Answer::json(200, body.to_string()))
    }

    async fn create_token(&self, who: &Principal, body: &[u8]) -> Result<Answer, Fault> {
        let asked: Asked = serde_json::from_slice(body).map_err(|wrong| not_json(&wrong))?;
        let request = TokenRequest {
            user: asked.user,
            role: asked.role.into(),
            worker: asked.worker,
            pool: asked.pool,
            slots: asked.slots,
            labels: asked.labels,
        };
        let made = self.store.create_token(who, request).await?;
        let mut body = json!({"token": made.token});
        if let (Value::Object(body), Value::Object(record)) = (&mut body, token_json(&made.record))
        {
            body.extend(record);
        }
        Ok(Answer::json(201, body.to_string()))
    }
}

/// Returns after [`LONG_POLL`].
async fn waited() {
    let forever = std::future::pending::<()>();
    if tokio::time::timeout(LONG_POLL, forever).await.is_ok() {
        tracing::error!("a future that never ends has ended");
    }
}

/// What a new token is to be, as sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    user: String,
    role: AskedRole,
    worker: Option<Uuid>,
    pool: Option<String>,
    slots: Option<i32>,
    labels: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AskedRole {
    User,
    Worker,
    Admin,
}

impl From<AskedRole> for Role {
    fn from(asked: AskedRole) -> Self {
        match asked {
            AskedRole::User => Self::User,
            AskedRole::Worker => Self::Worker,
            AskedRole::Admin => Self::Admin,
        }
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Worker => "worker",
        Role::Admin => "admin",
    }
}

fn token_json(record: &TokenRecord) -> Value {
    let created = jiff::Timestamp::from_second(record.created).unwrap_or_default();
    let id = |worker: &crate::ops::WorkerClaim| worker.id;
    let worker: Option<Uuid> = record.worker.as_ref().map(id);
    json!({
        "id": record.id,
        "user": record.user,
        "email": record.email,
        "role": role_name(record.role),
        "worker": worker,
        "pool": record.worker.as_ref().map(|worker| &worker.pool),
        "slots": record.worker.as_ref().map(|worker| worker.slots),
        "labels": record.worker.as_ref().map(|worker| &worker.labels),
        "created": created.to_string(),
    })
}

/// Reads `since=N`.
fn since(query: &str) -> Result<Option<i64>, Fault> {
    let mut since = None;
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("since", number)) => {
                let number = number.parse().map_err(|_not_a_number| {
                    Fault::invalid_argument("since must be the `next` of an earlier answer.")
                })?;
                since = Some(number);
            }
            _ => {
                return Err(Fault::invalid_argument(format!(
                    "'{option}' is not known here; only since=N is."
                )));
            }
        }
    }
    Ok(since)
}
