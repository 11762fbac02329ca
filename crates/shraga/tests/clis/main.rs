//! Vendors' real command lines under the real worker, with nothing scripted but what the model says.
//!
//! They are not part of the ordinary tests, since they need hundreds of megabytes of other people's
//! programs: `cargo xtask interop --only claude` (or `codex`) installs those and runs these. No
//! account is used, and nothing but loopback is talked to.
#![cfg(unix)]

#[cfg(test)]
mod claude;
#[cfg(test)]
mod codex;
#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod scene;
