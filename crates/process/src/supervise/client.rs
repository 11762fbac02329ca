//! A worker's side: starts a supervisor or finds one again, follows its program by the logs, and asks
//! for its end.
//!
//! A supervisor that dies, or doesn't do what it is asked to, is not waited for: what it recorded of
//! itself and its program is killed, and the end is [`Cause::Lost`](super::Cause::Lost).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use tokio::io::{AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use super::link::Link;
use super::protocol::{Answer, Notice, Request, Unwritten, receive};
use super::{ERR_LOG, End, OUT_LOG, Orders, Record, SuperviseError};
use crate::os::{self, end_group};
use crate::running::{Pipe, ProcessError, Sink, Stop};
use crate::{after, running::READ_BYTES};

/// How long a supervisor may take to start its program. It is this program again, from the disk's
/// cache; only a machine that is out of memory or processes needs longer.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How long a supervisor that lives is tried before it counts as gone.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Wait between two tries.
const CONNECT_STEP: Duration = Duration::from_millis(20);

/// How much longer than the program's grace a supervisor may take to end it.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take to kill it: the group, those who fled it, the pipes.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// How often a silent supervisor is asked how it is.
const ASK_AFTER: Duration = Duration::from_secs(30);

/// How many of those questions may stay without an answer. Fewer, and a machine under load loses its
/// agents; more, and a supervisor that hangs holds a slot for long.
const UNANSWERED: u32 = 4;

/// A program under a supervisor.
pub struct Supervised {
    record: Record,
    link: Option<Link>,
}

/// Starts a supervisor (`launcher`: program and arguments, with exactly the environment `env`) that
/// starts the program of `orders`.
///
/// # Errors
/// Either could not be started; nothing of them is left then.
pub async fn start(
    launcher: &[String],
    env: BTreeMap<String, String>,
    orders: &Orders,
) -> Result<Supervised, SuperviseError> {
    let mut child = launch(launcher, env, orders)?;
    let answered = timeout(START_WITHIN, converse(child.as_mut(), orders)).await;
    let answer = answered.unwrap_or(Err(SuperviseError::Silent));
    match answer {
        Ok(record) => {
            let link = connect(&record).await;
            Ok(Supervised { record, link })
        }
        Err(error) => {
            let _ = child.start_kill();
            if let Ok(record) = Record::read(&orders.record) {
                end(&record).await;
                let _ = std::fs::remove_file(&orders.record);
            }
            Err(error)
        }
    }
}

fn launch(
    launcher: &[String],
    env: BTreeMap<String, String>,
    orders: &Orders,
) -> Result<Box<dyn ChildWrapper>, SuperviseError> {
    let Some((name, args)) = launcher.split_first() else {
        return Err(SuperviseError::Supervisor(ProcessError::Empty));
    };
    let mut command = Command::new(name);
    command
        .args(args)
        .current_dir(&orders.folder)
        .env_clear()
        .envs(env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut command = CommandWrap::from(command);
    os::own_session(&mut command);
    command.spawn().map_err(|source| {
        SuperviseError::Supervisor(ProcessError::Start {
            program: name.clone(),
            source,
        })
    })
}

/// Hands the orders over and hears what becomes of them.
async fn converse(child: &mut dyn ChildWrapper, orders: &Orders) -> Result<Record, SuperviseError> {
    let spoken = |step| move |source| SuperviseError::Speak { step, source };
    let text = serde_json::to_vec(orders).map_err(|error| spoken("ordered")(error.into()))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin().take(), child.stdout().take()) else {
        return Err(SuperviseError::Silent);
    };
    stdin.write_all(&text).await.map_err(spoken("ordered"))?;
    drop(stdin);
    answer(stdout).await
}

async fn answer(stdout: impl AsyncRead + Unpin) -> Result<Record, SuperviseError> {
    let mut reader = BufReader::new(stdout);
    loop {
        match receive::<_, Answer>(&mut reader).await {
            Ok(Some(Answer::Started(record))) => return Ok(*record),
            Ok(Some(Answer::Refused(why))) => return Err(SuperviseError::Refused(why)),
            Ok(None) => return Err(SuperviseError::Silent),
            // Not its words: a line of whatever else prints there.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            Err(source) => {
                return Err(SuperviseError::Speak {
                    step: "heard",
                    source,
                });
            }
        }
    }
}

/// Finds the program of the record at `path` again: it may live, have ended, or be lost, which
/// [`Supervised::finish`] tells.
///
/// # Errors
/// When there is no record that can be understood.
pub async fn find(path: &Path) -> io::Result<Supervised> {
    let record = Record::read(path)?;
    let link = match record.end() {
        Some(_) => None,
        None => connect(&record).await,
    };
    Ok(Supervised { record, link })
}

/// Connects to a supervisor that lives; `None` when it doesn't, or can't be spoken to.
async fn connect(record: &Record) -> Option<Link> {
    let tried = timeout(CONNECT_WITHIN, async {
        while record.may_live() && record.end().is_none() {
            if let Ok(link) = Link::open(record).await {
                return Some(link);
            }
            after(CONNECT_STEP).await;
        }
        None
    });
    tried.await.ok().flatten()
}

/// Kills what was recorded: the supervisor first, so that it can't mistake what follows. Tells whether
/// nothing of it lives any more.
pub async fn end(record: &Record) -> bool {
    let supervisor = match record.may_live() {
        true => end_group(&record.supervisor).await,
        false => true,
    };
    let agent = match &record.agent {
        Some(agent) => end_group(agent).await,
        None => true,
    };
    let socket = Path::new(&record.socket);
    if std::fs::remove_file(socket).is_ok()
        && let Some(folder) = socket.parent()
    {
        // Only a folder made for it alone is empty now.
        let _ = std::fs::remove_dir(folder);
    }
    supervisor && agent
}

/// How far a program is with being ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Runs,
    Asked,
    Killed,
}

/// Why a conversation is over.
enum Over {
    Ended(End, Option<Unwritten>),
    /// The connection is gone.
    Broken,
    /// The supervisor doesn't do what it is there for.
    Stuck,
}

impl Supervised {
    /// The record.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Follows the program until nothing of it is left. `sink` is handed its output from the first byte
    /// on, also what was printed before this process was there; of a flood that it could not keep up
    /// with, the end, with a line that says so.
    pub async fn finish<S: Sink>(mut self, stop: &Stop, sink: &mut S) -> End {
        let mut logs = Logs::new(&self.record.folder);
        let known = self.attend(stop, &mut logs, sink).await;
        let (end, unwritten) = match known {
            Some(known) => known,
            None => {
                if !end(&self.record).await {
                    let pid = self.record.agent.as_ref().map(|agent| agent.pid);
                    tracing::error!(pid, "an agent whose supervisor died can't be ended");
                }
                (self.record.end().unwrap_or_else(End::lost), None)
            }
        };
        logs.catch_up(sink);
        while logs.read(sink).await {}
        if let Some(unwritten) = unwritten {
            sink.take(Pipe::Out, unwritten.out.as_bytes());
            sink.take(Pipe::Err, unwritten.err.as_bytes());
        }
        if let Some(link) = &mut self.link {
            link.say(Request::LetGo).await;
        }
        end
    }

    /// Until the end is known; `None` when the supervisor can't tell it any more.
    async fn attend<S: Sink>(
        &mut self,
        stop: &Stop,
        logs: &mut Logs,
        sink: &mut S,
    ) -> Option<(End, Option<Unwritten>)> {
        loop {
            if let Some(end) = self.record.end() {
                return Some((end, None));
            }
            let link = match &mut self.link {
                Some(link) => link,
                None => self.link.insert(connect(&self.record).await?),
            };
            let grace = Duration::from_millis(self.record.grace_ms);
            match talk(link, grace, stop, logs, sink).await {
                Over::Ended(end, unwritten) => return Some((end, unwritten)),
                Over::Broken => self.link = None,
                Over::Stuck => return None,
            }
        }
    }
}

/// One conversation: reads what grows, and passes on what is asked.
async fn talk<S: Sink>(
    link: &mut Link,
    grace: Duration,
    stop: &Stop,
    logs: &mut Logs,
    sink: &mut S,
) -> Over {
    let (mut stage, mut unanswered, mut behind) = (Stage::Runs, 0, false);
    let (patience, ask) = (after(Duration::ZERO), after(ASK_AFTER));
    tokio::pin!(patience, ask);
    loop {
        tokio::select! {
            notice = link.hear() => {
                unanswered = 0;
                ask.as_mut().reset(Instant::now() + ASK_AFTER);
                match notice {
                    Some(Notice::Grew { .. }) => behind = true,
                    Some(Notice::Ended { end, unwritten }) => return Over::Ended(end, unwritten),
                    None => return Over::Broken,
                }
            }
            more = logs.read(sink), if behind => behind = more,
            () = stop.now.cancelled(), if stage != Stage::Killed => {
                stage = Stage::Killed;
                patience.as_mut().reset(Instant::now() + KILL_PATIENCE);
                link.say(Request::Kill).await;
            }
            () = stop.ask.cancelled(), if stage == Stage::Runs => {
                stage = Stage::Asked;
                patience.as_mut().reset(Instant::now() + grace + STOP_PATIENCE);
                link.say(Request::Stop).await;
            }
            () = &mut patience, if stage != Stage::Runs => {
                tracing::warn!("a supervisor does not end its agent; both are killed");
                return Over::Stuck;
            }
            () = &mut ask => {
                if unanswered == UNANSWERED {
                    tracing::warn!("a supervisor does not answer; it and its agent are killed");
                    return Over::Stuck;
                }
                unanswered += 1;
                ask.as_mut().reset(Instant::now() + ASK_AFTER);
                link.say(Request::Status).await;
            }
        }
    }
}

/// Bytes of a log that may be left to follow when the program has ended: all of an ordinary one. Of a
/// flood, more than this would keep its attempt from ending for as long as it takes to go through.
const LEFT_BYTES: u64 = 8 * 1024 * 1024;

/// The two logs, as far as they were read.
struct Logs {
    out: Follow,
    err: Follow,
    buffer: Vec<u8>,
}

struct Follow {
    path: PathBuf,
    file: Option<File>,
    pipe: Pipe,
}

impl Logs {
    fn new(folder: &Path) -> Self {
        let follow = |name, pipe| Follow {
            path: folder.join(name),
            file: None,
            pipe,
        };
        Self {
            out: follow(OUT_LOG, Pipe::Out),
            err: follow(ERR_LOG, Pipe::Err),
            buffer: vec![0; READ_BYTES],
        }
    }

    /// Passes over what is too much to follow now that the program has ended.
    fn catch_up<S: Sink>(&mut self, sink: &mut S) {
        self.out.catch_up(sink);
        self.err.catch_up(sink);
    }

    /// Hands the next piece of each to `sink`, once there is room; whether there may be more.
    async fn read<S: Sink>(&mut self, sink: &mut S) -> bool {
        sink.room().await;
        let out = self.out.read(&mut self.buffer, sink);
        let err = self.err.read(&mut self.buffer, sink);
        out || err
    }
}

impl Follow {
    fn catch_up<S: Sink>(&mut self, sink: &mut S) {
        let Some(file) = &mut self.file else {
            return;
        };
        let mut left = || {
            let read = file.stream_position()?;
            Ok::<_, io::Error>(file.metadata()?.len().saturating_sub(read))
        };
        let over = left().map_or(0, |left| left.saturating_sub(LEFT_BYTES));
        let passed = i64::try_from(over).ok().filter(|over| *over > 0);
        if let Some(over) = passed
            && file.seek_relative(over).is_ok()
        {
            let said =
                format!("\n[{over} bytes came too fast to be followed; they are in the log]\n");
            sink.take(self.pipe, said.as_bytes());
        }
    }

    fn read<S: Sink>(&mut self, buffer: &mut [u8], sink: &mut S) -> bool {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else {
            return false;
        };
        match file.read(buffer) {
            Ok(0) => false,
            Ok(read) => {
                sink.take(self.pipe, &buffer[..read]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) => {
                tracing::warn!(%error, "an agent's log can't be read");
                false
            }
        }
    }
}
