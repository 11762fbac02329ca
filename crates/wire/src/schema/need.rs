//! What Shraga can do without: for each shipped table and column, whether it is required on
//! Dataverse, and what is given up where it is absent. Data only; names are the default ones.

use super::shipped;
use super::wanted::Wanted;

/// Whether Shraga can do without a table or column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing works without it.
    Required,
    /// It can be absent.
    Optional {
        /// What is given up then.
        without: &'static str,
    },
}

impl Need {
    /// Whether nothing works without it.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::Required)
    }

    /// What is given up without it; `None` when that is everything.
    #[must_use]
    pub const fn without(self) -> Option<&'static str> {
        match self {
            Self::Required => None,
            Self::Optional { without } => Some(without),
        }
    }
}

/// Tables that can be absent, and what is given up without them. The tasks table can't.
const TABLES: [(&str, &str); 3] = [
    (
        "cr_shraga_worker",
        "only workers of the state file are assigned to",
    ),
    ("cr_shraga_event", "no events are written"),
    ("cr_shraga_user", "people can't be disabled"),
];

/// Columns of the tasks table that can be absent. Without the others, which the original wrote, there
/// are no mirrors.
const TASK_COLUMNS: &[(&str, &str)] = &[
    (
        "cr_input",
        "tasks can't name agents, labels or repositories",
    ),
    ("cr_priority", "priorities are ignored"),
    (
        "cr_notbefore",
        "tasks can't be deferred, and retries don't wait",
    ),
    ("cr_answer", "questions can't be answered"),
    (
        "cr_retryof",
        "a retry does not tell which task it tries again",
    ),
    (
        "crb3b_useremail",
        "rows don't show the e-mail of whose task it is",
    ),
    ("crb3b_shortdescription", "descriptions are not shown"),
    ("cr_statusmessage", "people see no messages"),
    (
        "cr_lastworkerping",
        "rows don't show when their worker last moved on",
    ),
    (
        "cr_lease",
        "only legacy workers are assigned to, and health only reports",
    ),
    (
        "cr_attempt",
        "only legacy workers are assigned to, and health only reports",
    ),
    ("cr_losses", "lost attempts are not counted"),
    (
        "cr_rank",
        "tasks are taken in the order in which they were filed",
    ),
    ("cr_reason", "reasons are told in words only"),
    ("cr_eventhead", "no events are written"),
    ("cr_startedon", "rows don't show when work began"),
    ("cr_finishedon", "rows don't show when work ended"),
    (
        "cr_output",
        "deliverables, verdicts and costs are not kept as data",
    ),
    ("cr_executiondetails", "no attempt goes on from another one"),
    (
        "cr_usage",
        "budgets count for each attempt anew, there are no budgets for a day, and `costs` is empty",
    ),
    (
        "crb3b_workingdir",
        "rows don't show where the work was done",
    ),
    (
        "crb3b_sessionsummary",
        "rows have no summary of the session",
    ),
    ("crb3b_sessioncost", "rows don't show what the work cost"),
    (
        "crb3b_sessiontokens",
        "rows don't show how many tokens it took",
    ),
    ("crb3b_sessionduration", "rows don't show how long it took"),
];

/// Columns of other tables whose absence gives up less than the whole table.
const OTHER_COLUMNS: &[(&str, &str, &str)] = &[
    ("cr_shraga_worker", "cr_slots", "workers run one task each"),
    ("cr_shraga_worker", "cr_labels", "workers have no labels"),
    (
        "cr_shraga_worker",
        "cr_agents",
        "workers don't tell which agents they can run",
    ),
    (
        "cr_shraga_worker",
        "cr_version",
        "a worker's version is not shown",
    ),
    (
        "cr_shraga_worker",
        "cr_beat",
        "silent workers are not noticed",
    ),
    (
        "cr_shraga_worker",
        "cr_nonce",
        "silent workers are reported, not given up",
    ),
    (
        "cr_shraga_worker",
        "cr_echo",
        "silent workers are reported, not given up",
    ),
    (
        "cr_shraga_worker",
        "cr_leases",
        "a worker's own view of what it holds is not shown",
    ),
    (
        "cr_shraga_worker",
        "cr_details",
        "a worker's machine is not shown",
    ),
    (
        "cr_shraga_worker",
        "cr_currenttaskid",
        "a worker's current task is not shown",
    ),
    (
        "cr_shraga_worker",
        "cr_lastseen",
        "silent workers are not noticed",
    ),
    (
        "cr_shraga_worker",
        "cr_lastassigned",
        "turns of shared workers are lost at a restart",
    ),
    (
        "cr_shraga_worker",
        "cr_drainedon",
        "operators can't drain workers",
    ),
    ("cr_shraga_worker", "cr_machine", "no machines are made"),
    (
        "cr_shraga_worker",
        "cr_release",
        "a worker's release is not shown, and it is given none",
    ),
    (
        "cr_shraga_worker",
        "cr_allowedrelease",
        "workers are given no releases",
    ),
    (
        "cr_shraga_worker",
        "cr_updatestate",
        "workers are given no releases, and updates can't be paused",
    ),
    (
        "cr_shraga_event",
        "cr_prevhash",
        "the audit trail can't be verified",
    ),
    (
        "cr_shraga_event",
        "cr_hash",
        "the audit trail can't be verified",
    ),
    (
        "cr_shraga_event",
        "cr_status",
        "whether an event was delivered is not kept",
    ),
    (
        "cr_shraga_user",
        "crb3b_useremail",
        "people's e-mail addresses are not shown",
    ),
    ("cr_shraga_user", "cr_name", "people's names are not shown"),
    ("cr_shraga_user", "cr_role", "people's roles are not kept"),
    ("cr_shraga_user", "cr_status", "people can't be disabled"),
    (
        "cr_shraga_user",
        "cr_usage",
        "there are no budgets for a day",
    ),
];

/// Whether Shraga can do without a table, by its default logical name.
#[must_use]
pub fn need_of_table(logical: &str) -> Need {
    let listed = TABLES.iter().find(|(table, _)| *table == logical);
    listed.map_or(Need::Required, |&(_, without)| Need::Optional { without })
}

/// Whether Shraga can do without a column of a table, both by their default logical names. Without
/// a column that an optional table can't be used without, it does without the table.
#[must_use]
pub fn need_of_column(table: &str, column: &str) -> Need {
    if table == "cr_shraga_task" {
        let listed = TASK_COLUMNS.iter().find(|(name, _)| *name == column);
        return listed.map_or(Need::Required, |&(_, without)| Need::Optional { without });
    }
    let listed = OTHER_COLUMNS
        .iter()
        .find(|(of, name, _)| *of == table && *name == column);
    match listed {
        Some(&(_, _, without)) => Need::Optional { without },
        None => need_of_table(table),
    }
}

/// The shipped tables as a store should have them, in the order of [`shipped()`], under their default
/// names.
#[must_use]
pub fn wanted() -> Vec<Wanted> {
    shipped().into_iter().map(Wanted::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(table: &str, column: &str) -> bool {
        let tables = shipped();
        let table = tables.iter().find(|it| it.logical == table);
        table.is_some_and(|table| table.columns.iter().any(|it| it.logical == column))
    }

    #[test]
    fn what_is_said_of_tables_and_columns_is_said_of_shipped_ones() {
        for (table, _) in TABLES {
            assert!(shipped().iter().any(|it| it.logical == table), "{table}");
        }
        for (column, _) in TASK_COLUMNS {
            assert!(has("cr_shraga_task", column), "{column}");
        }
        for (table, column, _) in OTHER_COLUMNS {
            assert!(has(table, column), "{table}.{column}");
        }
    }

    #[test]
    fn what_the_original_wrote_is_required_and_nothing_else_is() {
        let wanted = wanted();
        let required: Vec<_> = wanted[0]
            .columns()
            .filter(|(_, need)| need.is_required())
            .map(|(column, _)| column.logical.as_str())
            .collect();
        assert_eq!(
            required,
            [
                "cr_name",
                "cr_prompt",
                "cr_status",
                "cr_ismirror",
                "cr_mirrortaskid",
                "cr_mirroroftaskid",
                "cr_userid",
                "cr_assignedworkerid",
                "cr_workerstatus",
                "cr_result",
                "cr_transcript",
                "crb3b_devbox",
            ]
        );
        for table in &wanted[1..] {
            assert!(!table.need.is_required());
            assert!(table.columns().all(|(_, need)| !need.is_required()));
        }
    }
}
