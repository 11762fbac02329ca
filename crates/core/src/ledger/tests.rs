//! The books balance: every attempt counts once, for its day, and never for less than is known.

use uuid::Uuid;

use super::*;
use crate::time::Timestamp;

/// Some worker.
const HOST: WorkerId = WorkerId::new(Uuid::from_u128(1));

fn day(number: i64) -> Day {
    Day::of(Timestamp::from_secs(86_400 * number))
}

fn cost(micros: u64) -> Allowance {
    Allowance {
        cost_micros: Some(micros),
        tokens: None,
    }
}

fn spent(cost: Option<u64>, tokens: u64) -> Spent {
    Spent {
        usage: Usage {
            input_tokens: tokens,
            cost_micros: cost,
            ..Usage::NONE
        },
        ran: Span::secs(1),
    }
}

#[test]
fn an_attempt_counts_once_and_for_the_day_it_was_given_out() {
    let given = Ledger::default().give(Attempt(1), HOST, day(5), cost(900));
    let ended = given.close(Attempt(1), HOST, spent(Some(400), 7), day(6));
    assert_eq!(ended.spent.usage.cost_micros, Some(400));
    assert_eq!(
        ended.days,
        [DaySpent {
            day: day(5),
            sum: Sum {
                cost_micros: 400,
                tokens: 7
            },
            unpriced: 0
        }]
    );
    assert_eq!(
        ended.close(Attempt(1), HOST, spent(Some(999), 9), day(7)),
        ended
    );
    let again = ended.give(Attempt(2), HOST, day(6), cost(500));
    let again = again.close(Attempt(2), HOST, spent(Some(100), 1), day(6));
    assert_eq!(again.before().usage.cost_micros, Some(500));
    assert_eq!(again.days.len(), 2);
}

#[test]
fn a_lost_attempt_counts_with_all_that_was_reserved_for_it() {
    let given = Ledger::default().give(Attempt(1), HOST, day(1), cost(900));
    let noted = given.note(Attempt(1), spent(Some(100), 3));
    assert_eq!(noted.before().usage.cost_micros, Some(900));
    let next = noted.give(Attempt(2), HOST, day(1), cost(50));
    assert_eq!(
        next.end_of(Attempt(1)).map(|end| end.sum.cost_micros),
        Some(900)
    );
    assert_eq!(next.spent.usage.tokens(), 3);
}

#[test]
fn without_a_reservation_a_lost_attempt_counts_as_it_noted_and_its_cost_is_unknown() {
    let given = Ledger::default().give(Attempt(1), HOST, day(1), Allowance::default());
    let noted = given.note(Attempt(1), spent(Some(100), 3)).written_off();
    assert_eq!((noted.total().cost_micros, noted.unpriced), (None, 1));
    assert_eq!(noted.total().tokens(), 3);
}

#[test]
fn a_cost_that_no_agent_told_counts_with_its_reservation_or_stays_unknown() {
    let reserved = Ledger::default().give(Attempt(1), HOST, day(1), cost(900));
    let told = reserved.close(Attempt(1), HOST, spent(None, 3), day(1));
    assert_eq!(told.total().cost_micros, Some(900));
    let unreserved = Ledger::default().give(Attempt(1), HOST, day(1), Allowance::default());
    let told = unreserved.close(Attempt(1), HOST, spent(None, 3), day(1));
    assert_eq!(told.total().cost_micros, None);
    let more = told.close(Attempt(2), HOST, spent(Some(5), 0), day(1));
    assert_eq!(
        (more.total().cost_micros, more.spent.usage.cost_micros),
        (None, Some(5))
    );
}

#[test]
fn what_an_attempt_may_use_is_the_smaller_of_what_is_left_and_what_is_reserved() {
    let ledger = Ledger::default().close(Attempt(1), HOST, spent(Some(300), 10), day(1));
    let ledger = ledger.give(Attempt(2), HOST, day(1), cost(200));
    let budget = Budget {
        cost_micros: Some(1_000),
        tokens: Some(50),
        ..Budget::NONE
    };
    let ceiling = ceiling(budget, &ledger);
    assert_eq!((ceiling.cost_micros, ceiling.tokens), (Some(500), Some(50)));
    assert_eq!(ceiling.left(&ledger.spent).cost_micros, Some(200));
}

#[test]
fn a_ledger_stays_small() {
    let mut ledger = Ledger::default();
    for number in 1..500_u32 {
        ledger = ledger.give(
            Attempt(number),
            HOST,
            day(i64::from(number)),
            cost(1_000_000),
        );
        ledger = ledger.close(Attempt(number), HOST, spent(Some(1), 1), day(0));
    }
    let sum = ledger
        .days
        .iter()
        .fold(Sum::default(), |sum, it| sum.plus(it.sum));
    assert_eq!(
        sum,
        Sum {
            cost_micros: 499,
            tokens: 499
        }
    );
    assert!(
        ledger.to_json().len() < 10_000,
        "{}",
        ledger.to_json().len()
    );
}

#[test]
fn an_account_settles_a_reservation_once_and_begins_anew_each_day() {
    let mirror = MirrorId::new(Uuid::from_u128(1));
    let sum = |cost_micros| Sum {
        cost_micros,
        tokens: 0,
    };
    let mut account = Account::default().on(day(3));
    let held = Held {
        mirror,
        attempt: Attempt(1),
        sum: sum(500),
    };
    account.hold(held);
    account.hold(held);
    assert_eq!(account.committed(), sum(500));
    account.settle(mirror, Attempt(1), sum(200));
    account.settle(mirror, Attempt(1), sum(200));
    assert_eq!(account.committed(), sum(200));
    assert_eq!(
        account.on(day(2)),
        account,
        "a clock that goes back gives nothing back"
    );
    assert_eq!(account.on(day(4)).committed(), sum(0));
}

#[test]
fn agents_time_is_kept_by_worker_and_a_lost_attempt_counts_as_far_as_it_told() {
    let other = WorkerId::new(Uuid::from_u128(2));
    let took = |secs| Spent {
        ran: Span::secs(secs),
        ..spent(Some(1), 1)
    };
    let ledger = Ledger::default()
        .close(Attempt(1), HOST, took(10), day(1))
        .give(Attempt(2), other, day(1), Allowance::default())
        .note(Attempt(2), took(40));
    let on = |worker, secs| Place {
        worker,
        ran: Span::secs(secs),
    };
    assert_eq!(ledger.places, [on(HOST, 10)]);
    assert_eq!(ledger.ran_on(), [on(other, 40), on(HOST, 10)]);
    let lost = ledger.lose(Attempt(2), day(2));
    assert_eq!(lost.places, [on(other, 40), on(HOST, 10)]);
    let again = lost.close(Attempt(3), HOST, took(50), day(3));
    assert_eq!(again.places, [on(HOST, 60), on(other, 40)]);
    // The same end, entered again.
    assert_eq!(again.close(Attempt(3), HOST, took(9), day(3)), again);
}

#[test]
fn a_ledger_keeps_the_workers_that_were_used_most() {
    let mut ledger = Ledger::default();
    for number in 1..=40_u32 {
        let worker = WorkerId::new(Uuid::from_u128(number.into()));
        let ran = Span::secs(number.into());
        let spent = Spent {
            ran,
            ..spent(None, 1)
        };
        ledger = ledger.close(Attempt(number), worker, spent, day(1));
    }
    let kept = ledger.places.iter().map(|it| it.ran.as_secs());
    assert_eq!(
        kept.collect::<Vec<_>>(),
        (29..=40).rev().collect::<Vec<_>>()
    );
}
