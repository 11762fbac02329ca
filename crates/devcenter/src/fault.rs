//! An error as the service says it: status, code, message, and the identity of the request that its support asks for.

use std::fmt;

use http::HeaderMap;
use serde::Deserialize;

use crate::said::said;

/// How many details of an error are said: the first ones say what, the rest repeat it.
const DETAILS_MAX: usize = 3;

/// An answer that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// The service's code; empty when it gave none.
    pub code: String,
    /// The service's words, cleaned.
    pub message: String,
    /// Which request it was, for the service's support.
    pub request: Option<String>,
}

/// The service's error object, wherever it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct ErrorObject {
    #[serde(default, deserialize_with = "crate::open::words")]
    code: Option<String>,
    #[serde(default, deserialize_with = "crate::open::words")]
    message: Option<String>,
    #[serde(default, deserialize_with = "crate::open::lenient")]
    details: Option<Vec<Self>>,
}

impl ErrorObject {
    /// Code and message in one line.
    pub(crate) fn line(&self) -> String {
        let (code, message) = (self.code(), self.words());
        match (code.is_empty(), message.is_empty()) {
            (true, true) => "the service gives no reason".to_owned(),
            (false, false) => format!("{code}: {message}"),
            (_, _) => format!("{code}{message}"),
        }
    }

    fn code(&self) -> String {
        self.code.clone().unwrap_or_default()
    }

    /// The message with those of its first details.
    fn words(&self) -> String {
        let details = self.details.iter().flatten().take(DETAILS_MAX);
        let details = details.filter_map(|detail| detail.message.clone());
        let all: Vec<String> = self.message.clone().into_iter().chain(details).collect();
        all.join("; ")
    }
}

impl Fault {
    /// Reads a refusal. Whatever is missing or odd in it, it stays a refusal with this status.
    pub(crate) fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Whole {
            error: ErrorObject,
        }
        let text = |name: &str| {
            let text = headers.get(name).and_then(|value| value.to_str().ok());
            text.map(said).filter(|text| !text.is_empty())
        };
        let object = serde_json::from_slice::<Whole>(body).map(|whole| whole.error);
        let (code, message) = match object {
            Ok(object) => (object.code(), object.words()),
            // A page of a proxy, or nothing at all.
            Err(_) => (String::new(), said(&String::from_utf8_lossy(body))),
        };
        let code = match code.is_empty() {
            true => text("x-ms-error-code").unwrap_or_default(),
            false => code,
        };
        Self {
            status,
            code,
            message,
            request: text("x-ms-correlation-request-id").or_else(|| text("x-ms-request-id")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, ", {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.request {
            Some(request) => write!(f, " (request {request})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn code_message_details_and_request_are_kept_as_they_were_said() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-ms-correlation-request-id",
            HeaderValue::from_static("8c3f"),
        );
        let body = br#"{"error":{"code":"QuotaExceeded","message":"No\ncores left.","details":[{"code":"x","message":"vCPU: 20"}]}}"#;
        let fault = Fault::read(409, &headers, body);
        assert_eq!(
            fault.to_string(),
            "status 409, QuotaExceeded: No cores left.; vCPU: 20 (request 8c3f)"
        );
    }

    #[test]
    fn an_answer_without_the_services_error_is_a_fault_all_the_same() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-error-code", HeaderValue::from_static("Conflict"));
        for body in ["", "[]", "{\"error\":7}", "{\"error\":{\"code\":5}}"] {
            let fault = Fault::read(409, &headers, body.as_bytes());
            assert_eq!(
                (fault.status, fault.code.as_str()),
                (409, "Conflict"),
                "{body}"
            );
        }
        let page = Fault::read(502, &HeaderMap::new(), b"<html>\n<h1>Bad gateway</h1>");
        assert_eq!(page.to_string(), "status 502: <html> <h1>Bad gateway</h1>");
    }
}
