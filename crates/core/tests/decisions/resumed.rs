//! Attempts that a process goes on with after the one before it died: nothing is said twice, and each is
//! published once.

use shraga_core::ids::{Attempt, Etag};
use shraga_core::model::{Mirror, StreamHead};
use shraga_core::row::{Table, Value, Write, events};
use shraga_core::status::TaskStatus;
use shraga_core::worker::{Answer, Effect, Fate, Input, Outcome, Resumed, StopCause, WriteKind};

use crate::attempts::{Bench, bench, kinds, machine, report_of, status, written};
use crate::build::{held, secs};

/// A process that goes on with an attempt whose stream holds this many events.
fn resumed(events: u32) -> (Bench, Vec<Effect>) {
    let mut bench = bench();
    bench.row = Mirror {
        etag: Etag::new("m@2"),
        ..held(bench.row.clone(), "w", Some("b"), 6)
    };
    let attempt = Resumed {
        mirror: bench.row.id,
        task: bench.row.task,
        user: bench.row.user,
        attempt: Attempt(1),
        head: Some(StreamHead {
            sequence: events,
            hash: "beef".to_owned(),
            stream: None,
        }),
    };
    let effects = bench.machine.step(Input::Resumed(vec![attempt]), secs(7));
    (bench, effects)
}

fn say(bench: &mut Bench, line: &str, at: i64) -> Vec<Effect> {
    let lines = Input::Lines(bench.row.id, vec![line.to_owned()]);
    bench.machine.step(lines, secs(at))
}

fn sequences(writes: &[Write]) -> Vec<(Value, Value)> {
    let events = writes.iter().filter(|write| write.table == Table::Events);
    let cells = events.map(|write| (write.get(events::STREAM), write.get(events::SEQUENCE)));
    cells
        .map(|(stream, sequence)| (stream.unwrap().clone(), sequence.unwrap().clone()))
        .collect()
}

#[test]
fn an_attempt_that_a_process_before_began_is_gone_on_with_in_its_stream_and_published_once() {
    let (mut bench, effects) = resumed(3);
    let start = Effect::Start {
        mirror: bench.row.id,
        attempt: Attempt(1),
    };
    assert_eq!(effects, [start]);
    let row = bench.row.clone();
    assert_eq!(bench.look(&[&row], 8), []);
    let lines = written(&say(&mut bench, "on", 10), WriteKind::Lines);
    assert_eq!(sequences(&lines)[0].1, Value::Int(4));
    bench.answer(WriteKind::Lines, Answer::Done(None), 10);
    bench.end(Outcome::Completed, 11);
    let report = written(&bench.save(), WriteKind::Report);
    assert_eq!(status(&report[0]), TaskStatus::Completed);
    assert_eq!(sequences(&report)[0].1, Value::Int(5));
    let gone = bench.answer(WriteKind::Report, Answer::Done(None), 12);
    assert_eq!(gone, [Effect::Drop(row.id, Attempt(1), Fate::Published)]);
}

#[test]
fn an_attempt_gone_on_with_that_was_given_to_another_meanwhile_is_stopped_and_kept_as_a_candidate()
{
    let (mut bench, _) = resumed(3);
    assert_eq!(bench.look(&[], 8), [Effect::Inspect(bench.row.id)]);
    let gone = Input::Inspected(bench.row.id, None);
    let stopped = bench.machine.step(gone, secs(8));
    assert_eq!(stopped, [Effect::Stop(bench.row.id, StopCause::LeaseLost)]);
    bench.end(Outcome::Canceled, 9);
    let kept = written(&bench.save(), WriteKind::Candidate);
    assert_eq!(kinds(&kept), ["\"Candidate\""]);
}

#[test]
fn an_attempt_gone_on_with_that_was_asked_to_end_meanwhile_is_stopped() {
    let (mut bench, _) = resumed(3);
    let row = Mirror {
        status: TaskStatus::Canceling,
        ..bench.row.clone()
    };
    let stopped = bench.look(&[&row], 8);
    assert_eq!(stopped, [Effect::Stop(row.id, StopCause::Cancel)]);
}

#[test]
fn an_end_that_comes_before_the_first_look_is_published_once_the_row_is_known() {
    let (mut bench, _) = resumed(1);
    bench.end(Outcome::Completed, 8);
    bench.save();
    let asked = bench.answer(WriteKind::Report, Answer::Stale, 8);
    assert_eq!(asked, [Effect::Inspect(bench.row.id)]);
    let report = written(&bench.inspect(), WriteKind::Report);
    assert_eq!(status(&report[0]), TaskStatus::Completed);
    assert_eq!(sequences(&report)[0].1, Value::Int(2));
}

#[test]
fn lines_that_meet_what_the_process_before_sent_last_are_said_in_another_stream() {
    let (mut bench, _) = resumed(3);
    let row = bench.row.clone();
    bench.look(&[&row], 8);
    written(&say(&mut bench, "on", 10), WriteKind::Lines);
    bench.answer(WriteKind::Lines, Answer::Stale, 10);
    let again = bench.machine.step(Input::Tick, secs(13));
    let again = written(&again, WriteKind::Lines);
    let (stream, sequence) = sequences(&again)[0].clone();
    assert!(stream.to_string().contains("/late"), "{stream}");
    assert_eq!(sequence, Value::Int(1));
    // From then on a collision is with itself, as ever.
    assert_eq!(bench.answer(WriteKind::Lines, Answer::Stale, 13), []);
    assert_eq!(bench.machine.step(Input::Tick, secs(20)), []);
}

#[test]
fn a_report_that_waited_for_such_lines_takes_them_along() {
    let (mut bench, _) = resumed(3);
    let row = bench.row.clone();
    bench.look(&[&row], 8);
    say(&mut bench, "on", 10);
    bench.end(Outcome::Completed, 11);
    bench.save();
    let report = written(
        &bench.answer(WriteKind::Lines, Answer::Stale, 12),
        WriteKind::Report,
    );
    assert_eq!(kinds(&report), ["\"AgentMessage\"", "\"TaskCompleted\""]);
    assert!(sequences(&report)[0].0.to_string().contains("/late"));
}

#[test]
fn a_report_of_an_earlier_attempt_makes_way_for_the_agent_that_still_runs() {
    let (mut bench, _) = resumed(3);
    let earlier = report_of(&bench.end(Outcome::Completed, 8));
    let (id, attempt) = (bench.row.id, Attempt(2));
    bench.machine = machine("b", 1);
    let restored = bench.machine.step(Input::Restored(vec![earlier]), secs(20));
    assert_eq!(restored, [Effect::Inspect(id)]);
    bench.row.lease.as_mut().unwrap().attempt = attempt;
    let going_on = Resumed {
        mirror: id,
        task: bench.row.task,
        user: bench.row.user,
        attempt,
        head: None,
    };
    let begun = bench.machine.step(Input::Resumed(vec![going_on]), secs(20));
    let mirror = id;
    assert_eq!(begun, [Effect::Start { mirror, attempt }]);
    assert_eq!(bench.inspect(), [], "what was asked for the report");
    assert_eq!(bench.look(&[], 21), [Effect::Inspect(id)]);
    let gone = Input::Inspected(id, None);
    let stopped = bench.machine.step(gone, secs(21));
    assert_eq!(stopped, [Effect::Stop(id, StopCause::LeaseLost)]);
    bench.end(Outcome::Completed, 22);
    let kept = written(&bench.save(), WriteKind::Candidate);
    assert_eq!(kept[0].get(events::ATTEMPT), Some(&Value::Int(2)));
    let next = bench.answer(WriteKind::Candidate, Answer::Done(None), 23);
    assert_eq!(next.last(), Some(&Effect::Inspect(id)), "now the report");
    let kept = written(&bench.inspect(), WriteKind::Candidate);
    assert_eq!(kept[0].get(events::ATTEMPT), Some(&Value::Int(1)));
}
