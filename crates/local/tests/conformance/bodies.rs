//! Bodies that are refused, and why.

use serde_json::{Value, json};

use crate::support::{Reply, World};

async fn refused(world: &World, body: Value) -> Reply {
    let reply = world.admin().post("new_things", body).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    reply
}

#[tokio::test]
async fn an_unknown_column_is_named_with_the_nearest_known_one() {
    let world = World::new().await;
    let reply = refused(&world, json!({"new_nmae": "a"})).await;
    assert_eq!(reply.code(), "0x80048d19");
    assert!(
        reply
            .message()
            .contains("The property 'new_nmae' does not exist on type")
    );
    assert!(reply.message().contains("Did you mean 'new_name'?"));
}

#[tokio::test]
async fn a_text_too_long_is_refused_by_its_length() {
    let world = World::new().await;
    let reply = refused(&world, json!({"new_name": "x".repeat(21)})).await;
    assert_eq!(reply.code(), "0x80044331");
    assert!(reply.message().contains("'new_name'") && reply.message().contains("'20'"));
    // Twenty UTF-16 units fit, whatever their number of bytes.
    world
        .admin()
        .create("new_things", json!({"new_name": "😀".repeat(10)}))
        .await;
    refused(&world, json!({"new_name": "😀".repeat(11)})).await;
}

#[tokio::test]
async fn a_choice_takes_its_options_as_numbers_only() {
    let world = World::new().await;
    let reply = refused(&world, json!({"new_kind": 4})).await;
    assert_eq!(reply.code(), "0x8004431a");
    assert!(
        reply.message().ends_with("Accepted Values: 1,2,3"),
        "{}",
        reply.message()
    );
    refused(&world, json!({"new_kind": "2"})).await;
    refused(&world, json!({"new_kind": "Open"})).await;
}

#[tokio::test]
async fn values_of_the_wrong_kind_are_refused() {
    let world = World::new().await;
    for body in [
        json!({"new_name": 1}),
        json!({"new_count": 501}),
        json!({"new_count": 1.5}),
        json!({"new_count": "1"}),
        json!({"new_on": "true"}),
        json!({"new_on": 1}),
        json!({"new_when": "soon"}),
        json!({"new_ref": "12"}),
        json!({"new_price": 1e300}),
        json!({"new_price": "1"}),
        json!({"new_name": "a\u{0}b"}),
        json!({"new_thingid": "x"}),
        json!({"new_Parent": {"new_name": "deep"}}),
        json!({"new_name": ["a"]}),
        json!({"_new_parent_value": "0193f0a1-b2c3-7d4e-8f90-112233445566"}),
        json!({"@odata.type": "Microsoft.Dynamics.CRM.account"}),
    ] {
        refused(&world, body).await;
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let world = World::new().await;
    for body in [
        "",
        "{",
        "[]",
        "\"a\"",
        "{\"new_name\":}",
        "{} trailing",
        "\u{feff}",
    ] {
        let reply = world.admin().send("POST", "new_things", &[], body).await;
        assert_eq!(reply.refusal(), (400, "0x80048d19".to_owned()), "{body}");
    }
    let headers = [("Content-Type", "application/octet-stream")];
    let reply = world
        .admin()
        .send("POST", "new_things", &headers, "abc")
        .await;
    assert_eq!(reply.status, 415);
}

#[tokio::test]
async fn a_refused_body_changes_nothing() {
    let world = World::new().await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a"}))
        .await;
    let path = format!("new_things({id})");
    let before = world.admin().get(&path).await.header("etag").to_owned();
    let body = json!({"new_name": "b", "new_kind": 9});
    assert_eq!(world.admin().patch(&path, &[], body).await.status, 400);
    assert_eq!(world.admin().get(&path).await.header("etag"), before);
}

#[tokio::test]
async fn the_identity_in_a_body_must_be_that_of_the_address() {
    let world = World::new().await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a"}))
        .await;
    let path = format!("new_things({id})");
    let same = world
        .admin()
        .patch(&path, &[], json!({"new_thingid": id}))
        .await;
    assert_eq!(same.status, 204);
    let other = json!({"new_thingid": "0193f0a1-b2c3-7d4e-8f90-112233445566"});
    assert_eq!(world.admin().patch(&path, &[], other).await.status, 400);
}

#[tokio::test]
async fn a_row_can_be_sent_back_as_it_was_read() {
    let world = World::new().await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a"}))
        .await;
    let path = format!("new_things({id})");
    let mut row = world.admin().get(&path).await.json();
    let lookups = [
        "_ownerid_value",
        "_createdby_value",
        "_modifiedby_value",
        "_new_parent_value",
    ];
    let fields = row.as_object_mut().unwrap();
    for name in lookups {
        fields.remove(name);
    }
    fields.insert("new_name".to_owned(), json!("b"));
    let reply = world.admin().patch(&path, &[("If-Match", "*")], row).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
}
