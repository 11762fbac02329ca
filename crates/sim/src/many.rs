//! Many histories at once, on as many threads as wanted.
//!
//! Seeds are taken in order, and nothing is taken up after one failed, so the first failing seed is
//! always the same.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Coverage, History, Options, Violation, run};

/// What many histories were like.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Histories that ran to their end.
    pub histories: u64,
    /// Steps taken while there were faults.
    pub steps: u64,
    /// Rounds until all came to rest.
    pub rounds: u64,
    /// Tasks filed.
    pub tasks: u64,
    /// Change sets that happened.
    pub writes: u64,
    /// Change sets that a condition refused.
    pub refused: u64,
    /// Faults injected while a history ran.
    pub faults: u64,
    /// What happened, by kind.
    pub coverage: Coverage,
    /// The first seed that broke a promise, and how.
    pub failed: Option<(u64, Violation)>,
}

impl Totals {
    fn count(&mut self, seed: u64, history: History) {
        self.histories += 1;
        self.steps += history.steps;
        self.rounds += history.rounds;
        self.tasks += history.tasks;
        self.writes += history.writes;
        self.refused += history.refused;
        self.faults += history.faults;
        self.coverage.add(&history.coverage);
        self.fail(history.violation.map(|violation| (seed, violation)));
    }

    fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.steps += other.steps;
        self.rounds += other.rounds;
        self.tasks += other.tasks;
        self.writes += other.writes;
        self.refused += other.refused;
        self.faults += other.faults;
        self.coverage.add(&other.coverage);
        self.fail(other.failed);
    }

    fn fail(&mut self, failed: Option<(u64, Violation)>) {
        let first = |a: &(u64, Violation), b: &(u64, Violation)| a.0.cmp(&b.0);
        let both = self.failed.take().into_iter().chain(failed);
        self.failed = both.min_by(first);
    }
}

/// Runs the histories of `seeds` on `threads` threads, until one fails or `go_on`, which is asked
/// before each, says no.
#[must_use]
pub fn run_all(
    seeds: Range<u64>,
    options: &Options,
    threads: NonZeroUsize,
    go_on: impl Fn() -> bool + Sync,
) -> Totals {
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    let share = || {
        let mut totals = Totals::default();
        while !failed.load(Ordering::Relaxed) && go_on() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            totals.count(seed, run(seed, options));
            if totals.failed.is_some() {
                failed.store(true, Ordering::Relaxed);
            }
        }
        totals
    };
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads.get()).map(|_| scope.spawn(share)).collect();
        let mut sum = Totals::default();
        for share in shares {
            match share.join() {
                Ok(totals) => sum.add(totals),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        sum
    })
}
