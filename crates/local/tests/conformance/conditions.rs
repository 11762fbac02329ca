//! `If-Match` and `If-None-Match`.

use serde_json::json;

use crate::support::{Client, Reply, World};

const ID: &str = "0193f0a1-b2c3-7d4e-8f90-112233445566";

async fn thing(client: &Client) -> (String, String) {
    let reply = client.post("new_things", json!({"new_name": "a"})).await;
    (
        format!("new_things({})", reply.id()),
        reply.header("etag").to_owned(),
    )
}

async fn patch_if(client: &Client, path: &str, header: &str, tag: &str) -> Reply {
    client
        .patch(path, &[(header, tag)], json!({"new_name": "b"}))
        .await
}

#[tokio::test]
async fn a_patch_with_the_current_version_succeeds_and_makes_a_new_one() {
    let world = World::new().await;
    let (path, tag) = thing(&world.admin()).await;
    let reply = patch_if(&world.admin(), &path, "If-Match", &tag).await;
    assert_eq!(reply.status, 204);
    assert_ne!(reply.header("etag"), tag);
    let stale = patch_if(&world.admin(), &path, "If-Match", &tag).await;
    assert_eq!(stale.refusal(), (412, "0x80060882".to_owned()));
    assert_eq!(
        stale.message(),
        "The version of the existing record doesn't match the RowVersion property provided."
    );
}

#[tokio::test]
async fn a_delete_with_a_stale_version_deletes_nothing() {
    let world = World::new().await;
    let (path, tag) = thing(&world.admin()).await;
    patch_if(&world.admin(), &path, "If-Match", "*").await;
    let stale = world
        .admin()
        .send("DELETE", &path, &[("If-Match", &tag)], "")
        .await;
    assert_eq!(stale.refusal(), (412, "0x80060882".to_owned()));
    assert_eq!(world.admin().get(&path).await.status, 200);
    assert_eq!(
        world
            .admin()
            .send("DELETE", &path, &[("If-Match", "*")], "")
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn if_match_star_updates_only() {
    let world = World::new().await;
    let path = format!("new_things({ID})");
    let missing = patch_if(&world.admin(), &path, "If-Match", "*").await;
    assert_eq!(missing.refusal(), (404, "0x80040217".to_owned()));
    assert_eq!(world.admin().get(&path).await.status, 404);
    let (path, _) = thing(&world.admin()).await;
    assert_eq!(
        patch_if(&world.admin(), &path, "If-Match", "*")
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn if_none_match_star_creates_only() {
    let world = World::new().await;
    let path = format!("new_things({ID})");
    let created = patch_if(&world.admin(), &path, "If-None-Match", "*").await;
    assert_eq!(created.status, 204);
    assert!(created.header("odata-entityid").ends_with(&path));
    let conflict = patch_if(&world.admin(), &path, "If-None-Match", "*").await;
    assert_eq!(conflict.status, 412);
    assert_eq!(
        conflict.message(),
        "A record with matching key values already exists."
    );
}

#[tokio::test]
async fn the_literal_null_is_no_condition() {
    let world = World::new().await;
    let (path, _) = thing(&world.admin()).await;
    assert_eq!(
        patch_if(&world.admin(), &path, "If-None-Match", "null")
            .await
            .status,
        204
    );
    let get = world
        .admin()
        .get_with(&path, &[("If-None-Match", "null")])
        .await;
    assert_eq!(get.status, 200);
}

#[tokio::test]
async fn an_unchanged_row_is_304_for_who_has_it() {
    let world = World::new().await;
    let (path, tag) = thing(&world.admin()).await;
    let has = [("If-None-Match", tag.as_str())];
    let reply = world.admin().get_with(&path, &has).await;
    assert_eq!((reply.status, reply.header("etag")), (304, tag.as_str()));
    assert!(reply.body.is_empty());
    let annotated = [has[0], ("Prefer", "odata.include-annotations=\"*\"")];
    assert_eq!(world.admin().get_with(&path, &annotated).await.status, 200);
    patch_if(&world.admin(), &path, "If-Match", "*").await;
    assert_eq!(world.admin().get_with(&path, &has).await.status, 200);
}

#[tokio::test]
async fn a_tag_of_another_server_matches_nothing_and_nonsense_is_refused() {
    let world = World::new().await;
    let (path, _) = thing(&world.admin()).await;
    let foreign = patch_if(&world.admin(), &path, "If-Match", "\"abc\"").await;
    assert_eq!(foreign.status, 412);
    assert_eq!(
        patch_if(&world.admin(), &path, "If-Match", "12")
            .await
            .status,
        400
    );
    let both = [("If-Match", "*"), ("If-None-Match", "*")];
    assert_eq!(
        world.admin().patch(&path, &both, json!({})).await.status,
        400
    );
}

#[tokio::test]
async fn single_properties_obey_conditions_too() {
    let world = World::new().await;
    let (path, tag) = thing(&world.admin()).await;
    patch_if(&world.admin(), &path, "If-Match", "*").await;
    let body = json!({"value": "c"}).to_string();
    let property = format!("{path}/new_name");
    let stale = world
        .admin()
        .send("PUT", &property, &[("If-Match", &tag)], body)
        .await;
    assert_eq!(stale.status, 412);
}
