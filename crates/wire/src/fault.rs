//! Errors as Dataverse sends them: an HTTP status, a code, a message.
//!
//! Constructors here are the only place that pairs a status with a code, so that client and server
//! agree on what each refusal looks like. Messages say what is wrong and, where it helps, what to do.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An answer that says no. The body is `{"error":{"code":"0x...","message":"..."}}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// Dataverse's error code.
    pub code: Code,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// A Dataverse error code, printed as `0x` and eight hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

/// The JSON body of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The error object.
    pub error: BodyError,
}

/// The error object inside a fault's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyError {
    /// The code's text; the live service sometimes leaves it empty.
    #[serde(default)]
    pub code: String,
    /// The message.
    #[serde(default)]
    pub message: String,
}

/// The codes that are sent or reacted to, by Dataverse's names.
pub mod codes {
    use super::Code;

    /// No code: the live service sometimes leaves it empty.
    pub const NONE: Code = Code(0);
    /// A bad argument.
    pub const INVALID_ARGUMENT: Code = Code(0x8004_0203);
    /// A caller without the right to this row.
    pub const INVALID_ACCESS_RIGHTS: Code = Code(0x8004_020d);
    /// Something unexpected inside the service.
    pub const UNEXPECTED: Code = Code(0x8004_0216);
    /// No row with this identity.
    pub const OBJECT_DOES_NOT_EXIST: Code = Code(0x8004_0217);
    /// A caller without this privilege.
    pub const PRIVILEGE_DENIED: Code = Code(0x8004_0220);
    /// A caller that is disabled or unknown to the organisation.
    pub const USER_NOT_ENABLED: Code = Code(0x8004_0225);
    /// A row with this identity exists already.
    pub const DUPLICATE_RECORD: Code = Code(0x8004_0237);
    /// No such table.
    pub const NO_ENTITY: Code = Code(0x8004_1102);
    /// No such column.
    pub const NO_ATTRIBUTE: Code = Code(0x8004_1103);
    /// A choice value that is not among the options.
    pub const PICKLIST_VALUE_OUT_OF_RANGE: Code = Code(0x8004_431a);
    /// Text longer than its column.
    pub const STRING_LENGTH_TOO_LONG: Code = Code(0x8004_4331);
    /// A delta token older than what is kept.
    pub const EXPIRED_VERSION_STAMP: Code = Code(0x8004_4352);
    /// A column with this name exists already.
    pub const DUPLICATE_ATTRIBUTE_SCHEMA_NAME: Code = Code(0x8004_7013);
    /// A table or column name that breaks the rules of names.
    pub const INVALID_SCHEMA_NAME: Code = Code(0x8004_7000);
    /// A body that does not fit the table.
    pub const INVALID_PAYLOAD: Code = Code(0x8004_8d19);
    /// A caller that may not act for somebody else.
    pub const CANNOT_ACT_ON_BEHALF_OF: Code = Code(0x8004_a110);
    /// An OData query or address that cannot be understood.
    pub const ODATA: Code = Code(0x8006_0888);
    /// An address that names nothing.
    pub const NO_SUCH_RESOURCE: Code = Code(0x8006_0889);
    /// The row's version is not the one named.
    pub const CONCURRENCY_VERSION_MISMATCH: Code = Code(0x8006_0882);
    /// No alternate key with these columns.
    pub const ENTITY_KEY_NOT_DEFINED: Code = Code(0x8006_0890);
    /// No row with these key values.
    pub const RECORD_NOT_FOUND_BY_ENTITY_KEY: Code = Code(0x8006_0891);
    /// A row with these key values exists already.
    pub const DUPLICATE_RECORD_ENTITY_KEY: Code = Code(0x8006_0892);
    /// An alternate key with this name exists already.
    pub const ENTITY_KEY_NAME_EXISTS: Code = Code(0x8006_0893);
    /// An alternate key over these columns exists already.
    pub const ENTITY_KEY_COLUMNS_EXIST: Code = Code(0x8006_0894);
    /// Somebody else changes definitions, imports or publishes.
    pub const CUSTOMIZATION_LOCKED: Code = Code(0x8007_1151);
    /// More requests than the limit allows.
    pub const THROTTLED_REQUESTS: Code = Code(0x8007_2322);
    /// Too much execution time within the window of the limit.
    pub const THROTTLED_TIME: Code = Code(0x8007_2321);
    /// Too many requests at once.
    pub const THROTTLED_CONCURRENCY: Code = Code(0x8007_2326);
    /// Change tracking is off for the table.
    pub const CHANGE_TRACKING_NOT_ENABLED: Code = Code(0x8007_2491);
}

impl Fault {
    /// A refusal with any status and code.
    #[must_use]
    pub fn new(status: u16, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// 400: something in the request is wrong.
    #[must_use]
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(400, codes::INVALID_ARGUMENT, message)
    }

    /// 400: the query or address cannot be understood.
    #[must_use]
    pub fn odata(message: impl Into<String>) -> Self {
        Self::new(400, codes::ODATA, message)
    }

    /// 400: the body does not fit the table.
    #[must_use]
    pub fn invalid_payload(message: impl Into<String>) -> Self {
        Self::new(400, codes::INVALID_PAYLOAD, message)
    }

    /// 401: no token, or one that is not valid.
    #[must_use]
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(401, codes::NONE, message)
    }

    /// 403: the caller may not do this.
    #[must_use]
    pub fn privilege_denied(message: impl Into<String>) -> Self {
        Self::new(403, codes::PRIVILEGE_DENIED, message)
    }

    /// 403: the caller's user is disabled.
    #[must_use]
    pub fn user_not_enabled(message: impl Into<String>) -> Self {
        Self::new(403, codes::USER_NOT_ENABLED, message)
    }

    /// 403: the caller may not act for this user.
    #[must_use]
    pub fn cannot_act_on_behalf_of(user: Uuid) -> Self {
        Self::new(
            403,
            codes::CANNOT_ACT_ON_BEHALF_OF,
            format!("The caller may not act on behalf of user {user}."),
        )
    }

    /// 404: no row with this identity that the caller can see.
    #[must_use]
    pub fn does_not_exist(table: &str, id: Uuid) -> Self {
        Self::new(
            404,
            codes::OBJECT_DOES_NOT_EXIST,
            format!("{table} With Id = {id} Does Not Exist"),
        )
    }

    /// 404: no row with these key values that the caller can see.
    #[must_use]
    pub fn not_found_by_key(table: &str) -> Self {
        Self::new(
            404,
            codes::RECORD_NOT_FOUND_BY_ENTITY_KEY,
            format!("A record with the specified key values does not exist in {table} entity"),
        )
    }

    /// 404: the address names nothing. `nearest` is a name that does exist.
    #[must_use]
    pub fn no_such_resource(segment: &str, nearest: Option<&str>) -> Self {
        let hint = did_you_mean(nearest);
        Self::new(
            404,
            codes::NO_SUCH_RESOURCE,
            format!("Resource not found for the segment '{segment}'.{hint}"),
        )
    }

    /// 405: the resource exists, the method does not fit it.
    #[must_use]
    pub fn method_not_allowed(method: &str, resource: &str) -> Self {
        Self::new(
            405,
            codes::ODATA,
            format!("The method {method} is not allowed on {resource}."),
        )
    }

    /// 400: the table has no such column. `nearest` is one it has.
    #[must_use]
    pub fn no_column(table: &str, column: &str, nearest: Option<&str>) -> Self {
        let hint = did_you_mean(nearest);
        Self::new(
            400,
            codes::ODATA,
            format!(
                "Could not find a property named '{column}' on type \
                 'Microsoft.Dynamics.CRM.{table}'.{hint}"
            ),
        )
    }

    /// 412: a row with this identity exists already (seen or hidden).
    #[must_use]
    pub fn duplicate_record() -> Self {
        Self::new(
            412,
            codes::DUPLICATE_RECORD,
            "A record with matching key values already exists.",
        )
    }

    /// 412: a row with these alternate key values exists already (seen or hidden).
    #[must_use]
    pub fn duplicate_key(key: &str) -> Self {
        Self::new(
            412,
            codes::DUPLICATE_RECORD_ENTITY_KEY,
            format!(
                "A record that has the attribute values specified already exists. The entity key \
                 {key} requires that this set of attributes contains unique values. Select unique \
                 values and try again."
            ),
        )
    }

    /// 412: the row's version is not the one named by `If-Match`.
    #[must_use]
    pub fn version_mismatch() -> Self {
        Self::new(
            412,
            codes::CONCURRENCY_VERSION_MISMATCH,
            "The version of the existing record doesn't match the RowVersion property provided.",
        )
    }

    /// 400: text longer than its column, in characters.
    #[must_use]
    pub fn too_long(table: &str, column: &str, length: usize, max: u32) -> Self {
        Self::new(
            400,
            codes::STRING_LENGTH_TOO_LONG,
            format!(
                "A validation error occurred. The length of the '{column}' attribute of the \
                 '{table}' entity ({length}) exceeded the maximum allowed length of '{max}'."
            ),
        )
    }

    /// 400: a choice value that is not among the options.
    #[must_use]
    pub fn choice_out_of_range(table: &str, column: &str, value: i64, options: &str) -> Self {
        Self::new(
            400,
            codes::PICKLIST_VALUE_OUT_OF_RANGE,
            format!(
                "A validation error occurred. The value {value} of '{column}' on record of type \
                 '{table}' is outside the valid range. Accepted Values: {options}"
            ),
        )
    }

    /// 400: a delta token older than what is kept.
    #[must_use]
    pub fn expired_version_stamp() -> Self {
        Self::new(
            400,
            codes::EXPIRED_VERSION_STAMP,
            "Version stamp associated with the client has expired. Please perform a full sync.",
        )
    }

    /// 413: a body, page or batch beyond its limit.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, codes::INVALID_ARGUMENT, message)
    }

    /// 500: something went wrong inside; the details are in the log.
    #[must_use]
    pub fn unexpected(message: impl Into<String>) -> Self {
        Self::new(500, codes::UNEXPECTED, message)
    }

    /// 501: a part of Dataverse's protocol that is not served, named.
    #[must_use]
    pub fn not_supported(feature: &str) -> Self {
        Self::new(
            501,
            codes::ODATA,
            format!("{feature} is not supported by this store."),
        )
    }

    /// 503: cannot be served now, worth another try.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, codes::UNEXPECTED, message)
    }

    /// The JSON body of this fault.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let body = Body {
            error: BodyError {
                code: self.code.to_string(),
                message: self.message.clone(),
            },
        };
        serde_json::to_vec(&body).expect("two strings are always JSON")
    }

    /// Reads a refusal with this status and body, whatever shape the body has.
    ///
    /// Known shapes: `{"error":{..}}`, `{"Message":..}`, `{"ErrorCode":..,"Message":..}`. Of anything
    /// else the first [`EXCERPT_CHARS`] characters become the message.
    #[must_use]
    pub fn from_body(status: u16, body: &[u8]) -> Self {
        parse_body(status, body).unwrap_or_else(|| {
            Self::new(status, codes::NONE, excerpt(&String::from_utf8_lossy(body)))
        })
    }
}

/// How much of a body that is no error object is kept as the message. More floods logs, less hides
/// which proxy answered.
pub const EXCERPT_CHARS: usize = 300;

#[derive(Deserialize)]
struct AnyBody<'a> {
    #[serde(borrow, default)]
    error: Option<AnyError<'a>>,
    #[serde(borrow, rename = "Message", alias = "message", default)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "ErrorCode", default)]
    code: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct AnyError<'a> {
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
}

fn parse_body(status: u16, body: &[u8]) -> Option<Fault> {
    let any: AnyBody<'_> = serde_json::from_slice(body).ok()?;
    let (code, message) = match any.error {
        Some(error) => (error.code, error.message),
        None => (any.code, any.message),
    };
    let code = code.and_then(|text| Code::parse(&text));
    Some(Fault::new(status, code.unwrap_or(codes::NONE), message?))
}

fn excerpt(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" Did you mean '{name}'?"))
}

impl Code {
    /// Reads `0x` and up to eight hexadecimal digits, or a signed decimal number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => u32::from_str_radix(hex, 16).ok().map(Self),
            None => text.parse::<i32>().ok().map(|n| Self(n.cast_unsigned())),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}
