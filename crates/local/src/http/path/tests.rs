use super::*;

const ID: &str = "0193f0a1-b2c3-7d4e-8f90-112233445566";

fn id() -> Uuid {
    ID.parse().unwrap()
}

fn keyed(set: &'static str, key: KeyText<'static>) -> RowPath<'static> {
    RowPath::Keyed(set.into(), key)
}

fn quoted(name: &'static str, value: &'static str) -> (Cow<'static, str>, KeyValue<'static>) {
    (name.into(), KeyValue::Quoted(value.into()))
}

#[test]
fn only_versioned_paths_of_the_web_api_are_in_it() {
    assert_eq!(
        under_service_root("/api/data/v9.2/accounts"),
        Some("accounts")
    );
    assert_eq!(under_service_root("/api/data/v9.10"), Some(""));
    assert_eq!(under_service_root("/api/data/v9.2/"), Some(""));
    for outside in [
        "/api/data/v9./x",
        "/api/data/v8.2/x",
        "/api/data/v9.2x",
        "/",
        "/api/shraga",
    ] {
        assert_eq!(under_service_root(outside), None, "{outside}");
    }
}

#[test]
fn functions_are_named_with_and_without_parentheses() {
    assert_eq!(parse(""), Ok(Resource::ServiceDocument));
    assert_eq!(parse("WhoAmI"), Ok(Resource::WhoAmI));
    assert_eq!(parse("WhoAmI()"), Ok(Resource::WhoAmI));
    assert_eq!(parse("$metadata"), Ok(Resource::Csdl));
    assert_eq!(parse("%24batch"), Ok(Resource::Batch));
    assert_eq!(
        parse("accounts/$count"),
        Ok(Resource::Count("accounts".into()))
    );
    assert_eq!(parse("accounts/"), Ok(Resource::Rows("accounts".into())));
    let unserved = parse("RelationshipDefinitions(x)/Foo").unwrap();
    assert_eq!(
        unserved,
        Resource::Unsupported("RelationshipDefinitions".into())
    );
}

#[test]
fn a_row_is_named_by_primary_or_alternate_key() {
    let by_id = parse("accounts(0193f0a1-b2c3-7d4e-8f90-112233445566)").unwrap();
    assert_eq!(by_id, Resource::Row(keyed("accounts", KeyText::Id(id()))));
    let key = KeyText::Named(vec![
        quoted("name", "O'Neil, Inc/x"),
        ("n".into(), KeyValue::Bare("-12".into())),
    ]);
    assert_eq!(
        parse("accounts(name='O''Neil, Inc/x',n=-12)"),
        Ok(Resource::Row(keyed("accounts", key.clone())))
    );
    assert_eq!(
        parse("accounts%28name=%27O%27%27Neil%2C%20Inc%2Fx%27,n=-12)"),
        Ok(Resource::Row(keyed("accounts", key)))
    );
}

#[test]
fn properties_links_and_content_ids_hang_below_a_row() {
    let row = || keyed("accounts", KeyText::Id(id()));
    let path = format!("accounts({ID})/name");
    assert_eq!(parse(&path), Ok(Resource::Property(row(), "name".into())));
    let path = format!("accounts({ID})/ownerid/$ref");
    assert_eq!(parse(&path), Ok(Resource::Link(row(), "ownerid".into())));
    assert_eq!(parse("$1"), Ok(Resource::Row(RowPath::Content("1".into()))));
    assert_eq!(
        parse("$100001/lastname"),
        Ok(Resource::Property(
            RowPath::Content("100001".into()),
            "lastname".into()
        ))
    );
}

#[test]
fn bulk_messages_are_named_in_full() {
    let message = "accounts/Microsoft.Dynamics.CRM.UpsertMultiple";
    assert_eq!(
        parse(message),
        Ok(Resource::Bulk("accounts".into(), Bulk::Upsert))
    );
    let fault = parse("accounts/Microsoft.Dynamics.CRM.CreateMultipel").unwrap_err();
    assert_eq!(fault.status, 404);
    assert!(
        fault.message.contains("'CreateMultiple'"),
        "{}",
        fault.message
    );
}

#[test]
fn definitions_are_named_by_identity_or_logical_name() {
    let by_name = || Handle::Logical("account".into());
    assert_eq!(
        parse("EntityDefinitions"),
        Ok(Resource::Definitions(Definitions::Tables))
    );
    assert_eq!(
        parse("EntityDefinitions(LogicalName='account')"),
        Ok(Resource::Definitions(Definitions::Table(by_name())))
    );
    let cast = "PicklistAttributeMetadata";
    assert_eq!(
        parse(&format!(
            "EntityDefinitions(LogicalName='account')/Attributes/Microsoft.Dynamics.CRM.{cast}"
        )),
        Ok(Resource::Definitions(Definitions::Columns(
            by_name(),
            Some(cast.into())
        )))
    );
    assert_eq!(
        parse(&format!("EntityDefinitions({ID})/Keys({ID})")),
        Ok(Resource::Definitions(Definitions::Key(
            Handle::Id(id()),
            Handle::Id(id())
        )))
    );
}

#[test]
fn what_names_nothing_is_404_and_a_key_that_cannot_be_read_is_400() {
    let status = |path: &str| parse(path).unwrap_err().status;
    assert_eq!(status("accounts/foo"), 404);
    assert_eq!(status("accounts(name='a')/b/c"), 404);
    assert_eq!(status("EntityDefinitions/Attributes"), 404);
    assert_eq!(status("accounts(12)"), 400);
    assert_eq!(status("accounts(name='a"), 400);
    assert_eq!(status("accounts(name='a'b='c')"), 400);
    assert_eq!(status("accounts(name='a',name='b')"), 400);
    assert_eq!(status("accounts(%ff)"), 400);
}

proptest::proptest! {
    #[test]
    fn any_path_is_read_or_refused(path in ".*") {
        let _ = parse(&path);
    }

    #[test]
    fn any_key_is_read_or_refused(args in "[a-z'=,%()0-9 é-]{0,20}") {
        let _ = parse(&format!("accounts({args})/name"));
        let _ = parse(&format!("EntityDefinitions({args})/Attributes({args})"));
    }

    #[test]
    fn a_quoted_key_value_survives_its_address(value in ".{0,20}") {
        let encoded = percent_encoding::utf8_percent_encode(
            &value.replace('\'', "''"),
            percent_encoding::NON_ALPHANUMERIC,
        ).to_string();
        let path = format!("accounts(name='{encoded}')");
        let Ok(Resource::Row(RowPath::Keyed(_, KeyText::Named(parts)))) = parse(&path) else {
            return Err(proptest::test_runner::TestCaseError::fail(path));
        };
        proptest::prop_assert_eq!(&parts[0].1, &KeyValue::Quoted(value.into()));
    }
}
