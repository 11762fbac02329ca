//! The Dev Center's words as ours: what a box's states mean, and what kind of trouble an error is.

use shraga_core::machine::{Found, FoundState, Trouble, TroubleClass};
use shraga_core::time::{Span, Timestamp};
use shraga_devcenter::{Class, DevBox, Error, PowerState, ProvisioningState};

/// Where a box stands. A word that nobody knows stays as it is.
pub(super) fn found_state(it: &DevBox) -> FoundState {
    let Some(provisioning) = &it.provisioning else {
        return FoundState::Other("no provisioning state".to_owned());
    };
    match provisioning {
        ProvisioningState::Creating
        | ProvisioningState::Provisioning
        | ProvisioningState::Updating => FoundState::Making,
        ProvisioningState::Starting => FoundState::Starting,
        ProvisioningState::Stopping => FoundState::Stopping,
        ProvisioningState::Deleting => FoundState::Deleting,
        ProvisioningState::Failed
        | ProvisioningState::Canceled
        | ProvisioningState::NotProvisioned => FoundState::Failed,
        ProvisioningState::InGracePeriod => FoundState::Expiring,
        ProvisioningState::PendingApproval => FoundState::AwaitingApproval,
        ProvisioningState::Succeeded | ProvisioningState::ProvisionedWithWarning => powered(it),
        ProvisioningState::Other(word) => FoundState::Other(word.clone()),
    }
}

/// Whether a box that is made runs.
fn powered(it: &DevBox) -> FoundState {
    match &it.power {
        Some(PowerState::Running) => FoundState::Running,
        Some(PowerState::Hibernated | PowerState::Deallocated | PowerState::PoweredOff) => {
            FoundState::Asleep
        }
        Some(PowerState::Unknown) | None => FoundState::Other("no power state".to_owned()),
        Some(PowerState::Other(word)) => FoundState::Other(word.clone()),
    }
}

/// A box as an inventory has it; nothing, when its name is no machine's.
pub(super) fn found(it: &DevBox) -> Option<Found> {
    Some(Found {
        name: it.name.parse().ok()?,
        state: found_state(it),
        created: it.created,
        fault: it.error.clone(),
        stops_at: None,
    })
}

/// What kind of trouble an error is. Its words are the service's, cleaned, without secrets.
pub(super) fn trouble(error: &Error, now: Timestamp) -> Trouble {
    let class = match error.class() {
        Class::Transient => TroubleClass::Transient,
        Class::SignIn => TroubleClass::SignIn,
        Class::Denied => TroubleClass::Denied,
        Class::Missing => TroubleClass::Misconfigured,
        Class::Conflict => TroubleClass::Capacity,
        Class::Invalid => TroubleClass::Invalid,
        Class::Throttled => TroubleClass::Throttled,
        Class::Malformed => TroubleClass::Malformed,
    };
    let asked = error.retry_after();
    let asked = asked.and_then(|span| i64::try_from(span.as_millis()).ok());
    Trouble {
        class,
        said: error.to_string(),
        since: now,
        again: asked.map(|millis| now.plus(Span::millis(millis))),
    }
}
