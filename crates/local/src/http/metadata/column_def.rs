//! Definitions as clients send them: JSON documents become table, column and key definitions.

use serde_json::Value;
use shraga_wire::fault::{Fault, codes};
use shraga_wire::schema::{
    Access, ChoiceOption, ColumnDef, ColumnKind, KeyDef, Ownership, TableDef,
};
use uuid::Uuid;

use crate::http::names;

/// Longest short text, in characters, as in Dataverse.
const MAX_TEXT: i64 = 4000;
/// Longest long text, in characters, as in Dataverse.
const MAX_MEMO: i64 = 1_048_576;
/// Most columns of a key, as in Dataverse.
const MAX_KEY_COLUMNS: usize = 16;
/// Longest schema name, in characters, as in Dataverse.
const MAX_NAME: usize = 100;

/// Reads a table's definition with its columns.
///
/// # Errors
/// 400 or 501 naming what is wrong or not supported.
pub(crate) fn table(document: &Value) -> Result<TableDef, Fault> {
    let schema = schema_name(document)?;
    if !schema.contains('_') {
        return Err(bad_name(
            &schema,
            "a custom table's name starts with a prefix: new_Name",
        ));
    }
    let logical = schema.to_ascii_lowercase();
    let columns = array(document, "Attributes")?
        .iter()
        .map(column)
        .collect::<Result<Vec<_>, _>>()?;
    let attributes = array(document, "Attributes")?;
    let primary = attributes.iter().position(|a| a["IsPrimaryName"] == true);
    let Some(primary) = primary.filter(|at| matches!(columns[*at].kind, ColumnKind::Text { .. }))
    else {
        return Err(Fault::invalid_argument(format!(
            "Table {schema} needs one StringAttributeMetadata with IsPrimaryName true."
        )));
    };
    let display = label(&document["DisplayName"]).unwrap_or_else(|| schema.clone());
    let keys = match document.get("Keys") {
        None | Some(Value::Null) => Vec::new(),
        Some(_) => array(document, "Keys")?
            .iter()
            .map(key)
            .collect::<Result<_, _>>()?,
    };
    let set = document["EntitySetName"]
        .as_str()
        .filter(|name| !name.is_empty());
    Ok(TableDef {
        metadata_id: Uuid::now_v7(),
        set: set.map_or_else(|| plural(&logical), str::to_ascii_lowercase),
        primary_id: format!("{logical}id"),
        primary_name: columns[primary].logical.clone(),
        display_collection: label(&document["DisplayCollectionName"])
            .unwrap_or_else(|| format!("{display}s")),
        display,
        ownership: ownership(document)?,
        columns,
        keys,
        indexes: Vec::new(),
        wake: Vec::new(),
        change_tracking: document["ChangeTrackingEnabled"] == true,
        access: Access::default(),
        schema,
        logical,
    })
}

/// Changes a table's definition to what a document says of names and change tracking.
///
/// # Errors
/// 400 for what can't be changed.
pub(crate) fn changed_table(old: &TableDef, document: &Value) -> Result<TableDef, Fault> {
    let mut new = old.clone();
    unchanged(document, "SchemaName", &old.schema)?;
    unchanged(document, "LogicalName", &old.logical)?;
    if let Some(display) = label(&document["DisplayName"]) {
        new.display = display;
    }
    if let Some(display) = label(&document["DisplayCollectionName"]) {
        new.display_collection = display;
    }
    if document["IsOptimisticConcurrencyEnabled"] == false {
        return Err(Fault::not_supported(
            "A table without optimistic concurrency",
        ));
    }
    if let Some(on) = document["ChangeTrackingEnabled"].as_bool() {
        new.change_tracking = on;
    }
    Ok(new)
}

fn ownership(document: &Value) -> Result<Ownership, Fault> {
    match document["OwnershipType"].as_str() {
        None | Some("UserOwned") => Ok(Ownership::UserOwned),
        Some("OrganizationOwned") => Ok(Ownership::OrganizationOwned),
        Some(other) => Err(Fault::not_supported(&format!("OwnershipType {other}"))),
    }
}

/// Reads a column's definition.
///
/// # Errors
/// 400 or 501 naming what is wrong or not supported.
pub(crate) fn column(document: &Value) -> Result<ColumnDef, Fault> {
    let schema = schema_name(document)?;
    Ok(ColumnDef {
        metadata_id: Uuid::now_v7(),
        logical: schema.to_ascii_lowercase(),
        display: label(&document["DisplayName"]).unwrap_or_else(|| schema.clone()),
        kind: kind(document, &schema)?,
        required: required(document),
        schema,
    })
}

/// Changes a column's definition to what a document says.
///
/// # Errors
/// 400 for what can't be changed.
pub(crate) fn changed_column(old: &ColumnDef, document: &Value) -> Result<ColumnDef, Fault> {
    unchanged(document, "SchemaName", &old.schema)?;
    unchanged(document, "LogicalName", &old.logical)?;
    let mut new = old.clone();
    if let Some(display) = label(&document["DisplayName"]) {
        new.display = display;
    }
    if document.get("RequiredLevel").is_some() {
        new.required = required(document);
    }
    let mut document = document.clone();
    let keeps_options = document.get("OptionSet").is_none_or(Value::is_null);
    let has_options = matches!(
        old.kind,
        ColumnKind::Choice { .. } | ColumnKind::Boolean { .. }
    );
    if keeps_options && has_options {
        return Ok(new);
    }
    if let (ColumnKind::Choice { .. }, Some(object)) = (&old.kind, document.as_object_mut()) {
        object.remove("GlobalOptionSet");
    }
    new.kind = kind(&document, &old.schema)?;
    Ok(new)
}

fn unchanged(document: &Value, property: &str, old: &str) -> Result<(), Fault> {
    match document[property].as_str() {
        Some(new) if !new.eq_ignore_ascii_case(old) => Err(Fault::invalid_argument(format!(
            "{property} can't be changed (from {old} to {new})."
        ))),
        Some(_) | None => Ok(()),
    }
}

fn required(document: &Value) -> bool {
    let level = document["RequiredLevel"]["Value"].as_str();
    matches!(level, Some("ApplicationRequired" | "SystemRequired"))
}

const CLASSES: [&str; 10] = [
    "StringAttributeMetadata",
    "MemoAttributeMetadata",
    "IntegerAttributeMetadata",
    "BigIntAttributeMetadata",
    "DecimalAttributeMetadata",
    "DoubleAttributeMetadata",
    "BooleanAttributeMetadata",
    "DateTimeAttributeMetadata",
    "PicklistAttributeMetadata",
    "UniqueIdentifierAttributeMetadata",
];

fn kind(document: &Value, name: &str) -> Result<ColumnKind, Fault> {
    let given = document["@odata.type"].as_str().unwrap_or_default();
    let class = given.trim_start_matches('#');
    let class = class
        .strip_prefix("Microsoft.Dynamics.CRM.")
        .unwrap_or(class);
    let class = class.strip_prefix("Complex").unwrap_or(class);
    Ok(match class {
        "StringAttributeMetadata" => ColumnKind::Text {
            max: length(document, name, 100, MAX_TEXT)?,
        },
        "MemoAttributeMetadata" => ColumnKind::Memo {
            max: length(document, name, 2000, MAX_MEMO)?,
        },
        "IntegerAttributeMetadata" => integer(document, name)?,
        "BigIntAttributeMetadata" => ColumnKind::BigInt,
        "DecimalAttributeMetadata" => {
            bounds_stay(document, name)?;
            ColumnKind::Decimal {
                precision: precision(document, name)?,
            }
        }
        "DoubleAttributeMetadata" => {
            bounds_stay(document, name)?;
            ColumnKind::Double
        }
        "BooleanAttributeMetadata" => boolean(document),
        "DateTimeAttributeMetadata" => ColumnKind::DateTime,
        "PicklistAttributeMetadata" => choice(document, name)?,
        "UniqueIdentifierAttributeMetadata" | "UniqueidentifierAttributeMetadata" => {
            ColumnKind::Guid
        }
        "" => {
            return Err(Fault::invalid_argument(format!(
                "Column {name} needs an @odata.type, such as \
                 Microsoft.Dynamics.CRM.StringAttributeMetadata."
            )));
        }
        other => {
            let hint = names::hint(other, CLASSES);
            return Err(Fault::not_supported(&format!(
                "A column of type {other} ({name}){hint}"
            )));
        }
    })
}

fn length(document: &Value, name: &str, default: u32, most: i64) -> Result<u32, Fault> {
    let Some(given) = document.get("MaxLength").filter(|given| !given.is_null()) else {
        return Ok(default);
    };
    given
        .as_i64()
        .filter(|length| (1..=most).contains(length))
        .and_then(|length| u32::try_from(length).ok())
        .ok_or_else(|| {
            Fault::invalid_argument(format!(
                "MaxLength of column {name} must be 1 to {most}, not {given}."
            ))
        })
}

fn integer(document: &Value, name: &str) -> Result<ColumnKind, Fault> {
    let bound = |property: &str, default: i32| match document.get(property) {
        None | Some(Value::Null) => Ok(default),
        Some(given) => given
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .ok_or_else(|| {
                Fault::invalid_argument(format!(
                    "{property} of column {name} must be a 32-bit whole number, not {given}."
                ))
            }),
    };
    let (min, max) = (bound("MinValue", i32::MIN)?, bound("MaxValue", i32::MAX)?);
    if min > max {
        return Err(Fault::invalid_argument(format!(
            "MinValue {min} of column {name} is above MaxValue {max}."
        )));
    }
    Ok(ColumnKind::Integer { min, max })
}

/// Decimal and double columns have Dataverse's widest bounds; narrower ones aren't kept.
fn bounds_stay(document: &Value, name: &str) -> Result<(), Fault> {
    /// Dataverse's widest bounds.
    const WIDEST: f64 = 100_000_000_000.0;
    let narrower = ["MinValue", "MaxValue"]
        .iter()
        .filter_map(|property| document[*property].as_f64())
        .any(|bound| bound.abs() < WIDEST);
    if narrower {
        return Err(Fault::not_supported(&format!(
            "MinValue or MaxValue of a decimal or double column ({name})"
        )));
    }
    Ok(())
}

fn precision(document: &Value, name: &str) -> Result<u8, Fault> {
    let given = &document["Precision"];
    if given.is_null() {
        return Ok(2);
    }
    given
        .as_u64()
        .and_then(|digits| u8::try_from(digits).ok())
        .filter(|digits| *digits <= 10)
        .ok_or_else(|| {
            Fault::invalid_argument(format!(
                "Precision of column {name} must be 0 to 10, not {given}."
            ))
        })
}

fn boolean(document: &Value) -> ColumnKind {
    let word = |option: &str, usual: &str| {
        let given = label(&document["OptionSet"][option]["Label"]);
        given.unwrap_or_else(|| usual.to_owned())
    };
    ColumnKind::Boolean {
        no: word("FalseOption", "No"),
        yes: word("TrueOption", "Yes"),
    }
}

fn choice(document: &Value, name: &str) -> Result<ColumnKind, Fault> {
    if document.get("GlobalOptionSet@odata.bind").is_some()
        || document["OptionSet"]["IsGlobal"] == true
    {
        return Err(Fault::not_supported(&format!(
            "A global choice (column {name})"
        )));
    }
    let mut options = Vec::new();
    for option in array(&document["OptionSet"], "Options")? {
        push_option(&mut options, option, name)?;
    }
    Ok(ColumnKind::Choice { options })
}

fn push_option(options: &mut Vec<ChoiceOption>, option: &Value, column: &str) -> Result<(), Fault> {
    let value = option["Value"].as_i64().and_then(|v| i32::try_from(v).ok());
    let Some(value) = value else {
        return Err(Fault::invalid_argument(format!(
            "Every option of column {column} needs a whole number as Value."
        )));
    };
    if options.iter().any(|known| known.value == value) {
        return Err(Fault::invalid_argument(format!(
            "Option {value} of column {column} is given twice."
        )));
    }
    options.push(ChoiceOption {
        value,
        label: label(&option["Label"]).unwrap_or_else(|| value.to_string()),
    });
    Ok(())
}

/// A column with one more option, which a document with `Value` and `Label` describes.
///
/// # Errors
/// 400 when it has no options of its own, or this one already.
pub(crate) fn with_option(column: &ColumnDef, document: &Value) -> Result<ColumnDef, Fault> {
    let mut column = column.clone();
    let ColumnKind::Choice { options } = &mut column.kind else {
        return Err(Fault::invalid_argument(format!(
            "Column {} is no choice.",
            column.logical
        )));
    };
    push_option(options, document, &column.logical)?;
    Ok(column)
}

/// Reads an alternate key's definition.
///
/// # Errors
/// 400 naming what is wrong.
pub(crate) fn key(document: &Value) -> Result<KeyDef, Fault> {
    let schema = schema_name(document)?;
    let columns: Vec<String> = array(document, "KeyAttributes")?
        .iter()
        .filter_map(|name| name.as_str().map(str::to_ascii_lowercase))
        .collect();
    if columns.is_empty() || columns.len() > MAX_KEY_COLUMNS {
        return Err(Fault::invalid_argument(format!(
            "KeyAttributes of key {schema} must name 1 to {MAX_KEY_COLUMNS} columns."
        )));
    }
    Ok(KeyDef {
        metadata_id: Uuid::now_v7(),
        logical: schema.to_ascii_lowercase(),
        display: label(&document["DisplayName"]).unwrap_or_else(|| schema.clone()),
        schema,
        columns,
    })
}

fn schema_name(document: &Value) -> Result<String, Fault> {
    let name = document["SchemaName"].as_str().unwrap_or_default();
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if starts && rest && name.len() <= MAX_NAME {
        return Ok(name.to_owned());
    }
    Err(bad_name(
        name,
        "a letter, then letters, digits and underscores",
    ))
}

fn bad_name(name: &str, rule: &str) -> Fault {
    Fault::new(
        400,
        codes::INVALID_SCHEMA_NAME,
        format!("'{name}' is not a valid SchemaName: {rule}, at most {MAX_NAME} characters."),
    )
}

/// The text of a label: the user's, else the first.
fn label(label: &Value) -> Option<String> {
    let user = &label["UserLocalizedLabel"]["Label"];
    let text = user
        .as_str()
        .or_else(|| label["LocalizedLabels"][0]["Label"].as_str());
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn array<'d>(document: &'d Value, property: &str) -> Result<&'d Vec<Value>, Fault> {
    document[property]
        .as_array()
        .ok_or_else(|| Fault::invalid_argument(format!("{property} must be an array.")))
}

/// The plural that Dataverse makes of a logical name.
fn plural(logical: &str) -> String {
    let hisses = ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|end| logical.ends_with(end));
    let stem = logical.strip_suffix('y');
    match stem {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if hisses => format!("{logical}es"),
        _ => format!("{logical}s"),
    }
}
