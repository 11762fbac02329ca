//! This machine's clock beside the store's. Decisions use the store's; tokens and logs need ours.

use shraga_core::row::Table;
use shraga_core::time::Span;
use shraga_wire::query::Query;

use super::{Finding, Reached};
use crate::clock;

const CHECK: &str = "clock";

/// Tokens are checked to the minute, and the store tells whole seconds.
const MOST: Span = Span::secs(30);

pub(super) async fn check(store: &Reached) -> Option<Finding> {
    let query = Query {
        select: vec!["createdon".to_owned()],
        top: Some(1),
        ..Query::default()
    };
    let before = clock::wall();
    let page = store.client.page(Table::Tasks, &query, None).await.ok()?;
    let took = clock::wall().since(before).as_millis() / 2;
    let ahead = before.plus(Span::millis(took)).since(page.now);
    Some(judge(ahead))
}

/// How far ours is `ahead` of the store's.
fn judge(ahead: Span) -> Finding {
    let seconds = ahead.as_millis() / 1000;
    if ahead <= MOST && Span::ZERO.as_millis() - ahead.as_millis() <= MOST.as_millis() {
        return Finding::ok(CHECK, format!("{} s from the store's", seconds.abs()));
    }
    let side = if seconds > 0 { "ahead of" } else { "behind" };
    let what = format!(
        "this machine's clock is {} s {side} the store's",
        seconds.abs()
    );
    Finding::warning(
        CHECK,
        what,
        "let the machine keep its time (timedatectl set-ntp true)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn a_clock_more_than_half_a_minute_off_is_named_with_its_side() {
        for good in [-30, 0, 30] {
            assert_eq!(judge(Span::secs(good)).severity, Severity::Ok, "{good}");
        }
        assert!(judge(Span::secs(31)).what.contains("31 s ahead"));
        assert!(judge(Span::secs(-3600)).what.contains("3600 s behind"));
    }
}
