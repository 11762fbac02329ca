//! Which `Host` a request must name.
//!
//! A web page may make its visitor's browser send requests to this machine under a name of the
//! page's own that resolves to 127.0.0.1. Such a request names that host; nobody else's does.

use std::net::IpAddr;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// Answers only requests that name a loopback address or `localhost`.
pub(crate) async fn loopback_only(request: Request, next: Next) -> Response {
    if names_loopback(&request) {
        return next.run(request).await;
    }
    let text = "this address answers requests to 127.0.0.1, [::1] or localhost only\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

fn names_loopback(request: &Request) -> bool {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().ok(),
        (Some(_), Some(_)) | (None, _) => None,
    };
    // An address in the request line counts instead of the header, so it must be right as well.
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    host.is_some_and(is_loopback) && target.is_none_or(is_loopback)
}

/// Whether `host`, with or without a port, is this machine by number or as `localhost`.
fn is_loopback(host: &str) -> bool {
    let Ok(host) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = host.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let number = address.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || number.is_ok_and(|number| number.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_counts_by_number_or_as_localhost() {
        for good in [
            "127.0.0.1",
            "127.0.0.1:9100",
            "localhost:1",
            "LOCALHOST",
            "[::1]:80",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "example.com",
            "127.0.0.1.example.com",
            "localhost.example.com:9100",
            "10.0.0.1",
            "",
            "a b",
            "127.0.0.1@example.com",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
