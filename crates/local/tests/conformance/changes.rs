//! Change tracking: delta links, deletions, expiry, who may.

use serde_json::{Value, json};

use crate::support::{ROOT, Reply, World};

const TRACK: [(&str, &str); 1] = [("Prefer", "odata.track-changes")];

fn delta_link(reply: &Reply) -> String {
    reply.json()["@odata.deltaLink"]
        .as_str()
        .unwrap_or_else(|| panic!("{reply:?}"))
        .to_owned()
}

#[tokio::test]
async fn a_delta_link_tells_changes_and_deletions_since() {
    let world = World::new().await;
    let admin = world.admin();
    let stays = admin
        .create("new_things", json!({"new_name": "stays"}))
        .await;
    let goes = admin
        .create("new_things", json!({"new_name": "goes"}))
        .await;
    let all = admin.get_with("new_things?$select=new_name", &TRACK).await;
    assert_eq!(all.header("preference-applied"), "odata.track-changes");
    assert_eq!(all.column("new_name").len(), 2);
    let link = delta_link(&all);
    assert!(link.contains("$deltatoken="), "{link}");
    assert_eq!(admin.get(&link).await.json()["value"], json!([]));

    admin
        .patch(
            &format!("new_things({stays})"),
            &[],
            json!({"new_name": "changed"}),
        )
        .await;
    admin.delete(&format!("new_things({goes})")).await;
    admin.create("new_things", json!({"new_name": "new"})).await;
    let delta = admin.get(&link).await;
    let body = delta.json();
    assert_eq!(
        body["@odata.context"],
        format!("{ROOT}$metadata#new_things(new_name)/$delta")
    );
    let rows = body["value"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "{body}");
    assert_eq!(
        (&rows[0]["new_name"], &rows[1]["new_name"]),
        (&json!("changed"), &json!("new"))
    );
    assert_eq!(
        rows[2],
        json!({
            "@odata.context": format!("{ROOT}$metadata#new_things/$deletedEntity"),
            "id": goes, "reason": "deleted",
        })
    );
    let (_, token) = link.split_once("$deltatoken=").unwrap();
    let count = admin
        .get(&format!("new_things/$count?$deltatoken={token}"))
        .await;
    assert_eq!(count.text(), "3");
    assert_eq!(
        admin.get(&delta_link(&delta)).await.json()["value"],
        json!([])
    );
}

#[tokio::test]
async fn the_delta_link_is_on_the_last_page_and_misses_nothing_in_between() {
    let world = World::new().await;
    let admin = world.admin();
    for name in ["a", "b", "c"] {
        admin.create("new_things", json!({"new_name": name})).await;
    }
    let headers = [("Prefer", "odata.track-changes,odata.maxpagesize=2")];
    let first = admin.get_with("new_things", &headers).await;
    assert!(first.json().get("@odata.deltaLink").is_none());
    let next = first.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    let id = first.column("new_thingid")[0].as_str().unwrap().to_owned();
    admin
        .patch(
            &format!("new_things({id})"),
            &[],
            json!({"new_name": "late"}),
        )
        .await;
    let last = admin.get_with(&next, &headers).await;
    let delta = admin.get(&delta_link(&last)).await;
    assert_eq!(delta.column("new_name"), [json!("late")]);
}

#[tokio::test]
async fn many_changes_come_in_pages() {
    let world = World::new().await;
    let admin = world.admin();
    let link = delta_link(&admin.get_with("new_things", &TRACK).await);
    for name in ["a", "b", "c", "d", "e"] {
        admin.create("new_things", json!({"new_name": name})).await;
    }
    let two = [("Prefer", "odata.maxpagesize=2")];
    let mut reply = admin.get_with(&link, &two).await;
    let mut seen: Vec<Value> = reply.column("new_name");
    while let Some(next) = reply.json()["@odata.nextLink"].as_str() {
        reply = admin.get_with(next, &two).await;
        seen.extend(reply.column("new_name"));
    }
    assert_eq!(json!(seen), json!(["a", "b", "c", "d", "e"]));
    delta_link(&reply);
}

#[tokio::test]
async fn what_cannot_be_tracked_is_refused_by_name() {
    let world = World::new().await;
    for option in ["$filter=new_count+eq+1", "$orderby=new_name", "$top=1"] {
        let reply = world
            .admin()
            .get_with(&format!("new_things?{option}"), &TRACK)
            .await;
        assert_eq!(reply.status, 400, "{option}");
        let name = option.split_once('=').unwrap().0;
        assert!(reply.message().contains(name), "{}", reply.message());
    }
    let reply = world.admin().get_with("systemusers", &TRACK).await;
    assert_eq!(reply.refusal(), (400, "0x80072491".to_owned()));
    for who in [&world.ann, &world.worker] {
        assert_eq!(
            world.by(who).get_with("new_things", &TRACK).await.status,
            403
        );
        assert_eq!(
            world.by(who).get("new_things?$deltatoken=0!x").await.status,
            403
        );
        assert_eq!(
            world
                .by(who)
                .get("new_things/$count?$deltatoken=0!x")
                .await
                .status,
            403
        );
    }
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_refused() {
    let world = World::new().await;
    for token in ["x", "-1!x", ""] {
        let reply = world
            .admin()
            .get(&format!("new_things?$deltatoken={token}"))
            .await;
        assert_eq!(reply.status, 400, "{token}");
    }
    let future = world
        .admin()
        .get("new_things?$deltatoken=999999999!x")
        .await;
    assert_eq!(future.refusal(), (400, "0x80044352".to_owned()));
}
