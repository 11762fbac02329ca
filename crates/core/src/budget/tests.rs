//! What budgets read like, and that the meter never lets a limit be passed unseen.

use super::*;
use crate::usage::Usage;

fn spent(cost: Option<u64>, tokens: u64, turns: u32, seconds: i64) -> Spent {
    Spent {
        usage: Usage {
            output_tokens: tokens,
            turns,
            cost_micros: cost,
            ..Usage::NONE
        },
        ran: Span::secs(seconds),
    }
}

fn budget(text: &str) -> Budget {
    text.parse().unwrap()
}

#[test]
fn a_budget_is_written_as_people_say_it() {
    let all = budget("2.50usd, 30m,200k-tokens,40turns,10mb");
    assert_eq!(
        all,
        Budget {
            cost_micros: Some(2_500_000),
            tokens: Some(200_000),
            turns: Some(40),
            time: Some(Span::mins(30)),
            output_bytes: Some(10_000_000),
        }
    );
    assert_eq!(
        all.to_string(),
        "$2.50, 200.0k tokens, 40 turns, 30m 0s, 10.0M bytes"
    );
    assert_eq!(budget("$0.005").cost_micros, Some(5_000));
    assert_eq!(budget("1.5h").time, Some(Span::mins(90)));
    assert_eq!(budget("1.2m-tokens").tokens, Some(1_200_000));
    assert_eq!(Budget::NONE.to_string(), "no limit");
}

#[test]
fn a_budget_that_cannot_be_understood_is_named_and_never_taken_for_none() {
    let wrong = |text: &str| text.parse::<Budget>().unwrap_err().to_string();
    assert!(wrong("").starts_with("`` of the budget: give a number"));
    assert!(wrong("5").starts_with("`5` of the budget: give a number"));
    assert!(wrong("5eur,3m").starts_with("`5eur` of the budget: give a number"));
    assert!(wrong("1.5turns").contains("give a number"));
    assert!(wrong("-1usd").contains("give a number"));
    assert!(wrong("0usd").contains("more than nothing"));
    assert!(wrong("3usd,$4").contains("given twice"));
    assert!(wrong("400d").contains("a year"));
}

#[test]
fn the_meter_warns_from_80_percent_on_and_stops_at_the_limit() {
    let limit = budget("1usd,1000tokens");
    let judge = |cost, tokens| limit.judge(&Spent::NONE, &spent(Some(cost), tokens, 0, 0), 0);
    assert_eq!(judge(799_999, 0), Verdict::Go);
    assert_eq!(judge(800_000, 0), Verdict::Warn(Limit::Cost, 80));
    assert_eq!(judge(800_000, 950), Verdict::Warn(Limit::Tokens, 95));
    assert_eq!(judge(999_999, 0), Verdict::Warn(Limit::Cost, 99));
    assert_eq!(judge(1_000_000, 0), Verdict::Stop(Limit::Cost));
    assert_eq!(judge(0, 1_000), Verdict::Stop(Limit::Tokens));
}

#[test]
fn a_resumed_task_goes_on_with_the_meter_where_it_stood() {
    let limit = budget("1usd,10turns,1h");
    let before = spent(Some(700_000), 0, 7, 3_000);
    assert_eq!(
        limit.judge(&before, &Spent::NONE, 0),
        Verdict::Warn(Limit::Time, 83)
    );
    let live = spent(Some(300_000), 0, 1, 0);
    assert_eq!(limit.judge(&before, &live, 0), Verdict::Stop(Limit::Cost));
    assert_eq!(limit.left(&before), budget("0.3usd,3turns,10m"));
    assert_eq!(limit.left(&before.plus(live)).used_up(), Some(Limit::Cost));
}

#[test]
fn a_cost_that_is_not_known_does_not_keep_a_limit_on_cost() {
    let unknown = spent(None, 10, 1, 1);
    let judge = |text: &str| budget(text).judge(&Spent::NONE, &unknown, 0);
    assert_eq!(judge("1usd"), Verdict::Unpriced);
    assert_eq!(judge("1000tokens"), Verdict::Go);
    assert_eq!(budget("1usd").left(&unknown).used_up(), Some(Limit::Cost));
}

#[test]
fn output_is_what_this_attempt_printed() {
    let limit = budget("1kb");
    assert_eq!(
        limit.judge(&Spent::NONE, &Spent::NONE, 999),
        Verdict::Warn(Limit::Output, 99)
    );
    assert_eq!(
        limit.judge(&Spent::NONE, &Spent::NONE, 1_000),
        Verdict::Stop(Limit::Output)
    );
}

proptest::proptest! {
    /// Going step by step and ending when told, no limit is passed by more than its last step.
    #[test]
    fn nothing_is_used_after_the_meter_says_stop(
        steps in proptest::collection::vec((0_u64..400_000, 0_u64..50_000, 0_u32..3), 1..60),
        (cost, tokens, turns) in (1_u64..2_000_000, 1_u64..400_000, 1_u64..40),
    ) {
        let limit = Budget {
            cost_micros: Some(cost),
            tokens: Some(tokens),
            turns: Some(turns),
            ..Budget::NONE
        };
        let mut live = Spent::NONE;
        let mut warned = 0;
        for (cost_step, tokens_step, turns_step) in steps {
            let step = spent(Some(cost_step), tokens_step, turns_step, 1);
            match limit.judge(&Spent::NONE, &live, 0) {
                Verdict::Go => proptest::prop_assert_eq!(warned, 0, "a warning was taken back"),
                Verdict::Warn(_, percent) => {
                    proptest::prop_assert!((WARN_PERCENT..100).contains(&percent));
                    proptest::prop_assert!(percent >= warned);
                    warned = percent;
                }
                Verdict::Stop(_) => break,
                Verdict::Unpriced => unreachable!("every step has a price"),
            }
            let full = limit.left(&live);
            proptest::prop_assert_eq!(full.used_up(), None, "it went on with nothing left");
            live = live.plus(step);
        }
    }
}
