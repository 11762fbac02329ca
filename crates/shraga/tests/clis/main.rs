//! Vendors' real command lines under the real worker, with nothing scripted but what the model says.
//!
//! They are not part of the ordinary tests, since they need hundreds of megabytes of other people's
//! programs: `cargo xtask interop --only claude` (or `codex`) installs those and runs these. No
//! account is used, and nothing but loopback is talked to.
#![cfg(unix)]

mod claude;
mod codex;
#[path = "../common/mod.rs"]
mod common;
mod scene;
