//! Random histories keep every promise, contain what they claim to, and show each deliberate break.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use shraga_core::reason::Reason;
use shraga_sim::{Break, Coverage, Deed, Fault, Options, run, run_all, shrink};

/// Histories run here; `shraga sim` runs as many as wanted.
const HISTORIES: u64 = 10_000;

/// The first of them.
const FIRST_SEED: u64 = 1;

/// Histories in which a break must show at the latest.
const NOTICED_WITHIN: u64 = 1_000;

/// Steps that the shrunk history of a break may have at most. Some need a task to be done twice.
const SHORT: usize = 80;

/// Reasons that no history can show, each with why.
const NEVER: [Reason; 30] = [
    // The simulated orchestrators know who they are.
    Reason::AdminUnknown,
    // Nobody writes by hand what no program understands.
    Reason::Unreadable,
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
    Reason::AgentUnavailable,
    // There is one admin.
    Reason::AnotherAdmin,
    // Nobody of the model accepts a late result.
    Reason::Accepting,
    Reason::CandidateRefused,
    // Agents of the model have no vendor and no repository.
    Reason::RepositoryRefused,
    Reason::UsageLimit,
    Reason::RateLimited,
    Reason::ModelOverloaded,
    Reason::NotSignedIn,
    Reason::NoModel,
    Reason::ContextFull,
    Reason::PermissionRefused,
    Reason::RequestRefused,
    Reason::AgentSilent,
    // The model limits money alone; the rest is the meter's, in the worker.
    Reason::BudgetTokens,
    Reason::BudgetTurns,
    Reason::BudgetTime,
    Reason::BudgetOutput,
    Reason::PriceUnknown,
    Reason::UsageUnknown,
];

#[test]
fn every_promise_holds_in_every_history() {
    assert!(coverage().unwrap().faults.values().sum::<u64>() > HISTORIES);
}

#[test]
fn whatever_can_happen_happens_in_some_history() {
    let coverage = coverage().unwrap();
    let happened = |kinds: &BTreeMap<&'static str, u64>| -> BTreeSet<&'static str> {
        kinds.keys().copied().collect()
    };
    let faults = Fault::ALL.iter().map(|fault| fault.as_str());
    assert_eq!(happened(&coverage.faults), faults.collect());
    let deeds = Deed::ALL.iter().map(|deed| deed.as_str());
    assert_eq!(happened(&coverage.deeds), deeds.collect());
    let reasons = Reason::ALL.iter().filter(|reason| !NEVER.contains(reason));
    let given = happened(&coverage.reasons);
    let missing: Vec<_> = reasons
        .filter(|reason| !given.contains(reason.as_str()))
        .collect();
    assert!(missing.is_empty(), "never given: {missing:?}");
}

/// A failing seed as a person wants to see it.
struct Failure(String);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What all the histories contained; they run once, whatever comes of it.
fn coverage() -> Result<&'static Coverage, &'static Failure> {
    static ALL: OnceLock<Result<Coverage, Failure>> = OnceLock::new();
    let all = ALL.get_or_init(|| all_hold(FIRST_SEED, HISTORIES));
    all.as_ref()
}

/// Runs histories on all processors: what they contained, or the shrunk trace of the first that fails.
fn all_hold(first: u64, count: u64) -> Result<Coverage, Failure> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let seeds = first..first + count;
    let totals = run_all(seeds, &Options::default(), threads, || true);
    match totals.failed {
        Some((seed, _)) => Err(failure(seed)),
        None => Ok(totals.coverage),
    }
}

/// The shrunk trace of a seed, and what it broke.
fn failure(seed: u64) -> Failure {
    let shrunk = shrink(seed, &Options::default());
    let history = shrunk.map(|shrunk| shrunk.history).unwrap_or_default();
    let trace = history.trace.join("\n");
    let violation = history.violation.map(|violation| violation.to_string());
    let violation = violation.unwrap_or_default();
    Failure(format!("seed {seed}\n{trace}\n{violation}"))
}

#[test]
fn seeds_that_once_broke_a_promise_keep_it() {
    let seeds = include_str!("seeds.txt").lines();
    let seeds = seeds.filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in seeds {
        let seed = line.split_whitespace().next().unwrap();
        all_hold(seed.parse().unwrap(), 1).unwrap();
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
