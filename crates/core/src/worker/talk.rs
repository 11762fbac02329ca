//! The agent's lines on their way into the attempt's stream: gathered, capped, sent in batches.
//!
//! One batch is under way at a time, fixed before it is sent: sent again as it was after a lost
//! answer, it collides with itself and counts as arrived. A batch refused for good is dropped, and
//! the stream goes on as if it had never been.

use super::Limits;
use super::writes::{self, Ids};
use crate::audit::Stream;
use crate::model::StreamHead;
use crate::row::ChangeSet;
use crate::time::{Span, Timestamp};

/// Lines waiting and under way.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    waiting: Vec<String>,
    bytes: usize,
    left_out: usize,
    sent: Timestamp,
    under_way: Option<UnderWay>,
}

/// A batch that was sent, until it is answered.
#[derive(Clone, Debug)]
struct UnderWay {
    set: ChangeSet,
    lines: Vec<String>,
    before: StreamHead,
    again: Option<Timestamp>,
}

impl Talk {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            waiting: Vec::new(),
            bytes: 0,
            left_out: 0,
            sent: now,
            under_way: None,
        }
    }

    /// Takes lines, as far as the attempt's cap allows.
    pub(super) fn hear(&mut self, lines: Vec<String>, limits: &Limits) {
        for line in lines {
            // With its end: a flood of empty lines is one, too.
            let bytes = line.len() + 1;
            if self.bytes + bytes > limits.line_bytes_per_attempt {
                self.left_out += 1;
            } else {
                self.bytes += bytes;
                self.waiting.push(line);
            }
        }
    }

    /// When there is something to send.
    pub(super) fn due(&self, interval: Span) -> Option<Timestamp> {
        match &self.under_way {
            Some(under_way) => under_way.again,
            None if self.waiting.is_empty() => None,
            None => Some(self.sent.plus(interval)),
        }
    }

    /// The batch to send now, if one is due.
    pub(super) fn send(
        &mut self,
        ids: &Ids,
        stream: &mut Stream,
        interval: Span,
        now: Timestamp,
    ) -> Option<ChangeSet> {
        if self.due(interval).is_none_or(|due| due > now) {
            return None;
        }
        self.sent = now;
        if let Some(under_way) = &mut self.under_way {
            under_way.again = None;
            return Some(under_way.set.clone());
        }
        let before = stream.head().clone();
        let lines = std::mem::take(&mut self.waiting);
        let set = ChangeSet {
            task: Some(ids.task),
            why: format!("{} lines of task {}", lines.len(), ids.task.short()),
            writes: writes::lines(stream, &lines, now),
        };
        self.under_way = Some(UnderWay {
            set: set.clone(),
            lines,
            before,
            again: None,
        });
        Some(set)
    }

    /// The batch under way is in the store.
    pub(super) fn arrived(&mut self) {
        self.under_way = None;
    }

    /// No answer: the same batch is sent again at `again`.
    pub(super) fn send_again(&mut self, again: Timestamp) {
        if let Some(under_way) = &mut self.under_way {
            under_way.again = Some(again);
        }
    }

    /// The store does not want it.
    pub(super) fn refused(&mut self, stream: &mut Stream) {
        if let Some(under_way) = self.under_way.take() {
            stream.rewind(under_way.before);
        }
    }

    /// Somebody else's events sit where the batch belongs: its lines, to be sent in another stream.
    pub(super) fn take_back(&mut self) -> Vec<String> {
        self.under_way.take().map_or_else(Vec::new, |it| it.lines)
    }

    /// Puts lines before those that wait.
    pub(super) fn put_first(&mut self, mut lines: Vec<String>) {
        lines.append(&mut self.waiting);
        self.waiting = lines;
    }

    /// Whether a batch is under way.
    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The lines that were not sent; they go with the report.
    pub(super) fn rest(&mut self) -> Vec<String> {
        let mut rest = std::mem::take(&mut self.waiting);
        if self.left_out > 0 {
            rest.push(format!("({} more lines are not kept here)", self.left_out));
        }
        rest
    }
}
