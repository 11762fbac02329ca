//! The store's tables and columns, as `shraga schema check` sees them.

use super::{Finding, Reached};
use crate::schema;

const CHECK: &str = "schema";

/// Findings named one by one; of more, how many there are.
const NAMED: usize = 10;

pub(super) async fn check(store: &Reached) -> Vec<Finding> {
    let found = match schema::check(&store.client).await {
        Ok(found) => found,
        Err(error) => {
            let fix = error
                .advice()
                .unwrap_or("`shraga schema check` says more".into());
            return vec![Finding::error(CHECK, error.explained(), fix)];
        }
    };
    let each = found.all.iter().map(|each| {
        let what = format!("{}: {}", each.place(), each.means());
        match each.is_blocking() {
            true => Finding::error(CHECK, what, each.fix()),
            false => Finding::warning(CHECK, what, each.fix()),
        }
    });
    let mut findings: Vec<_> = each.collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let more = findings.len().saturating_sub(NAMED);
    if more > 0 {
        let blocks = findings[NAMED..]
            .iter()
            .map(|finding| finding.severity)
            .max();
        findings.truncate(NAMED);
        let what = format!("and {more} more");
        let fix = "`shraga schema check` names all, `shraga schema apply` adds what is missing";
        findings.push(match blocks {
            Some(super::Severity::Error) => Finding::error(CHECK, what, fix),
            Some(_) | None => Finding::warning(CHECK, what, fix),
        });
    }
    if let Some(why) = &found.unseen {
        let fix = "give this identity prvReadEntity and prvReadAttribute";
        let what = format!("types and lengths were not looked at: {why}");
        findings.push(Finding::warning(CHECK, what, fix));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "everything that is wanted is there"));
    }
    findings
}
