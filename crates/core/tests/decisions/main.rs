//! The decisions, tried from outside: scenarios in text, an attempt's life step by step, and the
//! promises under random histories.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod accepting;
mod attempts;
mod build;
mod handover;
mod ledgers;
mod promises;
mod reasons;
mod restarted;
mod resumed;
mod scenarios;
mod sharing;
mod store;
mod world;
