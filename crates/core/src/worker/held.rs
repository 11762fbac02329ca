//! One attempt in a worker's hands: where it stands, and what it may do next.

use super::talk::Talk;
use super::writes::{self, Content, Ids};
use super::{Answer, Effect, Finish, Mark, Outcome, Report, StopCause, Ticket, WriteKind};
use crate::audit::Stream;
use crate::ids::Etag;
use crate::ledger::Ledger;
use crate::model::Mirror;
use crate::status::TaskStatus;
use crate::time::{Span, Timestamp};
use crate::usage::Usage;

/// How long to wait before sending again what got no answer. Shorter, and an outage is met with a
/// storm; longer, and results sit in the outbox after it.
pub(super) const RESEND: Span = Span::secs(5);

/// One attempt in this worker's hands.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) ids: Ids,
    /// The mirror as last known.
    pub(super) seen: Seen,
    /// Looks before this say nothing about it.
    pub(super) since: Mark,
    /// What the lease of its claim says, if it was claimed here.
    pub(super) claimed: Timestamp,
    pub(super) stream: Option<Stream>,
    pub(super) talk: Talk,
    /// Whether a checkpoint is under way; the report follows it, since it knows the row's version.
    pub(super) noting: bool,
    pub(super) stage: Stage,
    /// Whether an earlier process began the attempt, and nothing of this one is in its stream yet: what
    /// that process sent last may have arrived after the stream was read.
    pub(super) unsure: bool,
    /// Whether an earlier process began the attempt and it was claimed again, to be ended: nobody knows
    /// what it used.
    pub(super) begun: bool,
}

/// What a worker must know of the mirror to write to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) etag: Etag,
    pub(super) canceling: bool,
    /// What earlier attempts spent, and what this one has reserved.
    pub(super) ledger: Ledger,
}

impl Seen {
    /// Nothing yet: the row is read before it is written.
    pub(super) fn nothing() -> Self {
        Self {
            etag: Etag::new(""),
            canceling: false,
            ledger: Ledger::default(),
        }
    }

    pub(super) fn of(row: &Mirror) -> Self {
        Self {
            etag: row.etag.clone(),
            canceling: row.status == TaskStatus::Canceling,
            ledger: row.ledger.clone(),
        }
    }
}

/// Where an attempt stands.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// The claim is under way; if its answer is lost, the next look tells.
    Claiming,
    /// The agent runs, or is being ended.
    Running(Option<StopCause>),
    /// The agent ended; its report is on its way into the outbox.
    Saving(Box<Report>, Standing),
    /// Lines are still under way; the report follows them.
    Settling(Box<Report>, Standing),
    /// Under way to the store.
    Sending(Box<Report>, Content),
    /// What became of it is being read from the row.
    Inspecting(Box<Report>, Doubt),
    /// Too late: under way as a candidate, or to be sent again then.
    Keeping(Box<Report>, Option<Timestamp>),
}

/// Why it isn't known what became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// There was no answer, or it was an earlier process that sent it.
    Unanswered,
    /// This version turned out not to be the row's.
    Stale(Etag),
    /// The store refuses it: because it has it already and the row is closed, or for what is in it.
    Refused(Content),
}

/// Whether an attempt is still this worker's, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Ours,
    Lost,
}

/// What a look says about an attempt.
pub(super) enum Review {
    /// Nothing new.
    Nothing,
    /// This is to be done.
    Do(Effect),
    /// The claim holds, but the task is not to begin: it ends without having run.
    End(Outcome),
    /// The claim does not hold.
    Forget,
}

impl Held {
    /// Compares with the row, if the look saw it.
    pub(super) fn review(&mut self, row: Option<&Mirror>, draining: bool) -> Review {
        let ours = row.filter(|row| row.is_active() && self.ids.hold(row.lease.as_ref()));
        if let Some(row) = ours {
            self.seen = Seen::of(row);
        }
        let canceling = self.seen.canceling;
        match (&mut self.stage, ours) {
            (Stage::Claiming, None) => Review::Forget,
            (stage @ Stage::Claiming, Some(row)) => {
                *stage = Stage::Running(None);
                if row.lease.as_ref().map(|lease| lease.since) != Some(self.claimed) {
                    // An earlier claim of this process, thought lost: the stream begins with its event.
                    self.change_stream();
                }
                match self.unbegun(draining) {
                    Some(outcome) => Review::End(outcome),
                    None => Review::Do(self.ids.start()),
                }
            }
            (Stage::Running(stop @ None), Some(_)) if canceling => {
                *stop = Some(StopCause::Cancel);
                Review::Do(Effect::Stop(self.ids.mirror, StopCause::Cancel))
            }
            // A row that a look does not show is no lost lease yet: it is read by its identity.
            (Stage::Running(None | Some(StopCause::Cancel)), None) if row.is_none() => {
                Review::Do(Effect::Inspect(self.ids.mirror))
            }
            (Stage::Running(None | Some(StopCause::Cancel)), None) => self.lose(),
            (Stage::Saving(_, standing) | Stage::Settling(_, standing), None) if row.is_some() => {
                *standing = Standing::Lost;
                Review::Nothing
            }
            (
                Stage::Running(_)
                | Stage::Saving(..)
                | Stage::Settling(..)
                | Stage::Sending(..)
                | Stage::Inspecting(..)
                | Stage::Keeping(..),
                _,
            ) => Review::Nothing,
        }
    }

    /// How an attempt that was just claimed ends without having begun, if it does.
    pub(super) const fn unbegun(&self, draining: bool) -> Option<Outcome> {
        match (self.seen.canceling, draining) {
            (true, _) => Some(Outcome::Canceled),
            (false, true) => Some(Outcome::Released),
            (false, false) => None,
        }
    }

    /// The end of an attempt that was claimed and is not to begin.
    pub(super) fn untouched(&self, outcome: Outcome) -> Finish {
        let finish = Finish::untouched(outcome);
        let usage = match self.begun {
            true => Usage::UNKNOWN,
            false => finish.usage,
        };
        Finish { usage, ..finish }
    }

    /// The attempt is somebody else's, or nobody's: its agent is ended.
    fn lose(&mut self) -> Review {
        self.stage = Stage::Running(Some(StopCause::LeaseLost));
        Review::Do(Effect::Stop(self.ids.mirror, StopCause::LeaseLost))
    }

    /// What the row by its identity, or that there is none, says of an attempt that runs.
    pub(super) fn lost_unless_ours(&mut self, row: Option<&Mirror>) -> Option<Effect> {
        let runs = matches!(self.stage, Stage::Running(None | Some(StopCause::Cancel)));
        let ours = row.is_some_and(|row| row.is_active() && self.ids.hold(row.lease.as_ref()));
        if !runs || ours {
            return None;
        }
        match self.lose() {
            Review::Do(effect) => Some(effect),
            Review::Nothing | Review::End(_) | Review::Forget => None,
        }
    }

    pub(super) const fn is_claiming(&self) -> bool {
        matches!(self.stage, Stage::Claiming)
    }

    /// Whether its agent runs or is about to.
    pub(super) const fn takes_slot(&self) -> bool {
        match self.stage {
            Stage::Claiming | Stage::Running(_) => true,
            Stage::Saving(..)
            | Stage::Settling(..)
            | Stage::Sending(..)
            | Stage::Inspecting(..)
            | Stage::Keeping(..) => false,
        }
    }

    /// When time alone makes something due.
    pub(super) fn due(&self, interval: Span) -> Option<Timestamp> {
        match &self.stage {
            Stage::Keeping(_, again) => *again,
            Stage::Claiming
            | Stage::Running(_)
            | Stage::Saving(..)
            | Stage::Settling(..)
            | Stage::Sending(..)
            | Stage::Inspecting(..) => self.talk.due(interval),
        }
    }

    /// Sends the agent's lines, if they are due.
    pub(super) fn send_lines(&mut self, interval: Span, now: Timestamp) -> Option<Effect> {
        let stream = self.stream.as_mut()?;
        let set = self.talk.send(&self.ids, stream, interval, now)?;
        Some(Effect::Write(
            Ticket::new(self.ids.mirror, WriteKind::Lines),
            set,
        ))
    }

    pub(super) fn lines_answered(&mut self, answer: &Answer, now: Timestamp) {
        let unsure = std::mem::take(&mut self.unsure);
        match (answer, &mut self.stream) {
            (Answer::Stale, _) if unsure => self.say_elsewhere(),
            (Answer::Done(_) | Answer::Stale, _) => self.talk.arrived(),
            (Answer::Unknown, _) => self.talk.send_again(now.plus(RESEND)),
            (Answer::Refused(_), Some(stream)) => self.talk.refused(stream),
            (Answer::Refused(_), None) => self.talk.arrived(),
        }
    }

    /// A checkpoint moved the row's version, or it is known no better than before: then the next look
    /// tells, or the report's own answer.
    pub(super) fn checkpoint_answered(&mut self, answer: Answer) {
        self.noting = false;
        match answer {
            Answer::Done(Some(etag)) => self.seen.etag = etag,
            Answer::Done(None) | Answer::Stale | Answer::Refused(_) | Answer::Unknown => {}
        }
    }

    /// Lines that collided with another process's are said in the stream that closes the attempt.
    fn say_elsewhere(&mut self) {
        self.change_stream();
        let lines = self.talk.take_back();
        match &mut self.stage {
            Stage::Saving(report, _) | Stage::Settling(report, _) => {
                report.lines.splice(0..0, lines);
            }
            Stage::Claiming
            | Stage::Running(_)
            | Stage::Sending(..)
            | Stage::Inspecting(..)
            | Stage::Keeping(..) => self.talk.put_first(lines),
        }
    }

    /// What is to be published about an attempt that ended.
    pub(super) fn report(&mut self, finish: Finish, now: Timestamp) -> Report {
        let head = self.stream.as_ref().map(|stream| stream.head().clone());
        Report {
            mirror: self.ids.mirror,
            task: self.ids.task,
            user: self.ids.user,
            worker: self.ids.worker,
            boot: self.ids.boot,
            attempt: self.ids.attempt,
            at: now,
            head: head.unwrap_or_default(),
            lines: self.talk.rest(),
            finish,
        }
    }

    /// Sends a report. The stream itself moves only when the answer says so, which ends it.
    pub(super) fn publish(&mut self, report: Box<Report>, content: Content) -> Effect {
        let mut stream = self.stream.clone();
        let set = writes::publish(&report, &self.seen, content, stream.as_mut());
        self.stage = Stage::Sending(report, content);
        Effect::Write(Ticket::new(self.ids.mirror, WriteKind::Report), set)
    }

    /// The mirror's version held and the set failed all the same: an event sits where one of ours
    /// belongs. The stream that closes the attempt takes over; if that is taken too, there is none.
    pub(super) fn change_stream(&mut self) {
        let late = self.ids.late_stream();
        self.stream = match self.stream.take() {
            Some(stream) if stream.name() != late.name() => Some(late),
            Some(_) | None => None,
        };
    }
}
