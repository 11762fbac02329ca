//! The worker's own row: registration, beats, and whether another process has taken it.
//!
//! Every write of the row carries its version, so two processes can't both be this worker: the one
//! that beats into a row with a foreign boot stops.

use shraga_core::fleet::Allowed;
use shraga_core::fleet::Said;
use shraga_core::ids::{Attempt, BootId, Etag, MirrorId, UserId, WorkerId};
use shraga_core::machine::Note;
use shraga_core::model;
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write, workers};
use shraga_core::status::{Pool, WorkerKind, WorkerState};
use shraga_core::time::{Span, Timestamp};
use shraga_core::update::Release;
use shraga_dataverse::client::embedded::{Role, StoreInfo};
use shraga_dataverse::{Client, Error, OnRefusal, Outcome, Read, RefusalKind, Row, rows};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::{OrderBy, Query};
use tokio::sync::watch;
use uuid::Uuid;

use crate::config::Config;
use crate::error::WorkerError;

/// How long after its last beat another process counts as living. Two beats and a slow request;
/// shorter would let two processes be one worker, longer delays the replacement of a lost machine.
const LIVING: Span = Span::secs(75);

/// What a beat is called in logs.
const BEAT: &str = "beat";

/// How often registration is tried when somebody else writes the row meanwhile.
const TRIES: u32 = 5;

/// Who this worker is and what it offers: the constant part of its row.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) worker: WorkerId,
    pub(crate) boot: BootId,
    pub(crate) name: String,
    pub(crate) slots: u32,
    /// Whom the store takes this process for.
    pub(crate) caller: UserId,
    /// Whether its identity was computed here, and not given with a token.
    computed: bool,
    /// Whether whom it serves was said to this process, and isn't its row's to say.
    given_pool: bool,
    owner: UserId,
    bind_owner: Option<UserId>,
    kind: WorkerKind,
    pool: Pool,
    labels: Vec<String>,
    agents: Vec<String>,
    version: String,
    release: Option<Release>,
    update: watch::Receiver<Said>,
}

/// The varying part of a beat.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) state: WorkerState,
    pub(crate) held: Vec<(MirrorId, Attempt)>,
    pub(crate) at: Timestamp,
}

/// The worker's row as this process knows it.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    pub(crate) offer: Offer,
    version: Version,
    beat: i64,
    nonce: Option<String>,
    drained: bool,
    allowed: Option<Allowed>,
}

/// What is known of the row's version.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    /// There is no row.
    Gone,
    /// There is one; it has to be read first.
    Unknown,
    /// This one.
    Known(Etag),
}

/// What the row says about who is this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// This process.
    Us,
    /// Another process.
    Other(BootId),
    /// The row is gone.
    Nobody,
}

impl Offer {
    /// Works out identity and offer from the configuration and what the store says of the token.
    ///
    /// # Errors
    /// When the token is a person's, or the store can't be asked.
    pub(crate) async fn make(
        client: &Client,
        config: &Config,
        boot: BootId,
    ) -> Result<Self, WorkerError> {
        let store = |step| move |source| WorkerError::Store { step, source };
        let info = client
            .store_info()
            .await
            .map_err(store("asking what it is"))?;
        let caller = match info {
            Some(info) => info.user,
            None => client
                .who_am_i()
                .await
                .map_err(store("asking who we are"))?,
        };
        let owner = config.owner.unwrap_or(caller);
        let offer = Self {
            worker: config
                .worker
                .unwrap_or_else(|| WorkerId::of(owner, &config.name)),
            boot,
            name: config.name.clone(),
            slots: config.slots,
            caller,
            computed: config.worker.is_none(),
            given_pool: config.pool.is_some(),
            owner,
            bind_owner: (owner != caller).then_some(owner),
            kind: config.kind,
            pool: config.pool.unwrap_or(Pool::Shared),
            labels: config.labels.clone(),
            agents: config.agents.keys().cloned().collect(),
            version: match &config.release {
                Some(release) => release.version().to_owned(),
                None => config.version.clone(),
            },
            release: config.release.clone(),
            update: config.update.clone(),
        };
        let offer = match info {
            Some(info) => offer.within_token(info)?,
            None => offer,
        };
        match config.worker {
            Some(worker) if worker != offer.worker => Err(WorkerError::Config(format!(
                "it is to be worker {worker}, but its token is for {}",
                offer.worker
            ))),
            Some(_) | None => Ok(offer),
        }
    }

    /// Takes over what whoever made its machine has written into its row: what it is called, what kind
    /// of machine it is, whose it is and whom it serves.
    fn adopt(&mut self, found: &model::Worker) {
        let Some(Note::Machine(record)) = &found.machine else {
            return;
        };
        self.name = record.name.to_string();
        self.kind = found.kind;
        self.owner = found.owner;
        self.bind_owner = None;
        if !self.given_pool {
            self.pool = found.pool;
        }
    }

    /// The release it runs, or its version where it runs from no installation.
    fn runs(&self) -> String {
        let release = self.release.as_ref().map(ToString::to_string);
        release.unwrap_or_else(|| self.version.clone())
    }

    /// What it says of its updates.
    fn said(&self) -> String {
        self.update.borrow().to_string()
    }

    /// A worker token is one worker: what an admin wrote into its record stands.
    fn within_token(self, info: &StoreInfo) -> Result<Self, WorkerError> {
        match (info.role, &info.worker) {
            (Role::Admin, _) => Ok(self),
            (Role::Worker, Some(token)) => Ok(Self {
                worker: token.id,
                computed: false,
                owner: info.user,
                bind_owner: None,
                slots: self.slots.min(token.slots),
                given_pool: true,
                pool: token.pool.parse().map_err(|error| {
                    WorkerError::Config(format!("the worker token can't be used: {error}"))
                })?,
                labels: token.labels.clone(),
                ..self
            }),
            (Role::User, _) | (Role::Worker, None) => Err(WorkerError::NotAWorker),
        }
    }
}

impl Presence {
    /// Takes the row: makes it, or takes it over from a process that is gone. `previous` is the boot
    /// known to be dead, because this process holds its folder.
    ///
    /// # Errors
    /// [`WorkerError::AlreadyRunning`] when another process lives; otherwise what the store said.
    pub(crate) async fn register(
        client: &Client,
        offer: Offer,
        previous: Option<BootId>,
    ) -> Result<(Self, Timestamp), WorkerError> {
        let failed = |source| WorkerError::Store {
            step: "registering",
            source,
        };
        let mut presence = Self {
            offer,
            version: Version::Gone,
            beat: 0,
            nonce: None,
            drained: false,
            allowed: None,
        };
        for _ in 0..TRIES {
            let answers = client
                .read_batch(&[presence.read()])
                .await
                .map_err(failed)?;
            let now = answers.now;
            let row = answers
                .answers
                .into_iter()
                .next()
                .transpose()
                .map_err(failed)?;
            if let Some(row) = row.as_ref().and_then(|rows| rows.rows.first()) {
                let found = presence.learn(row).map_err(|error| failed(error.into()))?;
                presence.refuse_second(&found, previous, now)?;
                presence.offer.adopt(&found);
            } else if presence.find(client).await.map_err(failed)? {
                continue;
            }
            let made = presence.version == Version::Gone;
            let Some(set) = presence.registration(now) else {
                continue;
            };
            let applied = client
                .apply(&[set], OnRefusal::Continue)
                .await
                .map_err(failed)?;
            match applied.outcomes.into_iter().next() {
                // The store made it under an identity of its own: which one is found by its name.
                Some(Outcome::Done(_)) if made && !client.capabilities().own_ids => {}
                Some(Outcome::Done(etags)) => {
                    presence.accepted(etags.into_iter().next().flatten());
                    return Ok((presence, now));
                }
                Some(Outcome::Refused(refusal)) if refusal.kind != RefusalKind::Stale => {
                    return Err(failed(Error::Refused(refusal.fault)));
                }
                // Somebody wrote meanwhile, or the reply was lost: look again.
                Some(
                    Outcome::Refused(_) | Outcome::Partly(_) | Outcome::NotTried | Outcome::Unknown,
                )
                | None => {}
            }
        }
        Err(failed(Error::NotReached))
    }

    /// Looks for the row by name and owner, where a store may have given it another identity than the
    /// one computed; whether it has.
    async fn find(&mut self, client: &Client) -> Result<bool, Error> {
        if !self.offer.computed {
            return Ok(false);
        }
        let equals = |column: &str, value| {
            let column = Operand::Column(column.to_owned());
            Filter::Compare(column, Comparison::Eq, Operand::Literal(value))
        };
        let query = Query {
            select: rows::select::WORKER
                .iter()
                .map(|it| (*it).to_owned())
                .collect(),
            filter: Some(Filter::And(vec![
                equals(workers::NAME.name(), Literal::Text(self.offer.name.clone())),
                equals("_ownerid_value", Literal::Guid(self.offer.owner.get())),
            ])),
            order_by: vec![OrderBy {
                column: "createdon".to_owned(),
                descending: true,
            }],
            top: Some(1),
            ..Query::default()
        };
        let found = client.page(Table::Workers, &query, None).await?;
        let row = found.rows.first().and_then(|row| rows::worker(row).ok());
        let row = row.filter(|row| row.kind.runs_tasks() && row.id != self.offer.worker);
        if let Some(row) = &row {
            self.offer.worker = row.id;
        }
        Ok(row.is_some())
    }

    fn refuse_second(
        &self,
        found: &model::Worker,
        previous: Option<BootId>,
        now: Timestamp,
    ) -> Result<(), WorkerError> {
        let Some(boot) = found.boot else {
            return Ok(());
        };
        let known_dead = boot == self.offer.boot || Some(boot) == previous;
        let gone = match found.state {
            WorkerState::Offline | WorkerState::Deprovisioned | WorkerState::Failed => true,
            WorkerState::Provisioning
            | WorkerState::Ready
            | WorkerState::Busy
            | WorkerState::Draining
            | WorkerState::Suspect => false,
        };
        let silence = found.last_seen.map(|seen| now.since(seen));
        match silence.filter(|silence| *silence < LIVING) {
            Some(silence) if !known_dead && !gone => Err(WorkerError::AlreadyRunning {
                worker: self.offer.worker,
                boot,
                seconds_ago: silence.as_secs().max(0),
            }),
            _ => Ok(()),
        }
    }

    /// The read of the own row.
    pub(crate) fn read(&self) -> Read {
        let columns = rows::select::WORKER.iter().copied();
        let select = columns.chain([workers::NONCE.name()]).map(str::to_owned);
        Read::Get {
            table: Table::Workers,
            id: self.offer.worker.get(),
            select: select.collect(),
        }
    }

    /// Takes in what the row says: its version, counter and nonce.
    fn learn(&mut self, row: &Row) -> Result<model::Worker, rows::RowError> {
        let found = rows::worker(row)?;
        self.version = Version::Known(found.etag.clone());
        self.beat = found.beat;
        self.drained = found.is_cordoned();
        self.allowed = found.member.permission();
        let object = row.object()?;
        let nonce = object.get(workers::NONCE.name());
        self.nonce = nonce.and_then(|nonce| nonce.as_str()).map(str::to_owned);
        Ok(found)
    }

    /// Takes in the own row as just read, and tells who holds it.
    pub(crate) fn seen(&mut self, row: Option<&Row>) -> Result<Holder, rows::RowError> {
        let Some(row) = row else {
            self.version = Version::Gone;
            self.drained = false;
            self.allowed = None;
            return Ok(Holder::Nobody);
        };
        let found = self.learn(row)?;
        Ok(match found.boot {
            Some(boot) if boot != self.offer.boot => Holder::Other(boot),
            Some(_) | None => Holder::Us,
        })
    }

    /// Whether an operator wants it to take nothing new.
    pub(crate) const fn is_drained(&self) -> bool {
        self.drained
    }

    /// The release it may take and doesn't run, or runs and may keep.
    pub(crate) fn allowed(&self) -> Option<&Allowed> {
        let runs = self.offer.release.as_ref();
        let allowed = self.allowed.as_ref();
        allowed.filter(|allowed| allowed.open || runs != Some(&allowed.release))
    }

    /// A write of the row was taken; `etag` is its new version where the store told.
    pub(crate) fn accepted(&mut self, etag: Option<Etag>) {
        self.beat += 1;
        self.version = etag.map_or(Version::Unknown, Version::Known);
    }

    /// The write of a beat; `None` when the row has to be read first. A row that is gone is made
    /// again.
    pub(crate) fn beat(&self, beat: &Beat) -> Option<ChangeSet> {
        let current = beat.held.first().map(|(mirror, _)| mirror.to_string());
        let mut cells = vec![
            (workers::STATE, beat.state.as_str().into()),
            (workers::BEAT, Value::Int(self.beat + 1)),
            (workers::ECHO, text_or_null(self.nonce.clone())),
            (workers::LEASES, leases(&beat.held).into()),
            (workers::CURRENT_TASK, text_or_null(current)),
            (workers::LAST_SEEN, beat.at.into()),
            (workers::UPDATE_STATE, self.offer.said().into()),
        ];
        if self.version == Version::Gone {
            cells.extend(self.constant_cells());
        }
        self.set(BEAT, cells)
    }

    fn registration(&self, now: Timestamp) -> Option<ChangeSet> {
        let state = match self.drained {
            true => WorkerState::Draining,
            false => WorkerState::Ready,
        };
        let mut cells = vec![
            (workers::STATE, state.as_str().into()),
            (workers::BEAT, Value::Int(self.beat + 1)),
            (workers::ECHO, text_or_null(self.nonce.clone())),
            (workers::LEASES, leases(&[]).into()),
            (workers::CURRENT_TASK, Value::Null),
            (workers::LAST_SEEN, now.into()),
            (workers::UPDATE_STATE, self.offer.said().into()),
        ];
        cells.extend(self.constant_cells());
        self.set("register", cells)
    }

    fn constant_cells(&self) -> Vec<(Column, Value)> {
        let offer = &self.offer;
        vec![
            (workers::NAME, offer.name.as_str().into()),
            (workers::USER_ID, offer.owner.to_string().into()),
            (workers::KIND, offer.kind.as_str().into()),
            (workers::POOL, offer.pool.as_str().into()),
            (workers::SLOTS, i64::from(offer.slots).into()),
            (workers::LABELS, offer.labels.join(",").into()),
            (workers::AGENTS, offer.agents.join(",").into()),
            (workers::VERSION, offer.version.as_str().into()),
            (workers::RELEASE, offer.runs().into()),
            (workers::BOOT, offer.boot.to_string().into()),
        ]
    }

    fn set(&self, what: &str, cells: Vec<(Column, Value)>) -> Option<ChangeSet> {
        let (condition, owner) = match &self.version {
            // Made again, it would get another identity than the one tasks are assigned to.
            Version::Gone if self.has_other_identity() && what == BEAT => return None,
            Version::Gone => (Condition::Absent, self.offer.bind_owner),
            Version::Known(etag) => (Condition::Version(etag.clone()), None),
            Version::Unknown => return None,
        };
        Some(ChangeSet {
            task: None,
            why: format!("{what} of worker {}", self.offer.name),
            writes: vec![Write {
                table: Table::Workers,
                id: self.offer.worker.get(),
                condition,
                owner,
                cells,
            }],
        })
    }

    /// Whether the store gave the row another identity than was computed for it.
    fn has_other_identity(&self) -> bool {
        let offer = &self.offer;
        offer.computed && offer.worker != WorkerId::of(offer.owner, &offer.name)
    }

    /// The version isn't what was thought, or a reply was lost: read it before the next write.
    pub(crate) fn forget_version(&mut self) {
        self.version = Version::Unknown;
    }
}

fn text_or_null(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::Text)
}

/// `cr_leases`: what the worker holds.
fn leases(held: &[(MirrorId, Attempt)]) -> String {
    let leases = held.iter().map(
        |(mirror, attempt)| serde_json::json!({"task": mirror.to_string(), "attempt": attempt.0}),
    );
    serde_json::Value::from_iter(leases).to_string()
}

/// A new identity for this process.
pub(crate) fn new_boot() -> BootId {
    BootId::new(Uuid::now_v7())
}
