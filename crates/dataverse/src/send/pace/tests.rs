//! Turns are given out within the limits, and to nobody while the service wants to be left alone.

use shraga_wire::fault::{Fault, codes};
use tokio::time::advance;

use super::*;

fn fault() -> Fault {
    Fault::new(429, codes::THROTTLED_REQUESTS, "slow down")
}

fn throttled(seconds: Option<u64>) -> Error {
    Error::Throttled {
        retry_after: seconds.map(Duration::from_secs),
        fault: fault(),
    }
}

/// What a future has to say right now.
fn now<F: Future>(future: F) -> Option<F::Output> {
    use futures_util::FutureExt as _;
    future.now_or_never()
}

/// A turn that is there right now.
fn turn(limits: &Limits, lane: Lane) -> Option<Turn<'_>> {
    now(limits.turn(lane)).map(|turn| turn.expect("nothing is held for so long"))
}

/// Limits that have seen many short requests, and expect the next to be short too.
fn used(share_percent: u8) -> Limits {
    let limits = Limits::new(share_percent);
    (0..100).for_each(|_| drop(turn(&limits, Lane::Work)));
    limits
}

/// How long it takes until a turn is given.
async fn wait(limits: &Limits, lane: Lane) -> Duration {
    let asked = Instant::now();
    let turn = limits.turn(lane).await;
    turn.expect("nothing is held for so long");
    asked.elapsed()
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_the_share_of_the_limit() {
    let limits = used(50);
    let mut turns: Vec<_> = (0..60).map_while(|_| turn(&limits, Lane::Work)).collect();
    turns.extend((0..60).map_while(|_| turn(&limits, Lane::Beat)));
    assert_eq!(turns.len(), 24);
    drop(turns);
    assert!(turn(&limits, Lane::Work).is_some());
}

#[tokio::test(start_paused = true)]
async fn no_window_ever_holds_more_requests_than_the_limit() {
    let limits = Limits::new(100);
    let began = Instant::now();
    let mut given: Vec<Duration> = Vec::new();
    while began.elapsed() < WINDOW * 3 {
        for lane in [Lane::Work, Lane::Beat] {
            given.extend(std::iter::from_fn(|| turn(&limits, lane)).map(|_| began.elapsed()));
        }
        advance(Duration::from_millis(500)).await;
    }
    let most = given.iter().enumerate().map(|(first, from)| {
        let after = &given[first..];
        after.partition_point(|at| *at < *from + WINDOW)
    });
    let most = most.max().unwrap();
    assert!(most <= 6_000, "{most} requests in one window");
    assert!(most >= 5_000, "{most} requests leave the service unused");
}

#[tokio::test(start_paused = true)]
async fn long_requests_are_paid_for_before_the_next_one() {
    let limits = Limits::new(1);
    let first = turn(&limits, Lane::Work).unwrap();
    advance(Duration::from_secs(60)).await;
    drop(first);
    let waited = wait(&limits, Lane::Work).await;
    assert!(waited > WINDOW, "a minute is more than 1% of 900 s");
}

#[tokio::test(start_paused = true)]
async fn many_long_requests_at_once_are_held_back_before_the_first_has_ended() {
    let limits = Limits::new(100);
    let first = turn(&limits, Lane::Work).unwrap();
    advance(Duration::from_secs(25)).await;
    drop(first);
    let turns: Vec<_> = (0..48).map_while(|_| turn(&limits, Lane::Work)).collect();
    assert!(turns.len() < 5, "{} of 25 s each", turns.len());
}

#[tokio::test(start_paused = true)]
async fn a_beat_does_not_wait_behind_work() {
    let limits = Limits::new(1);
    let busy: Vec<_> = (0..100).map_while(|_| turn(&limits, Lane::Work)).collect();
    advance(Duration::from_secs(60)).await;
    drop(busy);
    assert!(turn(&limits, Lane::Work).is_none());
    for _ in 0..10 {
        assert_eq!(wait(&limits, Lane::Beat).await, Duration::ZERO);
        advance(Duration::from_secs(30)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_while_the_service_wants_to_be_left_alone() {
    let limits = Limits::new(100);
    let refused = turn(&limits, Lane::Work).unwrap();
    let other = turn(&limits, Lane::Work).unwrap();
    refused.heed(Err(&throttled(Some(60))));
    other.heed(Err(&throttled(Some(0))));
    drop((refused, other));
    for lane in [Lane::Work, Lane::Beat] {
        assert!(
            turn(&limits, lane).is_none(),
            "a shorter wait does not end a longer one"
        );
    }
    let waited = wait(&limits, Lane::Beat).await;
    assert!(waited >= Duration::from_secs(60), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_long_is_told_at_once_and_nothing_is_sent() {
    let limits = Limits::new(100);
    let refused = turn(&limits, Lane::Work).unwrap();
    refused.heed(Err(&throttled(Some(1_000))));
    advance(Duration::from_secs(600)).await;
    let told = now(limits.turn(Lane::Work)).unwrap().unwrap_err();
    let Error::Throttled { retry_after, .. } = told else {
        panic!("{told}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(400)));
}

#[tokio::test(start_paused = true)]
async fn after_a_429_everybody_is_slower_and_then_as_fast_as_before() {
    let limits = Limits::new(100);
    let hour = Duration::from_secs(3600);
    let in_a_minute = async || {
        advance(hour).await;
        let until = Instant::now() + Duration::from_secs(60);
        let mut given = 0;
        while Instant::now() < until {
            given += std::iter::from_fn(|| turn(&limits, Lane::Work)).count();
            advance(Duration::from_millis(100)).await;
        }
        given
    };
    let before = in_a_minute().await;
    advance(hour).await;
    let refused = turn(&limits, Lane::Work).unwrap();
    refused.heed(Err(&throttled(Some(0))));
    drop(refused);
    let slower = std::iter::from_fn(|| turn(&limits, Lane::Work)).count();
    let burst = usize::try_from(limits.work.requests.burst.get() / PER_REQUEST).unwrap();
    assert!(slower <= burst / 2 + 1, "{slower} at once at half the rate");
    assert_eq!(in_a_minute().await, before);
}
