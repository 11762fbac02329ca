//! A request as the Web API sees it, whether it came alone or inside a batch.

use http::{HeaderMap, Method};
use shraga_wire::etag::Tag;
use shraga_wire::fault::Fault;

use crate::http::prefer::Prefer;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// What is to be done.
    pub(crate) method: &'a Method,
    /// The path after the service root, percent-encoded.
    pub(crate) path: &'a str,
    /// What follows `?`, percent-encoded.
    pub(crate) query: &'a str,
    /// Conditions and preferences.
    pub(crate) head: Head,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// The headers that change what a request means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// `If-Match`
    pub(crate) if_match: Tag,
    /// `If-None-Match`
    pub(crate) if_none_match: Tag,
    /// `Prefer`
    pub(crate) prefer: Prefer,
    /// Whether the body is said to be something other than JSON.
    pub(crate) foreign_body: bool,
}

impl Head {
    /// Reads the headers of a request that came alone.
    ///
    /// # Errors
    /// 400 for a header that can't be read.
    pub(crate) fn of_request(headers: &HeaderMap) -> Result<Self, Fault> {
        let mut head = Self::default();
        for (name, value) in headers {
            if is_known(name.as_str()) {
                let value = value.to_str().map_err(|_not_text| {
                    Fault::invalid_argument(format!("The header {name} is not plain text."))
                })?;
                head.set(name.as_str(), value)?;
            }
        }
        Ok(head)
    }

    /// Reads the headers of a request inside a batch.
    ///
    /// # Errors
    /// 400 for a header that can't be read, or one that would make somebody else the caller.
    pub(crate) fn of_part<'a>(
        headers: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Fault> {
        let mut head = Self::default();
        for (name, value) in headers {
            if FORBIDDEN
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
            {
                return Err(Fault::invalid_argument(format!(
                    "The header {name} is not allowed inside a batch: all its requests have the \
                     caller of the batch."
                )));
            }
            if is_known(name) {
                head.set(name, value)?;
            }
        }
        Ok(head)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        if name.eq_ignore_ascii_case("if-match") {
            self.if_match = Tag::parse(Some(value))?;
        } else if name.eq_ignore_ascii_case("if-none-match") {
            self.if_none_match = Tag::parse(Some(value))?;
        } else if name.eq_ignore_ascii_case("prefer") {
            self.prefer.read(value)?;
        } else {
            let media = value.split(';').next().unwrap_or("").trim();
            self.foreign_body = !media.is_empty()
                && !media.eq_ignore_ascii_case("application/json")
                && !media.eq_ignore_ascii_case("text/json");
        }
        Ok(())
    }
}

/// Headers of a part that would change who asks.
const FORBIDDEN: [&str; 5] = [
    "authorization",
    "cookie",
    "callerobjectid",
    "mscrmcallerid",
    "host",
];

fn is_known(name: &str) -> bool {
    ["if-match", "if-none-match", "prefer", "content-type"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}
