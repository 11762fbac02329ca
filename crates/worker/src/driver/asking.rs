//! Asking the store, and taking in what it answers: looks, beats, single rows, and writes' outcomes.
//!
//! A store that fails is asked again after a pause that grows; one that answers resets it, unless it
//! answers reads but no writes.

use std::time::Duration;

use shraga_core::ids::MirrorId;
use shraga_core::worker::{Answer, Input, Ticket};
use shraga_dataverse::{Error, Outcome, RefusalKind, Row};

use super::{Driver, FIRST_PAUSE, LONGEST_PAUSE, Leaving};
use crate::attempt::Interruption;
use crate::clock::{Due, Mark};
use crate::look::{self, Beside, Inspected, Looked};
use crate::presence::{Beat, Holder};
use crate::send::Sent;

/// Mirrors read by identity in one request, after a restart or a lost reply.
const INSPECTED_AT_ONCE: usize = 100;

/// Least time between two looks of a worker that has work. A look reads every open assignment, so a
/// busy store's wake-ups share one; more would delay claims, and requests to cancel.
const LOOK_SPACING: Duration = Duration::from_millis(5);

impl Driver {
    /// While the store fails, questions wait for their pause.
    pub(super) fn may_ask(&self) -> bool {
        self.look_due.is_none() || !self.in_trouble()
    }

    /// Whether the store failed when it was last asked.
    pub(super) fn in_trouble(&self) -> bool {
        self.status.borrow().trouble.is_some()
    }

    /// Reads single rows that the machine asked for.
    pub(super) fn start_inspecting(&mut self) {
        if self.inspecting.is_some() || self.to_inspect.is_empty() {
            return;
        }
        self.to_inspect.sort_unstable();
        self.to_inspect.dedup();
        let count = self.to_inspect.len().min(INSPECTED_AT_ONCE);
        let asked: Vec<MirrorId> = self.to_inspect.drain(..count).collect();
        self.inspecting = Some(Box::pin(look::inspect(self.client.clone(), asked)));
    }

    /// Whether a look can wait because there is work, and another was sent a moment ago.
    fn looked_just_now(&self) -> bool {
        let recent = self
            .last_look
            .is_some_and(|look| look.elapsed() < LOOK_SPACING);
        recent && !self.beat_wanted && !self.machine.is_idle()
    }

    /// Looks, and beats with it when that is due.
    pub(super) fn start_look(&mut self) {
        if self.looking.is_some() || !(self.look_wanted || self.beat_wanted) {
            return;
        }
        if self.looked_just_now() {
            self.look_wanted = false;
            let soon = Due::after(LOOK_SPACING);
            self.look_due = Some(self.look_due.map_or(soon, |due| due.min(soon)));
            return;
        }
        self.last_look = Some(Mark::now());
        let mut beside = Beside::default();
        if self.beat_wanted {
            beside.beat = self.presence.beat(&Beat {
                state: self.state(),
                held: self.machine.held(),
                at: self.clock.now(),
            });
            self.row_wanted = true;
            self.beat_owed = beside.beat.is_none();
            self.beat_wanted = false;
            self.to_inspect.append(&mut self.unread);
            self.beat_due = Due::after(self.config.beat);
        }
        if std::mem::take(&mut self.row_wanted) {
            beside.own = Some(self.presence.read());
        }
        beside.courtesy = self.trust.question();
        self.look_wanted = false;
        let worker = self.presence.offer.worker;
        let asked = self.machine.mark();
        let look = tokio::spawn(look::look(self.client.clone(), worker, asked, beside));
        self.looking = Some(Box::pin(async move {
            look.await.unwrap_or_else(|panic| {
                tracing::error!(error = %panic, "looking panicked");
                Looked {
                    asked,
                    now: None,
                    beat: None,
                    own: None,
                    courtesy: None,
                    mirrors: Err(Error::NotReached),
                }
            })
        }));
    }

    pub(super) fn looked(&mut self, looked: Looked) {
        if let Some(now) = looked.now {
            self.clock.heard(now);
        }
        if let Some(beat) = looked.beat {
            self.beaten(beat);
        }
        if let Some(own) = looked.own {
            self.saw_own_row(own.as_ref());
        }
        self.trust.learn(looked.courtesy);
        match looked.mirrors {
            Ok(rows) => {
                self.works();
                if let Some(owners) = self.trust.owners() {
                    self.trust.warn_of(&rows);
                    self.machine.trust_only(owners);
                }
                let seen = rows.len();
                self.looked_idle = rows.is_empty();
                self.sessions.know(&rows);
                self.step(Input::Looked {
                    asked: looked.asked,
                    rows,
                });
                let held = self.machine.held().len();
                self.more_waits = self.is_full() && seen > held;
                if !self.woken && held > 0 {
                    self.look_due = Some(Due::after(self.config.busy_look));
                }
            }
            Err(error) => self.fails(&error),
        }
    }

    pub(super) fn inspected(&mut self, inspected: Inspected) {
        if let Some(now) = inspected.now {
            self.clock.heard(now);
        }
        self.to_inspect.extend(inspected.again);
        self.unread.extend(inspected.unread);
        match &inspected.error {
            Some(error) => self.fails(error),
            None => self.works(),
        }
        for (mirror, row) in inspected.mirrors {
            self.step(Input::Inspected(mirror, row));
        }
    }

    fn beaten(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done(etags) => {
                self.presence.accepted(etags.into_iter().next().flatten());
                let now = self.clock.now();
                self.status.send_modify(|status| {
                    status.last_beat = Some(now);
                    status.beaten = Some(Mark::now());
                });
            }
            Outcome::Refused(refusal) if refusal.kind == RefusalKind::Stale => {
                tracing::debug!(fault = %refusal.fault, "a beat was refused; its row is read again");
                self.presence.forget_version();
                self.beat_wanted = true;
            }
            // The same beat would be refused again: its next turn is soon enough.
            Outcome::Refused(refusal) => {
                tracing::warn!(fault = %refusal.fault, "the store refuses a beat");
                self.presence.forget_version();
            }
            Outcome::Partly(_) | Outcome::NotTried | Outcome::Unknown => {
                self.presence.forget_version();
                self.beat_wanted = true;
            }
        }
    }

    fn saw_own_row(&mut self, row: Option<&Row>) {
        match self.presence.seen(row) {
            Ok(Holder::Us) => {
                self.row_gone = false;
                self.beat_wanted |= std::mem::take(&mut self.beat_owed);
            }
            // It is made again at once; where that does not help, not more often than there are beats.
            Ok(Holder::Nobody) => {
                if !std::mem::replace(&mut self.row_gone, true) {
                    tracing::warn!("the worker's own row is gone");
                    self.beat_wanted = true;
                }
            }
            Ok(Holder::Other(boot)) => {
                tracing::error!(%boot, "another process took over as this worker");
                self.superseded = Some(boot);
                self.sessions.interrupt_all(Interruption::LeaseLost);
                self.leave_now();
            }
            Err(error) => tracing::warn!(%error, "the worker's own row can't be understood"),
        }
        self.tell_allowed();
        self.heed_limits();
    }

    /// Shows which release it may take, when that has changed.
    fn tell_allowed(&self) {
        let allowed = self.presence.allowed();
        self.status.send_if_modified(|status| {
            let news = status.allowed.as_ref() != allowed;
            if news {
                status.allowed = allowed.cloned();
            }
            news
        });
    }

    /// Takes nothing new while an operator wants that, as the own row says, or the disk is full.
    pub(super) fn heed_limits(&mut self) {
        let disk = self.retention.disk();
        self.status.send_modify(|status| status.disk = disk);
        let drained = self.presence.is_drained() || disk.full;
        if drained == std::mem::replace(&mut self.drained, drained) {
            return;
        }
        let running = self.sessions.count();
        if drained {
            tracing::info!(running, "drained: nothing new is taken, what runs goes on");
            self.step(Input::Drain);
        } else if self.leaving == Leaving::No {
            tracing::info!("not drained any more: work is taken again");
            self.step(Input::Undrain);
        }
        // What was given and not begun goes back with the next look; the beat says why.
        self.look_wanted = true;
        self.beat_wanted = true;
    }

    pub(super) fn sent(&mut self, sent: Sent) {
        if let Some(now) = sent.now {
            self.clock.heard(now);
        }
        let stale = |(_, answer): &(Ticket, Answer)| matches!(answer, Answer::Stale);
        self.writes_fail = sent.error.is_some();
        match &sent.error {
            Some(error) => self.fails(error),
            None => self.works(),
        }
        self.look_wanted |= sent.answers.iter().any(stale);
        self.step(Input::Answered(sent.answers));
    }

    fn works(&mut self) {
        if !self.writes_fail {
            self.pause = FIRST_PAUSE;
        }
        self.status
            .send_if_modified(|status| status.trouble.take().is_some());
    }

    fn fails(&mut self, error: &Error) {
        if !self.in_trouble() {
            tracing::warn!(error.kind = error.kind(), %error, "the store can't be used; it is tried again");
        }
        let trouble = error.to_string();
        self.status
            .send_modify(|status| status.trouble = Some(trouble));
        self.look_due = Some(Due::after(self.pause));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
