//! Attempts that a process before this one began, and of which nothing is left here: what they used is
//! not known, and never counts for nothing.

use shraga_core::ids::{Attempt, Etag};
use shraga_core::ledger::{Allowance, Ledger};
use shraga_core::model::Mirror;
use shraga_core::row::tasks;
use shraga_core::status::TaskStatus;
use shraga_core::time::Day;
use shraga_core::worker::{Answer, Input, Outcome, WriteKind};

use crate::attempts::{Bench, machine, report_of, written};
use crate::build::{held, mirror, secs, task, worker_id};

/// An attempt that an earlier process began, with this much reserved for it.
fn begun_before(reserved: u64) -> Bench {
    let row = held(mirror(&task("t", "ann", 0)), "w", Some("old"), 5);
    let reserved = Allowance {
        cost_micros: Some(reserved),
        tokens: None,
    };
    let ledger = Ledger::default().give(Attempt(1), worker_id("w"), Day::default(), reserved);
    Bench {
        machine: machine("b", 1),
        row: Mirror { ledger, ..row },
    }
}

#[test]
fn what_an_earlier_process_began_is_lost_also_to_a_drained_worker_and_not_put_back_as_unused() {
    let mut bench = begun_before(70);
    let row = bench.row.clone();
    assert_eq!(bench.machine.step(Input::Drain, secs(5)), []);
    let back = written(&bench.look(&[&row], 6), WriteKind::Release);
    assert_eq!(back[0].get(tasks::REASON), Some(&"worker-restarted".into()));
    assert_eq!(back[0].get(tasks::USAGE), None, "health writes it off");
}

#[test]
fn what_an_earlier_process_began_and_is_to_end_counts_with_all_that_was_reserved() {
    for drains in [false, true] {
        let mut bench = begun_before(70);
        if drains {
            assert_eq!(bench.machine.step(Input::Drain, secs(5)), []);
        }
        let mut canceled = bench.row.clone();
        canceled.status = TaskStatus::Canceling;
        written(&bench.look(&[&canceled], 6), WriteKind::Claim);
        let claimed = Answer::Done(Some(Etag::new("m@2")));
        let saving = bench.answer(WriteKind::Claim, claimed, 6);
        assert_eq!(report_of(&saving).finish.outcome, Outcome::Canceled);
        let report = written(&bench.save(), WriteKind::Report);
        let expected = canceled.ledger.lose(Attempt(1), Day::default());
        assert_eq!(expected.end_of(Attempt(1)).unwrap().sum.cost_micros, 70);
        let told = report[0].get(tasks::USAGE);
        assert_eq!(told, Some(&expected.to_json().into()));
    }
}
