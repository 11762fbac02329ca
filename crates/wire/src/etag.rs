//! Row versions on the wire: `W/"123"`, and the conditions made of them.
//!
//! Clients treat a tag as opaque; only a server reads the number inside.

use crate::fault::Fault;

/// Prints a version as a weak entity tag.
#[must_use]
pub fn print(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// Reads a weak (or carelessly strong) entity tag made by [`print()`].
#[must_use]
pub fn parse(tag: &str) -> Option<i64> {
    let tag = tag.trim();
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    quoted.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// What `If-Match` or `If-None-Match` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tag {
    /// No header, an empty one, or the literal `null` that many clients send.
    #[default]
    Absent,
    /// `*`
    Any,
    /// One version.
    Version(i64),
    /// A well-formed tag that this server never made: it matches no version.
    Foreign,
}

impl Tag {
    /// Reads a header's value.
    ///
    /// # Errors
    /// 400 when the value is neither `*`, `null` nor an entity tag.
    pub fn parse(header: Option<&str>) -> Result<Self, Fault> {
        let Some(value) = header.map(str::trim) else {
            return Ok(Self::Absent);
        };
        match value {
            "" | "null" => Ok(Self::Absent),
            "*" => Ok(Self::Any),
            tag => match parse(tag) {
                Some(version) => Ok(Self::Version(version)),
                None if is_tag(tag) => Ok(Self::Foreign),
                None => Err(Fault::invalid_argument(format!(
                    "`{tag}` is not an entity tag; send it as it came, such as W/\"123\"."
                ))),
            },
        }
    }
}

fn is_tag(text: &str) -> bool {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    quoted.len() >= 2
        && quoted.starts_with('"')
        && quoted.ends_with('"')
        && !quoted[1..quoted.len() - 1].contains('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_survives_its_tag() {
        assert_eq!(parse(&print(536_530)), Some(536_530));
        assert_eq!(parse("\"7\""), Some(7));
        assert_eq!(parse("W/7"), None);
    }

    #[test]
    fn null_and_nothing_mean_no_condition() {
        assert_eq!(Tag::parse(None), Ok(Tag::Absent));
        assert_eq!(Tag::parse(Some("null")), Ok(Tag::Absent));
        assert_eq!(Tag::parse(Some(" * ")), Ok(Tag::Any));
        assert_eq!(Tag::parse(Some("W/\"12\"")), Ok(Tag::Version(12)));
        assert_eq!(Tag::parse(Some("\"abc\"")), Ok(Tag::Foreign));
        assert_eq!(Tag::parse(Some("12")).unwrap_err().status, 400);
        assert_eq!(Tag::parse(Some("\"")).unwrap_err().status, 400);
    }
}
