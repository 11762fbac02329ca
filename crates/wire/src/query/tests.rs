//! Queries survive their text, and refuse what they are not.

use proptest::prelude::*;

use super::*;

fn refusal(raw: &str) -> String {
    let fault = Query::parse(raw).unwrap_err();
    assert_eq!(fault.status, 400, "{raw}");
    fault.message
}

#[test]
fn plus_percent_20_and_percent_24_are_decoded() {
    let expected = Query {
        select: vec!["LogicalName".to_owned(), "EntitySetName".to_owned()],
        filter: Some(Filter::eq("LogicalName", "x y")),
        ..Query::default()
    };
    for raw in [
        "%24select=LogicalName%2CEntitySetName&%24filter=LogicalName+eq+%27x+y%27",
        "$select=LogicalName,EntitySetName&$filter=LogicalName%20eq%20'x%20y'",
    ] {
        assert_eq!(Query::parse(raw).as_ref(), Ok(&expected));
    }
}

#[test]
fn a_plus_in_a_value_survives() {
    let query = Query {
        filter: Some(Filter::eq("a", "1+1 & 2%")),
        ..Query::default()
    };
    assert_eq!(
        query.to_query_string(),
        "$filter=a%20eq%20'1%2B1%20%26%202%25'"
    );
    assert_eq!(Query::parse(&query.to_query_string()), Ok(query));
}

#[test]
fn order_and_bounds_are_read() {
    let query = Query::parse("$orderby=cr_rank asc, createdon desc&$top=5&$count=true").unwrap();
    let key = |column: &str, descending| OrderBy {
        column: column.to_owned(),
        descending,
    };
    assert_eq!(
        query.order_by,
        [key("cr_rank", false), key("createdon", true)]
    );
    assert_eq!((query.top, query.count), (Some(5), true));
}

#[test]
fn aliases_are_constants_of_their_own() {
    let query = Query::parse("$filter=a eq @p1&@p1='it''s'&@p2=5").unwrap();
    assert_eq!(query.aliases["p1"], Literal::from("it's"));
    assert_eq!(query.aliases["p2"], Literal::Int(5));
}

#[test]
fn every_column_can_be_asked_for_by_a_star() {
    assert_eq!(Query::parse("$select=a,*,b").unwrap().select.len(), 0);
    assert_eq!(Query::parse("$select=a, b,a").unwrap().select, ["a", "b"]);
}

#[test]
fn what_is_not_served_is_named() {
    insta::assert_snapshot!(refusal("$skip=5"), @"The query parameter $skip is not supported.");
    insta::assert_snapshot!(refusal("fetchXml=x"), @"The query parameter fetchXml is not supported.");
    insta::assert_snapshot!(refusal("$fitler=x"), @"The query parameter $fitler is not known. Did you mean '$filter'?");
    insta::assert_snapshot!(refusal("select=x"), @"The query parameter select is not known. Did you mean '$select'?");
    insta::assert_snapshot!(refusal("zzz"), @"The query parameter zzz is not known.");
    insta::assert_snapshot!(refusal("$top=1&$top=2"), @"Query option '$top' was specified more than once, but it must be specified at most once.");
    insta::assert_snapshot!(refusal("$top=-1"), @"Invalid value '-1' for $top query option found. The $top query option requires a non-negative integer value.");
    insta::assert_snapshot!(refusal("$count=yes"), @"Invalid value 'yes' for $count query option found. Valid values are 'true' and 'false'.");
    insta::assert_snapshot!(refusal("$select=a,,b"), @"$select has an empty item.");
    insta::assert_snapshot!(refusal("$select=owner/name"), @"$select: navigation paths ('owner/name') are not supported.");
    insta::assert_snapshot!(refusal("$orderby=a down"), @"$orderby: 'a down' must be a column, then asc or desc or nothing.");
    insta::assert_snapshot!(refusal("$filter=a"), @"$filter: expected a comparison (eq, ne, gt, ge, lt, le), found the end (at character 2 of $filter).");
    insta::assert_snapshot!(refusal("@p1=abc"), @"The value of the parameter alias '@p1': expected a value, found `abc`.");
    insta::assert_snapshot!(refusal("$filter=%ff"), @"The query is not percent-encoded UTF-8.");
}

fn queries() -> impl Strategy<Value = Query> {
    let names = || prop::collection::hash_set("[a-z_][a-z0-9_]{0,9}", 0..4);
    let opaque = || prop::option::of(".{0,20}");
    let alias = prop_oneof![
        ".*".prop_map(Literal::Text),
        any::<i64>().prop_map(Literal::Int),
        Just(Literal::Null)
    ];
    (
        names(),
        prop::option::of(".*".prop_map(|text| Filter::eq("a", text))),
        names(),
        any::<(Option<u32>, bool)>(),
        (opaque(), opaque(), opaque()),
        prop::collection::btree_map("[a-z][a-z0-9]{0,3}", alias, 0..3),
    )
        .prop_map(
            |(select, filter, order, (top, count), (expand, skip, delta), aliases)| Query {
                select: select.into_iter().collect(),
                filter,
                order_by: order
                    .into_iter()
                    .map(|column| OrderBy {
                        descending: column.len() % 2 == 0,
                        column,
                    })
                    .collect(),
                top,
                count,
                expand,
                skip_token: skip,
                delta_token: delta,
                aliases,
            },
        )
}

proptest! {
    #[test]
    fn every_query_survives_its_text(query in queries()) {
        let text = query.to_query_string();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(Query::parse(&text), Ok(query), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = Query::parse(&text);
    }
}
