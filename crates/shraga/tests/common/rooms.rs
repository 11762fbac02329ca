//! Asking a running program for its health and metrics, as a probe or a scraper would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::Place;

/// Longer than an answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

impl Place {
    /// The file in which the program called `name` tells where its rooms are.
    pub(crate) fn rooms_file(&self, name: &str) -> std::path::PathBuf {
        self.data().join(format!("metrics-{name}.json"))
    }

    /// What that program answers: status and body.
    pub(crate) fn room(&self, name: &str, path: &str) -> Option<(u16, String)> {
        let text = std::fs::read_to_string(self.rooms_file(name)).ok()?;
        let told: Value = serde_json::from_str(&text).ok()?;
        let addr = told["url"].as_str()?.strip_prefix("http://")?.to_owned();
        get(&addr, path)
    }

    /// The checks of a room that did not pass, by name, with their details.
    pub(crate) fn complaints(
        &self,
        name: &str,
        path: &str,
    ) -> Option<(u16, Vec<(String, String)>)> {
        let (status, body) = self.room(name, path)?;
        let body: Value = serde_json::from_str(&body).ok()?;
        let checks = body["checks"].as_array()?.iter();
        let bad = checks.filter(|check| check["ok"] == false);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let bad = bad.map(|check| (text(&check["name"]), text(&check["detail"])));
        Some((status, bad.collect()))
    }
}

fn get(addr: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(addr).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
