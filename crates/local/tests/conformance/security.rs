//! Who sees and changes what: the same through every door.

use serde_json::json;
use shraga_local::ops::Role;

use crate::support::{World, principal};

#[tokio::test]
async fn a_row_of_somebody_else_does_not_exist_through_any_door() {
    let world = World::new().await;
    let id = world
        .by(&world.bob)
        .create(
            "new_things",
            json!({
                "new_name": "secret", "new_code": "x", "new_count": 1,
            }),
        )
        .await;
    let ann = world.by(&world.ann);
    let by_id = format!("new_things({id})");
    let words = format!("new_thing With Id = {id} Does Not Exist");
    for (method, path, body) in [
        ("GET", by_id.clone(), ""),
        ("GET", format!("{by_id}/new_name"), ""),
        ("PATCH", by_id.clone(), "{\"new_name\":\"x\"}"),
        ("DELETE", by_id.clone(), ""),
        ("PUT", format!("{by_id}/new_name"), "{\"value\":\"x\"}"),
        ("DELETE", format!("{by_id}/new_name"), ""),
    ] {
        let reply = ann.send(method, &path, &[("If-Match", "*")], body).await;
        assert_eq!(
            (reply.status, reply.message()),
            (404, words.clone()),
            "{method} {path}"
        );
    }
    let by_key = ann.get("new_things(new_code='x',new_count=1)").await;
    assert_eq!(by_key.status, 404);
    assert_eq!(ann.get("new_things").await.column("new_name").len(), 0);
    assert_eq!(ann.get("new_things/$count").await.text(), "0");
    let probe = ann
        .get("new_things?$filter=startswith(new_name,'s')&$count=true")
        .await
        .json();
    assert_eq!(probe["@odata.count"], 0);
    let get = format!("GET {by_id} HTTP/1.1\n\n");
    assert_eq!(ann.batch(&[], &[&get]).await.parts(), [404]);
    assert_eq!(
        world.by(&world.bob).get(&by_id).await.json()["new_name"],
        "secret"
    );
}

#[tokio::test]
async fn a_collision_with_a_hidden_row_says_no_more_than_one_with_an_own_row() {
    let world = World::new().await;
    let body = || json!({"new_thingid": "0193f0a1-b2c3-7d4e-8f90-112233445566"});
    world.by(&world.bob).create("new_things", body()).await;
    let hidden = world.by(&world.ann).post("new_things", body()).await;
    let own = world.by(&world.bob).post("new_things", body()).await;
    assert_eq!((hidden.status, hidden.body), (own.status, own.body));
    assert_eq!(own.status, 412);
}

#[tokio::test]
async fn columns_that_are_not_for_a_role_are_refused() {
    let world = World::new().await;
    let reply = world
        .by(&world.ann)
        .post("new_things", json!({"new_big": 1}))
        .await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    let worker = world
        .by(&world.worker)
        .post("new_things", json!({"new_name": "a"}))
        .await;
    assert_eq!(worker.status, 403);
}

#[tokio::test]
async fn an_admin_files_for_somebody_else() {
    let world = World::new().await;
    let body =
        json!({"new_name": "a", "ownerid@odata.bind": format!("/systemusers({})", world.ann.user)});
    let id = world.admin().create("new_things", body).await;
    let row = world
        .by(&world.ann)
        .get(&format!("new_things({id})"))
        .await
        .json();
    assert_eq!(row["_ownerid_value"], world.ann.user.to_string());
    assert_eq!(row["_createdby_value"], world.admin.user.to_string());
}

#[tokio::test]
async fn an_admin_acts_for_a_person_with_that_persons_rights() {
    let world = World::new().await;
    let ann = world.ann.user.to_string();
    for header in ["MSCRMCallerID", "CallerObjectId"] {
        let headers = [(header, ann.as_str())];
        let body = json!({"new_name": "a"}).to_string();
        let reply = world
            .admin()
            .send("POST", "new_things", &headers, body)
            .await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        let path = format!("new_things({})", reply.id());
        let row = world.by(&world.ann).get(&path).await.json();
        assert_eq!(row["_createdby_value"], ann);
        let who = world.admin().get_with("WhoAmI", &headers).await.json();
        assert_eq!(who["UserId"], ann);
        let denied = json!({"new_big": 1}).to_string();
        let denied = world
            .admin()
            .send("POST", "new_things", &headers, denied)
            .await;
        assert_eq!(denied.status, 403);
    }
}

#[tokio::test]
async fn nobody_but_an_admin_acts_for_others() {
    let world = World::new().await;
    let bob = world.bob.user.to_string();
    let headers = [("MSCRMCallerID", bob.as_str())];
    for who in [&world.ann, &principal(world.ann.user, Role::Worker)] {
        let reply = world.by(who).get_with("WhoAmI", &headers).await;
        assert_eq!(reply.refusal(), (403, "0x8004a110".to_owned()));
    }
    let nobody = [("MSCRMCallerID", "0193f0a1-b2c3-7d4e-8f90-112233445566")];
    assert_eq!(world.admin().get_with("WhoAmI", &nobody).await.status, 403);
    let garbage = [("MSCRMCallerID", "bob")];
    assert_eq!(world.admin().get_with("WhoAmI", &garbage).await.status, 400);
}

#[tokio::test]
async fn a_worker_carries_no_label_that_its_token_does_not_name() {
    let world = World::new().await;
    let mut who = world.worker.clone();
    let claim = who.worker.as_mut().unwrap();
    claim.labels = "gpu, eu".to_owned();
    let row = format!("cr_shraga_workers({})", claim.id);
    let worker = world.by(&who);
    let labels = |labels| json!({"cr_pool": "shared", "cr_slots": 2, "cr_labels": labels});
    for granted in [json!("gpu,eu"), json!(""), json!(null)] {
        let reply = worker.patch(&row, &[], labels(granted)).await;
        assert_eq!(reply.status, 204, "{}", reply.text());
    }
    for more in ["gpu,eu,secret", "secret"] {
        let reply = worker.patch(&row, &[], labels(json!(more))).await;
        assert_eq!(reply.status, 403, "{more}");
    }
    let kept = worker.get(&row).await.json()["cr_labels"].clone();
    assert_eq!(kept, json!(null));
}

#[tokio::test]
async fn a_filter_of_very_many_terms_is_answered_or_refused_for_what_it_is() {
    let world = World::new().await;
    let terms = vec!["new_count eq 1"; 3_500].join(" or ");
    let get = format!("GET new_things?$filter={terms} HTTP/1.1\n\n");
    let reply = world.by(&world.ann).batch(&[], &[&get]).await;
    assert_eq!(reply.parts(), [200], "{}", reply.text());
}

#[tokio::test]
async fn a_text_to_search_for_has_a_limit() {
    let world = World::new().await;
    for (length, status) in [(1_000, 200), (1_001, 400)] {
        let filter = format!("contains(new_note,'{}')", "a".repeat(length));
        let get = format!("GET new_things?$filter={filter} HTTP/1.1\n\n");
        let reply = world.by(&world.ann).batch(&[], &[&get]).await;
        assert_eq!(reply.parts(), [status]);
    }
}
