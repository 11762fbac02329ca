//! `$batch`: many requests in one `multipart/mixed` body, and their answers.
//!
//! Decoding keeps slices of the body it was given and copies nothing but targets; encoding writes
//! into one buffer. Neither looks inside parts: what a part means is for its reader to judge.

use bytes::Bytes;
use http::Method;

use crate::fault::Fault;

mod headers;

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

/// Reads the body of a batch request.
///
/// # Errors
/// 400 naming what is wrong: no boundary, an unfinished part, a nested batch, a read inside a change
/// set, more than [`MAX_PARTS`] requests.
pub fn decode_request(content_type: &str, body: &Bytes) -> Result<Vec<Part<Request>>, Fault> {
    let _ = (content_type, body);
    Err(Fault::not_supported("$batch"))
}

/// Reads the body of a batch answer.
///
/// # Errors
/// [`Malformed`] when it is no batch answer.
pub fn decode_response(content_type: &str, body: &Bytes) -> Result<Vec<Part<Response>>, Malformed> {
    let _ = (content_type, body);
    Err(Malformed("not a batch answer"))
}

/// A batch answer that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed batch answer: {0}")]
pub struct Malformed(pub &'static str);

/// Writes the body of a batch request.
#[derive(Debug)]
pub struct RequestWriter {
    out: Vec<u8>,
    boundary: String,
}

/// Writes the body of a batch answer.
#[derive(Debug)]
pub struct ResponseWriter {
    out: Vec<u8>,
    boundary: String,
}

/// A header to write.
pub type Header<'a> = (&'a str, &'a str);

impl RequestWriter {
    /// Starts a body. `unique` makes the boundary (`batch_<unique>`); it need not be secret.
    #[must_use]
    pub fn new(unique: &str) -> Self {
        Self {
            out: Vec::new(),
            boundary: format!("batch_{unique}"),
        }
    }

    /// The value of the batch's `Content-Type` header.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/mixed; boundary={}", self.boundary)
    }

    /// Adds a request outside any change set; `body` writes its body.
    pub fn single(
        &mut self,
        method: &str,
        target: &str,
        headers: &[Header<'_>],
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let _ = (method, target, headers);
        body(&mut self.out);
    }

    /// Opens a change set: [`Self::change`] adds to it until [`Self::end_change_set`].
    pub fn begin_change_set(&mut self) {}

    /// Adds a request to the open change set.
    pub fn change(
        &mut self,
        content_id: usize,
        method: &str,
        target: &str,
        headers: &[Header<'_>],
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let _ = (content_id, method, target, headers);
        body(&mut self.out);
    }

    /// Closes the open change set.
    pub fn end_change_set(&mut self) {}

    /// The finished body.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.out.into()
    }
}

impl ResponseWriter {
    /// Starts a body. `unique` makes the boundary (`batchresponse_<unique>`).
    #[must_use]
    pub fn new(unique: &str) -> Self {
        Self {
            out: Vec::new(),
            boundary: format!("batchresponse_{unique}"),
        }
    }

    /// The value of the answer's `Content-Type` header.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/mixed; boundary={}", self.boundary)
    }

    /// Adds an answer outside any change set, or the one fault that replaces a failed change set.
    pub fn single(
        &mut self,
        status: u16,
        content_id: Option<&str>,
        headers: &[Header<'_>],
        body: &[u8],
    ) {
        let _ = (status, content_id, headers, body);
    }

    /// Opens the answer of a change set: [`Self::change`] adds to it until [`Self::end_change_set`].
    pub fn begin_change_set(&mut self) {}

    /// Adds an answer to the open change set.
    pub fn change(
        &mut self,
        status: u16,
        content_id: Option<&str>,
        headers: &[Header<'_>],
        body: &[u8],
    ) {
        let _ = (status, content_id, headers, body);
    }

    /// Closes the open change set.
    pub fn end_change_set(&mut self) {}

    /// The finished body.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.out.into()
    }
}
