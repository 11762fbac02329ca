//! The deterministic simulator: the shipped decisions over a model of a store, with faults.
//!
//! One seed is one history: several orchestrators, workers of ours and of the original's, and people
//! act on one store in an order the seed decides, and between any two writes something may crash, be
//! lost, repeated, delayed, throttled or cut off. After every write the promises are checked
//! ([`Promise`]); at the end the faults stop and everything must come to rest. The same seed gives
//! the same history, always.
//!
//! It knows the core only. Its store is the one allowed model of a store in the workspace.

mod acts;
mod agent;
mod breaks;
mod calm;
mod clock;
mod coverage;
mod judge;
mod legacy;
mod lesser;
mod lives;
mod machines;
mod many;
mod misfortune;
mod money;
mod names;
mod network;
mod observe;
mod orchestrator;
mod people;
mod promises;
mod rest;
mod script;
mod shrink;
mod store;
mod streams;
mod view;
mod watch;
mod worker;
mod world;

pub use breaks::Break;
pub use coverage::{Coverage, Deed, Fault, MachineDeed, MachineFault};
pub use many::{Totals, run_all};
pub use promises::{Promise, Violation};
pub use shrink::{Shrunk, shrink};

use script::Script;
use world::World;

/// How histories are run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether they are of machines rather than of tasks.
    pub machines: bool,
    /// A rule of the shipped code to break on purpose, to see that the simulator notices.
    pub broken: Option<Break>,
    /// Whether to keep a line for every step.
    pub trace: bool,
}

/// What one history was like.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The last step taken, of those with faults.
    pub steps: u64,
    /// Rounds until everything came to rest.
    pub rounds: u64,
    /// Tasks filed.
    pub tasks: u64,
    /// Change sets that happened.
    pub writes: u64,
    /// Change sets that a condition refused.
    pub refused: u64,
    /// Faults injected.
    pub faults: u64,
    /// What happened, by kind.
    pub coverage: Coverage,
    /// A line for every step, when asked for.
    pub trace: Vec<String>,
    /// The broken promise, if one was broken.
    pub violation: Option<Violation>,
}

/// Runs the history of `seed`.
#[must_use]
pub fn run(seed: u64, options: &Options) -> History {
    live(Script::of(seed), options)
}

/// Runs the history of a script.
fn live(script: Script, options: &Options) -> History {
    match options.machines {
        true => machines::World::new(script, options).run(),
        false => World::new(script, options).run(),
    }
}
