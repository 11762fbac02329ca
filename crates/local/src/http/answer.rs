//! Answers as values: the same one goes out alone or as a part of a batch.

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, DATE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use shraga_wire::batch::ResponseWriter;
use shraga_wire::etag;
use shraga_wire::fault::Fault;

const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
const ENTITY_ID: HeaderName = HeaderName::from_static("odata-entityid");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// When to try again what can't be served now. Longer leaves an idle store waiting.
const RETRY_AFTER_SECONDS: &str = "1";
const JSON: &str = "application/json; odata.metadata=minimal";

/// What a body is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Content {
    /// There is none.
    #[default]
    Nothing,
    /// JSON.
    Json,
    /// XML.
    Xml,
    /// Plain text.
    Text,
    /// A batch's answers, with their boundary in this content type.
    Multipart(String),
}

impl Content {
    fn content_type(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Json => Some(JSON),
            Self::Xml => Some("application/xml"),
            Self::Text => Some("text/plain; charset=utf-8"),
            Self::Multipart(content_type) => Some(content_type),
        }
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// `OData-EntityId`: the address of what was written.
    pub(crate) entity_id: Option<String>,
    /// Whether that is also sent as `Location`.
    pub(crate) created: bool,
    /// The row's version.
    pub(crate) etag: Option<i64>,
    /// `Preference-Applied`.
    pub(crate) applied: Option<String>,
    /// The methods that would have been allowed.
    pub(crate) allow: Option<&'static str>,
    /// What the body is.
    pub(crate) content: Content,
    /// The body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// 204
    pub(crate) fn no_content() -> Self {
        Self {
            status: 204,
            ..Self::default()
        }
    }

    /// JSON with this status.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content: Content::Json,
            body: body.into(),
            ..Self::default()
        }
    }

    /// A refusal of a method, with those that are allowed.
    pub(crate) fn not_allowed(method: &http::Method, resource: &str, allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::from(Fault::method_not_allowed(method.as_str(), resource))
        }
    }

    /// Adds `Preference-Applied`.
    pub(crate) fn with_applied(mut self, applied: Option<String>) -> Self {
        self.applied = applied;
        self
    }

    /// The answer as one of its own, given at `now` of the store's time.
    pub(crate) fn into_response(self, now: Timestamp) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(DATE, http_date(now));
        headers.insert(ODATA_VERSION, HeaderValue::from_static("4.0"));
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        if let Some(content_type) = self.content.content_type() {
            set(CONTENT_TYPE, content_type);
        }
        if let Some(id) = &self.entity_id {
            set(ENTITY_ID, id);
            if self.created {
                set(LOCATION, id);
            }
        }
        if let Some(version) = self.etag {
            set(ETAG, &etag::print(version));
        }
        if let Some(applied) = &self.applied {
            set(APPLIED, applied);
        }
        if let Some(allow) = self.allow {
            set(ALLOW, allow);
        }
        match self.status {
            401 => set(WWW_AUTHENTICATE, "Bearer realm=\"shraga\""),
            503 => set(RETRY_AFTER, RETRY_AFTER_SECONDS),
            _ => {}
        }
        response
    }

    /// The answer as a part of a batch, inside its open change set or on its own.
    pub(crate) fn write_part(
        &self,
        out: &mut ResponseWriter,
        content_id: Option<&str>,
        in_change_set: bool,
    ) {
        let tag = self.etag.map(etag::print);
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(7);
        headers.push(("OData-Version", "4.0"));
        if let Some(content_type) = self.content.content_type() {
            headers.push(("Content-Type", content_type));
        }
        if let Some(id) = &self.entity_id {
            headers.push(("OData-EntityId", id));
            if self.created {
                headers.push(("Location", id));
            }
        }
        if let Some(tag) = &tag {
            headers.push(("ETag", tag));
        }
        if let Some(applied) = &self.applied {
            headers.push(("Preference-Applied", applied));
        }
        if let Some(allow) = self.allow {
            headers.push(("Allow", allow));
        }
        if in_change_set {
            out.change(self.status, content_id, &headers, &self.body);
        } else {
            out.single(self.status, content_id, &headers, &self.body);
        }
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self::json(fault.status, fault.to_body())
    }
}

fn http_date(now: Timestamp) -> HeaderValue {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&now)
        .ok()
        .and_then(|text| HeaderValue::from_str(&text).ok())
        .unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}
