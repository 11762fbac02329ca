//! Leaving: finishing what runs, then ending it, then saying good-bye.
//!
//! The first request to stop takes nothing new and lets agents finish until the drain deadline; then
//! they are asked to end, and their attempts reported as interrupted. The second ends them at once.
//! Reports that the store doesn't take in time stay in the outbox. How it makes way for the next process instead is
//! in [`super::hand_over`].

use std::time::Duration;

use shraga_core::worker::Input;

use super::Driver;
use crate::attempt::Interruption;
use crate::clock::Due;
use crate::look::{self, Beside};
use crate::presence::Beat;
use shraga_core::status::WorkerState;

/// How long reports are offered to the store after the last agent had to end. They are on disk, so
/// longer only keeps a supervisor waiting.
const LAST_REPORTS: Duration = Duration::from_secs(10);

/// The same after being told to end now.
const LAST_REPORTS_NOW: Duration = Duration::from_secs(5);

/// How long the good-bye may take; health notices a worker that left without one.
const GOODBYE: Duration = Duration::from_secs(3);

/// How far the worker is with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Not at all.
    No,
    /// Agents may go on until then.
    Draining(Due),
    /// Agents were asked to end; it leaves at the latest then.
    Interrupted(Due),
    /// Agents were killed; it leaves at the latest then.
    Now(Due),
    /// It leaves.
    Gone,
    /// It hands over once nothing runs any more.
    Emptying,
    /// It hands over: attempts may come to where they can be left until then.
    HandingOver(Due),
    /// Attempts that had not begun by then were asked to end; it hands over at the latest then.
    Pressing(Due),
    /// It hands over: nothing is begun any more, and what is under way is awaited.
    Frozen,
    /// It leaves what runs to the next process.
    HandedOver,
}

impl Leaving {
    pub(super) fn is_now(self) -> bool {
        matches!(self, Self::Now(_) | Self::Gone | Self::HandedOver)
    }

    /// Whether being told to stop changes anything.
    pub(super) fn may_drain(self) -> bool {
        self == Self::No || self == Self::Emptying || self.hands_over()
    }

    /// Whether it is about to hand over.
    pub(super) fn hands_over(self) -> bool {
        matches!(
            self,
            Self::HandingOver(_) | Self::Pressing(_) | Self::Frozen
        )
    }

    /// Whether nothing more is begun or heard.
    pub(super) fn is_frozen(self) -> bool {
        matches!(self, Self::Frozen | Self::HandedOver)
    }

    /// Whether nobody should give it anything. The next process takes what one that hands over is given.
    pub(super) fn takes_nothing(self) -> bool {
        match self {
            Self::No | Self::HandingOver(_) | Self::Pressing(_) | Self::Frozen => false,
            Self::Draining(_)
            | Self::Interrupted(_)
            | Self::Now(_)
            | Self::Gone
            | Self::Emptying
            | Self::HandedOver => true,
        }
    }

    pub(super) fn interrupt_at(self) -> Option<Due> {
        match self {
            Self::Draining(due) | Self::HandingOver(due) => Some(due),
            Self::No
            | Self::Interrupted(_)
            | Self::Now(_)
            | Self::Gone
            | Self::Emptying
            | Self::Pressing(_)
            | Self::Frozen
            | Self::HandedOver => None,
        }
    }

    pub(super) fn leave_at(self) -> Option<Due> {
        match self {
            Self::Interrupted(due) | Self::Now(due) | Self::Pressing(due) => Some(due),
            Self::No
            | Self::Draining(_)
            | Self::Gone
            | Self::Emptying
            | Self::HandingOver(_)
            | Self::Frozen
            | Self::HandedOver => None,
        }
    }
}

impl Driver {
    pub(super) fn begin_to_leave(&mut self) {
        if !self.leaving.may_drain() {
            return;
        }
        if self.leaving == Leaving::Frozen {
            self.sessions.door().open();
        }
        tracing::info!(
            running = self.sessions.count(),
            "stopping: nothing new is taken, what runs may finish"
        );
        self.leaving = Leaving::Draining(Due::after(self.config.drain));
        self.beat_wanted = true;
        // What was given and not begun goes back at once.
        self.look_wanted = true;
        self.step(Input::Drain);
    }

    pub(super) fn interrupt_agents(&mut self) {
        if self.leaving.hands_over() {
            return self.press();
        }
        if self.sessions.count() > 0 {
            tracing::warn!(
                running = self.sessions.count(),
                "agents did not finish in time and are ended"
            );
        }
        self.leaving = Leaving::Interrupted(Due::after(self.config.grace + LAST_REPORTS));
        self.sessions.interrupt_all(Interruption::WorkerStops);
    }

    pub(super) fn leave_now(&mut self) {
        if self.leaving.may_drain() {
            self.begin_to_leave();
        }
        self.leaving = Leaving::Now(Due::after(LAST_REPORTS_NOW));
        self.sessions.kill_all(Interruption::WorkerStops);
    }

    /// A worker that drains with nothing running waits for the store only so long: what it has to
    /// say is on disk.
    pub(super) fn hasten(&mut self) {
        let draining = matches!(self.leaving, Leaving::Draining(_));
        if draining && self.sessions.count() == 0 && self.keeper.rests() && self.in_trouble() {
            self.leaving = Leaving::Interrupted(Due::after(LAST_REPORTS));
        }
    }

    /// Whether there is no reason to stay.
    pub(super) fn is_done(&mut self) -> bool {
        let at_rest = self.sessions.count() == 0
            && self.machine.is_idle()
            && self.keeper.rests()
            && self.keeper.unsent() == 0
            && self.outgoing.is_empty()
            && self.sending.is_empty();
        match self.leaving {
            Leaving::Gone | Leaving::HandedOver => true,
            Leaving::Emptying
            | Leaving::HandingOver(_)
            | Leaving::Pressing(_)
            | Leaving::Frozen => false,
            Leaving::Draining(_) => at_rest && !self.look_wanted && self.looking.is_none(),
            Leaving::Interrupted(_) => at_rest,
            Leaving::Now(_) => {
                let saved = self.sessions.count() == 0 && self.keeper.rests();
                at_rest || (saved && self.superseded.is_some())
            }
            Leaving::No => {
                if self.config.until_idle && at_rest && self.looked_idle && !self.look_wanted {
                    self.leaving = Leaving::Gone;
                }
                self.leaving == Leaving::Gone
            }
        }
    }

    /// Kills what may be left, and marks the row as offline unless it is another's now. One that handed over leaves
    /// both to the next process.
    pub(super) async fn say_goodbye(&mut self) {
        if self.leaving == Leaving::HandedOver {
            return;
        }
        self.sessions.kill_all(Interruption::WorkerStops);
        if self.superseded.is_some() {
            return;
        }
        self.looking = None;
        let farewell = async {
            for _ in 0..2 {
                let set = self.presence.beat(&Beat {
                    state: WorkerState::Offline,
                    held: Vec::new(),
                    at: self.clock.now(),
                });
                let beside = Beside {
                    beat: set,
                    own: Some(self.presence.read()),
                    courtesy: None,
                };
                let wrote = beside.beat.is_some();
                let worker = self.presence.offer.worker;
                let client = self.client.clone();
                let looked = look::look(client, worker, self.machine.mark(), beside).await;
                if wrote && matches!(looked.beat, Some(shraga_dataverse::Outcome::Done(_))) {
                    return;
                }
                if let Some(own) = looked.own {
                    let _ = self.presence.seen(own.as_ref());
                }
            }
        };
        if tokio::time::timeout(GOODBYE, farewell).await.is_err() {
            tracing::warn!("the store didn't hear that the worker left");
        }
    }
}
