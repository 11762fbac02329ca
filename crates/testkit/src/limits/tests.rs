//! The three limits bite where they should, say how long to wait, and forget what is past.

use http::Response;
use http_body_util::{BodyExt as _, Empty};
use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn server() -> Transport {
    Transport::new(service_fn(|_: Request<Bytes>| async {
        Ok(Response::new(
            Empty::new().map_err(|never| match never {}).boxed_unsync(),
        ))
    }))
}

fn batch(writes: usize) -> Request<Bytes> {
    let body = "--b\r\n\r\nPATCH /api/x HTTP/1.1\r\n\r\n{}\r\n".repeat(writes);
    Request::post("http://store/api/data/v9.2/$batch")
        .body(Bytes::from(body))
        .unwrap()
}

fn small(requests: usize, execution: Duration, concurrent: usize) -> Limits {
    Limits::new(Allowance {
        requests,
        execution,
        concurrent,
        window: Duration::from_secs(300),
    })
    .with_costs(Costs {
        request: Duration::ZERO,
        read: Duration::ZERO,
        write: SECOND,
    })
}

async fn send(limits: &Limits, writes: usize) -> Answer {
    limits.wrap(server()).oneshot(batch(writes)).await.unwrap()
}

fn wait(answer: &Answer) -> Option<u64> {
    let after = answer.headers().get(header::RETRY_AFTER)?;
    after.to_str().unwrap().parse().ok()
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_request_and_one_too_many_waits_until_the_first_is_past() {
    let limits = small(3, SECOND * 1_000, 10);
    for _ in 0..3 {
        assert_eq!(send(&limits, 5).await.status(), 200);
    }
    let refused = send(&limits, 5).await;
    assert_eq!(
        (refused.status().as_u16(), wait(&refused)),
        (429, Some(291))
    );
    advance(SECOND * 291).await;
    assert_eq!(send(&limits, 5).await.status(), 200);
    assert_eq!(limits.tally().refused, [1, 0, 0]);
    assert_eq!(limits.tally().writes, 20);
}

#[tokio::test(start_paused = true)]
async fn all_of_a_batch_executes_and_too_much_of_it_in_a_window_is_refused() {
    let limits = small(100, SECOND * 50, 10);
    assert_eq!(send(&limits, 30).await.status(), 200);
    assert_eq!(send(&limits, 30).await.status(), 200);
    let refused = send(&limits, 1).await;
    assert_eq!(
        (refused.status().as_u16(), wait(&refused)),
        (429, Some(271))
    );
    advance(SECOND * 271).await;
    assert_eq!(send(&limits, 1).await.status(), 200);
    assert_eq!(limits.tally().refused, [0, 1, 0]);
    assert_eq!(limits.tally().most_execution, SECOND * 60);
}

#[tokio::test(start_paused = true)]
async fn more_at_once_are_refused_and_some_refusals_name_no_time() {
    let limits = small(100, SECOND * 1_000, 2);
    limits.keeps_silent(2);
    let (a, b, c, d) = tokio::join!(
        send(&limits, 1),
        send(&limits, 1),
        send(&limits, 1),
        send(&limits, 1)
    );
    assert!(a.status() == 200 && b.status() == 200);
    assert_eq!((wait(&c), wait(&d)), (Some(2), None));
    assert_eq!(limits.tally().refused, [0, 0, 2]);
    assert_eq!(limits.tally().most_concurrent, 2);
    assert_eq!(send(&limits, 1).await.status(), 200);
}
