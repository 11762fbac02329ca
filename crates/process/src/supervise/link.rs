//! A worker's end of the conversation with a supervisor.

use std::io;

use tokio::io::{BufReader, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::protocol::{Hello, Notice, Request, receive, send};
use super::{Record, VERSION};
use crate::os::{self, Connection};

/// Notices that wait. The reader of logs takes them at once; more would only tell old sizes.
const WAITING: usize = 4;

/// A connection to a supervisor.
pub(super) struct Link {
    writer: WriteHalf<Connection>,
    notices: mpsc::Receiver<Notice>,
    _reader: AbortOnDropHandle<()>,
}

impl Link {
    /// Connects to the supervisor of `record` and says who is there.
    pub(super) async fn open(record: &Record) -> io::Result<Self> {
        let (reader, mut writer) = tokio::io::split(os::connect(&record.socket).await?);
        let hello = Hello {
            version: VERSION,
            id: record.id.clone(),
        };
        send(&mut writer, &hello).await?;
        let (told, notices) = mpsc::channel(WAITING);
        let read = async move {
            let mut reader = BufReader::new(reader);
            while let Ok(Some(notice)) = receive(&mut reader).await {
                if told.send(notice).await.is_err() {
                    break;
                }
            }
        };
        Ok(Self {
            writer,
            notices,
            _reader: AbortOnDropHandle::new(tokio::spawn(read)),
        })
    }

    /// The next word of the supervisor; `None` when the connection is gone. May be dropped and asked
    /// again without losing one.
    pub(super) async fn hear(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }

    /// Says something. That it didn't arrive shows in what is heard.
    pub(super) async fn say(&mut self, request: Request) {
        let _ = send(&mut self.writer, &request).await;
    }
}
