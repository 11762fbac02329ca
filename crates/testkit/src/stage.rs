//! A stage for stories: a real store in a folder of its own, and clients for whoever acts on it.
//!
//! Everybody speaks through the shipped client to the shipped server, in process. Each client has its
//! own [`Faults`] between the two; all share one [`Clock`]. The server can be stopped and started
//! again on the same folder while clients live on.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use shraga_core::ids::{TaskId, UserId, WorkerId};
use shraga_core::model::{Mirror, UserTask};
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write, tasks, workers};
use shraga_core::status::TaskStatus;
use shraga_dataverse::rows::{self, select};
use shraga_dataverse::{Client, OnRefusal, Options, Outcome, Pacing, transport};
use shraga_local::clock::Clock;
use shraga_local::http::in_process;
use shraga_local::ops::{Principal, Role, WorkerClaim};
use shraga_local::store::Store;
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::Query;
use shraga_wire::schema::{self, TableDef};
use tempfile::TempDir;
use tower::{ServiceExt, service_fn};
use url::Url;
use uuid::Uuid;

use crate::double::Double;
use crate::faults::Faults;
use crate::legacy::Legacy;
use crate::lesser::Lesser;
use crate::limits::Limits;
use crate::time::StillTime;
use crate::{Answer, BoxError, Transport};

/// A store and those who act on it.
pub struct Stage {
    /// The store's clock, moved by hand: `Date` headers and rows tell it.
    pub clock: Clock,
    /// The admin: who owns mirrors.
    pub admin: UserId,
    server: Server,
    folder: TempDir,
}

/// Somebody who files tasks.
pub struct Person {
    /// Who she is.
    pub id: UserId,
    /// Her client.
    pub client: Client,
    /// Her e-mail.
    pub email: String,
}

/// What answers at the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The embedded store.
    Embedded,
    /// The same, with nothing that tells it from Dataverse.
    Dataverse,
}

/// The server, if it runs.
#[derive(Clone)]
struct Server {
    running: Arc<RwLock<Option<Store>>>,
    tables: Vec<TableDef>,
    kind: Kind,
    clock: Clock,
    time: Option<StillTime>,
}

impl Server {
    fn start(&self, folder: &Path) {
        let store = Store::open_with(folder, self.tables.clone(), self.clock.clone());
        let store = store.expect("a fresh folder can be opened");
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = Some(store);
    }

    fn stop(&self) {
        let store = self
            .running
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(store);
    }

    fn store(&self) -> Option<Store> {
        self.running
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn transport(&self, principal: Principal) -> Transport {
        let server = self.clone();
        Transport::new(service_fn(move |request: Request<Bytes>| {
            let (store, principal, kind) = (server.store(), principal.clone(), server.kind);
            let time = server.time.clone();
            async move {
                let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                let store = store.ok_or_else(|| BoxError::from(refused))?;
                let _still = time.as_ref().map(StillTime::hold);
                let request = match kind {
                    Kind::Embedded => request,
                    Kind::Dataverse => unknown_if_ours(request),
                };
                let server = transport::in_process(in_process(store, principal));
                let answer: Answer = server.oneshot(request).await?;
                Ok(answer)
            }
        }))
    }
}

impl Stage {
    /// A stage with an empty store.
    pub async fn new() -> Self {
        Self::with(Kind::Embedded, schema::shipped()).await
    }

    /// A stage with an empty store of these tables.
    pub async fn with(kind: Kind, tables: Vec<TableDef>) -> Self {
        Self::on(kind, tables, None).await
    }

    /// A stage like Dataverse whose store lives in tokio's time, for tests that pause it.
    pub async fn in_still_time() -> Self {
        Self::on(Kind::Dataverse, schema::shipped(), Some(StillTime::begin())).await
    }

    async fn on(kind: Kind, tables: Vec<TableDef>, time: Option<StillTime>) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let clock = time.as_ref().map_or_else(Clock::system, StillTime::clock);
        let server = Server {
            running: Arc::default(),
            tables,
            kind,
            clock: clock.clone(),
            time,
        };
        server.start(folder.path());
        let store = server.store().expect("it was just started");
        let root = principal(Uuid::nil(), Role::Admin);
        let admin = store.ensure_user(&root, "admin@localhost").await;
        Self {
            clock,
            admin: UserId::new(admin.expect("the first user can be made")),
            server,
            folder,
        }
    }

    /// The store itself, for what only its owner can do.
    ///
    /// # Panics
    /// While the server is stopped.
    #[must_use]
    pub fn store(&self) -> Store {
        self.server.store().expect("the server runs")
    }

    /// A client with the admin's rights at the same store made out to be a lesser one; its requests
    /// pass `faults`.
    #[must_use]
    pub fn admin_client_at(&self, lesser: Lesser, faults: &Faults) -> Client {
        let server = self
            .server
            .transport(principal(self.admin.get(), Role::Admin));
        client_of(faults.wrap(lesser.wrap(server)))
    }

    /// A shared worker of the admin's at the store made out to be a lesser one.
    pub async fn shared_worker_at(&self, lesser: Lesser, name: &str, slots: u32) -> Double {
        let faults = Faults::new();
        let client = self.admin_client_at(lesser, &faults);
        let id = WorkerId::new(Uuid::now_v7());
        let mut double = Double::new(client, faults, id, name);
        double.check_in(slots, "shared").await;
        double
    }

    /// A worker that takes over the row that was made for it.
    pub async fn takes_over(&self, id: WorkerId, name: &str, slots: u32) -> Double {
        let faults = Faults::new();
        let client = self.admin_client(&faults);
        let double = Double::new(client, faults, id, name);
        let cells = [(workers::SLOTS, Value::Int(slots.into()))];
        self.overwrite(Table::Workers, id.get(), &cells).await;
        assert!(double.beats().await, "the row is there");
        double
    }

    /// A client with the admin's rights; its requests pass `faults`.
    #[must_use]
    pub fn admin_client(&self, faults: &Faults) -> Client {
        self.client(principal(self.admin.get(), Role::Admin), faults)
    }

    /// Another admin, and a client with its rights.
    pub async fn another_admin(&self, email: &str) -> (UserId, Client) {
        let root = principal(self.admin.get(), Role::Admin);
        let id = self.store().ensure_user(&root, email).await;
        let id = id.expect("a user can be made");
        let client = self.client(principal(id, Role::Admin), &Faults::new());
        (UserId::new(id), client)
    }

    /// A client with the admin's rights of a store that is Dataverse as far as it can tell: with a
    /// breaker, without wake-ups. Its requests pass `faults`, then `limits`.
    #[must_use]
    pub fn dataverse_client(&self, pacing: Pacing, limits: &Limits, faults: &Faults) -> Client {
        let server = self
            .server
            .transport(principal(self.admin.get(), Role::Admin));
        let limited = limits.wrap(server);
        let mut options = Options::new(base(), faults.wrap(limited));
        options.pacing = pacing;
        options.breaker = true;
        Client::new(options).expect("a loopback address is accepted")
    }

    /// Somebody who files tasks.
    pub async fn person(&self, email: &str) -> Person {
        let root = principal(self.admin.get(), Role::Admin);
        let id = self.store().ensure_user(&root, email).await;
        let id = UserId::new(id.expect("a user can be made"));
        Person {
            id,
            client: self.client(principal(id.get(), Role::User), &Faults::new()),
            email: email.to_owned(),
        }
    }

    /// Writes down at the store which account of Entra's a person has.
    ///
    /// # Panics
    /// When the store does not take it.
    pub async fn has_account(&self, person: &Person, account: Uuid) {
        let body = serde_json::json!({"azureactivedirectoryobjectid": account}).to_string();
        let request = Request::builder()
            .method(http::Method::PATCH)
            .uri(format!(
                "http://127.0.0.1/api/data/v9.2/systemusers({})",
                person.id
            ))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::IF_MATCH, "*")
            .body(Bytes::from(body))
            .expect("a request");
        let answer = self.admin_transport().oneshot(request).await;
        let status = answer.expect("the store answers").status();
        assert!(status.is_success(), "{status}");
    }

    /// What carries the admin's requests.
    #[must_use]
    pub fn admin_transport(&self) -> Transport {
        self.server
            .transport(principal(self.admin.get(), Role::Admin))
    }

    /// What carries a person's requests.
    #[must_use]
    pub fn transport_of(&self, person: &Person) -> Transport {
        self.server
            .transport(principal(person.id.get(), Role::User))
    }

    /// A worker of the original that acts with `owner`'s rights on the machine `host`.
    #[must_use]
    pub fn legacy_worker(&self, owner: &Person, host: &str) -> Legacy {
        let transport = self.server.transport(principal(owner.id.get(), Role::User));
        Legacy::new(transport, &owner.email, host)
    }

    /// The same with the admin's rights: it can see mirrors too.
    #[must_use]
    pub fn legacy_worker_that_sees_all(&self, owner: &Person, host: &str) -> Legacy {
        let transport = self
            .server
            .transport(principal(self.admin.get(), Role::Admin));
        Legacy::new(transport, &owner.email, host)
    }

    /// A shared worker that has checked in.
    pub async fn shared_worker(&self, name: &str, slots: u32) -> Double {
        self.worker(name, slots, "shared", self.admin).await
    }

    /// A worker that serves `owner` only and has checked in.
    pub async fn own_worker(&self, name: &str, slots: u32, owner: &Person) -> Double {
        self.worker(name, slots, "dedicated", owner.id).await
    }

    async fn worker(&self, name: &str, slots: u32, pool: &str, owner: UserId) -> Double {
        let id = WorkerId::new(Uuid::now_v7());
        let mut principal = principal(owner.get(), Role::Worker);
        principal.worker = Some(WorkerClaim {
            id: id.get(),
            pool: pool.to_owned(),
            slots: i32::try_from(slots).unwrap_or(i32::MAX),
            labels: String::new(),
        });
        let faults = Faults::new();
        let mut double = Double::new(self.client(principal, &faults), faults, id, name);
        double.check_in(slots, pool).await;
        double
    }

    fn client(&self, principal: Principal, faults: &Faults) -> Client {
        let server = self.server.transport(principal);
        client_of(faults.wrap(server))
    }

    /// Stops the server: every request is refused until [`Self::start`].
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Starts the server again on the same folder.
    pub fn start(&self) {
        self.server.start(self.folder.path());
    }

    /// The admin's client for looking, which knows what the store lacks.
    async fn looking(&self) -> Client {
        let client = self.admin_client(&Faults::new());
        if self.server.kind == Kind::Dataverse {
            client.probe().await.expect("the store answers");
        }
        client
    }

    /// The person's row as it stands.
    pub async fn task(&self, id: TaskId) -> Option<UserTask> {
        let admin = self.looking().await;
        let row = admin.get(Table::Tasks, id.get(), select::USER_TASK).await;
        let row = row.expect("the store answers")?;
        Some(rows::user_task(&row).expect("a row of the stage can be read"))
    }

    /// Every mirror of this task, wherever it sits.
    pub async fn mirrors(&self, id: TaskId) -> Vec<Mirror> {
        let of = compare(tasks::MIRROR_OF, Literal::Text(id.to_string()));
        let mirror = compare(tasks::IS_MIRROR, Literal::Bool(true));
        self.query_mirrors(Filter::And(vec![of, mirror])).await
    }

    /// The one mirror of this task.
    ///
    /// # Panics
    /// When there is none or more than one.
    pub async fn mirror(&self, id: TaskId) -> Mirror {
        let mut mirrors = self.mirrors(id).await;
        assert_eq!(mirrors.len(), 1, "exactly one mirror: {mirrors:#?}");
        mirrors.remove(0)
    }

    async fn query_mirrors(&self, filter: Filter) -> Vec<Mirror> {
        let query = Query {
            select: select::MIRROR
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            filter: Some(filter),
            ..Query::default()
        };
        let admin = self.looking().await;
        let found = admin.list(Table::Tasks, &query).await;
        let found = found.expect("the store answers");
        let read = |row| rows::mirror(row).expect("a mirror of the stage can be read");
        found.iter().map(read).collect()
    }

    /// How many rows of the tasks table have this status: mirrors, or people's own.
    pub async fn count_tasks(&self, mirrors: bool, status: TaskStatus) -> u64 {
        let mirror = compare(tasks::IS_MIRROR, Literal::Bool(true));
        let kind = if mirrors {
            mirror
        } else {
            Filter::Not(Box::new(mirror))
        };
        let status = compare(tasks::STATUS, Literal::Int(status.code()));
        let filter = Filter::And(vec![kind, status]);
        let admin = self.looking().await;
        let counted = admin.count(Table::Tasks, Some(&filter)).await;
        counted.expect("the store answers")
    }

    /// How many events of this type there are.
    pub async fn count_events(&self, kind: &str) -> u64 {
        use shraga_core::row::events;
        let filter = compare(events::KIND, Literal::Text(kind.to_owned()));
        let admin = self.admin_client(&Faults::new());
        let counted = admin.count(Table::Events, Some(&filter)).await;
        counted.expect("the store answers")
    }

    /// How many events of this type there are about the task.
    pub async fn events(&self, id: TaskId, kind: &str) -> u64 {
        use shraga_core::row::events;
        let of = compare(events::TASK_ID, Literal::Text(id.to_string()));
        let kind = compare(events::KIND, Literal::Text(kind.to_owned()));
        let admin = self.admin_client(&Faults::new());
        let filter = Filter::And(vec![of, kind]);
        let counted = admin.count(Table::Events, Some(&filter)).await;
        counted.expect("the store answers")
    }

    /// Writes cells of any row as the admin would by hand, whatever its version.
    pub async fn overwrite(&self, table: Table, id: Uuid, cells: &[(Column, Value)]) {
        let admin = self.looking().await;
        let row = admin.get(table, id, &[]).await.expect("the store answers");
        let etag = row.and_then(|row| row.etag()).expect("the row exists");
        let condition = Condition::Version(etag);
        let written = admin.patch(table, id, &condition, cells).await;
        written.expect("an admin may write it");
    }
}

impl Person {
    /// Files a task.
    pub async fn files(&self, name: &str) -> TaskId {
        let id = Uuid::now_v7();
        let cells = [
            (tasks::NAME, name.into()),
            (tasks::PROMPT, format!("please do {name}").into()),
            (tasks::STATUS, TaskStatus::Pending.code().into()),
            (tasks::EMAIL, self.email.as_str().into()),
        ];
        let created = self.client.create(Table::Tasks, id, &cells).await;
        created.expect("a person may file a task");
        TaskId::new(id)
    }

    /// Files many tasks in one request; how long a name is decides nothing.
    pub async fn files_many(&self, count: usize) {
        let set = |n: usize| ChangeSet {
            task: None,
            why: "file".to_owned(),
            writes: vec![Write::create(
                Table::Tasks,
                Uuid::now_v7(),
                vec![
                    (tasks::NAME, format!("task {n}").into()),
                    (tasks::PROMPT, "please do it".into()),
                    (tasks::STATUS, TaskStatus::Pending.code().into()),
                ],
            )],
        };
        let sets: Vec<ChangeSet> = (0..count).map(set).collect();
        let applied = self.client.apply(&sets, OnRefusal::Continue).await;
        let outcomes = applied.expect("the store answers").outcomes;
        assert!(outcomes.iter().all(|it| matches!(it, Outcome::Done(_))));
    }

    /// Asks for her task to end.
    pub async fn cancels(&self, id: TaskId) {
        self.edits(id, &[(tasks::STATUS, TaskStatus::Canceling.code().into())])
            .await;
    }

    /// Edits her own row.
    pub async fn edits(&self, id: TaskId, cells: &[(Column, Value)]) {
        let row = self
            .client
            .get(Table::Tasks, id.get(), &["cr_status"])
            .await;
        let row = row.expect("the store answers").expect("her row exists");
        let condition = Condition::Version(row.etag().expect("a row has a version"));
        let edited = self.client.patch(Table::Tasks, id.get(), &condition, cells);
        edited.await.expect("a person may edit her row");
    }

    /// Deletes her own row.
    pub async fn deletes(&self, id: TaskId) {
        let deleted = self.client.delete(Table::Tasks, id.get(), None).await;
        deleted.expect("a person may delete her row");
    }
}

/// A request for what only the embedded store has becomes one for what nobody has.
fn unknown_if_ours(mut request: Request<Bytes>) -> Request<Bytes> {
    if request.uri().path().starts_with("/api/shraga") {
        *request.uri_mut() = Uri::from_static("/not-here");
    }
    request
}

fn client_of(transport: Transport) -> Client {
    let mut options = Options::new(base(), transport);
    options.session = Some(Uuid::now_v7());
    options.first_retry_delay = Duration::from_millis(1);
    Client::new(options).expect("a loopback address is accepted")
}

pub(crate) fn compare(column: Column, value: Literal) -> Filter {
    Filter::Compare(
        Operand::Column(column.name().to_owned()),
        Comparison::Eq,
        Operand::Literal(value),
    )
}

fn base() -> Url {
    Url::parse("http://localhost/").expect("a constant address")
}

fn principal(user: Uuid, role: Role) -> Principal {
    Principal {
        user,
        role,
        worker: None,
        on_behalf_by: None,
        session: None,
    }
}
