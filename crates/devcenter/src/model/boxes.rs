//! Dev Boxes.

use serde::{Deserialize, Deserializer};
use shraga_core::time::Timestamp;
use uuid::Uuid;

use crate::fault::ErrorObject;
use crate::open::{lenient, moment, open_enum, words};

open_enum!(
    /// How far a Dev Box's making or unmaking is.
    ProvisioningState {
        /// It is made, with nothing to say against it.
        Succeeded = "Succeeded",
        /// Making it failed.
        Failed = "Failed",
        /// Making it was canceled.
        Canceled = "Canceled",
        /// It is being made.
        Creating = "Creating",
        /// It is being deleted.
        Deleting = "Deleting",
        /// It is being changed.
        Updating = "Updating",
        /// It is starting.
        Starting = "Starting",
        /// It is stopping.
        Stopping = "Stopping",
        /// It is being set up.
        Provisioning = "Provisioning",
        /// It is made, and something of it did not work.
        ProvisionedWithWarning = "ProvisionedWithWarning",
        /// Its owner lost the right to it, and it goes soon.
        InGracePeriod = "InGracePeriod",
        /// It is not made.
        NotProvisioned = "NotProvisioned",
        /// An admin has to approve of it first.
        PendingApproval = "PendingApproval",
    }
);

open_enum!(
    /// Whether a Dev Box runs.
    PowerState {
        /// The service doesn't know.
        Unknown = "Unknown",
        /// It runs.
        Running = "Running",
        /// It is off, and costs no computing.
        Deallocated = "Deallocated",
        /// It is off.
        PoweredOff = "PoweredOff",
        /// It is asleep.
        Hibernated = "Hibernated",
    }
);

open_enum!(
    /// Whether a Dev Box can sleep instead of being off.
    HibernateSupport {
        /// It can.
        Enabled = "Enabled",
        /// It could, and must not.
        Disabled = "Disabled",
        /// Its system can't.
        OsUnsupported = "OsUnsupported",
    }
);

/// A Dev Box.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevBox {
    /// Its name.
    pub name: String,
    /// Its project.
    #[serde(default, rename = "projectName", deserialize_with = "lenient")]
    pub project: Option<String>,
    /// Its pool.
    #[serde(default, rename = "poolName", deserialize_with = "lenient")]
    pub pool: Option<String>,
    /// The object id of its owner's account.
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<Uuid>,
    /// How far its making is.
    #[serde(default, rename = "provisioningState", deserialize_with = "lenient")]
    pub provisioning: Option<ProvisioningState>,
    /// Whether it runs; absent (`null`) while it is being made.
    #[serde(default, rename = "powerState", deserialize_with = "lenient")]
    pub power: Option<PowerState>,
    /// What was done to it last, in the service's words.
    #[serde(default, rename = "actionState", deserialize_with = "words")]
    pub action: Option<String>,
    /// Whether it can sleep.
    #[serde(default, rename = "hibernateSupport", deserialize_with = "lenient")]
    pub hibernate: Option<HibernateSupport>,
    /// Why it failed, in the service's words.
    #[serde(default, deserialize_with = "fault")]
    pub error: Option<String>,
    /// When it was asked for.
    #[serde(default, rename = "createdTime", deserialize_with = "moment")]
    pub created: Option<Timestamp>,
}

/// An error object as a line.
pub(super) fn fault<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let error: Option<ErrorObject> = lenient(from)?;
    Ok(error.map(|error| error.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> DevBox {
        serde_json::from_str(json).expect("a Dev Box")
    }

    #[test]
    fn a_box_that_is_being_made_has_no_power_state_and_seven_digits_of_a_second() {
        let made = read(
            r#"{"name":"box-1","projectName":"agents","poolName":"c3000012","provisioningState":"Creating",
            "actionState":"Unknown","powerState":null,"uniqueId":"8c3f","user":"c3c90000-0000-4000-8000-000000000001",
            "createdTime":"2023-09-07T06:51:55.7936885+00:00","hibernateSupport":"Enabled","error":null}"#,
        );
        assert_eq!(made.provisioning, Some(ProvisioningState::Creating));
        assert_eq!((made.power, made.error), (None, None));
        assert_eq!(
            made.created,
            Some(Timestamp::from_millis(1_694_069_515_793))
        );
        assert_eq!(made.hibernate, Some(HibernateSupport::Enabled));
    }

    #[test]
    fn words_that_nobody_knows_are_kept_and_odd_fields_read_as_absent() {
        let odd = read(
            r#"{"name":"box-1","provisioningState":"Teleporting\u001b[2J","powerState":7,"user":"nobody",
            "createdTime":"yesterday","error":{"code":"OutOfRoom","message":"no room"},"new":{"a":1}}"#,
        );
        assert_eq!(
            odd.provisioning,
            Some(ProvisioningState::Other("Teleporting [2J".to_owned()))
        );
        assert_eq!((odd.power, odd.user, odd.created), (None, None, None));
        assert_eq!(odd.error.as_deref(), Some("OutOfRoom: no room"));
        assert_eq!(
            ProvisioningState::parse("succeeded"),
            ProvisioningState::Succeeded
        );
    }
}
