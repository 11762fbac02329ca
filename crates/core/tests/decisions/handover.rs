//! What an attempt leaves for the next one: checkpoints while it runs, questions at its end.

use shraga_core::ids::{Attempt, Etag};
use shraga_core::ledger::{Allowance, Ledger};
use shraga_core::model::Mirror;
use shraga_core::row::{Table, Value, Write, events, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::{Day, Span};
use shraga_core::usage::{Spent, Usage};
use shraga_core::worker::{
    Answer, Effect, Finish, Identity, Input, Limits, Machine, Outcome, Ticket, WriteKind,
};

use crate::build::{boot, held, mirror, secs, task, worker_id};

struct Bench {
    machine: Machine,
    row: Mirror,
}

/// A machine whose agent runs, under version `m@2` of the row.
fn running() -> Bench {
    let identity = Identity {
        worker: worker_id("w"),
        boot: boot("b"),
        name: "w".to_owned(),
    };
    let limits = Limits {
        slots: 1,
        line_interval: Span::secs(2),
        line_bytes_per_attempt: 1000,
        events: true,
    };
    let row = held(mirror(&task("t", "ann", 0)), "w", None, 5);
    let mut bench = Bench {
        machine: Machine::new(identity, limits),
        row: row.clone(),
    };
    let asked = bench.machine.mark();
    let rows = vec![row];
    let _ = bench.machine.step(Input::Looked { asked, rows }, secs(6));
    let claimed = Answer::Done(Some(Etag::new("m@2")));
    let started = bench.answer(WriteKind::Claim, claimed);
    assert!(matches!(started[..], [Effect::Start { .. }]), "{started:?}");
    bench
}

impl Bench {
    fn answer(&mut self, kind: WriteKind, answer: Answer) -> Vec<Effect> {
        let mirror = self.row.id;
        let answers = vec![(Ticket { mirror, kind }, answer)];
        self.machine.step(Input::Answered(answers), secs(7))
    }

    fn note(&mut self, text: &str) -> Vec<Effect> {
        let input = Input::Checkpoint(self.row.id, Some(text.to_owned()), None);
        self.machine.step(input, secs(7))
    }

    /// The agent ends and its report is saved.
    fn end(&mut self, finish: Finish) -> Vec<Effect> {
        let ended = Input::Ended(self.row.id, Box::new(finish));
        let saving = self.machine.step(ended, secs(8));
        assert!(matches!(saving[..], [Effect::Save(_)]), "{saving:?}");
        self.machine.step(Input::Saved(self.row.id), secs(8))
    }

    /// The row is looked at, and canceled in the meantime.
    fn canceled(&mut self) -> Vec<Effect> {
        let asked = self.machine.mark();
        let rows = vec![Mirror {
            status: TaskStatus::Canceling,
            etag: Etag::new("m@9"),
            ..held(self.row.clone(), "w", Some("b"), 6)
        }];
        self.machine.step(Input::Looked { asked, rows }, secs(8))
    }
}

fn written(effects: &[Effect], wanted: WriteKind) -> Vec<Write> {
    let [Effect::Write(Ticket { kind, .. }, set)] = effects else {
        panic!("{effects:?}");
    };
    assert_eq!(*kind, wanted);
    set.writes.clone()
}

fn condition(write: &Write) -> String {
    format!("{:?}", write.condition)
}

fn asking() -> Finish {
    Finish {
        question: Some("which port?".to_owned()),
        checkpoint: Some("{}".to_owned()),
        ..Finish::said(Outcome::Asked, "asks: which port?")
    }
}

#[test]
fn a_checkpoint_notes_what_was_used_so_that_a_lost_attempt_is_not_taken_for_free() {
    let mut bench = running();
    let day = Day::of(secs(5));
    let given = Ledger::default().give(Attempt(1), worker_id("w"), day, Allowance::default());
    bench.row = held(bench.row.clone(), "w", Some("b"), 6);
    bench.row.ledger = given;
    let asked = bench.machine.mark();
    let rows = vec![bench.row.clone()];
    let _ = bench.machine.step(Input::Looked { asked, rows }, secs(6));
    let used = Spent {
        usage: Usage {
            output_tokens: 700,
            cost_micros: Some(420_000),
            ..Usage::NONE
        },
        ran: Span::secs(9),
    };
    let mut noted = |text: Option<&str>| {
        let input = Input::Checkpoint(bench.row.id, text.map(str::to_owned), Some(used));
        let effects = bench.machine.step(input, secs(7));
        bench.answer(WriteKind::Checkpoint, Answer::Done(None));
        effects
    };
    let write = written(&noted(None), WriteKind::Checkpoint).remove(0);
    assert_eq!(write.get(tasks::EXECUTION_DETAILS), None);
    let ledger = bench.row.ledger.note(Attempt(1), used);
    assert_eq!(write.get(tasks::USAGE), Some(&ledger.to_json().into()));
    // What is known counts when its worker is gone, where nothing was reserved.
    let lost = ledger.lose(Attempt(1), day);
    assert_eq!(lost.spent.usage.tokens(), 700);
    // The same again is nothing new.
    let mut noted = |text: Option<&str>| {
        let input = Input::Checkpoint(bench.row.id, text.map(str::to_owned), Some(used));
        bench.machine.step(input, secs(7))
    };
    assert_eq!(noted(None), []);
    let write = written(&noted(Some("{}")), WriteKind::Checkpoint).remove(0);
    assert_eq!(write.get(tasks::USAGE), None);
}

#[test]
fn a_checkpoint_is_written_under_the_rows_version_and_the_report_under_the_next() {
    let mut bench = running();
    let noted = written(&bench.note("{}"), WriteKind::Checkpoint);
    assert!(condition(&noted[0]).contains("m@2"));
    assert_eq!(
        noted[0].get(tasks::EXECUTION_DETAILS),
        Some(&Value::from("{}"))
    );
    bench.answer(WriteKind::Checkpoint, Answer::Done(Some(Etag::new("m@3"))));
    let report = bench.end(Finish::untouched(Outcome::Completed));
    let report = written(&report, WriteKind::Report);
    assert!(condition(&report[0]).contains("m@3"));
    assert_eq!(report[0].get(tasks::EXECUTION_DETAILS), Some(&Value::Null));
}

#[test]
fn a_report_waits_for_the_checkpoint_before_it_and_no_second_one_is_sent_meanwhile() {
    let mut bench = running();
    bench.note("one");
    assert_eq!(bench.note("two"), []);
    assert_eq!(bench.end(Finish::untouched(Outcome::Completed)), []);
    let lost = bench.answer(WriteKind::Checkpoint, Answer::Unknown);
    written(&lost, WriteKind::Report);
}

#[test]
fn a_checkpoint_that_fails_stops_nothing() {
    for failed in [
        Answer::Stale,
        Answer::Unknown,
        Answer::Refused("too long".to_owned()),
    ] {
        let mut bench = running();
        bench.note("one");
        assert_eq!(bench.answer(WriteKind::Checkpoint, failed), []);
        written(&bench.note("two"), WriteKind::Checkpoint);
    }
}

#[test]
fn an_attempt_that_is_being_ended_notes_nothing_more() {
    let mut bench = running();
    assert!(matches!(bench.canceled()[..], [Effect::Stop(..)]));
    assert_eq!(bench.note("{}"), []);
}

#[test]
fn an_attempt_that_asks_parks_its_task_with_question_and_checkpoint() {
    let mut bench = running();
    let writes = written(&bench.end(asking()), WriteKind::Report);
    let row = &writes[0];
    let status = Value::from(TaskStatus::WaitingForInput);
    assert_eq!(row.get(tasks::STATUS), Some(&status));
    assert_eq!(
        row.get(tasks::ANSWER),
        Some(&Value::from(
            "{\"asked\":\"which port?\",\"question\":\"q1\",\"text\":null}"
        ))
    );
    assert_eq!(row.get(tasks::EXECUTION_DETAILS), Some(&Value::from("{}")));
    assert_eq!(row.get(tasks::FINISHED), None);
    let event = &writes[1];
    assert_eq!(event.table, Table::Events);
    assert_eq!(event.get(events::KIND), Some(&Value::from("Question")));
    assert!(bench.machine.held().is_empty(), "its slot is free");
}

#[test]
fn a_question_whose_checkpoint_the_store_refuses_is_asked_without_it() {
    let mut bench = running();
    bench.end(asking());
    let doubt = bench.answer(WriteKind::Report, Answer::Refused("too long".to_owned()));
    assert!(matches!(doubt[..], [Effect::Inspect(_)]), "{doubt:?}");
    let row = held(bench.row.clone(), "w", Some("b"), 6);
    let inspected = Input::Inspected(bench.row.id, Some(Box::new(row)));
    let again = written(&bench.machine.step(inspected, secs(9)), WriteKind::Report);
    assert!(again[0].get(tasks::ANSWER).is_some());
    assert_eq!(again[0].get(tasks::EXECUTION_DETAILS), None);
}

#[test]
fn a_question_of_a_canceled_task_is_not_asked() {
    let mut bench = running();
    bench.canceled();
    let writes = written(&bench.end(asking()), WriteKind::Report);
    let status = Value::from(TaskStatus::Canceled);
    assert_eq!(writes[0].get(tasks::STATUS), Some(&status));
    assert_eq!(writes[0].get(tasks::ANSWER), None);
}
