//! An attempt's life on a worker: claim, run, report, and everything that can go wrong between.

use shraga_core::ids::{Attempt, Etag, MirrorId};
use shraga_core::model::Mirror;
use shraga_core::reason::Reason;
use shraga_core::row::{Table, Value, Write, events, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::Span;
use shraga_core::worker::{
    Answer, Effect, Fate, Finish, Identity, Input, Limits, Machine, Outcome, Report, StopCause,
    Ticket, Until, WriteKind,
};

use crate::build::{boot, held, mirror, secs, task, user, worker_id};

pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) row: Mirror,
}

pub(crate) fn machine(boot_name: &str, slots: u32) -> Machine {
    let identity = Identity {
        worker: worker_id("w"),
        boot: boot(boot_name),
        name: "w".to_owned(),
    };
    let limits = Limits {
        slots,
        line_interval: Span::secs(2),
        line_bytes_per_attempt: 1000,
        events: true,
    };
    Machine::new(identity, limits)
}

pub(crate) fn bench() -> Bench {
    let row = held(mirror(&task("t", "ann", 0)), "w", None, 5);
    Bench {
        machine: machine("b", 1),
        row,
    }
}

impl Bench {
    pub(crate) fn look(&mut self, rows: &[&Mirror], at: i64) -> Vec<Effect> {
        let asked = self.machine.mark();
        let rows = rows.iter().map(|row| (*row).clone()).collect();
        self.machine.step(Input::Looked { asked, rows }, secs(at))
    }

    pub(crate) fn answer(&mut self, kind: WriteKind, answer: Answer, at: i64) -> Vec<Effect> {
        let mirror = self.row.id;
        let answers = vec![(Ticket { mirror, kind }, answer)];
        self.machine.step(Input::Answered(answers), secs(at))
    }

    pub(crate) fn end(&mut self, outcome: Outcome, at: i64) -> Vec<Effect> {
        let finish = Finish {
            result: "the result".to_owned(),
            ..Finish::untouched(outcome)
        };
        let input = Input::Ended(self.row.id, Box::new(finish));
        self.machine.step(input, secs(at))
    }

    pub(crate) fn save(&mut self) -> Vec<Effect> {
        self.machine.step(Input::Saved(self.row.id), secs(9))
    }

    /// The row is read by its identity, and stands as it was.
    pub(crate) fn inspect(&mut self) -> Vec<Effect> {
        let row = Some(Box::new(self.row.clone()));
        self.machine
            .step(Input::Inspected(self.row.id, row), secs(9))
    }

    /// Claims the row and starts the agent.
    pub(crate) fn start(&mut self) {
        let row = self.row.clone();
        self.look(&[&row], 6);
        let started = self.answer(WriteKind::Claim, Answer::Done(Some(Etag::new("m@2"))), 6);
        assert!(matches!(started[..], [Effect::Start { .. }]), "{started:?}");
        self.row = Mirror {
            etag: Etag::new("m@2"),
            ..held(self.row.clone(), "w", Some("b"), 6)
        };
    }
}

pub(crate) fn written(effects: &[Effect], kind: WriteKind) -> Vec<Write> {
    let mut writes = Vec::new();
    for effect in effects {
        if let Effect::Write(ticket, set) = effect
            && ticket.kind == kind
        {
            writes.extend(set.writes.clone());
        }
    }
    assert!(!writes.is_empty(), "no {kind:?} in {effects:?}");
    writes
}

pub(crate) fn status(write: &Write) -> TaskStatus {
    match write.get(tasks::STATUS) {
        Some(Value::Int(code)) => TaskStatus::try_from(*code).unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn kinds(writes: &[Write]) -> Vec<String> {
    let events = writes.iter().filter(|write| write.table == Table::Events);
    let kind = |write: &Write| write.get(events::KIND).map(ToString::to_string);
    events.filter_map(kind).collect()
}

#[test]
fn an_assignment_is_claimed_run_saved_and_published() {
    let mut bench = bench();
    let row = bench.row.clone();
    let claim = written(&bench.look(&[&row], 6), WriteKind::Claim);
    assert_eq!(kinds(&claim), ["\"TaskStarted\""]);
    let started = bench.answer(WriteKind::Claim, Answer::Done(Some(Etag::new("m@2"))), 6);
    assert_eq!(
        started,
        [Effect::Start {
            mirror: row.id,
            attempt: Attempt(1)
        }]
    );
    let saving = bench.end(Outcome::Completed, 8);
    assert!(matches!(saving[..], [Effect::Save(_)]));
    let report = written(&bench.save(), WriteKind::Report);
    assert_eq!(status(&report[0]), TaskStatus::Completed);
    assert_eq!(report[0].get(tasks::RESULT), Some(&"the result".into()));
    assert_eq!(kinds(&report), ["\"TaskCompleted\""]);
    let gone = bench.answer(WriteKind::Report, Answer::Done(None), 9);
    assert_eq!(gone, [Effect::Drop(row.id, Attempt(1), Fate::Published)]);
    assert!(bench.machine.is_idle());
}

#[test]
fn no_more_is_claimed_than_there_are_slots() {
    let mut machine = machine("b", 2);
    let rows = ["a", "b", "c"].map(|name| held(mirror(&task(name, "ann", 0)), "w", None, 5));
    let asked = machine.mark();
    let looked = Input::Looked {
        asked,
        rows: rows.to_vec(),
    };
    assert_eq!(machine.step(looked, secs(6)).len(), 2);
    assert_eq!(machine.held().len(), 2);
}

#[test]
fn a_claim_somebody_else_won_starts_nothing() {
    let mut bench = bench();
    let row = bench.row.clone();
    bench.look(&[&row], 6);
    assert_eq!(bench.answer(WriteKind::Claim, Answer::Stale, 6), []);
    assert!(bench.machine.is_idle());
}

#[test]
fn a_claim_without_an_answer_is_settled_by_the_next_look() {
    let mut bench = bench();
    let row = bench.row.clone();
    bench.look(&[&row], 6);
    assert_eq!(bench.answer(WriteKind::Claim, Answer::Unknown, 6), []);
    let ours = held(row.clone(), "w", Some("b"), 6);
    let seen = bench.look(&[&ours], 7);
    assert!(matches!(seen[..], [Effect::Start { .. }]));

    let mut bench = self::bench();
    bench.look(&[&row], 6);
    bench.answer(WriteKind::Claim, Answer::Unknown, 6);
    written(&bench.look(&[&row], 7), WriteKind::Claim);
}

#[test]
fn an_earlier_claim_that_came_through_after_all_keeps_its_stream() {
    let mut bench = bench();
    let row = bench.row.clone();
    bench.look(&[&row], 6);
    bench.answer(WriteKind::Claim, Answer::Stale, 6);
    // A look from before the first claim makes it claim again; the store has the first.
    bench.look(&[&row], 7);
    bench.answer(WriteKind::Claim, Answer::Unknown, 7);
    let ours = held(row, "w", Some("b"), 6);
    let seen = bench.look(&[&ours], 8);
    assert!(matches!(seen[..], [Effect::Start { .. }]), "{seen:?}");
    bench.end(Outcome::Completed, 9);
    let report = written(&bench.save(), WriteKind::Report);
    let event = report
        .iter()
        .find(|write| write.table == Table::Events)
        .unwrap();
    let stream = event.get(events::STREAM).map(ToString::to_string).unwrap();
    assert!(
        stream.contains("/late"),
        "{stream} would not follow its first event"
    );
}

#[test]
fn a_look_from_before_the_claim_revokes_nothing() {
    let mut bench = bench();
    let row = bench.row.clone();
    let old = bench.machine.mark();
    bench.look(&[&row], 6);
    bench.answer(WriteKind::Claim, Answer::Done(Some(Etag::new("m@2"))), 6);
    let stale = Input::Looked {
        asked: old,
        rows: vec![row],
    };
    assert_eq!(bench.machine.step(stale, secs(7)), []);
    assert_eq!(bench.machine.held().len(), 1);
}

#[test]
fn a_look_from_before_the_end_starts_nothing_again() {
    let mut bench = bench();
    bench.start();
    let old = bench.machine.mark();
    bench.end(Outcome::Completed, 8);
    bench.save();
    bench.answer(WriteKind::Report, Answer::Done(None), 9);
    let stale = Input::Looked {
        asked: old,
        rows: vec![bench.row.clone()],
    };
    assert_eq!(bench.machine.step(stale, secs(9)), []);
}

#[test]
fn a_request_to_cancel_stops_the_agent_and_its_result_is_kept() {
    let mut bench = bench();
    bench.start();
    let mut canceling = bench.row.clone();
    canceling.status = TaskStatus::Canceling;
    canceling.etag = Etag::new("m@3");
    let stop = bench.look(&[&canceling], 8);
    assert_eq!(stop, [Effect::Stop(canceling.id, StopCause::Cancel)]);
    bench.end(Outcome::Completed, 9);
    let report = written(&bench.save(), WriteKind::Report);
    assert_eq!(status(&report[0]), TaskStatus::Canceled);
    assert_eq!(report[0].get(tasks::RESULT), Some(&"the result".into()));
}

#[test]
fn a_foreign_lease_stops_the_agent_and_the_result_becomes_a_candidate() {
    let mut bench = bench();
    bench.start();
    let mut foreign = bench.row.clone();
    foreign.lease.as_mut().unwrap().attempt = Attempt(2);
    let stop = bench.look(&[&foreign], 8);
    assert_eq!(stop, [Effect::Stop(foreign.id, StopCause::LeaseLost)]);
    bench.end(Outcome::Completed, 9);
    let kept = written(&bench.save(), WriteKind::Candidate);
    assert_eq!(kinds(&kept), ["\"Candidate\""]);
    let gone = bench.answer(WriteKind::Candidate, Answer::Stale, 10);
    assert_eq!(
        gone,
        [Effect::Drop(foreign.id, Attempt(1), Fate::Candidate)]
    );
}

#[test]
fn a_lost_attempt_without_a_result_leaves_nothing() {
    let mut bench = bench();
    bench.start();
    bench.look(&[], 8);
    let gone = Input::Inspected(bench.row.id, None);
    assert_eq!(bench.machine.step(gone, secs(8)).len(), 1);
    bench.end(Outcome::Retry, 9);
    let id = bench.row.id;
    assert_eq!(bench.save(), [Effect::Drop(id, Attempt(1), Fate::Moot)]);
}

#[test]
fn an_attempt_that_waiting_cures_goes_back_with_the_time_before_which_it_is_not_tried() {
    let mut bench = bench();
    bench.start();
    bench.end(
        Outcome::PutOff(Reason::UsageLimit, Until::After(Span::mins(2))),
        8,
    );
    let set = written(&bench.save(), WriteKind::Report);
    let text = format!("{:?}", set[0]);
    for part in ["usage-limit", &secs(128).as_millis().to_string()] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_report_without_an_answer_is_inspected_not_repeated_blindly() {
    let mut bench = bench();
    bench.start();
    bench.end(Outcome::Completed, 8);
    bench.save();
    let asked = bench.answer(WriteKind::Report, Answer::Unknown, 9);
    assert_eq!(asked, [Effect::Inspect(bench.row.id)]);
    let mut done = bench.row.clone();
    done.status = TaskStatus::Completed;
    done.phase = Some(shraga_core::status::WorkPhase::Done);
    let input = Input::Inspected(done.id, Some(Box::new(done.clone())));
    let gone = bench.machine.step(input, secs(10));
    assert_eq!(gone, [Effect::Drop(done.id, Attempt(1), Fate::Published)]);
}

#[test]
fn a_report_that_met_a_request_to_cancel_is_sent_as_canceled() {
    let mut bench = bench();
    bench.start();
    bench.end(Outcome::Completed, 8);
    bench.save();
    bench.answer(WriteKind::Report, Answer::Stale, 9);
    let mut canceling = bench.row.clone();
    canceling.status = TaskStatus::Canceling;
    canceling.etag = Etag::new("m@3");
    let input = Input::Inspected(canceling.id, Some(Box::new(canceling)));
    let report = written(&bench.machine.step(input, secs(10)), WriteKind::Report);
    assert_eq!(status(&report[0]), TaskStatus::Canceled);
}

#[test]
fn a_report_the_store_refuses_is_sent_without_its_optional_text() {
    let mut bench = bench();
    bench.start();
    bench.end(Outcome::Completed, 8);
    bench.save();
    let refused = || Answer::Refused("too long".to_owned());
    let ask = [Effect::Inspect(bench.row.id)];
    assert_eq!(bench.answer(WriteKind::Report, refused(), 9), ask);
    let bare = written(&bench.inspect(), WriteKind::Report);
    assert_eq!(bare[0].get(tasks::RESULT), None);
    assert_eq!(status(&bare[0]), TaskStatus::Completed);
    assert_eq!(bench.answer(WriteKind::Report, refused(), 9), ask);
    assert_eq!(
        bench.inspect(),
        [Effect::Drop(bench.row.id, Attempt(1), Fate::Refused)]
    );
    let row = bench.row.clone();
    assert_eq!(bench.look(&[&row], 10), [], "it is not run again");
}

#[test]
fn a_report_of_an_earlier_process_is_published_if_its_lease_still_stands() {
    let mut bench = bench();
    bench.start();
    let report = report_of(&bench.end(Outcome::Completed, 8));
    let mut next = machine("b2", 1);
    let inspect = next.step(Input::Restored(vec![report]), secs(20));
    assert_eq!(inspect, [Effect::Inspect(bench.row.id)]);
    let looked = Input::Looked {
        asked: next.mark(),
        rows: vec![bench.row.clone()],
    };
    assert_eq!(next.step(looked, secs(20)), [], "it is not claimed again");
    let row = Some(Box::new(bench.row.clone()));
    let sent = next.step(Input::Inspected(bench.row.id, row), secs(21));
    let report = written(&sent, WriteKind::Report);
    assert_eq!(status(&report[0]), TaskStatus::Completed);
    let stream = report[1].get(events::STREAM).map(ToString::to_string);
    assert!(stream.unwrap().ends_with("/late\""));
}

#[test]
fn a_late_result_has_a_stream_that_nothing_else_can_sit_in() {
    let mut bench = bench();
    bench.start();
    let report = report_of(&bench.end(Outcome::Completed, 8));
    let mut next = machine("b2", 1);
    let restored = next.step(Input::Restored(vec![report]), secs(20));
    assert_eq!(restored, [Effect::Inspect(bench.row.id)]);
    let kept = next.step(Input::Inspected(bench.row.id, None), secs(21));
    let candidate = written(&kept, WriteKind::Candidate);
    let stream = candidate[0].get(events::STREAM).map(ToString::to_string);
    assert!(stream.unwrap().ends_with("/candidate\""));
}

#[test]
fn reports_of_two_attempts_at_one_task_are_settled_one_after_the_other() {
    let mut bench = bench();
    bench.start();
    let first = report_of(&bench.end(Outcome::Completed, 8));
    let second = Report {
        attempt: Attempt(2),
        ..first.clone()
    };
    let id = bench.row.id;
    bench.machine = machine("b2", 1);
    let restored = Input::Restored(vec![first, second]);
    assert_eq!(
        bench.machine.step(restored, secs(20)),
        [Effect::Inspect(id)]
    );
    bench.row.lease.as_mut().unwrap().attempt = Attempt(2);
    let kept = written(&bench.inspect(), WriteKind::Candidate);
    assert_eq!(kept[0].get(events::ATTEMPT), Some(&Value::Int(1)));
    assert_eq!(
        bench.answer(WriteKind::Candidate, Answer::Done(None), 21),
        [
            Effect::Drop(id, Attempt(1), Fate::Candidate),
            Effect::Inspect(id)
        ]
    );
    let report = written(&bench.inspect(), WriteKind::Report);
    assert_eq!(status(&report[0]), TaskStatus::Completed);
}

pub(crate) fn report_of(effects: &[Effect]) -> Report {
    match effects {
        [Effect::Save(report)] => (**report).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_an_earlier_process_left_without_a_report_is_put_back_as_a_loss_full_or_not() {
    let row = held(mirror(&task("t", "ann", 0)), "w", Some("old"), 5);
    for slots in [0, 1] {
        let mut machine = machine("b", slots);
        let looked = Input::Looked {
            asked: machine.mark(),
            rows: vec![row.clone()],
        };
        let put_back = written(&machine.step(looked, secs(6)), WriteKind::Release);
        assert_eq!(status(&put_back[0]), TaskStatus::Pending);
        let reason = put_back[0].get(tasks::REASON);
        assert_eq!(reason, Some(&Value::Text("worker-restarted".to_owned())));
    }
}

#[test]
fn a_row_that_a_look_does_not_show_is_read_before_the_lease_counts_as_lost() {
    let mut bench = bench();
    bench.start();
    let id = bench.row.id;
    assert_eq!(bench.look(&[], 6), [Effect::Inspect(id)]);
    let still = Some(Box::new(bench.row.clone()));
    assert_eq!(bench.machine.step(Input::Inspected(id, still), secs(7)), []);
    assert_eq!(bench.look(&[], 8), [Effect::Inspect(id)]);
    let gone = bench.machine.step(Input::Inspected(id, None), secs(9));
    assert_eq!(gone, [Effect::Stop(id, StopCause::LeaseLost)]);
}

#[test]
fn nothing_is_taken_from_a_row_of_somebody_who_is_not_the_admin() {
    let mut planted = held(mirror(&task("t", "ann", 0)), "w", None, 5);
    let mut bench = Bench {
        machine: machine("b", 1),
        row: planted.clone(),
    };
    bench.machine.trust_only([planted.owner].into());
    planted.owner = user("eve");
    assert_eq!(bench.look(&[&planted], 6), []);
    let real = bench.row.clone();
    written(&bench.look(&[&real], 7), WriteKind::Claim);
}

#[test]
fn a_canceled_lease_of_an_earlier_process_ends_without_running() {
    let mut row = held(mirror(&task("t", "ann", 0)), "w", Some("old"), 5);
    row.status = TaskStatus::Canceling;
    let mut bench = Bench {
        machine: machine("b", 1),
        row: row.clone(),
    };
    written(&bench.look(&[&row], 6), WriteKind::Claim);
    let saving = bench.answer(WriteKind::Claim, Answer::Done(Some(Etag::new("m@2"))), 6);
    assert_eq!(report_of(&saving).finish.outcome, Outcome::Canceled);
}

#[test]
fn lines_are_sent_in_batches_and_the_rest_goes_with_the_report() {
    let mut bench = bench();
    bench.start();
    let id = bench.row.id;
    let say = |bench: &mut Bench, text: &str, at| {
        let input = Input::Lines(id, vec![text.to_owned()]);
        bench.machine.step(input, secs(at))
    };
    assert_eq!(say(&mut bench, "one", 7), []);
    assert_eq!(bench.machine.due(), Some(secs(8)));
    let batch = written(&bench.machine.step(Input::Tick, secs(8)), WriteKind::Lines);
    assert_eq!(batch.len(), 1);
    assert_eq!(say(&mut bench, "two", 11), [], "one batch at a time");
    bench.end(Outcome::Failed(Reason::AgentFailed), 12);
    assert_eq!(bench.save(), [], "the report follows the lines");
    let report = written(
        &bench.answer(WriteKind::Lines, Answer::Done(None), 13),
        WriteKind::Report,
    );
    assert_eq!(kinds(&report), ["\"AgentMessage\"", "\"TaskFailed\""]);
    assert_eq!(report[1].get(events::SEQUENCE), Some(&Value::Int(3)));
}

#[test]
fn unanswered_lines_are_sent_again_as_they_were() {
    let mut bench = bench();
    bench.start();
    let lines = Input::Lines(bench.row.id, vec!["one".to_owned()]);
    let first = bench.machine.step(lines, secs(9));
    assert_eq!(bench.answer(WriteKind::Lines, Answer::Unknown, 9), []);
    assert_eq!(bench.machine.due(), Some(secs(14)));
    assert_eq!(bench.machine.step(Input::Tick, secs(14)), first);
}

#[test]
fn a_flood_of_lines_is_capped_and_said_to_be() {
    let mut bench = bench();
    bench.start();
    let flood = vec!["x".repeat(99); 20];
    let heard = Input::Lines(bench.row.id, flood);
    assert_eq!(bench.machine.step(heard, secs(6)), []);
    let report = report_of(&bench.end(Outcome::Completed, 7));
    assert_eq!(report.lines.len(), 11);
    assert_eq!(report.lines[10], "(10 more lines are not kept here)");
}

#[test]
fn a_flood_of_empty_lines_is_one_too() {
    let mut bench = bench();
    bench.start();
    let heard = Input::Lines(bench.row.id, vec![String::new(); 5_000]);
    assert_eq!(bench.machine.step(heard, secs(6)), []);
    let report = report_of(&bench.end(Outcome::Completed, 7));
    assert_eq!(report.lines.len(), 1_001);
    assert_eq!(report.lines[1_000], "(4000 more lines are not kept here)");
}

#[test]
fn a_draining_worker_puts_back_what_it_has_not_claimed() {
    let mut bench = bench();
    assert_eq!(bench.machine.step(Input::Drain, secs(5)), []);
    let row = bench.row.clone();
    let back = written(&bench.look(&[&row], 6), WriteKind::Release);
    assert_eq!(status(&back[0]), TaskStatus::Pending);
    assert_eq!(back[0].get(tasks::REASON), Some(&"released".into()));
    assert!(bench.machine.is_idle());
}

#[test]
fn what_was_being_claimed_when_the_drain_began_goes_back_without_having_run() {
    let mut bench = bench();
    let row = bench.row.clone();
    bench.look(&[&row], 6);
    assert_eq!(bench.machine.step(Input::Drain, secs(6)), []);
    let saving = bench.answer(WriteKind::Claim, Answer::Done(Some(Etag::new("m@2"))), 6);
    assert_eq!(report_of(&saving).finish.outcome, Outcome::Released);
}

#[test]
fn a_drained_worker_goes_on_with_what_runs_and_takes_work_again_when_told() {
    let mut bench = bench();
    bench.start();
    assert_eq!(bench.machine.step(Input::Drain, secs(6)), []);
    let row = bench.row.clone();
    assert_eq!(bench.look(&[&row], 7), [], "the agent is left alone");
    assert_eq!(bench.machine.step(Input::Undrain, secs(8)), []);
    bench.end(Outcome::Completed, 9);
    bench.save();
    bench.answer(WriteKind::Report, Answer::Done(None), 9);
    let next = held(mirror(&task("u", "ann", 0)), "w", None, 10);
    written(&bench.look(&[&next], 10), WriteKind::Claim);
}

#[test]
fn rows_of_others_are_left_alone() {
    let theirs = held(mirror(&task("t", "ann", 0)), "other", None, 5);
    let mut bench = bench();
    assert_eq!(bench.look(&[&theirs], 6), []);
    let unknown: MirrorId = theirs.id;
    let saved = bench.machine.step(Input::Saved(unknown), secs(6));
    assert_eq!(saved, []);
}
