//! A worker played by a test: it claims and reports through the shipped client, and runs nothing.
//!
//! Each step is one call, so a story decides what happens between two of them. Its writes are the ones
//! a worker makes, with the events that belong to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use shraga_core::audit;
use shraga_core::ids::{BootId, EventId, MirrorId, WorkerId};
use shraga_core::model::{Lease, Mirror, Worker};
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write, events, tasks, workers};
use shraga_core::status::{EventKind, TaskStatus, WorkPhase, WorkerKind, WorkerState};
use shraga_core::time::Timestamp;
use shraga_dataverse::rows::{self, select};
use shraga_dataverse::{Client, OnRefusal, Outcome, Read};
use shraga_wire::filter::{Filter, Literal};
use shraga_wire::query::Query;
use uuid::Uuid;

use crate::faults::Faults;
use crate::stage::compare;

/// A worker played by a test.
pub struct Double {
    /// Its identity.
    pub id: WorkerId,
    /// Its process.
    pub boot: BootId,
    /// What goes wrong between it and the store.
    pub faults: Faults,
    name: String,
    client: Client,
    /// Number and hash of the last event of the attempts it works on.
    streams: Mutex<HashMap<MirrorId, (u32, String)>>,
    /// The store's time of its last look, in seconds.
    now: AtomicI64,
}

impl Double {
    pub(crate) fn new(client: Client, faults: Faults, id: WorkerId, name: &str) -> Self {
        Self {
            id,
            boot: BootId::new(Uuid::now_v7()),
            faults,
            name: name.to_owned(),
            client,
            streams: Mutex::default(),
            now: AtomicI64::new(0),
        }
    }

    /// Its client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes its row; the store may give it another identity.
    pub(crate) async fn check_in(&mut self, slots: u32, pool: &str) {
        let cells = vec![
            (workers::NAME, self.name.as_str().into()),
            (workers::KIND, WorkerKind::LocalMachine.as_str().into()),
            (workers::STATE, WorkerState::Ready.as_str().into()),
            (workers::POOL, pool.into()),
            (workers::SLOTS, i64::from(slots).into()),
            (workers::BOOT, self.boot.to_string().into()),
            (workers::BEAT, 1.into()),
        ];
        let made = self.client.create(Table::Workers, self.id.get(), &cells);
        let made = made.await.expect("a worker may make its own row");
        self.id = WorkerId::new(made.id);
    }

    /// What is assigned to it and not claimed yet.
    pub async fn assigned(&self) -> Vec<Mirror> {
        self.with_phase(WorkPhase::Assigned).await
    }

    /// What it has claimed and not ended.
    pub async fn executing(&self) -> Vec<Mirror> {
        self.with_phase(WorkPhase::Executing).await
    }

    async fn with_phase(&self, phase: WorkPhase) -> Vec<Mirror> {
        let mut mirrors = self.look().await.0;
        mirrors.retain(|mirror| mirror.phase == Some(phase));
        mirrors
    }

    /// Everything open that it holds, and the store's time.
    pub async fn look(&self) -> (Vec<Mirror>, Timestamp) {
        let reply = self.client.read_batch(&[self.look_read()]).await;
        let reply = reply.expect("the store answers");
        let rows = reply.answers.into_iter().next().expect("one answer");
        self.now.store(reply.now.as_secs(), Ordering::SeqCst);
        (
            mirrors(&rows.expect("its own rows can be read").rows),
            reply.now,
        )
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.now.load(Ordering::SeqCst))
    }

    fn look_read(&self) -> Read {
        let open = [
            TaskStatus::Running,
            TaskStatus::WaitingForInput,
            TaskStatus::Canceling,
        ];
        let open = open.map(|status| compare(tasks::STATUS, Literal::Int(status.code())));
        let filter = Filter::And(vec![
            compare(tasks::IS_MIRROR, Literal::Bool(true)),
            compare(tasks::ASSIGNED_WORKER, Literal::Text(self.id.to_string())),
            Filter::Or(open.into()),
        ]);
        Read::List {
            table: Table::Tasks,
            query: Query {
                select: select::MIRROR
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect(),
                filter: Some(filter),
                ..Query::default()
            },
        }
    }

    /// Beats once: says that it is ready, and what it reads in its row. Whether the store took it.
    pub async fn beats(&self) -> bool {
        self.beats_as(WorkerState::Ready, true).await
    }

    /// Beats without having read its row, as one does that can only write.
    pub async fn beats_unread(&self) -> bool {
        self.beats_as(WorkerState::Ready, false).await
    }

    /// Says that it leaves.
    pub async fn leaves(&self) -> bool {
        self.beats_as(WorkerState::Offline, true).await
    }

    async fn beats_as(&self, state: WorkerState, reads: bool) -> bool {
        let Ok(Some(row)) = self
            .client
            .get(Table::Workers, self.id.get(), select::WORKER)
            .await
        else {
            return false;
        };
        let row = rows::worker(&row).expect("its own row can be read");
        if self.look_at_time().await.is_none() {
            return false;
        }
        let mut cells = vec![
            (workers::STATE, state.as_str().into()),
            (workers::BEAT, Value::Int(row.beat + 1)),
            (workers::LAST_SEEN, self.now().into()),
            (workers::BOOT, self.boot.to_string().into()),
        ];
        if reads {
            let asked = row.suspicion.map(|asked| asked.to_string());
            cells.push((workers::ECHO, asked.map_or(Value::Null, Value::Text)));
        }
        let condition = Condition::Version(row.etag);
        let beat = self
            .client
            .patch(Table::Workers, self.id.get(), &condition, &cells);
        beat.await.is_ok()
    }

    /// Its row.
    ///
    /// # Panics
    /// When the store does not answer.
    pub async fn row(&self) -> Worker {
        let row = self
            .client
            .get(Table::Workers, self.id.get(), select::WORKER)
            .await;
        let row = row.expect("the store answers").expect("it has checked in");
        rows::worker(&row).expect("its own row can be read")
    }

    async fn look_at_time(&self) -> Option<Timestamp> {
        let reply = self.client.read_batch(&[self.look_read()]).await.ok()?;
        self.now.store(reply.now.as_secs(), Ordering::SeqCst);
        Some(reply.now)
    }

    /// Claims these; `true` for each it got.
    pub async fn claims(&self, mirrors: &[Mirror]) -> Vec<bool> {
        let now = self.now();
        let sets: Vec<ChangeSet> = mirrors.iter().map(|it| self.claim_set(it, now)).collect();
        self.apply(&sets).await
    }

    /// Ends these well, with a result; `true` for each that was accepted.
    pub async fn completes(&self, mirrors: &[Mirror], result: &str) -> Vec<bool> {
        let now = self.now();
        let set = |it: &Mirror| self.end_set(it, TaskStatus::Completed, result, now);
        let sets: Vec<ChangeSet> = mirrors.iter().map(set).collect();
        self.apply(&sets).await
    }

    /// Ends these as `status`; `true` for each that was accepted.
    pub async fn ends(&self, mirrors: &[Mirror], status: TaskStatus) -> Vec<bool> {
        let now = self.now();
        let set = |it: &Mirror| self.end_set(it, status, "", now);
        let sets: Vec<ChangeSet> = mirrors.iter().map(set).collect();
        self.apply(&sets).await
    }

    /// Puts these back for another try; `true` for each that was accepted.
    pub async fn asks_for_a_retry(&self, mirrors: &[Mirror]) -> Vec<bool> {
        let set = |mirror: &Mirror| ChangeSet {
            task: Some(mirror.task),
            why: "another try".to_owned(),
            writes: vec![update(
                mirror,
                vec![
                    (tasks::STATUS, TaskStatus::Pending.code().into()),
                    (tasks::WORK_PHASE, WorkPhase::Failed.as_str().into()),
                    (tasks::REASON, "retry".into()),
                ],
            )],
        };
        let sets: Vec<ChangeSet> = mirrors.iter().map(set).collect();
        self.apply(&sets).await
    }

    /// Claims what is assigned, ends what is claimed. How many tasks it ended.
    pub async fn works(&self) -> usize {
        let assigned = self.assigned().await;
        self.claims(&assigned).await;
        let executing = self.executing().await;
        let ended = self.completes(&executing, "done").await;
        ended.into_iter().filter(|accepted| *accepted).count()
    }

    /// Works until it is dropped: every turn is one request that reports what was claimed, claims
    /// what is assigned and looks again; without anything to do it waits to be woken.
    ///
    /// # Panics
    /// When the store does not answer.
    pub async fn works_on(&self) {
        let (mut assigned, mut claimed) = (Vec::new(), Vec::new());
        let mut since = self
            .client
            .changes(None)
            .await
            .expect("the store answers")
            .next;
        loop {
            let idle = assigned.is_empty() && claimed.is_empty();
            (assigned, claimed) = self.turn(assigned, claimed).await;
            if idle && assigned.is_empty() {
                let changes = self.client.changes(Some(since)).await;
                since = changes.expect("the store answers").next;
            }
        }
    }

    /// Reports `claimed`, claims `assigned`, looks: what is assigned now, what was claimed.
    async fn turn(
        &self,
        assigned: Vec<Mirror>,
        claimed: Vec<Mirror>,
    ) -> (Vec<Mirror>, Vec<Mirror>) {
        let now = self.now();
        let ends = claimed
            .iter()
            .map(|it| self.end_set(it, TaskStatus::Completed, "done", now));
        let claims = assigned.iter().map(|it| self.claim_set(it, now));
        let sets: Vec<ChangeSet> = ends.chain(claims).collect();
        let reply = self.client.exchange(&sets, &[self.look_read()]).await;
        let reply = reply.expect("the store answers");
        let claims = reply.outcomes.into_iter().skip(claimed.len());
        let got = assigned.into_iter().zip(claims);
        let got = got.filter_map(|(mirror, outcome)| match outcome {
            Outcome::Done(etags) => Some(Mirror {
                etag: etags.into_iter().next()??,
                ..mirror
            }),
            Outcome::Refused(_) | Outcome::Partly(_) | Outcome::NotTried | Outcome::Unknown => None,
        });
        if let Some(now) = reply.now {
            self.now.store(now.as_secs(), Ordering::SeqCst);
        }
        let rows = reply.answers.into_iter().next().expect("one answer");
        let mut open = mirrors(&rows.expect("its own rows can be read").rows);
        open.retain(|mirror| mirror.phase == Some(WorkPhase::Assigned));
        (open, got.collect())
    }

    async fn apply(&self, sets: &[ChangeSet]) -> Vec<bool> {
        if sets.is_empty() {
            return Vec::new();
        }
        let applied = self.client.apply(sets, OnRefusal::Continue).await;
        let outcomes = applied.expect("the store answers").outcomes;
        let done = |outcome: &Outcome| matches!(outcome, Outcome::Done(_));
        outcomes.iter().map(done).collect()
    }

    fn claim_set(&self, mirror: &Mirror, now: Timestamp) -> ChangeSet {
        let lease = Lease {
            worker: self.id,
            boot: Some(self.boot),
            attempt: mirror.shown.attempt,
            since: now,
        };
        let cells = vec![
            (tasks::WORK_PHASE, WorkPhase::Executing.as_str().into()),
            (tasks::LEASE, lease.to_json().into()),
            (tasks::STARTED, now.into()),
            (tasks::LAST_PING, now.into()),
        ];
        ChangeSet {
            task: Some(mirror.task),
            why: "claim".to_owned(),
            writes: vec![
                update(mirror, cells),
                self.event(mirror, EventKind::TaskStarted, now),
            ],
        }
    }

    fn end_set(
        &self,
        mirror: &Mirror,
        status: TaskStatus,
        result: &str,
        now: Timestamp,
    ) -> ChangeSet {
        let (phase, kind) = match status {
            TaskStatus::Completed => (WorkPhase::Done, EventKind::TaskCompleted),
            TaskStatus::Canceled => (WorkPhase::Done, EventKind::TaskCanceled),
            _ => (WorkPhase::Failed, EventKind::TaskFailed),
        };
        let cells = vec![
            (tasks::STATUS, status.code().into()),
            (tasks::WORK_PHASE, phase.as_str().into()),
            (tasks::RESULT, result.into()),
            (tasks::STATUS_MESSAGE, "ended".into()),
            (tasks::FINISHED, now.into()),
        ];
        ChangeSet {
            task: Some(mirror.task),
            why: "report".to_owned(),
            writes: vec![update(mirror, cells), self.event(mirror, kind, now)],
        }
    }

    fn event(&self, mirror: &Mirror, kind: EventKind, now: Timestamp) -> Write {
        let stream = audit::attempt_stream(self.id, mirror.shown.attempt, self.boot);
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let (sequence, previous) = streams.remove(&mirror.id).unwrap_or_default();
        let sequence = sequence + 1;
        let content = format!(r#"{{"at":{}}}"#, now.as_secs());
        let hash = audit::hash(&previous, &content);
        let cells: Vec<(Column, Value)> = vec![
            (events::NAME, kind.as_str().into()),
            (events::KIND, kind.as_str().into()),
            (events::CONTENT, content.into()),
            (events::TASK_ID, mirror.task.to_string().into()),
            (events::ATTEMPT, i64::from(mirror.shown.attempt.0).into()),
            (events::STREAM, stream.as_str().into()),
            (events::SEQUENCE, i64::from(sequence).into()),
            (events::PREVIOUS_HASH, previous.into()),
            (events::HASH, hash.as_str().into()),
        ];
        let id = EventId::of(mirror.id, &stream, sequence);
        if kind == EventKind::TaskStarted {
            streams.insert(mirror.id, (sequence, hash));
        }
        Write::create(Table::Events, id.get(), cells)
    }
}

/// The mirrors among rows.
fn mirrors(rows: &[rows::Row]) -> Vec<Mirror> {
    let read = |row| rows::mirror(row).expect("its own rows can be read");
    rows.iter().map(read).collect()
}

fn update(mirror: &Mirror, cells: Vec<(Column, Value)>) -> Write {
    let id: MirrorId = mirror.id;
    Write::update(Table::Tasks, id.get(), &mirror.etag, cells)
}
