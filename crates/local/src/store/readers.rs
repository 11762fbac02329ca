//! The threads that answer reads, each with its own connection.
//!
//! A read sees what was committed when it began and never waits for the writer. A statement may run
//! for [`READ_LIMIT_MS`]; then it ends with a fault, so that no filter can hold a reader for good.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use shraga_wire::fault::Fault;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::failure::{self, Failure};
use super::reads::Snapshot;
use super::types::{ReadAnswer, ReadOp};
use crate::clock::monotonic_ms;
use crate::ops::Principal;
use crate::sql::{self, Deadline, meta};

/// How many threads read. More than cores only helps when reads wait for the disk.
const READERS: usize = 3;

/// Reads that may wait for a reader. More than this and callers wait to be queued, which bounds
/// memory.
const QUEUE: usize = 256;

/// How long the reads of one request may take together, milliseconds. Lower fails honest full scans of
/// large tables, higher lets a few callers hold all readers.
const READ_LIMIT_MS: u64 = 10_000;

/// Reads of one request, to be answered from one snapshot.
pub(super) struct ReadJob {
    pub(super) who: Principal,
    pub(super) ops: Vec<ReadOp>,
    pub(super) reply: oneshot::Sender<Vec<Result<ReadAnswer, Fault>>>,
}

type Queue = Arc<Mutex<mpsc::Receiver<ReadJob>>>;

/// Starts the readers. They end when the sender is dropped.
pub(super) fn start(
    file: &Path,
    shared: &Arc<Shared>,
) -> rusqlite::Result<(mpsc::Sender<ReadJob>, Vec<JoinHandle<()>>)> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let queue: Queue = Arc::new(Mutex::new(receiver));
    let mut threads = Vec::with_capacity(READERS);
    for number in 0..READERS {
        let (conn, deadline) = sql::connect_reader(file)?;
        let (queue, shared) = (Arc::clone(&queue), Arc::clone(shared));
        let name = format!("store-reader-{number}");
        threads.push(super::spawn(name, move || {
            while let Some(job) = next(&queue) {
                serve(&conn, &deadline, &shared, job);
            }
        }));
    }
    Ok((sender, threads))
}

fn next(queue: &Queue) -> Option<ReadJob> {
    let mut receiver = queue.lock().unwrap_or_else(PoisonError::into_inner);
    receiver.blocking_recv()
}

fn serve(conn: &Connection, deadline: &Deadline, shared: &Shared, job: ReadJob) {
    if job.reply.is_closed() {
        return;
    }
    deadline.set(monotonic_ms() + READ_LIMIT_MS);
    let answers = answer(conn, shared, &job);
    deadline.lift();
    if !conn.is_autocommit()
        && let Err(error) = meta::commit(conn)
    {
        tracing::error!(error = %error, "store.snapshot_stuck: a snapshot can't be closed");
    }
    // The caller may have gone; then nobody misses the answer.
    let _ = job.reply.send(answers);
}

fn answer(conn: &Connection, shared: &Shared, job: &ReadJob) -> Vec<Result<ReadAnswer, Fault>> {
    if let Err(error) = meta::begin_read(conn) {
        let fault = failure::fault(&error);
        return job.ops.iter().map(|_| Err(fault.clone())).collect();
    }
    let schema = shared.schema.load_full();
    let snapshot = Snapshot {
        conn,
        schema: &schema,
        who: &job.who,
    };
    let answers = job.ops.iter().map(|op| snapshot.answer(op));
    answers
        .map(|answer| answer.map_err(Failure::into_fault))
        .collect()
}
