//! Listens to an agent as its kind speaks: lines for people, and what the agent says about itself.

use jiff::tz::TimeZone;
use shraga_core::usage::Usage;

use super::failures::At;
use super::stream::{Heard, LongLines};
use super::vigil::Sign;
use super::{claude, codex};
use crate::clock;
use crate::config::Kind;
use crate::lines::Lines;

/// Told in place of a line that is too long to be read.
const TOO_LONG: &str = "[a line of the agent's output was too long to be read]";

/// See the module.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Its lines are what it says.
    Plain(Lines),
    /// Claude Code.
    Claude(LongLines, Box<claude::read::Reader>),
    /// Codex.
    Codex(LongLines, Box<codex::read::Reader>),
}

/// Here and now, by this machine's clock and zone.
pub(super) fn here() -> At {
    let now = jiff::Timestamp::try_from(clock::wall()).unwrap_or_default();
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    At { now, zone }
}

impl Listener {
    /// For an agent of this kind, whose words are said at `at`; `told` was told before of the session that it
    /// goes on with.
    pub(super) fn new(kind: &Kind, at: At, told: Usage) -> Self {
        let lines = LongLines::default();
        match kind {
            Kind::Command => Self::Plain(Lines::default()),
            Kind::Claude(_) => Self::Claude(lines, Box::new(claude::read::Reader::new(at))),
            Kind::Codex(_) => Self::Codex(lines, Box::new(codex::read::Reader::new(at, told))),
        }
    }

    /// Takes what it printed; lines for people go to `tell`.
    pub(crate) fn push(&mut self, bytes: &[u8], tell: &mut dyn FnMut(&str)) {
        match self {
            Self::Plain(lines) => lines.push(bytes, tell),
            Self::Claude(lines, reader) => lines.push(bytes, |line| match line {
                Some(line) => reader.line(line, tell),
                None => tell(TOO_LONG),
            }),
            Self::Codex(lines, reader) => lines.push(bytes, |line| match line {
                Some(line) => reader.line(line, tell),
                None => tell(TOO_LONG),
            }),
        }
    }

    /// Takes what stands after the last line end.
    pub(crate) fn finish(&mut self, tell: &mut dyn FnMut(&str)) {
        match self {
            Self::Plain(lines) => lines.finish(tell),
            Self::Claude(lines, reader) => lines.finish(|line| match line {
                Some(line) => reader.line(line, tell),
                None => tell(TOO_LONG),
            }),
            Self::Codex(lines, reader) => lines.finish(|line| match line {
                Some(line) => reader.line(line, tell),
                None => tell(TOO_LONG),
            }),
        }
    }

    fn known(&self) -> Option<&Heard> {
        match self {
            Self::Plain(_) => None,
            Self::Claude(_, reader) => Some(reader.heard()),
            Self::Codex(_, reader) => Some(reader.heard()),
        }
    }

    /// What it said about itself so far, where its kind does.
    pub(crate) fn heard(&self) -> Option<Heard> {
        self.known().cloned()
    }

    /// Brings a glance at it up to date.
    pub(crate) fn show(&self, sign: &mut Sign) {
        let Some(heard) = self.known() else {
            return;
        };
        sign.usage = Some(heard.usage);
        if sign.model != heard.model {
            sign.model.clone_from(&heard.model);
        }
        sign.done = heard.end.is_some();
    }
}
