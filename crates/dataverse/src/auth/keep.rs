//! When a token is used, and when a credential is asked: decided from times alone.
//!
//! - A token is renewed five minutes before it expires; until it does, requests go on with it.
//! - Whether the asking worked or not, nobody is asked again within half a minute, so that a broken
//!   credential costs one attempt and not one per request.
//! - A token that the service refuses (401) is replaced once, then not again for half a minute.
//!
//! Nothing here waits or reads a clock.

use http::HeaderValue;
use shraga_core::time::{Span, Timestamp};

use super::kind::Kind;
use super::trouble::NoToken;

/// How long before its expiry a token is renewed. Less lets it expire under way, much more renews
/// tokens that the tools have in store for longer.
const RENEW_BEFORE: Span = Span::mins(5);

/// How long nobody is asked again. Less hammers the sign-in service (or starts `az` all the time),
/// more makes a person wait for the daemon to notice that she has logged in.
const ASK_AGAIN_AFTER: Span = Span::secs(30);

/// A token that a request may carry.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    /// `Bearer ...`, marked sensitive: never shown.
    pub(super) header: HeaderValue,
    /// When it is of no use any more, by the clock of this machine.
    pub(super) expires: Timestamp,
    /// Who gave it.
    pub(super) kind: Kind,
}

/// What to do for a request that needs a token.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// Take this one.
    Use(Bearer),
    /// Take this one, and have it renewed meanwhile.
    UseAndAsk(Bearer),
    /// Wait for a new one.
    Ask,
    /// It was asked for just now, in vain.
    Fail(NoToken),
}

/// What is known of tokens.
#[derive(Debug, Default)]
pub(super) struct Keep {
    held: Option<Bearer>,
    /// When a credential was asked last, and why in vain.
    asked: Option<(Timestamp, Option<NoToken>)>,
    /// The service refused what is held.
    refused: bool,
    /// When a token was last replaced because the service refused it.
    replaced: Option<Timestamp>,
}

impl Keep {
    /// What to do for a request at `now`.
    pub(super) fn next(&self, now: Timestamp) -> Next {
        let usable = self.usable(now);
        let asked = self.asked.as_ref();
        let asked = asked.filter(|(at, _)| is_recent(*at, now));
        match (usable, asked) {
            (Some(held), _) if now.plus(RENEW_BEFORE) < held.expires => Next::Use(held.clone()),
            (Some(held), Some(_)) => Next::Use(held.clone()),
            (Some(held), None) => Next::UseAndAsk(held.clone()),
            (None, Some((_, Some(trouble)))) => Next::Fail(trouble.clone()),
            (None, Some((_, None)) | None) => Next::Ask,
        }
    }

    /// What is held, if it can still be used.
    pub(super) fn usable(&self, now: Timestamp) -> Option<&Bearer> {
        let held = self.held.as_ref();
        held.filter(|held| !self.refused && now < held.expires)
    }

    /// Notes what came of asking.
    pub(super) fn learn(&mut self, now: Timestamp, outcome: Result<Bearer, NoToken>) {
        match outcome {
            Ok(bearer) => {
                self.held = Some(bearer);
                self.refused = false;
                self.asked = Some((now, None));
            }
            Err(trouble) => self.asked = Some((now, Some(trouble))),
        }
    }

    /// The service refused the token in `header`: whether another one is worth a try.
    pub(super) fn refuse(&mut self, header: &HeaderValue, now: Timestamp) -> bool {
        let is_held = self
            .held
            .as_ref()
            .is_some_and(|held| held.header == *header);
        if !is_held {
            // Another request has replaced it meanwhile.
            return self.held.is_some();
        }
        if self.replaced.is_some_and(|at| is_recent(at, now)) {
            return self.refused;
        }
        self.refused = true;
        self.replaced = Some(now);
        true
    }
}

/// Whether `at` is within the time in which nobody is asked again. A clock that was set back makes
/// nothing recent.
fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    let ago = now.since(at);
    Span::ZERO <= ago && ago < ASK_AGAIN_AFTER
}
