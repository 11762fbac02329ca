//! What the real binary shows of itself: health, readiness, metrics, and what it tells systemd.
#![cfg(unix)]

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod exposition;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod systemd;
