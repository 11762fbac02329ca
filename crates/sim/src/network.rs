//! The network between processes and the store: it loses, repeats, delays and tears requests, and
//! the store throttles. What is carried out is judged row by row, as it happens.

use shraga_core::ids::UserId;
use shraga_core::row::{ChangeSet, Condition, Table, Write, users, workers};
use shraga_core::time::Span;

use crate::breaks::Break;
use crate::coverage::{Deed, Fault};
use crate::promises::{Author, Check};
use crate::store::{Change, Refused};
use crate::world::World;

/// The longest the store asks anybody to wait.
const RETRY_AFTER_SECONDS: i64 = 10;

/// What became of a change set, as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Done,
    Refused(Refused),
    /// No answer: it may or may not have happened.
    Unknown,
    /// Begun and not finished, at a store that takes no change sets.
    Partly,
    /// Not done: the store asks to come again later.
    Throttled,
    /// Not done: one before it failed.
    NotTried,
}

/// Change sets that travel together.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) author: Author,
    pub(crate) who: UserId,
    pub(crate) sets: Vec<ChangeSet>,
    /// Whether the first that fails ends it.
    pub(crate) stops: bool,
}

impl World {
    /// A request over a network that may fail it.
    pub(crate) fn send(&mut self, request: Request) -> Check<Vec<Sent>> {
        let count = request.sets.len();
        if self.store.now < self.outage_until {
            return Ok(vec![Sent::Unknown; count]);
        }
        let dice = self.dice.u8(..);
        let part = self.dice.usize(0..count.max(1));
        if !self.faulty {
            return self.carry_out(&request);
        }
        match dice {
            0..=5 => {
                self.fault(Fault::RequestLost, || "");
                Ok(vec![Sent::Unknown; count])
            }
            6..=12 => {
                self.fault(Fault::ReplyLost, || "");
                self.carry_out(&request)?;
                Ok(vec![Sent::Unknown; count])
            }
            13..=17 => {
                self.fault(Fault::Repeated, || "");
                self.carry_out(&request)?;
                self.carry_out(&request)
            }
            18..=22 => {
                self.fault(Fault::Delayed, || "");
                self.in_flight.push(request);
                Ok(vec![Sent::Unknown; count])
            }
            23..=27 => {
                self.fault(Fault::Throttled, || "");
                Ok(vec![Sent::Throttled; count])
            }
            28..=31 if part > 0 => {
                self.fault(Fault::ThrottledMidway, || "");
                self.carry_out_first(request, part, Sent::Throttled)
            }
            32..=36 if part > 0 => {
                self.fault(Fault::Torn, || "");
                self.carry_out_first(request, part, Sent::Unknown)?;
                Ok(vec![Sent::Unknown; count])
            }
            _ => self.carry_out(&request),
        }
    }

    /// How long the store asks to wait.
    pub(crate) fn retry_after(&mut self) -> Span {
        Span::secs(self.dice.i64(1..=RETRY_AFTER_SECONDS))
    }

    /// A request that nobody waits for any more arrives all the same.
    pub(crate) fn arrive(&mut self) -> Check {
        let n = self.dice.usize(..self.in_flight.len());
        let request = self.in_flight.swap_remove(n);
        self.note(|| "a delayed request arrives".to_owned());
        self.carry_out(&request).map(|_| ())
    }

    fn carry_out_first(
        &mut self,
        mut request: Request,
        part: usize,
        rest: Sent,
    ) -> Check<Vec<Sent>> {
        let left = request.sets.len() - part;
        request.sets.truncate(part);
        let mut sent = self.carry_out(&request)?;
        sent.extend(std::iter::repeat_n(rest, left));
        Ok(sent)
    }

    /// The store carries out a request, each change set all or nothing.
    pub(crate) fn carry_out(&mut self, request: &Request) -> Check<Vec<Sent>> {
        let mut sent = Vec::with_capacity(request.sets.len());
        for set in &request.sets {
            let failed =
                |sent: &Sent| matches!(sent, Sent::Refused(_) | Sent::Partly | Sent::NotTried);
            if request.stops && sent.last().is_some_and(failed) {
                sent.push(Sent::NotTried);
                continue;
            }
            let outcome = self.happen(request.author, request.who, set);
            let answer = outcome
                .as_ref()
                .map_or("broken promise".to_owned(), |it| format!("{it:?}"));
            // Beats would be most of a trace.
            let beat = request.author == Author::Worker && set.task.is_none();
            if !beat || outcome != Ok(Sent::Done) {
                self.note(|| format!("    {:?}: {} -> {answer}", request.author, set.why));
            }
            let outcome = outcome?;
            sent.push(outcome);
        }
        Ok(sent)
    }

    fn happen(&mut self, author: Author, who: UserId, set: &ChangeSet) -> Check<Sent> {
        match self.broken {
            Some(broken) if author == Author::Orchestrator => {
                let mut set = set.clone();
                broken.spoil(&mut set, &mut self.dice);
                if broken == Break::CarelessAccounts {
                    self.overwrite_accounts(&mut set);
                }
                if broken.in_parts(&set) {
                    self.happen_in_parts(author, who, &set)
                } else {
                    self.happen_as_shipped(author, who, &set)
                }
            }
            Some(_) | None => self.happen_as_shipped(author, who, set),
        }
    }

    /// What a broken orchestrator does with accounts: it takes the newest version for its own.
    fn overwrite_accounts(&self, set: &mut ChangeSet) {
        let accounts = |it: &&mut Write| it.get(users::USAGE).is_some();
        let rows = set.writes.iter_mut().filter(|it| it.table == Table::Users);
        for write in rows.filter(accounts) {
            if let Some(row) = self.store.get(write.table, write.id) {
                write.condition = Condition::Version(row.etag.clone());
            }
        }
    }

    /// As the client carries it out at this store.
    fn happen_as_shipped(&mut self, author: Author, who: UserId, set: &ChangeSet) -> Check<Sent> {
        let ours = matches!(author, Author::Orchestrator | Author::Worker);
        match ours && !self.script.cast.store.is_full() {
            true => self.happen_in_steps(author, who, set),
            false => self.happen_at_once(author, who, set),
        }
    }

    fn happen_at_once(&mut self, author: Author, who: UserId, set: &ChangeSet) -> Check<Sent> {
        let sent = self.change(author, who, set)?;
        if sent == Sent::Done {
            self.history.coverage.carried_out(author, set);
        }
        Ok(sent)
    }

    /// The store makes the writes of `set`, all or none.
    pub(crate) fn change(&mut self, author: Author, who: UserId, set: &ChangeSet) -> Check<Sent> {
        let changes = match self.store.apply(who, set) {
            Ok(changes) => changes,
            Err(refused) => {
                self.history.refused += 1;
                return Ok(Sent::Refused(refused));
            }
        };
        self.history.writes += 1;
        self.changed = true;
        let beat = set.writes.iter().all(|write| write.table == Table::Workers);
        self.quiet &= beat;
        for change in &changes {
            if recovers(author, change) {
                self.history.coverage.deed(Deed::Recover);
            }
            self.judge.changed(author, &self.store, change)?;
        }
        Ok(Sent::Done)
    }

    fn happen_in_parts(&mut self, author: Author, who: UserId, set: &ChangeSet) -> Check<Sent> {
        for write in &set.writes {
            let part = ChangeSet {
                writes: vec![write.clone()],
                ..set.clone()
            };
            let sent = self.happen_at_once(author, who, &part)?;
            if sent != Sent::Done || self.dice.u8(0..10) == 0 {
                return Ok(sent);
            }
        }
        Ok(Sent::Done)
    }
}

/// Whether a worker that was doubted says that it lives.
fn recovers(author: Author, change: &Change) -> bool {
    let state = |row: &crate::store::Row| row.text(workers::STATE) == Some("suspect");
    let doubted = change.before.as_deref().is_some_and(state);
    author == Author::Worker && doubted && !state(&change.after)
}
