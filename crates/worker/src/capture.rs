//! What becomes of an agent's output: logs in its folder, lines for events, tails for the report.
//!
//! Everything is bounded: the logs by [`LOG_BYTES`], the result by the column, the lines by what the
//! driver takes (beyond [`WAITING_BYTES`] they are counted, not kept). A full disk costs the rest of
//! the log, never the result.

use std::fs::File;
use std::io::Write;

use shraga_core::ids::MirrorId;
use shraga_core::limits;
use shraga_process::{Pipe, Sink};
use tokio::sync::{mpsc, watch};

use crate::agents::{Heard, Listener, Sign};
use crate::attempt::News;
use crate::folder::{AttemptFolder, FolderError};

#[cfg(test)]
mod tests;

/// Bytes kept for the result: a UTF-16 unit takes three bytes of UTF-8 at most.
const RESULT_BYTES: usize = 3 * limits::MEMO_UNITS;

/// Most bytes of one log file. More would let one agent fill the disk; less would cut builds' logs.
const LOG_BYTES: u64 = 256 * 1024 * 1024;

/// Most bytes of lines that wait for the driver. It takes them within milliseconds, so more only
/// waits while an agent floods.
const WAITING_BYTES: usize = 256 * 1024;

/// Bytes of standard error kept for the report.
const COMPLAINT_BYTES: usize = 4 * 1024;

/// Takes an agent's output while it runs.
#[derive(Debug)]
pub(crate) struct Capture {
    out_log: Log,
    err_log: Log,
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
    /// Captures into new files in `folder`; lines go to `news`.
    ///
    /// # Errors
    /// When the logs can't be made.
    pub(crate) fn new(
        folder: &AttemptFolder,
        mirror: MirrorId,
        news: mpsc::Sender<News>,
        listener: Listener,
    ) -> Result<Self, FolderError> {
        Ok(Self {
            out_log: Log::new(folder.create_file("stdout.log")?),
            err_log: Log::new(folder.create_file("stderr.log")?),
            listener,
            signs: watch::Sender::default(),
            result: Tail::new(RESULT_BYTES),
            complaint: Tail::new(COMPLAINT_BYTES),
            telling: Telling {
                mirror,
                news,
                waiting: Vec::new(),
                bytes: 0,
                dropped: 0,
            },
        })
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
        self.telling.note_dropped();
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
                self.err_log.write(bytes);
                self.complaint.push(bytes);
                self.show(bytes.len());
            }
            Pipe::Out => {
                self.out_log.write(bytes);
                self.result.push(bytes);
                let telling = &mut self.telling;
                self.listener
                    .push(bytes, &mut |line| telling.wait_for(line));
                self.telling.tell();
                self.show(bytes.len());
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
    bytes: usize,
    dropped: u64,
}

impl Telling {
    fn wait_for(&mut self, line: &str) {
        if self.bytes + line.len() > WAITING_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes += line.len() + 1;
        self.waiting.push(line.to_owned());
    }

    fn note_dropped(&mut self) {
        if self.dropped > 0 {
            self.waiting.push(format!(
                "[{} lines came too fast to be shown]",
                self.dropped
            ));
            self.dropped = 0;
        }
    }

    /// Hands over what waits if the driver has room; otherwise it waits on.
    fn tell(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if let Ok(room) = self.news.clone().try_reserve() {
            self.note_dropped();
            room.send(News::Lines(self.mirror, std::mem::take(&mut self.waiting)));
            self.bytes = 0;
        }
    }
}

/// A log file with an end.
#[derive(Debug)]
struct Log {
    file: Option<File>,
    room: u64,
}

impl Log {
    fn new(file: File) -> Self {
        Self {
            file: Some(file),
            room: LOG_BYTES,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else {
            return;
        };
        let fits = usize::try_from(self.room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let mut written = file.write_all(&bytes[..fits]);
        self.room -= fits as u64;
        if fits < bytes.len() && written.is_ok() {
            written = file.write_all(b"\n[the log is full; the rest is not kept]\n");
        }
        if let Err(error) = &written {
            tracing::warn!(%error, "an agent's log can't be written any more");
        }
        if fits < bytes.len() || written.is_err() {
            self.file = None;
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
