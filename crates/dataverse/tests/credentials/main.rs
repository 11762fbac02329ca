//! Credentials on real sockets and with real programs: a sign-in service, a metadata service, an `az`
//! and an `azd` of our own, each with every fault we could think of.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what fails here fails the test"
)]

mod requests;
mod server;
mod services;
mod tools;
mod world;
