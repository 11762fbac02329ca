//! A Dev Center that fails is left alone, ever longer, and everything about it is told from when it began.
//!
//! Waits are tokio's time; what is told is the store's.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use shraga_core::machine::{Trouble, TroubleClass};
use shraga_core::time::{Span, Timestamp};

use crate::clock::Moment;

/// The first wait after trouble that passes; it doubles with each, and is jittered.
const FIRST: Duration = Duration::from_secs(30);
/// The longest of them, before jitter: how much later than the service anything recovers.
const LONGEST: Duration = Duration::from_secs(900);
/// Between two looks whether somebody has signed in: it costs no request until somebody has.
const SIGN_IN: Duration = Duration::from_secs(60);
/// Between two looks whether a right was given, or a setting made true there.
const DENIED: Duration = Duration::from_secs(900);

/// What is known of the trouble that lasts.
#[derive(Debug, Default)]
pub(super) struct Rest {
    trouble: Option<Trouble>,
    until: Option<Moment>,
    waits: Option<ExponentialBackoff>,
}

impl Rest {
    /// The trouble, while the service is left alone because of it.
    pub(super) fn lasts(&self, now: Timestamp) -> Option<Trouble> {
        let until = self.until.filter(|until| !until.passed())?;
        let left = span(until.until());
        self.trouble.clone().map(|trouble| Trouble {
            again: Some(now.plus(left)),
            ..trouble
        })
    }

    /// Takes note of what a look gave, and dates it.
    pub(super) fn note<T>(
        &mut self,
        looked: Result<T, Trouble>,
        now: Timestamp,
    ) -> Result<T, Trouble> {
        let trouble = match looked {
            Ok(seen) => {
                *self = Self::default();
                return Ok(seen);
            }
            Err(trouble) => trouble,
        };
        let before = self.trouble.as_ref().filter(|it| it.class == trouble.class);
        let since = before.map_or(now, |it| it.since);
        let wait = self.wait(&trouble, now);
        self.until = Some(Moment::now().plus(wait));
        let trouble = Trouble {
            since,
            again: Some(now.plus(span(wait))),
            ..trouble
        };
        self.trouble = Some(trouble.clone());
        Err(trouble)
    }

    fn wait(&mut self, trouble: &Trouble, now: Timestamp) -> Duration {
        let asked = trouble.again.map(|at| at.since(now).as_millis());
        match trouble.class {
            TroubleClass::SignIn | TroubleClass::Unconfigured => SIGN_IN,
            TroubleClass::Denied | TroubleClass::Misconfigured | TroubleClass::Invalid => DENIED,
            TroubleClass::Throttled if asked.is_some() => {
                let millis = u64::try_from(asked.unwrap_or_default()).unwrap_or(0);
                Duration::from_millis(millis)
            }
            TroubleClass::Transient
            | TroubleClass::Throttled
            | TroubleClass::Capacity
            | TroubleClass::Malformed
            | TroubleClass::Failed => {
                let waits = self.waits.get_or_insert_with(waits);
                waits.next().unwrap_or(LONGEST)
            }
        }
    }
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST)
        .with_max_delay(LONGEST)
        .without_max_times()
        .with_jitter()
        .build()
}

fn span(of: Duration) -> Span {
    Span::millis(i64::try_from(of.as_millis()).unwrap_or(i64::MAX))
}
