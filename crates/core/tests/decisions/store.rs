//! A store of rows in memory: versions, conditions, atomic change sets. It knows nothing of tasks
//! but how to read rows back as the edge does.

use std::collections::{BTreeMap, HashMap};

use shraga_core::audit::Recorded;
use shraga_core::ids::{Attempt, Etag, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::{Claims, Lease, Mirror, Person, Shown, StreamHead, UserTask};
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write, events, tasks, users};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use uuid::Uuid;

use crate::build::user;
use crate::ledgers;

#[derive(Clone, Debug)]
pub(crate) struct Row {
    version: u64,
    owner: UserId,
    created: Timestamp,
    modified: Timestamp,
    cells: BTreeMap<Column, Value>,
}

/// All tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) rows: HashMap<(Table, Uuid), Row>,
    pub(crate) now: i64,
    /// Whether it makes the writes of a set one by one, and stops at the first that is not done.
    pub(crate) steps: bool,
    version: u64,
}

/// A condition did not hold; nothing was changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale;

impl Store {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.now)
    }

    /// Applies all writes or none; the new version of the first row.
    pub(crate) fn apply(&mut self, set: &ChangeSet, caller: UserId) -> Result<Etag, Stale> {
        if !self.steps && !set.writes.iter().all(|write| self.holds(write)) {
            return Err(Stale);
        }
        for write in &set.writes {
            if !self.holds(write) {
                return Err(Stale);
            }
            let owner = write.owner.unwrap_or(caller);
            self.put(write.table, write.id, owner, &write.cells);
        }
        let first = &set.writes[0];
        Ok(self.rows[&(first.table, first.id)].etag())
    }

    fn holds(&self, write: &Write) -> bool {
        let row = self.rows.get(&(write.table, write.id));
        match &write.condition {
            Condition::Absent => row.is_none(),
            Condition::Version(etag) => row.is_some_and(|row| row.etag() == *etag),
        }
    }

    pub(crate) fn put(&mut self, table: Table, id: Uuid, owner: UserId, cells: &[(Column, Value)]) {
        self.version += 1;
        let now = self.now();
        let row = self.rows.entry((table, id)).or_insert_with(|| Row {
            version: 0,
            owner,
            created: now,
            modified: now,
            cells: BTreeMap::new(),
        });
        row.version = self.version;
        row.modified = now;
        row.cells.extend(cells.iter().cloned());
    }

    /// The tasks table, as people's rows and mirrors.
    pub(crate) fn tasks(&self) -> (Vec<UserTask>, Vec<Mirror>) {
        let (mut people, mut mirrors) = (Vec::new(), Vec::new());
        for ((table, id), row) in &self.rows {
            match (table, row.cells.get(&tasks::IS_MIRROR)) {
                (Table::Tasks, Some(Value::Bool(true))) => mirrors.push(row.mirror(*id)),
                (Table::Tasks, _) => people.push(row.task(*id)),
                _ => {}
            }
        }
        people.sort_by_key(|task| task.id);
        mirrors.sort_by_key(|mirror| mirror.id);
        (people, mirrors)
    }

    /// The table of people.
    pub(crate) fn people(&self) -> Vec<Person> {
        let rows = self.rows.iter();
        let rows = rows.filter(|((table, _), _)| *table == Table::Users);
        let person = |((_, id), row): (&(Table, Uuid), &Row)| {
            ledgers::person(UserId::new(*id), row.etag(), row.maybe_text(users::USAGE))
        };
        rows.map(person).collect()
    }

    /// Events by task and stream, in order.
    pub(crate) fn streams(&self) -> BTreeMap<(String, String), Vec<Recorded>> {
        let mut streams: BTreeMap<(String, String), Vec<Recorded>> = BTreeMap::new();
        for ((_, _), row) in self
            .rows
            .iter()
            .filter(|((table, _), _)| *table == Table::Events)
        {
            let name = (row.text(events::TASK_ID), row.text(events::STREAM));
            streams.entry(name).or_default().push(Recorded {
                sequence: u32::try_from(row.int(events::SEQUENCE)).unwrap(),
                content: row.text(events::CONTENT),
                previous: row.text(events::PREVIOUS_HASH),
                hash: row.text(events::HASH),
            });
        }
        for events in streams.values_mut() {
            events.sort_by_key(|event| event.sequence);
        }
        streams
    }

    pub(crate) fn text(&self, id: Uuid, column: Column) -> String {
        self.rows[&(Table::Tasks, id)].text(column)
    }
}

impl Row {
    fn etag(&self) -> Etag {
        Etag::new(format!("W/\"{}\"", self.version))
    }

    fn maybe_text(&self, column: Column) -> Option<String> {
        match self.cells.get(&column) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn text(&self, column: Column) -> String {
        self.maybe_text(column).unwrap_or_default()
    }

    fn int(&self, column: Column) -> i64 {
        match self.cells.get(&column) {
            Some(Value::Int(number)) => *number,
            _ => 0,
        }
    }

    fn time(&self, column: Column) -> Option<Timestamp> {
        match self.cells.get(&column) {
            Some(Value::Time(at)) => Some(*at),
            _ => None,
        }
    }

    fn status(&self) -> TaskStatus {
        TaskStatus::try_from(self.int(tasks::STATUS)).unwrap()
    }

    fn attempt(&self) -> Attempt {
        Attempt(u32::try_from(self.int(tasks::ATTEMPT)).unwrap())
    }

    fn shown(&self) -> Shown {
        Shown {
            message: self.maybe_text(tasks::STATUS_MESSAGE),
            reason: self.maybe_text(tasks::REASON),
            attempt: self.attempt(),
            worker: self.parsed(tasks::ASSIGNED_WORKER).map(WorkerId::new),
            started: self.time(tasks::STARTED),
            finished: self.time(tasks::FINISHED),
        }
    }

    fn parsed(&self, column: Column) -> Option<Uuid> {
        self.maybe_text(column).map(|text| text.parse().unwrap())
    }

    fn task(&self, id: Uuid) -> UserTask {
        UserTask {
            id: TaskId::new(id),
            etag: self.etag(),
            owner: self.owner,
            claims: Claims::default(),
            created: self.created,
            modified: self.modified,
            status: self.status(),
            name: self.text(tasks::NAME),
            prompt: self.text(tasks::PROMPT),
            input: self.maybe_text(tasks::INPUT),
            wants: ledgers::wants(self.maybe_text(tasks::INPUT)),
            mirror_link: self.maybe_text(tasks::MIRROR_LINK),
            email: None,
            priority: i32::try_from(self.int(tasks::PRIORITY)).unwrap(),
            not_before: None,
            answer: None,
            retry_of: None,
            machine: self.maybe_text(tasks::DEVBOX),
            shown: self.shown(),
        }
    }

    fn mirror(&self, id: Uuid) -> Mirror {
        Mirror {
            id: MirrorId::new(id),
            etag: self.etag(),
            owner: self.owner,
            task: TaskId::new(self.parsed(tasks::MIRROR_OF).unwrap()),
            user: self.parsed(tasks::USER_ID).map(UserId::new),
            created: self.created,
            modified: self.modified,
            status: self.status(),
            name: self.text(tasks::NAME),
            wants: ledgers::wants(self.maybe_text(tasks::INPUT)),
            phase: self
                .maybe_text(tasks::WORK_PHASE)
                .map(|word| word.parse().unwrap()),
            lease: self.maybe_text(tasks::LEASE).map(|json| lease(&json)),
            losses: u32::try_from(self.int(tasks::LOSSES)).unwrap(),
            rank: self.time(tasks::RANK).unwrap_or(self.created),
            not_before: self.time(tasks::NOT_BEFORE),
            head: self
                .maybe_text(tasks::EVENT_HEAD)
                .map(|json| head(&json))
                .unwrap_or_default(),
            answer: None,
            shown: self.shown(),
            ledger: self
                .maybe_text(tasks::USAGE)
                .map(|json| ledgers::ledger(&json))
                .unwrap_or_default(),
        }
    }
}

/// The value of a member of a flat JSON object that this crate printed.
fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let start = json.find(&format!("\"{name}\":")).unwrap() + name.len() + 3;
    let end = json[start..].find([',', '}']).unwrap();
    json[start..start + end].trim_matches('"')
}

fn lease(json: &str) -> Lease {
    Lease {
        worker: member(json, "worker").parse().unwrap(),
        boot: member(json, "boot").parse().ok(),
        attempt: Attempt(member(json, "attempt").parse().unwrap()),
        since: instant(member(json, "since")),
    }
}

fn head(json: &str) -> StreamHead {
    StreamHead {
        sequence: member(json, "sequence").parse().unwrap(),
        hash: member(json, "hash").to_owned(),
        stream: None,
    }
}

/// Reads the times these histories can have: within the first day.
fn instant(text: &str) -> Timestamp {
    assert!(text.starts_with("1970-01-01T"), "{text}");
    let part = |at: usize| text[at..at + 2].parse::<i64>().unwrap();
    Timestamp::from_secs(part(11) * 3600 + part(14) * 60 + part(17))
}

/// A person's row, as she files it.
pub(crate) fn filed(name: &str, priority: i64) -> Vec<(Column, Value)> {
    vec![
        (tasks::NAME, name.into()),
        (tasks::PROMPT, "do it".into()),
        (tasks::STATUS, TaskStatus::Pending.into()),
        (tasks::PRIORITY, priority.into()),
    ]
}

pub(crate) fn admin() -> UserId {
    user("admin")
}
