//! Answers as text.

use super::Act;

/// A whole answer with a `Date`.
#[must_use]
pub fn reply(status: &str, headers: &[&str], body: &str) -> Act {
    let mut text = format!(
        "HTTP/1.1 {status}\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nConnection: close\r\n\
         Content-Length: {}\r\n",
        body.len()
    );
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    Act::Say(format!("{text}\r\n{body}"))
}

/// A good answer with this JSON.
#[must_use]
pub fn json(body: &str) -> Act {
    reply("200 OK", &["Content-Type: application/json"], body)
}
