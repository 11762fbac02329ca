//! Which step a transport failed at, by the types of the errors underneath.

use std::error::Error as StdError;

use super::BoxError;
use super::network::Unresolved;
use crate::error::{Cause, Error};

/// The error that a transport's failure is.
pub(crate) fn of(error: BoxError, host: String) -> Error {
    let not_sent = error
        .downcast_ref::<reqwest::Error>()
        .is_some_and(reqwest::Error::is_connect);
    let unresolved = within::<Unresolved>(&*error);
    let insecure = within::<rustls::Error>(&*error);
    let source = Cause::new(without_address(error));
    match (unresolved, insecure, not_sent) {
        (true, _, _) => Error::Dns { host, source },
        (_, true, true) => Error::Tls { host, source },
        (_, _, true) => Error::Connect { host, source },
        (_, _, false) => Error::Broken { host, source },
    }
}

/// The error without the address it names: hosts are named beside it, and queries hold other people's words.
fn without_address(error: BoxError) -> BoxError {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => error.without_url().into(),
        Err(error) => error,
    }
}

/// Whether an error of type `T` is among the causes. I/O errors hide theirs behind `get_ref`.
fn within<T: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<T>() {
            return true;
        }
        let hidden = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if hidden.is_some_and(|hidden| within::<T>(hidden)) {
            return true;
        }
        next = error.source();
    }
    false
}
