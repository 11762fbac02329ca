//! What tests share: faults between client and server, stores whose time is moved by hand, builders.
//!
//! For tests only: no shipped crate depends on it. Everything here is deterministic: a fault is
//! armed by a test and fires on the next request it names, never by chance or by time.

pub mod center;
pub mod double;
pub mod evil;
pub mod faults;
pub mod legacy;
pub mod lesser;
pub mod limits;
pub mod model;
pub mod original;
pub mod site;
pub mod stage;
pub mod time;

pub use shraga_dataverse::transport::{BoxError, Transport};

/// An answer of a transport.
pub type Answer = http::Response<shraga_dataverse::transport::Body>;
