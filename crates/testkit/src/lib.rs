//! What tests share: faults between client and server, a store clock moved by hand, builders.
//!
//! For tests only: no shipped crate depends on it. Everything here is deterministic: a fault is
//! armed by a test and fires on the next request it names, never by chance or by time.

pub mod clock;
pub mod faults;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use tower::util::BoxCloneSyncService;

/// What a failed request is told by a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An answer of a transport.
pub type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// A transport as the shipped client takes it: the seam the layers of this crate go into.
pub type Transport = BoxCloneSyncService<Request<Bytes>, Answer, BoxError>;
