//! Creating, reading, changing and deleting one row.

use serde_json::json;
use uuid::Uuid;

use crate::support::{ROOT, World};

const ID: &str = "0193f0a1-b2c3-7d4e-8f90-112233445566";

#[tokio::test]
async fn who_am_i_answers_to_both_spellings() {
    let world = World::new().await;
    for path in ["WhoAmI", "WhoAmI()"] {
        let reply = world.admin().get(path).await;
        assert_eq!(reply.status, 200);
        let body = reply.json();
        assert_eq!(
            body["@odata.context"],
            format!("{ROOT}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse")
        );
        assert_eq!(body["UserId"], world.admin.user.to_string());
        assert_eq!(
            body["OrganizationId"],
            world.store.organization_id().to_string()
        );
        assert_eq!(
            body["BusinessUnitId"],
            world.store.business_unit_id().to_string()
        );
    }
}

#[tokio::test]
async fn the_service_document_lists_the_entity_sets() {
    let world = World::new().await;
    let body = world.admin().get("").await.json();
    assert_eq!(body["@odata.context"], format!("{ROOT}$metadata"));
    let sets = body["value"].as_array().unwrap();
    let task = json!({"name": "cr_shraga_tasks", "kind": "EntitySet", "url": "cr_shraga_tasks"});
    assert!(sets.contains(&task), "{body}");
}

#[tokio::test]
async fn every_answer_has_a_date_and_an_odata_version() {
    let world = World::new().await;
    for path in ["WhoAmI", "nothing", "new_things"] {
        let reply = world.admin().get(path).await;
        assert_eq!(
            reply.header("date"),
            "Tue, 14 Nov 2023 22:13:20 GMT",
            "{path}"
        );
        assert_eq!(reply.header("odata-version"), "4.0");
    }
}

#[tokio::test]
async fn a_create_answers_204_with_the_rows_address() {
    let world = World::new().await;
    let reply = world
        .admin()
        .post("new_things", json!({"new_name": "a"}))
        .await;
    assert_eq!(reply.status, 204);
    assert!(reply.body.is_empty());
    let id = reply.id();
    assert_eq!(
        reply.header("odata-entityid"),
        format!("{ROOT}new_things({id})")
    );
    assert_eq!(reply.header("location"), format!("{ROOT}new_things({id})"));
    let row = world.admin().get(&format!("new_things({id})")).await;
    assert_eq!(row.header("etag"), reply.header("etag"));
    assert_eq!(row.json()["new_name"], "a");
}

#[tokio::test]
async fn a_create_that_prefers_the_row_answers_201_with_it() {
    let world = World::new().await;
    let headers = [("Prefer", "return=representation")];
    let body = json!({"new_name": "a", "new_count": 3}).to_string();
    let reply = world
        .admin()
        .send("POST", "new_things?$select=new_name", &headers, body)
        .await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("preference-applied"), "return=representation");
    assert_eq!(reply.header("odata-entityid"), "");
    assert_eq!(
        reply.header("content-type"),
        "application/json; odata.metadata=minimal"
    );
    let row = reply.json();
    let keys: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        ["@odata.context", "@odata.etag", "new_name", "new_thingid"]
    );
    assert_eq!(
        row["@odata.context"],
        format!("{ROOT}$metadata#new_things(new_name)/$entity")
    );
    assert_eq!(row["@odata.etag"], reply.header("etag"));
}

#[tokio::test]
async fn a_client_may_choose_the_identity_of_a_new_row_once() {
    let world = World::new().await;
    let body = || json!({"new_thingid": ID, "new_name": "a"});
    assert_eq!(
        world.admin().post("new_things", body()).await.id(),
        ID.parse::<Uuid>().unwrap()
    );
    let again = world.admin().post("new_things", body()).await;
    assert_eq!(again.refusal(), (412, "0x80040237".to_owned()));
}

#[tokio::test]
async fn a_row_reads_back_as_written_with_what_the_service_keeps() {
    let world = World::new().await;
    let parent = world
        .admin()
        .create("new_things", json!({"new_name": "p"}))
        .await;
    let id = world
        .admin()
        .create(
            "new_things",
            json!({
                "new_name": "a \"quoted\" ☃", "new_note": "line\nline", "new_count": -5,
                "new_big": 9_007_199_254_740_993_i64, "new_price": 1.25, "new_ratio": 0.1,
                "new_on": false, "new_when": "2023-04-07T21:59:01.5Z", "new_kind": 2,
                "new_ref": ID, "new_Parent@odata.bind": format!("/new_things({parent})"),
            }),
        )
        .await;
    let row = world.admin().get(&format!("new_things({id})")).await.json();
    let expected = [
        (
            "@odata.context",
            json!(format!("{ROOT}$metadata#new_things/$entity")),
        ),
        ("new_thingid", json!(id)),
        ("new_name", json!("a \"quoted\" ☃")),
        ("new_note", json!("line\nline")),
        ("new_count", json!(-5)),
        ("new_big", json!(9_007_199_254_740_993_i64)),
        ("new_price", json!(1.25)),
        ("new_ratio", json!(0.1)),
        ("new_on", json!(false)),
        ("new_when", json!("2023-04-07T21:59:01Z")),
        ("new_kind", json!(2)),
        ("new_ref", json!(ID)),
        ("_new_parent_value", json!(parent)),
        ("new_code", json!(null)),
        ("_ownerid_value", json!(world.admin.user)),
        ("_createdby_value", json!(world.admin.user)),
        ("_modifiedby_value", json!(world.admin.user)),
        ("createdon", json!("2023-11-14T22:13:20Z")),
        ("modifiedon", json!("2023-11-14T22:13:20Z")),
    ];
    for (name, value) in expected {
        assert_eq!(row[name], value, "{name} in {row}");
    }
    let etag = format!("W/\"{}\"", row["versionnumber"]);
    assert_eq!(row["@odata.etag"], etag);
}

#[tokio::test]
async fn select_narrows_a_row_and_keeps_its_key() {
    let world = World::new().await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a"}))
        .await;
    let path = format!("new_things({id})?%24select=new_count,_ownerid_value");
    let row = world.admin().get(&path).await.json();
    let keys: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "@odata.context",
            "@odata.etag",
            "new_count",
            "_ownerid_value",
            "new_thingid"
        ]
    );
    for (wrong, hint) in [("ownerid", "_ownerid_value"), ("new_nmae", "new_name")] {
        let reply = world
            .admin()
            .get(&format!("new_things({id})?$select={wrong}"))
            .await;
        assert_eq!(reply.refusal(), (400, "0x80060888".to_owned()));
        assert!(
            reply.message().contains(&format!("'{hint}'")),
            "{}",
            reply.message()
        );
    }
}

#[tokio::test]
async fn an_absent_row_is_404_with_dataverses_words() {
    let world = World::new().await;
    let reply = world.admin().get(&format!("new_things({ID})")).await;
    assert_eq!(reply.refusal(), (404, "0x80040217".to_owned()));
    assert_eq!(
        reply.message(),
        format!("new_thing With Id = {ID} Does Not Exist")
    );
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_clears() {
    let world = World::new().await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a", "new_count": 1}))
        .await;
    let path = format!("new_things({id})");
    world.clock.advance(5);
    let reply = world
        .admin()
        .patch(&path, &[], json!({"new_count": null, "new_on": true}))
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("odata-entityid"), format!("{ROOT}{path}"));
    let row = world.admin().get(&path).await;
    assert_eq!(row.header("etag"), reply.header("etag"));
    let row = row.json();
    assert_eq!(row["new_name"], "a");
    assert_eq!(row["new_count"], json!(null));
    assert_eq!(row["new_on"], true);
    assert_eq!(row["modifiedon"], "2023-11-14T22:13:25Z");
    assert_eq!(row["createdon"], "2023-11-14T22:13:20Z");
}

#[tokio::test]
async fn a_patch_of_an_absent_row_creates_it() {
    let world = World::new().await;
    let path = format!("new_things({ID})");
    let headers = [("Prefer", "return=representation")];
    let created = world
        .admin()
        .patch(&path, &headers, json!({"new_name": "a"}))
        .await;
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["new_thingid"], ID);
    let updated = world
        .admin()
        .patch(&path, &headers, json!({"new_name": "b"}))
        .await;
    assert_eq!(updated.status, 200);
    assert_eq!(updated.json()["new_name"], "b");
}

#[tokio::test]
async fn single_properties_are_read_written_and_cleared() {
    let world = World::new().await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a"}))
        .await;
    let path = format!("new_things({id})/new_name");
    let reply = world.admin().get(&path).await;
    assert_eq!(reply.json()["value"], "a");
    let put = json!({"value": "b"}).to_string();
    assert_eq!(world.admin().send("PUT", &path, &[], put).await.status, 204);
    assert_eq!(world.admin().get(&path).await.json()["value"], "b");
    assert_eq!(world.admin().delete(&path).await.status, 204);
    assert_eq!(world.admin().get(&path).await.status, 204);
    let long = json!({"value": "x".repeat(21)}).to_string();
    let refused = world.admin().send("PUT", &path, &[], long).await;
    assert_eq!(refused.refusal(), (400, "0x80044331".to_owned()));
}

#[tokio::test]
async fn lookups_are_set_by_address_in_any_form_and_cleared() {
    let world = World::new().await;
    let parent = world
        .admin()
        .create("new_things", json!({"new_name": "p"}))
        .await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a"}))
        .await;
    let path = format!("new_things({id})");
    let read = async || world.admin().get(&path).await.json()["_new_parent_value"].clone();
    for address in [
        format!("/new_things({parent})"),
        format!("new_things({parent})"),
        format!("{ROOT}new_things({parent})"),
        format!("/api/data/v9.1/new_things(new_thingid={parent})"),
    ] {
        let set = json!({"new_Parent@odata.bind": address});
        assert_eq!(
            world.admin().patch(&path, &[], set).await.status,
            204,
            "{address}"
        );
        assert_eq!(read().await, json!(parent));
        let clear = json!({"new_Parent@odata.bind": null});
        assert_eq!(world.admin().patch(&path, &[], clear).await.status, 204);
        assert_eq!(read().await, json!(null));
    }
    let link = format!("{path}/new_Parent/$ref");
    let body = json!({"@odata.id": format!("{ROOT}new_things({parent})")}).to_string();
    assert_eq!(
        world.admin().send("PUT", &link, &[], body).await.status,
        204
    );
    assert_eq!(read().await, json!(parent));
    assert_eq!(world.admin().delete(&link).await.status, 204);
    assert_eq!(read().await, json!(null));
}

#[tokio::test]
async fn a_lookup_takes_only_rows_of_its_table_on_this_server() {
    let world = World::new().await;
    for address in [
        "/systemusers(00000000-0000-0000-0000-000000000001)",
        "http://elsewhere.test/api/data/v9.2/new_things(00000000-0000-0000-0000-000000000001)",
        "/new_things",
        "nonsense",
    ] {
        let body = json!({"new_Parent@odata.bind": address});
        let reply = world.admin().post("new_things", body).await;
        assert!(
            [400, 404].contains(&reply.status),
            "{address}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_deleted_row_is_gone() {
    let world = World::new().await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a"}))
        .await;
    let path = format!("new_things({id})");
    assert_eq!(world.admin().delete(&path).await.status, 204);
    assert_eq!(world.admin().get(&path).await.status, 404);
    assert_eq!(
        world.admin().delete(&path).await.refusal(),
        (404, "0x80040217".to_owned())
    );
}

#[tokio::test]
async fn what_is_not_there_is_404_and_names_what_is() {
    let world = World::new().await;
    let reply = world.admin().get("new_thigns").await;
    assert_eq!(reply.status, 404);
    assert!(
        reply.message().contains("'new_things'"),
        "{}",
        reply.message()
    );
    let reply = world.admin().get("http://store.test/somewhere").await;
    assert_eq!(reply.status, 404);
    assert!(reply.message().contains("/api/data/v9.2/"));
}

#[tokio::test]
async fn a_method_that_does_not_fit_is_405_with_those_that_do() {
    let world = World::new().await;
    for (method, path, allow) in [
        ("PUT", "new_things".to_owned(), "GET, POST"),
        ("DELETE", "new_things".to_owned(), "GET, POST"),
        ("POST", format!("new_things({ID})"), "GET, PATCH, DELETE"),
        ("HEAD", format!("new_things({ID})"), "GET, PATCH, DELETE"),
        ("OPTIONS", "new_things".to_owned(), "GET, POST"),
        ("POST", "WhoAmI".to_owned(), "GET"),
        ("GET", "$batch".to_owned(), "POST"),
    ] {
        let reply = world.admin().send(method, &path, &[], "").await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, allow),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn what_is_not_supported_faults_by_name() {
    let world = World::new().await;
    let id = world
        .admin()
        .create("new_things", json!({"new_name": "a"}))
        .await;
    for (path, name) in [
        (
            "RelationshipDefinitions".to_owned(),
            "RelationshipDefinitions",
        ),
        (
            "GlobalOptionSetDefinitions".to_owned(),
            "GlobalOptionSetDefinitions",
        ),
        (
            "RetrieveMetadataChanges(Query=@p1)?@p1={}".to_owned(),
            "RetrieveMetadataChanges",
        ),
        (
            "new_things?fetchXml=<fetch/>"
                .replace(['<', '>'], "")
                .to_owned(),
            "fetchXml",
        ),
        ("new_things?sql=SELECT+1".to_owned(), "sql"),
        ("new_things?$apply=aggregate(x)".to_owned(), "$apply"),
        ("new_things?$skip=1".to_owned(), "$skip"),
        (format!("new_things({id})?$expand=new_Parent"), "$expand"),
        (format!("new_things({id})/new_name/$value"), "$value"),
    ] {
        let reply = world.admin().get(&path).await;
        assert!(
            [400, 501].contains(&reply.status),
            "{path}: {}",
            reply.status
        );
        assert!(
            reply.message().contains(name),
            "{path}: {}",
            reply.message()
        );
    }
}
