//! What a tick asks the store: every question is a bounded window with an index behind it.
//!
//! A question knows how it reads ([`Question::read`]); what its rows mean is in `seen.rs`. The texts
//! of the hot filters are the ones the shipped schema has partial indexes for, clause by clause.

use shraga_core::ids::{EventId, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::plan::sync::CARRIED;
use shraga_core::row::{Column, Table, events, tasks, users};
use shraga_core::status::{EventKind, TaskStatus};
use shraga_core::time::{Span, Timestamp};
use shraga_dataverse::rows::select;
use shraga_dataverse::{Absent, Read};
use shraga_wire::filter::{Comparison, Filter, Literal};
use shraga_wire::query::{OrderBy, Query};
use uuid::Uuid;

use crate::status::Degraded;

use super::filter::{
    any_status, by, by_descending, compare, eq, id_in, ne, owner_is, status, text_in, text_not_in,
    time,
};
use super::reach::Place;

/// The primary key of the tasks table.
pub(crate) const TASK_ID: &str = "cr_shraga_taskid";

/// The primary key of the workers table.
pub(crate) const WORKER_ID: &str = "cr_shraga_workerid";

/// The primary key of the events table.
pub(crate) const EVENT_ID: &str = "cr_shraga_eventid";

/// The primary key of the table of people.
pub(crate) const USER_ID: &str = "cr_shraga_userid";

/// Rows of a window that must be complete to be of use (active mirrors, workers, people): the
/// largest page a store gives.
pub(crate) const WHOLE: u32 = 5000;

/// Identities in one `In` list: 40 bytes each keep an address under 16 KB.
pub(crate) const IDS_PER_READ: usize = 250;

/// How far behind the newest `modifiedon` a store without commit order may still show older rows.
pub(crate) const LATE_COMMITS: Span = Span::secs(120);

/// What times of creation are told in.
pub(super) const SECOND: Span = Span::secs(1);

/// Up to where changes have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// A version: the embedded store has one writer, so versions are in commit order.
    Version(i64),
    /// A time of change: Dataverse commits out of order, so the last 120 s are read again.
    Modified(Timestamp),
}

/// Where the next page of a full pass begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// After this key, in key order.
    Key(Uuid),
    /// At this time of creation, in that order.
    Created(Timestamp),
    /// All that was created within the second that begins then: more than a page, so that pages by time
    /// alone would not get past it.
    Second(Timestamp),
}

impl After {
    /// Whether this is where a pass in order of creation begins.
    pub(crate) fn is_first(self) -> bool {
        self == Self::Created(Timestamp::from_secs(0))
    }
}

/// Whose rows are whose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose {
    /// The admin, once known: her own rows are no tasks.
    pub(crate) admin: Option<UserId>,
    /// Whether people can make rows that say they are mirrors. Where they can't (the embedded store),
    /// windows over mirrors need no look at their owners.
    pub(crate) impostors: bool,
}

impl Whose {
    /// Rows that say they are mirrors, and are the admin's where that is not certain anyway.
    fn mirrors(self) -> Vec<Filter> {
        let owner = self.admin.filter(|_| self.impostors);
        let owner = owner.map(|admin| owner_is(Comparison::Eq, admin));
        [mirror()].into_iter().chain(owner).collect()
    }
}

/// A question of a tick.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Question {
    /// The newest version of any task row.
    HighWater,
    /// User rows that are pending and not linked, oldest first.
    NewTasks(u32),
    /// User rows that somebody other than the admin changed: linked ones, and requests to cancel.
    Requests(Mark, u32),
    /// Mirrors that ended, with what is carried to the person.
    Ended(Mark, u32),
    /// Mirrors that changed and have not ended.
    Progress(Mark, u32),
    /// Pending mirrors by rank.
    Waiting(u32),
    /// Pending mirrors by rank, but for those of these people.
    WaitingOthers(Vec<UserId>, u32),
    /// The pending mirrors behind this place, by rank.
    WaitingBehind(Place, u32),
    /// Every mirror that is with a worker.
    Active,
    /// The mirror that this legacy worker was given last.
    LastGiven(WorkerId),
    /// The mirrors that ended last: what people used before this process began.
    LastEnded(u32),
    /// Every row of the workers table.
    Workers,
    /// People met so far.
    People,
    /// People an admin disabled.
    Disabled,
    /// The rows of these people.
    Persons(Vec<UserId>),
    /// These user rows.
    Tasks(Vec<TaskId>),
    /// The rows at these identities, which should be mirrors.
    Mirrors(Vec<MirrorId>),
    /// Mirrors of these tasks, at whatever identity.
    MirrorsOf(Vec<TaskId>),
    /// What is carried of these rows.
    Carried(Vec<Uuid>),
    /// Events at these identities.
    Events(Vec<EventId>),
    /// The late results of these tasks, and to whom their attempts were given.
    Late(Vec<TaskId>),
    /// Open rows that say they are mirrors and are not the admin's, newest first.
    Impostors(u32),
    /// Open mirrors that are not the admin's, oldest first: another admin's, if their tasks say so too.
    Anothers(u32),
    /// A page of the user rows that are linked and open, unreleased, or ask for an end.
    OpenTasks(Option<After>, u32),
    /// A page of the open mirrors.
    OpenMirrors(Option<After>, u32),
}

impl Question {
    /// What is not done when the table it reads is missing; `None` when nothing goes without it.
    pub(crate) fn optional(&self) -> Option<Degraded> {
        let (missing, without) = match self.table() {
            Table::Users => ("cr_shraga_users", "disabled people are not held back"),
            Table::Workers => (
                "cr_shraga_workers",
                "only workers of the state file are assigned to",
            ),
            Table::Events => ("cr_shraga_events", "no events are written"),
            Table::Tasks => return None,
        };
        Some(Degraded {
            missing: missing.to_owned(),
            without,
        })
    }

    /// How it reads. The admin's own rows are left out of people's, once the admin is known.
    /// What was canceled is only told apart where rows can say when they ended.
    pub(crate) fn read(&self, whose: Whose, absent: &Absent) -> Read {
        let admin = whose.admin;
        let answered = absent.has(Table::Tasks, tasks::FINISHED);
        let query = match self {
            Self::HighWater => high_water(),
            Self::NewTasks(top) => new_tasks(admin, *top),
            Self::Requests(since, top) => requests(admin, *since, *top),
            Self::Ended(since, top) => ended(whose, *since, *top),
            Self::Progress(since, top) => progress(whose, *since, *top),
            Self::Waiting(top) => waiting(whose, None, *top),
            Self::WaitingOthers(but, top) => waiting(whose, Some(but), *top),
            Self::WaitingBehind(place, top) => behind(whose, *place, *top, absent),
            Self::Active => active(whose),
            Self::LastGiven(worker) => last_given(*worker),
            Self::LastEnded(top) => last_ended(whose, *top),
            Self::Workers => whole(select::WORKER),
            Self::People => people(None),
            Self::Disabled => people(Some("disabled")),
            Self::Persons(ids) => people_by_id(ids),
            Self::Tasks(ids) => tasks_by_id(ids),
            Self::Mirrors(ids) => mirrors_by_id(ids),
            Self::MirrorsOf(ids) => mirrors_of(ids),
            Self::Carried(ids) => carried(ids),
            Self::Events(ids) => events_by_id(ids),
            Self::Late(ids) => late(ids),
            Self::Impostors(top) => impostors(admin, *top),
            Self::Anothers(top) => anothers(admin, *top),
            Self::OpenTasks(after, top) => open_tasks(admin, *after, *top, answered),
            Self::OpenMirrors(after, top) => open_mirrors(whose, *after, *top),
        };
        Read::List {
            table: self.table(),
            query,
        }
    }

    /// The table whose rows answer it.
    pub(crate) fn table(&self) -> Table {
        match self {
            Self::Workers => Table::Workers,
            Self::People | Self::Disabled | Self::Persons(_) => Table::Users,
            Self::Events(_) | Self::Late(_) => Table::Events,
            Self::HighWater
            | Self::Impostors(_)
            | Self::Anothers(_)
            | Self::NewTasks(_)
            | Self::Requests(..)
            | Self::Ended(..)
            | Self::Progress(..)
            | Self::Waiting(_)
            | Self::WaitingOthers(..)
            | Self::WaitingBehind(..)
            | Self::Active
            | Self::LastGiven(_)
            | Self::LastEnded(_)
            | Self::Tasks(_)
            | Self::Mirrors(_)
            | Self::MirrorsOf(_)
            | Self::Carried(_)
            | Self::OpenTasks(..)
            | Self::OpenMirrors(..) => Table::Tasks,
        }
    }
}

fn high_water() -> Query {
    Query {
        select: vec!["versionnumber".to_owned()],
        order_by: vec![by_descending("versionnumber")],
        top: Some(1),
        ..Query::default()
    }
}

fn new_tasks(admin: Option<UserId>, top: u32) -> Query {
    let mut clauses = vec![
        status(TaskStatus::Pending),
        not_mirror(),
        eq(tasks::MIRROR_LINK, Literal::Null),
    ];
    clauses.extend(admin.map(|admin| owner_is(Comparison::Ne, admin)));
    let filter = Filter::And(clauses);
    window(select::USER_TASK, filter, by("createdon"), top)
}

fn requests(admin: Option<UserId>, since: Mark, top: u32) -> Query {
    let mut edited = vec![ne(tasks::MIRROR_LINK, Literal::Null)];
    edited.extend(admin.map(|admin| {
        let admin = Literal::Guid(admin.get());
        compare("_modifiedby_value", Comparison::Ne, admin)
    }));
    // A request to cancel counts whoever wrote it.
    let concerns = Filter::Or(vec![
        Filter::And(edited),
        status(TaskStatus::Canceling),
        cancel_unanswered(),
    ]);
    let filter = Filter::And(vec![changed(since), not_mirror(), concerns]);
    let mut query = window(select::USER_TASK, filter, in_order(since), top);
    query.select.push("modifiedon".to_owned());
    query
}

fn ended(whose: Whose, since: Mark, top: u32) -> Query {
    let mut clauses = vec![changed(since), any_status(&ENDED)];
    clauses.extend(whose.mirrors());
    let mut query = window(select::MIRROR, Filter::And(clauses), in_order(since), top);
    query.select.extend(names(CARRIED));
    query
}

fn progress(whose: Whose, since: Mark, top: u32) -> Query {
    let mut clauses = vec![
        changed(since),
        any_status(&[
            TaskStatus::Pending,
            TaskStatus::Running,
            TaskStatus::WaitingForInput,
            TaskStatus::Canceling,
        ]),
    ];
    clauses.extend(whose.mirrors());
    window(select::MIRROR, Filter::And(clauses), in_order(since), top)
}

fn waiting(whose: Whose, but: Option<&Vec<UserId>>, top: u32) -> Query {
    let mut clauses = vec![status(TaskStatus::Pending)];
    clauses.extend(whose.mirrors());
    clauses.extend(but.map(|people| text_not_in(tasks::USER_ID, people.iter().map(|id| id.get()))));
    let filter = Filter::And(clauses);
    window(select::MIRROR, filter, by(tasks::RANK.name()), top)
}

/// Many rows may share a rank, which tells whole seconds: of those, the order of their tasks decides.
fn behind(whose: Whose, place: Place, top: u32, absent: &Absent) -> Query {
    let rank = match absent.has(Table::Tasks, tasks::RANK) {
        true => tasks::RANK.name(),
        false => "createdon",
    };
    let task = Literal::Text(place.task.to_string());
    let mut clauses = vec![status(TaskStatus::Pending)];
    clauses.extend(whose.mirrors());
    clauses.push(compare(rank, Comparison::Ge, time(place.rank)));
    clauses.push(Filter::Or(vec![
        compare(rank, Comparison::Gt, time(place.rank)),
        compare(tasks::MIRROR_OF.name(), Comparison::Gt, task),
    ]));
    let mut query = window(select::MIRROR, Filter::And(clauses), by(rank), top);
    query.order_by.push(by(tasks::MIRROR_OF.name()));
    query
}

/// Versions only: what is known of a mirror at its version needn't be read again.
fn active(whose: Whose) -> Query {
    let mut clauses = whose.mirrors();
    clauses.push(any_status(&WITH_A_WORKER));
    window(
        &[tasks::STATUS.name()],
        Filter::And(clauses),
        by(tasks::ASSIGNED_WORKER.name()),
        WHOLE,
    )
}

fn last_given(worker: WorkerId) -> Query {
    let given = eq(
        tasks::ASSIGNED_WORKER,
        Literal::Text(worker.get().to_string()),
    );
    let filter = Filter::And(vec![mirror(), given]);
    let mut query = window(select::MIRROR, filter, by_descending("modifiedon"), 1);
    query.order_by.push(by_descending("versionnumber"));
    query
}

fn last_ended(whose: Whose, top: u32) -> Query {
    let mut clauses = vec![any_status(&ENDED)];
    clauses.extend(whose.mirrors());
    let order = by_descending("modifiedon");
    window(select::MIRROR, Filter::And(clauses), order, top)
}

fn people(state: Option<&str>) -> Query {
    let mut query = whole(select::PERSON);
    query.filter = state.map(|state| eq(users::STATE, Literal::Text(state.to_owned())));
    query
}

fn people_by_id(ids: &[UserId]) -> Query {
    let mut query = whole(select::PERSON);
    query.filter = Some(id_in(USER_ID, ids.iter().map(|id| id.get())));
    query
}

fn tasks_by_id(ids: &[TaskId]) -> Query {
    let ids = id_in(TASK_ID, ids.iter().map(|id| id.get()));
    let mut query = whole(select::USER_TASK);
    query.filter = Some(Filter::And(vec![ids, not_mirror()]));
    query
}

/// Without `cr_ismirror eq true`: a stranger's row at a mirror's identity must show.
fn mirrors_by_id(ids: &[MirrorId]) -> Query {
    let mut query = whole(select::MIRROR);
    query.select.push(tasks::IS_MIRROR.name().to_owned());
    query.filter = Some(id_in(TASK_ID, ids.iter().map(|id| id.get())));
    query
}

fn mirrors_of(ids: &[TaskId]) -> Query {
    let of = text_in(tasks::MIRROR_OF, ids.iter().map(|id| id.get()));
    let some = ne(tasks::MIRROR_OF, Literal::Null);
    let mut query = whole(select::MIRROR);
    query.filter = Some(Filter::And(vec![some, of, mirror()]));
    query
}

fn events_by_id(ids: &[EventId]) -> Query {
    let mut query = whole(&[events::SEQUENCE.name()]);
    query.filter = Some(id_in(EVENT_ID, ids.iter().map(|id| id.get())));
    query
}

fn late(ids: &[TaskId]) -> Query {
    let kinds = [EventKind::Candidate, EventKind::TaskAssigned];
    let kind = |kind: EventKind| eq(events::KIND, Literal::Text(kind.as_str().to_owned()));
    let of = text_in(events::TASK_ID, ids.iter().map(|id| id.get()));
    let mut query = whole(select::EVENT);
    query.select.push(select::MADE_BY.to_owned());
    query.filter = Some(Filter::And(vec![of, Filter::Or(kinds.map(kind).to_vec())]));
    query
}

fn carried(ids: &[Uuid]) -> Query {
    let mut query = whole(&[]);
    query.select = names(CARRIED).collect();
    query.filter = Some(id_in(TASK_ID, ids.iter().copied()));
    query
}

fn open_tasks(admin: Option<UserId>, after: Option<After>, top: u32, answered: bool) -> Query {
    let linked = Filter::And(vec![
        status(TaskStatus::Pending),
        ne(tasks::MIRROR_LINK, Literal::Null),
    ]);
    // Without a link too: a person may have written any of these into a row that has no mirror.
    let beyond = any_status(&BEYOND);
    let canceled = answered.then(cancel_unanswered);
    let open = Filter::Or([linked, beyond].into_iter().chain(canceled).collect());
    let mut clauses = vec![not_mirror(), open];
    clauses.extend(admin.map(|admin| owner_is(Comparison::Ne, admin)));
    let filter = Filter::And(clauses);
    page(select::USER_TASK, filter, after, top)
}

/// A mirror's owner that is somebody else, among rows that say they are mirrors.
fn impostors(admin: Option<UserId>, top: u32) -> Query {
    let order = by_descending("createdon");
    window(select::USER_TASK, not_ours(admin), order, top)
}

fn anothers(admin: Option<UserId>, top: u32) -> Query {
    window(select::MIRROR, not_ours(admin), by("createdon"), top)
}

fn not_ours(admin: Option<UserId>) -> Filter {
    let mut clauses = vec![mirror(), any_status(&OPEN)];
    clauses.extend(admin.map(|admin| owner_is(Comparison::Ne, admin)));
    Filter::And(clauses)
}

fn open_mirrors(whose: Whose, after: Option<After>, top: u32) -> Query {
    let mut clauses = whose.mirrors();
    clauses.push(any_status(&OPEN));
    page(select::MIRROR, Filter::And(clauses), after, top)
}

/// Every mirror that has not ended, as far as machines are concerned, in the order of creation: what is
/// left out of a full window came last.
pub(crate) fn open_work(whose: Whose) -> Query {
    let mut clauses = whose.mirrors();
    clauses.push(any_status(&OPEN));
    let filter = Filter::And(clauses);
    window(select::OPEN, filter, by("createdon"), WHOLE)
}

/// Canceled by somebody, and not yet by us.
fn cancel_unanswered() -> Filter {
    Filter::And(vec![
        status(TaskStatus::Canceled),
        eq(tasks::FINISHED, Literal::Null),
    ])
}

const ENDED: [TaskStatus; 3] = [
    TaskStatus::Completed,
    TaskStatus::Failed,
    TaskStatus::Canceled,
];

const WITH_A_WORKER: [TaskStatus; 3] = [
    TaskStatus::Running,
    TaskStatus::WaitingForInput,
    TaskStatus::Canceling,
];

/// Where a person's row is once it is no longer new, or not yet, until it ends.
const BEYOND: [TaskStatus; 5] = [
    TaskStatus::Queued,
    TaskStatus::Running,
    TaskStatus::WaitingForInput,
    TaskStatus::Submitted,
    TaskStatus::Canceling,
];

const OPEN: [TaskStatus; 5] = [
    TaskStatus::Pending,
    TaskStatus::Queued,
    TaskStatus::Running,
    TaskStatus::WaitingForInput,
    TaskStatus::Canceling,
];

fn mirror() -> Filter {
    eq(tasks::IS_MIRROR, Literal::Bool(true))
}

fn not_mirror() -> Filter {
    ne(tasks::IS_MIRROR, Literal::Bool(true))
}

fn changed(since: Mark) -> Filter {
    match since {
        Mark::Version(version) => compare("versionnumber", Comparison::Gt, Literal::Int(version)),
        Mark::Modified(at) => compare("modifiedon", Comparison::Ge, time(at.minus(LATE_COMMITS))),
    }
}

fn in_order(since: Mark) -> OrderBy {
    match since {
        Mark::Version(_) => by("versionnumber"),
        Mark::Modified(_) => by("modifiedon"),
    }
}

fn window(select: &[&str], filter: Filter, order: OrderBy, top: u32) -> Query {
    Query {
        select: select.iter().map(|name| (*name).to_owned()).collect(),
        filter: Some(filter),
        order_by: vec![order],
        top: Some(top),
        ..Query::default()
    }
}

/// A page in key order (`after` a key, or at the start) or in order of creation.
fn page(select: &[&str], filter: Filter, after: Option<After>, top: u32) -> Query {
    let (order, from) = match after {
        None => (by(TASK_ID), None),
        Some(After::Key(key)) => {
            let from = compare(TASK_ID, Comparison::Gt, Literal::Guid(key));
            (by(TASK_ID), Some(from))
        }
        Some(After::Created(at)) => {
            let from = compare("createdon", Comparison::Ge, time(at));
            (by("createdon"), Some(from))
        }
        Some(After::Second(at)) => {
            let from = compare("createdon", Comparison::Ge, time(at));
            let to = compare("createdon", Comparison::Lt, time(at.plus(SECOND)));
            (by("createdon"), Some(Filter::And(vec![from, to])))
        }
    };
    let top = match after {
        Some(After::Second(_)) => WHOLE,
        None | Some(After::Key(_) | After::Created(_)) => top,
    };
    let filter = Filter::And(from.into_iter().chain([filter]).collect());
    window(select, filter, order, top)
}

/// All rows of a table, up to the largest page.
fn whole(select: &[&str]) -> Query {
    Query {
        select: select.iter().map(|name| (*name).to_owned()).collect(),
        top: Some(WHOLE),
        ..Query::default()
    }
}

fn names(columns: &[Column]) -> impl Iterator<Item = String> + '_ {
    columns.iter().map(|column| column.name().to_owned())
}
