//! The breaker: a Dev Center that fails is left alone, and tried now and then. Everything about its trouble is told from
//! when it began.
//!
//! Closed, a look that failed is followed by the next at the usual pace. After five in a row it opens: nothing is asked
//! but a probe (one look, which begins with one request for the project and ends at the first failure), after waits that
//! double. One answer closes it. Refusals are answers: they have waits of their own.
//!
//! Waits are tokio's time; what is told is the store's.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use shraga_core::machine::{Trouble, TroubleClass};
use shraga_core::time::{Span, Timestamp};

use crate::clock::Moment;

/// Looks in a row that fail before the service counts as dead: as for the store's.
const FAILURES: u32 = 5;
/// Between looks that fail before it opens.
const CLOSED: Duration = Duration::from_secs(30);
/// The first wait for a probe; it doubles with each that fails, and is jittered.
const FIRST: Duration = Duration::from_secs(60);
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
    /// Looks that failed, without an answer in between.
    failures: u32,
    /// The waits for probes, while it is open.
    open: Option<ExponentialBackoff>,
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
                if self.open.is_some() {
                    tracing::info!("the Dev Center answers again");
                }
                *self = Self::default();
                return Ok(seen);
            }
            Err(trouble) => trouble,
        };
        let before = self.trouble.as_ref().filter(|it| it.class == trouble.class);
        let since = before.map_or(now, |it| it.since);
        let wait = self.wait(&trouble, now);
        self.until = Some(Moment::now().plus(wait));
        let said = match self.open {
            Some(_) => format!(
                "left alone after {} failures in a row, but for a probe now and then: {}",
                self.failures, trouble.said
            ),
            None => trouble.said,
        };
        let trouble = Trouble {
            said,
            since,
            again: Some(now.plus(span(wait))),
            ..trouble
        };
        self.trouble = Some(trouble.clone());
        Err(trouble)
    }

    fn wait(&mut self, trouble: &Trouble, now: Timestamp) -> Duration {
        match trouble.class {
            TroubleClass::SignIn | TroubleClass::Unconfigured => self.answered(SIGN_IN),
            TroubleClass::Denied | TroubleClass::Misconfigured | TroubleClass::Invalid => {
                self.answered(DENIED)
            }
            TroubleClass::Throttled => {
                let asked = trouble.again.map(|at| at.since(now).as_millis());
                let asked = asked.and_then(|millis| u64::try_from(millis).ok());
                self.answered(asked.map_or(FIRST, Duration::from_millis))
            }
            TroubleClass::Transient
            | TroubleClass::Capacity
            | TroubleClass::Malformed
            | TroubleClass::Failed => self.failed(&trouble.said),
        }
    }

    /// It answered, though with a refusal.
    fn answered(&mut self, wait: Duration) -> Duration {
        (self.failures, self.open) = (0, None);
        wait
    }

    fn failed(&mut self, said: &str) -> Duration {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return CLOSED;
        }
        if self.open.is_none() {
            tracing::warn!(
                failures = self.failures,
                "the Dev Center fails, and is only tried now and then until it answers: {said}"
            );
        }
        let waits = self.open.get_or_insert_with(waits);
        waits.next().unwrap_or(LONGEST)
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

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn trouble(class: TroubleClass) -> Trouble {
        Trouble {
            class,
            said: "no answer".to_owned(),
            since: NOON,
            again: None,
        }
    }

    /// Lets a look fail as soon as one may be made; how long it was waited, and what is said then.
    async fn fails(rest: &mut Rest, class: TroubleClass, at: Timestamp) -> (Duration, Trouble) {
        let begun = Moment::now();
        while rest.lasts(at).is_some() {
            advance(Duration::from_secs(1)).await;
        }
        let waited = begun.elapsed();
        let said = rest.note::<()>(Err(trouble(class)), at).unwrap_err();
        (waited, said)
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_a_probe_that_fails_doubles_the_wait_and_an_answer_closes_it()
     {
        let mut rest = Rest::default();
        for n in 0..4_i64 {
            let at = NOON.plus(Span::mins(n));
            let (_, said) = fails(&mut rest, TroubleClass::Transient, at).await;
            assert_eq!((said.said.as_str(), said.since), ("no answer", NOON));
        }
        let mut least = CLOSED;
        for n in 5..12_i64 {
            let at = NOON.plus(Span::mins(n));
            let (waited, said) = fails(&mut rest, TroubleClass::Transient, at).await;
            assert!(waited >= least, "probe {n} after {waited:?}");
            assert!(
                said.said
                    .starts_with(&format!("left alone after {n} failures in a row")),
                "{said:?}"
            );
            assert_eq!(said.since, NOON);
            assert!(said.again.is_some_and(|again| again > at));
            least = (FIRST * 2_u32.pow(u32::try_from(n - 5).unwrap())).min(LONGEST);
        }
        assert!(rest.lasts(NOON).is_some(), "it is left alone");
        assert_eq!(rest.note(Ok(7), NOON).ok(), Some(7));
        assert!(rest.lasts(NOON).is_none());
        let (_, said) = fails(&mut rest, TroubleClass::Transient, NOON).await;
        assert_eq!(said.said, "no answer", "one failure does not open it again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_an_answer_with_a_wait_of_its_own() {
        let mut rest = Rest::default();
        for _ in 0..4 {
            fails(&mut rest, TroubleClass::Transient, NOON).await;
        }
        let (_, said) = fails(&mut rest, TroubleClass::Denied, NOON).await;
        assert_eq!(said.again, Some(NOON.plus(span(DENIED))));
        for _ in 0..4 {
            let (_, said) = fails(&mut rest, TroubleClass::Malformed, NOON).await;
            assert_eq!(said.said, "no answer");
        }
        let (_, said) = fails(&mut rest, TroubleClass::Malformed, NOON).await;
        assert!(said.said.starts_with("left alone after 5"), "{said:?}");
    }
}
