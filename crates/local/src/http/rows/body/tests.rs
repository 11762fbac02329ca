use shraga_wire::schema::{Access, ChoiceOption, ColumnDef, Ownership, TableDef};

use super::*;

fn table() -> Table {
    let column = |logical: &str, kind: ColumnKind| ColumnDef {
        metadata_id: Uuid::nil(),
        logical: logical.to_owned(),
        schema: logical.replace("parent", "Parent"),
        display: logical.to_owned(),
        kind,
        required: false,
    };
    Table::new(TableDef {
        metadata_id: Uuid::nil(),
        logical: "new_thing".into(),
        set: "new_things".into(),
        schema: "new_Thing".into(),
        display: "Thing".into(),
        display_collection: "Things".into(),
        primary_id: "new_thingid".into(),
        primary_name: "new_name".into(),
        ownership: Ownership::UserOwned,
        columns: vec![
            column("new_name", ColumnKind::Text { max: 5 }),
            column("new_count", ColumnKind::Integer { min: -3, max: 3 }),
            column("new_when", ColumnKind::DateTime),
            column(
                "new_kind",
                ColumnKind::Choice {
                    options: vec![ChoiceOption {
                        value: 7,
                        label: "Seven".into(),
                    }],
                },
            ),
            column("new_price", ColumnKind::Decimal { precision: 2 }),
            column("new_on", ColumnKind::yes_no()),
            column("new_ref", ColumnKind::Guid),
            column(
                "new_parent",
                ColumnKind::Lookup {
                    target: "new_thing".into(),
                },
            ),
        ],
        keys: Vec::new(),
        indexes: Vec::new(),
        wake: Vec::new(),
        change_tracking: false,
        access: Access::default(),
    })
}

fn cell(json: &str) -> Cell {
    let body = super::read(&table(), json.as_bytes()).unwrap();
    body.cells[0].1.clone()
}

fn fault(json: &str) -> Fault {
    super::read(&table(), json.as_bytes()).unwrap_err()
}

#[test]
fn values_become_cells_of_their_columns_kind() {
    assert_eq!(cell(r#"{"new_name":"a\"b"}"#), Cell::Text("a\"b".into()));
    assert_eq!(cell(r#"{"new_name":null}"#), Cell::Null);
    assert_eq!(cell(r#"{"new_count":-3}"#), Cell::Int(-3));
    assert_eq!(cell(r#"{"new_kind":7}"#), Cell::Int(7));
    assert_eq!(cell(r#"{"new_price":1.239}"#), Cell::Real(1.24));
    assert_eq!(cell(r#"{"new_on":true}"#), Cell::Int(1));
    let id = Uuid::from_u128(1);
    assert_eq!(cell(&format!(r#"{{"new_ref":"{id}"}}"#)), Cell::Id(id));
}

#[test]
fn times_are_whole_seconds_of_utc_however_they_are_written() {
    for text in [
        "1970-01-02T00:00:05Z",
        "1970-01-02T00:00:05.9Z",
        "1970-01-02T02:00:05+02:00",
        "1970-01-02T00:00:05",
    ] {
        assert_eq!(
            cell(&format!(r#"{{"new_when":"{text}"}}"#)),
            Cell::Int(86_405),
            "{text}"
        );
    }
    assert_eq!(cell(r#"{"new_when":"1970-01-02"}"#), Cell::Int(86_400));
    assert_eq!(fault(r#"{"new_when":"yesterday"}"#).status, 400);
}

#[test]
fn values_beyond_their_column_are_refused_with_dataverses_codes() {
    let code = |json: &str| fault(json).code.to_string();
    assert_eq!(code(r#"{"new_name":"123456"}"#), "0x80044331");
    assert_eq!(cell(r#"{"new_name":"äöüßé"}"#), Cell::Text("äöüßé".into()));
    assert_eq!(code(r#"{"new_kind":8}"#), "0x8004431a");
    assert_eq!(code(r#"{"new_count":4}"#), "0x80044330");
    assert_eq!(code(r#"{"new_kind":"7"}"#), "0x80048d19");
    assert_eq!(code(r#"{"new_on":1}"#), "0x80048d19");
    assert_eq!(code(r#"{"new_name":{"a":1}}"#), "0x80048d19");
}

#[test]
fn an_unknown_property_is_refused_with_the_nearest_known_one() {
    let fault = fault(r#"{"new_cuont":1}"#);
    assert_eq!(
        (fault.status, fault.code.to_string().as_str()),
        (400, "0x80048d19")
    );
    assert!(
        fault.message.contains("Did you mean 'new_count'?"),
        "{}",
        fault.message
    );
}

#[test]
fn lookups_are_written_by_binding_only() {
    let body = super::read(
        &table(),
        br#"{"new_Parent@odata.bind":"/new_things(x)","ownerid@odata.bind":"systemusers(y)"}"#,
    );
    let binds: Vec<_> = body.unwrap().binds.into_iter().map(|(_, to)| to).collect();
    assert_eq!(binds, ["/new_things(x)", "systemusers(y)"]);
    assert!(
        fault(r#"{"_new_parent_value":"x"}"#)
            .message
            .contains("Navigation")
    );
    let wrong_case = fault(r#"{"new_parent@odata.bind":"/new_things(x)"}"#);
    assert!(
        wrong_case.message.contains("'new_Parent'"),
        "{}",
        wrong_case.message
    );
}

#[test]
fn what_the_service_keeps_itself_is_ignored_when_sent_back() {
    let json = br#"{"@odata.etag":"W/\"1\"","createdon":"x","versionnumber":9,
        "new_count@OData.Community.Display.V1.FormattedValue":"3","new_count":3}"#;
    assert_eq!(super::read(&table(), json).unwrap().cells.len(), 1);
}

#[test]
fn a_repeated_property_or_a_body_that_is_no_object_is_refused() {
    assert!(
        fault(r#"{"new_count":1,"new_count":2}"#)
            .message
            .contains("duplicate")
    );
    for json in ["", "[]", "{", "{}x", "\"a\"", "null", "{\"a\""] {
        assert_eq!(fault(json).status, 400, "{json}");
    }
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in ".*") {
        let _ = super::read(&table(), body.as_bytes());
    }

    #[test]
    fn any_value_of_any_column_is_read_or_refused(
        column in "new_(name|count|when|kind|price|on|ref|Parent@odata.bind)",
        value in "(null|true|-?[0-9]{1,25}(\\.[0-9]{1,5})?(e[0-9]{1,3})?|\"[^\"\\\\]{0,30}\"|\\[\\]|\\{\\})",
    ) {
        let _ = super::read(&table(), format!("{{\"{column}\":{value}}}").as_bytes());
    }
}
