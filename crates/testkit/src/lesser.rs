//! Stores that take less than the shipped server: no `$batch`, no change sets, no chosen identities.
//!
//! A layer in front of the shipped server refuses or rewrites requests, and looks into no answer. It also
//! hides what only the embedded store has, so clients take it for Dataverse or something like it.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use shraga_wire::batch::{self, Part, RequestWriter, decode_request};
use tower::{ServiceExt, service_fn};

use crate::faults::fault_answer;
use crate::{Answer, BoxError, Transport};

/// A request that the shipped server refuses with 400, whoever asks.
const REFUSED: &str = "/api/data/v9.2/cr_shraga_tasks?$search=refused";

/// A code that says nothing but that something is wrong with the request.
const UNKNOWN: u32 = 0x8006_0888;

/// What becomes of identities that clients choose for new rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ids {
    /// They are taken.
    #[default]
    Kept,
    /// The row is made under another one, and the answer says which.
    Replaced,
    /// 400.
    Refused,
}

/// What a store takes less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lesser {
    /// The status with which `$batch` is refused, if it is.
    pub batch: Option<u16>,
    /// Whether a change set inside a batch is refused with 400.
    pub no_change_sets: bool,
    /// What becomes of chosen identities.
    pub ids: Ids,
}

impl Lesser {
    /// Every kind there is, by name.
    #[must_use]
    pub fn all() -> Vec<(&'static str, Self)> {
        let batch = |status| Self {
            batch: Some(status),
            ..Self::default()
        };
        let ids = |ids| Self {
            ids,
            ..Self::default()
        };
        let no_change_sets = Self {
            no_change_sets: true,
            ..Self::default()
        };
        vec![
            ("no $batch (404)", batch(404)),
            ("no $batch (405)", batch(405)),
            ("no $batch (501)", batch(501)),
            ("no change sets", no_change_sets),
            ("identities replaced", ids(Ids::Replaced)),
            ("identities refused", ids(Ids::Refused)),
            (
                "nothing but rows, identities replaced",
                Self {
                    ids: Ids::Replaced,
                    ..batch(501)
                },
            ),
            (
                "no change sets, identities refused",
                Self {
                    ids: Ids::Refused,
                    ..no_change_sets
                },
            ),
        ]
    }

    /// `inner` as such a store.
    #[must_use]
    pub fn wrap(self, inner: Transport) -> Transport {
        Transport::new(service_fn(move |request| {
            let inner = inner.clone();
            async move { self.carry(inner, request).await }
        }))
    }

    async fn carry(self, inner: Transport, request: Request<Bytes>) -> Result<Answer, BoxError> {
        let path = request.uri().path();
        if path.starts_with("/api/shraga") {
            return Ok(fault_answer(404, UNKNOWN));
        }
        let request = match (path.ends_with("/$batch"), self.batch) {
            (true, Some(status)) => return Ok(fault_answer(status, UNKNOWN)),
            (true, None) => self.rewrite_batch(request)?,
            (false, _) if is_create(&request) => match self.ids {
                Ids::Kept => request,
                Ids::Replaced => as_post(request)?,
                Ids::Refused => return Ok(fault_answer(400, UNKNOWN)),
            },
            (false, _) => request,
        };
        inner.oneshot(request).await
    }

    fn rewrite_batch(self, request: Request<Bytes>) -> Result<Request<Bytes>, BoxError> {
        let (mut head, body) = request.into_parts();
        let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
        let kind = kind.transpose()?.unwrap_or_default();
        let parts = decode_request(kind, &body).map_err(|fault| fault.to_string())?;
        let mut writer = RequestWriter::new("lesser");
        for part in parts {
            match part {
                Part::Single(request) => self.add(&mut writer, None, &request),
                Part::ChangeSet(_) if self.no_change_sets => refuse(&mut writer),
                Part::ChangeSet(requests) => {
                    if self.ids == Ids::Refused && requests.iter().any(part_is_create) {
                        refuse(&mut writer);
                        continue;
                    }
                    writer.begin_change_set();
                    for (i, request) in requests.iter().enumerate() {
                        self.add(&mut writer, Some(i + 1), request);
                    }
                    writer.end_change_set();
                }
            }
        }
        let kind = HeaderValue::from_str(&writer.content_type())?;
        head.headers.insert(CONTENT_TYPE, kind);
        head.headers.remove(CONTENT_LENGTH);
        Ok(Request::from_parts(head, writer.finish()))
    }

    fn add(self, writer: &mut RequestWriter, number: Option<usize>, part: &batch::Request) {
        let create = part_is_create(part);
        if create && self.ids == Ids::Refused {
            return refuse(writer);
        }
        let replaced = create && self.ids == Ids::Replaced;
        let (method, target) = match (replaced, part.target.rsplit_once('(')) {
            (true, Some((table, _))) => ("POST", table),
            (_, _) => (part.method.as_str(), part.target.as_str()),
        };
        let headers: Vec<_> = part
            .headers
            .iter()
            .filter(|(name, _)| !(replaced && name.eq_ignore_ascii_case("if-none-match")))
            .collect();
        let body = |out: &mut Vec<u8>| out.extend_from_slice(&part.body);
        match number {
            Some(number) => writer.change(number, method, target, &headers, body),
            None => writer.single(method, target, &headers, body),
        }
    }
}

fn refuse(writer: &mut RequestWriter) {
    writer.single("GET", REFUSED, &[], |_| {});
}

fn part_is_create(part: &batch::Request) -> bool {
    part.method == Method::PATCH && part.headers.get("if-none-match") == Some("*")
}

fn is_create(request: &Request<Bytes>) -> bool {
    let condition = request.headers().get("if-none-match");
    request.method() == Method::PATCH && condition.is_some_and(|it| it == "*")
}

fn as_post(request: Request<Bytes>) -> Result<Request<Bytes>, BoxError> {
    let (mut head, body) = request.into_parts();
    head.method = Method::POST;
    head.headers.remove("if-none-match");
    let address = head.uri.to_string();
    let table = address
        .rsplit_once('(')
        .map_or(address.as_str(), |(table, _)| table);
    head.uri = table.parse()?;
    Ok(Request::from_parts(head, body))
}
