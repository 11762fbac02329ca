//! The breaker opens after failures in a row, lets one probe through at a time, and closes at an answer.

use proptest::prelude::*;

use super::*;
use crate::error::Stage;
use shraga_wire::fault::Fault;

const SEND: Leave = Leave { probe: None };

fn dead() -> Sign {
    Sign::Dead(Cause::new("refused".into()))
}

fn opened(now: Duration) -> Circuit {
    let mut circuit = Circuit::default();
    for _ in 0..FAILURES {
        let leave = circuit.admit(now).unwrap();
        circuit.note(leave, dead(), now);
    }
    circuit
}

#[test]
fn it_opens_after_failures_in_a_row_and_an_answer_in_between_starts_anew() {
    let mut circuit = Circuit::default();
    for _ in 0..10 {
        for _ in 1..FAILURES {
            circuit.note(SEND, dead(), Duration::ZERO);
        }
        circuit.note(SEND, Sign::Alive, Duration::ZERO);
    }
    assert!(circuit.admit(Duration::ZERO).is_ok());
    let outage = opened(Duration::ZERO)
        .admit(Duration::from_secs(1))
        .unwrap_err();
    assert_eq!(outage.failures, FAILURES);
    assert_eq!(outage.lasts, Duration::from_secs(1));
    assert!(outage.next_probe >= FIRST_WAIT - Duration::from_secs(1));
}

#[test]
fn one_probe_at_a_time_goes_and_each_failed_one_waits_longer() {
    let mut now = Duration::from_secs(100);
    let mut circuit = opened(now);
    let mut last = Duration::ZERO;
    for probe in 0..8 {
        let outage = circuit.admit(now).unwrap_err();
        assert!(outage.next_probe >= last.min(LONGEST_WAIT), "probe {probe}");
        assert!(outage.next_probe <= LONGEST_WAIT * 2);
        last = outage.next_probe / 2;
        now += outage.next_probe;
        let leave = circuit.admit(now).unwrap();
        assert!(circuit.admit(now).is_err(), "the probe is under way");
        assert!(matches!(circuit.state(now), BreakerState::Probing(_)));
        circuit.note(SEND, dead(), now);
        assert!(circuit.admit(now).is_err(), "a late failure ends no probe");
        circuit.note(leave, dead(), now);
    }
}

#[test]
fn one_answer_closes_it_and_a_probe_that_was_dropped_is_made_up_for() {
    let mut circuit = opened(Duration::ZERO);
    let later = LONGEST_WAIT * 2;
    let leave = circuit.admit(later).unwrap();
    circuit.note(leave, Sign::None, later);
    let leave = circuit.admit(later).unwrap();
    circuit.note(leave, Sign::Alive, later);
    assert!(matches!(circuit.state(later), BreakerState::Closed));
    assert_eq!(circuit.admit(later).unwrap(), SEND);
}

#[test]
fn what_the_service_says_clearly_is_an_answer() {
    let sign = |error: Error| Sign::of::<()>(&Err(error));
    for status in [400, 401, 403, 404, 405, 412, 413, 429] {
        let fault = Fault {
            status,
            ..Fault::unavailable("")
        };
        let error = crate::send::status::from_fault(fault, None);
        assert!(matches!(sign(error), Sign::Alive), "{status}");
    }
    let error = crate::send::status::from_fault(Fault::unavailable(""), None);
    assert!(matches!(sign(error), Sign::Dead(_)));
    let late = |stage| Error::Timeout {
        stage,
        after: Duration::ZERO,
    };
    assert!(matches!(sign(late(Stage::Answer)), Sign::Dead(_)));
    assert!(
        matches!(sign(late(Stage::Turn)), Sign::None),
        "it was never sent"
    );
}

proptest! {
    #[test]
    fn it_never_lets_more_than_one_through_while_open_and_always_tries_again(
        steps in prop::collection::vec((0_u64..40_000, 0_u8..4), 1..200)
    ) {
        let mut circuit = Circuit::default();
        let mut now = Duration::ZERO;
        let mut under_way: Vec<Leave> = Vec::new();
        for (later, what) in steps {
            now += Duration::from_millis(later);
            let open = circuit.open.is_some();
            if let Ok(leave) = circuit.admit(now) {
                prop_assert_eq!(leave.probe.is_some(), open);
                under_way.push(leave);
            }
            let probing = circuit.open.as_ref().and_then(|open| open.probing);
            prop_assert!(probing.is_none() || under_way.iter().any(|it| it.probe == probing));
            if what < 3 && !under_way.is_empty() {
                let leave = under_way.remove(0);
                let sign = [dead(), Sign::Alive, Sign::None][usize::from(what)].clone();
                circuit.note(leave, sign, now);
            }
        }
        for leave in under_way {
            circuit.note(leave, Sign::None, now);
        }
        prop_assert!(circuit.admit(now + LONGEST_WAIT * 2).is_ok(), "it is never left for good");
    }
}
