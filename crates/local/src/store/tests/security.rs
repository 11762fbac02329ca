use shraga_wire::fault::{Fault, codes};
use uuid::Uuid;

use super::support::*;
use crate::ops::*;
use crate::store::*;

/// A thing of Ann's, of Bob's, and one of Bob's that the worker holds.
async fn three_things(w: &World) -> [Uuid; 3] {
    let claim = w.worker.worker.as_ref().unwrap().id;
    let thing = async |name: &str, owner: Uuid, worker: Cell| {
        let values = [
            ("x_name", s(name)),
            ("x_code", s(name)),
            ("x_status", Cell::Int(1)),
            ("ownerid", Cell::Id(owner)),
            ("x_worker", worker),
        ];
        w.create(&w.admin, &values).await.unwrap()
    };
    [
        thing("anns", w.ann.user, Cell::Null).await,
        thing("bobs", w.bob.user, Cell::Null).await,
        thing("held", w.bob.user, s(&claim.to_string())).await,
    ]
}

#[tokio::test]
async fn each_role_sees_its_rows_in_lists_and_counts_and_nothing_else() {
    let w = world().await;
    three_things(&w).await;
    for (who, sees) in [
        (&w.admin, vec!["anns", "bobs", "held"]),
        (&w.ann, vec!["anns"]),
        (&w.bob, vec!["bobs", "held"]),
        (&w.worker, vec!["held"]),
    ] {
        assert_eq!(w.names(who, "", "x_name").await, sees);
        let all = "x_name ne null or x_name eq null";
        assert_eq!(w.names(who, all, "x_name").await, sees);
        let op = ListOp {
            count: true,
            ..w.list(all, "")
        };
        assert_eq!(
            w.page(who, op.clone()).await.unwrap().count,
            Some(sees.len() as u64)
        );
        let count = w.ask(who, ReadOp::Count(op)).await.unwrap();
        assert_eq!(count, ReadAnswer::Count(sees.len() as u64));
    }
}

#[tokio::test]
async fn a_hidden_row_is_absent_to_every_kind_of_access() {
    let w = world().await;
    let [_, bobs, _] = three_things(&w).await;
    let ids = [
        w.row(bobs).await.unwrap()["versionnumber"]
            .as_i64()
            .unwrap(),
        1,
    ];
    let by_key = Key::Alternate(0, vec![s("bobs")]);
    for who in [&w.ann, &w.worker] {
        let get = w.get(who, Key::Id(bobs)).await.unwrap_err();
        assert_eq!((get.status, get.code), (404, codes::OBJECT_DOES_NOT_EXIST));
        let keyed = w.get(who, by_key.clone()).await.unwrap_err();
        assert_eq!(
            (keyed.status, keyed.code),
            (404, codes::RECORD_NOT_FOUND_BY_ENTITY_KEY)
        );
        for expected in [Match::Any, Match::Version(ids[0]), Match::Version(ids[1])] {
            let update = w
                .update(who, bobs, expected, &[("x_memo", s("mine"))])
                .await;
            assert_eq!(update.unwrap_err().status, 404);
            let delete = w.delete(who, bobs, expected).await;
            assert_eq!(delete.unwrap_err().status, 404);
        }
    }
    assert_eq!(
        w.row(bobs).await.unwrap()["x_memo"],
        serde_json::Value::Null
    );
}

#[tokio::test]
async fn colliding_with_a_hidden_row_tells_no_more_than_colliding_with_an_own_one() {
    let w = world().await;
    let [anns, bobs, _] = three_things(&w).await;
    let mut refusals: Vec<Fault> = Vec::new();
    for id in [anns, bobs] {
        for kind in [WriteKind::Create, WriteKind::CreateOnly] {
            let op = w.op(kind, id, &[("x_name", s("new"))]);
            refusals.push(w.one(&w.ann, op).await.unwrap_err());
        }
    }
    let upsert = w.op(WriteKind::Upsert, bobs, &[("x_name", s("new"))]);
    refusals.push(w.one(&w.ann, upsert).await.unwrap_err());
    for code in ["anns", "bobs"] {
        let values = [("x_name", s("new")), ("x_code", s(code))];
        refusals.push(w.create(&w.ann, &values).await.unwrap_err());
        let op = WriteOp {
            key: Key::Alternate(0, vec![s(code)]),
            ..w.op(WriteKind::CreateOnly, Uuid::nil(), &[("x_name", s("new"))])
        };
        refusals.push(w.one(&w.ann, op).await.unwrap_err());
    }
    let update = w
        .update(&w.ann, anns, Match::Any, &[("x_code", s("bobs"))])
        .await;
    refusals.push(update.unwrap_err());
    refusals.dedup();
    assert_eq!(refusals, [Fault::duplicate_record()]);
    assert_eq!(w.row(bobs).await.unwrap()["x_name"], "bobs");
}

#[tokio::test]
async fn only_writable_columns_and_values_may_be_set() {
    let w = world().await;
    let [anns, _, held] = three_things(&w).await;
    for (who, id, values, names) in [
        (&w.ann, anns, ("x_price", Cell::Real(1.0)), "x_price"),
        (&w.ann, anns, ("ownerid", Cell::Id(w.bob.user)), "ownerid"),
        (&w.ann, anns, ("x_status", Cell::Int(3)), "x_status"),
        (&w.ann, anns, ("x_status", Cell::Null), "x_status"),
        (&w.worker, held, ("x_name", s("stolen")), "x_name"),
    ] {
        let refused = w.update(who, id, Match::Any, &[values]).await.unwrap_err();
        assert_eq!(refused.status, 403);
        assert!(refused.message.contains(names), "{}", refused.message);
    }
    w.update(&w.ann, anns, Match::Any, &[("x_status", Cell::Int(2))])
        .await
        .unwrap();
    w.update(&w.worker, held, Match::Any, &[("x_memo", s("done"))])
        .await
        .unwrap();
    let foreign = w
        .create(
            &w.ann,
            &[("x_name", s("n")), ("ownerid", Cell::Id(w.ann.user))],
        )
        .await;
    assert_eq!(foreign.unwrap_err().status, 403);
}

#[tokio::test]
async fn what_a_row_may_become_is_checked_after_the_write_and_undone() {
    let w = world().await;
    let [anns, _, _] = three_things(&w).await;
    let on = [("x_on", Cell::Int(1))];
    let update = w.update(&w.ann, anns, Match::Any, &on).await.unwrap_err();
    assert_eq!(
        (update.status, update.code),
        (403, codes::INVALID_ACCESS_RIGHTS)
    );
    let create = w
        .create(&w.ann, &[("x_name", s("n")), on[0].clone()])
        .await
        .unwrap_err();
    assert_eq!(create.status, 403);
    assert_eq!(w.names(&w.ann, "", "").await, ["anns"]);
    assert_eq!(w.row(anns).await.unwrap()["x_on"], serde_json::Value::Null);
    // The same within a unit undoes what came before it.
    let ops = vec![
        w.op(WriteKind::Create, Uuid::now_v7(), &[("x_name", s("first"))]),
        w.op(WriteKind::Update(Match::Any), anns, &on),
    ];
    assert_eq!(w.unit(&w.ann, ops).await.unwrap_err().op, 1);
    assert_eq!(w.names(&w.ann, "", "").await, ["anns"]);
}

#[tokio::test]
async fn rows_outside_a_rule_are_seen_but_not_written() {
    let w = world().await;
    let [anns, _, _] = three_things(&w).await;
    w.update(&w.admin, anns, Match::Any, &[("x_status", Cell::Int(3))])
        .await
        .unwrap();
    assert_eq!(w.names(&w.ann, "", "").await, ["anns"]);
    let update = w
        .update(&w.ann, anns, Match::Any, &[("x_memo", s("x"))])
        .await
        .unwrap_err();
    assert_eq!((update.status, update.code), (403, codes::PRIVILEGE_DENIED));
    assert_eq!(
        w.delete(&w.ann, anns, Match::Any).await.unwrap_err().status,
        403
    );
    assert!(w.row(anns).await.is_some());
}

#[tokio::test]
async fn a_role_without_a_right_is_refused_what_it_sees() {
    let w = world().await;
    let [_, _, held] = three_things(&w).await;
    let create = w
        .create(&w.worker, &[("x_name", s("n"))])
        .await
        .unwrap_err();
    assert_eq!((create.status, create.code), (403, codes::PRIVILEGE_DENIED));
    assert_eq!(
        w.delete(&w.worker, held, Match::Any)
            .await
            .unwrap_err()
            .status,
        403
    );
    let upsert = w.op(WriteKind::Upsert, Uuid::now_v7(), &[("x_name", s("n"))]);
    assert_eq!(w.one(&w.worker, upsert).await.unwrap_err().status, 403);
}

#[tokio::test]
async fn a_write_that_hides_its_row_answers_without_it() {
    let w = world().await;
    let [_, _, held] = three_things(&w).await;
    let op = WriteOp {
        returning: Some(Projection::default()),
        ..w.op(
            WriteKind::Update(Match::Any),
            held,
            &[("x_worker", Cell::Null)],
        )
    };
    assert_eq!(w.one(&w.worker, op).await.unwrap().row, None);
    assert!(w.names(&w.worker, "", "").await.is_empty());
}

#[tokio::test]
async fn definitions_tokens_users_and_deltas_are_for_admins() {
    let w = world().await;
    let delta = || {
        ReadOp::Delta(DeltaOp {
            table: w.table(),
            projection: Projection::default(),
            since: w.store.version(),
            limit: 10,
        })
    };
    let request = || TokenRequest {
        user: "eve@x".to_owned(),
        role: Role::Admin,
        worker: None,
        pool: None,
        slots: None,
        labels: None,
    };
    for who in [&w.ann, &w.worker] {
        let drop = SchemaChange::DropTable {
            table: "x_thing".to_owned(),
        };
        assert_eq!(w.store.alter(who, drop).await.unwrap_err().status, 403);
        assert_eq!(
            w.store
                .create_token(who, request())
                .await
                .err()
                .unwrap()
                .status,
            403
        );
        assert_eq!(w.store.list_tokens(who).await.unwrap_err().status, 403);
        assert_eq!(
            w.store
                .revoke_token(who, Uuid::nil())
                .await
                .unwrap_err()
                .status,
            403
        );
        assert_eq!(
            w.store.ensure_user(who, "eve@x").await.unwrap_err().status,
            403
        );
        assert_eq!(w.ask(who, delta()).await.unwrap_err().status, 403);
    }
    assert!(w.ask(&w.admin, delta()).await.is_ok());
}

#[tokio::test]
async fn a_filter_cannot_name_the_callers_facts() {
    let w = world().await;
    three_things(&w).await;
    // An unassigned alias is null, even if an access rule knows one of that name.
    assert!(
        w.names(&w.ann, "_ownerid_value eq @me", "")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn the_values_of_a_key_are_written_only_by_who_may_set_their_columns() {
    let w = world().await;
    let by_price = WriteOp {
        key: Key::Alternate(2, vec![Cell::Real(1.0)]),
        ..w.op(WriteKind::Upsert, Uuid::nil(), &[("x_name", s("n"))])
    };
    let refused = w.one(&w.ann, by_price.clone()).await.unwrap_err();
    assert_eq!(refused.status, 403);
    assert!(refused.message.contains("x_price"));
    assert!(w.one(&w.admin, by_price).await.unwrap().created);
    let by_code = WriteOp {
        key: Key::Alternate(0, vec![s("c")]),
        ..w.op(WriteKind::Upsert, Uuid::nil(), &[("x_name", s("n"))])
    };
    assert!(w.one(&w.ann, by_code).await.unwrap().created);
}
