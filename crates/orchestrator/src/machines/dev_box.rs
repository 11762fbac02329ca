//! The Dev Center as a provider of machines: a Dev Box for each, in its person's name.
//!
//! Everything is looked at before it is asked for, so that each request can be made again: a box is made only where the
//! service says that there is none, since its PUT replaces one that is there. A box becomes a machine that works by what
//! is installed on it (`install`), once it runs.
//! How far anything is, the service's list tells, also to whoever starts anew; operations are asked after only for the
//! reason of a failure, and forgotten with the process.
//!
//! Absences: no row is read or written here but a person's own account, nothing is decided, no box is touched that the
//! driver did not name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use shraga_core::ids::{UserId, WorkerId};
use shraga_core::machine::{
    Found, FoundState, Inventory, MachineName, ProviderKind, Quota, Serves, Trouble, TroubleClass,
};
use shraga_core::plan::machines::{Act, ActKind};
use shraga_core::time::Timestamp;
use shraga_dataverse::Client as Store;
use shraga_devcenter::{
    BoxId, BoxName, Client, DevBox, Error, HibernateSupport, Operation, OperationState, Owner,
    PoolName, ProjectName, Tracking,
};
use url::Url;
use uuid::Uuid;

use super::provider::{Pace, Provider};

mod install;
mod place;
mod rest;
mod tokens;
mod words;

pub use install::Install;
pub use tokens::Identity;

use rest::Rest;
use words::{found_state, trouble};

/// The longest that a list may be asked for at most so often; it is what everything else waits for.
const PACE: Pace = Pace {
    least: Duration::from_secs(10),
    busy: Duration::from_secs(30),
    quiet: Duration::from_secs(300),
};

/// Operations that are asked after in one look. Each costs a request; more than this is no normal day.
const OPERATIONS_MAX: usize = 10;

/// In whose name boxes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Each person's own, by the account that the store knows her by. It takes a project admin's rights.
    Theirs,
    /// All in the name of whoever signs in.
    Mine,
}

/// Where boxes are made, and what is put on them.
#[derive(Clone, Debug)]
pub struct Center {
    /// The project.
    pub project: ProjectName,
    /// The pool.
    pub pool: PoolName,
    /// In whose name.
    pub whose: Whose,
    /// What names of our boxes begin with: others' schedules are not asked after.
    pub prefix: String,
    /// What makes a worker of a box; without, whoever made the pool's image saw to that.
    pub install: Option<Install>,
}

/// The provider.
#[derive(Debug)]
pub struct DevBoxes {
    client: Client,
    store: Store,
    center: Center,
    memory: Mutex<Memory>,
}

/// What is kept between looks; nothing of it matters.
#[derive(Debug, Default)]
struct Memory {
    /// People's accounts, as the store told them.
    accounts: HashMap<UserId, Uuid>,
    /// Where operations that were begun are asked after.
    begun: BTreeMap<MachineName, Begun>,
    /// Tokens of workers that are not known to have arrived on their boxes.
    minted: HashMap<WorkerId, SecretString>,
    /// Where boxes are that are not in the configured project, as of the last look.
    projects: HashMap<String, ProjectName>,
    rest: Rest,
    known: place::Known,
}

#[derive(Clone, Debug)]
struct Begun {
    at: Url,
    makes: bool,
}

impl Provider for DevBoxes {
    fn kind(&self) -> ProviderKind {
        ProviderKind::DevBox
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn list(&self, now: Timestamp) -> BoxFuture<'_, Result<Inventory, Trouble>> {
        self.rested(now).boxed()
    }

    fn act<'a>(&'a self, act: &'a Act, now: Timestamp) -> BoxFuture<'a, Result<(), Trouble>> {
        self.carry_out(act, now).boxed()
    }

    fn link<'a>(
        &'a self,
        act: &'a Act,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>, Trouble>> {
        async move {
            let id = self.box_of(act, now).await?;
            match self.client.remote_connection(&id).await {
                Ok(connection) => Ok(connection.link().map(str::to_owned)),
                Err(Error::Missing { .. }) => Ok(None),
                Err(error) => Err(trouble(&error, now)),
            }
        }
        .boxed()
    }
}

impl DevBoxes {
    /// Boxes of the Dev Center behind `client`. `store` tells people's accounts, and makes their workers' tokens.
    #[must_use]
    pub fn new(client: Client, store: Store, center: Center) -> Self {
        Self {
            client,
            store,
            center,
            memory: Mutex::default(),
        }
    }

    /// All boxes, unless the service is to be left alone since it failed.
    async fn rested(&self, now: Timestamp) -> Result<Inventory, Trouble> {
        if let Some(trouble) = self.memory().rest.lasts(now) {
            return Err(trouble);
        }
        let listed = self.look(now).await;
        self.memory().rest.note(listed, now)
    }

    async fn look(&self, now: Timestamp) -> Result<Inventory, Trouble> {
        let project = self.client.project(&self.center.project).await;
        let project = project.map_err(|error| trouble(&error, now))?;
        let (bars, advice) = self.place(now).await;
        let boxes = self.client.boxes().await;
        let boxes = boxes.map_err(|error| trouble(&error, now))?;
        let boxes = self.looked_after(boxes);
        let used = self.used(&boxes);
        let mut found: Vec<Found> = boxes.iter().filter_map(words::found).collect();
        self.schedules(&boxes, &mut found).await;
        self.explain(&mut found).await;
        Ok(Inventory {
            provider: ProviderKind::DevBox,
            found,
            at: now,
            quota: Some(Quota {
                per_person: project.boxes_per_person,
                used,
            }),
            bars,
            advice,
        })
    }

    /// The boxes of the configured project, and those of others that are named as ours are: they were made when that
    /// was the configured one. Notes where each is.
    fn looked_after(&self, boxes: Vec<DevBox>) -> Vec<DevBox> {
        let (here, elsewhere): (Vec<DevBox>, Vec<DevBox>) =
            boxes.into_iter().partition(|it| self.is_here(it));
        let mut all = here;
        let mut projects = HashMap::new();
        for other in elsewhere {
            let name = other.name.parse::<MachineName>().ok();
            let name = name.filter(|name| name.has_prefix(&self.center.prefix));
            let project = other.project.as_deref().map(ProjectName::parse);
            let known = all
                .iter()
                .any(|it| it.name.eq_ignore_ascii_case(&other.name));
            if let (Some(name), Some(Ok(project)), false) = (name, project, known) {
                projects.insert(name.as_str().to_ascii_lowercase(), project);
                all.push(other);
            }
        }
        self.memory().projects = projects;
        all
    }

    /// The project that a box is in.
    fn project_of(&self, name: &str) -> ProjectName {
        let projects = &self.memory().projects;
        let known = projects.get(&name.to_ascii_lowercase());
        known.unwrap_or(&self.center.project).clone()
    }

    /// Whether a box is of the configured project.
    fn is_here(&self, it: &DevBox) -> bool {
        let named = it.project.as_deref();
        named.is_none_or(|name| name.eq_ignore_ascii_case(self.center.project.as_str()))
    }

    /// How many boxes people have whose accounts are known; of others the service is asked before one is made (`room`).
    fn used(&self, boxes: &[DevBox]) -> BTreeMap<UserId, u32> {
        let memory = self.memory();
        let here = |it: &&DevBox| self.is_here(it);
        let count = |account: &Uuid| {
            let theirs = boxes.iter().filter(|it| it.user == Some(*account));
            theirs.filter(here).count()
        };
        let known = memory.accounts.iter();
        known
            .map(|(user, account)| (*user, u32::try_from(count(account)).unwrap_or(u32::MAX)))
            .collect()
    }

    /// Asks after operations that were begun: one that failed says why, also of a box that isn't there.
    async fn explain(&self, found: &mut Vec<Found>) {
        let begun: Vec<(MachineName, Begun)> = {
            let memory = self.memory();
            let those = memory.begun.iter().take(OPERATIONS_MAX);
            those
                .map(|(name, begun)| (name.clone(), begun.clone()))
                .collect()
        };
        for (name, begun) in begun {
            // The box's own state says what matters; this only adds to it.
            let Ok(operation) = self.client.operation(&begun.at).await else {
                continue;
            };
            if operation.is_over() {
                self.memory().begun.remove(&name);
                blame(found, name, &begun, &operation);
            }
        }
    }

    async fn carry_out(&self, act: &Act, now: Timestamp) -> Result<(), Trouble> {
        let id = self.box_of(act, now).await?;
        let found = self.client.dev_box(&id).await;
        let found = found.map_err(|error| trouble(&error, now))?;
        let state = found.as_ref().map(found_state);
        let done = match (act.kind, state) {
            (ActKind::Create, None) => {
                self.room(&id, now).await?;
                self.revoke(act, now).await?;
                self.create(act, &id).await
            }
            (ActKind::Start, None) => return Err(not_there(&id, now)),
            (ActKind::Start, Some(FoundState::Asleep)) => {
                self.begun(act, self.client.start(&id).await)
            }
            (ActKind::Create | ActKind::Start, Some(FoundState::Running)) => {
                return self.install(act, &id, now).await;
            }
            (ActKind::Stop { hibernate }, Some(FoundState::Running)) => {
                let can = found.and_then(|it| it.hibernate);
                let sleeps = hibernate && can == Some(HibernateSupport::Enabled);
                self.begun(act, self.client.stop(&id, sleeps).await)
            }
            (ActKind::Delete, Some(state)) if state != FoundState::Deleting => {
                self.revoke(act, now).await?;
                let deleted = self.client.delete(&id).await;
                self.begun(act, deleted.map(|it| it.unwrap_or(Tracking::Nowhere)))
            }
            (ActKind::Restart, Some(FoundState::Running)) => {
                self.begun(act, self.client.restart(&id).await)
            }
            (ActKind::Repair, Some(FoundState::Failed)) => {
                self.begun(act, self.client.repair(&id).await)
            }
            (ActKind::Delay { until }, Some(FoundState::Running)) => {
                return self.delay(act, &id, until, now).await;
            }
            // It is so already, or on its way; or in a state that nobody knows, which nothing is done to.
            (
                ActKind::Create
                | ActKind::Start
                | ActKind::Stop { .. }
                | ActKind::Delete
                | ActKind::Restart
                | ActKind::Repair
                | ActKind::Delay { .. },
                _,
            ) => Ok(()),
            // Not for here.
            (ActKind::Link, _) => Ok(()),
        };
        done.map_err(|error| trouble(&error, now))
    }

    /// Makes a box that isn't there.
    async fn create(&self, act: &Act, id: &BoxId) -> Result<(), Error> {
        let created = self.client.create(id, &self.center.pool).await;
        if matches!(created, Err(Error::Forbidden(_))) {
            // What it said before is not so any more.
            self.memory().known.forget_rights();
        }
        // Somebody else may have made it meanwhile; then it is there.
        if matches!(created, Err(Error::Conflict(_))) && self.client.dev_box(id).await?.is_some() {
            return Ok(());
        }
        self.begun(act, created.map(|created| created.tracking))
    }

    /// Keeps where what was begun is asked after.
    fn begun(&self, act: &Act, tracking: Result<Tracking, Error>) -> Result<(), Error> {
        let makes = act.kind == ActKind::Create;
        let mut memory = self.memory();
        match tracking? {
            Tracking::At(at) => drop(memory.begun.insert(act.name.clone(), Begun { at, makes })),
            Tracking::Nowhere | Tracking::Foreign(_) => drop(memory.begun.remove(&act.name)),
        }
        Ok(())
    }

    /// The box that a request is about.
    async fn box_of(&self, act: &Act, now: Timestamp) -> Result<BoxId, Trouble> {
        let name = BoxName::parse(act.name.as_str());
        Ok(BoxId {
            project: match act.kind == ActKind::Create {
                true => self.center.project.clone(),
                false => self.project_of(act.name.as_str()),
            },
            owner: self.owner(act.serves, now).await?,
            name: name.map_err(|error| trouble(&error.into(), now))?,
        })
    }

    async fn owner(&self, serves: Serves, now: Timestamp) -> Result<Owner, Trouble> {
        let user = match (self.center.whose, serves) {
            (Whose::Mine, _) | (Whose::Theirs, Serves::Everyone) => return Ok(Owner::Me),
            (Whose::Theirs, Serves::Person(user)) => user,
        };
        let known = self.memory().accounts.get(&user).copied();
        let account = match known {
            Some(account) => Some(account),
            None => self.store.account_of(user).await.map_err(|error| Trouble {
                class: TroubleClass::Transient,
                said: crate::trouble::words(&error),
                since: now,
                again: None,
            })?,
        };
        let Some(account) = account else {
            return Err(Trouble {
                class: TroubleClass::Misconfigured,
                said: format!(
                    "the store doesn't know the Entra account of user {user}, in whose name her Dev Box is made"
                ),
                since: now,
                again: None,
            });
        };
        self.memory().accounts.insert(user, account);
        Ok(Owner::Person(account))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says of a machine why what was begun failed.
fn blame(found: &mut Vec<Found>, name: MachineName, begun: &Begun, operation: &Operation) {
    if operation.state == OperationState::Succeeded {
        return;
    }
    let why = operation.error.clone();
    let why = why.unwrap_or_else(|| format!("the operation ended as {}", operation.state));
    let known = found
        .iter_mut()
        .find(|it| it.name.as_str().eq_ignore_ascii_case(name.as_str()));
    match known {
        Some(known) => known.fault = known.fault.take().or(Some(why)),
        None if begun.makes => found.push(Found {
            name,
            state: FoundState::Failed,
            created: None,
            fault: Some(why),
            stops_at: None,
        }),
        None => {}
    }
}

fn not_there(id: &BoxId, now: Timestamp) -> Trouble {
    Trouble {
        class: TroubleClass::Transient,
        said: format!("there is no Dev Box {} to start", id.name),
        since: now,
        again: None,
    }
}
