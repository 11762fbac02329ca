//! The fault layer does what each fault's name says.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A server that counts what reaches it.
fn counting() -> (Transport, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let server = Transport::new(service_fn(move |_: Request<Bytes>| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok(Response::new(whole(Bytes::from_static(b"done")))) }
    }));
    (server, seen)
}

fn post(body: &'static str) -> Request<Bytes> {
    Request::post("http://store/api/data/v9.2/$batch")
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap()
}

#[tokio::test]
async fn a_closed_connection_never_reaches_the_server_and_a_dropped_reply_does() {
    let (server, seen) = counting();
    let faults = Faults::new();
    let transport = faults.wrap(server);
    faults.arm(When::any(), Fault::Close);
    assert!(transport.clone().oneshot(post("")).await.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    faults.arm(When::any(), Fault::DropReply);
    assert!(transport.clone().oneshot(post("")).await.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert!(transport.oneshot(post("")).await.is_ok());
}

#[tokio::test]
async fn a_fault_waits_for_the_request_it_is_meant_for() {
    let (server, seen) = counting();
    let faults = Faults::new();
    let transport = faults.wrap(server);
    faults.arm(When::write_with("TaskMirrored"), Fault::Duplicate);
    transport.clone().oneshot(post("GET x")).await.unwrap();
    assert_eq!(faults.pending(), 1);
    let write = post("--b\r\n\r\nPATCH /t HTTP/1.1\r\n\r\n{\"cr_type\":\"TaskMirrored\"}");
    transport.oneshot(write).await.unwrap();
    assert_eq!((seen.load(Ordering::SeqCst), faults.pending()), (3, 0));
}

#[tokio::test]
async fn a_held_reply_arrives_after_the_gate_opens() {
    let (server, seen) = counting();
    let faults = Faults::new();
    let transport = faults.wrap(server);
    let gate = Gate::new();
    faults.arm(When::any(), Fault::HoldReply(gate.clone()));
    let waiting = tokio::spawn(transport.oneshot(post("")));
    gate.arrival().await;
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert!(!waiting.is_finished());
    gate.open();
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_throttle_names_the_seconds_to_wait() {
    let (server, _) = counting();
    let faults = Faults::new();
    faults.arm(When::any(), Fault::Throttle { retry_after: 3 });
    let answer = faults.wrap(server).oneshot(post("")).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "3");
}
