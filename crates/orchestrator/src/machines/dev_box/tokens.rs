//! The identity of the whole program, as the Dev Center's client wants it.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use shraga_dataverse::auth::Credentials;
use shraga_devcenter::{Client, NoToken, Tokens};

/// Tokens for the Dev Center from the credentials that the store's come from.
#[derive(Clone, Debug)]
pub struct Identity(Credentials);

impl Identity {
    /// The same identity, for the Dev Center.
    #[must_use]
    pub fn new(credentials: &Credentials) -> Self {
        Self(credentials.for_scope(Client::SCOPE))
    }
}

impl Tokens for Identity {
    fn bearer(&self) -> BoxFuture<'_, Result<HeaderValue, NoToken>> {
        async {
            let bearer = self.0.authorization().await;
            bearer.map_err(|error| NoToken {
                said: error.to_string(),
                hint: Some(error.hint()),
                passes: error.is_passing(),
            })
        }
        .boxed()
    }

    fn refuse(&self, bearer: &HeaderValue) -> bool {
        self.0.refuse_authorization(bearer)
    }
}
