//! For stores without `$batch`, change sets or chosen identities: writes made one by one.
//!
//! The writes of a change set are made in their order and stop at the first that is not done, which is
//! safe by how sets are built ([`ChangeSet`]). A row that the store gave another identity than planned
//! is named by that one in what follows. Where there is `$batch`, the first writes of all sets travel
//! together, then the second ones, and so on. Nothing waits here and nothing is tried again.

use shraga_core::ids::Etag;
use shraga_core::row::{ChangeSet, Condition, Table, Value, Write, events};
use shraga_core::time::Timestamp;
use shraga_wire::batch::{MAX_PARTS, Part, Response};
use tokio::time::Instant;
use uuid::Uuid;

use super::multipart::{Batch, accepted, entity, parts_of, version};
use super::{Answers, Exchange, OnRefusal, Outcome, Read, Refusal, Rest};
use crate::client::capabilities::Ability;
use crate::client::encode::API;
use crate::client::{Client, Written};
use crate::error::Error;
use crate::rows::Rows;
use crate::send::{Call, Repeat};

/// What became of one write, and the store's time.
type Step = Result<(Written, Option<Timestamp>), Error>;

impl Client {
    /// Reads one after the other.
    pub(super) async fn read_singly(&self, reads: &[Read]) -> Result<Answers, Error> {
        let mut now = None;
        let mut answers = Vec::with_capacity(reads.len());
        for read in reads {
            let answer = match self.read_one(read).await {
                // The rest would fare no better.
                Err(error) if is_of_all(&error) => return Err(error),
                Err(error) if matches!(read, Read::Get { .. }) && error.is_missing_row() => None,
                answer => Some(answer),
            };
            now = now.or_else(|| Some(answer.as_ref()?.as_ref().ok()?.now));
            answers.push(answer);
        }
        let now = match now {
            Some(now) => now,
            None => self.send(Call::get(format!("{API}WhoAmI"))).await?.now()?,
        };
        let no_row = || Ok(Rows::of(now, Vec::new()));
        let answers = answers.into_iter().map(|it| it.unwrap_or_else(no_row));
        Ok(Answers {
            now,
            answers: answers.collect(),
        })
    }

    async fn read_one(&self, read: &Read) -> Result<Rows, Error> {
        match self.send(Call::get(self.read_target(read))).await {
            Ok(reply) => {
                let now = reply.now()?;
                self.read_rows(read, reply.body, now)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes, then reads, each step by itself.
    pub(super) async fn stepwise(
        &self,
        sets: &[ChangeSet],
        reads: &[Read],
        then: OnRefusal,
    ) -> Result<Exchange, Error> {
        let mut exchange = self.write_stepwise(sets, then).await?;
        if reads.is_empty() {
            return Ok(exchange);
        }
        match self.read_batch_as_it_is(reads).await {
            Ok(answers) => {
                exchange.now = Some(answers.now);
                exchange.answers = answers.answers;
            }
            Err(error) => exchange.answers = vec![Err(error); reads.len()],
        }
        Ok(exchange)
    }

    async fn write_stepwise(&self, sets: &[ChangeSet], then: OnRefusal) -> Result<Exchange, Error> {
        let began = Instant::now();
        let mut walks: Vec<Walk> = sets.iter().map(Walk::new).collect();
        let (mut now, mut fatal) = (None, None);
        loop {
            let open = walks.iter_mut().filter(|walk| walk.outcome.is_none());
            let together = match then {
                OnRefusal::Continue => MAX_PARTS,
                OnRefusal::Stop => 1,
            };
            let mut wave: Vec<&mut Walk> = open.take(together).collect();
            if wave.is_empty() {
                break;
            }
            let writes: Vec<&Write> = wave.iter().map(|walk| &walk.rest.writes[0]).collect();
            let steps = self.steps(&writes).await;
            for (walk, step) in wave.iter_mut().zip(steps) {
                now = step.as_ref().ok().and_then(|(_, now)| *now).or(now);
                fatal = fatal.or_else(|| step.as_ref().err().filter(|e| is_of_all(e)).cloned());
                walk.stepped(step);
            }
            let refused = wave.iter().any(|walk| walk.failed());
            if fatal.is_some() || (then == OnRefusal::Stop && refused) {
                break;
            }
        }
        let untouched = walks.iter().all(Walk::is_untouched);
        match fatal {
            Some(error) if untouched && !error.is_unknown() => Err(error),
            lost => Ok(Exchange {
                now,
                outcomes: walks
                    .into_iter()
                    .map(|walk| walk.end(lost.as_ref()))
                    .collect(),
                answers: Vec::new(),
                lost,
                took: began.elapsed(),
            }),
        }
    }

    /// Makes writes that are independent of each other.
    async fn steps(&self, writes: &[&Write]) -> Vec<Step> {
        let mut steps = match self.capabilities().batch {
            true => self.steps_together(writes).await,
            false => self.steps_singly(writes).await,
        };
        for (write, step) in writes.iter().zip(&mut steps) {
            if write.condition == Condition::Absent {
                self.learn_identity(write, step).await;
            }
            if matches!(step, Err(Error::Conflict(_))) && self.has_event(write).await {
                let (id, etag) = (write.id, None);
                *step = Ok((Written { id, etag }, None));
            }
        }
        steps
    }

    /// A new row that got another identity, or was refused for the one it was to have, tells what the
    /// store does with identities; in the second case it is made without.
    async fn learn_identity(&self, write: &Write, step: &mut Step) {
        match step {
            Ok((made, _)) if made.id != write.id => self.inner.learned.lacks(Ability::OwnIds),
            Err(error) => match self.takes_no_ids(write.table, error).await {
                Ok(true) => *step = self.post(write.table, write.owner, &write.cells).await,
                Ok(false) => {}
                // Whether it was refused for good is not known.
                Err(unasked) => *step = Err(unasked),
            },
            Ok(_) => {}
        }
    }

    async fn steps_together(&self, writes: &[&Write]) -> Vec<Step> {
        let own_ids = self.capabilities().own_ids;
        let mut batch = Batch::new(self);
        writes.iter().for_each(|write| batch.step(write, own_ids));
        let sent = batch.send(OnRefusal::Continue, Repeat::IfNotDone).await;
        let answered = sent.and_then(|reply| Ok((reply.now()?, parts_of(&reply)?)));
        let (now, parts) = match answered {
            Ok(answered) => answered,
            Err(error) => return vec![Err(error); writes.len()],
        };
        let mut parts = parts.into_iter();
        let step = |write: &&Write| match parts.next() {
            Some(Part::Single(part)) => Ok((self.written(write, &part, own_ids)?, Some(now))),
            Some(Part::ChangeSet(_)) | None => Err(Error::BadAnswer {
                what: "the batch leaves out the answer to a write".to_owned(),
                excerpt: String::new(),
            }),
        };
        writes.iter().map(step).collect()
    }

    fn written(&self, write: &Write, part: &Response, own_ids: bool) -> Result<Written, Error> {
        accepted(part)?;
        let told = self.made_by(write.table, &part.body);
        let of_body = told.as_ref().map(|made| made.id);
        let named = own_ids || write.condition != Condition::Absent;
        let told_id = of_body.or_else(|| entity(part));
        let unnamed = || Error::BadAnswer {
            what: "the answer does not name the row that was made".to_owned(),
            excerpt: String::new(),
        };
        Ok(Written {
            id: told_id.or(named.then_some(write.id)).ok_or_else(unnamed)?,
            etag: told.and_then(|made| made.etag).or_else(|| version(part)),
        })
    }

    async fn steps_singly(&self, writes: &[&Write]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::with_capacity(writes.len());
        for write in writes {
            let over = matches!(steps.last(), Some(Err(error)) if is_of_all(error));
            steps.push(match over {
                true => Err(Error::NotReached),
                false => self.step(write).await,
            });
        }
        steps
    }

    async fn step(&self, write: &Write) -> Step {
        if write.condition == Condition::Absent && !self.capabilities().own_ids {
            return self.post(write.table, write.owner, &write.cells).await;
        }
        // An event that is there already is found to be the same.
        let repeat = match write.table {
            Table::Events => Repeat::Freely,
            Table::Tasks | Table::Workers | Table::Users => Repeat::IfNotDone,
        };
        self.patch_write(write, repeat).await
    }

    /// Whether the event that `write` makes is there already, made by an earlier try.
    async fn has_event(&self, write: &Write) -> bool {
        let Some(Value::Text(hash)) = write
            .get(events::HASH)
            .filter(|_| write.table == Table::Events)
        else {
            return false;
        };
        let hash_column = events::HASH.name();
        let found = self.get(Table::Events, write.id, &[hash_column]).await;
        let row = found.ok().flatten().and_then(|row| row.object().ok());
        row.is_some_and(|row| row.get(hash_column).and_then(|it| it.as_str()) == Some(hash))
    }
}

/// Whether what comes after `error` would fail the same way: the service can't be reached, or wants no
/// more.
const fn is_of_all(error: &Error) -> bool {
    error.fault().is_none()
        || error.is_about_us()
        || matches!(error, Error::Throttled { .. } | Error::Unavailable(_))
}

/// How far a change set has come.
struct Walk {
    /// What is left of it.
    rest: ChangeSet,
    done: Vec<Option<Etag>>,
    outcome: Option<Outcome>,
}

impl Walk {
    fn new(set: &ChangeSet) -> Self {
        let outcome = if set.writes.is_empty() {
            Some(Outcome::Done(Vec::new()))
        } else {
            set.must_be_whole().then_some(Outcome::NotTried)
        };
        Self {
            rest: set.clone(),
            done: Vec::new(),
            outcome,
        }
    }

    fn failed(&self) -> bool {
        let outcome = self.outcome.as_ref();
        outcome.is_some_and(|outcome| !matches!(outcome, Outcome::Done(_)))
    }

    fn is_untouched(&self) -> bool {
        self.done.is_empty()
            && self
                .outcome
                .as_ref()
                .is_none_or(|it| *it == Outcome::NotTried)
    }

    fn stepped(&mut self, step: Step) {
        match step {
            Ok((written, _)) => self.advance(written),
            Err(error) if !self.done.is_empty() => self.outcome = Some(self.partly(&error)),
            Err(Error::NotReached) => self.outcome = Some(Outcome::NotTried),
            Err(error) => {
                self.outcome = match error.fault() {
                    // Who we are says nothing about the row: it was not done, and may be later.
                    Some(fault)
                        if !matches!(error, Error::Throttled { .. }) && !error.is_about_us() =>
                    {
                        Some(Outcome::Refused(Refusal::of(fault.clone())))
                    }
                    Some(_) | None if error.is_unknown() => Some(Outcome::Unknown),
                    Some(_) | None => Some(Outcome::NotTried),
                };
            }
        }
    }

    fn advance(&mut self, written: Written) {
        let planned = self.rest.writes[0].id;
        let renamed: &[(Uuid, Uuid)] = match written.id == planned {
            true => &[],
            false => &[(planned, written.id)],
        };
        self.rest = self.rest.rest(1, renamed);
        self.done.push(written.etag);
        if self.rest.writes.is_empty() {
            self.outcome = Some(Outcome::Done(std::mem::take(&mut self.done)));
        }
    }

    fn partly(&self, error: &Error) -> Outcome {
        tracing::warn!(
            why = %self.rest.why, done = self.done.len(), left = self.rest.writes.len(),
            "a change was made in part only: {error}"
        );
        Outcome::Partly(Box::new(Rest {
            set: self.rest.clone(),
            passing: error.is_transient(),
        }))
    }

    /// What became of it, given why the whole run ended early, if it did.
    fn end(mut self, lost: Option<&Error>) -> Outcome {
        match self.outcome.take() {
            Some(outcome) => outcome,
            None if self.done.is_empty() => Outcome::NotTried,
            None => self.partly(lost.unwrap_or(&Error::NotReached)),
        }
    }
}
