//! How many operations go into one batch: adaptive, aiming at a time rather than a number.
//!
//! A batch that is too large runs into the request's deadline and leaves every part of it unknown;
//! one that is too small pays a round trip (and on the embedded store a commit) for little.

use std::time::Duration;

/// Operations in the first batch. Higher risks a deadline on a slow store before anything is
/// known of it; lower wastes the first round trips.
pub(crate) const FIRST_OPERATIONS: usize = 100;

/// Operations in a batch at most: what Dataverse accepts in one `$batch`.
pub(crate) const MAX_OPERATIONS: usize = 1000;

/// Operations in a batch at least: one change set of a plan (mirror, link, three events) must fit.
const MIN_OPERATIONS: usize = 10;

/// How long a batch should take. Higher risks `REQUEST_TIMEOUT` (30 s); lower means more requests
/// than the service's budget is meant for.
const AIM: Duration = Duration::from_secs(5);

/// The size of the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchSize(usize);

impl Default for BatchSize {
    fn default() -> Self {
        Self(FIRST_OPERATIONS)
    }
}

impl BatchSize {
    /// Operations that the next batch may hold.
    pub(crate) const fn operations(self) -> usize {
        self.0
    }

    /// The size after a batch of `operations` took `took`: moves towards the aim, at most doubling,
    /// and grows only if the batch was full enough to tell.
    #[must_use]
    pub(crate) fn after(self, operations: usize, took: Duration) -> Self {
        let full_enough = operations * 2 >= self.0;
        let took = took.max(Duration::from_millis(1));
        let fitting =
            usize::try_from(AIM.as_millis() * operations.max(1) as u128 / took.as_millis().max(1))
                .unwrap_or(MAX_OPERATIONS);
        let next = if fitting >= self.0 && !full_enough {
            self.0
        } else {
            fitting.min(self.0 * 2)
        };
        Self(next.clamp(MIN_OPERATIONS, MAX_OPERATIONS))
    }

    /// The size after a batch ran into its deadline: half.
    #[must_use]
    pub(crate) fn after_timeout(self) -> Self {
        Self((self.0 / 2).max(MIN_OPERATIONS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_full_batches_double_up_to_what_the_service_accepts() {
        let mut size = BatchSize::default();
        for _ in 0..10 {
            size = size.after(size.operations(), Duration::from_millis(20));
        }
        assert_eq!(size.operations(), MAX_OPERATIONS);
    }

    #[test]
    fn a_small_batch_says_nothing_about_large_ones() {
        let size = BatchSize::default().after(3, Duration::from_millis(2));
        assert_eq!(size, BatchSize::default());
    }

    #[test]
    fn slow_batches_shrink_to_the_aim_and_a_timeout_halves() {
        let size = BatchSize(400).after(400, Duration::from_secs(20));
        assert_eq!(size.operations(), 100);
        assert_eq!(size.after_timeout().operations(), 50);
        assert_eq!(BatchSize(11).after_timeout().operations(), MIN_OPERATIONS);
    }
}
