//! `CreateMultiple`, `UpdateMultiple`, `UpsertMultiple` and `BulkDelete`.

use serde_json::{Value, json};

use crate::support::{Reply, World};

const TYPE: &str = "Microsoft.Dynamics.CRM.new_thing";

async fn bulk(world: &World, message: &str, targets: Value) -> Reply {
    let path = format!("new_things/Microsoft.Dynamics.CRM.{message}");
    world.admin().post(&path, json!({"Targets": targets})).await
}

#[tokio::test]
async fn create_multiple_tells_the_identities_in_order() {
    let world = World::new().await;
    let targets = json!([
        {"@odata.type": TYPE, "new_name": "a"},
        {"@odata.type": format!("#{TYPE}"), "new_name": "b"},
    ]);
    let reply = bulk(&world, "CreateMultiple", targets).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let ids = reply.json()["Ids"].clone();
    for (at, name) in ["a", "b"].into_iter().enumerate() {
        let path = format!("new_things({})", ids[at].as_str().unwrap());
        assert_eq!(world.admin().get(&path).await.json()["new_name"], name);
    }
}

#[tokio::test]
async fn one_bad_target_undoes_all_and_is_named() {
    let world = World::new().await;
    for bad in [
        json!({"@odata.type": TYPE, "new_kind": 9}),
        json!({"new_name": "b"}),
    ] {
        let targets = json!([{"@odata.type": TYPE, "new_name": "a"}, bad]);
        let reply = bulk(&world, "CreateMultiple", targets).await;
        assert_eq!(reply.status, 400);
        assert!(
            reply.message().starts_with("Targets[1]: "),
            "{}",
            reply.message()
        );
    }
    let id = world.admin().create("new_things", json!({})).await;
    let gone = "0193f0a1-b2c3-7d4e-8f90-112233445566";
    let targets = json!([
        {"@odata.type": TYPE, "new_thingid": id, "new_name": "changed"},
        {"@odata.type": TYPE, "new_thingid": gone, "new_name": "b"},
    ]);
    assert_eq!(bulk(&world, "UpdateMultiple", targets).await.status, 404);
    let row = world.admin().get(&format!("new_things({id})")).await.json();
    assert_eq!(row["new_name"], Value::Null);
}

#[tokio::test]
async fn update_multiple_needs_identities() {
    let world = World::new().await;
    let id = world.admin().create("new_things", json!({})).await;
    let targets = json!([{"@odata.type": TYPE, "new_thingid": id, "new_name": "b"}]);
    assert_eq!(bulk(&world, "UpdateMultiple", targets).await.status, 204);
    let without = json!([{"@odata.type": TYPE, "new_name": "b"}]);
    assert_eq!(bulk(&world, "UpdateMultiple", without).await.status, 400);
}

#[tokio::test]
async fn upsert_multiple_goes_by_alternate_key() {
    let world = World::new().await;
    let targets = |name: &str| {
        json!([{
            "@odata.type": TYPE,
            "@odata.id": "new_things(new_code='x',new_count=1)",
            "new_name": name,
        }])
    };
    for name in ["first", "second"] {
        assert_eq!(
            bulk(&world, "UpsertMultiple", targets(name)).await.status,
            204
        );
    }
    let rows = world.admin().get("new_things").await;
    assert_eq!(rows.column("new_name"), ["second"]);
    assert_eq!(rows.column("new_code"), ["x"]);
}

#[tokio::test]
async fn a_bulk_message_holds_one_to_a_thousand_rows() {
    let world = World::new().await;
    assert_eq!(bulk(&world, "CreateMultiple", json!([])).await.status, 400);
    let many = vec![json!({"@odata.type": TYPE}); 1001];
    assert_eq!(
        bulk(&world, "CreateMultiple", json!(many)).await.status,
        400
    );
}

#[tokio::test]
async fn bulk_delete_takes_a_list_of_identities_only() {
    let world = World::new().await;
    let keep = world
        .admin()
        .create("new_things", json!({"new_name": "keep"}))
        .await;
    let gone = world
        .admin()
        .create("new_things", json!({"new_name": "gone"}))
        .await;
    let query = |attribute: &str| {
        json!({"JobName": "x", "QuerySet": [{
            "@odata.type": "Microsoft.Dynamics.CRM.QueryExpression",
            "EntityName": "new_thing",
            "Criteria": {"FilterOperator": "And", "Conditions": [{
                "AttributeName": attribute, "Operator": "In",
                "Values": [{"Value": gone, "Type": "System.Guid"}],
            }]},
        }]})
    };
    let refused = world.admin().post("BulkDelete", query("new_ref")).await;
    assert_eq!(refused.status, 501);
    let done = world.admin().post("BulkDelete", query("new_thingid")).await;
    assert_eq!(done.status, 200);
    assert!(done.json()["JobId"].is_string());
    assert_eq!(
        world
            .admin()
            .get(&format!("new_things({gone})"))
            .await
            .status,
        404
    );
    assert_eq!(
        world
            .admin()
            .get(&format!("new_things({keep})"))
            .await
            .status,
        200
    );
}
