//! Conditional row writes: what a plan is made of.
//!
//! A [`Write`] names its row, its condition and its cells; a [`ChangeSet`] is all or nothing. There
//! is no unconditional write: a stale or repeated one fails its condition and changes nothing.
//! Columns carry their default names; the client renames them for an organisation whose publisher
//! prefix differs.

use std::fmt;

use uuid::Uuid;

use crate::ids::{Etag, TaskId, UserId};
use crate::status::TaskStatus;
use crate::time::Timestamp;

/// The tables decisions write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// User tasks and their mirrors.
    Tasks,
    /// Workers and courtesy leases.
    Workers,
    /// Events of all streams.
    Events,
    /// People.
    Users,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tasks, Self::Workers, Self::Events, Self::Users];

    /// The word used in plans, logs and wake-ups.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Workers => "workers",
            Self::Events => "events",
            Self::Users => "users",
        }
    }
}

/// A column by its default name. Only the constants below exist.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(&'static str);

impl Column {
    /// The default name, such as `cr_status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! columns {
    ($(#[$doc:meta])* $module:ident { $($const:ident = $name:literal, $what:literal;)+ }) => {
        $(#[$doc])*
        pub mod $module {
            use super::Column;
            $(#[doc = $what] pub const $const: Column = Column($name);)+
            /// Every column above.
            pub const ALL: &[Column] = &[$($const,)+];
        }
    };
}

columns! {
    /// Columns of the tasks table.
    tasks {
        NAME = "cr_name", "Short name, at most 100 characters.";
        PROMPT = "cr_prompt", "What the agent is asked to do.";
        INPUT = "cr_input", "JSON: description, criteria, repo, ref, agent, budget, labels.";
        STATUS = "cr_status", "Where the task stands: an integer.";
        STATUS_MESSAGE = "cr_statusmessage", "One line for the person, at most 200 characters.";
        RESULT = "cr_result", "The published result.";
        OUTPUT = "cr_output", "JSON: summary, deliverables, verdict, commits, cost, stream heads.";
        TRANSCRIPT = "cr_transcript", "The session's transcript, written once.";
        IS_MIRROR = "cr_ismirror", "Whether this row is a mirror; null means no.";
        MIRROR_LINK = "cr_mirrortaskid", "On a user row: its mirror's identity.";
        MIRROR_OF = "cr_mirroroftaskid", "On a mirror: the user row's identity.";
        ASSIGNED_WORKER = "cr_assignedworkerid", "The worker the task is assigned to.";
        WORK_PHASE = "cr_workerstatus", "assigned, executing, done or failed.";
        LAST_PING = "cr_lastworkerping", "When the worker last changed phase.";
        LEASE = "cr_lease", "JSON: worker, boot, attempt, since.";
        ATTEMPT = "cr_attempt", "Which try this is; never reset.";
        LOSSES = "cr_losses", "Attempts that ended in loss or a retryable error.";
        PRIORITY = "cr_priority", "-100 to 100, higher first.";
        RANK = "cr_rank", "When the task's turn comes: created minus priority x 10 minutes.";
        REASON = "cr_reason", "Code of why it waits or ended, for `why`.";
        EVENT_HEAD = "cr_eventhead", "JSON: sequence and hash of the orchestrator's stream.";
        ANSWER = "cr_answer", "JSON: question id and text.";
        USAGE = "cr_usage", "JSON: what its attempts spent, and what the running one has reserved.";
        RETRY_OF = "cr_retryof", "The task this one tries again.";
        EXECUTION_DETAILS = "cr_executiondetails", "JSON: what the next attempt goes on from.";
        USER_ID = "cr_userid", "On a mirror: the owner of the user row.";
        NOT_BEFORE = "cr_notbefore", "Not assigned before this.";
        STARTED = "cr_startedon", "When the current attempt was claimed.";
        FINISHED = "cr_finishedon", "When the task ended.";
        EMAIL = "crb3b_useremail", "E-mail of the person, for display.";
        DEVBOX = "crb3b_devbox", "Machine name; set on mirrors so that no legacy poll matches them.";
        WORKING_DIR = "crb3b_workingdir", "Where the session ran.";
        SHORT_DESCRIPTION = "crb3b_shortdescription", "A line of description.";
        SESSION_SUMMARY = "crb3b_sessionsummary", "JSON summary of the session.";
        SESSION_COST = "crb3b_sessioncost", "Cost, such as `$0.12`.";
        SESSION_TOKENS = "crb3b_sessiontokens", "Tokens, such as `1.2k in / 0.4k out`.";
        SESSION_DURATION = "crb3b_sessionduration", "Duration, such as `2m 05s`.";
    }
}

columns! {
    /// Columns of the workers table.
    workers {
        NAME = "cr_name", "The worker's name.";
        USER_ID = "cr_userid", "The person it belongs to.";
        KIND = "cr_type", "DevBox, LocalMachine, CloudVM, Container or Orchestrator.";
        STATE = "cr_status", "provisioning, ready, busy, draining, ...";
        POOL = "cr_pool", "shared or dedicated.";
        SLOTS = "cr_slots", "How many tasks it runs at once.";
        LABELS = "cr_labels", "Comma-separated labels.";
        AGENTS = "cr_agents", "Comma-separated names of agents it can run.";
        VERSION = "cr_version", "Version of its binary.";
        BOOT = "cr_bootid", "Identity of the running process.";
        BEAT = "cr_beat", "Counter, raised with each beat.";
        NONCE = "cr_nonce", "Written by the orchestrator, to be echoed.";
        ECHO = "cr_echo", "The nonce as the worker last read it.";
        LEASES = "cr_leases", "JSON: the leases it holds.";
        DETAILS = "cr_details", "JSON: machine, limits, last output.";
        CURRENT_TASK = "cr_currenttaskid", "A task it works on.";
        LAST_SEEN = "cr_lastseen", "Store time of the last beat.";
        MACHINE = "cr_machine", "JSON: the machine it runs on, where a provider makes that.";
        RELEASE = "cr_release", "The release it runs; its version where it runs from no installation.";
        ALLOWED = "cr_allowedrelease", "The release it may take, and whether it is open to all; written by the orchestrator.";
        UPDATE_STATE = "cr_updatestate", "What came of its last update; of the fleet's row, JSON: what is rolled out.";
        DRAINED = "cr_drainedon", "Since when an operator wants it to take nothing new.";
        LAST_ASSIGNED = "cr_lastassigned", "Store time of the last assignment.";
    }
}

columns! {
    /// Columns of the events table.
    events {
        NAME = "cr_name", "A line of what happened.";
        USER_ID = "cr_userid", "The person it is for.";
        KIND = "cr_type", "What it tells.";
        CONTENT = "cr_content", "Canonical JSON with its own `at`; what the hash covers.";
        TASK_ID = "cr_taskid", "The user task it is about.";
        ATTEMPT = "cr_attempt", "The attempt it is about.";
        STREAM = "cr_stream", "The stream it belongs to.";
        SEQUENCE = "cr_sequence", "Its number in the stream, from 1.";
        PREVIOUS_HASH = "cr_prevhash", "Hash of the event before it.";
        HASH = "cr_hash", "SHA-256 of previous hash and content.";
        DELIVERY = "cr_status", "pending, sent, delivered, read.";
    }
}

columns! {
    /// Columns of the users table.
    users {
        EMAIL = "crb3b_useremail", "E-mail.";
        NAME = "cr_name", "Display name.";
        ROLE = "cr_role", "designer or admin.";
        STATE = "cr_status", "active or disabled.";
        USAGE = "cr_usage", "JSON: what was spent and is reserved on one day.";
    }
}

/// What a cell is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: clears the cell.
    Null,
    /// Text.
    Text(String),
    /// A whole number; also choice values.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// A point in time (whole seconds on the wire).
    Time(Timestamp),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<TaskStatus> for Value {
    fn from(status: TaskStatus) -> Self {
        Self::Int(status.code())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The row must not exist (`If-None-Match: *`).
    Absent,
    /// The row must have exactly this version (`If-Match`).
    Version(Etag),
}

/// One conditional write of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: Table,
    /// The row's identity.
    pub id: Uuid,
    /// What must hold.
    pub condition: Condition,
    /// The owner of a row that is created (`ownerid@odata.bind`); the caller when `None`.
    pub owner: Option<UserId>,
    /// The cells to set, each column at most once.
    pub cells: Vec<(Column, Value)>,
}

impl Write {
    /// Makes a row that must not exist yet, owned by the caller.
    #[must_use]
    pub const fn create(table: Table, id: Uuid, cells: Vec<(Column, Value)>) -> Self {
        Self {
            table,
            id,
            condition: Condition::Absent,
            owner: None,
            cells,
        }
    }

    /// Changes a row that must still have this version. Neither can be left out:
    ///
    /// ```
    /// use shraga_core::{ids::{Etag, MirrorId}, row::{Table, Write, tasks}};
    /// fn rename(mirror: MirrorId, seen: &Etag) -> Write {
    ///     Write::update(Table::Tasks, mirror.get(), seen, vec![(tasks::NAME, "new".into())])
    /// }
    /// ```
    ///
    /// ```compile_fail,E0061
    /// use shraga_core::{ids::MirrorId, row::{Table, Write, tasks}};
    /// fn rename(mirror: MirrorId) -> Write {
    ///     Write::update(Table::Tasks, mirror.get(), vec![(tasks::NAME, "new".into())])
    /// }
    /// ```
    ///
    /// ```compile_fail,E0308
    /// use shraga_core::{ids::{Etag, MirrorId}, row::{Table, Write, tasks}};
    /// fn rename(mirror: Option<MirrorId>, seen: &Etag) -> Write {
    ///     Write::update(Table::Tasks, mirror, seen, vec![(tasks::NAME, "new".into())])
    /// }
    /// ```
    ///
    /// One that sets nothing, or names the row of zeros, is refused by the client before any request.
    #[must_use]
    pub fn update(table: Table, id: Uuid, version: &Etag, cells: Vec<(Column, Value)>) -> Self {
        Self {
            table,
            id,
            condition: Condition::Version(version.clone()),
            owner: None,
            cells,
        }
    }

    /// What `column` is set to, if it is.
    #[must_use]
    pub fn get(&self, column: Column) -> Option<&Value> {
        let cell = self.cells.iter().find(|(name, _)| *name == column)?;
        Some(&cell.1)
    }
}

/// Writes that happen all or not at all, and why.
///
/// At a store that knows no change sets the writes are made one by one, in this order, and stop at the
/// first that is not done. Whoever builds a set orders it so that the next snapshot can go on from any
/// such stop; where no order does, [`Self::must_be_whole`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// The user task it is about, when it is about one.
    pub task: Option<TaskId>,
    /// A line that says what happens and why, for `plan`, logs and the audit.
    pub why: String,
    /// The writes, in order.
    pub writes: Vec<Write>,
}

impl ChangeSet {
    /// Whether half of it would be worse than nothing: it makes a mirror that says it is linked, while
    /// another of its writes is the link.
    #[must_use]
    pub fn must_be_whole(&self) -> bool {
        let linked = |write: &Write| {
            write.table == Table::Tasks
                && write.condition == Condition::Absent
                && matches!(write.get(tasks::USER_ID), Some(Value::Text(_)))
        };
        self.writes.len() > 1 && self.writes.iter().any(linked)
    }

    /// The rest of it after its first `done` writes were made, rows under other identities than
    /// planned (`renamed`: planned, given): cells that name the one name the other.
    #[must_use]
    pub fn rest(&self, done: usize, renamed: &[(Uuid, Uuid)]) -> Self {
        let mut rest = self.clone();
        rest.writes.drain(..done.min(rest.writes.len()));
        for (planned, given) in renamed {
            let (planned, given) = (Value::from(*planned), Value::from(*given));
            let cells = rest.writes.iter_mut().flat_map(|write| &mut write.cells);
            let naming = cells.filter(|(_, value)| *value == planned);
            naming.for_each(|(_, value)| value.clone_from(&given));
        }
        rest
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(number) => number.fmt(f),
            Self::Bool(flag) => flag.fmt(f),
            Self::Time(at) => write!(f, "@{}", at.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> ChangeSet {
        let (mirror, task) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let link = vec![(tasks::MIRROR_LINK, mirror.into())];
        ChangeSet {
            task: None,
            why: String::new(),
            writes: vec![
                Write::create(Table::Tasks, mirror, vec![(tasks::MIRROR_OF, task.into())]),
                Write::update(Table::Tasks, task, &Etag::new("1"), link),
            ],
        }
    }

    #[test]
    fn what_is_left_names_a_row_by_the_identity_that_the_store_gave_it() {
        let given = Uuid::from_u128(9);
        let rest = set().rest(1, &[(Uuid::from_u128(1), given)]);
        assert_eq!(rest.writes.len(), 1);
        assert_eq!(rest.writes[0].get(tasks::MIRROR_LINK), Some(&given.into()));
        assert_eq!(rest.writes[0].id, Uuid::from_u128(2));
    }

    #[test]
    fn a_mirror_that_says_it_is_linked_is_made_with_its_link_or_not_at_all() {
        let mut set = set();
        assert!(!set.must_be_whole());
        let user = (tasks::USER_ID, Uuid::from_u128(3).into());
        set.writes[0].cells.push(user);
        assert!(set.must_be_whole());
        set.writes.truncate(1);
        assert!(!set.must_be_whole());
    }
}
