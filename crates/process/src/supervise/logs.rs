//! A program's output on its way into its two logs.
//!
//! Each log holds the first bytes up to its bound; of what comes after, the last bytes are kept in
//! memory and put behind them at the end, so that a result printed last is never what is left out.
//! A log that can't be written costs what is between, not the end: that is told instead.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use tokio::sync::watch;

use super::protocol::Unwritten;
use super::{ERR_LOG, OUT_LOG, Orders};
use crate::running::{Pipe, Sink, Stop};

/// Bytes in both logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) out: u64,
    pub(super) err: u64,
}

/// See the module.
pub(super) struct Logs {
    out: Log,
    err: Log,
    most: Option<u64>,
    stop: Stop,
    /// Whether it was these logs that had the program stopped.
    pub(super) too_much: bool,
    sizes: watch::Sender<Sizes>,
}

impl Logs {
    /// New logs in the folder of `orders`; `stop` is told when the program prints too much.
    pub(super) fn create(
        orders: &Orders,
        stop: Stop,
        sizes: watch::Sender<Sizes>,
    ) -> io::Result<Self> {
        let log = |name| {
            Log::create(
                &orders.folder.join(name),
                orders.log_bytes,
                orders.tail_bytes,
            )
        };
        Ok(Self {
            out: log(OUT_LOG)?,
            err: log(ERR_LOG)?,
            most: orders.output_bytes,
            stop,
            too_much: false,
            sizes,
        })
    }

    /// Bytes printed on either pipe.
    pub(super) const fn seen(&self) -> (u64, u64) {
        (self.out.seen, self.err.seen)
    }

    /// Puts the last of each behind what is in its log; what can't be written is returned.
    pub(super) fn close(&mut self) -> Option<Unwritten> {
        let unwritten = Unwritten {
            out: self.out.close(),
            err: self.err.close(),
        };
        self.tell();
        (unwritten != Unwritten::default()).then_some(unwritten)
    }

    fn tell(&self) {
        let now = Sizes {
            out: self.out.written,
            err: self.err.written,
        };
        self.sizes.send_if_modified(|sizes| {
            let changed = *sizes != now;
            *sizes = now;
            changed
        });
    }
}

impl Sink for Logs {
    fn take(&mut self, pipe: Pipe, bytes: &[u8]) {
        match pipe {
            Pipe::Out => self.out.push(bytes),
            Pipe::Err => self.err.push(bytes),
        }
        if self.most.is_some_and(|most| self.out.seen > most) && !self.stop.ask.is_cancelled() {
            self.too_much = true;
            self.stop.ask.cancel();
        }
        self.tell();
    }
}

/// One log.
struct Log {
    file: File,
    /// Bytes that still fit.
    room: u64,
    written: u64,
    seen: u64,
    broken: bool,
    /// The last bytes of what is not in the file, and how many there are of those.
    tail: Vec<u8>,
    left_out: u64,
    tail_bytes: usize,
}

impl Log {
    fn create(path: &Path, room: u64, tail_bytes: usize) -> io::Result<Self> {
        Ok(Self {
            file: File::create_new(path)?,
            room,
            written: 0,
            seen: 0,
            broken: false,
            tail: Vec::new(),
            left_out: 0,
            tail_bytes,
        })
    }

    fn push(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        let fits = match self.broken {
            true => 0,
            false => usize::try_from(self.room).map_or(bytes.len(), |room| room.min(bytes.len())),
        };
        let (now, later) = bytes.split_at(fits);
        let rest = self.write(now);
        self.room -= (fits - rest) as u64;
        self.keep(&now[fits - rest..]);
        self.keep(later);
    }

    /// Writes `bytes`, and tells how many of them could not be.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(written) if written > 0 => {
                    self.written += written as u64;
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.broken = true;
                    break;
                }
            }
        }
        rest.len()
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.left_out += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * self.tail_bytes {
            self.tail.drain(..self.tail.len() - self.tail_bytes);
        }
    }

    /// The last bytes behind what is there; what can't be written, as text.
    fn close(&mut self) -> String {
        let mut last = Vec::new();
        if self.left_out > 0 {
            let excess = self.tail.len().saturating_sub(self.tail_bytes);
            let tail = &self.tail[excess..];
            let gap = self.left_out - tail.len() as u64;
            if gap > 0 {
                last = format!("\n[{gap} bytes are left out here]\n").into_bytes();
            }
            last.extend_from_slice(tail);
        }
        let rest = self.write(&last);
        String::from_utf8_lossy(&last[last.len() - rest..]).into_owned()
    }
}
