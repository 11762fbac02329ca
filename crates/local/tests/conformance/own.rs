//! What the store offers beside Dataverse's API: `/api/shraga`.

use serde_json::json;
use uuid::Uuid;

use crate::support::World;

const SHRAGA: &str = "http://store.test/api/shraga";

#[tokio::test]
async fn it_tells_who_asks_and_that_this_is_shraga() {
    let world = World::new().await;
    let body = world.by(&world.ann).get(SHRAGA).await.json();
    assert_eq!(body["product"], "shraga");
    assert_eq!(body["user"], world.ann.user.to_string());
    assert_eq!(
        (&body["role"], &body["email"]),
        (&json!("user"), &json!("ann@x"))
    );
    assert_eq!(body["worker"], json!(null));
    let body = world.by(&world.worker).get(SHRAGA).await.json();
    let claim = world.worker.worker.as_ref().unwrap();
    assert_eq!(
        body["worker"],
        json!({"id": claim.id, "pool": "shared", "slots": 2, "labels": ""})
    );
}

#[tokio::test]
async fn tokens_are_made_listed_without_secrets_and_revoked() {
    let world = World::new().await;
    let admin = world.admin();
    let tokens = format!("{SHRAGA}/tokens");
    let body = json!({"user": "new@x", "role": "worker", "pool": "shared", "slots": 3});
    let made = admin.post(&tokens, body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let secret = made["token"].as_str().unwrap();
    assert_eq!(
        (&made["role"], &made["slots"]),
        (&json!("worker"), &json!(3))
    );
    let who = world.store.authenticate(secret).unwrap().unwrap();
    assert_eq!(made["user"], who.user.to_string());

    let listed = admin.get(&tokens).await;
    assert!(!listed.text().contains(secret));
    assert_eq!(listed.column("id"), [made["id"].clone()]);
    let one = format!("{tokens}/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.delete(&one).await.status, 204);
    assert_eq!(world.store.authenticate(secret).unwrap(), None);
    assert_eq!(admin.delete(&one).await.status, 404);
}

#[tokio::test]
async fn tokens_are_for_admins_and_well_formed_requests() {
    let world = World::new().await;
    let tokens = format!("{SHRAGA}/tokens");
    let body = || json!({"user": "x@x", "role": "admin"});
    for who in [&world.ann, &world.worker] {
        assert_eq!(world.by(who).post(&tokens, body()).await.status, 403);
        assert_eq!(world.by(who).get(&tokens).await.status, 403);
        let one = format!("{tokens}/{}", Uuid::nil());
        assert_eq!(world.by(who).delete(&one).await.status, 403);
    }
    for body in [
        json!({"user": "x@x"}),
        json!({"user": "", "role": "user"}),
        json!({"user": "x@x", "role": "king"}),
        json!({"user": "x@x", "role": "user", "colour": "red"}),
        json!({"user": "x@x", "role": "worker", "slots": 0}),
    ] {
        let reply = world.admin().post(&tokens, body.clone()).await;
        assert_eq!(reply.status, 400, "{body}");
    }
}

#[tokio::test]
async fn a_write_wakes_whom_it_concerns_and_not_its_writer() {
    let world = World::new().await;
    let session = Uuid::now_v7().to_string();
    let mine = [("x-shraga-session", session.as_str())];
    let changes = format!("{SHRAGA}/changes");
    let start = world.admin().get(&changes).await.json();
    assert_eq!(start["changed"], json!([]));
    let since = format!("{changes}?since={}", start["next"]);
    world
        .by(&world.ann)
        .create("new_things", json!({"new_name": "a"}))
        .await;
    let seen = world.admin().get_with(&since, &mine).await.json();
    assert_eq!(
        seen["changed"],
        json!([{"table": "new_things", "by": "user"}])
    );
    assert!(seen["next"].as_i64() > start["next"].as_i64());

    let since = format!("{changes}?since={}", seen["next"]);
    let own = json!({"new_name": "b"}).to_string();
    world.admin().send("POST", "new_things", &mine, own).await;
    world
        .by(&world.bob)
        .create("new_things", json!({"new_name": "c"}))
        .await;
    let seen = world.admin().get_with(&since, &mine).await.json();
    assert_eq!(
        seen["changed"],
        json!([{"table": "new_things", "by": "user"}])
    );
}

#[tokio::test]
async fn a_waiting_request_is_woken_by_a_write() {
    let world = World::new().await;
    let changes = format!("{SHRAGA}/changes");
    let ann = world.by(&world.ann);
    let next = ann.get(&changes).await.json()["next"].clone();
    let since = format!("{changes}?since={next}");
    let waits = ann.get(&since);
    let body = json!({
        "new_name": "a", "ownerid@odata.bind": format!("/systemusers({})", world.ann.user),
    });
    let admin = world.admin();
    let (woken, _) = tokio::join!(waits, admin.create("new_things", body));
    assert_eq!(
        woken.json()["changed"],
        json!([{"table": "new_things", "by": "admin"}])
    );
}

#[tokio::test]
async fn a_wait_without_change_ends_by_itself() {
    let world = World::new().await;
    let changes = format!("{SHRAGA}/changes");
    let next = world.admin().get(&changes).await.json()["next"].clone();
    tokio::time::pause();
    let reply = world.admin().get(&format!("{changes}?since={next}")).await;
    assert_eq!(reply.json(), json!({"next": next, "changed": []}));
}

#[tokio::test]
async fn what_is_not_there_is_404_and_bad_questions_400() {
    let world = World::new().await;
    assert_eq!(
        world.admin().get(&format!("{SHRAGA}/nothing")).await.status,
        404
    );
    assert_eq!(
        world
            .admin()
            .get(&format!("{SHRAGA}/changes?since=x"))
            .await
            .status,
        400
    );
    assert_eq!(
        world
            .admin()
            .get(&format!("{SHRAGA}/changes?from=1"))
            .await
            .status,
        400
    );
    let reply = world
        .admin()
        .send("PUT", &format!("{SHRAGA}/tokens"), &[], "")
        .await;
    assert_eq!((reply.status, reply.header("allow")), (405, "GET, POST"));
}

#[tokio::test]
async fn a_person_whom_an_admin_disables_gets_in_with_no_token_until_enabled_again() {
    let world = World::new().await;
    let admin = world.admin();
    let tokens = format!("{SHRAGA}/tokens");
    let body = json!({"user": "ann@x", "role": "user"});
    let made = admin.post(&tokens, body).await.json();
    let token = made["token"].as_str().unwrap().to_owned();
    let status = || world.store.authenticate(&token).err().map(|it| it.status);
    let row = format!("cr_shraga_users({})", world.ann.user);
    let create = json!({"cr_name": "Ann", "cr_status": "active"});
    admin.patch(&row, &[("If-None-Match", "*")], create).await;
    assert_eq!(status(), None);

    let by_ann = world.by(&world.ann);
    let own = by_ann.patch(&row, &[], json!({"cr_status": "disabled"}));
    assert_eq!(own.await.status, 403, "only an admin disables");
    let set = |to: &'static str| admin.patch(&row, &[], json!({ "cr_status": to }));
    assert_eq!(set("disabled").await.status, 204);
    assert_eq!(status(), Some(403));
    let for_ann = [("MSCRMCallerID", &*world.ann.user.to_string())];
    let refused = admin.get_with("WhoAmI", &for_ann).await;
    assert_eq!(refused.refusal(), (403, "0x80040225".to_owned()));
    let again = json!({"user": "ann@x", "role": "user"});
    let another = admin.post(&tokens, again).await.json();
    let another = another["token"].as_str().unwrap();
    assert_eq!(world.store.authenticate(another).unwrap_err().status, 403);

    assert_eq!(set("active").await.status, 204);
    assert_eq!(status(), None);
    set("Disabled").await;
    assert_eq!(status(), Some(403), "letters' case decides nothing");
    assert_eq!(admin.delete(&row).await.status, 204);
    assert_eq!(status(), None, "without a row nobody is barred");
}
