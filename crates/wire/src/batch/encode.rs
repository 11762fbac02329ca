//! Writes batches: everything into one buffer, parts in the order they are given.
//!
//! Values of headers cannot break out of their line: line ends inside them are dropped.

use std::io::Write as _;

use bytes::Bytes;

/// A header to write: name and value.
pub type Header<'a> = (&'a str, &'a str);

const HTTP_PART: &[u8] = b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n";

/// Writes the body of a batch request.
#[derive(Debug)]
pub struct RequestWriter(Mime);

/// Writes the body of a batch answer.
#[derive(Debug)]
pub struct ResponseWriter(Mime);

impl RequestWriter {
    /// Starts a body. `unique` makes the boundary (`batch_<unique>`): letters, digits, `-` and `_`
    /// that no part contains at the start of a line.
    #[must_use]
    pub fn new(unique: &str) -> Self {
        Self(Mime::new("batch", "changeset", unique))
    }

    /// The value of the batch's `Content-Type` header.
    #[must_use]
    pub fn content_type(&self) -> String {
        self.0.content_type()
    }

    /// How long the body is so far, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.out.len()
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.out.is_empty()
    }

    /// Adds a request outside any change set; `body` writes its body.
    pub fn single(
        &mut self,
        method: &str,
        target: &str,
        headers: &[Header<'_>],
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.end_change_set();
        self.0.open_part(None);
        self.request(method, target, headers, body);
    }

    /// Opens a change set: [`Self::change`] adds to it until [`Self::end_change_set`].
    pub fn begin_change_set(&mut self) {
        self.0.begin_change_set();
    }

    /// Adds a request to the open change set.
    pub fn change(
        &mut self,
        content_id: usize,
        method: &str,
        target: &str,
        headers: &[Header<'_>],
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.0.open_part(Some(format_args!("{content_id}")));
        self.request(method, target, headers, body);
    }

    /// Closes the open change set, if one is open.
    pub fn end_change_set(&mut self) {
        self.0.end_change_set();
    }

    /// The finished body.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.0.finish()
    }

    fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[Header<'_>],
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.0.text(method);
        self.0.text(" ");
        self.0.one_line(target);
        self.0.text(" HTTP/1.1\r\n");
        self.0.headers(headers);
        body(&mut self.0.out);
        self.0.text("\r\n");
    }
}

impl ResponseWriter {
    /// Starts a body. `unique` makes the boundary (`batchresponse_<unique>`): letters, digits, `-`
    /// and `_` that no part contains at the start of a line.
    #[must_use]
    pub fn new(unique: &str) -> Self {
        Self(Mime::new("batchresponse", "changesetresponse", unique))
    }

    /// The value of the answer's `Content-Type` header.
    #[must_use]
    pub fn content_type(&self) -> String {
        self.0.content_type()
    }

    /// Adds an answer outside any change set, or the one fault that replaces a failed change set.
    pub fn single(
        &mut self,
        status: u16,
        content_id: Option<&str>,
        headers: &[Header<'_>],
        body: &[u8],
    ) {
        self.end_change_set();
        self.answer(status, content_id, headers, body);
    }

    /// Opens the answer of a change set: [`Self::change`] adds to it until [`Self::end_change_set`].
    pub fn begin_change_set(&mut self) {
        self.0.begin_change_set();
    }

    /// Adds an answer to the open change set.
    pub fn change(
        &mut self,
        status: u16,
        content_id: Option<&str>,
        headers: &[Header<'_>],
        body: &[u8],
    ) {
        self.answer(status, content_id, headers, body);
    }

    /// Closes the open change set, if one is open.
    pub fn end_change_set(&mut self) {
        self.0.end_change_set();
    }

    /// The finished body.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.0.finish()
    }

    fn answer(
        &mut self,
        status: u16,
        content_id: Option<&str>,
        headers: &[Header<'_>],
        body: &[u8],
    ) {
        match content_id {
            Some(id) => self.0.open_part(Some(format_args!("{id}"))),
            None => self.0.open_part(None),
        }
        let reason = http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown");
        self.0.write(format_args!("HTTP/1.1 {status} {reason}\r\n"));
        self.0.headers(headers);
        self.0.out.extend_from_slice(body);
        self.0.text("\r\n");
    }
}

/// A multipart body in the making, at most one level deep.
#[derive(Debug)]
struct Mime {
    out: Vec<u8>,
    boundary: String,
    /// Boundary of the open change set, or of the next one to open.
    inner: String,
    in_change_set: bool,
    change_sets: u32,
    inner_prefix: &'static str,
    unique: String,
}

impl Mime {
    fn new(prefix: &str, inner_prefix: &'static str, unique: &str) -> Self {
        Self {
            out: Vec::new(),
            boundary: format!("{prefix}_{unique}"),
            inner: String::new(),
            in_change_set: false,
            change_sets: 0,
            inner_prefix,
            unique: unique.to_owned(),
        }
    }

    fn content_type(&self) -> String {
        format!("multipart/mixed; boundary={}", self.boundary)
    }

    fn begin_change_set(&mut self) {
        self.end_change_set();
        self.change_sets += 1;
        self.inner = format!("{}_{}-{}", self.inner_prefix, self.unique, self.change_sets);
        self.in_change_set = true;
        let Self {
            out,
            boundary,
            inner,
            ..
        } = self;
        write(
            out,
            format_args!("--{boundary}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n"),
        );
    }

    fn end_change_set(&mut self) {
        if self.in_change_set {
            self.in_change_set = false;
            write(&mut self.out, format_args!("--{}--\r\n", self.inner));
        }
    }

    fn open_part(&mut self, content_id: Option<std::fmt::Arguments<'_>>) {
        let boundary = match self.in_change_set {
            true => &self.inner,
            false => &self.boundary,
        };
        self.out.extend_from_slice(b"--");
        self.out.extend_from_slice(boundary.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(HTTP_PART);
        if let Some(id) = content_id {
            write(&mut self.out, format_args!("Content-ID: {id}\r\n"));
        }
        self.out.extend_from_slice(b"\r\n");
    }

    fn headers(&mut self, headers: &[Header<'_>]) {
        for (name, value) in headers {
            self.one_line(name);
            self.text(": ");
            self.one_line(value);
            self.text("\r\n");
        }
        self.text("\r\n");
    }

    fn one_line(&mut self, text: &str) {
        if memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_none() {
            return self.text(text);
        }
        for piece in text.split(['\r', '\n']) {
            self.text(piece);
        }
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        write(&mut self.out, text);
    }

    fn finish(mut self) -> Bytes {
        self.end_change_set();
        write(&mut self.out, format_args!("--{}--\r\n", self.boundary));
        self.out.into()
    }
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes everything");
}
