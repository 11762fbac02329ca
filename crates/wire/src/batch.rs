//! `$batch`: many requests in one `multipart/mixed` body, and their answers.
//!
//! Decoding keeps slices of the body it was given and copies nothing but targets; encoding writes
//! into one buffer. Neither looks inside parts: what a part means is for its reader to judge.

use bytes::Bytes;
use http::Method;

mod decode;
mod encode;
mod headers;
#[cfg(test)]
mod tests;

pub use decode::{decode_request, decode_response};
pub use encode::{Header, RequestWriter, ResponseWriter};
pub use headers::Headers;

/// The most requests a batch may hold, as in Dataverse; more would hold its transaction too long.
pub const MAX_PARTS: usize = 1000;

/// A part of a batch: one request or answer, or a change set of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<T> {
    /// On its own.
    Single(T),
    /// All or nothing.
    ChangeSet(Vec<T>),
}

/// A request inside a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The target as written: an absolute URL, an absolute or relative path, or `$1`.
    pub target: String,
    /// Headers of the request itself.
    pub headers: Headers,
    /// Its body; empty when there is none.
    pub body: Bytes,
    /// `Content-ID` of the part, by which later requests of a change set refer to it.
    pub content_id: Option<String>,
}

/// An answer inside a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers of the answer itself.
    pub headers: Headers,
    /// Its body; empty when there is none.
    pub body: Bytes,
    /// `Content-ID` of the request it answers.
    pub content_id: Option<String>,
}

/// A batch answer that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed batch answer: {0}")]
pub struct Malformed(pub &'static str);
