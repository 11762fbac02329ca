//! Definitions as Dataverse's JSON documents, written.

use serde_json::{Map, Value, json};
use shraga_wire::schema::{ChoiceOption, ColumnDef, ColumnKind, KeyDef, Ownership, TableDef};

/// Code of the language of all labels: English. Labels in other languages are left as they are.
const LANGUAGE: u32 = 1033;

const NAMESPACE: &str = "Microsoft.Dynamics.CRM";

/// Which of Dataverse's two families of types a document is of.
pub(super) trait Family: Copy {
    /// What the names of its types begin with.
    const PREFIX: &'static str;
}

/// Types of single definitions.
#[derive(Clone, Copy)]
pub(super) struct Plain;

/// Types of definitions that are parameters of an action.
#[derive(Clone, Copy)]
struct Complex;

impl Family for Plain {
    const PREFIX: &'static str = "";
}

impl Family for Complex {
    const PREFIX: &'static str = "Complex";
}

fn class<F: Family>(name: &str, _: F) -> String {
    format!("{NAMESPACE}.{}{name}", F::PREFIX)
}

/// Where the options of a choice are.
pub(super) enum Place<'a> {
    /// In a column: the table's logical name and its own.
    Column(&'a str, &'a str),
    /// In a global choice of this name.
    Global(&'a str),
}

/// The body of an action that creates a table with all its columns.
pub(super) fn tables_at_once(def: &TableDef) -> Value {
    json!({ "Entities": [table(def, &def.columns, Complex)] })
}

/// A table with its primary name and no other column of its own.
pub(super) fn bare_table(def: &TableDef) -> Value {
    let is_name = |column: &&ColumnDef| column.logical == def.primary_name;
    let name: Vec<_> = def.columns.iter().filter(is_name).cloned().collect();
    table(def, &name, Plain)
}

fn table<F: Family>(def: &TableDef, columns: &[ColumnDef], family: F) -> Value {
    let columns: Vec<Value> = columns
        .iter()
        .map(|it| {
            let mut document = column(it, family);
            if it.logical == def.primary_name {
                document["IsPrimaryName"] = Value::Bool(true);
            }
            document
        })
        .collect();
    json!({
        "@odata.type": class("EntityMetadata", family),
        "SchemaName": def.schema,
        "EntitySetName": def.set,
        "DisplayName": label(&def.display),
        "DisplayCollectionName": label(&def.display_collection),
        "OwnershipType": match def.ownership {
            Ownership::UserOwned => "UserOwned",
            Ownership::OrganizationOwned => "OrganizationOwned",
        },
        "ChangeTrackingEnabled": def.change_tracking,
        "HasActivities": false,
        "HasNotes": false,
        "IsActivity": false,
        "Attributes": columns,
    })
}

/// A column.
pub(super) fn column<F: Family>(def: &ColumnDef, family: F) -> Value {
    let mut document = Map::new();
    let word = class_word(&def.kind);
    let level = if def.required {
        "ApplicationRequired"
    } else {
        "None"
    };
    let common = [
        (
            "@odata.type",
            json!(class(&format!("{word}AttributeMetadata"), family)),
        ),
        ("SchemaName", json!(def.schema)),
        ("DisplayName", label(&def.display)),
        ("RequiredLevel", json!({ "Value": level })),
    ];
    for (name, value) in common.into_iter().chain(limits(&def.kind)) {
        document.insert(name.to_owned(), value);
    }
    if let Some(options) = options(&def.kind, family) {
        document.insert("OptionSet".to_owned(), options);
    }
    Value::Object(document)
}

const fn class_word(kind: &ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text { .. } => "String",
        ColumnKind::Memo { .. } => "Memo",
        ColumnKind::Integer { .. } => "Integer",
        ColumnKind::BigInt => "BigInt",
        ColumnKind::Decimal { .. } => "Decimal",
        ColumnKind::Double => "Double",
        ColumnKind::Boolean { .. } => "Boolean",
        ColumnKind::DateTime => "DateTime",
        ColumnKind::Choice { .. } => "Picklist",
        ColumnKind::Guid => "Uniqueidentifier",
        ColumnKind::Lookup { .. } => "Lookup",
    }
}

/// The properties that limit what a column holds. Times are of behaviour `UserLocal`: the API always
/// speaks UTC, and people see their own time.
pub(super) fn limits(kind: &ColumnKind) -> Vec<(&'static str, Value)> {
    match kind {
        ColumnKind::Text { max } => vec![
            ("MaxLength", json!(max)),
            ("FormatName", json!({ "Value": "Text" })),
        ],
        ColumnKind::Memo { max } => {
            vec![("MaxLength", json!(max)), ("Format", json!("TextArea"))]
        }
        ColumnKind::Integer { min, max } => vec![
            ("MinValue", json!(min)),
            ("MaxValue", json!(max)),
            ("Format", json!("None")),
        ],
        ColumnKind::Decimal { precision } => vec![("Precision", json!(precision))],
        ColumnKind::DateTime => vec![
            ("Format", json!("DateAndTime")),
            ("DateTimeBehavior", json!({ "Value": "UserLocal" })),
        ],
        ColumnKind::Boolean { .. } => vec![("DefaultValue", json!(false))],
        ColumnKind::Lookup { target } => vec![("Targets", json!([target]))],
        ColumnKind::BigInt | ColumnKind::Double | ColumnKind::Choice { .. } | ColumnKind::Guid => {
            Vec::new()
        }
    }
}

fn options<F: Family>(kind: &ColumnKind, family: F) -> Option<Value> {
    let option = |value: i32, text: &str| json!({ "Value": value, "Label": label(text) });
    match kind {
        ColumnKind::Choice { options } => {
            let options: Vec<_> = options
                .iter()
                .map(|it| option(it.value, &it.label))
                .collect();
            Some(json!({
                "@odata.type": class("OptionSetMetadata", family),
                "IsGlobal": false, "OptionSetType": "Picklist", "Options": options,
            }))
        }
        ColumnKind::Boolean { no, yes } => Some(json!({
            "@odata.type": class("BooleanOptionSetMetadata", family),
            "IsGlobal": false, "OptionSetType": "Boolean",
            "TrueOption": option(1, yes), "FalseOption": option(0, no),
        })),
        _ => None,
    }
}

/// An alternate key.
pub(super) fn key(def: &KeyDef) -> Value {
    json!({
        "@odata.type": class("EntityKeyMetadata", Plain),
        "SchemaName": def.schema,
        "DisplayName": label(&def.display),
        "KeyAttributes": def.columns,
    })
}

/// The body of the action that builds a key's index once more.
pub(super) fn rebuilt_key(table: &str, key: &str) -> Value {
    json!({ "EntityLogicalName": table, "EntityKeyLogicalName": key })
}

/// The body of the action that adds an option to a choice.
pub(super) fn inserted_option(
    place: Place<'_>,
    option: &ChoiceOption,
    solution: Option<&str>,
) -> Value {
    let mut body = match place {
        Place::Column(table, column) => json!({
            "EntityLogicalName": table, "AttributeLogicalName": column,
        }),
        Place::Global(name) => json!({ "OptionSetName": name }),
    };
    body["Value"] = json!(option.value);
    body["Label"] = label(&option.label);
    if let Some(solution) = solution {
        body["SolutionUniqueName"] = json!(solution);
    }
    body
}

/// The body of the action that publishes tables.
pub(super) fn publication(tables: &[String]) -> Value {
    let entities: String = tables
        .iter()
        .map(|table| format!("<entity>{table}</entity>"))
        .collect();
    json!({
        "ParameterXml":
            format!("<importexportxml><entities>{entities}</entities></importexportxml>"),
    })
}

fn label(text: &str) -> Value {
    json!({
        "@odata.type": "Microsoft.Dynamics.CRM.Label",
        "LocalizedLabels": [{
            "@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel",
            "Label": text, "LanguageCode": LANGUAGE,
        }],
    })
}
