//! How many life cycles a second the store alone carries: the rows of filing, mirroring, assigning,
//! claiming and completing tasks, written through its public operations, durable.
//!
//! `cargo run --release -p shraga-local --example store_bench -- [TASKS] [BATCH] [CLIENTS]`

use std::sync::Arc;

use shraga_local::ops::{
    Cell, Key, Match, Principal, Role, Unit, WorkerClaim, WriteKind, WriteOp, Written,
};
use shraga_local::schema::Table;
use shraga_local::store::{Continue, Store};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bench {
    store: Store,
    tasks: Arc<Table>,
    events: Arc<Table>,
    admin: Principal,
    user: Principal,
    worker: Principal,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

fn principal(user: Uuid, role: Role) -> Principal {
    Principal {
        user,
        role,
        worker: None,
        on_behalf_by: None,
        session: Some(Uuid::now_v7()),
    }
}

impl Bench {
    async fn open(folder: &std::path::Path) -> Result<Self, Error> {
        let store = Store::open(folder, shraga_wire::schema::shipped())?;
        let root = principal(Uuid::nil(), Role::Admin);
        let admin = store.ensure_user(&root, "admin@localhost").await?;
        let ann = store.ensure_user(&root, "ann@localhost").await?;
        let claim = WorkerClaim {
            id: Uuid::now_v7(),
            pool: "shared".to_owned(),
            slots: 10,
            labels: String::new(),
        };
        let schema = store.schema();
        let table = |name: &str| schema.by_logical(name).cloned().ok_or("a table is missing");
        Ok(Self {
            tasks: table("cr_shraga_task")?,
            events: table("cr_shraga_event")?,
            admin: principal(admin, Role::Admin),
            user: principal(ann, Role::User),
            worker: Principal {
                worker: Some(claim),
                ..principal(ann, Role::Worker)
            },
            store,
        })
    }

    fn op(
        &self,
        table: &Arc<Table>,
        kind: WriteKind,
        id: Uuid,
        values: &[(&str, Cell)],
    ) -> WriteOp {
        let column = |name: &str| table.column_by_logical(name).unwrap_or_default();
        WriteOp {
            table: Arc::clone(table),
            key: Key::Id(id),
            kind,
            cells: values.iter().map(|(n, c)| (column(n), c.clone())).collect(),
            returning: None,
        }
    }

    fn event(&self, mirror: Uuid, stream: &str, kind: &str, sequence: i64) -> WriteOp {
        let values = [
            ("cr_name", text(kind)),
            ("cr_userid", text(&self.user.user.to_string())),
            ("cr_type", text(kind)),
            (
                "cr_content",
                text(r#"{"at":"2026-01-01T00:00:00Z","what":"something happened"}"#),
            ),
            ("cr_taskid", text(&mirror.to_string())),
            ("cr_attempt", Cell::Int(1)),
            ("cr_stream", text(stream)),
            ("cr_sequence", Cell::Int(sequence)),
            ("cr_prevhash", text(&"0".repeat(64))),
            ("cr_hash", text(&"f".repeat(64))),
        ];
        self.op(&self.events, WriteKind::CreateOnly, Uuid::now_v7(), &values)
    }

    fn file(&self, id: Uuid) -> Unit {
        let values = [
            ("cr_name", text("a task")),
            ("cr_prompt", text(&"do something useful ".repeat(10))),
            ("cr_status", Cell::Int(1)),
            ("crb3b_useremail", text("ann@localhost")),
        ];
        Unit {
            ops: vec![self.op(&self.tasks, WriteKind::Create, id, &values)],
        }
    }

    fn mirror(&self, id: Uuid, mirror: Uuid, version: i64) -> Unit {
        let worker = self.worker.worker.as_ref().map_or(Uuid::nil(), |w| w.id);
        let values = [
            ("cr_name", text("a task")),
            ("cr_prompt", text(&"do something useful ".repeat(10))),
            ("cr_status", Cell::Int(5)),
            ("cr_ismirror", Cell::Int(1)),
            ("cr_mirroroftaskid", text(&id.to_string())),
            ("cr_userid", text(&self.user.user.to_string())),
            ("cr_assignedworkerid", text(&worker.to_string())),
            ("cr_workerstatus", text("assigned")),
            ("cr_attempt", Cell::Int(1)),
            ("cr_rank", Cell::Int(1_700_000_000)),
            ("cr_lease", text(r#"{"worker":"w","boot":"b","attempt":1}"#)),
            ("cr_eventhead", text(r#"{"seq":2,"hash":"ffff"}"#)),
            ("cr_transcript", text("")),
            ("cr_result", text("")),
            ("crb3b_devbox", text("shraga")),
        ];
        let link = [
            ("cr_status", Cell::Int(5)),
            ("cr_mirrortaskid", text(&mirror.to_string())),
        ];
        let linked = WriteKind::Update(Match::Version(version));
        let stream = mirror.to_string();
        Unit {
            ops: vec![
                self.op(&self.tasks, WriteKind::CreateOnly, mirror, &values),
                self.op(&self.tasks, linked, id, &link),
                self.event(mirror, &stream, "TaskMirrored", 1),
                self.event(mirror, &stream, "TaskAssigned", 2),
            ],
        }
    }

    fn report(&self, mirror: Uuid, version: i64, done: bool) -> Unit {
        let worker = self.worker.worker.as_ref().map_or(Uuid::nil(), |w| w.id);
        let stream = format!("{worker}/{mirror}");
        let (kind, sequence) = if done {
            ("TaskCompleted", 2)
        } else {
            ("TaskStarted", 1)
        };
        let mut values = vec![
            (
                "cr_workerstatus",
                text(if done { "done" } else { "executing" }),
            ),
            ("cr_lease", text(r#"{"worker":"w","boot":"b","attempt":1}"#)),
            ("cr_lastworkerping", Cell::Int(1_700_000_001)),
        ];
        if done {
            values.push(("cr_status", Cell::Int(7)));
            values.push(("cr_result", text(&"all is well ".repeat(20))));
        }
        let kept = WriteKind::Update(Match::Version(version));
        Unit {
            ops: vec![
                self.op(&self.tasks, kept, mirror, &values),
                self.event(mirror, &stream, kind, sequence),
            ],
        }
    }

    fn sync(&self, id: Uuid, version: i64) -> Unit {
        let values = [
            ("cr_status", Cell::Int(7)),
            ("cr_result", text(&"all is well ".repeat(20))),
            ("cr_finishedon", Cell::Int(1_700_000_002)),
        ];
        let kept = WriteKind::Update(Match::Version(version));
        Unit {
            ops: vec![self.op(&self.tasks, kept, id, &values)],
        }
    }

    async fn write(&self, who: &Principal, units: Vec<Unit>) -> Result<Vec<Vec<Written>>, Error> {
        let outcomes = self.store.write(who, units, Continue::OnError).await;
        let outcomes = outcomes.into_iter().map(|o| o.map_err(|f| f.fault.into()));
        outcomes.collect()
    }

    /// The life of `batch` tasks, each step one request for all of them.
    async fn cycle(&self, batch: usize) -> Result<(), Error> {
        let tasks: Vec<(Uuid, Uuid)> = (0..batch)
            .map(|_| (Uuid::now_v7(), Uuid::now_v7()))
            .collect();
        let filed = tasks.iter().map(|(id, _)| self.file(*id)).collect();
        let filed = self.write(&self.user, filed).await?;
        let each = || tasks.iter().zip(&filed);
        let units = each().map(|((id, mirror), w)| self.mirror(*id, *mirror, w[0].version));
        let mirrored = self.write(&self.admin, units.collect()).await?;
        let each = || tasks.iter().zip(&mirrored);
        let units = each().map(|((_, mirror), w)| self.report(*mirror, w[0].version, false));
        let claimed = self.write(&self.worker, units.collect()).await?;
        let units = tasks.iter().zip(&claimed);
        let units = units.map(|((_, mirror), w)| self.report(*mirror, w[0].version, true));
        self.write(&self.worker, units.collect()).await?;
        let units = each().map(|((id, _), w)| self.sync(*id, w[1].version));
        self.write(&self.admin, units.collect()).await?;
        Ok(())
    }
}

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

/// Row writes of one life: 6 inserts, 4 updates.
const WRITES: usize = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut numbers = std::env::args().skip(1).map(|n| n.parse::<usize>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let (tasks, batch, clients) = (number(20_000)?, number(32)?, number(2)?);
    let folder = std::env::current_dir()?.join(format!("bench-{}", std::process::id()));
    let bench = Arc::new(Bench::open(&folder).await?);
    let started = shraga_local::clock::Stopwatch::start();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let bench = Arc::clone(&bench);
        running.spawn(async move {
            for _ in 0..tasks / batch / clients {
                bench.cycle(batch).await?;
            }
            Ok::<(), Error>(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    let seconds = started.seconds();
    let lives = tasks / batch / clients * clients * batch;
    drop(bench);
    std::fs::remove_dir_all(&folder)?;
    #[expect(clippy::cast_precision_loss, reason = "a number to look at")]
    let rate = lives as f64 / seconds;
    println!(
        "{lives} lives in {seconds:.2} s: {rate:.0} lives/s, {:.0} row writes/s",
        rate * WRITES as f64
    );
    Ok(())
}
