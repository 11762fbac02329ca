//! The Dev Box settings. Wrong ones stop nothing but provisioning, so they are one warning.

use shraga_orchestrator::dev_box::Provisioning;

use super::{Case, Finding};
use crate::roles::{machines, orchestrator};

const CHECK: &str = "dev boxes";

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    match orchestrator::dev_box(case.config).check() {
        Ok(boxes) => Some(Finding::ok(
            CHECK,
            machines::words(&machines::dev_box(case.config, Some(boxes.threshold))),
        )),
        Err(Provisioning::NotConfigured) => None,
        Err(off) => {
            let fix = "correct DEVCENTER_ENDPOINT, DEVBOX_PROJECT, DEVBOX_POOL and \
                       PROVISION_THRESHOLD, or unset all of them";
            Some(Finding::warning(CHECK, off.to_string(), fix))
        }
    }
}
