//! The supervisor itself: one program, from its orders until nothing of it is left.
//!
//! It does one thing and depends on little, since it must outlive what started it: no configuration,
//! no store, no log but its two files. Everything that ends the program comes together in
//! [`Ward::watch`]; the first cause stands.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::logs::{Logs, Sizes};
use super::protocol::{Answer, Hello, Notice, Request, Unwritten, receive, send};
use super::{Cause, END_FILE, End, Orders, Record, VERSION, write_whole};
use crate::after;
use crate::os::{self, Connection, GroupRecord, Listener, Signals};
use crate::running::{Ended, Ending, Program, Running, Stop};

/// Most bytes of orders: a prompt is a column of the store, an environment is bounded by the system.
const ORDERS_BYTES: u64 = 64 * 1024 * 1024;

/// How often it is looked whether the record is still there, and the adopted dead are buried.
const LOOK: Duration = Duration::from_secs(1);

/// How long a worker that connects may take to say who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// Workers connected at once: one, and another that takes its place.
const CONNECTIONS: usize = 8;

/// How long the news of the end may take to reach those who are connected; it is in a file, too.
const FAREWELL: Duration = Duration::from_secs(5);

/// Least time between two words about growing logs: a flood must not become one of messages.
const GROWTH_PAUSE: Duration = Duration::from_millis(10);

/// Runs a supervisor: orders from standard input, its first words on standard output. Whether it could
/// do as ordered.
#[must_use]
pub fn serve() -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let served = runtime.and_then(|runtime| runtime.block_on(supervise()));
    match served {
        Ok(()) => true,
        Err(error) => {
            answer(&Answer::Refused(error.to_string()));
            false
        }
    }
}

/// Says the first words. Nobody may be there to hear them.
fn answer(answer: &Answer) {
    if let Ok(mut line) = serde_json::to_vec(answer) {
        // On a line of its own, whatever else a test harness prints.
        line.insert(0, b'\n');
        line.push(b'\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

async fn supervise() -> io::Result<()> {
    let orders = read_orders()?;
    os::adopt_orphans();
    let mut signals = Signals::watch()?;
    let mut listener = os::listen(&orders.record.with_extension("sock"), &orders.id)?;
    let stop = Stop::default();
    let (sizes, growing) = watch::channel(Sizes::default());
    let mut logs = Logs::create(&orders, stop.clone(), sizes)?;
    let (ward, running) = Ward::start(&orders, &listener, stop, growing)?;
    answer(&Answer::Started(Box::new(ward.record.clone())));
    let ended = ward
        .watch(running, &orders, &mut logs, &mut listener, &mut signals)
        .await?;
    let unwritten = logs.close();
    let end = ward.end(ended, &logs);
    let kept = write_whole(&orders.folder.join(END_FILE), &end).is_ok() && unwritten.is_none();
    ward.tell_end(end, unwritten);
    let kept = kept || is_gone(&orders.record);
    let patience = match kept {
        true => FAREWELL,
        // Only a worker that comes can still save it.
        false => Duration::from_millis(orders.orphan_ms),
    };
    ward.say_goodbye(kept, patience, &mut listener, &mut signals)
        .await;
    Ok(())
}

fn read_orders() -> io::Result<Orders> {
    let mut text = Vec::new();
    io::stdin().take(ORDERS_BYTES).read_to_end(&mut text)?;
    let unusable = |why: &dyn std::fmt::Display| {
        io::Error::other(format!("the supervisor can't use its orders: {why}"))
    };
    // The error of the parser would show what is in them.
    let version = |orders: &serde_json::Value| orders.get("version").and_then(|it| it.as_u64());
    let orders: serde_json::Value =
        serde_json::from_slice(&text).map_err(|_| unusable(&"they are not JSON"))?;
    match version(&orders) {
        Some(version) if version == u64::from(VERSION) => {}
        other => return Err(unusable(&format!("version {other:?}, not {VERSION}"))),
    }
    serde_json::from_value(orders).map_err(|_| unusable(&"something in them is missing or wrong"))
}

/// The program in its care.
struct Ward {
    record: Record,
    stop: Stop,
    cause: Arc<OnceLock<Cause>>,
    began: tokio::time::Instant,
    sizes: watch::Receiver<Sizes>,
    connected: Arc<watch::Sender<usize>>,
    ended: watch::Sender<Option<Notice>>,
    let_go: CancellationToken,
}

impl Ward {
    /// Starts the program. It never runs unrecorded: there is a record before, and if that can't be
    /// completed, the program is killed again.
    fn start(
        orders: &Orders,
        listener: &Listener,
        stop: Stop,
        sizes: watch::Receiver<Sizes>,
    ) -> io::Result<(Self, Running)> {
        let mut record = Record {
            version: VERSION,
            id: orders.id.clone(),
            supervisor: GroupRecord::of(std::process::id()),
            agent: None,
            socket: listener.address(),
            folder: orders.folder.clone(),
            grace_ms: orders.grace_ms,
            about: orders.about.clone(),
        };
        write_whole(&orders.record, &record)?;
        let started = Running::start(Program {
            argv: orders.argv.clone(),
            dir: orders.dir.clone(),
            env: orders.env.clone(),
            stdin: orders.stdin.clone().into_bytes(),
            deadline: orders.deadline_ms.map(Duration::from_millis),
            grace: Duration::from_millis(orders.grace_ms),
        });
        let running = started.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|source| format!(": {source}"));
            let _ = std::fs::remove_file(&orders.record);
            io::Error::other(format!("{error}{}", cause.unwrap_or_default()))
        })?;
        record.agent = Some(running.record());
        if let Err(error) = write_whole(&orders.record, &record) {
            let _ = std::fs::remove_file(&orders.record);
            return Err(error);
        }
        let ward = Self {
            record,
            stop,
            cause: Arc::default(),
            began: tokio::time::Instant::now(),
            sizes,
            connected: Arc::new(watch::Sender::new(0)),
            ended: watch::Sender::new(None),
            let_go: CancellationToken::new(),
        };
        Ok((ward, running))
    }

    fn agent(&self) -> u32 {
        self.record.agent.as_ref().map_or(0, |agent| agent.pid)
    }

    /// Attends to everything until the program and all that came from it is gone.
    async fn watch(
        &self,
        running: Running,
        orders: &Orders,
        logs: &mut Logs,
        listener: &mut Listener,
        signals: &mut Signals,
    ) -> io::Result<Ended> {
        let (stop, agent) = (self.stop.clone(), self.agent());
        let mut connected = self.connected.subscribe();
        let orphan = Duration::from_millis(orders.orphan_ms);
        let (lonely, look) = (after(orphan), after(LOOK));
        let finish = running.finish(&stop, logs);
        tokio::pin!(finish, lonely, look);
        let ended = loop {
            let alone = *connected.borrow_and_update() == 0;
            tokio::select! {
                ended = &mut finish => break ended.map_err(io::Error::other)?,
                accepted = listener.accept() => self.welcome(accepted),
                // Never an error: this supervisor holds the sender.
                _ = connected.changed() => lonely.as_mut().reset(tokio::time::Instant::now() + orphan),
                () = &mut lonely, if alone && !self.is_ending() => self.end_for(Cause::Orphaned),
                () = signals.told(), if !self.is_ending() => self.end_for(Cause::Abandoned),
                () = &mut look => {
                    os::bury_adopted(agent);
                    if !self.is_ending() && is_gone(&orders.record) {
                        self.end_for(Cause::Abandoned);
                    }
                    look.as_mut().reset(tokio::time::Instant::now() + LOOK);
                }
            }
        };
        let fled = os::end_adopted(agent).await;
        let killed = ended.killed || fled;
        Ok(Ended { killed, ..ended })
    }

    fn is_ending(&self) -> bool {
        self.stop.ask.is_cancelled() || self.stop.now.is_cancelled()
    }

    fn end_for(&self, cause: Cause) {
        let _ = self.cause.set(cause);
        self.stop.ask.cancel();
    }

    /// Talks to whoever connected, beside everything else.
    fn welcome(&self, accepted: io::Result<Connection>) {
        let Ok(connection) = accepted else {
            return;
        };
        if Arc::strong_count(&self.connected) > CONNECTIONS {
            return;
        }
        let talk = Talk {
            id: self.record.id.clone(),
            stop: self.stop.clone(),
            cause: Arc::clone(&self.cause),
            sizes: self.sizes.clone(),
            ended: self.ended.subscribe(),
            let_go: self.let_go.clone(),
        };
        let connected = Arc::clone(&self.connected);
        tokio::spawn(async move {
            // A worker that goes away in mid-word is none any more; nothing else follows from it.
            let _ = talk.with(connection, &connected).await;
        });
    }

    fn end(&self, ended: Ended, logs: &Logs) -> End {
        let cause = match ended.ending {
            Ending::ByItself => Cause::ByItself,
            Ending::DeadlinePassed => Cause::DeadlinePassed,
            Ending::Stopped => match self.cause.get() {
                _ if logs.too_much => Cause::TooMuchOutput,
                Some(cause) => *cause,
                None => Cause::Stopped,
            },
        };
        let (out_bytes, err_bytes) = logs.seen();
        End {
            version: VERSION,
            cause,
            exit: ended.exit,
            killed: ended.killed,
            ran_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            at_ms: unix_millis(),
            out_bytes,
            err_bytes,
        }
    }

    fn tell_end(&self, end: End, unwritten: Option<Unwritten>) {
        self.ended
            .send_replace(Some(Notice::Ended { end, unwritten }));
    }

    /// Stays until those who are connected know the end; where it could not be kept on disk, until
    /// one says that it has it.
    async fn say_goodbye(
        &self,
        kept: bool,
        patience: Duration,
        listener: &mut Listener,
        signals: &mut Signals,
    ) {
        let mut connected = self.connected.subscribe();
        let patience = after(patience);
        tokio::pin!(patience);
        while !(kept && *connected.borrow_and_update() == 0) {
            tokio::select! {
                () = self.let_go.cancelled() => return,
                () = &mut patience => return,
                () = signals.told() => return,
                accepted = listener.accept() => self.welcome(accepted),
                _ = connected.changed() => {}
            }
        }
    }
}

/// One connection.
struct Talk {
    id: String,
    stop: Stop,
    cause: Arc<OnceLock<Cause>>,
    sizes: watch::Receiver<Sizes>,
    ended: watch::Receiver<Option<Notice>>,
    let_go: CancellationToken,
}

/// Counts a worker as connected while it is.
struct Present<'a>(&'a watch::Sender<usize>);

impl<'a> Present<'a> {
    fn at(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Talk {
    async fn with(
        mut self,
        connection: Connection,
        connected: &watch::Sender<usize>,
    ) -> io::Result<()> {
        let (reader, mut writer) = tokio::io::split(connection);
        let mut reader = BufReader::new(reader);
        let hello = tokio::time::timeout(HELLO_WITHIN, receive(&mut reader)).await;
        let hello: Option<Hello> = hello.map_err(io::Error::other)??;
        if hello.is_none_or(|hello| hello.version != VERSION || hello.id != self.id) {
            return Ok(());
        }
        let _present = Present::at(connected);
        self.sizes.mark_changed();
        self.ended.mark_changed();
        let (heard, mut requests) = tokio::sync::mpsc::channel(1);
        let listen = async {
            // A line is read whole or not at all, whatever else happens meanwhile.
            while let Ok(Some(request)) = receive::<_, Request>(&mut reader).await {
                if heard.send(request).await.is_err() {
                    break;
                }
            }
        };
        let speak = async {
            loop {
                tokio::select! {
                    Ok(()) = self.sizes.changed() => self.tell_growth(&mut writer).await?,
                    Ok(()) = self.ended.changed() => {
                        let ended = self.ended.borrow_and_update().clone();
                        if let Some(ended) = ended {
                            send(&mut writer, &ended).await?;
                            break;
                        }
                    }
                    Some(request) = requests.recv() => {
                        if request == Request::Status {
                            self.sizes.mark_changed();
                        }
                        self.obey(request);
                    }
                }
            }
            // Until it says that it has it, or hangs up.
            while let Some(request) = requests.recv().await {
                self.obey(request);
            }
            Ok(())
        };
        tokio::select! {
            () = listen => Ok(()),
            spoken = speak => spoken,
        }
    }

    async fn tell_growth<W>(&mut self, writer: &mut W) -> io::Result<()>
    where
        W: tokio::io::AsyncWrite + Unpin,
    {
        let Sizes { out, err } = *self.sizes.borrow_and_update();
        send(writer, &Notice::Grew { out, err }).await?;
        after(GROWTH_PAUSE).await;
        Ok(())
    }

    fn obey(&self, request: Request) {
        match request {
            Request::Stop => {
                let _ = self.cause.set(Cause::Stopped);
                self.stop.ask.cancel();
            }
            Request::Kill => {
                let _ = self.cause.set(Cause::Stopped);
                self.stop.now.cancel();
            }
            Request::Status => {}
            Request::LetGo => self.let_go.cancel(),
        }
    }
}

fn is_gone(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[expect(
    clippy::disallowed_methods,
    reason = "when a program ended is for people who read the file; nothing is decided by it"
)]
fn unix_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
