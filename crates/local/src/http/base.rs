//! The address this server is reached under, as far as the request tells, and what lies below it.

use http::header::HOST;
use http::request::Parts;
use shraga_wire::fault::Fault;

use crate::http::path;

/// Set on requests that came over TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverTls;

/// The address of the service root as the caller wrote it, with a slash at its end:
/// `http://127.0.0.1:8080/api/data/v9.2/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    url: String,
    /// Length of `http://host`.
    origin: usize,
}

impl Base {
    /// Takes scheme, host and version from a request for the Web API.
    ///
    /// The host is the caller's word; it is only ever sent back to that caller, in links.
    pub(crate) fn of(parts: &Parts) -> Self {
        let forwarded = parts.headers.get("x-forwarded-proto");
        let scheme = match forwarded.and_then(|value| value.to_str().ok()) {
            Some("https") => "https",
            Some("http") => "http",
            Some(_) | None if parts.extensions.get::<OverTls>().is_some() => "https",
            Some(_) | None => parts.uri.scheme_str().unwrap_or("http"),
        };
        let host = parts
            .headers
            .get(HOST)
            .and_then(|value| value.to_str().ok());
        let host = host
            .or(parts.uri.authority().map(http::uri::Authority::as_str))
            .filter(|host| host.bytes().all(is_host_byte))
            .unwrap_or("localhost");
        let path = parts.uri.path();
        let inside = path::under_service_root(path).map_or(0, str::len);
        let root = path[..path.len() - inside].trim_end_matches('/');
        let origin = scheme.len() + 3 + host.len();
        Self {
            url: format!("{scheme}://{host}{root}/"),
            origin,
        }
    }

    /// The service root's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The path and query after the service root of an address inside a body or batch: absolute
    /// (of this server), starting with the service root, or relative to it.
    ///
    /// # Errors
    /// 400 for an address of another server.
    pub(crate) fn relative<'a>(&self, address: &'a str) -> Result<&'a str, Fault> {
        let address = address.trim();
        let Some((scheme, rest)) = address.split_once("://") else {
            return Ok(path::under_service_root(address)
                .unwrap_or_else(|| address.strip_prefix('/').unwrap_or(address)));
        };
        let host_ends = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(host_ends);
        let own = &self.url[..self.origin];
        let own_host = own.split_once("://").map_or("", |(_, host)| host);
        let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if !is_http || !host.eq_ignore_ascii_case(own_host) {
            return Err(Fault::invalid_argument(format!(
                "'{scheme}://{host}' is not this server ({own})."
            )));
        }
        path::under_service_root(path)
            .ok_or_else(|| Fault::no_such_resource(path, Some("/api/data/v9.2/")))
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(uri: &str, host: Option<&str>) -> Base {
        let mut request = http::Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        Base::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_base_is_what_the_caller_wrote() {
        let base = base("/api/data/v9.1/accounts?$top=1", Some("[::1]:8080"));
        assert_eq!(base.url(), "http://[::1]:8080/api/data/v9.1/");
    }

    #[test]
    fn a_host_that_could_break_out_of_a_link_is_not_repeated() {
        let base = base("/api/data/v9.2", Some("a\"b"));
        assert_eq!(base.url(), "http://localhost/api/data/v9.2/");
    }

    #[test]
    fn addresses_are_taken_relative_to_the_service_root_and_never_of_another_server() {
        let base = base("http://shraga.local/api/data/v9.2/$batch", None);
        assert_eq!(base.relative("/accounts(1)").unwrap(), "accounts(1)");
        assert_eq!(base.relative("accounts").unwrap(), "accounts");
        assert_eq!(
            base.relative("/api/data/v9.0/accounts").unwrap(),
            "accounts"
        );
        let absolute = "HTTPS://Shraga.Local/api/data/v9.2/accounts?$top=1";
        assert_eq!(base.relative(absolute).unwrap(), "accounts?$top=1");
        assert_eq!(
            base.relative("http://other/api/data/v9.2/x")
                .unwrap_err()
                .status,
            400
        );
        assert_eq!(
            base.relative("ftp://shraga.local/api/data/v9.2/x")
                .unwrap_err()
                .status,
            400
        );
    }
}
