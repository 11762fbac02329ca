//! The thread that owns the writing connection.
//!
//! It takes whatever waits in its queue into one transaction and answers after the commit (group
//! commit), so that durable throughput isn't one disk flush per request; it never lingers for more to
//! come. Definitions, tokens and users change in transactions of their own.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use shraga_wire::fault::Fault;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::failure::{self, Failure};
use super::group::{Broken, Group, Guard, Start};
use super::types::{Continue, NewToken, SchemaChange, TokenRequest, UnitFault};
use super::wakes::Wakes;
use super::{Shared, alter, tokens};
use crate::ops::{Principal, Unit, Written};
use crate::schema::Schema;
use crate::sql::meta;

/// Requests that may wait for the writer. More than this and callers wait to be queued, which bounds
/// memory.
const QUEUE: usize = 1_024;

/// The most operations taken into one group: what a late request waits for, a few tens of
/// milliseconds. Lower pays for more disk flushes.
const GROUP_OPS: usize = 4_000;

/// How long deletions are remembered for change tracking, seconds: seven days, as in Dataverse.
const TOMBSTONE_SECONDS: i64 = 7 * 24 * 3600;

/// The most deletions forgotten at a time, so that no write waits long for it.
const PRUNE_AT_ONCE: u32 = 2_000;

/// How often the writer looks for deletions to forget, seconds.
const PRUNE_EVERY_SECONDS: i64 = 600;

/// What is asked of the writer.
pub(super) enum Job {
    Write(WriteJob),
    Alter(Box<SchemaChange>, Reply<Result<Arc<Schema>, Fault>>),
    CreateToken(Principal, TokenRequest, Reply<Result<NewToken, Fault>>),
    RevokeToken(Uuid, Reply<Result<(), Fault>>),
    EnsureUser(Principal, String, Reply<Result<Uuid, Fault>>),
    /// Simulates a disk of this many pages.
    #[cfg(test)]
    LimitPages(u32, Reply<Result<(), Fault>>),
}

pub(super) type Reply<T> = oneshot::Sender<T>;

/// What became of each unit.
pub(super) type Outcomes = Vec<Result<Vec<Written>, UnitFault>>;

/// Units of one request.
pub(super) struct WriteJob {
    pub(super) who: Principal,
    pub(super) units: Vec<Unit>,
    pub(super) on_fault: Continue,
    pub(super) reply: Reply<Outcomes>,
}

impl WriteJob {
    fn ops(&self) -> usize {
        self.units.iter().map(|unit| unit.ops.len()).sum()
    }

    /// The outcomes when the group as a whole failed.
    fn all_failed(&self, fault: &Fault) -> Outcomes {
        let answered = match self.on_fault {
            Continue::OnError => self.units.len(),
            Continue::StopAtFirst => self.units.len().min(1),
        };
        let failed = UnitFault {
            op: 0,
            fault: fault.clone(),
        };
        vec![Err(failed); answered]
    }
}

fn fault_of(broken: &Broken) -> Fault {
    match broken {
        Broken::HalfDone => Fault::unexpected("The request couldn't be undone alone."),
        Broken::Engine(error) => failure::fault(error),
    }
}

/// The writing thread's own state.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) shared: Arc<Shared>,
    /// The newest version given out.
    pub(super) version: i64,
    /// Users known to exist.
    pub(super) users: HashSet<Uuid>,
    pruned: i64,
}

/// Starts the writer. It ends when the sender is dropped.
pub(super) fn start(
    conn: Connection,
    shared: &Arc<Shared>,
    version: i64,
) -> (mpsc::Sender<Job>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let writer = Writer {
        conn,
        shared: Arc::clone(shared),
        version,
        users: HashSet::new(),
        pruned: i64::MIN,
    };
    let thread = super::spawn("store-writer".to_owned(), move || writer.run(receiver));
    (sender, thread)
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut next = Some(first);
            while let Some(job) = next.take() {
                next = match job {
                    Job::Write(job) => self.collect(job, &mut queue),
                    other => {
                        self.alone(other);
                        None
                    }
                };
            }
            self.prune();
        }
    }

    /// Writes `first` together with all writes that wait; returns the other job that ended the
    /// group, if one did.
    fn collect(&mut self, first: WriteJob, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
        let mut ops = first.ops();
        let mut jobs = vec![first];
        let mut other = None;
        while ops < GROUP_OPS {
            match queue.try_recv() {
                Ok(Job::Write(job)) => {
                    ops += job.ops();
                    jobs.push(job);
                }
                Ok(job) => {
                    other = Some(job);
                    break;
                }
                Err(_) => break,
            }
        }
        self.write(jobs);
        other
    }

    fn write(&mut self, jobs: Vec<WriteJob>) {
        let outcomes = match self.group(&jobs) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.undo();
                let fault = fault_of(&error);
                tracing::error!(?error, "store.group_failed: nothing of it was written");
                jobs.iter().map(|job| job.all_failed(&fault)).collect()
            }
        };
        for (job, outcomes) in jobs.into_iter().zip(outcomes) {
            // The caller may have gone; what it asked for is done all the same.
            let _ = job.reply.send(outcomes);
        }
    }

    /// One transaction. An error means that nothing of it happened.
    fn group(&mut self, jobs: &[WriteJob]) -> Result<Vec<Outcomes>, Broken> {
        match self.attempt(jobs, Guard::None) {
            Err(Broken::HalfDone) => {
                self.undo();
                self.attempt(jobs, Guard::Savepoints)
            }
            done => done,
        }
    }

    fn attempt(&mut self, jobs: &[WriteJob], guard: Guard) -> Result<Vec<Outcomes>, Broken> {
        meta::begin(&self.conn)?;
        let schema = self.shared.schema.load_full();
        let before = self.version;
        let start = Start {
            now: self.shared.clock.seconds(),
            version: before,
            guard,
        };
        let mut group = Group::new(&self.conn, &schema, &mut self.users, start);
        let mut all = Vec::with_capacity(jobs.len());
        for job in jobs {
            let mut outcomes = Vec::with_capacity(job.units.len());
            for unit in &job.units {
                let outcome = group.unit(&job.who, unit)?;
                let stop = outcome.is_err() && job.on_fault == Continue::StopAtFirst;
                outcomes.push(outcome);
                if stop {
                    break;
                }
            }
            all.push(outcomes);
        }
        let Group {
            version,
            bars_changed,
            wakes,
            ..
        } = group;
        self.version = version;
        if version > before {
            meta::set_number(&self.conn, meta::VERSION, version)?;
        }
        meta::commit(&self.conn)?;
        if bars_changed {
            self.reload_barred(&schema);
        }
        if version > before {
            self.shared.board.publish(version, wakes);
        }
        Ok(all)
    }

    /// Brings the connection back to no transaction after a failure.
    fn undo(&mut self) {
        self.users.clear();
        if !self.conn.is_autocommit()
            && let Err(error) = meta::rollback(&self.conn)
        {
            tracing::error!(error = %error, "store.rollback_failed");
        }
    }

    fn reload_barred(&self, schema: &Schema) {
        match tokens::barred_users(&self.conn, schema) {
            Ok(barred) => self.shared.tokens.set_barred(barred),
            Err(error) => {
                tracing::error!(error = %error, "store.disabled_unread: disabled users are unknown");
            }
        }
    }

    fn alone(&mut self, job: Job) {
        match job {
            Job::Write(job) => self.write(vec![job]),
            Job::Alter(change, reply) => {
                let _ = reply.send(self.alter(*change));
            }
            Job::CreateToken(who, request, reply) => {
                let _ = reply.send(self.create_token(&who, request));
            }
            Job::RevokeToken(id, reply) => {
                let _ = reply.send(self.revoke_token(id));
            }
            Job::EnsureUser(who, email, reply) => {
                let made = self.transaction(|writer| writer.ensure_user(&who, &email));
                let _ = reply.send(made.map(|(user, _)| user));
            }
            #[cfg(test)]
            Job::LimitPages(pages, reply) => {
                let limited = self.conn.pragma_update(None, "max_page_count", pages);
                let _ = reply.send(limited.map_err(|e| failure::fault(&e)));
            }
        }
    }

    /// Runs `work` in a transaction of its own.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Fault> {
        let done = meta::begin(&self.conn)
            .map_err(Failure::from)
            .and_then(|()| work(self))
            .and_then(|done| {
                meta::set_number(&self.conn, meta::VERSION, self.version)?;
                meta::commit(&self.conn)?;
                Ok(done)
            });
        match done {
            Ok(done) => {
                self.shared.board.publish(self.version, Wakes::default());
                Ok(done)
            }
            Err(failure) => {
                self.undo();
                Err(failure.into_fault())
            }
        }
    }

    fn alter(&mut self, change: SchemaChange) -> Result<Arc<Schema>, Fault> {
        let schema = self.shared.schema.load_full();
        let altered = self.transaction(|writer| {
            writer.version += 1;
            alter::apply(&writer.conn, &schema, change, writer.version)
        })?;
        let schema = Arc::new(altered);
        self.shared.schema.store(Arc::clone(&schema));
        self.reload_barred(&schema);
        Ok(schema)
    }

    /// Now and then forgets old deletions.
    fn prune(&mut self) {
        let now = self.shared.clock.seconds();
        if now.saturating_sub(PRUNE_EVERY_SECONDS) < self.pruned {
            return;
        }
        let before = now - TOMBSTONE_SECONDS;
        let pruned = self
            .transaction(|writer| Ok(meta::prune_tombstones(&writer.conn, before, PRUNE_AT_ONCE)?));
        match pruned {
            // There may be more: look again after the next group.
            Ok(gone) if gone >= PRUNE_AT_ONCE as usize => {}
            Ok(_) => self.pruned = now,
            Err(fault) => {
                self.pruned = now;
                tracing::warn!(error = %fault, "store.prune_failed: old deletions are kept");
            }
        }
    }
}
