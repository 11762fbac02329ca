use std::task::Poll;

use futures_util::poll;
use uuid::Uuid;

use super::support::*;
use crate::ops::*;
use crate::store::*;

fn thing_by(by: Role) -> Vec<Change> {
    vec![Change {
        table: "x_things".to_owned(),
        by,
    }]
}

#[tokio::test]
async fn asked_from_nowhere_it_says_at_once_where_to_ask_from() {
    let w = world().await;
    let changes = w.store.changes(&w.ann, None).await;
    assert_eq!(
        changes,
        Changes {
            next: w.store.version(),
            changed: Vec::new()
        }
    );
}

#[tokio::test]
async fn an_admin_is_woken_by_everybodys_writes_but_its_own() {
    let w = world().await;
    let since = Some(w.store.version());
    let mut waiting = Box::pin(w.store.changes(&w.admin, since));
    assert!(poll!(&mut waiting).is_pending());
    w.create(&w.admin, &[("x_name", s("own"))]).await.unwrap();
    assert!(poll!(&mut waiting).is_pending());
    w.create(&w.ann, &[("x_name", s("anns"))]).await.unwrap();
    let Poll::Ready(changes) = poll!(&mut waiting) else {
        panic!("still waiting");
    };
    assert_eq!(
        changes,
        Changes {
            next: w.store.version(),
            changed: thing_by(Role::User)
        }
    );
    // Another session of the same admin hears of the first one's writes.
    let other = Principal {
        session: Some(Uuid::now_v7()),
        ..w.admin.clone()
    };
    let changes = w.store.changes(&other, since).await;
    assert_eq!(changes.changed.len(), 2);
}

#[tokio::test]
async fn others_are_woken_by_rows_that_name_them_before_or_after_the_write() {
    let w = world().await;
    let claim = w.worker.worker.as_ref().unwrap().id.to_string();
    let anns = [("x_name", s("anns")), ("ownerid", Cell::Id(w.ann.user))];
    let start = w.store.version();
    let id = w.create(&w.admin, &anns).await.unwrap();
    let created = w.store.version();
    assert_eq!(
        w.store.changes(&w.ann, Some(start)).await.changed,
        thing_by(Role::Admin)
    );
    let mut bob = Box::pin(w.store.changes(&w.bob, Some(start)));
    let mut worker = Box::pin(w.store.changes(&w.worker, Some(start)));
    assert!(poll!(&mut bob).is_pending());
    assert!(poll!(&mut worker).is_pending());
    w.update(&w.admin, id, Match::Any, &[("x_worker", s(&claim))])
        .await
        .unwrap();
    assert!(poll!(&mut bob).is_pending());
    assert!(poll!(&mut worker).is_ready());
    assert_eq!(
        w.store.changes(&w.ann, Some(created)).await.changed,
        thing_by(Role::Admin)
    );
    let assigned = w.store.version();
    // Taken away again: the worker named before hears of it.
    w.update(&w.admin, id, Match::Any, &[("x_worker", Cell::Null)])
        .await
        .unwrap();
    assert_eq!(
        w.store.changes(&w.worker, Some(assigned)).await.changed,
        thing_by(Role::Admin)
    );
    let unassigned = w.store.version();
    w.delete(&w.admin, id, Match::Any).await.unwrap();
    assert_eq!(
        w.store.changes(&w.ann, Some(unassigned)).await.changed,
        thing_by(Role::Admin)
    );
    assert!(poll!(Box::pin(w.store.changes(&w.worker, Some(unassigned)))).is_pending());
}

#[tokio::test]
async fn a_refused_write_wakes_nobody() {
    let w = world().await;
    let since = Some(w.store.version());
    let ops = vec![
        w.op(WriteKind::Create, Uuid::now_v7(), &[("x_name", s("one"))]),
        w.op(WriteKind::Create, Uuid::now_v7(), &[]),
    ];
    w.unit(&w.ann, ops).await.unwrap_err();
    assert!(poll!(Box::pin(w.store.changes(&w.admin, since))).is_pending());
}

#[tokio::test]
async fn who_asks_from_too_far_back_is_told_that_everything_changed() {
    let w = world().await;
    let changes = w.store.changes(&w.admin, Some(-1)).await;
    assert_eq!(changes.next, w.store.version());
    assert_eq!(changes.changed.len(), 2 * 3);
    let future = w.store.changes(&w.admin, Some(i64::MAX)).await;
    assert_eq!(future, changes);
}

#[tokio::test]
async fn no_wakeup_is_lost_between_asking_again_and_waiting() {
    let w = world().await;
    let store = w.store.clone();
    let admin = w.admin.clone();
    let mut next = store.changes(&admin, None).await.next;
    let rounds = 200;
    let listener = tokio::spawn(async move {
        let mut seen = next;
        let last = next + rounds;
        while seen < last {
            let changes = store.changes(&admin, Some(seen)).await;
            assert!(!changes.changed.is_empty());
            seen = changes.next;
        }
        seen
    });
    for i in 0..rounds {
        w.create(&w.ann, &[("x_name", s(&format!("n{i}")))])
            .await
            .unwrap();
        next = w.store.version();
    }
    assert_eq!(listener.await.unwrap(), next);
}

#[tokio::test]
async fn a_ring_that_overflowed_forgets_the_oldest_and_says_so() {
    use crate::store::wakes::{Board, Wakes};
    let w = world().await;
    let schema = arc_swap::ArcSwap::from(w.store.schema());
    let board = Board::new(0);
    for version in 1..=5_000 {
        let mut wakes = Wakes::default();
        wakes.add(&w.ann, &w.table(), &[w.ann.user]);
        board.publish(version, wakes);
    }
    assert_eq!(
        board
            .changes(&schema, &w.admin, Some(10))
            .await
            .changed
            .len(),
        2 * 3
    );
    assert_eq!(
        board.changes(&schema, &w.admin, Some(4_990)).await.changed,
        thing_by(Role::User)
    );
    assert_eq!(board.changes(&schema, &w.admin, Some(0)).await.next, 5_000);
}
