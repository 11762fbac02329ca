//! What makes machines: the one thing that a provider must be able to do for the driver.
//!
//! A provider decides nothing. It tells what it has and carries out what it is asked, and every request
//! is safe to repeat: one to make a machine looks first whether it is there. It knows no rows. It keeps
//! its own deadlines; the driver has longer ones behind them, and drops what doesn't end.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use shraga_core::machine::{Inventory, ProviderKind, Trouble};
use shraga_core::plan::machines::Act;
use shraga_core::time::Timestamp;

/// Makes machines.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Which one it is; there is one of each kind.
    fn kind(&self) -> ProviderKind;

    /// Whether its machines end with this process, so that those which have stopped by then are written
    /// down as stopped.
    fn ends_with_us(&self) -> bool {
        false
    }

    /// How often it may be asked.
    fn pace(&self) -> Pace;

    /// All machines it has, asked for at `now` (store time), ours and others.
    ///
    /// # Errors
    /// What is in the way, since `now`.
    fn list(&self, now: Timestamp) -> BoxFuture<'_, Result<Inventory, Trouble>>;

    /// Does what `act` says, unless it is done already. That it was accepted is enough: how far it is
    /// shows in the next list. Never called for [`ActKind::Link`](shraga_core::plan::machines::ActKind).
    ///
    /// # Errors
    /// What is in the way, since `now`.
    fn act<'a>(&'a self, act: &'a Act, now: Timestamp) -> BoxFuture<'a, Result<(), Trouble>>;

    /// Where the machine's person connects to it; `None` where there is no such address.
    ///
    /// # Errors
    /// What is in the way, since `now`.
    fn link<'a>(
        &'a self,
        act: &'a Act,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>, Trouble>>;
}

/// How often a provider may be asked what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Least time between two questions, whatever happens.
    pub least: Duration,
    /// Between two while something is under way.
    pub busy: Duration,
    /// Between two while nothing is: what was changed behind our back shows after this long.
    pub quiet: Duration,
}
