//! A worker of the original, played by a test: the requests it makes, as it makes them.
//!
//! It knows nothing of mirrors, attempts or leases. It polls for Pending rows with its person's e-mail
//! and no machine, claims one by its version, and at the end writes status and result without any
//! condition. Spaces are sent as `+`, since its HTTP library does so.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use crate::Transport;

const TASKS: &str = "/api/data/v9.2/cr_shraga_tasks";

/// A worker of the original.
pub struct Legacy {
    transport: Transport,
    email: String,
    host: String,
}

/// A row it found: its identity and version.
#[derive(Clone, Debug)]
pub struct Found {
    /// The row.
    pub id: Uuid,
    etag: String,
}

impl Legacy {
    /// A worker on the machine `host` for the person with this e-mail.
    #[must_use]
    pub fn new(transport: Transport, email: &str, host: &str) -> Self {
        Self {
            transport,
            email: email.to_owned(),
            host: host.to_owned(),
        }
    }

    /// Looks for a row to work on.
    pub async fn polls(&self) -> Option<Found> {
        let email = &self.email;
        let query = format!(
            "$filter=cr_status+eq+1+and+(cr_userid+eq+'{email}'+or+crb3b_useremail+eq+'{email}')\
             +and+crb3b_devbox+eq+null&$orderby=createdon+asc&$top=1"
        );
        let (status, body) = self
            .send(Method::GET, &format!("{TASKS}?{query}"), None, None)
            .await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let row = body["value"].get(0)?;
        Some(Found {
            id: row["cr_shraga_taskid"].as_str()?.parse().ok()?,
            etag: row["@odata.etag"].as_str()?.to_owned(),
        })
    }

    /// Claims it; `false` when somebody else was faster.
    pub async fn claims(&self, found: &Found) -> bool {
        let body = json!({
            "cr_status": 5,
            "cr_statusmessage": format!("Claimed by {}", self.host),
            "crb3b_devbox": self.host,
        });
        let (status, answer) = self.patch(found.id, Some(&found.etag), &body).await;
        let lost = status == StatusCode::PRECONDITION_FAILED;
        assert!(lost || status == StatusCode::NO_CONTENT, "{answer}");
        !lost
    }

    /// Whether its person asked for an end; any trouble means no.
    pub async fn is_canceled(&self, id: Uuid) -> bool {
        let target = format!("{TASKS}({id})?$select=cr_status");
        let (_, body) = self.send(Method::GET, &target, None, None).await;
        matches!(body["cr_status"].as_i64(), Some(9 | 11))
    }

    /// Writes how it ended: status, message, result, transcript and the session's numbers, without the
    /// latter once more where the table has no such columns.
    pub async fn ends(&self, id: Uuid, status: i64, result: &str) {
        let mut body = json!({
            "cr_status": status,
            "cr_statusmessage": "Task finished",
            "cr_result": result,
            "cr_transcript": "{\"from\":\"worker\"}\n",
            "crb3b_sessioncost": "$0.12",
            "crb3b_sessiontokens": "1.2k in / 0.4k out / 3.0k cached",
            "crb3b_sessionduration": "2m 05s",
        });
        let (answered, words) = self.patch(id, None, &body).await;
        if answered == StatusCode::BAD_REQUEST && words.to_string().contains("propert") {
            let cells = body.as_object_mut().expect("it is an object");
            cells.retain(|name, _| !name.starts_with("crb3b_session"));
            let (answered, words) = self.patch(id, None, &body).await;
            assert_eq!(answered, StatusCode::NO_CONTENT, "{words}");
        } else {
            assert_eq!(answered, StatusCode::NO_CONTENT, "{words}");
        }
    }

    /// Takes rows and completes them until it finds none; which it has worked on.
    pub async fn works(&self) -> Vec<Uuid> {
        let mut done = Vec::new();
        while let Some(found) = self.polls().await {
            if self.claims(&found).await {
                self.ends(found.id, 7, "done by the original").await;
                done.push(found.id);
            }
        }
        done
    }

    async fn patch(&self, id: Uuid, etag: Option<&str>, body: &Value) -> (StatusCode, Value) {
        let target = format!("{TASKS}({id})");
        self.send(Method::PATCH, &target, etag, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        etag: Option<&str>,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("Accept", "application/json")
            .header("OData-MaxVersion", "4.0")
            .header("OData-Version", "4.0")
            .header("User-Agent", "python-requests/2.32.3");
        if let Some(etag) = etag {
            request = request.header("If-Match", etag);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json");
        }
        let request = request.body(Bytes::from(body)).expect("a plain request");
        let answer = self.transport.clone().oneshot(request).await;
        let (parts, body) = answer.expect("the store answers").into_parts();
        let body = body.collect().await.expect("the body is there").to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        (parts.status, body)
    }
}
