//! Alternate keys.

use serde_json::json;

use crate::support::{ROOT, World};

const KEY: &str = "new_things(new_code='x',new_count=1)";

#[tokio::test]
async fn a_patch_by_key_creates_then_updates_and_echoes_the_key() {
    let world = World::new().await;
    for name in ["first", "second"] {
        let reply = world
            .admin()
            .patch(KEY, &[], json!({"new_name": name}))
            .await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        assert_eq!(reply.header("odata-entityid"), format!("{ROOT}{KEY}"));
    }
    let row = world.admin().get(KEY).await.json();
    assert_eq!(
        (&row["new_name"], &row["new_code"]),
        (&json!("second"), &json!("x"))
    );
    assert_eq!(world.admin().get("new_things/$count").await.text(), "1");
    let turned = world
        .admin()
        .get("new_things(new_count=1,new_code='X')")
        .await;
    assert_eq!(
        turned.status, 200,
        "order and case of key values don't matter"
    );
}

#[tokio::test]
async fn the_identity_may_come_with_a_create_by_key() {
    let world = World::new().await;
    let id = "0193f0a1-b2c3-7d4e-8f90-112233445566";
    let reply = world
        .admin()
        .patch(KEY, &[], json!({"new_thingid": id}))
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(world.admin().get(KEY).await.json()["new_thingid"], id);
}

#[tokio::test]
async fn a_miss_by_key_has_its_own_code() {
    let world = World::new().await;
    assert_eq!(
        world.admin().get(KEY).await.refusal(),
        (404, "0x80060891".to_owned())
    );
    let update = world
        .admin()
        .patch(KEY, &[("If-Match", "*")], json!({}))
        .await;
    assert_eq!(update.refusal(), (404, "0x80060891".to_owned()));
    assert_eq!(world.admin().delete(KEY).await.status, 404);
}

#[tokio::test]
async fn key_values_are_unique() {
    let world = World::new().await;
    let body = || json!({"new_code": "x", "new_count": 1});
    world.admin().create("new_things", body()).await;
    let again = world.admin().post("new_things", body()).await;
    assert_eq!(again.refusal(), (412, "0x80060892".to_owned()));
    let only = world
        .admin()
        .patch(KEY, &[("If-None-Match", "*")], json!({}))
        .await;
    assert_eq!(only.status, 412);
}

#[tokio::test]
async fn columns_that_are_no_key_are_refused_with_those_that_are() {
    let world = World::new().await;
    for path in [
        "new_things(new_name='a')",
        "new_things(new_code='x')",
        "new_things(nope=1)",
    ] {
        let reply = world.admin().get(path).await;
        assert_eq!(reply.refusal(), (400, "0x80060890".to_owned()), "{path}");
        assert!(
            reply.message().contains("(new_code, new_count)"),
            "{}",
            reply.message()
        );
    }
    let unquoted = world
        .admin()
        .get("new_things(new_code=x,new_count=1)")
        .await;
    assert_eq!(unquoted.status, 400);
    let quoted = world
        .admin()
        .get("new_things(new_code='x',new_count='1')")
        .await;
    assert_eq!(quoted.status, 400);
}
