//! Rolling out releases, beside the ticks and never in their way.

use shraga_core::fleet::Fleet;
use shraga_core::time::Timestamp;
use shraga_core::update::Release;

/// What is rolled out, as last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rolling {
    /// Store time of the last look that was answered; `None` until there was one.
    pub looked: Option<Timestamp>,
    /// The fleet's row.
    pub fleet: Fleet,
    /// The release that this process may take now: newer than its own, after the canary stayed well with it, and
    /// not while the fleet is paused.
    pub take: Option<Release>,
    /// What somebody should know, as of the last look.
    pub notes: Vec<String>,
}
