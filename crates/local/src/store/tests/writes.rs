use shraga_wire::fault::codes;
use uuid::Uuid;

use super::support::*;
use crate::ops::*;
use crate::store::*;

#[tokio::test]
async fn a_created_row_is_read_back_with_its_system_columns() {
    let w = world().await;
    let id = w
        .create(&w.admin, &[("x_name", s("One")), ("x_at", Cell::Int(NOW))])
        .await
        .unwrap();
    let row = w.row(id).await.unwrap();
    assert_eq!(row["x_thingid"], id.to_string());
    assert_eq!(row["x_name"], "One");
    assert_eq!(row["x_at"], "2023-11-14T22:13:20Z");
    assert_eq!(row["createdon"], "2023-11-14T22:13:20Z");
    assert_eq!(row["modifiedon"], "2023-11-14T22:13:20Z");
    assert_eq!(row["_ownerid_value"], w.admin.user.to_string());
    assert_eq!(row["_createdby_value"], w.admin.user.to_string());
    assert_eq!(row["x_memo"], serde_json::Value::Null);
    let version = row["versionnumber"].as_i64().unwrap();
    assert_eq!(row["@odata.etag"], format!("W/\"{version}\""));
    assert_eq!(version, w.store.version());
}

#[tokio::test]
async fn creating_twice_is_refused_whichever_way() {
    let w = world().await;
    let id = w.create(&w.admin, &[("x_name", s("One"))]).await.unwrap();
    for kind in [WriteKind::Create, WriteKind::CreateOnly] {
        let again = w
            .one(&w.admin, w.op(kind, id, &[("x_name", s("Two"))]))
            .await
            .unwrap_err();
        assert_eq!((again.status, again.code), (412, codes::DUPLICATE_RECORD));
    }
    assert_eq!(w.row(id).await.unwrap()["x_name"], "One");
}

#[tokio::test]
async fn an_upsert_creates_then_updates_and_says_which() {
    let w = world().await;
    let id = Uuid::now_v7();
    let upsert = |name: &str| w.op(WriteKind::Upsert, id, &[("x_name", s(name))]);
    let first = w.one(&w.admin, upsert("One")).await.unwrap();
    assert!(first.created);
    w.clock.advance(5);
    let second = w.one(&w.admin, upsert("Two")).await.unwrap();
    assert!(!second.created);
    assert!(second.version > first.version);
    let row = w.row(id).await.unwrap();
    assert_eq!(row["x_name"], "Two");
    assert_eq!(row["createdon"], "2023-11-14T22:13:20Z");
    assert_eq!(row["modifiedon"], "2023-11-14T22:13:25Z");
}

#[tokio::test]
async fn an_update_run_stale_is_refused_and_changes_nothing() {
    let w = world().await;
    let id = w.create(&w.admin, &[("x_name", s("One"))]).await.unwrap();
    let version = w.store.version();
    let change = [("x_name", s("Two"))];
    let done = w
        .update(&w.admin, id, Match::Version(version), &change)
        .await
        .unwrap();
    assert!(done.version > version);
    let stale = w
        .update(
            &w.admin,
            id,
            Match::Version(version),
            &[("x_name", s("Three"))],
        )
        .await;
    let stale = stale.unwrap_err();
    assert_eq!(
        (stale.status, stale.code),
        (412, codes::CONCURRENCY_VERSION_MISMATCH)
    );
    assert_eq!(w.row(id).await.unwrap()["x_name"], "Two");
    w.update(&w.admin, id, Match::Any, &[("x_name", s("Four"))])
        .await
        .unwrap();
    assert_eq!(w.row(id).await.unwrap()["x_name"], "Four");
}

#[tokio::test]
async fn updating_or_deleting_what_isnt_there_is_a_404() {
    let w = world().await;
    let id = Uuid::now_v7();
    let update = w
        .update(&w.admin, id, Match::Any, &[("x_name", s("One"))])
        .await
        .unwrap_err();
    assert_eq!(
        (update.status, update.code),
        (404, codes::OBJECT_DOES_NOT_EXIST)
    );
    let delete = w.delete(&w.admin, id, Match::Any).await.unwrap_err();
    assert_eq!(
        (delete.status, delete.code),
        (404, codes::OBJECT_DOES_NOT_EXIST)
    );
    assert!(w.row(id).await.is_none());
}

#[tokio::test]
async fn a_delete_run_stale_is_refused_and_run_twice_is_a_404() {
    let w = world().await;
    let id = w.create(&w.admin, &[("x_name", s("One"))]).await.unwrap();
    let old = w.store.version();
    w.update(&w.admin, id, Match::Any, &[("x_count", Cell::Int(1))])
        .await
        .unwrap();
    let version = w.store.version();
    let stale = w
        .delete(&w.admin, id, Match::Version(old))
        .await
        .unwrap_err();
    assert_eq!(stale.status, 412);
    let gone = w
        .delete(&w.admin, id, Match::Version(version))
        .await
        .unwrap();
    assert_eq!(gone.version, version);
    assert!(w.store.version() > version);
    assert_eq!(
        w.delete(&w.admin, id, Match::Any).await.unwrap_err().status,
        404
    );
}

#[tokio::test]
async fn a_unit_happens_all_or_not_at_all_while_others_go_on() {
    let w = world().await;
    let [a, b, c] = [1, 2, 3].map(|_| Uuid::now_v7());
    let create = |id, name: &str| w.op(WriteKind::Create, id, &[("x_name", s(name))]);
    let units = vec![
        Unit {
            ops: vec![create(a, "A"), create(a, "again")],
        },
        Unit {
            ops: vec![create(b, "B"), create(c, "C")],
        },
    ];
    let outcomes = w.store.write(&w.admin, units, Continue::OnError).await;
    assert_eq!(outcomes[0].as_ref().unwrap_err().op, 1);
    assert!(outcomes[1].is_ok());
    assert_eq!(w.names(&w.admin, "", "x_name").await, ["B", "C"]);
}

#[tokio::test]
async fn stopping_at_the_first_fault_leaves_the_rest_undone() {
    let w = world().await;
    let id = Uuid::now_v7();
    let unit = |id, name: &str| Unit {
        ops: vec![w.op(WriteKind::Create, id, &[("x_name", s(name))])],
    };
    let units = vec![unit(id, "A"), unit(id, "B"), unit(Uuid::now_v7(), "C")];
    let outcomes = w.store.write(&w.admin, units, Continue::StopAtFirst).await;
    assert_eq!(outcomes.len(), 2);
    assert_eq!(w.names(&w.admin, "", "").await, ["A"]);
}

#[tokio::test]
async fn alternate_keys_are_unique_but_nulls_never_collide() {
    let w = world().await;
    let name = ("x_name", s("One"));
    w.create(&w.admin, &[name.clone(), ("x_code", s("K1"))])
        .await
        .unwrap();
    w.create(&w.admin, std::slice::from_ref(&name))
        .await
        .unwrap();
    w.create(&w.admin, std::slice::from_ref(&name))
        .await
        .unwrap();
    let same = w
        .create(&w.admin, &[name.clone(), ("x_code", s("k1"))])
        .await
        .unwrap_err();
    assert_eq!(
        (same.status, same.code),
        (412, codes::DUPLICATE_RECORD_ENTITY_KEY)
    );
    assert!(same.message.contains("x_bycode"));
    let other = w
        .create(&w.admin, &[name, ("x_code", s("K2"))])
        .await
        .unwrap();
    let update = w
        .update(&w.admin, other, Match::Any, &[("x_code", s("K1"))])
        .await
        .unwrap_err();
    assert_eq!(update.code, codes::DUPLICATE_RECORD_ENTITY_KEY);
}

#[tokio::test]
async fn a_row_is_created_found_and_updated_by_its_alternate_key() {
    let w = world().await;
    let key = Key::Alternate(0, vec![s("K1")]);
    let upsert = |name: &str| WriteOp {
        key: key.clone(),
        ..w.op(WriteKind::Upsert, Uuid::nil(), &[("x_name", s(name))])
    };
    let first = w.one(&w.admin, upsert("One")).await.unwrap();
    let second = w.one(&w.admin, upsert("Two")).await.unwrap();
    assert!(first.created && !second.created);
    assert_eq!(first.id, second.id);
    let row = w.get(&w.admin, key.clone()).await.unwrap();
    assert_eq!(
        (row["x_name"].as_str(), row["x_code"].as_str()),
        (Some("Two"), Some("K1"))
    );
    let only = WriteOp {
        kind: WriteKind::CreateOnly,
        ..upsert("Three")
    };
    assert_eq!(w.one(&w.admin, only).await.unwrap_err().status, 412);
    let missing = w
        .get(&w.admin, Key::Alternate(0, vec![s("K9")]))
        .await
        .unwrap_err();
    assert_eq!(
        (missing.status, missing.code),
        (404, codes::RECORD_NOT_FOUND_BY_ENTITY_KEY)
    );
    let wrong = w
        .get(&w.admin, Key::Alternate(9, vec![s("K9")]))
        .await
        .unwrap_err();
    assert_eq!(wrong.code, codes::ENTITY_KEY_NOT_DEFINED);
}

#[tokio::test]
async fn body_values_win_over_key_values_on_create_and_lose_on_update() {
    let w = world().await;
    let upsert = |code: &str| WriteOp {
        key: Key::Alternate(0, vec![s("K1")]),
        ..w.op(
            WriteKind::Upsert,
            Uuid::nil(),
            &[("x_name", s("N")), ("x_code", s(code))],
        )
    };
    let id = w.one(&w.admin, upsert("K2")).await.unwrap().id;
    assert_eq!(w.row(id).await.unwrap()["x_code"], "K2");
    let id = w.one(&w.admin, upsert("K1")).await.unwrap().id;
    w.one(&w.admin, upsert("K3")).await.unwrap();
    assert_eq!(w.row(id).await.unwrap()["x_code"], "K1");
}

#[tokio::test]
async fn required_columns_must_be_set_and_stay_set() {
    let w = world().await;
    let missing = w.create(&w.admin, &[]).await.unwrap_err();
    assert_eq!(missing.status, 400);
    assert!(missing.message.contains("x_name"));
    let id = w.create(&w.admin, &[("x_name", s("One"))]).await.unwrap();
    let cleared = w
        .update(&w.admin, id, Match::Any, &[("x_name", Cell::Null)])
        .await
        .unwrap_err();
    assert_eq!(cleared.status, 400);
}

#[tokio::test]
async fn the_owner_is_an_existing_user() {
    let w = world().await;
    let name = ("x_name", s("One"));
    let stranger = Cell::Id(Uuid::now_v7());
    let refused = w
        .create(&w.admin, &[name.clone(), ("ownerid", stranger.clone())])
        .await;
    assert_eq!(refused.unwrap_err().status, 400);
    let ann = Cell::Id(w.ann.user);
    let id = w.create(&w.admin, &[name, ("ownerid", ann)]).await.unwrap();
    assert_eq!(
        w.row(id).await.unwrap()["_ownerid_value"],
        w.ann.user.to_string()
    );
    let moved = w
        .update(&w.admin, id, Match::Any, &[("ownerid", stranger)])
        .await;
    assert_eq!(moved.unwrap_err().status, 400);
    let nobody = w
        .update(&w.admin, id, Match::Any, &[("ownerid", Cell::Null)])
        .await;
    assert_eq!(nobody.unwrap_err().status, 400);
}

#[tokio::test]
async fn users_are_disabled_rather_than_deleted() {
    let w = world().await;
    let op = WriteOp {
        table: std::sync::Arc::clone(w.store.schema().by_logical("systemuser").unwrap()),
        ..w.op(WriteKind::Delete(Match::Any), w.ann.user, &[])
    };
    assert_eq!(w.one(&w.admin, op).await.unwrap_err().status, 405);
}

#[tokio::test]
async fn a_write_answers_with_the_row_when_asked() {
    let w = world().await;
    let id = Uuid::now_v7();
    let op = WriteOp {
        returning: Some(Projection {
            columns: w.table().column("x_name").map(|c| vec![c]),
            ..Projection::default()
        }),
        ..w.op(WriteKind::Create, id, &[("x_name", s("One"))])
    };
    let written = w.one(&w.admin, op).await.unwrap();
    let row = String::from_utf8(written.row.unwrap()).unwrap();
    let version = written.version;
    assert_eq!(
        row,
        format!(r#"{{"@odata.etag":"W/\"{version}\"","x_name":"One","x_thingid":"{id}"}}"#)
    );
}

#[tokio::test]
async fn an_operation_on_definitions_that_changed_meanwhile_is_to_be_tried_again() {
    let w = world().await;
    let old = w.op(WriteKind::Create, Uuid::now_v7(), &[("x_name", s("One"))]);
    let change = SchemaChange::AddColumn {
        table: "x_thing".to_owned(),
        column: text("x_new"),
    };
    w.store.alter(&w.admin, change).await.unwrap();
    assert_eq!(w.one(&w.admin, old).await.unwrap_err().status, 503);
}

#[tokio::test]
async fn versions_rise_across_tables_deletions_and_restarts() {
    let mut w = world().await;
    let id = w.create(&w.admin, &[("x_name", s("One"))]).await.unwrap();
    w.delete(&w.admin, id, Match::Any).await.unwrap();
    let before = w.store.version();
    let World { store, dir, .. } = w;
    drop(store);
    w = World {
        store: Store::open(dir.path(), vec![things()]).unwrap(),
        dir,
        ..world().await
    };
    assert!(w.store.version() >= before);
    let root = principal(Uuid::nil(), Role::Admin);
    let user = w.store.ensure_user(&root, "ann@x").await.unwrap();
    let id = w
        .create(&principal(user, Role::Admin), &[("x_name", s("Two"))])
        .await
        .unwrap();
    assert!(w.row(id).await.unwrap()["versionnumber"].as_i64().unwrap() > before);
}
