//! Crashes, lost replies, locks and a service that takes its time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shraga::schema::apply::{Ended, apply};
use shraga_testkit::faults::{Fault, Gate, When};
use shraga_testkit::original;
use shraga_wire::schema::compare::Trouble;
use shraga_wire::schema::{Access, ColumnKind, KeyDef, TableDef, Wanted, shipped};
use uuid::Uuid;

use crate::run::{World, done, options, read_of, refused};

/// The change with this number, from 0.
fn change(number: usize) -> When {
    let seen = AtomicUsize::new(0);
    When::matching("a change", move |request| {
        request.method() != http::Method::GET && seen.fetch_add(1, Ordering::SeqCst) == number
    })
}

/// A store that lacks something of every kind: few changes make it complete.
fn nearly() -> Vec<TableDef> {
    let mut tables = shipped();
    tables.pop();
    let tasks = &mut tables[0];
    tasks.change_tracking = false;
    tasks.access = Access::default();
    tasks.indexes = Vec::new();
    let lacks = ["cr_attempt", "cr_rank"];
    tasks.columns.retain(|it| !lacks.contains(&&*it.logical));
    for column in &mut tasks.columns {
        match &mut column.kind {
            ColumnKind::Choice { options } => options.truncate(8),
            ColumnKind::Text { max } if column.logical == "cr_name" => *max = 50,
            _ => {}
        }
    }
    tables
}

#[tokio::test]
async fn a_reply_lost_anywhere_is_looked_for_and_not_made_twice() {
    let mut number = 0;
    loop {
        let world = World::with(nearly()).await;
        world.faults.arm(change(number), Fault::DropReply);
        world.completes().await;
        if world.faults.pending() > 0 {
            break;
        }
        number += 1;
    }
    assert!(number >= 7, "every change was lost once: {number}");
}

#[tokio::test]
async fn a_crash_anywhere_is_made_good_by_running_it_again() {
    let mut number = 0;
    loop {
        let world = World::with(nearly()).await;
        let gate = Gate::new();
        world
            .faults
            .arm(change(number), Fault::HoldRequest(gate.clone()));
        let wanted = options(world.client.names().wanted());
        let mut deaf = |_: shraga::schema::apply::Said<'_>| {};
        tokio::select! {
            () = gate.arrival() => {}
            ended = apply(&world.client, &wanted, &mut deaf) => {
                done(ended.unwrap());
                break;
            }
        }
        number += 1;
        world.completes().await;
    }
    assert!(number >= 7, "it died before every change once: {number}");
}

#[tokio::test]
async fn somebody_elses_import_is_waited_out() {
    let world = World::with(original::tables()).await;
    for status in [400, 400, 400, 400] {
        let code = 0x8007_1151;
        world
            .faults
            .arm(When::write(), Fault::Refuse { status, code });
    }
    world
        .faults
        .arm(When::write(), Fault::Throttle { retry_after: 0 });
    let said = world.completes().await;
    let later = said.iter().filter(|it| it.starts_with("later")).count();
    assert_eq!(later, 4, "{said:#?}");
}

#[tokio::test]
async fn a_service_that_does_not_know_how_to_create_all_at_once_is_asked_one_by_one() {
    let world = World::with(original::tables()).await;
    for status in [404, 400, 501] {
        let at_once = |request: &http::Request<bytes::Bytes>| {
            request.uri().path().ends_with("CreateEntities")
        };
        let unknown = Fault::Refuse {
            status,
            code: 0x8006_0889,
        };
        world
            .faults
            .arm(When::matching("CreateEntities", at_once), unknown);
    }
    let said = world.completes().await;
    let single = said
        .iter()
        .any(|it| it.contains("add cr_shraga_workers.cr_beat"));
    assert!(single, "{said:#?}");
}

#[tokio::test]
async fn what_is_not_served_yet_is_waited_for() {
    let world = World::with(original::tables()).await;
    // The first look finds the column missing; for some more the service does not serve it.
    for _ in 0..3 {
        let unknown = Fault::Refuse {
            status: 400,
            code: 0x8006_0888,
        };
        world
            .faults
            .arm(read_of("cr_shraga_tasks?", "cr_attempt"), unknown.clone());
        world
            .faults
            .arm(read_of("cr_shraga_tasks?", "select=cr_attempt&"), unknown);
    }
    let said = world.completes().await;
    let waits = said
        .iter()
        .filter(|it| *it == "waiting: cr_shraga_tasks.cr_attempt");
    assert!(waits.count() >= 2, "{said:#?}");
}

/// The shipped tables, and a key that the events table is wanted with.
fn with_key(world: &World) -> Vec<Wanted> {
    let mut wanted = world.client.names().wanted();
    wanted[2].def.keys = vec![KeyDef {
        metadata_id: Uuid::nil(),
        logical: "cr_streamkey".to_owned(),
        schema: "cr_StreamKey".to_owned(),
        display: "Stream".to_owned(),
        columns: vec!["cr_stream".to_owned(), "cr_sequence".to_owned()],
    }];
    wanted
}

fn index_is(by: &'static str) -> Fault {
    let text = r#""EntityKeyIndexStatus":"Active""#;
    Fault::Replace { text, by }
}

const PENDING: &str = r#""EntityKeyIndexStatus":"Pending""#;
const FAILED: &str = r#""EntityKeyIndexStatus":"Failed""#;

/// The next look at keys after the first `first` of them.
fn look_at_keys(first: usize) -> When {
    let seen = AtomicUsize::new(0);
    When::matching("a look at keys", move |request| {
        request.method() == http::Method::GET
            && request.uri().path().ends_with("/Keys")
            && seen.fetch_add(1, Ordering::SeqCst) >= first
    })
}

#[tokio::test]
async fn a_keys_index_is_waited_for_until_it_is_active() {
    let world = World::with(shipped()).await;
    world.faults.arm(look_at_keys(1), index_is(PENDING));
    world.faults.arm(look_at_keys(1), index_is(PENDING));
    let (ended, said) = world.apply_for(with_key(&world)).await;
    assert!(done(ended).all.is_empty());
    assert_eq!(
        said,
        [
            "1/1 add the alternate key cr_streamkey (cr_stream, cr_sequence) to cr_shraga_events",
            "waiting: cr_shraga_events",
            "waiting: cr_shraga_events",
        ]
    );
}

#[tokio::test]
async fn a_key_that_could_not_be_built_is_said_and_built_again_when_asked() {
    let world = World::with(shipped()).await;
    world.faults.arm(look_at_keys(1), index_is(FAILED));
    let (ended, _) = world.apply_for(with_key(&world)).await;
    let found = done(ended);
    assert!(matches!(found.all[0].trouble, Trouble::KeyFailed { .. }));
    assert!(found.all[0].fix().contains("make them unique"));
    world.faults.arm(look_at_keys(0), index_is(FAILED));
    let (ended, said) = world.apply_for(with_key(&world)).await;
    assert!(done(ended).all.is_empty());
    assert_eq!(
        said,
        ["1/1 build the alternate key cr_streamkey of cr_shraga_events once more"]
    );
}

#[tokio::test]
async fn optimistic_concurrency_and_change_tracking_are_turned_on_together() {
    let mut tables = original::tables();
    tables[0].change_tracking = false;
    let world = World::with(tables).await;
    let off = Fault::Replace {
        text: r#""IsOptimisticConcurrencyEnabled":true"#,
        by: r#""IsOptimisticConcurrencyEnabled":false"#,
    };
    world
        .faults
        .arm(read_of("EntityDefinitions?", "filter"), off);
    let said = world.completes().await;
    let both = "turn on optimistic concurrency and change tracking for cr_shraga_tasks";
    assert!(said[0].ends_with(both), "{said:#?}");
}

#[tokio::test]
async fn what_the_service_refuses_for_good_ends_it_with_the_services_words() {
    let world = World::with(original::tables()).await;
    for _ in 0..2 {
        let prefix = Fault::Refuse {
            status: 400,
            code: 0x8004_7000,
        };
        world.faults.arm(When::write_with("cr_Attempt"), prefix);
    }
    let (step, error) = refused(world.apply().await.0);
    assert!(step.starts_with("add cr_shraga_tasks.cr_attempt"), "{step}");
    assert_eq!(error.fault().unwrap().code.0, 0x8004_7000);
    world.completes().await;
}

#[tokio::test]
async fn when_the_time_is_over_it_says_what_is_not_usable_yet() {
    let world = World::with(original::tables()).await;
    for _ in 0..100 {
        let code = 0x8007_1151;
        world
            .faults
            .arm(When::write(), Fault::Refuse { status: 400, code });
    }
    let mut short = options(world.client.names().wanted());
    short.limit = Duration::from_millis(50);
    let mut deaf = |_: shraga::schema::apply::Said<'_>| {};
    let ended = apply(&world.client, &short, &mut deaf).await.unwrap();
    let Ended::Late(found, trouble) = ended else {
        panic!("{ended:?}");
    };
    assert!(!found.all.is_empty());
    assert_eq!(trouble.unwrap().fault().unwrap().code.0, 0x8007_1151);
}
