//! What a worker writes about a task: its claim, its lines, its end.
//!
//! Each set is conditional on the mirror's version or on an event not being there, so it happens once
//! or not at all. Optional text is cut to its column; a set refused all the same is built again
//! without it ([`Content::Bare`]), so that an end is never lost to a column.

use std::time::Duration;

use super::held::Seen;
use super::{Effect, Finish, Identity, Outcome, Report, Resumed, Until, output};
use crate::audit::{About, Stream, attempt_stream};
use crate::budget::short;
use crate::candidate::candidate_stream;
use crate::ids::{Attempt, BootId, Etag, MirrorId, TaskId, UserId, WorkerId};
use crate::json::Object;
use crate::ledger::Ledger;
use crate::limits;
use crate::model::{Answer, Lease, Mirror, StreamHead};
use crate::reason::Reason;
use crate::row::{ChangeSet, Column, Table, Value, Write, tasks};
use crate::status::{EventKind, TaskStatus, WorkPhase};
use crate::time::{Day, Span, Timestamp};
use crate::usage::{Spent, Usage, dollars};

/// Lines of one event, in bytes: an event of the original's table holds 10,000 characters, and
/// escaping may double them.
const EVENT_LINE_BYTES: usize = 4_000;

/// How much of a result a candidate event carries, for the same reason.
const CANDIDATE_UNITS: usize = 4_000;

/// How much of a report is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// All of it.
    Full,
    /// Status, reason, message and times only.
    Bare,
}

/// Which attempt of which task, in which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) mirror: MirrorId,
    pub(super) task: TaskId,
    pub(super) user: Option<UserId>,
    pub(super) worker: WorkerId,
    pub(super) boot: BootId,
    pub(super) attempt: Attempt,
}

impl Ids {
    /// Those of `row`, held by this process.
    pub(super) const fn of_row(row: &Mirror, identity: &Identity, attempt: Attempt) -> Self {
        Self {
            mirror: row.id,
            task: row.task,
            user: row.user,
            worker: identity.worker,
            boot: identity.boot,
            attempt,
        }
    }

    /// Those of an attempt that this process goes on with.
    pub(super) const fn of_resumed(resumed: &Resumed, identity: &Identity) -> Self {
        Self {
            mirror: resumed.mirror,
            task: resumed.task,
            user: resumed.user,
            worker: identity.worker,
            boot: identity.boot,
            attempt: resumed.attempt,
        }
    }

    /// Those of a report.
    pub(super) const fn of_report(report: &Report) -> Self {
        Self {
            mirror: report.mirror,
            task: report.task,
            user: report.user,
            worker: report.worker,
            boot: report.boot,
            attempt: report.attempt,
        }
    }

    /// What makes the shell start its agent.
    pub(super) const fn start(&self) -> Effect {
        Effect::Start {
            mirror: self.mirror,
            attempt: self.attempt,
        }
    }

    /// Whether `lease` names exactly this process and attempt.
    pub(super) fn hold(&self, lease: Option<&Lease>) -> bool {
        lease.is_some_and(|lease| {
            lease.worker == self.worker
                && lease.boot == Some(self.boot)
                && lease.attempt == self.attempt
        })
    }

    /// The stream of this attempt in this process, from its first event.
    pub(super) fn stream(&self) -> Stream {
        self.stream_named(attempt_stream(self.worker, self.attempt, self.boot))
    }

    /// The stream that closes the attempt when it is not known for sure what of its own stream
    /// reached the store.
    pub(super) fn late_stream(&self) -> Stream {
        let own = attempt_stream(self.worker, self.attempt, self.boot);
        self.stream_named(format!("{own}/late"))
    }

    /// The stream of its late result alone.
    pub(super) fn candidate_stream(&self) -> Stream {
        self.stream_named(candidate_stream(self.worker, self.attempt, self.boot))
    }

    /// The stream of this attempt, from where it stands in the store on.
    pub(super) fn stream_from(&self, head: StreamHead) -> Stream {
        let own = attempt_stream(self.worker, self.attempt, self.boot);
        self.stream_at(head.stream.clone().unwrap_or(own), head)
    }

    fn stream_named(&self, stream: String) -> Stream {
        self.stream_at(stream, StreamHead::default())
    }

    fn stream_at(&self, stream: String, head: StreamHead) -> Stream {
        let about = About {
            mirror: self.mirror,
            task: self.task,
            user: self.user,
            attempt: self.attempt,
            stream,
        };
        Stream::new(about, head)
    }
}

/// Takes the assignment: the lease gets this process.
pub(super) fn claim(
    mirror: &Mirror,
    identity: &Identity,
    attempt: Attempt,
    stream: Option<&mut Stream>,
    now: Timestamp,
) -> ChangeSet {
    let lease = Lease {
        worker: identity.worker,
        boot: Some(identity.boot),
        attempt,
        since: now,
    };
    let said = limits::line(
        &format!("started on {}", identity.name),
        limits::MESSAGE_UNITS,
    );
    let event = stream.map(|stream| {
        let content = Object::new()
            .text("worker", identity.worker)
            .text("boot", identity.boot);
        stream.push(EventKind::TaskStarted, &said, now, content)
    });
    let cells = vec![
        (tasks::WORK_PHASE, WorkPhase::Executing.as_str().into()),
        (tasks::LEASE, lease.to_json().into()),
        (tasks::STATUS_MESSAGE, said.into()),
        (tasks::STARTED, now.into()),
        (tasks::LAST_PING, now.into()),
    ];
    let mut writes = vec![mirror_write(mirror, &mirror.etag, cells)];
    writes.extend(event);
    ChangeSet {
        task: Some(mirror.task),
        why: format!("claim attempt {attempt} of task {}", mirror.task.short()),
        writes,
    }
}

/// Puts an assignment back that was not claimed.
pub(super) fn release(mirror: &Mirror, now: Timestamp) -> ChangeSet {
    let mut cells = put_back(Reason::Released, Reason::Released.message());
    cells.push((tasks::LAST_PING, now.into()));
    let closed = mirror.ledger.close_unused(mirror.shown.attempt);
    if closed != mirror.ledger {
        cells.push((tasks::USAGE, closed.to_json().into()));
    }
    ChangeSet {
        task: Some(mirror.task),
        why: format!("put back task {}: draining", mirror.task.short()),
        writes: vec![mirror_write(mirror, &mirror.etag, cells)],
    }
}

/// Gives up an attempt of an earlier process, of which nothing is left.
pub(super) fn lose(mirror: &Mirror, now: Timestamp) -> ChangeSet {
    let reason = Reason::WorkerRestarted;
    let mut cells = put_back(reason, reason.message());
    cells.push((tasks::LAST_PING, now.into()));
    ChangeSet {
        task: Some(mirror.task),
        why: format!("put back task {}: its process is gone", mirror.task.short()),
        writes: vec![mirror_write(mirror, &mirror.etag, cells)],
    }
}

/// Notes what another attempt would go on from, and what this one has used.
pub(super) fn checkpoint(
    ids: &Ids,
    etag: &Etag,
    text: Option<String>,
    ledger: Option<&Ledger>,
    now: Timestamp,
) -> ChangeSet {
    let mut cells = vec![(tasks::LAST_PING, now.into())];
    cells.extend(text.map(|text| (tasks::EXECUTION_DETAILS, text.into())));
    cells.extend(ledger.map(|ledger| (tasks::USAGE, ledger.to_json().into())));
    ChangeSet {
        task: Some(ids.task),
        why: format!("note how far task {} is", ids.task.short()),
        writes: vec![Write::update(Table::Tasks, ids.mirror.get(), etag, cells)],
    }
}

fn mirror_write(mirror: &Mirror, etag: &Etag, cells: Vec<(Column, Value)>) -> Write {
    Write::update(Table::Tasks, mirror.id.get(), etag, cells)
}

fn put_back(reason: Reason, message: &str) -> Vec<(Column, Value)> {
    vec![
        (tasks::STATUS, TaskStatus::Pending.into()),
        (tasks::WORK_PHASE, WorkPhase::Failed.as_str().into()),
        (tasks::REASON, reason.as_str().into()),
        (
            tasks::STATUS_MESSAGE,
            limits::line(message, limits::MESSAGE_UNITS).into(),
        ),
    ]
}

/// A line as an event holds it.
#[must_use]
pub fn as_told(line: &str) -> String {
    limits::head(line, EVENT_LINE_BYTES)
}

/// Events for `lines`, several lines each.
pub(super) fn lines(stream: &mut Stream, lines: &[String], now: Timestamp) -> Vec<Write> {
    let mut events = Vec::new();
    let mut batch: Vec<String> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        let line = as_told(line);
        if bytes + line.len() > EVENT_LINE_BYTES && !batch.is_empty() {
            events.push(line_event(stream, &std::mem::take(&mut batch), now));
            bytes = 0;
        }
        bytes += line.len();
        batch.push(line);
    }
    if !batch.is_empty() {
        events.push(line_event(stream, &batch, now));
    }
    events
}

fn line_event(stream: &mut Stream, lines: &[String], now: Timestamp) -> Write {
    let said = lines.last().map_or("", String::as_str);
    let content = Object::new().list("lines", lines);
    stream.push(EventKind::AgentMessage, said, now, content)
}

/// Publishes a report: the terminal state, or back to waiting, in one set with the last events.
pub(super) fn publish(
    report: &Report,
    seen: &Seen,
    content: Content,
    stream: Option<&mut Stream>,
) -> ChangeSet {
    let end = End::of(report.finish.outcome, seen.canceling);
    let said = message(report, &end);
    let mut events = Vec::new();
    let mut head = report.head.clone();
    if let Some(stream) = stream {
        events.extend(lines(stream, &report.lines, report.at));
        events.extend(end.event.map(|kind| {
            let about = Object::new()
                .text("message", &said)
                .maybe("reason", end.reason);
            let about = match end.status {
                TaskStatus::WaitingForInput => asked(report, about),
                _ => about,
            };
            stream.push(kind, &said, report.at, about)
        }));
        head = stream.head().clone();
    }
    let mut cells = end.cells(&said, report.at);
    if seen.canceling {
        // Why it was asked to end is in the row.
        cells.retain(|(column, _)| *column != tasks::REASON);
    }
    if end.status == TaskStatus::WaitingForInput {
        cells.push((tasks::ANSWER, open_question(report).to_json().into()));
    }
    if content == Content::Full {
        // An ended task is not gone on with; its files and session would only make the row large.
        let checkpoint = report.finish.checkpoint.as_deref();
        let checkpoint = checkpoint.filter(|_| !end.status.is_terminal());
        if checkpoint.is_some() || end.status.is_terminal() {
            cells.push((tasks::EXECUTION_DETAILS, checkpoint.into()));
        }
    }
    let day = Day::of(report.at);
    let ledger = match spent(report) {
        Some(spent) => seen.ledger.close(report.attempt, report.worker, spent, day),
        None => seen.ledger.lose(report.attempt, day),
    };
    if content == Content::Full {
        cells.push((tasks::USAGE, ledger.to_json().into()));
    }
    if content == Content::Full && end.status.is_terminal() {
        cells.extend(result_cells(report, &head));
        cells.extend(bill(&ledger));
    }
    let mirror = Write::update(Table::Tasks, report.mirror.get(), &seen.etag, cells);
    let mut writes = vec![mirror];
    writes.extend(events);
    ChangeSet {
        task: Some(report.task),
        why: format!(
            "report attempt {} of task {}: {}",
            report.attempt,
            report.task.short(),
            end.status
        ),
        writes,
    }
}

/// Keeps a report that came too late as a candidate.
pub(super) fn candidate(report: &Report, stream: &mut Stream) -> ChangeSet {
    let end = End::of(report.finish.outcome, false);
    let said = format!("attempt {} ended too late: {}", report.attempt, end.status);
    let evidence = report.finish.evidence.as_deref();
    let content = Object::new()
        .text("outcome", end.status)
        .text("message", &report.finish.message)
        .text(
            "result",
            limits::tail(&report.finish.result, CANDIDATE_UNITS),
        )
        .known("branch", evidence.map(|it| &it.branch))
        .known("head", evidence.map(|it| &it.head));
    ChangeSet {
        task: Some(report.task),
        why: format!("keep a late result of task {}", report.task.short()),
        writes: vec![stream.push(EventKind::Candidate, &said, report.at, content)],
    }
}

/// What an outcome makes of the task.
struct End {
    status: TaskStatus,
    phase: WorkPhase,
    reason: Option<Reason>,
    event: Option<EventKind>,
    until: Option<Until>,
}

impl End {
    /// A task that was asked to end is Canceled, however the agent ended.
    const fn of(outcome: Outcome, canceling: bool) -> Self {
        if canceling {
            return Self::canceled();
        }
        match outcome {
            Outcome::Canceled => Self::canceled(),
            Outcome::Completed => Self {
                status: TaskStatus::Completed,
                phase: WorkPhase::Done,
                reason: None,
                event: Some(EventKind::TaskCompleted),
                until: None,
            },
            Outcome::Failed(reason) => Self {
                status: TaskStatus::Failed,
                phase: WorkPhase::Failed,
                reason: Some(reason),
                event: Some(EventKind::TaskFailed),
                until: None,
            },
            Outcome::Asked => Self {
                status: TaskStatus::WaitingForInput,
                phase: WorkPhase::Done,
                reason: Some(Reason::NeedsAnswer),
                event: Some(EventKind::Question),
                until: None,
            },
            Outcome::Retry => Self::back(Reason::Retry),
            Outcome::Released => Self::back(Reason::Released),
            Outcome::PutOff(reason, until) => Self {
                until: Some(until),
                ..Self::back(reason)
            },
        }
    }

    const fn canceled() -> Self {
        Self {
            status: TaskStatus::Canceled,
            phase: WorkPhase::Done,
            reason: Some(Reason::CancelRequested),
            event: Some(EventKind::TaskCanceled),
            until: None,
        }
    }

    const fn back(reason: Reason) -> Self {
        Self {
            status: TaskStatus::Pending,
            phase: WorkPhase::Failed,
            reason: Some(reason),
            event: None,
            until: None,
        }
    }

    fn cells(&self, said: &str, at: Timestamp) -> Vec<(Column, Value)> {
        let mut cells = vec![
            (tasks::STATUS, self.status.into()),
            (tasks::WORK_PHASE, self.phase.as_str().into()),
            (tasks::REASON, self.reason.map(Reason::as_str).into()),
            (tasks::STATUS_MESSAGE, said.into()),
            (tasks::LAST_PING, at.into()),
        ];
        if self.status.is_terminal() {
            cells.push((tasks::FINISHED, at.into()));
        }
        if let Some(until) = self.until {
            cells.push((tasks::NOT_BEFORE, until.said_at(at).into()));
        }
        cells
    }
}

fn message(report: &Report, end: &End) -> String {
    let said = match (report.finish.message.trim(), end.reason) {
        ("", Some(reason)) => reason.message(),
        ("", None) => "completed",
        (said, _) => said,
    };
    limits::line(said, limits::MESSAGE_UNITS)
}

/// The question of a report, as the row holds it until it is answered. An attempt asks once, since
/// asking ends it: its number tells its question from every other of the task.
fn open_question(report: &Report) -> Answer {
    let asked = report.finish.question.as_deref().unwrap_or_default();
    Answer {
        question: format!("q{}", report.attempt),
        asked: Some(limits::head(asked.trim(), limits::QUESTION_UNITS)),
        text: None,
    }
}

fn asked(report: &Report, about: Object) -> Object {
    let open = open_question(report);
    about
        .text("question", open.question)
        .known("asked", open.asked)
}

fn result_cells(report: &Report, head: &StreamHead) -> Vec<(Column, Value)> {
    let finish = &report.finish;
    let result = limits::tail(&finish.result, limits::MEMO_UNITS);
    let transcript = limits::tail(&finish.transcript, limits::TRANSCRIPT_UNITS);
    let folder = finish.folder.as_deref();
    vec![
        (tasks::RESULT, result.into()),
        (tasks::TRANSCRIPT, transcript.into()),
        (tasks::OUTPUT, output::of(report, head).into()),
        (tasks::SESSION_DURATION, duration(finish.ran).into()),
        (
            tasks::WORKING_DIR,
            folder
                .map(|path| limits::tail(path, limits::MESSAGE_UNITS))
                .into(),
        ),
    ]
}

/// What the attempt used; `None` when nothing is known of it, since another process began it.
fn spent(report: &Report) -> Option<Spent> {
    let Finish { usage, ran, .. } = &report.finish;
    let known = !ran.is_zero() || *usage != Usage::UNKNOWN;
    known.then(|| Spent {
        usage: *usage,
        ran: Span::millis(i64::try_from(ran.as_millis()).unwrap_or(i64::MAX)),
    })
}

/// What all attempts cost, in words; nothing where it isn't known.
fn bill(ledger: &Ledger) -> [(Column, Value); 2] {
    let total = ledger.total();
    let read = total.tokens().saturating_sub(total.output_tokens);
    let tokens = (total.tokens() > 0)
        .then(|| format!("{} in / {} out", short(read), short(total.output_tokens)));
    [
        (tasks::SESSION_COST, total.cost_micros.map(dollars).into()),
        (tasks::SESSION_TOKENS, tokens.into()),
    ]
}

/// `2m 05s`, as the original wrote it.
fn duration(ran: Duration) -> String {
    let secs = ran.as_secs();
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m {:02}s", secs / 60, secs % 60),
        3600.. => format!("{}h {:02}m", secs / 3600, secs % 3600 / 60),
    }
}
