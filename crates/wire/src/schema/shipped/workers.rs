//! The workers table: who works, and what it is fit for.

use super::super::{Access, Grant, TableDef, WriteRule};
use super::{ColumnKind, MEMO_MAX, any, column, integer, memo, owned, text, text_of, time};

/// The most slots a worker may offer: beyond it one process starts more agents than a machine bears.
const SLOTS_MAX: i32 = 10_000;

/// Columns a worker sets on its own row. Nonce, machine, last assignment and which release it may take are the
/// orchestrator's, whether it is drained is the operator's: what a worker says of itself can't undo it.
const OWN_COLUMNS: [&str; 18] = [
    "cr_name",
    "cr_userid",
    "cr_type",
    "cr_status",
    "cr_pool",
    "cr_slots",
    "cr_labels",
    "cr_agents",
    "cr_version",
    "cr_bootid",
    "cr_beat",
    "cr_echo",
    "cr_leases",
    "cr_details",
    "cr_currenttaskid",
    "cr_lastseen",
    "cr_release",
    "cr_updatestate",
];

const OWN: &str = "cr_shraga_workerid eq @worker";
const WITHIN_TOKEN: &str = "cr_shraga_workerid eq @worker and _ownerid_value eq @me \
                            and cr_pool eq @pool and cr_slots le @slots \
                            and (cr_labels eq @labels or cr_labels eq null or cr_labels eq '')";

pub(super) fn table() -> TableDef {
    let columns = vec![
        text("cr_name", "Name"),
        text("cr_userid", "User Id"),
        text("cr_type", "Type"),
        text("cr_status", "Status"),
        text("cr_pool", "Pool"),
        integer("cr_slots", "Slots", 0, SLOTS_MAX),
        text_of("cr_labels", "Labels", 1000),
        text_of("cr_agents", "Agents", 1000),
        text("cr_version", "Version"),
        text("cr_bootid", "Boot Id"),
        column("cr_beat", "Beat", ColumnKind::BigInt),
        text("cr_nonce", "Nonce"),
        text("cr_echo", "Echo"),
        memo("cr_leases", "Leases", MEMO_MAX),
        memo("cr_details", "Details", MEMO_MAX),
        text("cr_currenttaskid", "Current Task Id"),
        time("cr_lastseen", "Last Seen"),
        time("cr_lastassigned", "Last Assigned"),
        time("cr_drainedon", "Drained On"),
        memo("cr_machine", "Machine", MEMO_MAX),
        text("cr_release", "Release"),
        text("cr_allowedrelease", "Allowed Release"),
        memo("cr_updatestate", "Update State", MEMO_MAX),
    ];
    TableDef {
        wake: owned(&["_ownerid_value", "cr_shraga_workerid"]),
        change_tracking: true,
        access: Access {
            user: Grant {
                read: Some("_ownerid_value eq @me".to_owned()),
                ..Grant::default()
            },
            worker: worker(),
            bars: None,
        },
        ..super::table("worker", "Shraga Worker", columns)
    }
}

fn worker() -> Grant {
    let rule = |rows: Option<&str>| WriteRule {
        rows: rows.map(str::to_owned),
        check: Some(WITHIN_TOKEN.to_owned()),
        columns: any(&OWN_COLUMNS),
    };
    Grant {
        read: Some(OWN.to_owned()),
        create: Some(rule(None)),
        update: Some(rule(Some(OWN))),
        delete: None,
    }
}
