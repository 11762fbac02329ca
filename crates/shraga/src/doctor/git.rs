//! Git: whether it is there, and whether the branch that is followed can be looked at.

use shraga_update::{State, check as look};

use super::{Case, Finding};
use crate::roles::update::settings;

const CHECK: &str = "git";

pub(super) async fn check(case: &Case<'_>) -> Option<Finding> {
    let settings = settings(case.config);
    settings.every?;
    let found = look(&settings).await;
    let what = found.to_string();
    let advice = found.advice().unwrap_or_default();
    Some(match found.state {
        State::UpToDate | State::Available => Finding::ok(CHECK, what),
        // An installation without a checkout is a usual one.
        State::NotARepository if !case.config.is_set("update.repo") => {
            Finding::ok(CHECK, "no checkout here: newer versions are not looked for")
        }
        State::Dirty
        | State::Diverged
        | State::Detached
        | State::MissingVersion
        | State::BadVersion
        | State::MissingRemote
        | State::MissingBranch
        | State::BadBranch
        | State::NotARepository
        | State::GitMissing
        | State::TimedOut
        | State::Failed => Finding::warning(CHECK, what, advice),
    })
}
