//! The machine itself: what each input does to the attempts this worker holds.

use std::collections::{BTreeMap, BTreeSet};

use super::held::{Doubt, Held, RESEND, Review, Seen, Stage, Standing};
use super::talk::Talk;
use super::writes::{self, Content, Ids};
use super::{
    Answer, Effect, Fate, Finish, Identity, Input, Limits, Mark, Outcome, Report, Resumed,
    StopCause, Ticket, WriteKind,
};
use crate::audit::Stream;
use crate::ids::{Attempt, MirrorId, UserId};
use crate::model::Mirror;
use crate::status::{TaskStatus, WorkPhase};
use crate::time::Timestamp;
use crate::usage::Spent;

/// The machine. One per process.
#[derive(Clone, Debug)]
pub struct Machine {
    identity: Identity,
    limits: Limits,
    draining: bool,
    /// Whether another process is about to go on with what is held.
    handing_over: bool,
    mark: u64,
    held: BTreeMap<MirrorId, Held>,
    /// Attempts that are over: looks before the mark may still show them open. An attempt whose
    /// report the store refuses for good is never taken up again by this process.
    over: BTreeMap<(MirrorId, Attempt), Mark>,
    /// Reports of earlier processes about tasks that are held for an older one, newest first.
    behind: BTreeMap<MirrorId, Vec<Report>>,
    /// Whose mirrors count, where a store lets other people make rows that say they are mirrors.
    trusted: Option<BTreeSet<UserId>>,
}

impl Machine {
    /// A machine that holds nothing yet.
    #[must_use]
    pub const fn new(identity: Identity, limits: Limits) -> Self {
        Self {
            identity,
            limits,
            draining: false,
            handing_over: false,
            mark: 0,
            held: BTreeMap::new(),
            over: BTreeMap::new(),
            behind: BTreeMap::new(),
            trusted: None,
        }
    }

    /// Takes up nothing from now on but what stands in rows of these owners. What runs goes on.
    pub fn trust_only(&mut self, owners: BTreeSet<UserId>) {
        self.trusted = Some(owners);
    }

    /// To be taken before a look is sent.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark(self.mark)
    }

    /// When the next [`Input::Tick`] is due, if any.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let interval = self.limits.line_interval;
        let dues = self.held.values().filter_map(|held| held.due(interval));
        dues.min()
    }

    /// Attempts whose agents run or are about to, for the beat.
    #[must_use]
    pub fn held(&self) -> Vec<(MirrorId, Attempt)> {
        let live = self.held.iter().filter(|(_, held)| held.takes_slot());
        live.map(|(id, held)| (*id, held.ids.attempt)).collect()
    }

    /// Whether a claim is under way: what it takes is not begun yet.
    #[must_use]
    pub fn is_claiming(&self) -> bool {
        self.held.values().any(Held::is_claiming)
    }

    /// Whether nothing is running and nothing is left to report.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether lines of an agent that ended are still to be told before its report: they are known here alone.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        let mut held = self.held.values();
        held.any(|held| matches!(held.stage, Stage::Saving(..) | Stage::Settling(..)))
    }

    /// One step at the store's time `now`.
    #[must_use]
    pub fn step(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        match input {
            Input::Restored(reports) => self.restored(reports),
            Input::Resumed(attempts) => self.resumed(attempts, now),
            Input::Looked { asked, rows } => self.looked(asked, &rows, now),
            Input::Answered(answers) => {
                self.mark += 1;
                let answers = answers.into_iter();
                answers
                    .flat_map(|(ticket, answer)| self.answered(ticket, answer, now))
                    .collect()
            }
            Input::Lines(id, lines) => self.lines(id, lines, now).into_iter().collect(),
            Input::Checkpoint(id, text, used) => {
                let effect = self.checkpoint(id, text, used, now);
                effect.into_iter().collect()
            }
            Input::Ended(id, finish) => self.ended(id, *finish, now),
            Input::Inspected(id, row) => self.inspected(id, row.as_deref()),
            Input::Saved(id) => self.saved(id),
            Input::Tick => self.tick(now),
            Input::Drain => {
                // Who stops after all gives back what it was given.
                self.handing_over = false;
                self.drain(true)
            }
            Input::Undrain => self.drain(false),
            Input::HandOver => {
                self.handing_over = true;
                Vec::new()
            }
        }
    }

    fn drain(&mut self, draining: bool) -> Vec<Effect> {
        self.draining = draining;
        Vec::new()
    }

    /// Reports of earlier processes, oldest first: of each task one at a time.
    fn restored(&mut self, reports: Vec<Report>) -> Vec<Effect> {
        for report in reports.into_iter().rev() {
            self.behind.entry(report.mirror).or_default().push(report);
        }
        let tasks: Vec<MirrorId> = self.behind.keys().copied().collect();
        let oldest = tasks.into_iter().filter_map(|id| self.restore_next(id));
        oldest.collect()
    }

    fn restore_next(&mut self, id: MirrorId) -> Option<Effect> {
        let next = self.behind.get_mut(&id)?.pop();
        if next.is_none() {
            self.behind.remove(&id);
        }
        next.map(|report| self.restore(report))
    }

    /// A report of an earlier process: the row says what is left to do about it.
    fn restore(&mut self, report: Report) -> Effect {
        let now = report.at;
        let (id, ids) = (report.mirror, Ids::of_report(&report));
        let seen = Seen::nothing();
        let stream = self.limits.events.then(|| ids.late_stream());
        let stage = Stage::Inspecting(Box::new(report), Doubt::Unanswered);
        self.hold(ids, seen, stream, stage, now);
        Effect::Inspect(id)
    }

    /// Attempts of this boot whose agents an earlier process started. Whether they are still ours, and
    /// whether they were asked to end meanwhile, the first look tells.
    fn resumed(&mut self, attempts: Vec<Resumed>, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        for resumed in attempts {
            if !self.makes_way(&resumed) {
                continue;
            }
            let ids = Ids::of_resumed(&resumed, &self.identity);
            let stream = self.limits.events.then(|| match resumed.head {
                Some(head) => ids.stream_from(head),
                None => ids.late_stream(),
            });
            self.hold(ids, Seen::nothing(), stream, Stage::Running(None), now);
            if let Some(held) = self.held.get_mut(&ids.mirror) {
                held.unsure = true;
            }
            effects.push(ids.start());
        }
        effects
    }

    /// Whether an attempt that goes on may be held. A report of an earlier attempt of the same task waits until that is
    /// over: it is on disk, while an agent that nobody holds would run unheard, whatever becomes of its lease.
    fn makes_way(&mut self, resumed: &Resumed) -> bool {
        let Some(held) = self.held.remove(&resumed.mirror) else {
            return true;
        };
        match held.stage {
            Stage::Inspecting(report, _) if held.ids.attempt != resumed.attempt => {
                self.behind.entry(resumed.mirror).or_default().push(*report);
                true
            }
            Stage::Claiming
            | Stage::Running(_)
            | Stage::Saving(..)
            | Stage::Settling(..)
            | Stage::Sending(..)
            | Stage::Inspecting(..)
            | Stage::Keeping(..) => {
                self.held.insert(resumed.mirror, held);
                false
            }
        }
    }

    fn hold(&mut self, ids: Ids, seen: Seen, stream: Option<Stream>, stage: Stage, now: Timestamp) {
        let held = Held {
            ids,
            seen,
            since: Mark(self.mark),
            claimed: now,
            stream,
            talk: Talk::new(now),
            noting: false,
            stage,
            unsure: false,
            begun: false,
        };
        self.held.insert(ids.mirror, held);
    }

    fn looked(&mut self, asked: Mark, rows: &[Mirror], now: Timestamp) -> Vec<Effect> {
        let seen: BTreeMap<MirrorId, &Mirror> = rows.iter().map(|row| (row.id, row)).collect();
        let (mut effects, mut unbegun) = (Vec::new(), Vec::new());
        let draining = self.draining;
        self.held.retain(|id, held| {
            if asked < held.since {
                return true;
            }
            match held.review(seen.get(id).copied(), draining) {
                Review::Nothing => {}
                Review::Do(effect) => effects.push(effect),
                Review::End(outcome) => unbegun.push((*id, held.untouched(outcome))),
                Review::Forget => return false,
            }
            true
        });
        self.over.retain(|_, mark| *mark > asked);
        let mut fresh: Vec<&Mirror> = seen.into_values().collect();
        fresh.retain(|row| !self.held.contains_key(&row.id));
        fresh.sort_by_key(|row| (row.rank, row.id));
        effects.extend(fresh.into_iter().filter_map(|row| self.meet(row, now)));
        for (id, finish) in unbegun {
            effects.extend(self.ended(id, finish, now));
        }
        effects
    }

    /// Whether rows of this owner say what to work on.
    fn trusts(&self, owner: UserId) -> bool {
        let trusted = self.trusted.as_ref();
        trusted.is_none_or(|trusted| trusted.contains(&owner))
    }

    /// A row that is not held: an assignment, or a lease of this or an earlier process.
    fn meet(&mut self, row: &Mirror, now: Timestamp) -> Option<Effect> {
        let lease = row.lease.as_ref()?;
        let mine = lease.worker == self.identity.worker && row.is_active();
        let assigned = lease.boot.is_none();
        if !mine || !self.trusts(row.owner) || self.over.contains_key(&(row.id, lease.attempt)) {
            return None;
        }
        if assigned && row.status == TaskStatus::Canceling {
            return None;
        }
        // What is given meanwhile waits for the next process.
        if self.handing_over {
            return None;
        }
        let busy = self.held.values().filter(|held| held.takes_slot()).count();
        let free = u32::try_from(busy).is_ok_and(|busy| busy < self.limits.slots);
        let ids = Ids::of_row(row, &self.identity, lease.attempt);
        let held = ids.hold(Some(lease));
        if self.draining && assigned {
            let ticket = Ticket::new(row.id, WriteKind::Release);
            return Some(Effect::Write(ticket, writes::release(row, now)));
        }
        if !assigned && !held && row.status != TaskStatus::Canceling {
            // Begun by a process of which nothing is left here: that attempt is lost.
            let ticket = Ticket::new(row.id, WriteKind::Release);
            return Some(Effect::Write(ticket, writes::lose(row, now)));
        }
        match (free, held) {
            (false, _) => None,
            (true, false) => Some(self.claim(row, ids, now)),
            (true, true) => {
                let stream = self.limits.events.then(|| ids.late_stream());
                self.hold(ids, Seen::of(row), stream, Stage::Running(None), now);
                Some(ids.start())
            }
        }
    }

    fn claim(&mut self, row: &Mirror, ids: Ids, now: Timestamp) -> Effect {
        let mut stream = self.limits.events.then(|| ids.stream());
        let set = writes::claim(row, &self.identity, ids.attempt, stream.as_mut(), now);
        self.hold(ids, Seen::of(row), stream, Stage::Claiming, now);
        self.silence(row.id, row.claimed().is_some());
        Effect::Write(Ticket::new(row.id, WriteKind::Claim), set)
    }

    /// Until the claim is answered, looks say nothing about it. `begun` is whether an earlier process
    /// began the attempt.
    fn silence(&mut self, id: MirrorId, begun: bool) {
        if let Some(held) = self.held.get_mut(&id) {
            held.since = Mark(u64::MAX);
            held.begun = begun;
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer, now: Timestamp) -> Vec<Effect> {
        let id = ticket.mirror;
        let Some(held) = self.held.get_mut(&id) else {
            return Vec::new();
        };
        match ticket.kind {
            WriteKind::Claim => self.claim_answered(id, answer, now),
            WriteKind::Release => Vec::new(),
            WriteKind::Lines => {
                held.lines_answered(&answer, now);
                self.settle(id)
            }
            WriteKind::Checkpoint => {
                held.checkpoint_answered(answer);
                self.settle(id)
            }
            WriteKind::Report => self.report_answered(id, answer),
            WriteKind::Candidate => self.candidate_answered(id, &answer, now),
        }
    }

    fn claim_answered(&mut self, id: MirrorId, answer: Answer, now: Timestamp) -> Vec<Effect> {
        let Some(held) = self.held.get_mut(&id).filter(|held| held.is_claiming()) else {
            return Vec::new();
        };
        held.since = Mark(self.mark);
        match answer {
            Answer::Done(Some(etag)) => {
                held.seen.etag = etag;
                held.stage = Stage::Running(None);
                match held.unbegun(self.draining) {
                    Some(outcome) => {
                        let finish = held.untouched(outcome);
                        self.ended(id, finish, now)
                    }
                    None => vec![held.ids.start()],
                }
            }
            Answer::Done(None) | Answer::Unknown => Vec::new(),
            Answer::Stale | Answer::Refused(_) => {
                self.held.remove(&id);
                Vec::new()
            }
        }
    }

    fn report_answered(&mut self, id: MirrorId, answer: Answer) -> Vec<Effect> {
        let Some(held) = self.held.get_mut(&id) else {
            return Vec::new();
        };
        let stage = std::mem::replace(&mut held.stage, Stage::Claiming);
        let Stage::Sending(report, content) = stage else {
            held.stage = stage;
            return Vec::new();
        };
        let doubt = match answer {
            Answer::Done(_) => return self.let_go(id, Fate::Published),
            Answer::Stale => Doubt::Stale(held.seen.etag.clone()),
            Answer::Unknown => Doubt::Unanswered,
            Answer::Refused(_) => Doubt::Refused(content),
        };
        held.stage = Stage::Inspecting(report, doubt);
        vec![Effect::Inspect(id)]
    }

    fn candidate_answered(&mut self, id: MirrorId, answer: &Answer, now: Timestamp) -> Vec<Effect> {
        match answer {
            Answer::Done(_) | Answer::Stale => self.let_go(id, Fate::Candidate),
            Answer::Refused(_) => self.let_go(id, Fate::Refused),
            Answer::Unknown => {
                if let Some(Stage::Keeping(_, again)) =
                    self.held.get_mut(&id).map(|held| &mut held.stage)
                {
                    *again = Some(now.plus(RESEND));
                }
                Vec::new()
            }
        }
    }

    /// What the row says about a report whose fate is not known.
    fn inspected(&mut self, id: MirrorId, row: Option<&Mirror>) -> Vec<Effect> {
        let Some(held) = self.held.get_mut(&id) else {
            return Vec::new();
        };
        let stage = std::mem::replace(&mut held.stage, Stage::Claiming);
        let Stage::Inspecting(report, doubt) = stage else {
            held.stage = stage;
            return held.lost_unless_ours(row).into_iter().collect();
        };
        let ours = row.filter(|row| held.ids.hold(row.lease.as_ref()));
        match ours {
            Some(row) if row.is_active() => {
                let content = match doubt {
                    Doubt::Refused(Content::Bare) => return self.let_go(id, Fate::Refused),
                    Doubt::Refused(Content::Full) => Content::Bare,
                    Doubt::Stale(_) | Doubt::Unanswered => Content::Full,
                };
                if doubt == Doubt::Stale(row.etag.clone()) {
                    held.change_stream();
                }
                held.seen = Seen::of(row);
                vec![held.publish(report, content)]
            }
            Some(row) if matches!(row.phase, Some(WorkPhase::Done | WorkPhase::Failed)) => {
                self.let_go(id, Fate::Published)
            }
            Some(_) | None => self.keep(id, report),
        }
    }

    /// The agent ended: its report goes into the outbox first.
    fn ended(&mut self, id: MirrorId, finish: Finish, now: Timestamp) -> Vec<Effect> {
        let Some(held) = self.held.get_mut(&id) else {
            return Vec::new();
        };
        let Stage::Running(stop) = held.stage else {
            return Vec::new();
        };
        let standing = match stop {
            Some(StopCause::LeaseLost) => Standing::Lost,
            Some(StopCause::Cancel) | None => Standing::Ours,
        };
        let report = Box::new(held.report(finish, now));
        held.stage = Stage::Saving(report.clone(), standing);
        vec![Effect::Save(report)]
    }

    fn saved(&mut self, id: MirrorId) -> Vec<Effect> {
        if let Some(held) = self.held.get_mut(&id) {
            let stage = std::mem::replace(&mut held.stage, Stage::Claiming);
            held.stage = match stage {
                Stage::Saving(report, standing) => Stage::Settling(report, standing),
                other => other,
            };
        }
        self.settle(id)
    }

    /// Sends a saved report once no lines are under way before it.
    fn settle(&mut self, id: MirrorId) -> Vec<Effect> {
        let Some(held) = self.held.get_mut(&id) else {
            return Vec::new();
        };
        if held.talk.is_under_way() || held.noting {
            return Vec::new();
        }
        match std::mem::replace(&mut held.stage, Stage::Claiming) {
            Stage::Settling(report, Standing::Ours) => vec![held.publish(report, Content::Full)],
            Stage::Settling(report, Standing::Lost) => self.keep(id, report),
            other => {
                held.stage = other;
                Vec::new()
            }
        }
    }

    /// Files a report that came too late as a candidate, if there is anything in it.
    fn keep(&mut self, id: MirrorId, report: Box<Report>) -> Vec<Effect> {
        let worth_keeping = match report.finish.outcome {
            Outcome::Completed | Outcome::Failed(_) => true,
            Outcome::Canceled => !report.finish.result.is_empty(),
            Outcome::Retry | Outcome::Released | Outcome::PutOff(..) | Outcome::Asked => false,
        };
        let Some(held) = self.held.get_mut(&id).filter(|_| worth_keeping) else {
            return self.let_go(id, Fate::Moot);
        };
        if !self.limits.events {
            return self.let_go(id, Fate::Refused);
        }
        let mut stream = held.ids.candidate_stream();
        let set = writes::candidate(&report, &mut stream);
        held.stage = Stage::Keeping(report, None);
        vec![Effect::Write(Ticket::new(id, WriteKind::Candidate), set)]
    }

    /// Nothing is left to do about this attempt.
    fn let_go(&mut self, id: MirrorId, fate: Fate) -> Vec<Effect> {
        let Some(held) = self.held.remove(&id) else {
            return Vec::new();
        };
        let attempt = held.ids.attempt;
        self.mark += 1;
        let over = match fate {
            Fate::Refused => Mark(u64::MAX),
            Fate::Published | Fate::Candidate | Fate::Moot => Mark(self.mark),
        };
        self.over.insert((id, attempt), over);
        let next = self.restore_next(id);
        let dropped = Effect::Drop(id, attempt, fate);
        std::iter::once(dropped).chain(next).collect()
    }

    fn lines(&mut self, id: MirrorId, lines: Vec<String>, now: Timestamp) -> Option<Effect> {
        let held = self.held.get_mut(&id)?;
        held.stream.as_ref()?;
        held.talk.hear(lines, &self.limits);
        held.send_lines(self.limits.line_interval, now)
    }

    /// Notes what another attempt would go on from. One that can't be written is not worth a second
    /// try: the next one says more.
    fn checkpoint(
        &mut self,
        id: MirrorId,
        text: Option<String>,
        used: Option<Spent>,
        now: Timestamp,
    ) -> Option<Effect> {
        let held = self.held.get_mut(&id)?;
        if held.noting || !matches!(held.stage, Stage::Running(None)) {
            return None;
        }
        let used = used.map(|used| held.seen.ledger.note(held.ids.attempt, used));
        let used = used.filter(|ledger| *ledger != held.seen.ledger);
        if text.is_none() && used.is_none() {
            return None;
        }
        held.noting = true;
        let set = writes::checkpoint(&held.ids, &held.seen.etag, text, used.as_ref(), now);
        // The report enters the attempt's end whatever was noted, so a note that is lost does no harm.
        held.seen.ledger = used.unwrap_or_else(|| held.seen.ledger.clone());
        Some(Effect::Write(Ticket::new(id, WriteKind::Checkpoint), set))
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let interval = self.limits.line_interval;
        let lines: Vec<Effect> = self
            .held
            .values_mut()
            .filter_map(|held| held.send_lines(interval, now))
            .collect();
        let again: Vec<MirrorId> = self
            .held
            .values()
            .filter(|held| matches!(held.stage, Stage::Keeping(_, Some(at)) if at <= now))
            .map(|held| held.ids.mirror)
            .collect();
        let candidates = again.into_iter().flat_map(|id| self.keep_again(id));
        lines.into_iter().chain(candidates).collect()
    }

    fn keep_again(&mut self, id: MirrorId) -> Vec<Effect> {
        let stage = self.held.get(&id).map(|held| held.stage.clone());
        match stage {
            Some(Stage::Keeping(report, _)) => self.keep(id, report),
            Some(_) | None => Vec::new(),
        }
    }
}
