//! The keeper: starts a program of an installation, watches over it and starts it again, as core says.
//!
//! It is small, so that it seldom has to change: it reads two files that its program writes ([`crate::Kept`]), and knows neither
//! settings nor store. It never touches what its program started in sessions of their own: agents go on while versions
//! come and go. A keeper that is killed leaves its program behind; the next one ends that first, since two of one program
//! would be in each other's way.

pub(crate) mod memory;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_core::causes;
use shraga_core::time::{Span, Timestamp};
use shraga_core::update::Release;
use shraga_core::update::keep::{Act, End, Event, Installation, Keeper};
use shraga_process::lasting::{self, LastingError};
use shraga_process::{Child, Exit, GroupRecord, end_group};
use tokio::sync::mpsc;

use crate::clock::Elapsed;
use crate::durable::replace;
use crate::kept::{self, FOLDER_VARIABLE, Pulse, RELEASE_VARIABLE};
use crate::layout::Layout;

/// The code of a program that hands over.
pub const HAND_OVER: i32 = 76;

/// Between two looks at what the program says.
const LOOK: Duration = Duration::from_millis(250);

/// What belongs to the keeper alone: its service manager's ways to it.
const OWN_VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The record of the program, in the keeper's folder.
const CHILD: &str = "child.json";

/// How often turning a link is tried at once: somebody else may be turning it.
const TURNS: u32 = 3;

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct Order {
    /// The installation whose versions are run; `None`: `program` is run, and nothing else ever.
    pub root: Option<PathBuf>,
    /// The program where there is no installation.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The keeper's own folder, made if missing. One keeper at a time has it.
    pub folder: PathBuf,
    /// Where the program is started.
    pub dir: PathBuf,
    /// The whole environment of the program, but for what the keeper says in it.
    pub environment: BTreeMap<String, String>,
    /// How long a version on trial may take until it is healthy.
    pub health: Duration,
    /// This machine's clock, for what is remembered.
    pub wall: fn() -> Timestamp,
}

/// What a service manager is to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The keeper has its folder and its program was started.
    Ready,
    /// What the program does, in a line.
    Says(String),
    /// The keeper lives.
    Alive,
    /// The program was told to end.
    Stopping,
}

/// Why there is no keeper.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Another keeper has the folder.
    #[error("another keeper{} has {}", .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process of that one.
        pid: Option<u32>,
    },
    /// There is an installation's root, and no version in use in it.
    #[error("no version is installed in {}", .0.display())]
    NothingInstalled(PathBuf),
    /// Its folder can't be used.
    #[error("the keeper's folder {} can't be used", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It can't enter itself there.
    #[error(transparent)]
    Lasting(LastingError),
}

/// Keeps the program until `signals` says to end it, and it has ended. Each message is a signal: the first lets it finish
/// what it has, the second ends it now.
///
/// # Errors
/// Nothing was started. Once something was, nothing ends the keeper but a signal.
pub async fn keep(
    order: &Order,
    mut signals: mpsc::Receiver<()>,
    tell: &mut (dyn FnMut(News) + Send),
) -> Result<(), KeepError> {
    let layout = order.root.as_deref().map(Layout::new);
    if let Some(layout) = &layout
        && layout.current().is_none()
    {
        return Err(KeepError::NothingInstalled(layout.root().to_owned()));
    }
    let _enrolled = enroll(order).await?;
    end_left_behind(&order.folder).await;
    let began = Elapsed::start();
    let remembered = memory::read(&order.folder);
    let health = Span::millis(i64::try_from(order.health.as_millis()).unwrap_or(i64::MAX));
    let mut kept = Keeping {
        order,
        layout,
        keeper: Keeper::new(remembered, health, began.now()),
        child: None,
        began,
        pulse: None,
        unwritten: Vec::new(),
        said_unwritable: false,
        tell,
        left: false,
    };
    (kept.tell)(News::Ready);
    kept.feed(Event::Tick).await;
    while !kept.left {
        tokio::select! {
            end = ended(&mut kept.child) => kept.ended(&end).await,
            Some(()) = signals.recv() => kept.signal().await,
            () = crate::clock::pause(LOOK) => kept.look().await,
        }
    }
    Ok(())
}

async fn enroll(order: &Order) -> Result<lasting::Enrolled, KeepError> {
    fs::create_dir_all(&order.folder).map_err(|source| KeepError::Folder {
        folder: order.folder.clone(),
        source,
    })?;
    match lasting::enroll(&order.folder, BTreeMap::new()).await {
        Ok(enrolled) => Ok(enrolled),
        Err(LastingError::InUse(folder)) => {
            let pid = match lasting::look(&folder) {
                lasting::State::Lives(record) => Some(record.process.pid),
                lasting::State::Never | lasting::State::Ended(_) => None,
            };
            Err(KeepError::InUse { folder, pid })
        }
        Err(error) => Err(KeepError::Lasting(error)),
    }
}

/// Ends what a keeper that was killed has left running here.
async fn end_left_behind(folder: &Path) {
    let Ok(text) = fs::read(folder.join(CHILD)) else {
        return;
    };
    let Ok(record) = serde_json::from_slice::<GroupRecord>(&text) else {
        return;
    };
    if record.leader_lives() == Some(true) {
        let pid = record.pid;
        tracing::warn!(pid, "ending what a keeper before this one left running");
        if !end_group(&record).await {
            tracing::error!(pid, "it survives being killed");
        }
    }
}

/// How the program ended; never, while there is none.
async fn ended(child: &mut Option<Child>) -> io::Result<Exit> {
    match child {
        Some(child) => child.ended().await,
        None => std::future::pending().await,
    }
}

/// The program and what is known of it.
struct Keeping<'a> {
    order: &'a Order,
    layout: Option<Layout>,
    keeper: Keeper,
    child: Option<Child>,
    began: Elapsed,
    /// What it said last.
    pulse: Option<Pulse>,
    /// Words for the installation's record, which somebody else has now.
    unwritten: Vec<Word>,
    /// It was said that they can't be written.
    said_unwritable: bool,
    tell: &'a mut (dyn FnMut(News) + Send),
    left: bool,
}

/// What is to be written into the installation's record.
#[derive(Clone, Debug)]
enum Word {
    Failed(Release, String),
    Forgiven(Release),
}

impl Keeping<'_> {
    fn installation(&self) -> Installation {
        let Some(layout) = &self.layout else {
            return Installation::default();
        };
        let record = layout.record().failed;
        let mut failed: Vec<Release> = record.into_iter().map(|failed| failed.release).collect();
        for word in &self.unwritten {
            match word {
                Word::Failed(release, _) => failed.push(release.clone()),
                Word::Forgiven(release) => failed.retain(|other| other != release),
            }
        }
        Installation {
            current: layout.current(),
            there: layout.installed().unwrap_or_default(),
            failed,
        }
    }

    async fn look(&mut self) {
        (self.tell)(News::Alive);
        self.write().await;
        let pulse = kept::latest(&self.order.folder);
        // One that a killed keeper left behind may still write here.
        let runs = self.child.as_ref().map(|child| child.record().pid);
        let pulse = pulse.filter(|pulse| runs == Some(pulse.pid));
        if let Some(pulse) = pulse.filter(|pulse| self.pulse.as_ref() != Some(pulse)) {
            let healthy = pulse.healthy;
            let says = self.pulse.as_ref().map(|before| before.says.as_str());
            if says != Some(&pulse.says) {
                (self.tell)(News::Says(pulse.says.clone()));
            }
            self.pulse = Some(pulse);
            self.feed(Event::Pulse { healthy }).await;
        }
        self.feed(Event::Tick).await;
    }

    async fn signal(&mut self) {
        (self.tell)(News::Stopping);
        if let Some(child) = &mut self.child {
            child.ask();
        }
        self.feed(Event::Stop).await;
    }

    async fn ended(&mut self, exit: &io::Result<Exit>) {
        // What it left in its group is in the way of the next one.
        if let Some(child) = self.child.take() {
            child.kill().await;
        }
        let end = match exit {
            Ok(Exit::Code(HAND_OVER)) => match kept::wanted(&self.order.folder) {
                Some(next) => End::HandOver {
                    to: next.to,
                    turn: next.turn,
                },
                None => End::Other("it handed over to nothing that can be read".to_owned()),
            },
            Ok(Exit::Code(code)) => End::Other(format!("it ended with code {code}")),
            Ok(Exit::Signal(signal)) => End::Other(format!("signal {signal} ended it")),
            Err(error) => End::Other(format!("its end can't be told: {error}")),
        };
        self.feed(Event::Ended(end)).await;
    }

    /// Tells core, and does what it says. What could not be started is told as its end.
    async fn feed(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let acts = self
                .keeper
                .step(event, &self.installation(), self.began.now());
            for act in acts {
                if let Err(said) = self.act(act).await {
                    next = Some(Event::Ended(End::Other(said)));
                }
            }
        }
    }

    async fn act(&mut self, act: Act) -> Result<(), String> {
        match act {
            Act::Remember(memory) => {
                if let Err(error) = memory::write(&self.order.folder, &memory) {
                    tracing::error!(%error, "what the keeper knows of versions can't be kept");
                }
            }
            Act::Start { release, on_trial } => return self.start(release.as_ref(), on_trial),
            Act::End(why) => {
                tracing::warn!("ending the program: {why}");
                if let Some(child) = &self.child {
                    child.kill().await;
                }
            }
            Act::Failed {
                release,
                said,
                back,
            } => {
                tracing::error!(%release, "the version failed, going back to {back}: {said}");
                if self.leads_to(&release) {
                    self.turn(None, &back);
                }
                self.unwritten.push(Word::Failed(release, said));
                self.write().await;
            }
            Act::Forgive(release) => {
                tracing::warn!(%release, "the version before it doesn't get healthy either, so it may be tried again");
                self.unwritten.push(Word::Forgiven(release));
                self.write().await;
            }
            Act::Turn(to) => {
                let from = self.layout.as_ref().and_then(Layout::current);
                self.turn(from.as_ref(), &to);
                tracing::info!(release = %to, "the version has proved itself and is in use");
            }
            Act::Say(said) => tracing::warn!("{said}"),
            Act::Healthy => tracing::debug!("the program does its work"),
            Act::Leave => self.left = true,
        }
        Ok(())
    }

    fn leads_to(&self, release: &Release) -> bool {
        let current = self.layout.as_ref().and_then(Layout::current);
        current.as_ref() == Some(release)
    }

    fn turn(&self, from: Option<&Release>, to: &Release) {
        let Some(layout) = &self.layout else {
            return;
        };
        let turned = (0..TURNS).map(|_| layout.turn(from, to));
        let failed = turned.take_while(Result::is_err).last();
        if let Some(Err(error)) = failed
            && layout.current().as_ref() != Some(to)
        {
            tracing::error!(%error, "the installation's link can't be turned to {to}");
        }
    }

    /// Writes what is unwritten, unless somebody else has the installation or the disk refuses: then it is tried at the next
    /// look, and counts meanwhile all the same.
    async fn write(&mut self) {
        let Some(layout) = self.layout.clone().filter(|_| !self.unwritten.is_empty()) else {
            return;
        };
        let refused = match layout.hold(Duration::ZERO).await {
            Ok(None) => return,
            Ok(Some(_held)) => {
                let mut record = layout.record();
                for word in &self.unwritten {
                    match word {
                        Word::Failed(release, said) => {
                            record.fell(release, said, (self.order.wall)());
                        }
                        Word::Forgiven(release) => record.forgive(release),
                    }
                }
                layout.keep(&record).err()
            }
            Err(error) => Some(error),
        };
        match refused {
            None => {
                self.unwritten.clear();
                self.said_unwritable = false;
            }
            // Said once: it is tried again four times a second.
            Some(error) if !std::mem::replace(&mut self.said_unwritable, true) => {
                tracing::error!(%error, "the installation's record can't be written; it is tried again");
            }
            Some(_) => {}
        }
    }

    fn start(&mut self, release: Option<&Release>, on_trial: bool) -> Result<(), String> {
        let order = self.order;
        let program = match (release, &self.layout) {
            (Some(release), Some(layout)) => layout.program(release),
            (Some(_) | None, _) => order.program.clone(),
        };
        let cant = |error: &(dyn std::error::Error + 'static)| {
            format!("it can't be started: {}", causes::chain(error))
        };
        kept::prepare(&order.folder).map_err(|error| cant(&error))?;
        self.pulse = None;
        let mut env = order.environment.clone();
        env.retain(|name, _| !OWN_VARIABLES.contains(&name.as_str()));
        env.remove(RELEASE_VARIABLE);
        env.insert(
            FOLDER_VARIABLE.to_owned(),
            order.folder.display().to_string(),
        );
        if let Some(release) = release {
            env.insert(RELEASE_VARIABLE.to_owned(), release.to_string());
        }
        let argv: Vec<String> = std::iter::once(program.display().to_string())
            .chain(order.args.iter().cloned())
            .collect();
        // Before it runs: from then on nobody may take it away.
        let noted = release.map_or(Ok(()), |release| memory::starts(&order.folder, release));
        noted.map_err(|error| cant(&error))?;
        let child = Child::start(&argv, &order.dir, &env).map_err(|error| cant(&error))?;
        let pid = child.record().pid;
        match release {
            Some(release) if on_trial => tracing::info!(%release, pid, "started on trial"),
            Some(release) => tracing::info!(%release, pid, "started"),
            None => tracing::info!(pid, "started"),
        }
        let record = serde_json::to_vec(child.record()).map_err(io::Error::from);
        let recorded = record.and_then(|text| replace(&order.folder.join(CHILD), &text));
        if let Err(error) = recorded {
            tracing::error!(%error, "the program can't be recorded: a later keeper won't find it");
        }
        self.child = Some(child);
        Ok(())
    }
}
