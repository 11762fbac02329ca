//! The system query options of a collection or single-row read.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::filter::{Filter, Literal};

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
        let _ = raw;
        Err(Fault::not_supported("queries"))
    }

    /// The text after `?`, percent-encoded; empty when nothing is asked for.
    #[must_use]
    pub fn to_query_string(&self) -> String {
        String::new()
    }
}
