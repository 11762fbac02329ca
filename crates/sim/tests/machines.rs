//! Histories of machines keep every promise, contain what they claim to, and show each deliberate break.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use shraga_sim::{Break, MachineDeed, MachineFault, Options, run, run_all, shrink};

/// Histories run here; `shraga sim --machines` runs as many as wanted.
const HISTORIES: u64 = 1_000;

/// Histories in which a break must show at the latest.
const NOTICED_WITHIN: u64 = 500;

/// Steps that the shrunk history of a break may have at most.
const SHORT: usize = 60;

fn machines(broken: Option<Break>) -> Options {
    Options {
        machines: true,
        broken,
        ..Options::default()
    }
}

#[test]
fn every_promise_holds_and_whatever_can_happen_happens() {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let totals = run_all(1..1 + HISTORIES, &machines(None), threads, || true);
    if let Some((seed, violation)) = totals.failed {
        let shrunk = shrink(seed, &machines(None)).unwrap();
        let trace = shrunk.history.trace.join("\n");
        panic!("seed {seed}\n{trace}\n{violation}");
    }
    let happened: BTreeSet<&str> = totals.coverage.faults.keys().copied().collect();
    let faults = MachineFault::ALL.iter().map(|fault| fault.as_str());
    assert_eq!(happened, faults.collect());
    let happened: BTreeSet<&str> = totals.coverage.deeds.keys().copied().collect();
    let deeds = MachineDeed::ALL.iter().map(|deed| deed.as_str());
    assert_eq!(happened, deeds.collect());
}

#[test]
fn the_same_seed_is_the_same_history() {
    let options = Options {
        trace: true,
        ..machines(None)
    };
    let (one, other) = (run(7, &options), run(7, &options));
    assert!(one.trace.len() > 100, "a history has a trace");
    assert_eq!(one.trace, other.trace);
}

#[test]
fn every_deliberate_break_is_noticed_and_its_trace_is_short() {
    for broken in Break::OF_MACHINES {
        let options = machines(Some(broken));
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
