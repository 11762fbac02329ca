//! Errors as Dataverse sends them: an HTTP status, a code, a message.

use serde::{Deserialize, Serialize};

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
