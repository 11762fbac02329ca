//! What carries requests: handed in, so that tests put a fake there, and the program the network it uses for all.
//!
//! It must follow no redirect: a token must not travel.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use tower::util::BoxCloneSyncService;

/// Any error of a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A service that answers requests.
pub type Transport = BoxCloneSyncService<http::Request<Bytes>, http::Response<Body>, BoxError>;
