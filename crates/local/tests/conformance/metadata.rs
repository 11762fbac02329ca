//! Definitions: reading and changing them.

use serde_json::{Value, json};

use crate::support::{Client, ROOT, World};

fn label(text: &str) -> Value {
    json!({
        "@odata.type": "Microsoft.Dynamics.CRM.Label",
        "LocalizedLabels": [{
            "@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel",
            "Label": text, "LanguageCode": 1033,
        }],
    })
}

fn text_column(name: &str) -> Value {
    json!({
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata",
        "SchemaName": name, "MaxLength": 30, "FormatName": {"Value": "Text"},
        "DisplayName": label(name), "RequiredLevel": {"Value": "None"},
    })
}

fn city_table() -> Value {
    let mut name = text_column("new_Name");
    name["IsPrimaryName"] = json!(true);
    json!({
        "@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata",
        "SchemaName": "new_City", "DisplayName": label("City"),
        "DisplayCollectionName": label("Cities"), "OwnershipType": "UserOwned",
        "HasActivities": false, "HasNotes": false, "IsActivity": false,
        "ChangeTrackingEnabled": true,
        "Attributes": [name, {
            "@odata.type": "Microsoft.Dynamics.CRM.PicklistAttributeMetadata",
            "SchemaName": "new_Size", "DisplayName": label("Size"),
            "OptionSet": {"IsGlobal": false, "Options": [
                {"Value": 1, "Label": label("Small")}, {"Value": 2, "Label": label("Large")},
            ]},
        }],
    })
}

async fn with_cities() -> World {
    let world = World::new().await;
    let reply = world.admin().post("EntityDefinitions", city_table()).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert!(
        reply
            .header("odata-entityid")
            .contains("/EntityDefinitions(")
    );
    world
}

async fn definition(client: &Client, path: &str) -> Value {
    let reply = client
        .get(&format!("EntityDefinitions(LogicalName='new_city'){path}"))
        .await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

#[tokio::test]
async fn tables_are_found_as_the_python_sdk_asks() {
    let world = World::new().await;
    let path = "EntityDefinitions?%24select=LogicalName%2CEntitySetName%2CPrimaryIdAttribute\
                &%24filter=LogicalName+eq+%27cr_shraga_task%27";
    let found = world.by(&world.ann).get(path).await.json();
    let rows = found["value"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["EntitySetName"], "cr_shraga_tasks");
    assert_eq!(rows[0]["PrimaryIdAttribute"], "cr_shraga_taskid");
    assert!(rows[0]["MetadataId"].is_string() && rows[0].get("SchemaName").is_none());
}

#[tokio::test]
async fn choices_are_read_through_their_cast() {
    let world = World::new().await;
    let path = "EntityDefinitions(LogicalName='cr_shraga_task')/Attributes/\
                Microsoft.Dynamics.CRM.PicklistAttributeMetadata\
                ?$select=LogicalName&$expand=OptionSet($select=Options)";
    let found = world.admin().get(path).await.json();
    assert_eq!(found["value"].as_array().unwrap().len(), 1, "{found}");
    let status = &found["value"][0];
    assert_eq!(status["LogicalName"], "cr_status");
    assert_eq!(status["OptionSet"]["Options"][0]["Value"], 1);
    let text = &status["OptionSet"]["Options"][0]["Label"]["UserLocalizedLabel"]["Label"];
    assert_eq!(text, "Pending");
    let none = "EntityDefinitions(LogicalName='cr_shraga_event')/Attributes/\
                Microsoft.Dynamics.CRM.PicklistAttributeMetadata";
    assert_eq!(world.admin().get(none).await.json()["value"], json!([]));
}

#[tokio::test]
async fn a_created_table_serves_rows_at_once() {
    let world = with_cities().await;
    let table = definition(
        &world.admin(),
        "?$expand=Keys,Attributes($select=LogicalName)",
    )
    .await;
    assert_eq!(table["EntitySetName"], "new_cities");
    assert_eq!(table["PrimaryNameAttribute"], "new_name");
    assert_eq!(table["ChangeTrackingEnabled"], true);
    let columns = table["Attributes"].as_array().unwrap();
    assert!(
        columns
            .iter()
            .any(|column| column["LogicalName"] == "new_size")
    );
    world
        .admin()
        .create("new_cities", json!({"new_name": "Haifa", "new_size": 2}))
        .await;
    let bad = world
        .admin()
        .post("new_cities", json!({"new_size": 3}))
        .await;
    assert_eq!(bad.code(), "0x8004431a");
    let by_id = format!(
        "EntityDefinitions({})",
        table["MetadataId"].as_str().unwrap()
    );
    assert_eq!(
        world.admin().get(&by_id).await.json()["LogicalName"],
        "new_city"
    );
}

#[tokio::test]
async fn create_entities_takes_complex_types() {
    let world = World::new().await;
    let mut table = city_table();
    table["@odata.type"] = json!("Microsoft.Dynamics.CRM.ComplexEntityMetadata");
    for column in table["Attributes"].as_array_mut().unwrap() {
        let kind = column["@odata.type"].as_str().unwrap();
        column["@odata.type"] = json!(kind.replace("CRM.", "CRM.Complex"));
    }
    let body = json!({"Entities": [table]});
    let reply = world
        .admin()
        .post("CreateEntities?SolutionUniqueName=x", body)
        .await;
    assert!(reply.status < 300, "{}", reply.text());
    world
        .admin()
        .create("new_cities", json!({"new_name": "Haifa"}))
        .await;
}

#[tokio::test]
async fn columns_come_change_and_go() {
    let world = with_cities().await;
    let admin = world.admin();
    let id = admin
        .create("new_cities", json!({"new_name": "Haifa"}))
        .await;
    let columns = "EntityDefinitions(LogicalName='new_city')/Attributes";
    let reply = admin.post(columns, text_column("new_Mayor")).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert!(reply.header("odata-entityid").contains("/Attributes("));
    let path = format!("new_cities({id})");
    assert_eq!(
        admin
            .patch(&path, &[], json!({"new_mayor": "A"}))
            .await
            .status,
        204
    );

    let one = "/Attributes(LogicalName='new_mayor')";
    let mut column = definition(&admin, one).await;
    assert_eq!(
        column["@odata.type"],
        "#Microsoft.Dynamics.CRM.StringAttributeMetadata"
    );
    let cast = format!("{one}/Microsoft.Dynamics.CRM.StringAttributeMetadata");
    assert_eq!(definition(&admin, &cast).await["MaxLength"], 30);
    column["MaxLength"] = json!(40);
    column["DisplayName"] = label("Mayor of the city");
    let by_id = format!("{columns}({})", column["MetadataId"].as_str().unwrap());
    let put = admin
        .send(
            "PUT",
            &by_id,
            &[("MSCRM.MergeLabels", "true")],
            column.to_string(),
        )
        .await;
    assert_eq!(put.status, 204, "{}", put.text());
    assert_eq!(definition(&admin, &cast).await["MaxLength"], 40);

    assert_eq!(admin.delete(&by_id).await.status, 204);
    assert_eq!(
        admin.get(&format!("{path}?$select=new_mayor")).await.status,
        400
    );
    let gone = admin
        .get(&format!("EntityDefinitions(LogicalName='new_city'){one}"))
        .await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn keys_come_and_go_and_are_active_at_once() {
    let world = with_cities().await;
    let admin = world.admin();
    let keys = "EntityDefinitions(LogicalName='new_city')/Keys";
    let body = json!({
        "SchemaName": "new_NameKey", "KeyAttributes": ["new_name"], "DisplayName": label("Name"),
    });
    let reply = admin.post(keys, body.clone()).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let listed = admin.get(keys).await.json();
    let made = listed["value"][0]["MetadataId"].as_str().unwrap();
    let address = format!("{ROOT}{keys}({made})");
    assert_eq!(
        reply.header("odata-entityid"),
        address,
        "as asked for, so that the id is found"
    );
    assert_eq!(listed["value"][0]["EntityKeyIndexStatus"], "Active");
    assert_eq!(listed["value"][0]["KeyAttributes"], json!(["new_name"]));
    let path = "new_cities(new_name='Haifa')";
    assert_eq!(
        admin.patch(path, &[], json!({"new_size": 1})).await.status,
        204
    );
    assert!(admin.post(keys, body).await.status >= 400);
    let id = listed["value"][0]["MetadataId"].as_str().unwrap();
    assert_eq!(admin.delete(&format!("{keys}({id})")).await.status, 204);
    assert_eq!(admin.get(path).await.status, 400);
}

#[tokio::test]
async fn a_method_that_does_not_fit_is_405_with_those_that_do() {
    let world = World::new().await;
    let table = "EntityDefinitions(LogicalName='new_thing')";
    for (method, path, allow) in [
        ("PATCH", table.to_owned(), "GET, PUT, DELETE"),
        ("PUT", "EntityDefinitions".to_owned(), "GET, POST"),
        (
            "PUT",
            format!("{table}/Keys(LogicalName='new_codekey')"),
            "GET, DELETE",
        ),
        ("HEAD", format!("{table}/Attributes"), "GET, POST"),
    ] {
        let reply = world.admin().send(method, &path, &[], "{}").await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, allow),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_dropped_table_is_gone() {
    let world = with_cities().await;
    let path = "EntityDefinitions(LogicalName='new_city')";
    assert_eq!(
        world
            .admin()
            .send("DELETE", path, &[("If-Match", "*")], "")
            .await
            .status,
        204
    );
    assert_eq!(world.admin().get(path).await.status, 404);
    assert_eq!(world.admin().get("new_cities").await.status, 404);
}

#[tokio::test]
async fn only_admins_change_definitions() {
    let world = with_cities().await;
    for who in [&world.ann, &world.worker] {
        let mut table = city_table();
        table["SchemaName"] = json!("new_Other");
        assert_eq!(
            world.by(who).post("EntityDefinitions", table).await.status,
            403
        );
        let path = "EntityDefinitions(LogicalName='new_city')";
        assert_eq!(world.by(who).delete(path).await.status, 403);
        assert_eq!(world.by(who).get(path).await.status, 200);
    }
}

#[tokio::test]
async fn bad_definitions_are_refused_with_what_is_wrong() {
    let world = with_cities().await;
    let columns = "EntityDefinitions(LogicalName='new_city')/Attributes";
    for (change, words) in [
        (json!({"SchemaName": "1x"}), "SchemaName"),
        (json!({"SchemaName": "new_Name"}), "new_name"),
        (json!({"MaxLength": 0}), "MaxLength"),
        (
            json!({"@odata.type": "Microsoft.Dynamics.CRM.FileAttributeMetadata"}),
            "File",
        ),
        (json!({"@odata.type": null}), "@odata.type"),
    ] {
        let mut column = text_column("new_Mayor");
        column
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let reply = world.admin().post(columns, column).await;
        assert!(
            [400, 501].contains(&reply.status),
            "{change}: {}",
            reply.text()
        );
        assert!(
            reply.message().contains(words),
            "{change}: {}",
            reply.message()
        );
    }
    assert!(
        world
            .admin()
            .post("EntityDefinitions", city_table())
            .await
            .status
            >= 400
    );
    let nearest = world
        .admin()
        .get("EntityDefinitions(LogicalName='new_ctiy')")
        .await;
    assert_eq!(nearest.status, 404);
    assert!(
        nearest.message().contains("'new_city'"),
        "{}",
        nearest.message()
    );
    let unknown = world
        .admin()
        .get("EntityDefinitions?$select=LogcialName")
        .await;
    assert!(
        unknown.message().contains("'LogicalName'"),
        "{}",
        unknown.message()
    );
}

#[tokio::test]
async fn a_choice_takes_one_more_value_and_rows_may_have_it_at_once() {
    let world = with_cities().await;
    let admin = world.admin();
    let option = json!({
        "EntityLogicalName": "new_city", "AttributeLogicalName": "new_size",
        "Value": 3, "Label": label("Huge"),
    });
    let reply = admin.post("InsertOptionValue", option.clone()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["NewOptionValue"], 3);
    let tokyo = json!({"new_name": "Tokyo", "new_size": 3});
    admin.create("new_cities", tokyo).await;
    let twice = admin.post("InsertOptionValue", option.clone()).await;
    assert!(twice.message().contains("twice"), "{}", twice.message());
    let mut another = option;
    another["Value"] = json!(4);
    let ann = world.by(&world.ann);
    let by_ann = ann.post("InsertOptionValue", another).await;
    assert_eq!(by_ann.status, 403);
    let name = json!({
        "EntityLogicalName": "new_city", "AttributeLogicalName": "new_name", "Value": 3,
    });
    let no_choice = admin.post("InsertOptionValue", name).await;
    assert!(no_choice.message().contains("no choice"));
    let global = json!({"OptionSetName": "new_sizes", "Value": 3});
    assert_eq!(admin.post("InsertOptionValue", global).await.status, 501);
}

#[tokio::test]
async fn optimistic_concurrency_stays_on() {
    let world = with_cities().await;
    let path = "EntityDefinitions(LogicalName='new_city')";
    let mut table = definition(&world.admin(), "").await;
    let put = |table: &Value| {
        let (admin, body) = (world.admin(), table.to_string());
        async move { admin.send("PUT", path, &[], body).await.status }
    };
    assert_eq!(put(&table).await, 204);
    table["IsOptimisticConcurrencyEnabled"] = json!(false);
    assert_eq!(put(&table).await, 501);
}
