//! Clients of a server that misbehaves as a test tells it to.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests: what fails here fails the test"
)]

use std::time::Duration;

use shraga_dataverse::transport::{NetworkOptions, network};
use shraga_dataverse::{Client, Options};
use shraga_testkit::evil::Evil;

pub(crate) use shraga_testkit::evil::{Act, json, reply};

/// The server, and clients of it.
pub(crate) struct Fake {
    pub(crate) address: String,
    evil: Evil,
}

impl Fake {
    /// Starts it. The last act is repeated for ever.
    pub(crate) fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let evil = Evil::with(acts);
        Self {
            address: evil.url(),
            evil,
        }
    }

    /// A client of it that retries at once.
    pub(crate) fn client(&self) -> Client {
        Client::new(options(&self.address)).unwrap()
    }

    /// A client that waits a second for an answer: for acts that never give one.
    pub(crate) fn impatient(&self) -> Client {
        let mut options = options(&self.address);
        options.request_timeout = Duration::from_secs(1);
        Client::new(options).unwrap()
    }

    /// The requests so far: first line, headers, body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.evil
            .seen()
            .into_iter()
            .map(|request| request.text)
            .collect()
    }
}

pub(crate) fn options(address: &str) -> Options {
    let transport = network(&NetworkOptions {
        no_proxy: true,
        ..NetworkOptions::default()
    });
    let mut options = Options::new(address.parse().unwrap(), transport.unwrap());
    options.first_retry_delay = Duration::from_millis(1);
    options.token = Some("secret".to_owned().into());
    options
}
