//! Reading many rows: filters, order, pages, counts, annotations.

use serde_json::{Value, json};

use crate::support::{ROOT, World};

/// Five things named a to e with counts 0 to 4.
async fn five() -> World {
    let world = World::new().await;
    for (count, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let body = json!({"new_name": name, "new_count": count, "new_kind": count % 3 + 1});
        world.admin().create("new_things", body).await;
    }
    world
}

async fn names(world: &World, query: &str) -> Vec<Value> {
    let reply = world.admin().get(&format!("new_things?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    reply.column("new_name")
}

#[tokio::test]
async fn a_collection_has_its_context_and_tagged_rows() {
    let world = five().await;
    let page = world
        .admin()
        .get("new_things?$select=new_name,new_count")
        .await
        .json();
    assert_eq!(
        page["@odata.context"],
        format!("{ROOT}$metadata#new_things(new_name,new_count)")
    );
    let first = page["value"][0].as_object().unwrap();
    let keys: Vec<_> = first.keys().cloned().collect();
    assert_eq!(
        keys,
        ["@odata.etag", "new_name", "new_count", "new_thingid"]
    );
    assert!(page.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn filters_choose_rows() {
    let world = five().await;
    for (filter, expected) in [
        ("new_count ge 3", json!(["d", "e"])),
        ("new_name eq 'B'", json!(["b"])),
        ("not(new_count lt 4) or new_name eq 'a'", json!(["a", "e"])),
        ("contains(new_name,'C')", json!(["c"])),
        ("new_note eq null and new_kind eq 2", json!(["b", "e"])),
        (
            "Microsoft.Dynamics.CRM.In(PropertyName='new_count',PropertyValues=[\"0\",\"4\"])",
            json!(["a", "e"]),
        ),
        ("new_count eq @n&@n=2", json!(["c"])),
    ] {
        let query = format!(
            "$orderby=new_name&$filter={}",
            filter.replace(' ', "%20").replace('"', "%22")
        );
        assert_eq!(json!(names(&world, &query).await), expected, "{filter}");
    }
    let owner = world.admin.user;
    assert_eq!(
        names(&world, &format!("$filter=_ownerid_value%20eq%20{owner}"))
            .await
            .len(),
        5
    );
    assert_eq!(
        names(&world, &format!("$filter=_ownerid_value+eq+'{owner}'"))
            .await
            .len(),
        5
    );
}

#[tokio::test]
async fn order_and_top_bound_what_comes() {
    let world = five().await;
    let query = "$orderby=new_kind%20desc,new_name&$top=3";
    assert_eq!(json!(names(&world, query).await), json!(["c", "b", "e"]));
    let reply = world.admin().get("new_things?$top=2").await.json();
    assert!(reply.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn an_unknown_column_or_option_is_refused_with_the_nearest_known_one() {
    let world = five().await;
    for (query, hint) in [
        ("$filter=new_cuont eq 1", "'new_count'"),
        ("$orderby=new_nam", "'new_name'"),
        ("$select=new_nam", "'new_name'"),
        ("$filtre=a", "'$filter'"),
    ] {
        let reply = world
            .admin()
            .get(&format!("new_things?{}", query.replace(' ', "+")))
            .await;
        assert_eq!(reply.status, 400);
        assert!(
            reply.message().contains(hint),
            "{query}: {}",
            reply.message()
        );
    }
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end() {
    let world = five().await;
    let two = [("Prefer", "odata.maxpagesize=2")];
    let path = "new_things?$select=new_name&$orderby=new_kind&$count=true";
    let mut reply = world.admin().get_with(path, &two).await;
    assert_eq!(reply.header("preference-applied"), "odata.maxpagesize=2");
    assert_eq!(reply.json()["@odata.count"], 5);
    let mut seen = reply.column("new_name");
    while let Some(next) = reply.json()["@odata.nextLink"].as_str() {
        assert!(next.starts_with(&format!("{ROOT}new_things?")), "{next}");
        reply = world.admin().get_with(next, &two).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        seen.extend(reply.column("new_name"));
    }
    assert_eq!(json!(seen), json!(["a", "d", "b", "e", "c"]));
}

#[tokio::test]
async fn a_page_size_makes_top_irrelevant() {
    let world = five().await;
    let two = [("Prefer", "odata.maxpagesize=2")];
    let reply = world.admin().get_with("new_things?$top=1", &two).await;
    assert_eq!(reply.column("new_name").len(), 2);
    assert!(reply.json()["@odata.nextLink"].is_string());
}

#[tokio::test]
async fn an_altered_or_borrowed_skip_token_is_refused() {
    let world = five().await;
    let two = [("Prefer", "odata.maxpagesize=2")];
    let first = world
        .admin()
        .get_with("new_things?$orderby=new_name", &two)
        .await
        .json();
    let next = first["@odata.nextLink"].as_str().unwrap();
    let (_, token) = next.split_once("$skiptoken=").unwrap();
    let altered = token.replace(|c: char| c.is_ascii_lowercase(), "x");
    for query in [
        format!("$orderby=new_name&$skiptoken={altered}"),
        format!("$orderby=new_count&$skiptoken={token}"),
        format!("$filter=new_count+eq+1&$orderby=new_name&$skiptoken={token}"),
        "$skiptoken=%00".to_owned(),
        "$skiptoken=AAAA".to_owned(),
    ] {
        let reply = world
            .admin()
            .get_with(&format!("new_things?{query}"), &two)
            .await;
        assert_eq!(reply.status, 400, "{query}: {}", reply.text());
        assert!(
            reply.message().contains("$skiptoken"),
            "{}",
            reply.message()
        );
    }
}

#[tokio::test]
async fn a_count_is_plain_text_and_obeys_the_filter() {
    let world = five().await;
    let reply = world
        .admin()
        .get("new_things/$count?$filter=new_count+gt+1")
        .await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "3"));
    assert!(reply.header("content-type").starts_with("text/plain"));
    assert_eq!(
        world.admin().get("new_things/$count?$top=1").await.status,
        400
    );
}

#[tokio::test]
async fn totals_come_as_annotations_when_asked_for() {
    let world = five().await;
    let all = [("Prefer", "odata.include-annotations=\"*\"")];
    let page = world
        .admin()
        .get_with("new_things?$count=true&$top=1", &all)
        .await
        .json();
    assert_eq!(page["@Microsoft.Dynamics.CRM.totalrecordcount"], 5);
    assert_eq!(
        page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"],
        false
    );
    let page = world
        .admin()
        .get_with("new_things?$top=1", &all)
        .await
        .json();
    assert_eq!(page["@Microsoft.Dynamics.CRM.totalrecordcount"], -1);
}

#[tokio::test]
async fn values_are_annotated_when_asked_for() {
    let world = five().await;
    let all = [("Prefer", "odata.include-annotations=\"*\"")];
    let path = "new_things?$select=new_kind,_ownerid_value&$top=1";
    let reply = world.admin().get_with(path, &all).await;
    assert_eq!(
        reply.header("preference-applied"),
        "odata.include-annotations=\"*\""
    );
    let row = &reply.json()["value"][0];
    assert_eq!(
        row["new_kind@OData.Community.Display.V1.FormattedValue"],
        "New"
    );
    assert_eq!(
        row["_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"],
        "systemuser"
    );
    let plain = world.admin().get(path).await.json();
    assert!(!plain.to_string().contains("FormattedValue"));
}

#[tokio::test]
async fn the_metadata_document_describes_the_tables() {
    let world = World::new().await;
    let reply = world.admin().get("$metadata").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "application/xml")
    );
    let xml = reply.text();
    for part in [
        "<EntityType Name=\"new_thing\"><Key><PropertyRef Name=\"new_thingid\"/></Key>",
        "<Property Name=\"new_count\" Type=\"Edm.Int32\"/>",
        "<NavigationProperty Name=\"new_Parent\" Type=\"mscrm.new_thing\">",
        "<EntitySet Name=\"cr_shraga_tasks\" EntityType=\"mscrm.cr_shraga_task\"/>",
    ] {
        assert!(xml.contains(part), "{part} in {xml}");
    }
}

#[tokio::test]
async fn a_page_of_long_rows_ends_early_and_points_to_the_next() {
    let world = World::new().await;
    let text = "x".repeat(1_000_000);
    for name in 0..20 {
        let body = json!({"cr_name": name.to_string(), "cr_transcript": text});
        world.admin().create("cr_shraga_tasks", body).await;
    }
    let mut next = Some("cr_shraga_tasks?$top=19".to_owned());
    let mut pages = Vec::new();
    while let Some(path) = next {
        let reply = world.admin().get(&path).await;
        pages.push(reply.column("cr_name").len());
        next = reply.json()["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(pages, [17, 2]);
}
