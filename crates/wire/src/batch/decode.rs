//! Reads batches: slices of the body, found by searching for boundaries.
//!
//! Tolerated, since real clients send it: LF instead of CRLF, quoted boundaries, no space after `;`
//! or `:`, a preamble, parts without a blank line at their end, `Content-ID` inside the part. Line
//! ends after a part's body are not part of it.

use bytes::Bytes;
use http::Method;
use memchr::memmem;

use super::{Headers, MAX_PARTS, Malformed, Part, Request, Response};
use crate::fault::Fault;

/// Reads the body of a batch request.
///
/// # Errors
/// 400 naming what is wrong: no boundary, an unfinished part, a nested batch, a read inside a change
/// set, more than [`MAX_PARTS`] requests.
pub fn decode_request(content_type: &str, body: &Bytes) -> Result<Vec<Part<Request>>, Fault> {
    let boundary = boundary_of(content_type).ok_or_else(|| {
        Fault::invalid_argument(format!(
            "A batch needs the content type multipart/mixed with a boundary; it has \
             '{content_type}'."
        ))
    })?;
    let mut budget = MAX_PARTS;
    let mut parts = Vec::new();
    for part in split_finished(body, boundary)? {
        parts.push(request_part(&part, &mut budget)?);
    }
    Ok(parts)
}

fn request_part(part: &Bytes, budget: &mut usize) -> Result<Part<Request>, Fault> {
    let (headers, content) = head_and_rest(part);
    let kind = headers.get("content-type").unwrap_or_default();
    let Some(boundary) = boundary_of(kind) else {
        return request(&headers, &content, budget).map(Part::Single);
    };
    let mut changes = Vec::new();
    for change in split_finished(&content, boundary)? {
        let (headers, content) = head_and_rest(&change);
        let request = request(&headers, &content, budget)?;
        if request.method == Method::GET {
            return Err(Fault::invalid_argument(format!(
                "A change set cannot contain a GET request ({}).",
                request.target
            )));
        }
        changes.push(request);
    }
    Ok(Part::ChangeSet(changes))
}

fn request(mime: &Headers, content: &Bytes, budget: &mut usize) -> Result<Request, Fault> {
    let kind = mime.get("content-type").unwrap_or_default();
    if !is_http(kind) {
        return Err(Fault::invalid_argument(format!(
            "A part of a batch has the content type '{kind}'; it must be application/http."
        )));
    }
    *budget = budget.checked_sub(1).ok_or_else(|| {
        Fault::invalid_argument(format!(
            "The batch has more than the {MAX_PARTS} requests it may have."
        ))
    })?;
    let message = message(content);
    let (method, target) = request_line(&message.first_line)?;
    let content_id = mime
        .get("content-id")
        .or_else(|| message.headers.get("content-id"));
    Ok(Request {
        method,
        target,
        content_id: content_id.map(str::to_owned),
        headers: message.headers,
        body: message.body,
    })
}

/// How much of a malformed line is shown: enough to recognise it.
const SHOWN_CHARS: usize = 80;

/// `GET /path?with maybe spaces HTTP/1.1`
fn request_line(line: &[u8]) -> Result<(Method, String), Fault> {
    let malformed = || {
        let line = String::from_utf8_lossy(line);
        let shown: String = line.trim().chars().take(SHOWN_CHARS).collect();
        Fault::invalid_argument(format!(
            "A part of a batch begins with '{shown}', which is no request line."
        ))
    };
    let text = std::str::from_utf8(line).map_err(|_| malformed())?;
    let (method, rest) = text.trim().split_once(' ').ok_or_else(malformed)?;
    let (target, version) = rest.rsplit_once(' ').ok_or_else(malformed)?;
    let target = target.trim();
    if !version.starts_with("HTTP/") || target.is_empty() {
        return Err(malformed());
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| malformed())?;
    Ok((method, target.to_owned()))
}

/// Reads the body of a batch answer. A last part that was cut off is left out.
///
/// # Errors
/// [`Malformed`] when it is no batch answer.
pub fn decode_response(content_type: &str, body: &Bytes) -> Result<Vec<Part<Response>>, Malformed> {
    let boundary =
        boundary_of(content_type).ok_or(Malformed("its content type has no boundary"))?;
    let split = split(body, boundary);
    if split.parts.is_empty() && !split.finished {
        return Err(Malformed("it has no part"));
    }
    split.parts.iter().map(response_part).collect()
}

fn response_part(part: &Bytes) -> Result<Part<Response>, Malformed> {
    let (headers, content) = head_and_rest(part);
    let Some(boundary) = headers.get("content-type").and_then(boundary_of) else {
        return response(&headers, &content).map(Part::Single);
    };
    let changes = split(&content, boundary);
    let answer = |change: &Bytes| {
        let (headers, content) = head_and_rest(change);
        response(&headers, &content)
    };
    changes
        .parts
        .iter()
        .map(answer)
        .collect::<Result<_, _>>()
        .map(Part::ChangeSet)
}

fn response(mime: &Headers, content: &Bytes) -> Result<Response, Malformed> {
    let message = message(content);
    let status = std::str::from_utf8(&message.first_line)
        .ok()
        .filter(|line| line.starts_with("HTTP/"))
        .and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok())
        .ok_or(Malformed("a part has no status line"))?;
    let content_id = mime
        .get("content-id")
        .or_else(|| message.headers.get("content-id"));
    Ok(Response {
        status,
        content_id: content_id.map(str::to_owned),
        headers: message.headers,
        body: message.body,
    })
}

fn is_http(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/http")
}

/// The boundary of a `multipart/mixed` content type.
fn boundary_of(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then_some(value.trim())
    })?;
    let unquoted = value
        .strip_prefix('"')
        .map_or(Some(value), |v| v.strip_suffix('"'))?;
    (!unquoted.is_empty()).then_some(unquoted)
}

/// The parts of a multipart body.
struct Split {
    parts: Vec<Bytes>,
    /// Whether the closing boundary was there. A part that nothing closes is left out.
    finished: bool,
}

fn split_finished(body: &Bytes, boundary: &str) -> Result<Vec<Bytes>, Fault> {
    let split = split(body, boundary);
    if split.finished {
        return Ok(split.parts);
    }
    Err(Fault::invalid_argument(format!(
        "The batch does not end with its boundary '--{boundary}--'."
    )))
}

fn split(body: &Bytes, boundary: &str) -> Split {
    let delimiter = format!("--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut parts = Vec::new();
    let mut start = None;
    for found in finder.find_iter(body) {
        let Some(line) = delimiter_line(body, found, delimiter.len()) else {
            continue;
        };
        if let Some(start) = start {
            parts.push(body.slice(start..line.starts.max(start)));
        }
        if line.closes {
            return Split {
                parts,
                finished: true,
            };
        }
        start = Some(line.ends);
    }
    Split {
        parts,
        finished: false,
    }
}

/// A line that consists of a boundary.
struct DelimiterLine {
    /// Where the line end before it starts: there a part's content ends.
    starts: usize,
    /// After its own line end.
    ends: usize,
    /// Whether it closes the body.
    closes: bool,
}

/// The line at `found`, if a boundary stands alone on it.
fn delimiter_line(body: &[u8], found: usize, length: usize) -> Option<DelimiterLine> {
    let before = &body[..found];
    if !before.is_empty() && before.last() != Some(&b'\n') {
        return None;
    }
    let starts = found - line_end_length(before);
    let after = &body[found + length..];
    let closes = after.starts_with(b"--");
    let rest = if closes { &after[2..] } else { after };
    let line = memchr::memchr(b'\n', rest).map_or(rest, |end| &rest[..=end]);
    if !line.iter().all(u8::is_ascii_whitespace) || (!closes && !line.ends_with(b"\n")) {
        return None;
    }
    Some(DelimiterLine {
        starts,
        ends: body.len() - rest.len() + line.len(),
        closes,
    })
}

/// How long the line end is that `text` ends with.
fn line_end_length(text: &[u8]) -> usize {
    match text {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

/// Header lines up to the first empty line, and what follows it.
fn head_and_rest(part: &Bytes) -> (Headers, Bytes) {
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\n', &part[at..]) {
        let line = &part[at..at + length];
        let next = at + length + 1;
        if line.is_empty() || line == b"\r" {
            return (Headers::new(part.slice(..at)), part.slice(next..));
        }
        at = next;
    }
    (Headers::new(part.clone()), Bytes::new())
}

/// An HTTP message inside a part.
struct Message {
    first_line: Bytes,
    headers: Headers,
    body: Bytes,
}

fn message(content: &Bytes) -> Message {
    let content = content.slice(content.len() - content.trim_ascii_start().len()..);
    let end = memchr::memchr(b'\n', &content).map_or(content.len(), |end| end + 1);
    let (headers, body) = head_and_rest(&content.slice(end..));
    let kept = body.len() - trailing_line_ends(&body);
    Message {
        first_line: content.slice(..end),
        headers,
        body: body.slice(..kept),
    }
}

fn trailing_line_ends(body: &[u8]) -> usize {
    let is_line_end = |byte: &&u8| matches!(**byte, b'\r' | b'\n');
    body.iter().rev().take_while(is_line_end).count()
}
