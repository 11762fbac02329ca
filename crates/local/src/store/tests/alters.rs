use shraga_wire::fault::codes;
use shraga_wire::schema::{ColumnDef, ColumnKind, Grant, IndexDef, TableDef};
use uuid::Uuid;

use super::support::*;
use crate::ops::*;
use crate::store::*;

fn table(name: &str) -> String {
    name.to_owned()
}

fn other() -> TableDef {
    TableDef {
        logical: "x_other".to_owned(),
        set: "x_others".to_owned(),
        primary_id: "x_otherid".to_owned(),
        indexes: Vec::new(),
        ..things()
    }
}

#[tokio::test]
async fn a_table_is_added_used_and_dropped() {
    let w = world().await;
    let schema = w
        .store
        .alter(&w.admin, SchemaChange::CreateTable(other()))
        .await
        .unwrap();
    let table = schema.by_set("x_others").unwrap();
    let op = WriteOp {
        table: std::sync::Arc::clone(table),
        ..w.op(WriteKind::Create, Uuid::now_v7(), &[("x_name", s("One"))])
    };
    w.one(&w.admin, op.clone()).await.unwrap();
    let again = w
        .store
        .alter(&w.admin, SchemaChange::CreateTable(other()))
        .await
        .unwrap_err();
    assert_eq!(again.status, 400);
    let drop = SchemaChange::DropTable {
        table: table.def.logical.clone(),
    };
    let schema = w.store.alter(&w.admin, drop.clone()).await.unwrap();
    assert!(schema.by_set("x_others").is_none());
    assert_eq!(
        w.store.alter(&w.admin, drop).await.unwrap_err().code,
        codes::NO_ENTITY
    );
    assert_eq!(w.one(&w.admin, op).await.unwrap_err().status, 503);
}

#[tokio::test]
async fn several_tables_come_all_or_not_at_all() {
    let w = world().await;
    let both = SchemaChange::CreateTables(vec![other(), things()]);
    assert_eq!(w.store.alter(&w.admin, both).await.unwrap_err().status, 400);
    assert!(w.store.schema().by_logical("x_other").is_none());
    let alone = SchemaChange::CreateTables(vec![other()]);
    w.store.alter(&w.admin, alone).await.unwrap();
}

#[tokio::test]
async fn definitions_that_make_no_sense_are_refused() {
    let w = world().await;
    let bad_rule = || {
        let mut def = other();
        def.access.user.read = Some("x_nothing eq @me".to_owned());
        def
    };
    for def in [
        TableDef {
            logical: "X_Other".to_owned(),
            ..other()
        },
        TableDef {
            logical: "t\"; drop table t_x_thing; --".to_owned(),
            ..other()
        },
        TableDef {
            set: "x others".to_owned(),
            ..other()
        },
        TableDef {
            set: "x_things".to_owned(),
            ..other()
        },
        TableDef {
            wake: vec!["x_nothing".to_owned()],
            ..other()
        },
        TableDef {
            primary_name: "x_nothing".to_owned(),
            ..other()
        },
        TableDef {
            columns: vec![text("x_name"), text("x_name")],
            ..other()
        },
        TableDef {
            columns: vec![text("x_name"), text("rowid")],
            ..other()
        },
        TableDef {
            columns: vec![text("x_name"), text("createdon")],
            ..other()
        },
        TableDef {
            keys: vec![key("x_k", &["x_memo"])],
            ..other()
        },
        TableDef {
            keys: vec![key("x_k", &[])],
            ..other()
        },
        bad_rule(),
    ] {
        let refused = w
            .store
            .alter(&w.admin, SchemaChange::CreateTable(def))
            .await
            .unwrap_err();
        assert_eq!(refused.status, 400, "{refused}");
    }
}

#[tokio::test]
async fn a_column_is_added_widened_and_dropped_while_rows_stay() {
    let w = world().await;
    let id = w.create(&w.admin, &[("x_name", s("One"))]).await.unwrap();
    let add = |column: ColumnDef| SchemaChange::AddColumn {
        table: table("x_thing"),
        column,
    };
    w.store.alter(&w.admin, add(text("x_new"))).await.unwrap();
    let twice = w
        .store
        .alter(&w.admin, add(text("x_new")))
        .await
        .unwrap_err();
    assert_eq!(twice.code, codes::DUPLICATE_ATTRIBUTE_SCHEMA_NAME);
    w.update(&w.admin, id, Match::Any, &[("x_new", s("value"))])
        .await
        .unwrap();
    assert_eq!(w.row(id).await.unwrap()["x_new"], "value");
    let change = |kind| SchemaChange::UpdateColumn {
        table: table("x_thing"),
        column: column("x_new", kind),
    };
    w.store
        .alter(&w.admin, change(ColumnKind::Text { max: 200 }))
        .await
        .unwrap();
    let other_kind = w
        .store
        .alter(&w.admin, change(ColumnKind::BigInt))
        .await
        .unwrap_err();
    assert_eq!(other_kind.status, 400);
    let drop = |column: &str| SchemaChange::DropColumn {
        table: table("x_thing"),
        column: column.to_owned(),
    };
    w.store.alter(&w.admin, drop("x_new")).await.unwrap();
    assert!(w.row(id).await.unwrap().get("x_new").is_none());
    for (used, status) in [
        ("x_code", 400),
        ("x_name", 400),
        ("x_status", 400),
        ("createdon", 404),
    ] {
        assert_eq!(
            w.store
                .alter(&w.admin, drop(used))
                .await
                .unwrap_err()
                .status,
            status,
            "{used}"
        );
    }
    assert_eq!(w.row(id).await.unwrap()["x_name"], "One");
}

#[tokio::test]
async fn a_key_is_refused_while_rows_contradict_it_and_enforced_afterwards() {
    let w = world().await;
    let named = [("x_name", s("Same"))];
    w.create(&w.admin, &named).await.unwrap();
    let second = w.create(&w.admin, &named).await.unwrap();
    let add = || SchemaChange::AddKey {
        table: table("x_thing"),
        key: key("x_byname", &["x_name"]),
    };
    let refused = w.store.alter(&w.admin, add()).await.unwrap_err();
    assert_eq!(
        (refused.status, refused.code),
        (400, codes::DUPLICATE_RECORD_ENTITY_KEY)
    );
    w.delete(&w.admin, second, Match::Any).await.unwrap();
    w.store.alter(&w.admin, add()).await.unwrap();
    let twice = w.store.alter(&w.admin, add()).await.unwrap_err();
    assert_eq!(twice.code, codes::ENTITY_KEY_NAME_EXISTS);
    let again = w.create(&w.admin, &named).await.unwrap_err();
    assert_eq!(again.code, codes::DUPLICATE_RECORD_ENTITY_KEY);
    let drop = SchemaChange::DropKey {
        table: table("x_thing"),
        key: "x_byname".to_owned(),
    };
    w.store.alter(&w.admin, drop.clone()).await.unwrap();
    assert_eq!(w.store.alter(&w.admin, drop).await.unwrap_err().status, 404);
    w.create(&w.admin, &named).await.unwrap();
}

#[tokio::test]
async fn the_table_of_users_is_built_in() {
    let w = world().await;
    let drop = SchemaChange::DropTable {
        table: table("systemuser"),
    };
    assert_eq!(w.store.alter(&w.admin, drop).await.unwrap_err().status, 400);
}

#[tokio::test]
async fn a_newer_program_brings_stored_tables_up_to_date_and_keeps_what_admins_added() {
    let w = world().await;
    let anns = [("x_name", s("One")), ("ownerid", Cell::Id(w.ann.user))];
    let id = w.create(&w.admin, &anns).await.unwrap();
    let own = SchemaChange::AddColumn {
        table: table("x_thing"),
        column: text("x_own"),
    };
    w.store.alter(&w.admin, own).await.unwrap();
    let mut newer = things();
    newer.columns.push(text("x_newer"));
    newer.access.user = Grant::default();
    newer.indexes = vec![IndexDef {
        columns: vec!["x_newer".to_owned()],
        rows: None,
    }];
    let World {
        store,
        dir,
        admin,
        ann,
        worker,
        bob,
        clock,
    } = w;
    drop(store);
    let store = Store::open_with(dir.path(), vec![newer], clock.clone()).unwrap();
    let w = World {
        store,
        dir,
        admin,
        ann,
        worker,
        bob,
        clock,
    };
    let row = w.row(id).await.unwrap();
    assert!(row.get("x_own").is_some() && row.get("x_newer").is_some());
    assert!(w.names(&w.ann, "", "").await.is_empty());
}
