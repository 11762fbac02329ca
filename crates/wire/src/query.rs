//! The system query options of a collection or single-row read.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::filter::{Filter, Literal};

mod parse;
mod print;
#[cfg(test)]
mod tests;

/// A read of a table: the options after `?`, parsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// `$select`: wire names of columns; empty means all.
    pub select: Vec<String>,
    /// `$filter`.
    pub filter: Option<Filter>,
    /// `$orderby`, in order.
    pub order_by: Vec<OrderBy>,
    /// `$top`.
    pub top: Option<u32>,
    /// `$count=true`.
    pub count: bool,
    /// `$expand`, raw: only metadata reads support it.
    pub expand: Option<String>,
    /// `$skiptoken`: where the next page starts, opaque.
    pub skip_token: Option<String>,
    /// `$deltatoken`: since when changes are wanted, opaque.
    pub delta_token: Option<String>,
    /// Parameter aliases by name, without their `@`.
    pub aliases: BTreeMap<String, Literal>,
}

/// A column to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    /// The column's wire name.
    pub column: String,
    /// Whether from high to low.
    pub descending: bool,
}

impl Query {
    /// Reads the text after `?`, percent-decoded here (`%24`, `%20` and `+` included).
    ///
    /// # Errors
    /// 400 naming an option that is unknown (with the nearest known one), unsupported, given twice
    /// or malformed.
    pub fn parse(raw: &str) -> Result<Self, Fault> {
        parse::query(raw)
    }

    /// The text after `?`, percent-encoded; empty when nothing is asked for.
    #[must_use]
    pub fn to_query_string(&self) -> String {
        let mut out = print::Options::default();
        if !self.select.is_empty() {
            out.push("$select", &self.select.join(","));
        }
        if let Some(filter) = &self.filter {
            out.push("$filter", &filter.to_string());
        }
        if !self.order_by.is_empty() {
            out.push("$orderby", &self.order_by_text());
        }
        if let Some(top) = self.top {
            out.push("$top", &top.to_string());
        }
        if self.count {
            out.push("$count", "true");
        }
        let raw = [
            ("$expand", &self.expand),
            ("$skiptoken", &self.skip_token),
            ("$deltatoken", &self.delta_token),
        ];
        for (name, value) in raw {
            if let Some(value) = value {
                out.push(name, value);
            }
        }
        for (name, value) in &self.aliases {
            out.push(&format!("@{name}"), &value.to_string());
        }
        out.finish()
    }

    fn order_by_text(&self) -> String {
        let keys = self.order_by.iter().map(|key| match key.descending {
            true => format!("{} desc", key.column),
            false => key.column.clone(),
        });
        keys.collect::<Vec<_>>().join(",")
    }
}

/// Percent-encodes a value for use after `=` in a query string.
#[must_use]
pub fn encode(value: &str) -> String {
    print::encode(value)
}

/// Percent-decodes a name or value of a query string; `+` is a space.
///
/// # Errors
/// 400 when the result is not UTF-8.
pub fn decode(raw: &str) -> Result<std::borrow::Cow<'_, str>, Fault> {
    parse::decode(raw)
}
