//! The rate falls with refusals, comes back with time, and never leaves its bounds.

use proptest::prelude::*;
use shraga_wire::fault::codes;

use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fault() -> Fault {
    Fault::new(429, codes::THROTTLED_REQUESTS, "slow down")
}

#[test]
fn requests_that_were_refused_together_count_once() {
    let mut adapt = Adapt::default();
    for _ in 0..40 {
        adapt.throttled(s(10), Some(s(5)), fault(), s(11));
    }
    assert_eq!(adapt.rate(s(11)), 500);
    adapt.throttled(s(20), Some(s(5)), fault(), s(21));
    assert!(adapt.rate(s(21)) < 300);
}

#[test]
fn without_retry_after_the_waits_double_until_something_is_accepted() {
    let mut adapt = Adapt::default();
    let mut now = s(0);
    let mut waits = Vec::new();
    for _ in 0..9 {
        adapt.throttled(now, None, fault(), now);
        let until = adapt.held(now).unwrap().until;
        waits.push(until - now);
        now = until;
    }
    for (doubled, wait) in (0..).zip(&waits) {
        let planned = (FIRST_HOLD * 2_u32.pow(doubled)).min(LONGEST_HOLD);
        assert!(*wait >= planned && *wait <= planned * 2, "{waits:?}");
    }
    adapt.accepted(now);
    adapt.throttled(now, None, fault(), now);
    assert!(adapt.held(now).unwrap().until - now <= FIRST_HOLD * 2);
}

#[test]
fn the_rate_stands_still_while_nothing_is_sent_and_is_full_again_later() {
    let mut adapt = Adapt::default();
    adapt.throttled(s(0), Some(s(100)), fault(), s(0));
    assert_eq!(adapt.rate(s(100)), 500);
    assert_eq!(adapt.rate(s(150)), 600);
    assert_eq!(adapt.rate(s(350)), FULL);
}

proptest! {
    #[test]
    fn the_rate_keeps_its_bounds_and_only_a_refusal_lowers_it(
        steps in prop::collection::vec((0_u64..200, 0_u64..50, prop::option::of(0_u64..500), any::<bool>()), 1..60)
    ) {
        let mut adapt = Adapt::default();
        let mut now = s(0);
        for (later, ago, asked, refused) in steps {
            let before = adapt.rate(now);
            now += s(later);
            prop_assert!(adapt.rate(now) >= before, "time alone never slows down");
            let sent = now.saturating_sub(s(ago));
            let rate = adapt.rate(now);
            if refused {
                let until = adapt.held(now).map(|hold| hold.until);
                adapt.throttled(sent, asked.map(s), fault(), now);
                prop_assert!(adapt.rate(now) <= rate);
                prop_assert!(adapt.held(now).map(|hold| hold.until) >= until);
                if let Some(asked) = asked.filter(|asked| *asked > 0) {
                    prop_assert!(adapt.held(now).unwrap().until >= now + s(asked));
                }
            } else {
                adapt.accepted(sent);
                prop_assert_eq!(adapt.rate(now), rate);
            }
            prop_assert!((FLOOR..=FULL).contains(&adapt.rate(now)));
        }
        let calm = adapt.held(now).map_or(now, |hold| hold.until) + s(500);
        prop_assert_eq!(adapt.rate(calm), FULL, "it recovers");
    }
}
