//! Taking up what an earlier attempt left: from the mirror's columns to where an attempt begins.
//!
//! Whatever can't be used is gone on without, and said to be; nothing here fails an attempt.

use shraga_core::worker::pipeline::Progress;

use super::checkpoint::{Answered, CarriedSession, Checkpoint};
use super::files::Files;
use super::{Job, Order};

/// Where an attempt begins.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) progress: Progress,
    pub(super) session: Option<CarriedSession>,
    /// What was asked and answered, the last one last.
    pub(super) answers: Vec<Answered>,
    /// Whether the last answer has not been told to anybody yet.
    pub(super) unheard: bool,
    pub(super) transcript: String,
    pub(super) files: Files,
    /// What there is to say about it, as lines of the attempt.
    pub(super) said: Vec<String>,
}

impl Start {
    /// Where `job` begins, by what its row says.
    pub(super) fn of(job: &Job, order: &Order) -> Self {
        let mut said = Vec::new();
        let read = order.checkpoint.as_deref().map(Checkpoint::read);
        let found = match read {
            None => None,
            Some(Ok(found)) if found.attempt <= job.attempt => Some(found),
            Some(Ok(found)) => {
                said.push(format!(
                    "[shraga] begins anew: the checkpoint is of attempt {}, which is still to come",
                    found.attempt
                ));
                None
            }
            Some(Err(why)) => {
                said.push(format!(
                    "[shraga] begins anew: the checkpoint can't be used: {why}"
                ));
                None
            }
        };
        let unheard = order.answered.as_ref().filter(|answered| {
            let asked_in = answered
                .question
                .strip_prefix('q')
                .and_then(|it| it.parse().ok());
            let written_in = found.as_ref().map(|found| found.attempt.0);
            // One that was written after the question has the answer in it.
            written_in.is_none_or(|written| asked_in.is_none_or(|asked: u32| written <= asked))
        });
        let unheard = unheard.map(|answered| Answered {
            asked: answered.asked.clone().unwrap_or_default(),
            answer: answered.text.clone().unwrap_or_default(),
        });
        let mut start = match found {
            Some(found) => Self::from(job, found, &mut said),
            None => Self::default(),
        };
        start.unheard = unheard.is_some();
        start.answers.extend(unheard);
        start.said = said;
        start
    }

    fn from(job: &Job, found: Checkpoint, said: &mut Vec<String>) -> Self {
        let place = found.progress.place;
        said.push(format!(
            "[shraga] goes on from attempt {}: {}, round {}",
            found.attempt, place.phase, place.round
        ));
        let session = found.session.filter(|_| found.agent == job.agent_name);
        Self {
            progress: found.progress,
            session,
            answers: found.answers,
            unheard: false,
            transcript: found.transcript,
            files: found.files,
            said: Vec::new(),
        }
    }

    /// The same for an attempt that an earlier process began: what is carried over is laid out and told
    /// of already, and its agent may be at work on it.
    pub(super) fn taken_up(self) -> Self {
        Self {
            session: None,
            files: Files::None,
            said: Vec::new(),
            ..self
        }
    }

    /// The same where the files are not there.
    pub(super) fn without_files(mut self, why: &str) -> Self {
        self.said.push(format!(
            "[shraga] without the files of earlier attempts: {why}"
        ));
        self.progress = self.progress.without_files();
        self
    }
}
