//! Random histories keep every promise, and each deliberate break is noticed.

use shraga_sim::{Break, Options, run};

/// Histories run here; `examples/histories.rs` runs as many as wanted.
const HISTORIES: u64 = 100;

/// Histories in which a break must show at the latest.
const NOTICED_WITHIN: u64 = 100;

#[test]
fn every_promise_holds_in_every_history() {
    let mut faults = 0;
    for seed in 0..HISTORIES {
        let history = run(seed, &Options::default());
        if let Some(violation) = &history.violation {
            let options = Options {
                trace: true,
                ..Options::default()
            };
            let trace = run(seed, &options).trace.join("\n");
            panic!("{trace}\nseed {seed}: {violation}");
        }
        faults += history.faults;
    }
    assert!(faults > HISTORIES, "there were hardly any faults");
}

#[test]
fn the_same_seed_is_the_same_history() {
    let options = Options {
        trace: true,
        ..Options::default()
    };
    assert_eq!(run(7, &options).trace, run(7, &options).trace);
}

#[test]
fn every_deliberate_break_is_noticed() {
    for broken in Break::ALL {
        let options = Options {
            broken: Some(broken),
            ..Options::default()
        };
        let noticed = (0..NOTICED_WITHIN).find(|seed| run(*seed, &options).violation.is_some());
        assert!(noticed.is_some(), "nobody noticed {broken:?}");
    }
}
