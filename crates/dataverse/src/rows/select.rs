//! The columns each kind of row is read with: what its reader needs, nothing more.

/// Columns of [`super::user_task`].
pub const USER_TASK: &[&str] = &[
    "_ownerid_value",
    "createdon",
    "modifiedon",
    "cr_status",
    "cr_name",
    "cr_prompt",
    "cr_input",
    "cr_mirrortaskid",
    "cr_mirroroftaskid",
    "cr_userid",
    "crb3b_useremail",
    "crb3b_devbox",
    "cr_priority",
    "cr_notbefore",
    "cr_answer",
    "cr_retryof",
    "cr_statusmessage",
    "cr_reason",
    "cr_attempt",
    "cr_assignedworkerid",
    "cr_startedon",
    "cr_finishedon",
];

/// Columns of [`super::mirror`].
pub const MIRROR: &[&str] = &[
    "_ownerid_value",
    "createdon",
    "modifiedon",
    "cr_status",
    "cr_name",
    "cr_input",
    "cr_mirroroftaskid",
    "cr_userid",
    "cr_workerstatus",
    "cr_lease",
    "cr_losses",
    "cr_usage",
    "cr_rank",
    "cr_notbefore",
    "cr_eventhead",
    "cr_answer",
    "cr_statusmessage",
    "cr_reason",
    "cr_attempt",
    "cr_assignedworkerid",
    "cr_startedon",
    "cr_finishedon",
];

/// Columns of [`super::open()`].
pub const OPEN: &[&str] = &[
    "createdon",
    "cr_status",
    "cr_userid",
    "cr_assignedworkerid",
    "cr_notbefore",
    "cr_reason",
];

/// Columns of [`super::worker()`].
pub const WORKER: &[&str] = &[
    "_ownerid_value",
    "modifiedon",
    "cr_name",
    "cr_type",
    "cr_status",
    "cr_pool",
    "cr_slots",
    "cr_labels",
    "cr_agents",
    "cr_bootid",
    "cr_beat",
    "cr_lastseen",
    "cr_lastassigned",
    "cr_drainedon",
    "cr_machine",
    "cr_nonce",
    "cr_echo",
    "cr_version",
    "cr_release",
    "cr_allowedrelease",
    "cr_updatestate",
];

/// Columns of [`super::fleet()`].
pub const FLEET: &[&str] = &["cr_updatestate"];

/// Columns of [`super::event()`].
pub const EVENT: &[&str] = &[
    "createdon",
    "cr_name",
    "cr_type",
    "cr_content",
    "cr_taskid",
    "cr_attempt",
    "cr_stream",
    "cr_sequence",
    "cr_prevhash",
    "cr_hash",
];

/// What [`super::late`] reads beside [`EVENT`]: who made it.
pub const MADE_BY: &str = "_createdby_value";

/// Columns of [`super::person`].
pub const PERSON: &[&str] = &["cr_status", "cr_usage"];
