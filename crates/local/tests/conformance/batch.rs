//! `$batch` and its change sets.

use serde_json::json;

use crate::support::{ROOT, World};

const CREATE_A: &str =
    "POST new_things HTTP/1.1\nContent-Type: application/json\n\n{\"new_name\":\"a\"}";
const BAD: &str = "POST new_things HTTP/1.1\nContent-Type: application/json\n\n{\"new_kind\":9}";
const CONTINUE: [(&str, &str); 1] = [("Prefer", "odata.continue-on-error")];

async fn count(world: &World) -> String {
    world.admin().get("new_things/$count").await.text()
}

#[tokio::test]
async fn answers_come_in_the_order_of_requests() {
    let world = World::new().await;
    let reply = world
        .admin()
        .batch(
            &[],
            &[
                "GET new_things/$count HTTP/1.1\n\n",
                CREATE_A,
                "GET /api/data/v9.2/new_things/$count HTTP/1.1\n\n",
                &format!("GET {ROOT}WhoAmI HTTP/1.1\n\n"),
            ],
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let kind = reply.header("content-type");
    assert!(
        kind.starts_with("multipart/mixed; boundary=batchresponse_"),
        "{kind}"
    );
    assert_eq!(reply.parts(), [200, 204, 200, 200]);
    let text = reply.text();
    let (before, after) = text.split_once("204 No Content").unwrap();
    assert!(
        before.contains("\r\n\r\n0\r\n") && after.contains("\r\n\r\n1\r\n"),
        "{text}"
    );
    assert!(text.contains("OData-EntityId: http://store.test/api/data/v9.2/new_things("));
}

#[tokio::test]
async fn a_failure_ends_a_batch_and_is_its_status() {
    let world = World::new().await;
    let reply = world.admin().batch(&[], &[CREATE_A, BAD, CREATE_A]).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.parts(), [204, 400]);
    assert!(reply.text().contains("0x8004431a"));
    assert_eq!(count(&world).await, "1");
}

#[tokio::test]
async fn a_failure_of_a_read_or_in_the_store_ends_a_batch_too() {
    let world = World::new().await;
    let id = "0193f0a1-b2c3-7d4e-8f90-112233445566";
    let get = format!("GET new_things({id}) HTTP/1.1\n\n");
    let reply = world.admin().batch(&[], &[&get, CREATE_A]).await;
    assert_eq!((reply.status, reply.parts()), (404, vec![404]));
    let delete = format!("DELETE new_things({id}) HTTP/1.1\n\n");
    let reply = world
        .admin()
        .batch(&[], &[CREATE_A, &delete, CREATE_A])
        .await;
    assert_eq!((reply.status, reply.parts()), (404, vec![204, 404]));
    assert_eq!(count(&world).await, "1");
}

#[tokio::test]
async fn a_batch_that_continues_answers_every_request() {
    let world = World::new().await;
    let reply = world
        .admin()
        .batch(
            &CONTINUE,
            &[CREATE_A, BAD, "GET nothing HTTP/1.1\n\n", CREATE_A],
        )
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.parts(), [204, 400, 404, 204]);
    assert_eq!(count(&world).await, "2");
}

#[tokio::test]
async fn a_change_set_happens_all_or_not_at_all() {
    let world = World::new().await;
    let good = format!("changeset\n{CREATE_A}\n----\n{CREATE_A}");
    let reply = world.admin().batch(&[], &[&good]).await;
    assert_eq!(reply.parts(), [204, 204]);
    let text = reply.text();
    assert!(
        text.contains("multipart/mixed; boundary=changesetresponse_"),
        "{text}"
    );
    assert!(
        text.contains("Content-ID: 1\r\n") && text.contains("Content-ID: 2\r\n"),
        "{text}"
    );
    let gone = "DELETE new_things(0193f0a1-b2c3-7d4e-8f90-112233445566) HTTP/1.1\n";
    for last in [BAD, gone] {
        let bad = format!("changeset\n{CREATE_A}\n----\n{last}");
        let reply = world.admin().batch(&CONTINUE, &[&bad, CREATE_A]).await;
        assert_eq!(reply.parts().len(), 2, "{}", reply.text());
        assert!(!reply.text().contains("changesetresponse_"));
    }
    assert_eq!(count(&world).await, "4");
}

#[tokio::test]
async fn requests_of_a_change_set_refer_to_rows_made_before_them() {
    let world = World::new().await;
    let parts = [
        "POST new_things HTTP/1.1\n\n{\"new_name\":\"parent\"}",
        "POST new_things HTTP/1.1\n\n{\"new_name\":\"child\",\"new_Parent@odata.bind\":\"$1\"}",
        "PATCH $2 HTTP/1.1\n\n{\"new_count\":7}",
        "PUT $2/new_note HTTP/1.1\n\n{\"value\":\"noted\"}",
        "PUT $1/new_Parent/$ref HTTP/1.1\n\n{\"@odata.id\":\"$2\"}",
    ];
    let set = format!("changeset\n{}", parts.join("\n----\n"));
    let reply = world.admin().batch(&[], &[&set]).await;
    assert_eq!(reply.parts(), [204; 5], "{}", reply.text());
    let rows = world
        .admin()
        .get("new_things?$orderby=new_name")
        .await
        .json();
    let (child, parent) = (&rows["value"][0], &rows["value"][1]);
    assert_eq!(child["_new_parent_value"], parent["new_thingid"]);
    assert_eq!(parent["_new_parent_value"], child["new_thingid"]);
    assert_eq!(
        (&child["new_count"], &child["new_note"]),
        (&json!(7), &json!("noted"))
    );
}

#[tokio::test]
async fn a_reference_to_nothing_is_refused() {
    let world = World::new().await;
    let set = "changeset\nPATCH $9 HTTP/1.1\n\n{\"new_count\":7}";
    for part in [set, "PATCH $1 HTTP/1.1\n\n{\"new_count\":7}"] {
        let reply = world.admin().batch(&[], &[part]).await;
        assert_eq!(reply.parts(), [400]);
        assert!(
            reply.text().contains("does not exist in the batch context"),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn conditions_hold_inside_a_batch() {
    let world = World::new().await;
    let created = world
        .admin()
        .post("new_things", json!({"new_name": "a"}))
        .await;
    let (id, tag) = (created.id(), created.header("etag"));
    let patch = format!("PATCH new_things({id}) HTTP/1.1\nIf-Match: {tag}\n\n{{\"new_count\":1}}");
    let reply = world.admin().batch(&CONTINUE, &[&patch, &patch]).await;
    assert_eq!(reply.parts(), [204, 412]);
    assert!(reply.text().contains("ETag: W/\""));
}

#[tokio::test]
async fn what_a_batch_may_not_hold_is_refused() {
    let world = World::new().await;
    for part in [
        "GET WhoAmI HTTP/1.1\nAuthorization: Bearer x\n\n",
        "GET WhoAmI HTTP/1.1\nMSCRMCallerID: 0193f0a1-b2c3-7d4e-8f90-112233445566\n\n",
        "GET http://elsewhere.test/api/data/v9.2/WhoAmI HTTP/1.1\n\n",
        "POST $batch HTTP/1.1\nContent-Type: multipart/mixed; boundary=b\n\n",
        "changeset\nGET new_things HTTP/1.1\n\n",
    ] {
        let reply = world.admin().batch(&CONTINUE, &[part]).await;
        let statuses = if reply.status == 200 {
            reply.parts()
        } else {
            vec![reply.status]
        };
        assert_eq!(statuses, [400], "{part}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_batch_holds_at_most_a_thousand_requests() {
    let world = World::new().await;
    let get = "GET new_things/$count HTTP/1.1\n\n";
    let reply = world.admin().batch(&[], &vec![get; 1000]).await;
    assert_eq!((reply.status, reply.parts().len()), (200, 1000));
    let reply = world.admin().batch(&[], &vec![get; 1001]).await;
    assert_eq!(reply.status, 400);
    assert!(reply.message().contains("1000"), "{}", reply.message());
}

#[tokio::test]
async fn a_body_that_is_no_batch_is_refused() {
    let world = World::new().await;
    for (kind, body) in [
        ("application/json", "{}"),
        ("multipart/mixed", "--b\r\n"),
        ("multipart/mixed; boundary=b", "nothing of the kind"),
        (
            "multipart/mixed; boundary=b",
            "--b\r\nContent-Type: application/http\r\n\r\nGARBAGE",
        ),
    ] {
        let headers = [("Content-Type", kind)];
        let reply = world.admin().send("POST", "$batch", &headers, body).await;
        assert_eq!(reply.status, 400, "{kind} {body}: {}", reply.text());
    }
}

#[tokio::test]
async fn definitions_and_bulk_messages_may_be_part_of_a_batch() {
    let world = World::new().await;
    let bulk = "POST new_things/Microsoft.Dynamics.CRM.CreateMultiple HTTP/1.1\n\n\
                {\"Targets\":[{\"@odata.type\":\"Microsoft.Dynamics.CRM.new_thing\"}]}";
    let reply = world
        .admin()
        .batch(
            &[],
            &[
                "GET EntityDefinitions(LogicalName='new_thing')?$select=EntitySetName HTTP/1.1\n\n",
                CREATE_A,
                bulk,
                "GET new_things/$count HTTP/1.1\n\n",
            ],
        )
        .await;
    assert_eq!(reply.parts(), [200, 204, 200, 200], "{}", reply.text());
    assert!(reply.text().contains("\"EntitySetName\":\"new_things\""));
    assert_eq!(count(&world).await, "2");
}
