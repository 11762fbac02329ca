//! What worker and supervisor say to each other: one JSON object a line, of bounded length.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{End, Record};

/// Longest line in bytes. Only an end with unwritten output comes near it.
const LINE_BYTES: u64 = 16 * 1024 * 1024;

/// The first words of a supervisor, on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// The program runs.
    Started(Box<Record>),
    /// It doesn't, and nothing is left of it.
    Refused(String),
}

/// What a worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Request {
    /// Ask the program to end, kill it after its grace.
    Stop,
    /// Kill it.
    Kill,
    /// Say how it is.
    Status,
    /// The end was taken in.
    LetGo,
}

/// How a worker begins.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u32,
    pub(super) id: String,
}

/// What a supervisor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Notice {
    /// Come in; also the answer to a status: so many bytes are in the logs.
    Grew {
        /// Of standard output.
        out: u64,
        /// Of standard error.
        err: u64,
    },
    /// The program has ended, its logs are whole.
    Ended {
        /// How.
        end: End,
        /// The end of its output, as far as it could not be written to its log.
        unwritten: Option<Unwritten>,
    },
}

/// The last of what could not be written to the logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unwritten {
    pub(super) out: String,
    pub(super) err: String,
}

/// Reads one line; `None` at the end of the stream, `InvalidData` for one that isn't understood.
pub(super) async fn receive<R, T>(reader: &mut R) -> io::Result<Option<T>>
where
    R: AsyncBufRead + Unpin,
    T: DeserializeOwned,
{
    let mut line = Vec::new();
    let read = reader.take(LINE_BYTES).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    let said = serde_json::from_slice(&line);
    said.map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes one line.
pub(super) async fn send<W, T>(writer: &mut W, said: &T) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
    T: Serialize,
{
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}
