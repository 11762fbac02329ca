//! The store's tables against what Shraga wants of them: looking, and adding what is missing.
//!
//! What is wanted is data of `shraga-wire`; comparing is its, too. Here is who asks, waits and says.

pub mod apply;
mod check;
pub mod show;

pub use check::{Findings, check};
