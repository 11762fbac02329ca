//! `$batch`: many requests in one, with change sets.
//!
//! Requests are planned in order; neighbouring reads go to the store in one call, and so do
//! neighbouring writes and change sets, whose order the store keeps. Without
//! `odata.continue-on-error` the first failure ends the batch and its status is the outer one.

use bytes::Bytes;
use http::Method;
use shraga_wire::batch::{Part, Request, ResponseWriter, decode_request};
use shraga_wire::fault::Fault;
use uuid::Uuid;

use crate::http::answer::{Answer, Content};
use crate::http::base::Base;
use crate::http::call::{Call, Head};
use crate::http::limits::{MAX_BATCH_ANSWER_BYTES, MAX_BATCH_URL_BYTES, MAX_READS_AT_ONCE};
use crate::http::path::{self, Resource};
use crate::http::rows::bulk::BulkShape;
use crate::http::rows::read::ReadShape;
use crate::http::rows::target::ContentIds;
use crate::http::rows::write::WriteShape;
use crate::http::rows::{Context, Moment, Planned};
use crate::http::{App, rows};
use crate::ops::{Principal, Unit, Written};
use crate::store::{Continue, ReadOp, UnitFault};

/// What a part became.
enum Outcome {
    /// One answer.
    Single(Answer),
    /// The answers of a change set.
    ChangeSet(Vec<Answer>),
}

impl Outcome {
    fn status(&self) -> u16 {
        match self {
            Self::Single(answer) => answer.status,
            Self::ChangeSet(_) => 200,
        }
    }
}

/// Writes that wait to be handed over together.
enum WriteShapes {
    /// One write.
    Single(WriteShape),
    /// A change set.
    ChangeSet(Vec<WriteShape>),
    /// A bulk message.
    Bulk(BulkShape),
}

/// What waits to be handed to the store. One of the two is empty.
#[derive(Default)]
struct Waiting {
    reads: Vec<ReadOp>,
    read_shapes: Vec<(usize, ReadShape)>,
    units: Vec<Unit>,
    write_shapes: Vec<(usize, WriteShapes)>,
}

/// A batch under way.
struct Run<'r> {
    app: &'r App,
    who: &'r Principal,
    base: &'r Base,
    moment: Moment,
    on_fault: Continue,
    waiting: Waiting,
    /// One place per part, filled as answers come.
    outcomes: Vec<Option<Outcome>>,
    /// Bytes of the answers so far.
    answered: usize,
    /// Whether a failure ended the batch.
    stopped: bool,
}

/// Carries out a batch.
///
/// # Errors
/// 400 for a batch that can't be read at all.
pub(crate) async fn run(
    app: &App,
    who: &Principal,
    base: &Base,
    head: &Head,
    content_type: &str,
    body: &Bytes,
) -> Result<Answer, Fault> {
    let parts = decode_request(content_type, body)?;
    let mut run = Run {
        app,
        who,
        base,
        moment: app.moment(),
        on_fault: if head.prefer.continue_on_error {
            Continue::OnError
        } else {
            Continue::StopAtFirst
        },
        waiting: Waiting::default(),
        outcomes: parts.iter().map(|_| None).collect(),
        answered: 0,
        stopped: false,
    };
    for (at, part) in parts.iter().enumerate() {
        run.take(at, part).await;
        if run.stopped {
            break;
        }
    }
    run.flush().await;
    Ok(assemble(&parts, &run.outcomes, run.on_fault))
}

impl Run<'_> {
    async fn take(&mut self, at: usize, part: &Part<Request>) {
        if self.answered > MAX_BATCH_ANSWER_BYTES {
            let fault = Fault::too_large(format!(
                "The answers of this batch are larger than {MAX_BATCH_ANSWER_BYTES} bytes; split it."
            ));
            return self.refuse(at, fault).await;
        }
        match part {
            Part::Single(request) => match self.plan_single(request) {
                Ok(Step::Rows(planned)) => self.wait(at, planned).await,
                Ok(Step::Elsewhere(call)) => {
                    self.flush().await;
                    if !self.stopped {
                        let answer = self.app.elsewhere(self.who, self.base, &call).await;
                        self.settle(at, Outcome::Single(answer));
                    }
                }
                Err(fault) => self.refuse(at, fault).await,
            },
            Part::ChangeSet(requests) => match self.plan_change_set(requests) {
                Ok((unit, shapes)) => {
                    self.before_writes().await;
                    self.waiting.units.push(unit);
                    let shapes = WriteShapes::ChangeSet(shapes);
                    self.waiting.write_shapes.push((at, shapes));
                }
                Err(fault) => self.refuse(at, fault).await,
            },
        }
    }

    /// A refusal found while planning. What was planned before it happens first.
    async fn refuse(&mut self, at: usize, fault: Fault) {
        if self.on_fault == Continue::StopAtFirst {
            self.flush().await;
            if self.stopped {
                return;
            }
        }
        self.settle(at, Outcome::Single(fault.into()));
    }

    fn plan_single<'p>(&self, request: &'p Request) -> Result<Step<'p>, Fault> {
        let (path, query) = self.address(request)?;
        let call = call(request, path, query)?;
        let resource = path::parse(call.path)?;
        if resource == Resource::Batch {
            return Err(Fault::invalid_argument("A batch can't hold another batch."));
        }
        let schema = self.app.store.schema();
        let context = Context {
            schema: &schema,
            base: self.base,
            moment: self.moment,
            role: self.who.role,
            ids: ContentIds::default(),
        };
        Ok(match rows::plan(context, &call, &resource)? {
            Some(planned) => Step::Rows(planned),
            None => Step::Elsewhere(call),
        })
    }

    fn plan_change_set(&self, requests: &[Request]) -> Result<(Unit, Vec<WriteShape>), Fault> {
        let schema = self.app.store.schema();
        let mut named: Vec<(&str, usize)> = Vec::new();
        let mut unit = Unit {
            ops: Vec::with_capacity(requests.len()),
        };
        let mut shapes = Vec::with_capacity(requests.len());
        for request in requests {
            if request.method == Method::GET {
                return Err(Fault::invalid_argument(
                    "A change set can't hold a GET: it is for writes only.",
                ));
            }
            let (path, query) = self.address(request)?;
            let call = call(request, path, query)?;
            let resource = path::parse(call.path)?;
            let context = Context {
                schema: &schema,
                base: self.base,
                moment: self.moment,
                role: self.who.role,
                ids: ContentIds {
                    named: &named,
                    ops: &unit.ops,
                },
            };
            match rows::plan(context, &call, &resource)? {
                Some(Planned::Write(op, shape)) => {
                    if let Some(id) = &request.content_id {
                        named.push((id, unit.ops.len()));
                    }
                    unit.ops.push(op);
                    shapes.push(shape);
                }
                Some(Planned::Bulk(..) | Planned::Read(..)) | None => {
                    return Err(Fault::not_supported(
                        "anything but writes of single rows inside a change set",
                    ));
                }
                Some(Planned::Answer(answer)) => {
                    return Err(Fault::from_body(answer.status, &answer.body));
                }
            }
        }
        Ok((unit, shapes))
    }

    /// Path and query of a request inside the batch.
    fn address<'p>(&self, request: &'p Request) -> Result<(&'p str, &'p str), Fault> {
        if request.target.len() > MAX_BATCH_URL_BYTES {
            return Err(Fault::too_large(format!(
                "The address of a request in a batch is longer than {MAX_BATCH_URL_BYTES} bytes."
            )));
        }
        let relative = self.base.relative(&request.target)?;
        Ok(relative.split_once('?').unwrap_or((relative, "")))
    }

    async fn wait(&mut self, at: usize, planned: Planned) {
        match planned {
            Planned::Answer(answer) if answer.status < 400 => {
                self.settle(at, Outcome::Single(answer));
            }
            Planned::Answer(answer) => {
                if self.on_fault == Continue::StopAtFirst {
                    self.flush().await;
                }
                if !self.stopped {
                    self.settle(at, Outcome::Single(answer));
                }
            }
            Planned::Read(op, shape) => {
                self.before_reads().await;
                self.waiting.reads.push(op);
                self.waiting.read_shapes.push((at, shape));
                if self.waiting.reads.len() == MAX_READS_AT_ONCE {
                    self.flush().await;
                }
            }
            Planned::Write(op, shape) => {
                self.before_writes().await;
                self.waiting.units.push(Unit { ops: vec![op] });
                let shape = WriteShapes::Single(shape);
                self.waiting.write_shapes.push((at, shape));
            }
            Planned::Bulk(unit, shape) => {
                self.before_writes().await;
                self.waiting.units.push(unit);
                let shape = WriteShapes::Bulk(shape);
                self.waiting.write_shapes.push((at, shape));
            }
        }
    }

    async fn before_reads(&mut self) {
        if !self.waiting.units.is_empty() {
            self.flush().await;
        }
    }

    async fn before_writes(&mut self) {
        if !self.waiting.reads.is_empty() {
            self.flush().await;
        }
    }

    /// Hands over what waits, unless the batch is stopped.
    async fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if self.stopped {
            return;
        }
        if !waiting.reads.is_empty() {
            let answers = self.app.store.read(self.who, waiting.reads).await;
            for ((at, shape), answer) in waiting.read_shapes.into_iter().zip(answers) {
                if !self.stopped {
                    self.settle(at, Outcome::Single(shape.answer(answer)));
                }
            }
        }
        if !waiting.units.is_empty() {
            let store = &self.app.store;
            let done = store.write(self.who, waiting.units, self.on_fault).await;
            for ((at, shape), done) in waiting.write_shapes.into_iter().zip(done) {
                self.settle(at, shape.outcome(self.base, done));
            }
        }
    }

    fn settle(&mut self, at: usize, outcome: Outcome) {
        if outcome.status() >= 400 && self.on_fault == Continue::StopAtFirst {
            self.stopped = true;
        }
        if let Outcome::Single(answer) = &outcome {
            self.answered += answer.body.len();
        }
        self.outcomes[at] = Some(outcome);
    }
}

/// What planning a request outside change sets led to.
enum Step<'p> {
    /// A matter of rows.
    Rows(Planned),
    /// Something that is carried out by itself.
    Elsewhere(Call<'p>),
}

fn call<'p>(request: &'p Request, path: &'p str, query: &'p str) -> Result<Call<'p>, Fault> {
    Ok(Call {
        method: &request.method,
        path,
        query,
        head: Head::of_part(request.headers.iter())?,
        body: &request.body,
    })
}

impl WriteShapes {
    fn outcome(self, base: &Base, done: Result<Vec<Written>, UnitFault>) -> Outcome {
        match (self, done) {
            (Self::Bulk(shape), done) => Outcome::Single(shape.answer(done)),
            (Self::Single(_) | Self::ChangeSet(_), Err(UnitFault { fault, .. })) => {
                Outcome::Single(fault.into())
            }
            (Self::Single(shape), Ok(written)) => Outcome::Single(
                written
                    .into_iter()
                    .next()
                    .map_or_else(Answer::no_content, |written| shape.answer(base, written)),
            ),
            (Self::ChangeSet(shapes), Ok(written)) => Outcome::ChangeSet(
                shapes
                    .into_iter()
                    .zip(written)
                    .map(|(shape, written)| shape.answer(base, written))
                    .collect(),
            ),
        }
    }
}

fn assemble(parts: &[Part<Request>], outcomes: &[Option<Outcome>], on_fault: Continue) -> Answer {
    let mut out = ResponseWriter::new(&Uuid::now_v7().to_string());
    let mut status = 200;
    for (part, outcome) in parts.iter().zip(outcomes) {
        let Some(outcome) = outcome else { continue };
        match (part, outcome) {
            (Part::Single(request), Outcome::Single(answer)) => {
                answer.write_part(&mut out, request.content_id.as_deref(), false);
            }
            (Part::ChangeSet(requests), Outcome::ChangeSet(answers)) => {
                out.begin_change_set();
                for (request, answer) in requests.iter().zip(answers) {
                    answer.write_part(&mut out, request.content_id.as_deref(), true);
                }
                out.end_change_set();
            }
            (Part::ChangeSet(_), Outcome::Single(answer)) => {
                answer.write_part(&mut out, None, false);
            }
            (Part::Single(_), Outcome::ChangeSet(_)) => {}
        }
        if on_fault == Continue::StopAtFirst && outcome.status() >= 400 {
            status = outcome.status();
        }
    }
    let applied = (on_fault == Continue::OnError).then(|| "odata.continue-on-error".to_owned());
    Answer {
        status,
        content: Content::Multipart(out.content_type()),
        body: out.finish(),
        applied,
        ..Answer::default()
    }
}

/// The store's version and time before a request.
impl App {
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            version: self.store.version(),
            now: self.store.now(),
        }
    }
}
