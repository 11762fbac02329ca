//! The `Prefer` header: what the caller would like, and what of it was done.
//!
//! Unknown preferences are ignored, as RFC 7240 asks.

use shraga_wire::fault::Fault;

use crate::http::limits::MAX_PAGE_ROWS;
use crate::ops::Annotations;

const FORMATTED: &str = "OData.Community.Display.V1.FormattedValue";
const LOOKUP_NAME: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";
const NAVIGATION: &str = "Microsoft.Dynamics.CRM.associatednavigationproperty";
const TOTAL: &str = "Microsoft.Dynamics.CRM.totalrecordcount";

/// What a request prefers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    /// `return=representation`
    pub(crate) representation: bool,
    /// `odata.maxpagesize`, rows, 1 to the largest page.
    pub(crate) page_rows: Option<u32>,
    /// `odata.include-annotations`: the patterns as written.
    pub(crate) annotations: Option<String>,
    /// `odata.track-changes`
    pub(crate) track_changes: bool,
    /// `odata.continue-on-error`
    pub(crate) continue_on_error: bool,
}

impl Prefer {
    /// Adds the preferences of one header's value.
    ///
    /// # Errors
    /// 400 for a page size that is no number of rows.
    pub(crate) fn read(&mut self, header: &str) -> Result<(), Fault> {
        for item in split_outside_quotes(header) {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name.trim(), value.trim().trim_matches('"')),
                None => (item, ""),
            };
            let known = name.to_ascii_lowercase();
            match known.strip_prefix("odata.").unwrap_or(&known) {
                "return" => self.representation = value.eq_ignore_ascii_case("representation"),
                "maxpagesize" => self.page_rows = Some(page_rows(value)?),
                "include-annotations" => self.annotations = Some(value.to_owned()),
                "track-changes" => self.track_changes = true,
                "continue-on-error" => {
                    self.continue_on_error = !value.eq_ignore_ascii_case("false");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether an annotation with this full name is wanted.
    fn wants(&self, annotation: &str) -> bool {
        let Some(patterns) = &self.annotations else {
            return false;
        };
        let mut wanted = false;
        for pattern in patterns.split(',').map(str::trim) {
            match pattern.strip_prefix('-') {
                Some(excluded) if covers(excluded, annotation) => wanted = false,
                None if covers(pattern, annotation) => wanted = true,
                Some(_) | None => {}
            }
        }
        wanted
    }

    /// The annotations of values that are wanted.
    pub(crate) fn value_annotations(&self) -> Annotations {
        Annotations {
            formatted: self.wants(FORMATTED),
            lookup: self.wants(LOOKUP_NAME) || self.wants(NAVIGATION),
        }
    }

    /// Whether `totalrecordcount` and its kin are wanted.
    pub(crate) fn wants_totals(&self) -> bool {
        self.wants(TOTAL)
    }

    /// `Preference-Applied` for an answer to a read of many rows.
    pub(crate) fn applied_to_list(&self) -> Option<String> {
        let mut done = Vec::new();
        if let Some(rows) = self.page_rows {
            done.push(format!("odata.maxpagesize={rows}"));
        }
        self.push_annotations(&mut done);
        if self.track_changes {
            done.push("odata.track-changes".to_owned());
        }
        joined(&done)
    }

    /// `Preference-Applied` for an answer with one row.
    pub(crate) fn applied_to_row(&self) -> Option<String> {
        let mut done = Vec::new();
        if self.representation {
            done.push("return=representation".to_owned());
        }
        self.push_annotations(&mut done);
        joined(&done)
    }

    fn push_annotations(&self, done: &mut Vec<String>) {
        if let Some(patterns) = &self.annotations {
            done.push(format!("odata.include-annotations=\"{patterns}\""));
        }
    }
}

fn joined(done: &[String]) -> Option<String> {
    (!done.is_empty()).then(|| done.join(", "))
}

fn page_rows(value: &str) -> Result<u32, Fault> {
    match value.parse::<u32>() {
        Ok(rows) if rows > 0 => Ok(rows.min(MAX_PAGE_ROWS)),
        _ => Err(Fault::invalid_argument(format!(
            "Prefer: odata.maxpagesize={value} is not a number of rows from 1 to {MAX_PAGE_ROWS}."
        ))),
    }
}

fn covers(pattern: &str, annotation: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => annotation.starts_with(start),
        None => annotation == pattern,
    }
}

fn split_outside_quotes(header: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    header
        .split(move |c| {
            if c == '"' {
                quoted = !quoted;
            }
            c == ',' && !quoted
        })
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests;
