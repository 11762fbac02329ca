//! What a worker and its agent hand each other beside prompt and output: a few small files, named in
//! the agent's environment.
//!
//! Every phase has a folder of its own for them, with a name that nobody can know before: what an
//! earlier phase or attempt left behind, or put where this one would look, counts for nothing. A
//! verdict also says the secret word that only its verifier was told. What the agent wrote is read
//! once it has ended, without following links, within bounds.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shraga_core::limits;
use shraga_core::worker::pipeline::{FEEDBACK_UNITS, Phase, Place, Verdict};
use uuid::Uuid;

use super::Handed;
use crate::private::{new_private_folder, read_within};

#[cfg(test)]
mod tests;

/// Most bytes read of a question or a verdict: a character of either takes four at most.
const READ_BYTES: usize = 4 * FEEDBACK_UNITS;

/// The name of the question in its folder.
const QUESTION: &str = "question.txt";

/// The name of the verdict in its folder.
const VERDICT: &str = "verdict.json";

/// One phase's files. It survives a restart of the worker in mid-phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exchange {
    folder: PathBuf,
    /// The word that a verdict must say.
    word: String,
}

/// A verdict as a verifier's program writes it.
#[derive(Deserialize)]
struct VerdictJson {
    #[serde(default)]
    nonce: String,
    verdict: String,
    #[serde(default)]
    feedback: String,
}

impl Exchange {
    /// Makes the folder of phase `number`, with what is handed to the agent in it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn open(attempt: &Path, number: u32, handed: &Handed) -> std::io::Result<Self> {
        let name = format!("exchange-{number}-{}", Uuid::new_v4().simple());
        let folder = attempt.join(name);
        new_private_folder(&folder)?;
        for (name, text) in handed.files() {
            std::fs::write(folder.join(name), text)?;
        }
        Ok(Self {
            folder,
            word: Uuid::new_v4().simple().to_string(),
        })
    }

    /// The folder, which the agent may write to.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a question is to be written.
    pub(super) fn question_file(&self) -> PathBuf {
        self.folder.join(QUESTION)
    }

    /// What the agent's environment says of all this.
    pub(super) fn environment(&self, place: Place, handed: &Handed) -> Vec<(String, String)> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut env = vec![
            ("SHRAGA_PHASE".to_owned(), place.phase.to_string()),
            ("SHRAGA_ROUND".to_owned(), place.round.to_string()),
        ];
        if place.phase != Phase::Summarise {
            env.push(("SHRAGA_QUESTION_FILE".to_owned(), path(QUESTION)));
        }
        if place.phase == Phase::Verify {
            env.push(("SHRAGA_VERDICT_FILE".to_owned(), path(VERDICT)));
            env.push(("SHRAGA_VERDICT_NONCE".to_owned(), self.word.clone()));
        }
        let files = handed.files().map(|(name, _)| {
            let variable = name.trim_end_matches(".txt").to_uppercase();
            (format!("SHRAGA_{variable}_FILE"), path(name))
        });
        env.extend(files);
        env
    }

    /// What the agent asks, if it does.
    pub(super) fn question(&self) -> Option<String> {
        let head = read_within(&self.folder, QUESTION.as_ref(), READ_BYTES).ok()?;
        let text = String::from_utf8_lossy(&head.bytes);
        let text = text.trim();
        (!text.is_empty()).then(|| limits::head(text, limits::QUESTION_UNITS))
    }

    /// What the verifier's session says: its structured answer, else the file it was told of.
    ///
    /// # Errors
    /// Why that is no verdict, for the person.
    pub(super) fn verdict(&self, structured: Option<&str>) -> Result<Verdict, String> {
        if let Some(text) = structured {
            let json = serde_json::from_str::<VerdictJson>(text);
            return verdict(json.map_err(|error| format!("its answer is no verdict: {error}"))?);
        }
        let head = read_within(&self.folder, VERDICT.as_ref(), READ_BYTES)
            .map_err(|_| "it gave no verdict".to_owned())?;
        let json: VerdictJson = serde_json::from_slice(&head.bytes)
            .map_err(|error| format!("its verdict can't be read: {error}"))?;
        if json.nonce != self.word {
            return Err("its verdict does not say the word it was given".to_owned());
        }
        verdict(json)
    }
}

fn verdict(json: VerdictJson) -> Result<Verdict, String> {
    let feedback = json.feedback.trim().to_owned();
    match json.verdict.trim() {
        "pass" => Ok(Verdict::Pass { note: feedback }),
        "fail" if feedback.is_empty() => Ok(Verdict::Fail {
            feedback: "the verifier did not say what is missing".to_owned(),
        }),
        "fail" => Ok(Verdict::Fail { feedback }),
        _ => Err("its verdict is neither `pass` nor `fail`".to_owned()),
    }
}
