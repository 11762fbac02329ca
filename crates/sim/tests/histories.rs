//! Random histories keep every promise, contain what they claim to, and show each deliberate break.

use std::sync::atomic::{AtomicU64, Ordering};

use shraga_core::reason::Reason;
use shraga_sim::{Break, Coverage, Deed, Fault, Options, run, shrink};

/// Histories run here; `shraga sim` runs as many as wanted.
const HISTORIES: u64 = 10_000;

/// The first of them.
const FIRST_SEED: u64 = 1;

/// Histories in which a break must show at the latest.
const NOTICED_WITHIN: u64 = 1_000;

/// Steps that the shrunk history of a break may have at most.
const SHORT: usize = 40;

/// Reasons that no history can show, each with why.
const NEVER: [Reason; 9] = [
    // The simulated orchestrators know who they are.
    Reason::AdminUnknown,
    // They read everything that they need, and assign whenever they like.
    Reason::NotSeen,
    Reason::NotOurTurn,
    // These explain a wait, and are not written into rows.
    Reason::Unlinked,
    Reason::Backoff,
    Reason::AllFull,
    // Nobody makes up so many rows that no identity is left.
    Reason::Quarantined,
    // The model store has every column.
    Reason::NotFenced,
    // The model store refuses no content, and agents of the model can always be started.
    Reason::Invalid,
];

#[test]
fn every_promise_holds_in_every_history_and_everything_that_can_happen_does() {
    let coverage = all_hold(FIRST_SEED, HISTORIES);
    let names = |kinds: &std::collections::BTreeMap<&'static str, u64>| -> Vec<&'static str> {
        kinds.keys().copied().collect()
    };
    let mut faults: Vec<_> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
    faults.sort_unstable();
    assert_eq!(names(&coverage.faults), faults);
    let mut deeds: Vec<_> = Deed::ALL.iter().map(|deed| deed.as_str()).collect();
    deeds.sort_unstable();
    assert_eq!(names(&coverage.deeds), deeds);
    let reasons = Reason::ALL.iter().filter(|reason| !NEVER.contains(reason));
    let missing: Vec<_> = reasons
        .filter(|reason| !coverage.reasons.contains_key(reason.as_str()))
        .filter(|reason| **reason != Reason::AgentUnavailable)
        .collect();
    assert!(missing.is_empty(), "never given: {missing:?}");
}

/// Runs histories on all processors; panics with the shrunk trace of the first that fails.
fn all_hold(first: u64, count: u64) -> Coverage {
    let next = AtomicU64::new(first);
    let share = || {
        let mut coverage = Coverage::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return coverage;
            }
            let history = run(seed, &Options::default());
            assert!(history.violation.is_none(), "{}", failure(seed));
            coverage.add(&history.coverage);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        let mut sum = Coverage::default();
        for share in shares {
            match share.join() {
                Ok(coverage) => sum.add(&coverage),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        sum
    })
}

/// A failing seed as a person wants to see it.
fn failure(seed: u64) -> String {
    let shrunk = shrink(seed, &Options::default());
    let history = shrunk.map(|shrunk| shrunk.history).unwrap_or_default();
    let trace = history.trace.join("\n");
    let violation = history.violation.map(|violation| violation.to_string());
    format!("seed {seed}\n{trace}\n{}", violation.unwrap_or_default())
}

#[test]
fn seeds_that_once_broke_a_promise_keep_it() {
    let seeds = include_str!("seeds.txt").lines();
    let seeds = seeds.filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in seeds {
        let seed = line.split_whitespace().next().unwrap();
        all_hold(seed.parse().unwrap(), 1);
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    let options = Options {
        trace: true,
        ..Options::default()
    };
    let (one, other) = (run(7, &options), run(7, &options));
    assert!(one.trace.len() > 100, "a history has a trace");
    assert_eq!(one.trace, other.trace);
}

#[test]
fn every_deliberate_break_is_noticed_and_its_trace_is_short() {
    for broken in Break::ALL {
        let options = Options {
            broken: Some(broken),
            ..Options::default()
        };
        let noticed = (0..NOTICED_WITHIN).find_map(|seed| shrink(seed, &options));
        let shrunk = noticed.unwrap_or_else(|| panic!("nobody noticed {broken:?}"));
        let trace = shrunk.history.trace.join("\n");
        assert!(
            shrunk.steps <= SHORT && shrunk.history.violation.is_some(),
            "{broken:?} takes {} steps:\n{trace}",
            shrunk.steps
        );
    }
}
