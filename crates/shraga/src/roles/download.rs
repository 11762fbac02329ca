//! Fetching a program that somebody else built, over the one stack of HTTP that there is.
//!
//! No token, cookie or setting is sent. Addresses are `https`, or `http` of this machine alone, also those that an
//! answer leads to; what arrives is judged by its sum, not by where it came from.

use std::io::Write;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use shraga_dataverse::transport::{NetworkOptions, is_loopback, network};
use shraga_update::{Fetch, Fetching, LARGEST_BYTES, NotFetched};
use tower::ServiceExt as _;
use url::Url;

/// How often an answer may lead elsewhere: places that keep files lead to those that hold them.
const REDIRECTS: usize = 5;

/// Whoever fetches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Download;

impl Download {
    /// The address that `text` is, if it may be asked.
    ///
    /// # Errors
    /// It is none, or anybody on the way could answer it.
    pub(super) fn address(text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "holds a name or a password; whoever has the file must not ask for one".to_owned(),
            );
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback(&url) => Ok(url),
            scheme => Err(format!("is not https but {scheme}")),
        }
    }

    async fn bring(address: &str, to: &mut (dyn Write + Send)) -> Result<(), NotFetched> {
        let mut url = Self::address(address).map_err(NotFetched::Failed)?;
        for _ in 0..=REDIRECTS {
            let answer = ask(&url).await.map_err(NotFetched::Failed)?;
            let status = answer.status();
            if status.is_redirection() {
                url = led_to(&url, answer.headers()).map_err(NotFetched::Failed)?;
                continue;
            }
            if !status.is_success() {
                let said = format!("{} answered {status}", shown(&url));
                return Err(NotFetched::Failed(said));
            }
            let length = answer.headers().get(http::header::CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
            if length.is_some_and(|length| length > LARGEST_BYTES) {
                return Err(NotFetched::TooLarge);
            }
            let mut body = answer.into_body();
            while let Some(frame) = body.frame().await {
                let cut = |error| NotFetched::Failed(format!("it was cut short: {error}"));
                let frame = frame.map_err(cut)?;
                if let Some(piece) = frame.data_ref() {
                    let unkept = |error: std::io::Error| NotFetched::Failed(error.to_string());
                    to.write_all(piece).map_err(unkept)?;
                }
            }
            return Ok(());
        }
        let said = format!("it leads elsewhere more than {REDIRECTS} times");
        Err(NotFetched::Failed(said))
    }
}

impl Fetch for Download {
    fn fetch<'a>(&'a self, address: &'a str, to: &'a mut (dyn Write + Send)) -> Fetching<'a> {
        Box::pin(Self::bring(address, to))
    }
}

async fn ask(url: &Url) -> Result<http::Response<shraga_dataverse::transport::Body>, String> {
    let options = NetworkOptions {
        extra_roots_pem: Vec::new(),
        no_proxy: is_loopback(url),
    };
    let transport = network(&options).map_err(|error| error.to_string())?;
    let request = http::Request::get(url.as_str())
        .header(http::header::ACCEPT, "application/octet-stream")
        .body(Bytes::new())
        .map_err(|error| error.to_string())?;
    let answer = transport.oneshot(request).await;
    answer.map_err(|error| format!("{}: {error}", shown(url)))
}

/// Where an answer leads. Nobody elsewhere may have something on this machine asked.
fn led_to(from: &Url, headers: &http::HeaderMap) -> Result<Url, String> {
    let place = headers.get(http::header::LOCATION);
    let place = place.and_then(|place| place.to_str().ok());
    let place = place.ok_or_else(|| format!("{} leads nowhere", shown(from)))?;
    let to = from.join(place).map_err(|error| error.to_string())?;
    let to = Download::address(to.as_str())?;
    match is_loopback(&to) && !is_loopback(from) {
        true => Err(format!("{} leads to this machine", shown(from))),
        false => Ok(to),
    }
}

/// The address without its query, which may hold a signature.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}{}", url.scheme(), url.path())
}
