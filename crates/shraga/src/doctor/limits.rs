//! What is left of the service's limits, as it told with the answers to this very check, and our share.

use super::{Case, Finding, Reached};
use crate::vitals;

const CHECK: &str = "limits";

/// Requests that should be left of 6,000 per five minutes.
const FEW_REQUESTS: f64 = 600.0;

/// Seconds of execution that should be left of 1,200 per five minutes.
const FEW_SECONDS: f64 = 120.0;

pub(super) fn check(case: &Case<'_>, store: &Reached) -> Option<Finding> {
    if store.info.is_some() {
        return None;
    }
    let share = case.config.store.share_percent.0;
    Some(match vitals::left() {
        None => Finding::ok(
            CHECK,
            format!("the service does not tell; our share is {share} %"),
        ),
        Some((requests, seconds)) => judge(requests, seconds, share),
    })
}

fn judge(requests: f64, seconds: f64, share: u8) -> Finding {
    let what = format!(
        "{requests:.0} requests and {seconds:.0} s of execution are left for the next five minutes; \
         our share is {share} %"
    );
    if requests < FEW_REQUESTS || seconds < FEW_SECONDS {
        let fix = "something else uses this identity: give it one of its own, or each its share \
                   (store.share_percent)";
        return Finding::warning(CHECK, what, fix);
    }
    Finding::ok(CHECK, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn a_budget_that_others_have_used_up_is_a_warning() {
        assert_eq!(judge(5_900.0, 1_190.0, 100).severity, Severity::Ok);
        assert_eq!(judge(100.0, 1_190.0, 100).severity, Severity::Warning);
        assert_eq!(judge(5_900.0, 5.0, 50).severity, Severity::Warning);
    }
}
