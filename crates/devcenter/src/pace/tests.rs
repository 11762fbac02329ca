//! No minute has more requests than the service allows, and nobody asks while it wants to be left alone.

use http::HeaderValue;
use tokio::time::advance;

use super::*;

fn limits(pairs: &[(&'static str, &'static str)]) -> Limits {
    let pairs = pairs.iter().map(|(name, value)| {
        let name = http::HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    Limits::read(&pairs.collect())
}

fn seconds(of: Option<Duration>) -> Option<u64> {
    of.map(|span| span.as_secs())
}

async fn held(pace: &Pace) -> Option<u64> {
    match pace.turn().await {
        Ok(()) => None,
        Err(error) => Some(error.retry_after().expect("how long").as_secs()),
    }
}

#[tokio::test(start_paused = true)]
async fn no_minute_has_more_requests_than_the_service_allows() {
    let pace = Pace::new();
    let began = Instant::now();
    let mut sent = Vec::new();
    while began.elapsed() < Duration::from_secs(180) {
        pace.turn().await.expect("a turn");
        sent.push(began.elapsed());
    }
    for start in &sent {
        let end = *start + Duration::from_secs(60);
        let within = sent
            .iter()
            .filter(|at| *start <= **at && **at < end)
            .count();
        assert!(
            within < 300,
            "{within} requests in the minute from {start:?}"
        );
    }
    assert!(sent.len() > 3 * 230, "and yet it is fast: {}", sent.len());
}

#[test]
fn moments_are_read_by_the_services_own_clock() {
    let date = ("date", "Thu, 07 Sep 2023 06:51:30 GMT");
    let read = limits(&[
        date,
        ("x-rate-limit-limit", "1m"),
        ("x-rate-limit-remaining", "299"),
        ("x-rate-limit-reset", "2023-09-07T06:52:10.0000000Z"),
    ]);
    assert_eq!((read.remaining, seconds(read.reset)), (Some(299), Some(40)));
    let dated = limits(&[date, ("retry-after", "Thu, 07 Sep 2023 06:52:00 GMT")]);
    assert_eq!(seconds(dated.retry_after), Some(30));
    assert_eq!(
        seconds(limits(&[("retry-after", " 7 ")]).retry_after),
        Some(7)
    );
    let past = limits(&[date, ("x-rate-limit-reset", "2023-09-07T06:50:00Z")]);
    assert_eq!(seconds(past.reset), Some(0));
    for odd in ["soon", "-1", "99999999999999999999999"] {
        let value = HeaderValue::from_static(odd);
        let headers = [(http::header::RETRY_AFTER, value)].into_iter().collect();
        assert_eq!(Limits::read(&headers), Limits::default(), "{odd}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_is_left_alone_as_long_as_it_asks_and_callers_are_told() {
    let pace = Pace::new();
    let asked = limits(&[("retry-after", "120")]);
    assert_eq!(seconds(pace.heed(asked, true)), Some(120));
    assert_eq!(held(&pace).await, Some(120));
    advance(Duration::from_secs(110)).await;
    assert_eq!(
        held(&pace).await,
        None,
        "the rest is short enough to be waited for"
    );
    let lie = limits(&[("retry-after", "86400000")]);
    assert_eq!(seconds(pace.heed(lie, true)), Some(3600));
}

#[tokio::test(start_paused = true)]
async fn refusals_that_say_nothing_make_the_waits_longer_until_an_answer() {
    let pace = Pace::new();
    let mut last = Duration::ZERO;
    for _ in 0..3 {
        let wait = pace.heed(Limits::default(), true).expect("a wait");
        assert!(wait >= WINDOW && wait > last, "{wait:?} after {last:?}");
        last = wait;
        advance(wait).await;
    }
    pace.heed(Limits::default(), false);
    let again = pace.heed(Limits::default(), true).expect("a wait");
    assert!(again < last);
}

#[tokio::test(start_paused = true)]
async fn the_last_requests_of_a_window_are_left_to_others() {
    let pace = Pace::new();
    let left = |remaining| Limits {
        remaining: Some(remaining),
        reset: Some(Duration::from_secs(40)),
        retry_after: None,
    };
    assert_eq!(pace.heed(left(11), false), None);
    assert_eq!(seconds(pace.heed(left(10), false)), Some(40));
    assert_eq!(held(&pace).await, Some(40));
}
