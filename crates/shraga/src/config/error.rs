//! What can be wrong with a configuration.

use std::path::PathBuf;

/// A configuration that can't be used. Ends the program with exit code 3.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file was found, and belongs to another user of this machine.
    #[error(
        "{} belongs to somebody else, who could send your token anywhere: name it with --config if it is meant",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was found, and would have a token sent to an address of its choice.
    #[error(
        "`store.url` comes from {} in the working directory, and would be sent {token}: if that is meant, name the file with --config, or set DATAVERSE_URL",
        path.display()
    )]
    Borrowed {
        /// The file.
        path: PathBuf,
        /// The token that it does not bring itself.
        token: String,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}` in {}{}", path.display(), nearest_phrase(nearest.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key with its section.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A value of the wrong type or out of range.
    #[error("`{key}` from {origin} is {value}, but must be {expected}")]
    Value {
        /// The key with its section.
        key: String,
        /// Where the value came from.
        origin: String,
        /// The value, masked when secret.
        value: String,
        /// What is accepted.
        expected: String,
    },
    /// Workers would be given up that only had no reason to say anything.
    #[error(
        "`{key}` is {seconds}, but workers beat every {beat} s (`worker.beat_seconds`): it must be at least twice that"
    )]
    Hasty {
        /// The key with its section.
        key: &'static str,
        /// Its value.
        seconds: u32,
        /// Seconds between two beats.
        beat: u32,
    },
    /// A key that must be there is not.
    #[error("`{key}` is not set: it is needed for {needed_for}")]
    Missing {
        /// The key with its section.
        key: String,
        /// What it is needed for.
        needed_for: &'static str,
    },
}

fn nearest_phrase(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(": did you mean `{name}`?"))
}

/// The known name most like `name`, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this similarity (0 to 1) a suggestion confuses more than it helps; much higher, and a
    /// transposed pair of letters in a short key finds nothing.
    const LEAST_SIMILARITY: f64 = 0.6;
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= LEAST_SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
