//! A server on a real socket that does, one after the other, what a test tells it to.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests: what fails here fails the test"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shraga_dataverse::transport::{NetworkOptions, network};
use shraga_dataverse::{Client, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers with these bytes and closes.
    Say(String),
    /// Keeps the connection open and says nothing.
    Hang,
    /// Closes without a word.
    Close,
    /// Sends these bytes, one every few milliseconds.
    Drip(String),
}

/// The server.
pub(crate) struct Fake {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Starts it. The last act is repeated for ever.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        let mut acts: VecDeque<Act> = acts.into_iter().collect();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let act = match acts.len() {
                    1 => acts[0].clone(),
                    _ => acts.pop_front().unwrap(),
                };
                tokio::spawn(answer(stream, act, Arc::clone(&requests)));
            }
        });
        Self { address, seen }
    }

    /// A client of it that retries at once.
    pub(crate) fn client(&self) -> Client {
        Client::new(options(&self.address)).unwrap()
    }

    /// A client that waits a second for an answer: for acts that never give one.
    pub(crate) fn impatient(&self) -> Client {
        let mut options = options(&self.address);
        options.request_timeout = Duration::from_secs(1);
        Client::new(options).unwrap()
    }

    /// The requests so far: first line, headers, body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) fn options(address: &str) -> Options {
    let transport = network(&NetworkOptions {
        no_proxy: true,
        ..NetworkOptions::default()
    });
    let mut options = Options::new(address.parse().unwrap(), transport.unwrap());
    options.first_retry_delay = Duration::from_millis(1);
    options.token = Some("secret".to_owned().into());
    options
}

async fn answer(mut stream: TcpStream, act: Act, seen: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request);
    match act {
        Act::Say(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Act::Close => {}
        // Until the client goes away.
        Act::Hang => drop(stream.read_u8().await),
        Act::Drip(text) => drip(&mut stream, &text).await,
    }
}

async fn drip(stream: &mut TcpStream, text: &str) {
    let mut pulse = tokio::time::interval(Duration::from_millis(5));
    for byte in text.bytes() {
        pulse.tick().await;
        if stream.write_u8(byte).await.is_err() {
            return;
        }
    }
}

/// Reads head and body of one request.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text[..end]
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0_usize);
            if bytes.len() >= end + 4 + length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A whole answer with a `Date`.
pub(crate) fn reply(status: &str, headers: &[&str], body: &str) -> Act {
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

pub(crate) fn json(body: &str) -> Act {
    reply("200 OK", &["Content-Type: application/json"], body)
}
