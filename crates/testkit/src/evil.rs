//! A server on a real socket that misbehaves as it is told to, alone or in front of a real one.
//!
//! It reads one request per connection and then does what [`Act`] says: answers nonsense, hangs, drips a byte a second,
//! breaks off, or passes the request on to a server behind it and spoils the answer, so that "a reply lost after the
//! write was done" really happens. Acts are armed by the test: one standing act, and single ones for the next request
//! that meets a condition. It never acts by chance. It runs on a thread of its own, so that tests with and without a
//! runtime can use it, and ends with the test.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

mod connection;
mod reply;
mod tls;

pub use reply::{json, reply};
pub use tls::Certificate;

/// Commands that wait to be obeyed: a test gives one at a time.
const COMMANDS_MAX: usize = 1;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Passes it on and gives back the answer as it is.
    Pass,
    /// Answers with these bytes and closes.
    Say(String),
    /// Reads it, keeps the connection open and says nothing.
    Hang,
    /// Closes without a word; nobody else hears of it.
    Close,
    /// Answers in bytes that come one a second.
    Drip {
        /// What comes before that, all at once.
        at_once: String,
        /// What drips.
        slowly: String,
    },
    /// Passes it on; the answer's head comes at once, its body one byte a second.
    DripBody,
    /// Passes it on, and breaks off in the middle of the answer's body.
    CutBody,
    /// Passes it on, waits for the answer, and closes without giving it: done, but nobody knows.
    LoseReply,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Request line, headers and body.
    pub text: String,
}

impl Request {
    /// Whether it can change something: anything but GET, or a batch with a write in it.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let first = self.text.lines().next().unwrap_or_default();
        let writes = ["\nPATCH ", "\nPOST ", "\nDELETE "];
        match first.contains("/$batch ") {
            true => writes.iter().any(|verb| self.text.contains(verb)),
            false => !first.starts_with("GET "),
        }
    }

    /// Whether it waits for something to happen at the store, rather than asking for something.
    #[must_use]
    pub fn is_long_poll(&self) -> bool {
        self.text.starts_with("GET /api/shraga/changes")
    }
}

type When = fn(&Request) -> bool;

#[derive(Debug)]
struct Script {
    standing: Act,
    rules: Vec<(When, Act)>,
    single: VecDeque<(When, Act)>,
    seen: Vec<Request>,
}

/// What a running server is told.
#[derive(Debug)]
enum Command {
    /// Accept no connections: they are refused by the system.
    Refuse,
    /// Accept them again.
    Accept,
}

/// How a server comes to be.
#[derive(Debug, Default)]
pub struct Options {
    /// The server behind it, for acts that pass a request on.
    pub behind: Option<SocketAddr>,
    /// Speaks TLS with this certificate.
    pub certificate: Option<Certificate>,
}

/// The server. It ends when dropped.
#[derive(Debug)]
pub struct Evil {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    tell: Option<mpsc::Sender<(Command, mpsc::Sender<()>)>>,
    thread: Option<JoinHandle<()>>,
}

impl Evil {
    /// A server that answers with `acts`, one after the other, the last for ever.
    ///
    /// # Panics
    /// Without acts, or without a free port.
    #[must_use]
    pub fn with(acts: impl IntoIterator<Item = Act>) -> Self {
        let mut acts: VecDeque<Act> = acts.into_iter().collect();
        let last = acts.pop_back().expect("at least one act");
        let server = Self::start(Options::default(), last);
        server.script().single = acts.into_iter().map(|act| (always as When, act)).collect();
        server
    }

    /// A server that passes everything on to the one at `behind`, until told otherwise.
    #[must_use]
    pub fn before(behind: SocketAddr) -> Self {
        let options = Options {
            behind: Some(behind),
            ..Options::default()
        };
        Self::start(options, Act::Pass)
    }

    /// A server with these options that does this.
    ///
    /// # Panics
    /// Without a free port or a thread.
    #[must_use]
    pub fn start(options: Options, standing: Act) -> Self {
        let script = Arc::new(Mutex::new(Script {
            standing,
            rules: Vec::new(),
            single: VecDeque::new(),
            seen: Vec::new(),
        }));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (tell, told) = mpsc::channel(COMMANDS_MAX);
        let shared = Arc::clone(&script);
        let thread = std::thread::spawn(move || run(listener, options, shared, told));
        Self {
            address,
            script,
            tell: Some(tell),
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a store's.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it does this with every request for which nothing else is armed.
    pub fn always(&self, act: Act) {
        self.script().standing = act;
    }

    /// Does this with every request that `when` says yes to, from now on, unless a single act is armed
    /// for it.
    pub fn whenever(&self, when: fn(&Request) -> bool, act: Act) {
        self.script().rules.push((when, act));
    }

    /// Does this once, with the next request that `when` says yes to.
    pub fn once(&self, when: fn(&Request) -> bool, act: Act) {
        self.script().single.push_back((when, act));
    }

    /// How many single acts have not been done yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.script().single.len()
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        self.script().seen.clone()
    }

    /// Closes the door: from when this returns, connections are refused.
    pub fn refuse(&self) {
        self.command(Command::Refuse);
    }

    /// Opens it again, at the same address.
    pub fn accept(&self) {
        self.command(Command::Accept);
    }

    fn command(&self, command: Command) {
        let tell = self.tell.as_ref().expect("it runs until it is dropped");
        let (done, mut obeyed) = mpsc::channel(1);
        tell.try_send((command, done))
            .expect("one command at a time");
        // On a thread of its own, since a runtime's threads must not block.
        let waited = std::thread::spawn(move || obeyed.blocking_recv()).join();
        waited.expect("a thread").expect("it was obeyed");
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }
}

impl Drop for Evil {
    fn drop(&mut self) {
        self.tell = None;
        let ended = self.thread.take().map(JoinHandle::join);
        let failed = ended.is_some_and(|ended| ended.is_err());
        assert!(!failed || std::thread::panicking(), "the server panicked");
    }
}

/// Says yes to every request.
#[must_use]
pub fn always(_request: &Request) -> bool {
    true
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server's thread: ends, with all its connections, when nobody can tell it anything any more.
fn run(
    listener: std::net::TcpListener,
    options: Options,
    script: Arc<Mutex<Script>>,
    told: mpsc::Receiver<(Command, mpsc::Sender<()>)>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(serve(listener, options, script, told));
}

async fn serve(
    listener: std::net::TcpListener,
    options: Options,
    script: Arc<Mutex<Script>>,
    mut told: mpsc::Receiver<(Command, mpsc::Sender<()>)>,
) {
    let address = listener.local_addr().expect("its address");
    listener
        .set_nonblocking(true)
        .expect("a socket of a runtime");
    let mut open = Some(TcpListener::from_std(listener).expect("a listener"));
    let tls = options.certificate.map(Certificate::acceptor);
    loop {
        tokio::select! {
            command = told.recv() => {
                let Some((command, done)) = command else {
                    return;
                };
                open = match command {
                    Command::Refuse => None,
                    Command::Accept => Some(bind(address).await),
                };
                // Whoever gave the command may be gone.
                done.send(()).await.ok();
            }
            stream = accept(open.as_ref()) => {
                let attended = connection::attend(stream, tls.clone(), options.behind, Arc::clone(&script));
                tokio::spawn(attended);
            }
        }
    }
}

/// Listens at an address that was let go of; somebody else's connection may have it for a moment.
async fn bind(address: SocketAddr) -> TcpListener {
    let mut pulse = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        pulse.tick().await;
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            return stream;
        }
    }
}

/// What is to be done with this request; it is remembered.
fn act_for(script: &Mutex<Script>, request: Request) -> Act {
    let mut script = lock(script);
    let armed = script.single.iter().position(|(when, _)| when(&request));
    let rule = script.rules.iter().find(|(when, _)| when(&request));
    let rule = rule.map(|(_, act)| act.clone());
    script.seen.push(request);
    let single = armed.and_then(|at| script.single.remove(at));
    let single = single.map(|(_, act)| act);
    single.or(rule).unwrap_or_else(|| script.standing.clone())
}
