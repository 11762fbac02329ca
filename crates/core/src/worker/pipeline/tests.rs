//! Pipelines played through, phase by phase.

use super::*;

const ATTEMPT: Attempt = Attempt(2);

fn rules(verify: bool, rounds: u32) -> Rules {
    Rules::new(verify, Some(rounds), Summaries::Rounds)
}

fn pipeline(rules: Rules) -> Pipeline {
    Pipeline::new(rules, ATTEMPT, Progress::default())
}

fn end(outcome: Outcome) -> PhaseEnded {
    PhaseEnded {
        outcome,
        message: "said".to_owned(),
        result: "result".to_owned(),
        usage: Usage {
            turns: 1,
            cost_micros: Some(10),
            ..Usage::NONE
        },
        ran: Duration::from_secs(1),
        verdict: Err("no verdict was given".to_owned()),
    }
}

fn worked() -> PhaseEnded {
    end(Outcome::Completed)
}

fn passed() -> PhaseEnded {
    PhaseEnded {
        verdict: Ok(Verdict::Pass {
            note: "all green".to_owned(),
        }),
        ..worked()
    }
}

fn faulted(feedback: &str) -> PhaseEnded {
    PhaseEnded {
        verdict: Ok(Verdict::Fail {
            feedback: feedback.to_owned(),
        }),
        ..worked()
    }
}

fn place(pipeline: &Pipeline) -> (Phase, u32, u32) {
    let place = pipeline.progress().place;
    (place.phase, place.round, place.run)
}

fn ended(next: Next) -> (Outcome, String) {
    match next {
        Next::End { outcome, message } => (outcome, message),
        Next::Run => panic!("it goes on"),
    }
}

#[test]
fn without_criteria_the_work_is_all_there_is() {
    let mut pipeline = pipeline(rules(false, 3));
    assert_eq!(place(&pipeline), (Phase::Work, 1, 1));
    let (outcome, message) = ended(pipeline.ended(worked()));
    assert_eq!((outcome, message.as_str()), (Outcome::Completed, "said"));
    assert_eq!(pipeline.progress().result, "result");
}

#[test]
fn with_criteria_only_a_verdict_completes_it() {
    let mut pipeline = pipeline(rules(true, 3));
    assert_eq!(pipeline.ended(worked()), Next::Run);
    assert_eq!(place(&pipeline), (Phase::Verify, 1, 1));
    let (outcome, message) = ended(pipeline.ended(passed()));
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(message, "completed and verified");
}

#[test]
fn a_round_that_is_not_passed_is_followed_by_one_with_the_feedback() {
    let mut pipeline = pipeline(rules(true, 3));
    pipeline.ended(worked());
    assert_eq!(pipeline.ended(faulted("a test fails")), Next::Run);
    assert_eq!(place(&pipeline), (Phase::Work, 2, 1));
    assert_eq!(pipeline.progress().feedback(), Some("a test fails"));
    pipeline.ended(worked());
    assert_eq!(place(&pipeline), (Phase::Verify, 2, 1));
    // It took two rounds, so that no single session can tell what was done.
    assert_eq!(pipeline.ended(passed()), Next::Run);
    assert_eq!(place(&pipeline), (Phase::Summarise, 2, 1));
    let (outcome, _) = ended(pipeline.ended(worked()));
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(pipeline.progress().summary.as_deref(), Some("result"));
}

#[test]
fn when_the_rounds_are_used_up_it_fails_with_the_last_feedback_and_keeps_its_result() {
    let mut pipeline = pipeline(rules(true, 2));
    pipeline.ended(worked());
    pipeline.ended(faulted("one"));
    pipeline.ended(worked());
    let (outcome, message) = ended(pipeline.ended(faulted("two")));
    assert_eq!(outcome, Outcome::Failed(Reason::NotVerified));
    assert_eq!(message, "not verified after 2 rounds: two");
    assert_eq!(pipeline.progress().result, "result");
    assert_eq!(pipeline.progress().feedback(), Some("two"));
}

#[test]
fn a_missing_verdict_is_asked_for_once_more_and_never_passes() {
    let mut pipeline = pipeline(rules(true, 3));
    pipeline.ended(worked());
    assert_eq!(pipeline.ended(worked()), Next::Run);
    assert_eq!(place(&pipeline), (Phase::Verify, 1, 2));
    let (outcome, message) = ended(pipeline.ended(worked()));
    assert_eq!(outcome, Outcome::Failed(Reason::NotVerified));
    assert_eq!(message, "not verified: no verdict was given");
}

#[test]
fn a_verifier_that_fails_is_tried_once_more_and_fails_the_task_by_its_own_reason() {
    let mut pipeline = pipeline(rules(true, 3));
    pipeline.ended(worked());
    let failing = || PhaseEnded {
        // What it wrote before it failed is no verdict of a session that ended well.
        verdict: passed().verdict,
        ..end(Outcome::Failed(Reason::AgentFailed))
    };
    assert_eq!(pipeline.ended(failing()), Next::Run);
    let (outcome, _) = ended(pipeline.ended(failing()));
    assert_eq!(outcome, Outcome::Failed(Reason::AgentFailed));
}

#[test]
fn a_limit_met_while_verifying_is_not_met_twice() {
    let mut pipeline = pipeline(rules(true, 3));
    pipeline.ended(worked());
    let (outcome, _) = ended(pipeline.ended(end(Outcome::Failed(Reason::TimedOut))));
    assert_eq!(outcome, Outcome::Failed(Reason::TimedOut));
}

#[test]
fn whatever_else_ends_a_phase_ends_the_attempt_where_the_next_goes_on() {
    let outcomes = [
        Outcome::Asked,
        Outcome::Retry,
        Outcome::Canceled,
        Outcome::Released,
    ];
    for outcome in outcomes {
        for phase in [Phase::Work, Phase::Verify] {
            let mut pipeline = pipeline(rules(true, 3));
            if phase == Phase::Verify {
                pipeline.ended(worked());
            }
            let (ended_as, message) = ended(pipeline.ended(end(outcome)));
            assert_eq!((ended_as, message.as_str()), (outcome, "said"));
            let progress = pipeline.progress().clone();
            let next = Pipeline::new(rules(true, 3), Attempt(3), progress);
            assert_eq!(place(&next), (phase, 1, 1), "{outcome:?}");
        }
    }
}

#[test]
fn a_summary_that_fails_takes_nothing_back() {
    let outcomes = [
        Outcome::Failed(Reason::AgentFailed),
        Outcome::Retry,
        Outcome::Asked,
        Outcome::Released,
        Outcome::Completed,
    ];
    for outcome in outcomes {
        let rules = Rules::new(false, None, Summaries::Always);
        let mut pipeline = pipeline(rules);
        assert_eq!(pipeline.ended(worked()), Next::Run);
        let empty = PhaseEnded {
            result: " ".to_owned(),
            ..end(outcome)
        };
        assert_eq!(ended(pipeline.ended(empty)).0, Outcome::Completed);
        assert_eq!(pipeline.progress().summary, None);
        assert_eq!(pipeline.progress().result, "result");
    }
}

#[test]
fn a_request_to_end_counts_in_every_phase() {
    let rules = Rules::new(false, None, Summaries::Always);
    let mut pipeline = pipeline(rules);
    pipeline.ended(worked());
    let (outcome, _) = ended(pipeline.ended(end(Outcome::Canceled)));
    assert_eq!(outcome, Outcome::Canceled);
}

#[test]
fn every_phase_is_counted_and_an_attempt_counts_its_own() {
    let mut first = pipeline(rules(true, 3));
    first.ended(worked());
    first.ended(end(Outcome::Retry));
    let progress = first.progress().clone();
    let mut second = Pipeline::new(rules(true, 3), Attempt(3), progress);
    second.ended(passed());
    let progress = second.progress();
    assert_eq!(progress.phases.len(), 3);
    assert_eq!(progress.usage_of(ATTEMPT).cost_micros, Some(20));
    assert_eq!(progress.usage_of(Attempt(3)).cost_micros, Some(10));
    assert_eq!(progress.ran_in(ATTEMPT), Duration::from_secs(2));
    assert_eq!(progress.usage_of(Attempt(9)), Usage::UNKNOWN);
}

#[test]
fn where_the_files_are_gone_the_work_is_done_again_before_it_is_judged() {
    let mut first = pipeline(rules(true, 3));
    first.ended(worked());
    first.ended(faulted("one"));
    first.ended(worked());
    let progress = first.progress().clone().without_files();
    let next = Pipeline::new(rules(true, 3), Attempt(3), progress);
    assert_eq!(place(&next), (Phase::Work, 2, 1));
    assert_eq!(next.progress().feedback(), Some("one"));
}

#[test]
fn rounds_are_bounded_whatever_is_asked_for() {
    assert_eq!(rules(true, 0).rounds, 1);
    assert_eq!(rules(true, 1_000_000).rounds, MOST_ROUNDS);
    assert_eq!(
        Rules::new(true, None, Summaries::Never).rounds,
        DEFAULT_ROUNDS
    );
}

#[test]
fn no_course_of_events_is_endless_or_completes_without_a_verdict() {
    // Every order of four kinds of ends, as digits of a number.
    for mut course in 0..4_u32.pow(8) {
        let mut pipeline = pipeline(rules(true, 3));
        let mut passed_once = false;
        let mut phases = 0;
        let last = loop {
            let phase = pipeline.progress().place.phase;
            let (end, passes) = match course % 4 {
                0 => (worked(), false),
                1 => (passed(), phase == Phase::Verify),
                2 => (faulted("no"), false),
                _ => (self::end(Outcome::Failed(Reason::AgentFailed)), false),
            };
            course /= 4;
            passed_once |= passes;
            phases += 1;
            if let Next::End { outcome, .. } = pipeline.ended(end) {
                break outcome;
            }
        };
        assert!(phases <= 3 * 3 + 1, "{phases} phases");
        assert_eq!(last == Outcome::Completed, passed_once);
    }
}
