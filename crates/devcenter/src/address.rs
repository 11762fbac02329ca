//! Addresses: which one may be configured, and whether one that the service names is still the service's.
//!
//! `nextLink` and `Operation-Location` come from outside. A token goes there only when scheme, host and port are the
//! configured ones.

use url::{Host, Url};

use crate::error::Error;

/// The longest address that is followed, in bytes: several times any that was seen. Longer ones are no addresses.
const ADDRESS_BYTES_MAX: usize = 8192;

/// Scheme, host and port of the configured address, with path `/`. A token travels in the clear to loopback addresses
/// only.
pub(crate) fn checked_base(base: &Url) -> Result<Url, Error> {
    let refuse = |reason| {
        let host = base.host_str().unwrap_or_default().to_owned();
        Error::BadAddress { host, reason }
    };
    match base.scheme() {
        "https" => {}
        "http" if is_loopback(base) => {}
        "http" => return Err(refuse("plain http is for loopback addresses only")),
        _ => return Err(refuse("it is neither https nor http")),
    }
    if base.host().is_none() {
        return Err(refuse("it names no host"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refuse("it contains a user name or password"));
    }
    let mut origin = base.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    Ok(origin)
}

/// The address that the service names, if it is one of its own; otherwise the host it names, for people.
pub(crate) fn own(base: &Url, link: &str) -> Result<Url, String> {
    if link.len() > ADDRESS_BYTES_MAX {
        return Err("an address of more than 8 KiB".to_owned());
    }
    let Ok(url) = base.join(link) else {
        return Err("no address".to_owned());
    };
    let anonymous = url.username().is_empty() && url.password().is_none();
    match anonymous && url.origin() == base.origin() {
        true => Ok(url),
        false => Err(crate::said::said(&authority(&url))),
    }
}

/// Host and port, for people.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("no host");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn only_https_or_loopback_is_an_address_for_tokens() {
        for good in [
            "https://t-c.eastus.devcenter.azure.com/x?y",
            "http://127.0.0.1:9",
            "http://[::1]:9",
        ] {
            let base = checked_base(&url(good)).expect(good);
            assert_eq!((base.path(), base.query()), ("/", None));
        }
        for bad in [
            "http://example.org",
            "ftp://127.0.0.1",
            "https://ann:secret@example.org",
            "data:,x",
        ] {
            let refused = checked_base(&url(bad)).expect_err(bad).to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn addresses_of_other_hosts_schemes_and_ports_are_not_followed() {
        let base = url("https://center.example/");
        for good in [
            "https://center.example/projects?x=1",
            "https://CENTER.example:443/a",
            "/projects",
        ] {
            assert!(own(&base, good).is_ok(), "{good}");
        }
        for foreign in [
            "https://evil.example/projects",
            "http://center.example/projects",
            "https://center.example:444/",
            "https://center.example@evil.example/",
            "https://ann@center.example/",
            "//evil.example/x",
            "https://center.example.evil.example/",
            "\\\\evil.example\\x",
            "file:///etc/passwd",
            "https://[",
        ] {
            assert!(own(&base, foreign).is_err(), "{foreign}");
        }
        assert!(own(&base, &format!("/{}", "x".repeat(9000))).is_err());
    }
}
