//! `shraga schema`: what a store's tables lack is named, and added without touching what is there.
//!
//! The library is told through the shipped client and server in one process, with faults between the
//! two; the verb through the real binary and a store behind a real socket.

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;

#[cfg(test)]
mod adding;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod looking;
#[cfg(test)]
mod run;
#[cfg(test)]
mod verb;
