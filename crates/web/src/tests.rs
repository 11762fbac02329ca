//! The rooms through a real socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;

/// Healthy, and not ready.
struct Patient;

impl Vitals for Patient {
    fn version(&self) -> &str {
        "1.2.3"
    }

    fn health(&self) -> Verdict {
        Verdict {
            checks: vec![Check::new("driver", true, "turns")],
        }
    }

    fn readiness(&self) -> Verdict {
        Verdict {
            checks: vec![
                Check::new("identity", true, "known"),
                Check::new("store", false, "it is away"),
            ],
        }
    }

    fn metrics(&self) -> String {
        "shraga_up 1\n".to_owned()
    }
}

async fn started() -> (SocketAddr, tokio_util::sync::DropGuard) {
    let bound = Bound::to((Ipv4Addr::LOCALHOST, 0).into(), false).await;
    let bound = bound.unwrap();
    let (addr, stop) = (bound.addr(), CancellationToken::new());
    tokio::spawn(bound.serve(Arc::new(Patient), stop.clone()));
    (addr, stop.drop_guard())
}

/// What comes back for `request`, until the connection is closed.
async fn exchange(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(addr: SocketAddr, path: &str) -> String {
    exchange(
        addr,
        &format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn a_verdict_is_told_with_its_status_and_its_reasons() {
    let (addr, _stop) = started().await;
    let well = get(addr, "/healthz").await;
    assert!(well.starts_with("HTTP/1.1 200 "), "{well}");
    let ready = get(addr, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    let (_, body) = ready.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["status"], "failing");
    assert_eq!(body["version"], "1.2.3");
    assert_eq!(body["checks"][1]["detail"], "it is away");
}

#[tokio::test]
async fn metrics_come_as_prometheus_text_that_nobody_stores() {
    let (addr, _stop) = started().await;
    let answer = get(addr, "/metrics").await;
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4"),
        "{answer}"
    );
    assert!(answer.contains("cache-control: no-store"), "{answer}");
    assert!(answer.ends_with("shraga_up 1\n"), "{answer}");
}

#[tokio::test]
async fn a_request_in_the_name_of_another_host_is_not_answered() {
    let (addr, _stop) = started().await;
    let foreign = [
        "GET /metrics HTTP/1.1\r\nHost: attacker.example\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n",
        "GET http://attacker.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /metrics HTTP/1.0\r\n\r\n",
    ];
    for request in foreign {
        let answer = exchange(addr, request).await;
        assert!(!answer.contains("shraga_up"), "{request}: {answer}");
        let status = answer.split(' ').nth(1);
        assert!(matches!(status, Some("421" | "400")), "{request}: {answer}");
    }
}

#[tokio::test]
async fn only_reading_is_possible_and_only_in_three_rooms() {
    let (addr, _stop) = started().await;
    let post = format!("POST /healthz HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 0\r\n\r\n");
    assert!(exchange(addr, &post).await.starts_with("HTTP/1.1 405 "));
    assert!(get(addr, "/").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_public_address_is_refused_unless_asked_for() {
    let everywhere: SocketAddr = (Ipv4Addr::UNSPECIFIED, 0).into();
    let refused = Bound::to(everywhere, false).await;
    assert!(matches!(refused, Err(BindError::Public(_))));
    assert!(Bound::to(everywhere, true).await.is_ok());
}

#[tokio::test]
async fn a_client_that_says_nothing_keeps_nobody_waiting() {
    let (addr, _stop) = started().await;
    let _silent = TcpStream::connect(addr).await.unwrap();
    assert!(get(addr, "/healthz").await.starts_with("HTTP/1.1 200 "));
}
