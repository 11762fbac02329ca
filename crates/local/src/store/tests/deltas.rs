use shraga_wire::fault::{Fault, codes};

use super::support::*;
use crate::ops::*;
use crate::store::*;

async fn delta(w: &World, since: i64, limit: u32) -> Result<(Vec<String>, Delta), Fault> {
    let op = DeltaOp {
        table: w.table(),
        projection: Projection::default(),
        since,
        limit,
    };
    let ReadAnswer::Delta(delta) = w.ask(&w.admin, ReadOp::Delta(op)).await? else {
        panic!("not a delta");
    };
    let page = Page {
        rows: delta.rows.clone(),
        ..Page::default()
    };
    Ok((names_of(&page), delta))
}

#[tokio::test]
async fn a_delta_tells_changed_rows_by_version_then_deletions() {
    let w = world().await;
    let a = w.create(&w.admin, &[("x_name", s("a"))]).await.unwrap();
    let b = w.create(&w.admin, &[("x_name", s("b"))]).await.unwrap();
    let since = w.store.version();
    let (names, nothing) = delta(&w, since, 10).await.unwrap();
    assert!(names.is_empty() && nothing.deleted.is_empty());
    let c = w.create(&w.admin, &[("x_name", s("c"))]).await.unwrap();
    w.update(&w.admin, a, Match::Any, &[("x_count", Cell::Int(1))])
        .await
        .unwrap();
    w.delete(&w.admin, b, Match::Any).await.unwrap();
    let (names, told) = delta(&w, since, 10).await.unwrap();
    assert_eq!(names, ["c", "a"]);
    assert_eq!(told.deleted, [b]);
    assert_eq!((told.version, told.more), (w.store.version(), false));
    w.delete(&w.admin, c, Match::Any).await.unwrap();
    let (names, told) = delta(&w, told.version, 10).await.unwrap();
    assert!(names.is_empty());
    assert_eq!(told.deleted, [c]);
}

#[tokio::test]
async fn a_limited_delta_goes_on_where_it_stopped_and_misses_nothing() {
    let w = world().await;
    let start = w.store.version();
    let mut ids = Vec::new();
    for i in 0..6 {
        ids.push(
            w.create(&w.admin, &[("x_name", s(&format!("n{i}")))])
                .await
                .unwrap(),
        );
    }
    for &id in &ids[..3] {
        w.delete(&w.admin, id, Match::Any).await.unwrap();
    }
    let (mut since, mut names, mut deleted) = (start, Vec::new(), Vec::new());
    loop {
        let (more_names, told) = delta(&w, since, 2).await.unwrap();
        names.extend(more_names);
        deleted.extend(told.deleted.clone());
        since = told.version;
        if !told.more {
            break;
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names, ["n3", "n4", "n5"]);
    assert_eq!(deleted, ids[..3]);
    assert_eq!(since, w.store.version());
}

#[tokio::test]
async fn a_token_older_than_what_is_remembered_has_expired() {
    let w = world().await;
    let a = w.create(&w.admin, &[("x_name", s("a"))]).await.unwrap();
    let since = w.store.version();
    w.delete(&w.admin, a, Match::Any).await.unwrap();
    let after = w.store.version();
    assert!(delta(&w, since, 10).await.is_ok());
    w.clock.advance(8 * 24 * 3600);
    w.create(&w.admin, &[("x_name", s("b"))]).await.unwrap();
    // Pruning runs behind the write; another write waits for it.
    w.create(&w.admin, &[("x_name", s("c"))]).await.unwrap();
    let expired = delta(&w, since, 10).await.unwrap_err();
    assert_eq!(
        (expired.status, expired.code),
        (400, codes::EXPIRED_VERSION_STAMP)
    );
    assert_eq!(delta(&w, after, 10).await.unwrap().0, ["b", "c"]);
    assert_eq!(
        delta(&w, i64::MAX, 10).await.unwrap_err().code,
        codes::EXPIRED_VERSION_STAMP
    );
}

#[tokio::test]
async fn only_tables_with_change_tracking_have_deltas_and_not_from_before_it_was_on() {
    let plain = || shraga_wire::schema::TableDef {
        change_tracking: false,
        ..things()
    };
    let w = world_with(vec![plain()]).await;
    let since = w.store.version();
    assert_eq!(
        delta(&w, since, 10).await.unwrap_err().code,
        codes::CHANGE_TRACKING_NOT_ENABLED
    );
    let a = w.create(&w.admin, &[("x_name", s("a"))]).await.unwrap();
    w.delete(&w.admin, a, Match::Any).await.unwrap();
    let on = SchemaChange::UpdateTable(things());
    w.store.alter(&w.admin, on).await.unwrap();
    assert_eq!(
        delta(&w, since, 10).await.unwrap_err().code,
        codes::EXPIRED_VERSION_STAMP
    );
    assert!(delta(&w, w.store.version(), 10).await.is_ok());
}
