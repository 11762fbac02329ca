//! Handing over: making way for the next process of this worker, which goes on with what runs.
//!
//! Nothing new is taken. An attempt whose program runs is left to its supervisor at any moment; one that has not come so
//! far, or is between two programs, is waited for, up to a bound: then what never began is put back, and what did is gone
//! on with. Once nothing more is begun, writes under way are awaited, and reports are on disk. A store that fails
//! meanwhile is waited for: without it the next process could not begin, and what is on its way to it might be lost with
//! this one. Neither a program nor the row is told that anybody left. What an agent said and nobody has written is read
//! again by the next process.

use std::time::Duration;

use shraga_core::worker::Input;

use super::Driver;
use super::leave::Leaving;
use crate::attempt::{Interruption, Stand};
use crate::clock::Due;

/// How long one that was asked to end before it had begun may take. It has nothing but git to end.
const PRESSING: Duration = Duration::from_secs(10);

impl Driver {
    pub(super) fn begin_to_hand_over(&mut self) {
        tracing::info!(
            running = self.sessions.count(),
            "handing over: nothing new is taken, what runs goes on under the next process"
        );
        self.leaving = Leaving::HandingOver(Due::after(self.config.settling));
        self.step(Input::HandOver);
    }

    pub(super) fn begin_to_empty(&mut self) {
        tracing::info!(
            running = self.sessions.count(),
            "handing over once nothing runs: the next process could not go on with it"
        );
        self.leaving = Leaving::Emptying;
        self.beat_wanted = true;
        // What was given and not begun goes back at once.
        self.look_wanted = true;
        self.step(Input::Drain);
    }

    /// There is nothing to hand over to any more.
    pub(super) fn stay_on(&mut self) {
        tracing::info!("not handing over any more: work is taken again");
        self.leaving = Leaving::No;
        self.beat_wanted = true;
        self.look_wanted = true;
        // An operator's wish, or a full disk, counts on.
        if !self.drained {
            self.step(Input::Undrain);
        }
    }

    /// Those that still have not begun are asked to end.
    pub(super) fn press(&mut self) {
        if self.is_held_up() {
            self.leaving = Leaving::HandingOver(Due::after(self.config.settling));
            return;
        }
        tracing::warn!("handing over: what has not begun by now is put back");
        self.sessions.interrupt_beginners(Interruption::HandsOver);
        self.leaving = Leaving::Pressing(Due::after(PRESSING));
    }

    /// The time for what it was at is over.
    pub(super) fn leave(&mut self) {
        match self.leaving {
            Leaving::Pressing(_) => self.freeze(),
            Leaving::No
            | Leaving::Draining(_)
            | Leaving::Interrupted(_)
            | Leaving::Now(_)
            | Leaving::Gone
            | Leaving::Emptying
            | Leaving::HandingOver(_)
            | Leaving::Frozen
            | Leaving::HandedOver => self.leaving = Leaving::Gone,
        }
    }

    /// Goes on to the next step of handing over, once it can.
    pub(super) fn come_to_hand_over(&mut self) {
        if self.leaving == Leaving::Emptying && self.is_empty() {
            self.begin_to_hand_over();
        }
        let settled = match self.leaving {
            Leaving::HandingOver(_) => !self.sessions.any_at(Stand::Between),
            Leaving::Pressing(_) => true,
            Leaving::No
            | Leaving::Draining(_)
            | Leaving::Interrupted(_)
            | Leaving::Now(_)
            | Leaving::Gone
            | Leaving::Emptying
            | Leaving::Frozen
            | Leaving::HandedOver => false,
        };
        let begun = !self.machine.is_claiming() && !self.sessions.any_at(Stand::Beginning);
        if settled && begun && !self.is_held_up() {
            self.freeze();
        }
        if self.leaving == Leaving::Frozen && self.is_held_up() {
            self.sessions.door().open();
            self.leaving = Leaving::HandingOver(Due::after(self.config.settling));
        } else if self.leaving == Leaving::Frozen && self.is_written() {
            self.leaving = Leaving::HandedOver;
        }
    }

    /// Begins nothing any more, unless a program is being started right now: its attempt says so when it runs.
    fn freeze(&mut self) {
        if self.sessions.door().close() {
            self.leaving = Leaving::Frozen;
        }
    }

    /// Whether something must still happen that one who begins nothing any more can't do: the store must be there
    /// again, or the last lines of an agent that ended must be told, if need be again after a pause.
    fn is_held_up(&self) -> bool {
        self.in_trouble() || self.machine.is_settling()
    }

    /// Whether nothing runs any more. What came of it may still wait for the store, on disk.
    fn is_empty(&self) -> bool {
        self.sessions.count() == 0 && !self.machine.is_claiming() && !self.look_wanted
    }

    /// Whether all that this process began to write is written.
    fn is_written(&self) -> bool {
        self.keeper.rests()
            && self.outgoing.is_empty()
            && self.sending.is_empty()
            && self.looking.is_none()
    }
}
