//! What is sent again, when, and to whom a token may go.

use shraga_wire::fault::Fault;

use super::*;

fn throttled(seconds: u64) -> Error {
    Error::Throttled {
        retry_after: Some(Duration::from_secs(seconds)),
        fault: Fault::new(
            429,
            shraga_wire::fault::codes::THROTTLED_REQUESTS,
            "slow down",
        ),
    }
}

#[test]
fn retry_after_is_obeyed_when_longer_than_planned_and_given_up_when_too_long() {
    let planned = Some(Duration::from_millis(400));
    assert_eq!(
        delay_after(&throttled(7), planned),
        Some(Duration::from_secs(7))
    );
    assert_eq!(delay_after(&throttled(0), planned), planned);
    assert_eq!(delay_after(&throttled(301), planned), None);
    assert_eq!(delay_after(&throttled(7), None), None);
}

#[test]
fn a_write_is_repeated_only_when_it_was_not_done() {
    let unavailable = Error::Unavailable(Fault::unavailable("busy"));
    assert!(may_repeat(Repeat::Freely, &unavailable));
    assert!(!may_repeat(Repeat::IfNotDone, &unavailable));
    assert!(may_repeat(Repeat::IfNotDone, &throttled(1)));
    assert!(!may_repeat(
        Repeat::Freely,
        &Error::Conflict(Fault::version_mismatch())
    ));
    let late = Error::Timeout {
        stage: Stage::Answer,
        after: Duration::from_secs(30),
    };
    assert!(!may_repeat(Repeat::Freely, &late));
}

#[test]
fn a_token_travels_in_the_clear_to_loopback_addresses_only() {
    let checked = |text: &str| checked_base(&text.parse().unwrap()).map(|url| url.to_string());
    assert_eq!(
        checked("https://org.crm.dynamics.com/main.aspx?x=1#y").unwrap(),
        "https://org.crm.dynamics.com/"
    );
    for address in ["http://127.0.0.1:5", "http://[::1]:5", "http://localhost"] {
        assert!(checked(address).is_ok(), "{address}");
    }
    for address in [
        "http://org.crm.dynamics.com",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://user:word@org.crm.dynamics.com",
    ] {
        assert!(checked(address).is_err(), "{address}");
    }
}

#[test]
fn dates_of_headers_are_read_to_the_second() {
    let at = date::parse("Tue, 15 Nov 1994 08:12:31 GMT");
    assert_eq!(at, Some(Timestamp::from_secs(784_887_151)));
    assert_eq!(date::parse("yesterday"), None);
}
