//! Whether an attempt can be left to the next process of its worker, and the door that keeps it so.
//!
//! From the moment an attempt's first program runs under a supervisor, its folder says all that the next process needs.
//! Before that there is nothing to find again, and between two programs something may be half done that would be done
//! again; so who hands over waits for both. Programs are started through the door alone: once it is closed, none begins
//! that nobody would know of. Nothing here ends an attempt.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

/// Programs that may be started at once. More than any worker has slots, so that none waits for another.
const STARTS: u32 = 4_096;

/// Where an attempt stands, for whoever would leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// No program of it runs yet: left now, it would be lost.
    Beginning,
    /// A program runs, or has ended, under a supervisor that is followed.
    Followed,
    /// Between two programs, or after the last one: left now, it would be gone on with, and something done twice.
    Between,
}

/// What programs are started through; of all attempts of a worker together.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    starts: Arc<Semaphore>,
    changed: Arc<Notify>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            starts: Arc::new(Semaphore::new(STARTS as usize)),
            changed: Arc::default(),
        }
    }
}

impl Door {
    /// Closes it, unless a program is being started right now.
    pub(crate) fn close(&self) -> bool {
        let all = self.starts.try_acquire_many(STARTS);
        all.map(SemaphorePermit::forget).is_ok()
    }

    /// Opens it again.
    pub(crate) fn open(&self) {
        self.starts.add_permits(STARTS as usize);
    }

    /// Completes when an attempt stands elsewhere than before.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Where one attempt stands: told by who runs it, read by who would leave it.
#[derive(Clone, Debug)]
pub(crate) struct Footing {
    stand: Arc<watch::Sender<Stand>>,
    door: Door,
}

impl Footing {
    /// Of an attempt that an earlier process began (`resumed`), or that begins.
    pub(crate) fn new(resumed: bool, door: Door) -> Self {
        let stand = match resumed {
            true => Stand::Between,
            false => Stand::Beginning,
        };
        Self {
            stand: Arc::new(watch::Sender::new(stand)),
            door,
        }
    }

    /// Where it stands.
    pub(crate) fn stand(&self) -> Stand {
        *self.stand.borrow()
    }

    /// To be had before a program is started, and held until it is recorded. Never comes while the door is closed.
    pub(crate) async fn start(&self) -> SemaphorePermit<'_> {
        match self.door.starts.acquire().await {
            Ok(permit) => permit,
            Err(_closed) => std::future::pending().await,
        }
    }

    /// Its program is followed from now on.
    pub(crate) fn follows(&self) {
        self.stands(Stand::Followed);
    }

    /// Its program is over.
    pub(crate) fn goes_on(&self) {
        self.stands(Stand::Between);
    }

    fn stands(&self, stand: Stand) {
        self.stand.send_replace(stand);
        self.door.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_door_does_not_close_on_a_start_and_lets_none_through_afterwards() {
        let door = Door::default();
        let footing = Footing::new(false, door.clone());
        let start = footing.start().await;
        assert!(!door.close());
        drop(start);
        assert!(door.close());
        let mut late = std::pin::pin!(footing.start());
        assert!(futures_util::poll!(late.as_mut()).is_pending());
        door.open();
        assert!(futures_util::poll!(late.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn who_waits_hears_that_an_attempt_stands_elsewhere() {
        let door = Door::default();
        let footing = Footing::new(true, door.clone());
        assert_eq!(footing.stand(), Stand::Between);
        footing.follows();
        door.changed().await;
        assert_eq!(footing.stand(), Stand::Followed);
        footing.goes_on();
        assert_eq!(footing.stand(), Stand::Between);
    }
}
