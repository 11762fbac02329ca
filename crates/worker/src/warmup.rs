//! Beating while something slow goes on before the driver runs: ending leftovers, reading what is left.
//!
//! A worker that starts slowly lives, and says so; it takes nothing yet, and looks at no task.

use std::future::Future;
use std::time::Duration;

use shraga_core::status::WorkerState;
use shraga_core::time::Timestamp;
use shraga_core::worker::Mark;
use shraga_dataverse::{Client, Outcome};

use crate::clock::{Due, StoreClock};
use crate::look::{self, Beside};
use crate::presence::{Beat, Presence};

/// What `slow` comes to; the row is beaten into as often as ever meanwhile.
pub(crate) async fn while_beating<T>(
    client: &Client,
    presence: &mut Presence,
    now: Timestamp,
    every: Duration,
    slow: impl Future<Output = T>,
) -> T {
    let mut clock = StoreClock::new(now);
    tokio::select! {
        done = slow => done,
        never = beats(client, presence, &mut clock, every) => never,
    }
}

/// Never ends by itself.
async fn beats<T>(
    client: &Client,
    presence: &mut Presence,
    clock: &mut StoreClock,
    every: Duration,
) -> T {
    loop {
        Due::after(every).wait().await;
        beat(client, presence, clock).await;
    }
}

async fn beat(client: &Client, presence: &mut Presence, clock: &mut StoreClock) {
    let beside = Beside {
        beat: presence.beat(&Beat {
            state: WorkerState::Provisioning,
            held: Vec::new(),
            at: clock.now(),
        }),
        own: Some(presence.read()),
        courtesy: None,
    };
    // Whoever waits for this may be done before its answer is there.
    presence.forget_version();
    let worker = presence.offer.worker;
    let looked = look::look(client.clone(), worker, Mark::default(), beside).await;
    if let Some(now) = looked.now {
        clock.heard(now);
    }
    if let Some(Outcome::Done(etags)) = looked.beat {
        presence.accepted(etags.into_iter().next().flatten());
    } else if let Some(own) = looked.own
        && let Err(error) = presence.seen(own.as_ref())
    {
        tracing::warn!(%error, "the worker's own row can't be understood");
    }
}

#[cfg(test)]
mod tests;
