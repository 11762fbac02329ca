//! The orchestrator: observe, plan, apply, and nothing else.
//!
//! A tick reads bounded windows for all its loops in one batch, hands them to core, and applies what
//! core planned in batches of conditional change sets. Nothing is retried (but for links, at stores
//! without change sets) and nothing recovered: what failed its condition, got lost or was cut short is
//! seen again by the next tick and planned again.
//! What is kept between ticks (`memory.rs`) only spares reads, and may be lost at any time.
//!
//! Invariants: every write carries a condition; a row that can't be understood or is refused for good
//! never keeps those behind it from their turn; the store's clock is the only one decisions see; an
//! error never ends a run once the store was reached.
//!
//! Absences: no decision about tasks (core's), no HTTP server, no files, no environment, no printing.

mod apply;
mod batch;
mod census;
mod clock;
mod config;
mod consult;
mod courtesy;
pub mod dev_box;
mod driver;
mod fleet;
mod identity;
mod link;
mod lookout;
mod loops;
pub mod machines;
mod memory;
mod observe;
mod probe;
mod settle;
mod status;
mod stopper;
mod tell;
mod tick;
mod trouble;
mod update;
mod walk;
mod wiring;

pub use census::Census;
pub use clock::Moment;
pub use config::{Config, LinkTries};
pub use driver::{Finished, Left, Orchestrator, RunError};
pub use fleet::{Rolling, roll_out};
pub use status::{
    Counts, Degraded, LastResult, LeaseView, LoopStatus, Phase, Reason, Status, StoreKind,
};
pub use tick::TickReport;
