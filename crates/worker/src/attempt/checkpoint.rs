//! What the next attempt of a task goes on from: how far it came, its session, its files, its
//! transcript. It travels in a column of the mirror, as text of bounded length.
//!
//! What doesn't fit is left out: first the transcript, then the session's own file, then the files.
//! Nothing read here is trusted to be whole: a checkpoint that can't be used is an error with words
//! for the person, and the attempt begins anew.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shraga_core::ids::Attempt;
use shraga_core::limits;
use shraga_core::usage::Usage;
use shraga_core::worker::pipeline::{Progress, Verdict};

use super::files::Files;
use crate::agents::Session;
use crate::stored::{StoredProgress, StoredUsage};

#[cfg(test)]
mod tests;

/// The form written here. A form that is not known is not read.
const FORM: u32 = 1;

/// Longest text. The platform's largest memo, with some room for what a store adds.
const MOST_BYTES: usize = limits::TRANSCRIPT_UNITS - 1_024;

/// Most bytes that one part has unpacked. Larger, and a small text could fill the memory.
const MOST_UNPACKED: u64 = 64 * 1024 * 1024;

/// Answers carried over. A task that asks more often has outgrown one session anyway.
const MOST_ANSWERS: usize = 20;

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// What was asked.
    pub(crate) asked: String,
    /// What the person said.
    pub(crate) answer: String,
}

/// An agent's session as it can be taken elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CarriedSession {
    /// Its name.
    pub(crate) session: Session,
    /// What the agent keeps of it on disk.
    pub(crate) file: Option<Vec<u8>>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The agent that worked, by its name.
    pub(crate) agent: String,
    /// The attempt that wrote it.
    pub(crate) attempt: Attempt,
    pub(crate) progress: Progress,
    /// What was asked and answered before.
    pub(crate) answers: Vec<Answered>,
    pub(crate) session: Option<CarriedSession>,
    pub(crate) files: Files,
    /// What was said in all phases.
    pub(crate) transcript: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    form: u32,
    agent: String,
    attempt: u32,
    /// Each of the following is packed: JSON or text, compressed, in base 64.
    course: String,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    session_told: Option<StoredUsage>,
    #[serde(default)]
    session_file: Option<String>,
    #[serde(default)]
    files: Option<String>,
    #[serde(default)]
    transcript: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Course {
    progress: StoredProgress,
    #[serde(default)]
    answers: Vec<Answered>,
}

impl Checkpoint {
    /// As the column holds it; `None` when not even the course fits.
    pub(crate) fn to_text(&self) -> Option<String> {
        let from = self.answers.len().saturating_sub(MOST_ANSWERS);
        let course = Course {
            progress: StoredProgress::from(&self.progress),
            answers: self.answers[from..].to_vec(),
        };
        let session = self.session.as_ref();
        let file = session.and_then(|session| session.file.as_deref());
        let mut stored = Stored {
            form: FORM,
            agent: self.agent.clone(),
            attempt: self.attempt.0,
            course: pack(&serde_json::to_vec(&course).ok()?)?,
            session: session.map(|session| session.session.name.clone()),
            session_told: session.map(|session| session.session.told.into()),
            session_file: file.and_then(pack),
            files: match self.files {
                Files::None => None,
                Files::Lost => Some(String::new()),
                Files::Plain(_) | Files::Repository(_) => {
                    pack(&serde_json::to_vec(&self.files).ok()?)
                }
            },
            transcript: Some(&self.transcript)
                .filter(|text| !text.is_empty())
                .and_then(|text| pack(text.as_bytes())),
        };
        if stored.size() > MOST_BYTES {
            stored.transcript = None;
        }
        if stored.size() > MOST_BYTES {
            stored.session_file = None;
        }
        if stored.size() > MOST_BYTES {
            // Empty says that there were files, and they are lost.
            stored.files = Some(String::new());
        }
        let fits = stored.size() <= MOST_BYTES;
        serde_json::to_string(&stored).ok().filter(|_| fits)
    }

    /// Reads a column.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let stored: Stored =
            serde_json::from_str(text).map_err(|error| format!("it can't be read: {error}"))?;
        if stored.form != FORM {
            return Err(format!("its form {} is not known here", stored.form));
        }
        let course: Course = unpack_json("course", &stored.course)?;
        let progress = course.progress.try_into();
        let files = match stored.files.as_deref() {
            None => Files::None,
            Some("") => Files::Lost,
            Some(packed) => unpack_json("files", packed).unwrap_or(Files::Lost),
        };
        let text = |packed: &String| unpack("transcript", packed).ok();
        let transcript = stored.transcript.as_ref().and_then(text);
        let file = stored.session_file.as_ref();
        Ok(Self {
            agent: stored.agent,
            attempt: Attempt(stored.attempt),
            progress: progress.map_err(|error| format!("it can't be understood: {error}"))?,
            answers: course.answers,
            session: stored.session.map(|name| CarriedSession {
                session: Session {
                    name,
                    told: stored.session_told.map_or(Usage::NONE, Usage::from),
                },
                file: file.and_then(|packed| unpack("session", packed).ok()),
            }),
            files,
            transcript: transcript
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default(),
        })
    }

    /// Whether something worth carrying has happened since nothing had.
    pub(crate) fn is_something(&self) -> bool {
        let judged = matches!(self.progress.verdict, Some(Verdict::Fail { .. }));
        judged
            || !self.progress.phases.is_empty()
            || !self.transcript.is_empty()
            || self.session.is_some()
            || self.files != Files::None
    }
}

impl Stored {
    /// Its length as text, or a little more.
    fn size(&self) -> usize {
        let parts = [
            &self.session,
            &self.session_file,
            &self.files,
            &self.transcript,
        ];
        let parts: usize = parts.iter().filter_map(|it| Some(it.as_ref()?.len())).sum();
        parts + self.course.len() + 6 * self.agent.len() + 512
    }
}

fn pack(bytes: &[u8]) -> Option<String> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).ok()?;
    Some(STANDARD.encode(packer.finish().ok()?))
}

fn unpack(what: &str, packed: &str) -> Result<Vec<u8>, String> {
    let broken = || format!("its {what} is broken");
    let bytes = STANDARD.decode(packed).map_err(|_| broken())?;
    let mut out = Vec::new();
    GzDecoder::new(bytes.as_slice())
        .take(MOST_UNPACKED + 1)
        .read_to_end(&mut out)
        .map_err(|_| broken())?;
    match out.len() as u64 > MOST_UNPACKED {
        true => Err(format!("its {what} is too large")),
        false => Ok(out),
    }
}

fn unpack_json<T: DeserializeOwned>(what: &str, packed: &str) -> Result<T, String> {
    let bytes = unpack(what, packed)?;
    serde_json::from_slice(&bytes).map_err(|error| format!("its {what} can't be read: {error}"))
}
