//! The shipped client and the shipped store, in one process.

use shraga_core::ids::{UserId, WorkerId};
use shraga_core::row::{ChangeSet, Condition, Table, Value, Write, events, tasks, workers};
use shraga_core::status::TaskStatus;
use shraga_dataverse::rows::{mirror, select, user_task};
use shraga_dataverse::transport::in_process;
use shraga_dataverse::{
    Changed, Client, Error, OnRefusal, Options, Outcome, Read, RefusalKind, Role,
};
use shraga_local::http::in_process as served;
use shraga_local::ops::{Principal, Role as StoreRole, WorkerClaim};
use shraga_local::store::Store;
use shraga_testkit::faults::{Fault, Faults, When};
use shraga_wire::filter::Filter;
use shraga_wire::query::{OrderBy, Query};
use shraga_wire::schema::shipped;
use tempfile::TempDir;
use uuid::Uuid;

/// A store with an admin, two people and a worker of the first.
struct World {
    admin: Client,
    admin_id: Uuid,
    ann: Client,
    ann_id: Uuid,
    bob: Client,
    worker: Client,
    worker_id: Uuid,
    faults: Faults,
    _folder: TempDir,
}

async fn world() -> World {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), shipped()).expect("a store");
    let root = principal(Uuid::nil(), StoreRole::Admin);
    let user = async |email: &str| store.ensure_user(&root, email).await.expect("a user");
    let (admin_id, ann_id, bob_id) = (
        user("admin@x").await,
        user("ann@x").await,
        user("bob@x").await,
    );
    let worker_id = Uuid::now_v7();
    let worker = Principal {
        worker: Some(WorkerClaim {
            id: worker_id,
            pool: "shared".to_owned(),
            slots: 2,
            labels: "gpu,eu".to_owned(),
        }),
        ..principal(ann_id, StoreRole::Worker)
    };
    let faults = Faults::new();
    let admin = in_process(served(store.clone(), principal(admin_id, StoreRole::Admin)));
    let plain = |who: Principal| client(in_process(served(store.clone(), who)));
    World {
        admin: client(faults.wrap(admin)),
        ann: plain(principal(ann_id, StoreRole::User)),
        bob: plain(principal(bob_id, StoreRole::User)),
        worker: plain(worker),
        admin_id,
        ann_id,
        worker_id,
        faults,
        _folder: folder,
    }
}

fn principal(user: Uuid, role: StoreRole) -> Principal {
    Principal {
        user,
        role,
        worker: None,
        on_behalf_by: None,
        session: Some(Uuid::now_v7()),
    }
}

fn client(transport: shraga_dataverse::transport::Transport) -> Client {
    let base = "http://localhost/".parse().expect("an address");
    Client::new(Options::new(base, transport)).expect("a loopback address")
}

impl World {
    /// Ann files a task.
    async fn filed(&self) -> Uuid {
        let id = Uuid::now_v7();
        let cells = [
            (tasks::NAME, "say hello".into()),
            (tasks::PROMPT, "hello 'world' \u{1f980}".into()),
            (tasks::STATUS, TaskStatus::Pending.into()),
        ];
        self.ann
            .create(Table::Tasks, id, &cells)
            .await
            .expect("a task");
        id
    }

    /// A change set that mirrors the task and gives it to the worker.
    async fn mirroring(&self, task: Uuid) -> ChangeSet {
        let row = self.admin.get(Table::Tasks, task, select::USER_TASK).await;
        let row = user_task(&row.expect("an answer").expect("a row")).expect("a task");
        let mut create = Write::create(
            Table::Tasks,
            mirror_of(task),
            vec![
                (tasks::NAME, row.name.into()),
                (tasks::STATUS, TaskStatus::Running.into()),
                (tasks::IS_MIRROR, true.into()),
                (tasks::MIRROR_OF, task.into()),
                (tasks::ASSIGNED_WORKER, self.worker_id.into()),
            ],
        );
        create.owner = Some(UserId::new(self.admin_id));
        let link = vec![(tasks::MIRROR_LINK, mirror_of(task).into())];
        let link = Write::update(Table::Tasks, task, &row.etag, link);
        ChangeSet {
            task: None,
            why: "a story".to_owned(),
            writes: vec![create, link],
        }
    }
}

fn mirror_of(task: Uuid) -> Uuid {
    shraga_core::ids::MirrorId::of(shraga_core::ids::TaskId::new(task), 0).get()
}

fn all_done(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| match outcome {
        Outcome::Done(etags) => etags.iter().all(Option::is_some),
        _ => false,
    })
}

#[tokio::test]
async fn everybody_is_told_who_they_are() {
    let world = world().await;
    assert_eq!(
        world.ann.who_am_i().await.unwrap(),
        UserId::new(world.ann_id)
    );
    let info = world.worker.store_info().await.unwrap().unwrap();
    assert_eq!(info.role, Role::Worker);
    let worker = info.worker.clone().unwrap();
    assert_eq!(worker.id, WorkerId::new(world.worker_id));
    assert_eq!(
        (worker.slots, worker.labels.join("|")),
        (2, "gpu|eu".to_owned())
    );
    let info = world.ann.store_info().await.unwrap().unwrap();
    assert_eq!(info.email.as_deref(), Some("ann@x"));
}

#[tokio::test]
async fn a_task_is_filed_found_mirrored_claimed_and_completed() {
    let world = world().await;
    let task = world.filed().await;
    let pending = Query {
        select: select::USER_TASK
            .iter()
            .map(|&column| column.to_owned())
            .collect(),
        filter: Some(
            Filter::eq("cr_status", 1)
                .and(Filter::ne("cr_ismirror", true))
                .and(Filter::is_null("cr_mirrortaskid")),
        ),
        order_by: vec![OrderBy {
            column: "createdon".to_owned(),
            descending: false,
        }],
        ..Query::default()
    };
    let found = world.admin.list(Table::Tasks, &pending).await.unwrap();
    assert_eq!(
        user_task(&found[0]).unwrap().prompt,
        "hello 'world' \u{1f980}"
    );
    let set = world.mirroring(task).await;
    let applied = world.admin.apply(&[set], OnRefusal::Stop).await.unwrap();
    assert!(all_done(&applied.outcomes), "{applied:?}");
    let look = Read::List {
        table: Table::Tasks,
        query: Query {
            select: select::MIRROR
                .iter()
                .map(|&column| column.to_owned())
                .collect(),
            ..Query::default()
        },
    };
    let seen = world
        .worker
        .read_batch(std::slice::from_ref(&look))
        .await
        .unwrap();
    let held = mirror(&seen.answers[0].as_ref().unwrap().rows[0]).unwrap();
    assert_eq!(held.id.get(), mirror_of(task));
    let complete = Write::update(
        Table::Tasks,
        held.id.get(),
        &held.etag,
        vec![
            (tasks::STATUS, TaskStatus::Completed.into()),
            (tasks::RESULT, "done".into()),
        ],
    );
    let set = ChangeSet {
        task: None,
        why: "a story".to_owned(),
        writes: vec![complete],
    };
    let done = world
        .worker
        .exchange(std::slice::from_ref(&set), &[look])
        .await
        .unwrap();
    assert!(all_done(&done.outcomes), "{done:?}");
    let after = mirror(&done.answers[0].as_ref().unwrap().rows[0]).unwrap();
    assert_eq!(after.status, TaskStatus::Completed);
    let again = world.worker.exchange(&[set], &[]).await.unwrap();
    assert!(
        matches!(&again.outcomes[0], Outcome::Refused(_)),
        "a terminal state never changes: {again:?}"
    );
}

#[tokio::test]
async fn a_change_set_done_twice_is_refused_as_stale_and_changes_nothing() {
    let world = world().await;
    let task = world.filed().await;
    let set = world.mirroring(task).await;
    let sets = [set.clone(), set];
    let applied = world.admin.apply(&sets, OnRefusal::Continue).await.unwrap();
    assert!(all_done(&applied.outcomes[..1]));
    let Outcome::Refused(refusal) = &applied.outcomes[1] else {
        panic!("{applied:?}");
    };
    assert_eq!(refusal.kind, RefusalKind::Stale);
    assert_eq!(world.admin.count(Table::Tasks, None).await.unwrap(), 2);
}

#[tokio::test]
async fn a_lost_reply_is_unknown_and_the_next_look_settles_it() {
    let world = world().await;
    let task = world.filed().await;
    let set = world.mirroring(task).await;
    world.faults.arm(When::write(), Fault::DropReply);
    let applied = world.admin.apply(&[set], OnRefusal::Stop).await.unwrap();
    assert_eq!(applied.outcomes, [Outcome::Unknown]);
    assert!(applied.lost.is_some());
    let row = world
        .admin
        .get(Table::Tasks, mirror_of(task), select::MIRROR)
        .await
        .unwrap();
    assert!(row.is_some(), "it had been done all the same");
}

#[tokio::test]
async fn a_create_whose_reply_is_lost_is_done_once() {
    let world = world().await;
    world.faults.arm(When::write(), Fault::DropReply);
    let id = Uuid::now_v7();
    let cells = [(events::NAME, Value::from("a"))];
    let written = world.admin.create(Table::Events, id, &cells).await.unwrap();
    assert!(written.etag.is_some());
    let again = world
        .admin
        .create(Table::Events, id, &cells)
        .await
        .unwrap_err();
    assert!(matches!(again, Error::Conflict(_)), "{again}");
}

#[tokio::test]
async fn nobody_sees_or_changes_rows_that_are_not_theirs() {
    let world = world().await;
    let task = world.filed().await;
    assert_eq!(world.bob.get(Table::Tasks, task, &[]).await.unwrap(), None);
    assert_eq!(
        world.worker.get(Table::Tasks, task, &[]).await.unwrap(),
        None
    );
    assert!(
        world
            .bob
            .list(Table::Tasks, &Query::default())
            .await
            .unwrap()
            .is_empty()
    );
    let row = world
        .ann
        .get(Table::Tasks, task, &[])
        .await
        .unwrap()
        .unwrap();
    let version = Condition::Version(row.etag().unwrap());
    let rank = [(tasks::IS_MIRROR, true.into())];
    let refused = world
        .ann
        .patch(Table::Tasks, task, &version, &rank)
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)), "{refused}");
    let running = [(tasks::STATUS, TaskStatus::Completed.into())];
    let refused = world
        .ann
        .patch(Table::Tasks, task, &version, &running)
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)), "{refused}");
    let name = [(tasks::NAME, "bob's now".into())];
    let stolen = world
        .bob
        .patch(Table::Tasks, task, &version, &name)
        .await
        .unwrap_err();
    assert!(
        matches!(stolen, Error::Missing(_) | Error::Conflict(_)),
        "{stolen}"
    );
}

#[tokio::test]
async fn a_worker_registers_within_what_its_token_allows() {
    let world = world().await;
    let cells = |slots: i64| {
        [
            (workers::NAME, "w".into()),
            (workers::POOL, "shared".into()),
            (workers::SLOTS, slots.into()),
        ]
    };
    let id = world.worker_id;
    let refused = world
        .worker
        .create(Table::Workers, id, &cells(3))
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)), "{refused}");
    let other = Uuid::now_v7();
    assert!(
        world
            .worker
            .create(Table::Workers, other, &cells(2))
            .await
            .is_err()
    );
    let made = world
        .worker
        .create(Table::Workers, id, &cells(2))
        .await
        .unwrap();
    let version = Condition::Version(made.etag.unwrap());
    let beat = [(workers::BEAT, 1_i64.into())];
    assert!(
        world
            .worker
            .patch(Table::Workers, id, &version, &beat)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn pages_and_long_questions_are_read_to_the_end() {
    let world = world().await;
    for _ in 0..7 {
        world.filed().await;
    }
    let page = world
        .admin
        .page(Table::Tasks, &Query::default(), Some(3))
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 3);
    assert!(page.next_link.is_some());
    let ids = (0..900).map(|_| Uuid::now_v7().to_string());
    let long = Query {
        filter: Some(Filter::is_in("cr_mirroroftaskid", ids)),
        ..Query::default()
    };
    assert!(
        world
            .admin
            .list(Table::Tasks, &long)
            .await
            .unwrap()
            .is_empty()
    );
    let ours = Filter::eq("_ownerid_value", world.ann_id);
    assert_eq!(
        world.admin.count(Table::Tasks, Some(&ours)).await.unwrap(),
        7
    );
}

#[tokio::test]
async fn a_write_wakes_others_and_names_the_table_and_the_role() {
    let world = world().await;
    let since = world.admin.changes(None).await.unwrap().next;
    world.filed().await;
    let changes = world.admin.changes(Some(since)).await.unwrap();
    let expected = Changed {
        table: Table::Tasks,
        by: Role::User,
    };
    assert_eq!(changes.changed, [expected]);
    assert!(changes.next > since);
}

#[tokio::test]
async fn an_unknown_column_is_refused_by_name() {
    let world = world().await;
    let query = Query {
        select: vec!["cr_statsu".to_owned()],
        ..Query::default()
    };
    let error = world.admin.list(Table::Tasks, &query).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)));
    assert!(error.to_string().contains("cr_statsu"), "{error}");
    assert!(
        error.to_string().contains("cr_status"),
        "the nearest known name: {error}"
    );
}
