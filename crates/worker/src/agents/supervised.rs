//! The program of a phase under its supervisor: started, or found again when it was started before.
//!
//! All output comes from the first byte on, also to a process that found the program in mid-run: what
//! was told of it already is held back elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use shraga_core::limits;
use shraga_process::supervise::{self, Cause, End, Orders, SuperviseError, VERSION};
use shraga_process::{Program, Sink};
use uuid::Uuid;

use super::PhaseJob;
use crate::attempt::Interrupt;

/// Most bytes of one log file. More would let one agent fill the disk; less would cut builds' logs.
const LOG_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of the end of the output that are kept beyond that: a UTF-16 unit of the result's column
/// takes three bytes of UTF-8 at most.
const TAIL_BYTES: usize = 3 * limits::MEMO_UNITS;

/// How agents are looked after.
#[derive(Clone, Debug)]
pub(crate) struct Supervision {
    /// What is started as supervisor.
    pub(crate) launcher: Vec<String>,
    /// How long an agent goes on without a worker.
    pub(crate) orphan: Duration,
    /// What the worker wants to find in the record of this attempt.
    pub(crate) about: BTreeMap<String, String>,
}

/// Whether the program of this phase was started before.
pub(super) fn was_started(job: &PhaseJob) -> bool {
    job.record().exists()
}

/// Runs `program` to its end, or follows it there.
pub(super) async fn run<S: Sink>(
    job: &PhaseJob,
    program: Program,
    interrupt: &Interrupt,
    sink: &mut S,
) -> Result<End, SuperviseError> {
    let supervised = match supervise::find(&job.record()).await {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let env = shraga_process::allowed_environment(&job.environment, &[]);
            let launcher = &job.supervision.launcher;
            let _start = job.footing.start().await;
            supervise::start(launcher, env, &orders(job, program)).await?
        }
        Err(source) => {
            let step = "found again: its record can't be read";
            return Err(SuperviseError::Speak { step, source });
        }
    };
    job.footing.follows();
    let end = supervised.finish(interrupt.stop(), sink).await;
    job.footing.goes_on();
    Ok(end)
}

fn orders(job: &PhaseJob, program: Program) -> Orders {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Orders {
        version: VERSION,
        id: Uuid::now_v7().simple().to_string(),
        argv: program.argv,
        dir: program.dir,
        env: program.env,
        stdin: String::from_utf8_lossy(&program.stdin).into_owned(),
        deadline_ms: program.deadline.map(millis),
        grace_ms: millis(program.grace),
        output_bytes: job.left.output_bytes,
        log_bytes: LOG_BYTES,
        tail_bytes: TAIL_BYTES,
        orphan_ms: millis(job.supervision.orphan),
        folder: job.folder.path().to_owned(),
        record: job.record(),
        about: job.supervision.about.clone(),
    }
}

/// Whether `error` is the worker's trouble, which another attempt may not have.
pub(super) fn is_passing(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref::<SuperviseError>();
    error.is_some_and(|error| !error.is_about_the_program())
}

/// What a supervisor's end says that no kind of agent can judge; `None` for those that they do.
pub(super) const fn without_judgement(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::ByItself | Cause::DeadlinePassed | Cause::Stopped | Cause::TooMuchOutput => None,
        Cause::Orphaned => Some("ended: its worker was gone for too long"),
        Cause::Abandoned => Some("ended: its supervisor was told to stop"),
        Cause::Lost => Some("ended: its supervisor died"),
    }
}
