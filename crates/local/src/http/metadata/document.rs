//! Definitions as Dataverse's JSON documents.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use shraga_wire::schema::{ColumnKind, Ownership};
use uuid::Uuid;

use crate::schema::{Column, ColumnRole, FIRST_DEFINED, Table};

/// Code of the language of all labels: English.
const LANGUAGE: u32 = 1033;

/// A table's definition.
pub(crate) fn table(table: &Table) -> Value {
    let def = &table.def;
    let custom = def.logical.contains('_');
    json!({
        "MetadataId": def.metadata_id,
        "LogicalName": def.logical,
        "SchemaName": def.schema,
        "EntitySetName": def.set,
        "LogicalCollectionName": def.set,
        "CollectionSchemaName": def.set,
        "PrimaryIdAttribute": def.primary_id,
        "PrimaryNameAttribute": def.primary_name,
        "OwnershipType": match def.ownership {
            Ownership::UserOwned => "UserOwned",
            Ownership::OrganizationOwned => "OrganizationOwned",
        },
        "ChangeTrackingEnabled": def.change_tracking,
        "IsOptimisticConcurrencyEnabled": true,
        "IsCustomEntity": custom,
        "IsCustomizable": managed(custom, "iscustomizable"),
        "IsActivity": false,
        "IsIntersect": false,
        "IsManaged": false,
        "IsPrivate": false,
        "HasActivities": false,
        "HasNotes": false,
        "TableType": "Standard",
        "DisplayName": label(&def.display),
        "DisplayCollectionName": label(&def.display_collection),
        "Description": label(""),
    })
}

/// The definitions of a table's columns.
pub(crate) fn columns(table: &Table) -> Vec<Value> {
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(index, column)| column_document(table, index, column))
        .collect()
}

/// Identity of a column's definition; that of a system column is computed from its table's.
pub(crate) fn column_id(table: &Table, index: usize) -> Uuid {
    if let Some(defined) = index.checked_sub(FIRST_DEFINED) {
        return table.def.columns[defined].metadata_id;
    }
    let mut hash = Sha256::new();
    hash.update(table.def.metadata_id.as_bytes());
    hash.update(table.columns[index].logical.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn column_document(table: &Table, index: usize, column: &Column) -> Value {
    let defined = index
        .checked_sub(FIRST_DEFINED)
        .map(|i| &table.def.columns[i]);
    let schema_name = defined.map_or(column.logical.as_str(), |def| def.schema.as_str());
    let display = defined.map_or(column.logical.as_str(), |def| def.display.as_str());
    let (class, kind) = class(column);
    let writable = matches!(column.role, ColumnRole::Defined | ColumnRole::Owner);
    let mut out = Map::new();
    let mut set = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    set(
        "@odata.type",
        json!(format!("#Microsoft.Dynamics.CRM.{class}AttributeMetadata")),
    );
    set("MetadataId", json!(column_id(table, index)));
    set("LogicalName", json!(column.logical));
    set("SchemaName", json!(schema_name));
    set("EntityLogicalName", json!(table.def.logical));
    set("AttributeType", json!(kind));
    set(
        "AttributeTypeName",
        json!({"Value": format!("{class}Type")}),
    );
    set("IsPrimaryId", json!(column.role == ColumnRole::PrimaryId));
    set(
        "IsPrimaryName",
        json!(column.logical == table.def.primary_name),
    );
    set(
        "IsCustomAttribute",
        json!(defined.is_some() && column.logical.contains('_')),
    );
    set("IsValidForRead", json!(true));
    set(
        "IsValidForCreate",
        json!(writable || column.role == ColumnRole::PrimaryId),
    );
    set("IsValidForUpdate", json!(writable));
    set("IsLogical", json!(false));
    set("AttributeOf", Value::Null);
    set("ColumnNumber", json!(index + 1));
    set("RequiredLevel", required_level(column));
    set("DisplayName", label(display));
    set("Description", label(""));
    limits(&column.kind, &mut out);
    Value::Object(out)
}

fn required_level(column: &Column) -> Value {
    let level = match column.role {
        ColumnRole::PrimaryId | ColumnRole::Owner => "SystemRequired",
        ColumnRole::Defined if column.required => "ApplicationRequired",
        ColumnRole::Defined
        | ColumnRole::CreatedOn
        | ColumnRole::ModifiedOn
        | ColumnRole::CreatedBy
        | ColumnRole::ModifiedBy
        | ColumnRole::Version => "None",
    };
    json!({
        "Value": level,
        "CanBeChanged": column.role == ColumnRole::Defined,
        "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
    })
}

/// The class of a column's definition, and its `AttributeType`.
pub(crate) fn class(column: &Column) -> (&'static str, &'static str) {
    match &column.kind {
        ColumnKind::Text { .. } => ("String", "String"),
        ColumnKind::Memo { .. } => ("Memo", "Memo"),
        ColumnKind::Integer { .. } => ("Integer", "Integer"),
        ColumnKind::BigInt => ("BigInt", "BigInt"),
        ColumnKind::Decimal { .. } => ("Decimal", "Decimal"),
        ColumnKind::Double => ("Double", "Double"),
        ColumnKind::Boolean { .. } => ("Boolean", "Boolean"),
        ColumnKind::DateTime => ("DateTime", "DateTime"),
        ColumnKind::Choice { .. } => ("Picklist", "Picklist"),
        ColumnKind::Guid => ("Uniqueidentifier", "Uniqueidentifier"),
        ColumnKind::Lookup { .. } if column.role == ColumnRole::Owner => ("Lookup", "Owner"),
        ColumnKind::Lookup { .. } => ("Lookup", "Lookup"),
    }
}

fn limits(kind: &ColumnKind, out: &mut Map<String, Value>) {
    let given = match kind {
        ColumnKind::Text { max } => {
            json!({"MaxLength": max, "Format": "Text", "FormatName": {"Value": "Text"}})
        }
        ColumnKind::Memo { max } => json!({"MaxLength": max, "Format": "TextArea"}),
        ColumnKind::Integer { min, max } => {
            json!({"MinValue": min, "MaxValue": max, "Format": "None"})
        }
        ColumnKind::BigInt => json!({"MinValue": i64::MIN, "MaxValue": i64::MAX}),
        ColumnKind::Decimal { precision } => json!({
            "MinValue": -100_000_000_000.0, "MaxValue": 100_000_000_000.0, "Precision": precision,
        }),
        ColumnKind::Double => json!({
            "MinValue": -100_000_000_000.0, "MaxValue": 100_000_000_000.0, "Precision": 5,
        }),
        ColumnKind::DateTime => json!({
            "Format": "DateAndTime", "DateTimeBehavior": {"Value": "UserLocal"},
        }),
        ColumnKind::Lookup { target } => json!({"Targets": [target]}),
        ColumnKind::Boolean { .. } => json!({"DefaultValue": false}),
        ColumnKind::Choice { .. } => json!({"DefaultFormValue": -1}),
        ColumnKind::Guid => json!({}),
    };
    if let Value::Object(given) = given {
        out.extend(given);
    }
}

/// The options of a choice or yes/no column, by its logical name.
pub(crate) fn option_set(table: &Table, logical: &str) -> Option<Value> {
    let index = table.column_by_logical(logical)?;
    let name = format!("{}_{logical}", table.def.logical);
    match &table.columns[index].kind {
        ColumnKind::Choice { options } => {
            let options: Vec<_> = options.iter().map(|o| option(o.value, &o.label)).collect();
            Some(json!({
                "MetadataId": column_id(table, index),
                "Name": name, "IsGlobal": false, "OptionSetType": "Picklist", "Options": options,
            }))
        }
        ColumnKind::Boolean { no, yes } => Some(json!({
            "MetadataId": column_id(table, index),
            "Name": name, "IsGlobal": false, "OptionSetType": "Boolean",
            "TrueOption": option(1, yes), "FalseOption": option(0, no),
        })),
        ColumnKind::Text { .. }
        | ColumnKind::Memo { .. }
        | ColumnKind::Integer { .. }
        | ColumnKind::BigInt
        | ColumnKind::Decimal { .. }
        | ColumnKind::Double
        | ColumnKind::DateTime
        | ColumnKind::Guid
        | ColumnKind::Lookup { .. } => None,
    }
}

fn option(value: i32, text: &str) -> Value {
    json!({"Value": value, "Label": label(text), "Description": label(""), "Color": null})
}

/// The definitions of a table's alternate keys.
pub(crate) fn keys(table: &Table) -> Vec<Value> {
    let keys = table.def.keys.iter();
    keys.map(|key| {
        json!({
            "MetadataId": key.metadata_id,
            "LogicalName": key.logical,
            "SchemaName": key.schema,
            "EntityLogicalName": table.def.logical,
            "KeyAttributes": key.columns,
            "DisplayName": label(&key.display),
            "EntityKeyIndexStatus": "Active",
            "IsManaged": false,
        })
    })
    .collect()
}

fn managed(value: bool, name: &str) -> Value {
    json!({"Value": value, "CanBeChanged": false, "ManagedPropertyLogicalName": name})
}

fn label(text: &str) -> Value {
    if text.is_empty() {
        return json!({"LocalizedLabels": [], "UserLocalizedLabel": null});
    }
    let localized = json!({"Label": text, "LanguageCode": LANGUAGE, "IsManaged": false});
    json!({"LocalizedLabels": [localized.clone()], "UserLocalizedLabel": localized})
}
