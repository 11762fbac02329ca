//! Machines beside the ticks: what providers have is looked at, what core plans of it is written, and
//! only then asked for.
//!
//! Each provider has a task and a pace of its own, so that one that hangs delays neither ticks nor
//! another provider. Two orchestrators are safe by their writes' conditions: whose write was taken asks.
//! Nothing is remembered that matters: a restart reads the rows and goes on.
//!
//! Absences: nothing is decided here (core's), no process is started here (a provider's).

mod board;
pub mod dev_box;
mod driver;
mod observe;
mod provider;
mod tell;

use std::fmt;
use std::sync::Arc;

use shraga_core::plan::machines::MachinePolicy;
use tokio_util::sync::CancellationToken;

pub use board::{Machines, Making};
pub(crate) use driver::{close, start};
pub use futures_util::future::BoxFuture;
pub use provider::{Pace, Provider};

/// Who makes machines, and what the operator decided about them.
#[derive(Clone, Default)]
pub struct Settings {
    /// The providers, each of a kind of its own. One without a group in the policy isn't asked.
    pub providers: Vec<Arc<dyn Provider>>,
    /// The policy.
    pub policy: MachinePolicy,
    /// Ends the looking after machines, before the orchestrator itself ends: nothing more is asked of
    /// a provider, and those whose machines have stopped meanwhile are written down as stopped.
    pub rest: CancellationToken,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.providers).finish()
    }
}
