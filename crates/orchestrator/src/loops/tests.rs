//! What is asked, for which loops.

use super::*;
use crate::status::Reason;

fn asked(wanted: Wanted) -> Vec<Question> {
    let mut memory = Memory::new(false);
    memory.ended_read = true;
    asked_with(&memory, wanted)
}

fn asked_with(memory: &Memory, wanted: Wanted) -> Vec<Question> {
    let scope = Scope {
        memory,
        batch: BatchSize::default(),
        legacy: &[],
    };
    questions(wanted, &scope)
}

#[test]
fn a_new_task_costs_only_the_reads_of_the_loop_it_concerns() {
    let wanted = Wanted {
        mirror: Some(Reason::WakeUp),
        ..Wanted::default()
    };
    let expected = [
        Question::NewTasks(120),
        Question::Workers,
        Question::Active,
        Question::Disabled,
    ];
    assert_eq!(asked(wanted), expected);
}

#[test]
fn what_people_used_before_a_process_began_is_read_once() {
    let mut memory = Memory::new(false);
    let reads = |memory: &Memory| {
        let questions = asked_with(memory, Wanted::all(Reason::Timer));
        let used = |question: &&Question| matches!(question, Question::LastEnded(_));
        questions.iter().filter(used).count()
    };
    assert_eq!(reads(&memory), 1);
    memory.ended_read = true;
    assert_eq!(reads(&memory), 0);
}

#[test]
fn every_question_is_asked_once_and_the_newest_version_first() {
    let all = asked(Wanted::all(Reason::Timer));
    assert_eq!(all[0], Question::HighWater);
    for question in &all {
        assert_eq!(all.iter().filter(|other| *other == question).count(), 1);
    }
}

#[test]
fn no_loop_asks_nothing() {
    assert_eq!(asked(Wanted::default()), []);
}
