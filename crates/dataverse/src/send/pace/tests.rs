//! Turns are given out within the limits, and to nobody while the service wants to be left alone.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// What a future has to say right now.
fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_the_share_of_the_limit() {
    let limits = Limits::new(50);
    let turns: Vec<_> = (0..24).map_while(|_| now(limits.turn())).collect();
    assert_eq!(turns.len(), 24);
    assert!(now(limits.turn()).is_none());
    drop(turns);
    assert!(now(limits.turn()).is_some());
}

#[tokio::test]
async fn a_burst_ends_where_a_window_would_overflow() {
    let limits = Limits::new(1);
    let (_, burst) = limiter(REQUESTS / 100);
    let given = (0..100).map_while(|_| now(limits.turn())).count();
    assert_eq!(given, usize::try_from(burst).unwrap());
}

#[tokio::test]
async fn long_requests_are_paid_for_before_the_next_one() {
    let limits = Limits::new(1);
    let turn = now(limits.turn()).unwrap();
    turn.done(Duration::from_millis(1));
    let turn = now(limits.turn()).unwrap();
    turn.done(Duration::from_secs(60));
    assert!(
        now(limits.turn()).is_none(),
        "a minute is more than 1% of 900 s"
    );
}

#[tokio::test]
async fn nobody_goes_while_the_service_wants_to_be_left_alone() {
    let limits = Limits::new(100);
    limits.hold(Duration::from_secs(60));
    limits.hold(Duration::ZERO);
    assert!(
        now(limits.turn()).is_none(),
        "a shorter wait does not end a longer one"
    );
}
