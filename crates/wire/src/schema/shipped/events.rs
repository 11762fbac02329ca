//! The events table: what happened, in hash-chained streams.

use super::super::{Access, Grant, TableDef, WriteRule};
use super::{MEMO_MAX, any, index, integer, memo, owned, text, text_of};

const MINE: &str = "cr_userid eq @me";
const OWN_STREAMS: &str = "startswith(cr_stream,@worker)";

const COLUMNS: [&str; 11] = [
    "cr_name",
    "cr_userid",
    "cr_type",
    "cr_content",
    "cr_taskid",
    "cr_attempt",
    "cr_stream",
    "cr_sequence",
    "cr_prevhash",
    "cr_hash",
    "cr_status",
];

pub(super) fn table() -> TableDef {
    let columns = vec![
        text_of("cr_name", "Name", 450),
        text("cr_userid", "User Id"),
        text("cr_type", "Type"),
        memo("cr_content", "Content", MEMO_MAX),
        text("cr_taskid", "Task Id"),
        integer("cr_attempt", "Attempt", 0, i32::MAX),
        text_of("cr_stream", "Stream", 200),
        integer("cr_sequence", "Sequence", 0, i32::MAX),
        text("cr_prevhash", "Previous Hash"),
        text("cr_hash", "Hash"),
        text("cr_status", "Status"),
    ];
    TableDef {
        // `logs` and `show`: all events of one task.
        indexes: vec![index(&["cr_taskid"], None)],
        wake: owned(&["cr_userid"]),
        change_tracking: true,
        access: Access {
            user: user(),
            worker: worker(),
            bars: None,
        },
        ..super::table("event", "Shraga Event", columns)
    }
}

fn user() -> Grant {
    Grant {
        read: Some(MINE.to_owned()),
        update: Some(WriteRule {
            rows: Some(MINE.to_owned()),
            check: Some(MINE.to_owned()),
            columns: any(&["cr_status"]),
        }),
        ..Grant::default()
    }
}

fn worker() -> Grant {
    Grant {
        read: Some(OWN_STREAMS.to_owned()),
        create: Some(WriteRule {
            rows: None,
            check: Some(OWN_STREAMS.to_owned()),
            columns: any(&COLUMNS),
        }),
        ..Grant::default()
    }
}
