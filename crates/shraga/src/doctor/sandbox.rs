//! Who trusts whom: agents run as the worker's OS user, for everybody the worker serves.

use shraga_core::status::Pool;

use super::{Case, Finding};
use crate::config::env;

const CHECK: &str = "sandbox";

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let config = case.config;
    if config.agents.is_empty() || config.worker.pool == Some(Pool::Dedicated) {
        return None;
    }
    let user = env::os_user();
    let what = format!(
        "a worker that serves others runs their tasks as OS user {user}, without a sandbox: they \
         can read what {user} can"
    );
    let fix =
        "run it as a user of its own that owns nothing else, or set worker.pool = \"dedicated\"";
    Some(Finding::warning(CHECK, what, fix))
}
