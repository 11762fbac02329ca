//! Where tokens come from: handed in by whoever knows how to sign in, for the service's scope
//! ([`SCOPE`](crate::Client::SCOPE)).

use std::fmt;

use futures_util::future::BoxFuture;
use http::HeaderValue;

/// Gives the tokens that requests carry.
pub trait Tokens: Send + Sync + fmt::Debug {
    /// The value of an `Authorization` header, marked sensitive.
    fn bearer(&self) -> BoxFuture<'_, Result<HeaderValue, NoToken>>;

    /// The service answered 401 to `bearer`: whether another token is worth a try at once.
    fn refuse(&self, bearer: &HeaderValue) -> bool;
}

/// There is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoToken {
    /// Why, for a person; no secrets.
    pub said: String,
    /// What to do about it, when there is something.
    pub hint: Option<String>,
    /// Whether it may help to ask again, without anybody changing anything.
    pub passes: bool,
}
