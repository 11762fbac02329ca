//! What becomes of an agent's output: lines for events, tails for the report. Its logs are written
//! by its supervisor, and read no faster than the driver takes lines.
//!
//! Everything is bounded: the result by the column, the lines that wait by one piece of a log.

use shraga_core::ids::MirrorId;
use shraga_core::limits;
use shraga_process::{Pipe, Sink};
use tokio::sync::{mpsc, watch};

use crate::agents::{Heard, Listener, Sign};
use crate::attempt::News;

#[cfg(test)]
mod tests;

/// Bytes kept for the result: a UTF-16 unit takes three bytes of UTF-8 at most.
const RESULT_BYTES: usize = 3 * limits::MEMO_UNITS;

/// Bytes of standard error kept for the report.
const COMPLAINT_BYTES: usize = 4 * 1024;

/// Takes an agent's output while it runs.
#[derive(Debug)]
pub(crate) struct Capture {
    listener: Listener,
    signs: watch::Sender<Sign>,
    result: Tail,
    complaint: Tail,
    telling: Telling,
}

/// What an agent's output came to.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The end of standard output, within the column's limit.
    pub(crate) result: String,
    /// The last lines of standard error.
    pub(crate) complaint: String,
    /// Lines not yet told.
    pub(crate) rest: Vec<String>,
    /// Bytes of standard output in all.
    pub(crate) bytes: u64,
    /// What it said about itself, where its kind does.
    pub(crate) heard: Option<Heard>,
}

impl Capture {
    /// Captures from the first byte on; lines go to `news`.
    pub(crate) fn new(mirror: MirrorId, news: mpsc::Sender<News>, listener: Listener) -> Self {
        Self {
            listener,
            signs: watch::Sender::default(),
            result: Tail::new(RESULT_BYTES),
            complaint: Tail::new(COMPLAINT_BYTES),
            telling: Telling {
                mirror,
                news,
                waiting: Vec::new(),
            },
        }
    }

    /// What is known of the agent while it runs.
    pub(crate) fn signs(&self) -> watch::Receiver<Sign> {
        self.signs.subscribe()
    }

    fn show(&self, bytes: usize) {
        self.signs.send_modify(|sign| {
            sign.bytes += bytes as u64;
            self.listener.show(sign);
        });
    }

    /// Everything there is to say, once the agent has ended.
    pub(crate) fn finish(mut self) -> Captured {
        let telling = &mut self.telling;
        self.listener.finish(&mut |line| telling.wait_for(line));
        Captured {
            result: self.result.text(limits::MEMO_UNITS),
            complaint: self.complaint.text(COMPLAINT_BYTES),
            rest: self.telling.waiting,
            bytes: self.result.seen,
            heard: self.listener.heard(),
        }
    }
}

impl Sink for Capture {
    fn take(&mut self, pipe: Pipe, bytes: &[u8]) {
        match pipe {
            Pipe::Err => {
                self.complaint.push(bytes);
                self.show(bytes.len());
            }
            Pipe::Out => {
                self.result.push(bytes);
                let telling = &mut self.telling;
                self.listener
                    .push(bytes, &mut |line| telling.wait_for(line));
                self.telling.tell();
                self.show(bytes.len());
            }
        }
    }

    async fn room(&mut self) {
        let telling = &mut self.telling;
        if !telling.waiting.is_empty() {
            let room = telling.news.reserve().await;
            // A driver that is gone has no use for lines.
            if let Ok(room) = room {
                let lines = std::mem::take(&mut telling.waiting);
                room.send(News::Lines(telling.mirror, lines));
            }
        }
    }
}

/// Lines on their way to the driver.
#[derive(Debug)]
struct Telling {
    mirror: MirrorId,
    news: mpsc::Sender<News>,
    waiting: Vec<String>,
}

impl Telling {
    fn wait_for(&mut self, line: &str) {
        self.waiting.push(line.to_owned());
    }

    /// Hands over what waits if the driver has room; otherwise it waits on.
    fn tell(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if let Ok(room) = self.news.try_reserve() {
            let lines = std::mem::take(&mut self.waiting);
            room.send(News::Lines(self.mirror, lines));
        }
    }
}

/// The last bytes of a stream.
#[derive(Debug)]
struct Tail {
    kept: Vec<u8>,
    limit: usize,
    seen: u64,
}

impl Tail {
    fn new(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            seen: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        self.kept.extend_from_slice(bytes);
        if self.kept.len() > 2 * self.limit {
            self.kept.drain(..self.kept.len() - self.limit);
        }
    }

    /// The end as text of at most `units` UTF-16 units; begins with `…` when it isn't all.
    fn text(&self, units: usize) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let whole = self.seen == self.kept.len() as u64;
        match whole {
            true => limits::tail(&text, units),
            false => limits::tail(&format!("…{text}"), units),
        }
    }
}
