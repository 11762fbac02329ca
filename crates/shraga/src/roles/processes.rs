//! Machines that are processes of this machine: `shraga worker`, each with a folder and a token of its
//! own, started and stopped by `shraga up`.
//!
//! ```text
//! DATA/machines/NAME/    one machine
//!     token              its worker's token, readable to its owner only
//!     lock process.json  who runs there (`shraga_process::lasting`)
//!     output.log         what it printed; `output.old.log` has what came before; 8 MiB each
//!     work/              the worker's folder: attempts, reports not taken yet
//!     deleting           it is to be deleted
//! ```
//!
//! What is there is read from these folders, so that the next `up` finds what one that was killed left.
//! A worker whose process ended is asleep: it is started again in its folder, and takes up what it held.
//! A folder is removed only once every report in it was taken.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use shraga_core::machine::{
    Found, FoundState, Inventory, MachineName, ProviderKind, Serves, Trouble, TroubleClass,
};
use shraga_core::plan::machines::{Act, ActKind};
use shraga_core::time::Timestamp;
use shraga_dataverse::{Client, Error, Role, TokenRequest};
use shraga_orchestrator::machines::{BoxFuture, Pace, Provider};
use shraga_process::lasting::{self, LastingError, Order, State};
use tokio_util::sync::CancellationToken;

use super::signals::Stop;
use crate::clock;
use crate::endpoint::{create_private_folder, write_private};

/// The folder in the data folder that holds them.
const FOLDER: &str = "machines";
const TOKEN: &str = "token";
const DELETING: &str = "deleting";
const WORK: &str = "work";
const OUTBOX: &str = "outbox";

/// What a folder is called while it is removed; no machine's name begins like this.
const REMOVED: &str = ".removed-";

/// What a process tells of itself in its record: where its store was.
pub(crate) const URL: &str = "url";

/// How long a worker that was asked to end may take: as long as its agents may, and somewhat more.
const END_WITHIN: Duration = Duration::from_secs(660);

/// How long it may take once it was told to end at once.
const NOW_WITHIN: Duration = Duration::from_secs(10);

/// How often is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Looking costs a few small files each; what is asked shows within a second.
const PACE: Pace = Pace {
    least: Duration::from_secs(1),
    busy: Duration::from_secs(1),
    quiet: Duration::from_secs(15),
};

/// How `shraga up` starts its workers.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The program and its arguments, without those that name one machine.
    pub(crate) argv: Vec<String>,
    /// Its environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Where it is started: where settings are found.
    pub(crate) dir: PathBuf,
    /// Attempts it may run at once.
    pub(crate) slots: u32,
    /// Labels it carries.
    pub(crate) labels: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Processes {
    /// An admin's.
    client: Client,
    root: PathBuf,
    /// Where the store is now.
    url: String,
    launch: Launch,
    /// Processes that were asked to end, by number and start, and when.
    asked: Mutex<HashMap<(u32, String), Instant>>,
}

/// Whether an earlier `up` has left a worker running in the data folder `data`.
pub(crate) fn any_left(data: &Path) -> bool {
    let names = names(&data.join(FOLDER)).unwrap_or_default();
    lasting::SUPPORTED
        && names.iter().any(|name| {
            let folder = data.join(FOLDER).join(name.as_str());
            matches!(lasting::look(&folder), State::Lives(_))
        })
}

/// Every machine that has a folder in `root`.
fn names(root: &Path) -> io::Result<Vec<MachineName>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().into_string().ok();
        let name = name.and_then(|name| name.parse().ok());
        if let (Some(name), true) = (name, entry.file_type()?.is_dir()) {
            names.push(name);
        }
    }
    Ok(names)
}

impl Processes {
    /// Those of the data folder `data`, whose store is at `url`.
    pub(crate) fn new(client: Client, data: &Path, url: &str, launch: Launch) -> Self {
        Self {
            client,
            root: data.join(FOLDER),
            url: url.to_owned(),
            launch,
            asked: Mutex::default(),
        }
    }

    /// Takes over what an `up` that was killed has left running: a worker that knows its store at another
    /// address is started anew, and finds its agents again. How many there were.
    pub(crate) async fn take_over(&self) -> usize {
        self.finish_removals();
        let living = self.living();
        for (name, record) in &living {
            if record.about.get(URL) == Some(&self.url) {
                continue;
            }
            tracing::info!("worker {name} was left running; it is started anew, with its agents");
            if !record.end().await {
                tracing::warn!("worker {name} of an earlier start does not end");
                continue;
            }
            if let Err(error) = lasting::start(&self.order(name)).await {
                tracing::warn!("worker {name} does not start: {error}");
            }
        }
        living.len()
    }

    /// Asks all to finish what they have, or to end at once, and waits until none is left.
    pub(crate) async fn end(&self, stop: &Stop) {
        for (_, record) in self.living() {
            self.ask(&record);
        }
        let never = CancellationToken::new();
        let mut hurried = None;
        loop {
            let living = self.living();
            if living.is_empty() {
                return;
            }
            match hurried {
                None if stop.now.is_cancelled() => {
                    living.iter().for_each(|(_, record)| record.ask());
                    hurried = Some(clock::instant());
                }
                Some(since) if since.elapsed() > NOW_WITHIN => {
                    for (_, record) in living {
                        record.end().await;
                    }
                    return;
                }
                None | Some(_) => {
                    clock::pause(LOOK, &never).await;
                }
            }
        }
    }

    /// Removes what is left of machines whose removal was cut short.
    fn finish_removals(&self) {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with(REMOVED) {
                continue;
            }
            if let Err(error) = remove(&entry.path()) {
                tracing::warn!("what is left of a deleted worker can't be removed: {error}");
            }
        }
    }

    fn folder(&self, name: &MachineName) -> PathBuf {
        self.root.join(name.as_str())
    }

    fn living(&self) -> Vec<(MachineName, lasting::Record)> {
        let names = names(&self.root).unwrap_or_default().into_iter();
        let living = names.filter_map(|name| match lasting::look(&self.folder(&name)) {
            State::Lives(record) => Some((name, record)),
            State::Never | State::Ended(_) => None,
        });
        living.collect()
    }

    fn state(&self, name: &MachineName) -> FoundState {
        let folder = self.folder(name);
        match lasting::look(&folder) {
            State::Lives(record) => match self.asked_ago(&record) {
                Some(_) if folder.join(DELETING).exists() => FoundState::Deleting,
                Some(_) => FoundState::Stopping,
                None => FoundState::Running,
            },
            State::Never | State::Ended(_) => FoundState::Asleep,
        }
    }

    fn asked_ago(&self, record: &lasting::Record) -> Option<Duration> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&key(record)).map(Instant::elapsed)
    }

    /// Asks a process to end, once: a second time would mean at once.
    fn ask(&self, record: &lasting::Record) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, at| at.elapsed() < END_WITHIN * 2);
        asked.entry(key(record)).or_insert_with(|| {
            record.ask();
            clock::instant()
        });
    }

    async fn begin(&self, act: &Act) -> Result<(), Failed> {
        let folder = self.folder(&act.name);
        if let State::Lives(record) = lasting::look(&folder) {
            return match self.asked_ago(&record) {
                Some(_) => Err(Failed::Passing("it has not ended yet".to_owned())),
                None => Ok(()),
            };
        }
        create_private_folder(&folder)?;
        if fs::remove_file(folder.join(DELETING)).is_ok() {
            tracing::debug!("{} is wanted again", act.name);
        }
        if !folder.join(TOKEN).exists() {
            self.make_token(act, &folder).await?;
        }
        lasting::start(&self.order(&act.name)).await?;
        Ok(())
    }

    async fn make_token(&self, act: &Act, folder: &Path) -> Result<(), Failed> {
        let (user, pool) = match act.serves {
            Serves::Person(user) => (user, "dedicated"),
            Serves::Everyone => (self.client.who_am_i().await?, "shared"),
        };
        let token = self
            .client
            .create_token(&TokenRequest {
                user: user.to_string(),
                role: Role::Worker,
                worker: Some(act.worker),
                pool: Some(pool.to_owned()),
                slots: Some(self.launch.slots),
                labels: self.launch.labels.clone(),
            })
            .await?;
        let secret = token.token.as_ref().map(ExposeSecret::expose_secret);
        write_private(&folder.join(TOKEN), secret.unwrap_or_default().as_bytes())?;
        Ok(())
    }

    fn order(&self, name: &MachineName) -> Order {
        let folder = self.folder(name);
        let own = ["--name", name.as_str(), "--machine"].map(str::to_owned);
        let own = own.into_iter().chain([folder.display().to_string()]);
        Order {
            argv: self.launch.argv.iter().cloned().chain(own).collect(),
            dir: self.launch.dir.clone(),
            env: self.launch.env.clone(),
            folder,
        }
    }

    /// Asks it to end; one that was asked long ago is killed.
    async fn stop(&self, name: &MachineName) -> Result<(), Failed> {
        let State::Lives(record) = lasting::look(&self.folder(name)) else {
            return Ok(());
        };
        let late = self.asked_ago(&record).filter(|ago| *ago > END_WITHIN);
        match late {
            None => {
                self.ask(&record);
                Ok(())
            }
            Some(_) if record.end().await => Ok(()),
            Some(_) => Err(Failed::Passing("it survives being killed".to_owned())),
        }
    }

    /// Deletes it, as far as that can be done now; what is left is asked for again.
    async fn delete(&self, act: &Act) -> Result<(), Failed> {
        let folder = self.folder(&act.name);
        if !folder.exists() {
            return Ok(());
        }
        if has_reports(&folder) {
            // Its worker alone can bring them home; nothing new is given to it any more.
            self.begin(act).await?;
            let said = "reports of it were not taken yet, so its folder stays";
            return Err(Failed::Passing(said.to_owned()));
        }
        write_private(&folder.join(DELETING), b"")?;
        self.stop(&act.name).await?;
        if let State::Lives(_) = lasting::look(&folder) {
            return Ok(());
        }
        for token in self.client.tokens().await? {
            if token.worker == Some(act.worker) {
                self.client.revoke_token(token.id).await?;
            }
        }
        // Renamed first: what is left of a removal cut short is no machine.
        let removed = self.root.join(format!("{REMOVED}{}", act.name));
        remove(&removed)?;
        fs::rename(&folder, &removed)?;
        remove(&removed)?;
        Ok(())
    }
}

impl Provider for Processes {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Process
    }

    fn ends_with_us(&self) -> bool {
        true
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn list(&self, now: Timestamp) -> BoxFuture<'_, Result<Inventory, Trouble>> {
        Box::pin(async move {
            let names = names(&self.root).map_err(|error| Failed::from(error).at(now))?;
            let found = names.into_iter().map(|name| Found {
                state: self.state(&name),
                name,
                created: None,
                fault: None,
                stops_at: None,
            });
            Ok(Inventory {
                provider: ProviderKind::Process,
                found: found.collect(),
                at: now,
                quota: None,
                bars: None,
                advice: None,
            })
        })
    }

    fn act<'a>(&'a self, act: &'a Act, now: Timestamp) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let done = match act.kind {
                ActKind::Create | ActKind::Start => self.begin(act).await,
                ActKind::Stop { .. } => self.stop(&act.name).await,
                ActKind::Delete => self.delete(act).await,
                // Not asked of processes: their policy restarts none, and they have no stops of their own.
                ActKind::Restart | ActKind::Repair | ActKind::Delay { .. } | ActKind::Link => {
                    Ok(())
                }
            };
            done.map_err(|failed| failed.at(now))
        })
    }

    fn link<'a>(
        &'a self,
        _act: &'a Act,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>, Trouble>> {
        // It is the machine its person sits at, or one she has no way to.
        Box::pin(async { Ok(None) })
    }
}

/// What tells a process from others, also from a later one with its number.
fn key(record: &lasting::Record) -> (u32, String) {
    (record.process.pid, record.process.started.clone())
}

/// Whether there are reports that the store hasn't taken.
fn has_reports(folder: &Path) -> bool {
    let outbox = fs::read_dir(folder.join(WORK).join(OUTBOX));
    outbox.is_ok_and(|mut reports| reports.next().is_some())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The worker's folder on the machine `folder`.
pub(crate) fn work_folder(folder: &Path) -> PathBuf {
    folder.join(WORK)
}

/// The token of the machine `folder`.
pub(crate) fn token_file(folder: &Path) -> PathBuf {
    folder.join(TOKEN)
}

/// Why something could not be done.
#[derive(Debug)]
enum Failed {
    /// It may be done later.
    Passing(String),
    /// It was tried, and failed.
    ForGood(String),
}

impl Failed {
    fn at(self, now: Timestamp) -> Trouble {
        let (class, said) = match self {
            Self::Passing(said) => (TroubleClass::Transient, said),
            Self::ForGood(said) => (TroubleClass::Failed, said),
        };
        Trouble {
            class,
            said,
            since: now,
            again: None,
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Passing(error.to_string())
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error.is_transient() {
            true => Self::Passing(error.to_string()),
            false => Self::ForGood(error.to_string()),
        }
    }
}

impl From<LastingError> for Failed {
    fn from(error: LastingError) -> Self {
        match error {
            // Its own words: another start would bring the same.
            LastingError::Ended(_) | LastingError::Empty => Self::ForGood(error.to_string()),
            LastingError::Io { .. } | LastingError::InUse(_) | LastingError::Silent(_) => {
                Self::Passing(error.to_string())
            }
        }
    }
}
