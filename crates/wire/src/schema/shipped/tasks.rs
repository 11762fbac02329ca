//! The tasks table: what people file, and the admin-owned mirrors of it.

use super::super::{Access, ChoiceOption, ColumnDef, ColumnKind, Grant, TableDef, WriteRule};
use super::{
    LONG_MEMO_MAX, MEMO_MAX, any, column, index, integer, memo, only, owned, text, text_of, time,
};
use crate::schema::IndexDef;

/// What `cr_status` may be.
const STATUSES: [(i32, &str); 9] = [
    (1, "Pending"),
    (3, "Queued"),
    (5, "Running"),
    (6, "WaitingForInput"),
    (7, "Completed"),
    (8, "Failed"),
    (9, "Canceled"),
    (10, "Submitted"),
    (11, "Canceling"),
];

/// Columns a person may set when filing a task, beside its status.
const FILED: [&str; 10] = [
    "cr_name",
    "cr_prompt",
    "cr_input",
    "cr_priority",
    "cr_notbefore",
    "cr_answer",
    "cr_retryof",
    "crb3b_useremail",
    "crb3b_shortdescription",
    "crb3b_workingdir",
];

/// Columns a worker may set on a mirror it holds, beside the status.
const REPORTED: [&str; 20] = [
    "cr_statusmessage",
    "cr_result",
    "cr_output",
    "cr_transcript",
    "cr_workerstatus",
    "cr_lastworkerping",
    "cr_lease",
    "cr_reason",
    "cr_notbefore",
    "cr_executiondetails",
    "cr_usage",
    "cr_startedon",
    "cr_finishedon",
    "cr_answer",
    "crb3b_devbox",
    "crb3b_workingdir",
    "crb3b_sessionsummary",
    "crb3b_sessioncost",
    "crb3b_sessiontokens",
    "crb3b_sessionduration",
];

const OWN: &str = "_ownerid_value eq @me";
const OWN_NO_MIRROR: &str = "_ownerid_value eq @me and cr_ismirror ne true";
const ASSIGNED: &str = "cr_ismirror eq true and cr_assignedworkerid eq @worker";
const HELD: &str = "cr_ismirror eq true and cr_assignedworkerid eq @worker \
                    and (cr_status eq 5 or cr_status eq 6 or cr_status eq 11)";

pub(super) fn table() -> TableDef {
    let mut columns = what_is_asked();
    columns.extend(what_becomes_of_it());
    columns.extend(what_is_reported());
    TableDef {
        indexes: indexes(),
        wake: owned(&["_ownerid_value", "cr_assignedworkerid"]),
        change_tracking: true,
        access: Access {
            user: user(),
            worker: worker(),
            bars: None,
        },
        ..super::table("task", "Shraga Task", columns)
    }
}

fn what_is_asked() -> Vec<ColumnDef> {
    vec![
        text("cr_name", "Name"),
        memo("cr_prompt", "Prompt", MEMO_MAX),
        memo("cr_input", "Input", MEMO_MAX),
        integer("cr_priority", "Priority", -100, 100),
        time("cr_notbefore", "Not Before"),
        memo("cr_answer", "Answer", MEMO_MAX),
        text("cr_retryof", "Retry Of"),
        text_of("crb3b_useremail", "User Email", 200),
        text_of("crb3b_shortdescription", "Short Description", 200),
    ]
}

fn what_becomes_of_it() -> Vec<ColumnDef> {
    let options = STATUSES.map(|(value, label)| ChoiceOption {
        value,
        label: label.to_owned(),
    });
    let status = ColumnKind::Choice {
        options: options.into(),
    };
    vec![
        column("cr_status", "Status", status),
        text_of("cr_statusmessage", "Status Message", 200),
        column("cr_ismirror", "Is Mirror", ColumnKind::yes_no()),
        text("cr_mirrortaskid", "Mirror Task Id"),
        text("cr_mirroroftaskid", "Mirror Of Task Id"),
        text("cr_userid", "User Id"),
        text("cr_assignedworkerid", "Assigned Worker Id"),
        text("cr_workerstatus", "Worker Status"),
        time("cr_lastworkerping", "Last Worker Ping"),
        memo("cr_lease", "Lease", MEMO_MAX),
        integer("cr_attempt", "Attempt", 0, i32::MAX),
        integer("cr_losses", "Losses", 0, i32::MAX),
        time("cr_rank", "Rank"),
        text("cr_reason", "Reason"),
        memo("cr_eventhead", "Event Head", MEMO_MAX),
        time("cr_startedon", "Started On"),
        time("cr_finishedon", "Finished On"),
    ]
}

fn what_is_reported() -> Vec<ColumnDef> {
    vec![
        memo("cr_result", "Result", MEMO_MAX),
        memo("cr_output", "Output", LONG_MEMO_MAX),
        memo("cr_transcript", "Transcript", LONG_MEMO_MAX),
        memo("cr_executiondetails", "Execution Details", LONG_MEMO_MAX),
        memo("cr_usage", "Usage", MEMO_MAX),
        text_of("crb3b_devbox", "Dev Box", 200),
        text_of("crb3b_workingdir", "Working Directory", 500),
        memo("crb3b_sessionsummary", "Session Summary", LONG_MEMO_MAX),
        text("crb3b_sessioncost", "Session Cost"),
        text("crb3b_sessiontokens", "Session Tokens"),
        text("crb3b_sessionduration", "Session Duration"),
    ]
}

/// Each is paid for at every write of a row it covers, so there is one per hot question only. What
/// changed since a version needs none: stores index `versionnumber` themselves.
fn indexes() -> Vec<IndexDef> {
    vec![
        // The mirror loop: what has been filed and has no mirror yet, oldest first. Nearly empty.
        index(
            &["createdon"],
            Some("cr_status eq 1 and cr_ismirror ne true and cr_mirrortaskid eq null"),
        ),
        // The assign loop: mirrors waiting for a worker, whose turn comes first. With the person, so
        // that finding others' than hers reads the index alone; behind the key that ties go by.
        index(
            &["cr_rank", "cr_shraga_taskid", "cr_userid"],
            Some("cr_status eq 1 and cr_ismirror eq true"),
        ),
        // A worker's look at what it holds, and the free slots of each worker.
        index(
            &["cr_assignedworkerid"],
            Some("cr_ismirror eq true and (cr_status eq 5 or cr_status eq 6 or cr_status eq 11)"),
        ),
        // Mirrors made by the original have random identities and are found by what they mirror.
        index(&["cr_mirroroftaskid"], Some("cr_mirroroftaskid ne null")),
        // `list`: a person's tasks, newest first.
        index(
            &["_ownerid_value", "createdon"],
            Some("cr_ismirror ne true"),
        ),
    ]
}

fn user() -> Grant {
    let mut filed = any(&FILED);
    filed.push(only("cr_status", &[1, 10]));
    let mut edited = any(&FILED);
    edited.push(only("cr_status", &[1, 9, 10, 11]));
    Grant {
        read: Some(OWN.to_owned()),
        create: Some(WriteRule {
            rows: None,
            check: Some(OWN_NO_MIRROR.to_owned()),
            columns: filed,
        }),
        update: Some(WriteRule {
            rows: Some(OWN_NO_MIRROR.to_owned()),
            check: Some(OWN_NO_MIRROR.to_owned()),
            columns: edited,
        }),
        delete: Some(OWN_NO_MIRROR.to_owned()),
    }
}

fn worker() -> Grant {
    let mut reported = any(&REPORTED);
    reported.push(only("cr_status", &[1, 5, 6, 7, 8, 9]));
    Grant {
        read: Some(ASSIGNED.to_owned()),
        create: None,
        update: Some(WriteRule {
            rows: Some(HELD.to_owned()),
            check: Some(ASSIGNED.to_owned()),
            columns: reported,
        }),
        delete: None,
    }
}
