//! Machines beside the ticks.
//!
//! Absences: nothing is decided here (core's), no process is started here (a provider's).

mod provider;

pub use provider::{Pace, Provider};
