//! Which tasks need somebody, and what is said to her.

use uuid::Uuid;

use super::*;

const NOW: i64 = 1_800_000_000;

fn task(number: u128, status: TaskStatus, reason: Option<&str>) -> TaskView {
    let at = Timestamp::from_secs(NOW - 600);
    TaskView {
        id: TaskId::new(Uuid::from_u128(number)),
        etag: None,
        name: format!("task {number}"),
        status,
        message: Some("what happened".to_owned()),
        reason: reason.map(str::to_owned),
        result: None,
        worker: None,
        attempt: 1,
        priority: 0,
        input: None,
        mirror: None,
        cost_usd: None,
        email: None,
        question: None,
        retry_of: None,
        not_before: None,
        created: at,
        started: None,
        finished: status.is_terminal().then_some(at),
    }
}

fn overview(tasks: Vec<TaskView>) -> Overview {
    Overview::of(tasks, Timestamp::from_secs(NOW))
}

fn names(overview: &Overview, part: Part) -> Vec<&str> {
    let tasks = overview.part(part).into_iter();
    tasks.map(|(task, _)| task.name.as_str()).collect()
}

#[test]
fn every_task_is_in_one_part_and_those_that_need_somebody_in_the_first() {
    let mut asks = task(1, TaskStatus::WaitingForInput, Some("needs-answer"));
    asks.question = Some("which one?".to_owned());
    let seen = overview(vec![
        asks,
        task(2, TaskStatus::Running, None),
        task(3, TaskStatus::Queued, Some("all-full")),
        task(4, TaskStatus::Queued, Some("no-worker-for-agent")),
        task(5, TaskStatus::Failed, Some("agent-failed")),
        task(6, TaskStatus::Completed, None),
        task(7, TaskStatus::Canceled, Some("cancel-requested")),
    ]);
    assert_eq!(names(&seen, Part::NeedsYou), ["task 1", "task 4", "task 5"]);
    assert_eq!(names(&seen, Part::Running), ["task 2"]);
    assert_eq!(names(&seen, Part::Waiting), ["task 3"]);
    assert_eq!(names(&seen, Part::Done), ["task 6", "task 7"]);
    let (_, call) = seen.part(Part::NeedsYou).swap_remove(0);
    let call = call.unwrap();
    assert_eq!((call.kind, call.what.as_str()), ("asks", "which one?"));
    assert!(call.advice.contains("shraga answer"), "{call:?}");
}

#[test]
fn a_failure_needs_somebody_until_it_is_filed_again_or_old() {
    let failed = task(1, TaskStatus::Failed, Some("agent-failed"));
    let mut again = task(2, TaskStatus::Running, None);
    again.retry_of = Some(failed.id);
    let mut old = task(3, TaskStatus::Failed, None);
    old.finished = Some(Timestamp::from_secs(NOW).minus(Span::mins(5 * 24 * 60)));
    let seen = overview(vec![failed, again, old]);
    assert_eq!(names(&seen, Part::NeedsYou), Vec::<&str>::new());
    assert_eq!(names(&seen, Part::Done), ["task 1", "task 3"]);
}

#[test]
fn advice_can_be_typed() {
    let call = call(&task(1, TaskStatus::Failed, Some("agent-failed")), false).unwrap();
    assert!(
        call.advice.contains("shraga logs 00000000-0000"),
        "{call:?}"
    );
}

#[test]
fn only_when_nothing_open_can_end_by_itself_all_is_stuck() {
    let hopeless = task(1, TaskStatus::Queued, Some("no-worker-for-agent"));
    let drained = task(2, TaskStatus::Queued, Some("none-ready"));
    let hopeful = task(3, TaskStatus::Queued, Some("all-full"));
    let done = task(4, TaskStatus::Completed, None);
    let stuck = |tasks: &[&TaskView]| {
        let seen = overview(tasks.iter().map(|task| (*task).clone()).collect());
        seen.all_stuck().map(|all| all.len())
    };
    assert_eq!(stuck(&[&hopeless, &drained, &done]), Some(2));
    assert_eq!(stuck(&[&hopeless, &hopeful]), None);
    assert_eq!(stuck(&[&done]), Some(0));
}
