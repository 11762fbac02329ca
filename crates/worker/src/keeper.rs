//! The outbox as the driver uses it: reports go in together, and leave when each has been settled.
//!
//! The disk is only touched off the driver's task, by one job at a time; reports that come meanwhile
//! share the next `fsync`. When the outbox can't be written, that is said once per failure and the
//! reports are sent all the same.

use std::collections::HashMap;

use shraga_core::ids::{Attempt, MirrorId, TaskId};
use shraga_core::worker::Report;
use tokio::task::JoinHandle;

use crate::outbox::{EntryId, Outbox, OutboxError};
use crate::report::StoredReport;

/// The outbox of reports.
pub(crate) type Reports = Outbox<Vec<StoredReport>>;

/// What names a report.
type Key = (MirrorId, Attempt);

/// See the module.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// `None` while a job has it, or when there is none because its folder can't be used.
    idle: Option<Reports>,
    job: Option<Job>,
    waiting: Vec<StoredReport>,
    task_of: HashMap<Key, TaskId>,
    entry_of: HashMap<Key, EntryId>,
    open_in: HashMap<EntryId, usize>,
    settled: Vec<EntryId>,
}

#[derive(Debug)]
struct Job {
    keys: Vec<Key>,
    work: JoinHandle<(Reports, Option<Result<EntryId, OutboxError>>)>,
}

impl Keeper {
    /// Keeps reports in `outbox`, which holds `found` already.
    pub(crate) fn new(outbox: Option<Reports>, found: &[(EntryId, Vec<StoredReport>)]) -> Self {
        let mut keeper = Self {
            idle: outbox,
            job: None,
            waiting: Vec::new(),
            task_of: HashMap::new(),
            entry_of: HashMap::new(),
            open_in: HashMap::new(),
            settled: Vec::new(),
        };
        for (entry, reports) in found {
            let tasks = reports.iter().map(|it| (it.key(), it.task()));
            keeper.task_of.extend(tasks);
            keeper.note(*entry, reports.iter().map(StoredReport::key).collect());
        }
        keeper
    }

    /// Takes a report, to be written with the next job.
    pub(crate) fn add(&mut self, report: &Report) {
        let key = (report.mirror, report.attempt);
        self.task_of.insert(key, report.task);
        self.waiting.push(report.into());
    }

    /// The store has the report: it isn't needed any more. Tells whose it was.
    pub(crate) fn settle(&mut self, mirror: MirrorId, attempt: Attempt) -> Option<TaskId> {
        self.forget(mirror, attempt);
        self.task_of.remove(&(mirror, attempt))
    }

    fn forget(&mut self, mirror: MirrorId, attempt: Attempt) {
        let Some(entry) = self.entry_of.remove(&(mirror, attempt)) else {
            return;
        };
        let Some(open) = self.open_in.get_mut(&entry) else {
            return;
        };
        *open -= 1;
        if *open == 0 {
            self.open_in.remove(&entry);
            self.settled.push(entry);
        }
    }

    /// The store refuses the report for good: its entry stays on disk, for a person to look at.
    pub(crate) fn give_up(&mut self, mirror: MirrorId, attempt: Attempt) {
        self.entry_of.remove(&(mirror, attempt));
        self.task_of.remove(&(mirror, attempt));
    }

    /// Reports taken and not settled.
    pub(crate) fn unsent(&self) -> usize {
        let in_hand = self.job.as_ref().map_or(0, |job| job.keys.len());
        self.waiting.len() + in_hand + self.entry_of.len()
    }

    /// Whether there is nothing to be done on the disk.
    pub(crate) fn rests(&self) -> bool {
        self.waiting.is_empty() && self.job.is_none() && self.settled.is_empty()
    }

    /// Starts a job if there is work and none runs. Without an outbox, reports are let through.
    pub(crate) fn pump(&mut self) -> Vec<MirrorId> {
        if self.job.is_some() || (self.waiting.is_empty() && self.settled.is_empty()) {
            return Vec::new();
        }
        let reports = std::mem::take(&mut self.waiting);
        let settled = std::mem::take(&mut self.settled);
        let keys: Vec<Key> = reports.iter().map(StoredReport::key).collect();
        let Some(mut outbox) = self.idle.take() else {
            return keys.into_iter().map(|(mirror, _)| mirror).collect();
        };
        let work = tokio::task::spawn_blocking(move || {
            settled.into_iter().for_each(|entry| outbox.remove(entry));
            let put = (!reports.is_empty()).then(|| outbox.put(&reports));
            (outbox, put)
        });
        self.job = Some(Job { keys, work });
        Vec::new()
    }

    /// Completes with the tasks whose reports are on disk now (or can't be). Never without a job.
    pub(crate) async fn done(&mut self) -> Vec<MirrorId> {
        let Some(job) = &mut self.job else {
            return std::future::pending().await;
        };
        let result = (&mut job.work).await;
        let keys = self.job.take().map_or_else(Vec::new, |job| job.keys);
        let mirrors = keys.iter().map(|(mirror, _)| *mirror).collect();
        match result {
            Ok((outbox, put)) => {
                self.idle = Some(outbox);
                match put {
                    Some(Ok(entry)) => self.note(entry, keys),
                    Some(Err(error)) => complain(&error),
                    None => {}
                }
            }
            Err(panic) => complain(&panic),
        }
        mirrors
    }

    fn note(&mut self, entry: EntryId, keys: Vec<Key>) {
        if keys.is_empty() {
            self.settled.push(entry);
            return;
        }
        self.open_in.insert(entry, keys.len());
        self.entry_of
            .extend(keys.into_iter().map(|key| (key, entry)));
    }
}

fn complain(error: &dyn std::error::Error) {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, "reports can't be kept on disk; they are sent directly");
}
