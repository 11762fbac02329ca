use serde_json::json;
use uuid::Uuid;

use super::support::*;
use crate::ops::*;
use crate::store::*;

async fn numbered(w: &World, counts: &[Option<i64>]) {
    for (i, count) in counts.iter().enumerate() {
        let count = count.map_or(Cell::Null, Cell::Int);
        let values = [("x_name", s(&format!("n{i}"))), ("x_count", count)];
        w.create(&w.admin, &values).await.unwrap();
    }
}

/// All names, read page by page.
async fn paged(w: &World, filter: &str, order: &str, size: u32) -> Vec<String> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let op = ListOp {
            limit: size,
            after,
            ..w.list(filter, order)
        };
        let page = w.page(&w.admin, op).await.unwrap();
        assert!(page.len <= size);
        all.extend(names_of(&page));
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn pages_put_together_are_the_whole_list_over_ties_and_nulls_in_any_order() {
    let w = world().await;
    let counts = [
        Some(2),
        None,
        Some(1),
        Some(2),
        None,
        Some(2),
        Some(3),
        None,
        Some(1),
    ];
    numbered(&w, &counts).await;
    for order in [
        "",
        "x_count",
        "x_count desc",
        "x_count,x_name desc",
        "x_count desc,x_name",
        "x_thingid desc",
        "x_memo,x_count desc",
        "x_memo desc,x_count",
    ] {
        let whole = w.names(&w.admin, "", order).await;
        assert_eq!(whole.len(), counts.len());
        for size in 1..=4 {
            assert_eq!(paged(&w, "", order, size).await, whole, "{order} by {size}");
        }
    }
    assert_eq!(
        w.names(&w.admin, "", "x_count,x_name").await[..4],
        ["n1", "n4", "n7", "n2"]
    );
    assert_eq!(
        w.names(&w.admin, "", "x_count desc,x_name").await[..2],
        ["n6", "n0"]
    );
}

#[tokio::test]
async fn a_page_starts_after_the_last_row_even_when_rows_were_written_in_between() {
    let w = world().await;
    numbered(&w, &[Some(1), Some(2), Some(3)]).await;
    let op = ListOp {
        limit: 1,
        ..w.list("", "x_count")
    };
    let first = w.page(&w.admin, op.clone()).await.unwrap();
    assert_eq!(names_of(&first), ["n0"]);
    w.create(
        &w.admin,
        &[("x_name", s("before")), ("x_count", Cell::Int(0))],
    )
    .await
    .unwrap();
    let op = ListOp {
        limit: 9,
        after: first.next,
        ..op
    };
    let rest = w.page(&w.admin, op).await.unwrap();
    assert_eq!(names_of(&rest), ["n1", "n2"]);
    assert_eq!(rest.next, None);
}

#[tokio::test]
async fn a_cookie_of_another_order_is_refused() {
    let w = world().await;
    let cookie = PageCookie {
        cells: vec![Cell::Int(1)],
        id: Uuid::nil(),
    };
    let op = ListOp {
        after: Some(cookie),
        ..w.list("", "")
    };
    assert_eq!(w.page(&w.admin, op).await.unwrap_err().status, 400);
}

#[tokio::test]
async fn top_wants_no_next_page() {
    let w = world().await;
    numbered(&w, &[Some(1), Some(2)]).await;
    let op = ListOp {
        limit: 1,
        paged: false,
        ..w.list("", "x_count")
    };
    let page = w.page(&w.admin, op).await.unwrap();
    assert_eq!((page.len, page.next), (1, None));
}

#[tokio::test]
async fn filters_follow_the_rules_of_odata_about_null_and_case() {
    let w = world().await;
    w.create(
        &w.admin,
        &[
            ("x_name", s("Größe")),
            ("x_memo", s("100% sure")),
            ("x_on", Cell::Int(1)),
        ],
    )
    .await
    .unwrap();
    w.create(
        &w.admin,
        &[("x_name", s("plain")), ("x_count", Cell::Int(5))],
    )
    .await
    .unwrap();
    for (filter, expected) in [
        ("x_name eq 'GRÖßE'", vec!["Größe"]),
        ("x_name ne 'plain'", vec!["Größe"]),
        ("x_on ne true", vec!["plain"]),
        ("x_on eq false", vec![]),
        ("not (x_on eq true)", vec!["plain"]),
        ("not (x_count gt 3)", vec!["Größe"]),
        ("x_count le 5", vec!["plain"]),
        ("5 ge x_count", vec!["plain"]),
        ("x_count lt 4.5", vec![]),
        ("x_count eq null", vec!["Größe"]),
        ("x_count gt null", vec![]),
        ("x_memo ne null", vec!["Größe"]),
        ("contains(x_name,'RÖS')", vec![]),
        ("contains(x_name,'RÖß')", vec!["Größe"]),
        ("startswith(x_memo,'100')", vec!["Größe"]),
        ("not endswith(x_memo,'SURE')", vec!["plain"]),
        ("x_count eq x_count", vec!["Größe", "plain"]),
        (
            "x_name eq 'plain' or (x_on eq true and x_count eq null)",
            vec!["Größe", "plain"],
        ),
        (
            "Microsoft.Dynamics.CRM.In(PropertyName='x_count',PropertyValues=['5','6'])",
            vec!["plain"],
        ),
    ] {
        let Ok(_) = filter.parse::<shraga_wire::filter::Filter>() else {
            panic!("{filter} isn't understood");
        };
        assert_eq!(
            w.names(&w.admin, filter, "x_name").await,
            expected,
            "{filter}"
        );
    }
}

#[tokio::test]
async fn guids_and_dates_may_be_quoted_or_not() {
    let w = world().await;
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    let values = [
        ("x_name", s("it")),
        ("x_ref", Cell::Id(other)),
        ("x_at", Cell::Int(NOW)),
    ];
    w.one(&w.admin, w.op(WriteKind::Create, id, &values))
        .await
        .unwrap();
    for filter in [
        format!("x_thingid eq {id}"),
        format!("x_thingid eq '{id}'"),
        format!("x_ref eq {other}"),
        format!("_ownerid_value eq '{}'", w.admin.user),
        "x_at eq 2023-11-14T22:13:20Z".to_owned(),
        "x_at gt 2023-11-14T22:13:19.5Z and x_at lt 2023-11-14T22:13:20.5Z".to_owned(),
        "x_at ge '2023-11-14T22:13:20Z'".to_owned(),
    ] {
        assert_eq!(w.names(&w.admin, &filter, "").await, ["it"], "{filter}");
    }
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_by_name() {
    let w = world().await;
    for (filter, names) in [
        ("x_nothing eq 1", "x_nothing"),
        ("x_count eq 'five'", "x_count"),
        ("x_name eq 5", "x_name"),
        ("x_ref eq 'no guid'", "x_ref"),
        ("contains(x_count,'5')", "x_count"),
        ("x_name eq x_count", "x_name"),
    ] {
        let refused = w.page(&w.admin, w.list(filter, "")).await.unwrap_err();
        assert_eq!(refused.status, 400, "{filter}");
        assert!(refused.message.contains(names), "{}", refused.message);
    }
    let refused = w.page(&w.admin, w.list("", "x_nothing")).await.unwrap_err();
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn counting_stops_at_5001_beside_a_page_and_is_exact_alone() {
    let w = world().await;
    let unit = |i: u32| Unit {
        ops: vec![w.op(
            WriteKind::Create,
            Uuid::now_v7(),
            &[("x_name", s(&format!("n{i}")))],
        )],
    };
    let outcomes = w
        .store
        .write(&w.admin, (0..5_010).map(unit).collect(), Continue::OnError)
        .await;
    assert!(outcomes.iter().all(Result::is_ok));
    let op = ListOp {
        limit: 1,
        count: true,
        ..w.list("", "")
    };
    assert_eq!(
        w.page(&w.admin, op.clone()).await.unwrap().count,
        Some(5_001)
    );
    assert_eq!(
        w.ask(&w.admin, ReadOp::Count(op)).await.unwrap(),
        ReadAnswer::Count(5_010)
    );
}

#[tokio::test]
async fn annotations_stand_before_their_values() {
    let w = world().await;
    let id = Uuid::now_v7();
    let values = [
        ("x_name", s("it")),
        ("x_status", Cell::Int(2)),
        ("x_on", Cell::Int(0)),
        ("x_price", Cell::Real(1234.5)),
        ("x_friend", Cell::Id(w.ann.user)),
    ];
    w.one(&w.admin, w.op(WriteKind::Create, id, &values))
        .await
        .unwrap();
    let table = w.table();
    let columns = ["x_status", "x_on", "x_price", "_x_friend_value", "x_memo"];
    let op = GetOp {
        projection: Projection {
            columns: Some(columns.map(|c| table.column(c).unwrap()).to_vec()),
            annotations: Annotations {
                formatted: true,
                lookup: true,
            },
        },
        table,
        key: Key::Id(id),
    };
    let ReadAnswer::Found(found) = w.ask(&w.admin, ReadOp::Get(op)).await.unwrap() else {
        panic!("not found");
    };
    let (text, ann) = (String::from_utf8(found.row).unwrap(), w.ann.user);
    let expected = format!(
        concat!(
            r#"{{"@odata.etag":"W/\"{version}\"","#,
            r#""x_status@OData.Community.Display.V1.FormattedValue":"Open","x_status":2,"#,
            r#""x_on@OData.Community.Display.V1.FormattedValue":"No","x_on":false,"#,
            r#""x_price@OData.Community.Display.V1.FormattedValue":"1,234.50","x_price":1234.5,"#,
            r#""_x_friend_value@OData.Community.Display.V1.FormattedValue":"ann@x","#,
            r#""_x_friend_value@Microsoft.Dynamics.CRM.associatednavigationproperty":"X_FRIEND","#,
            r#""_x_friend_value@Microsoft.Dynamics.CRM.lookuplogicalname":"systemuser","#,
            r#""_x_friend_value":"{ann}","x_memo":null,"x_thingid":"{id}"}}"#
        ),
        version = found.version,
        ann = ann,
        id = id,
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn text_is_escaped_as_json() {
    let w = world().await;
    let odd = "quote \" slash \\ line\n tab\t nul\u{1} ünï 🦀";
    let id = w.create(&w.admin, &[("x_name", s(odd))]).await.unwrap();
    assert_eq!(w.row(id).await.unwrap()["x_name"], json!(odd));
}

#[tokio::test]
async fn reads_of_one_request_see_one_snapshot_in_order() {
    let w = world().await;
    let id = w.create(&w.admin, &[("x_name", s("it"))]).await.unwrap();
    let get = GetOp {
        table: w.table(),
        key: Key::Id(id),
        projection: Projection::default(),
    };
    let missing = GetOp {
        key: Key::Id(Uuid::nil()),
        ..get.clone()
    };
    let ops = vec![
        ReadOp::Get(get),
        ReadOp::Get(missing),
        ReadOp::Count(w.list("", "")),
        ReadOp::List(w.list("x_name eq 'it'", "")),
    ];
    let answers = w.store.read(&w.admin, ops).await;
    assert!(matches!(answers[0], Ok(ReadAnswer::Found(_))));
    assert_eq!(answers[1].as_ref().unwrap_err().status, 404);
    assert_eq!(answers[2], Ok(ReadAnswer::Count(1)));
    assert!(matches!(&answers[3], Ok(ReadAnswer::Page(page)) if page.len == 1));
}

#[tokio::test]
async fn a_filter_nested_too_deep_is_refused_rather_than_fatal() {
    let w = world().await;
    let mut filter = "x_count eq 1".parse().unwrap();
    for _ in 0..5_000 {
        filter = shraga_wire::filter::Filter::Not(Box::new(filter));
    }
    let op = ListOp {
        filter: Some(filter),
        ..w.list("", "")
    };
    assert_eq!(w.page(&w.admin, op).await.unwrap_err().status, 400);
}

#[tokio::test]
async fn a_page_of_wide_rows_ends_early_and_goes_on_where_it_ended() {
    let w = world().await;
    let wide = "x".repeat(1_000_000);
    for i in 0..40 {
        let values = [("x_name", s(&format!("n{i:02}"))), ("x_memo", s(&wide))];
        w.create(&w.admin, &values).await.unwrap();
    }
    let first = w.page(&w.admin, w.list("", "x_name")).await.unwrap();
    assert!(first.len < 40 && first.rows.len() < 20_000_000);
    let names = paged(&w, "", "x_name", 1_000).await;
    assert_eq!(names.len(), 40);
    assert!(names.is_sorted());
    let all = ListOp {
        paged: false,
        limit: 100,
        ..w.list("", "")
    };
    assert!(w.page(&w.admin, all).await.is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_data_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a").join("b");
    drop(Store::open(&data, vec![things()]).unwrap());
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}
