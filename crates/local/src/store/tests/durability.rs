use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use uuid::Uuid;

use super::support::*;
use crate::ops::*;
use crate::store::*;

/// Names the folder of the child that writes until it is killed.
const CHILD: &str = "SHRAGA_TEST_KILLED_STORE";

#[test]
fn acknowledged_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::tests::durability::child_that_writes_until_killed",
            "--nocapture",
        ])
        .env(CHILD, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = lines
        .map_while(Result::ok)
        .filter_map(|line| Uuid::parse_str(&line).ok());
    let acknowledged: Vec<Uuid> = acknowledged.take(300).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(acknowledged.len(), 300);
    let nested = std::fs::read_dir(dir.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::open(&nested, vec![things()]).unwrap();
        let who = principal(Uuid::nil(), Role::Admin);
        let user = store.ensure_user(&who, "admin@x").await.unwrap();
        let w = World {
            store,
            dir,
            admin: principal(user, Role::Admin),
            ..world().await
        };
        for id in acknowledged {
            let row = w.row(id).await.expect("an acknowledged row");
            assert!(row["versionnumber"].as_i64().unwrap() <= w.store.version());
            // Units are whole: the second row of each was written with the first.
            let twin = format!("x_ref eq {id}");
            assert_eq!(w.names(&w.admin, &twin, "").await, ["twin"]);
        }
    });
}

#[test]
fn child_that_writes_until_killed() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let nested = tempfile::tempdir_in(dir).unwrap();
        let w = world_in(nested, vec![things()]).await;
        loop {
            let (id, twin) = (Uuid::now_v7(), Uuid::now_v7());
            let refers = [("x_name", s("twin")), ("x_ref", Cell::Id(id))];
            let ops = vec![
                w.op(WriteKind::Create, id, &[("x_name", s("first"))]),
                w.op(WriteKind::Create, twin, &refers),
            ];
            w.unit(&w.admin, ops).await.unwrap();
            println!("\n{id}");
        }
    });
}

#[tokio::test]
async fn a_full_disk_fails_the_group_says_so_and_loses_nothing_acknowledged() {
    let w = world().await;
    let World { store, dir, .. } = &w;
    let before = w
        .create(&w.admin, &[("x_name", s("before"))])
        .await
        .unwrap();
    store.limit_pages(60).await;
    let big = s(&"x".repeat(400_000));
    let refused = w
        .create(&w.admin, &[("x_name", s("big")), ("x_memo", big)])
        .await
        .unwrap_err();
    assert_eq!(refused.status, 507);
    assert!(refused.message.contains("disk is full"));
    assert_eq!(w.names(&w.admin, "", "").await, ["before"]);
    store.limit_pages(1_000_000).await;
    w.create(&w.admin, &[("x_name", s("after"))]).await.unwrap();
    assert_eq!(w.names(&w.admin, "", "x_name").await, ["after", "before"]);
    assert!(w.row(before).await.is_some());
    assert!(dir.path().join("store.sqlite3").exists());
}

#[tokio::test]
async fn a_folder_in_use_is_refused_by_name_and_free_after_closing() {
    let w = world().await;
    let Err(refused) = Store::open(w.dir.path(), vec![things()]) else {
        panic!("opened twice");
    };
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert!(refused.to_string().contains(w.dir.path().to_str().unwrap()));
    let World { store, dir, .. } = w;
    drop(store);
    Store::open(dir.path(), vec![things()]).unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let World { store, dir, .. } = world().await;
    drop(store);
    let conn = rusqlite::Connection::open(dir.path().join("store.sqlite3")).unwrap();
    conn.pragma_update(None, "user_version", 999).unwrap();
    drop(conn);
    let Err(refused) = Store::open(dir.path(), vec![things()]) else {
        panic!("opened");
    };
    assert!(matches!(refused, OpenError::Newer { found: 999, .. }));
}

#[tokio::test]
async fn a_copy_of_the_database_is_a_store_and_only_the_newest_are_kept() {
    let w = world().await;
    w.create(&w.admin, &[("x_name", s("kept"))]).await.unwrap();
    let data = w.dir.path();
    let form = Store::form(data).unwrap();
    assert_eq!(form.found, Some(form.known));
    let conn = crate::sql::connect_writer(&data.join("store.sqlite3")).unwrap();
    assert_eq!(Store::newest_copy(data), None);
    // One that was cut short is begun again.
    std::fs::create_dir(data.join("backup")).unwrap();
    let cut = "backup/store-000000000001-form-1.unfinished";
    std::fs::write(data.join(cut), "half").unwrap();
    for at in [1, 20, 3, 4] {
        crate::store::backup::copy(&conn, data, 1, at).unwrap();
    }
    let names = std::fs::read_dir(data.join("backup")).unwrap();
    assert_eq!(names.count(), 3);
    let newest = Store::newest_copy(data).unwrap();
    assert!(
        newest.ends_with("store-000000000020-form-1.sqlite3"),
        "{newest:?}"
    );
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(newest, other.path().join("store.sqlite3")).unwrap();
    assert_eq!(Store::form(other.path()).unwrap(), form);
    let copy = World {
        store: Store::open(other.path(), vec![things()]).unwrap(),
        dir: other,
        ..w
    };
    assert_eq!(copy.names(&copy.admin, "", "").await, ["kept"]);
}

#[tokio::test]
async fn a_folder_without_a_database_has_no_form_and_gets_none_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Store::form(dir.path()).unwrap().found, None);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn concurrent_writers_all_land_and_versions_are_unique() {
    let w = std::sync::Arc::new(world().await);
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..20 {
        let w = std::sync::Arc::clone(&w);
        tasks.spawn(async move {
            for j in 0..10 {
                w.create(&w.admin, &[("x_name", s(&format!("{i}-{j}")))])
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let page = w.page(&w.admin, w.list("", "")).await.unwrap();
    let mut versions: Vec<_> = rows_of(&page)
        .iter()
        .map(|row| row["versionnumber"].as_i64().unwrap())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 200);
}
