//! Guarantee 17: requests and execution time are paced under the service's limits, adaptively on 429 and
//! `Retry-After`; a burst of 10,000 tasks trips no limit.
//!
//! The limits are enforced as Dataverse does, in simulated time, so that an hour takes seconds. The burst of 10,000 is
//! run by `cargo xtask bench`; here smaller ones meet limits that are smaller by as much.

use shraga_dataverse::Pacing;
use shraga_testkit::limits::{Allowance, Limits};

use crate::paced::{self, PACED};

/// A tenth of what Dataverse allows.
fn a_tenth() -> Limits {
    Limits::new(Allowance::DATAVERSE.divided_by(10))
}

#[tokio::test(start_paused = true)]
async fn guarantee_17_a_burst_trips_no_limit_and_costs_less_than_a_tenth_of_a_request_for_each_task()
 {
    let burst = paced::burst(1_500, PACED, &Limits::new(Allowance::DATAVERSE)).await;
    assert_eq!(burst.tally.throttled(), 0, "{burst:?}");
    assert!(burst.requests_per_task < 0.1, "{burst:?}");
    assert!(
        burst.most_rows < 1_500,
        "a window, not the table: {burst:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn guarantee_17_a_tenth_of_the_limits_is_kept_to_where_an_unpaced_client_trips_them() {
    let share = Pacing::Dataverse { share_percent: 10 };
    let paced = paced::burst(1_000, share, &a_tenth()).await;
    assert_eq!(paced.tally.throttled(), 0, "{paced:?}");
    assert!(paced.requests_per_task < 0.1, "{paced:?}");
    let unpaced = paced::burst(1_000, Pacing::Unpaced, &a_tenth()).await;
    assert!(
        unpaced.tally.throttled() > 0,
        "the limits do bite: {unpaced:?}"
    );
    let (slow, fast) = (paced.seconds, unpaced.seconds);
    assert!(
        slow < 4.0 * fast,
        "{slow}s is no use of the limits: {fast}s"
    );
}

#[tokio::test(start_paused = true)]
async fn guarantee_17_limits_lower_than_known_slow_everything_down_and_lose_nothing() {
    let limits = a_tenth();
    limits.keeps_silent(2);
    let burst = paced::burst(1_000, PACED, &limits).await;
    let throttled = burst.tally.throttled();
    assert!(throttled > 0, "{burst:?}");
    assert!(
        throttled * 10 < burst.tally.requests,
        "429 is heeded: {burst:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn guarantee_17_a_quiet_hour_costs_an_orchestrator_and_a_worker_at_most_400_requests() {
    let hour = paced::quiet_hour().await;
    assert!(hour.requests() <= 400, "{hour:?}");
}

#[tokio::test(start_paused = true)]
async fn guarantee_17_a_dead_service_is_probed_now_and_then_and_everything_goes_on_once_it_answers()
{
    let outage = paced::outage().await;
    assert!(outage.requests >= 30, "it is probed: {outage:?}");
    assert!(outage.requests <= 480, "it is not hammered: {outage:?}");
    assert_eq!(outage.reassigned, 0, "nobody is fenced for it: {outage:?}");
}
