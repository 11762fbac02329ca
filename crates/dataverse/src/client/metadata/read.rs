//! Definitions as Dataverse's JSON documents, read: what is compared with what is wanted, no more.

use serde::Deserialize;
use shraga_wire::schema::compare::{
    KeyState, ObservedColumn, ObservedKey, ObservedKind, ObservedTable,
};
use shraga_wire::schema::{ChoiceOption, ColumnKind};
use uuid::Uuid;

use crate::error::Error;
use crate::send::Reply;

/// Properties of tables that are asked for.
pub(super) const TABLE_PROPERTIES: [&str; 6] = [
    "LogicalName",
    "EntitySetName",
    "PrimaryIdAttribute",
    "OwnershipType",
    "ChangeTrackingEnabled",
    "IsOptimisticConcurrencyEnabled",
];

#[derive(Deserialize)]
struct Many<T> {
    value: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableBody {
    metadata_id: Uuid,
    logical_name: String,
    #[serde(default)]
    entity_set_name: Option<String>,
    #[serde(default)]
    primary_id_attribute: Option<String>,
    #[serde(default)]
    ownership_type: Option<String>,
    #[serde(default)]
    change_tracking_enabled: Option<bool>,
    #[serde(default)]
    is_optimistic_concurrency_enabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ColumnBody {
    logical_name: String,
    #[serde(rename = "@odata.type", default)]
    class: Option<String>,
    #[serde(default)]
    attribute_type: Option<String>,
    #[serde(default)]
    max_length: Option<u32>,
    #[serde(default)]
    min_value: Option<f64>,
    #[serde(default)]
    max_value: Option<f64>,
    #[serde(default)]
    precision: Option<u8>,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    date_time_behavior: Option<Named>,
    #[serde(default)]
    targets: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChoiceBody {
    logical_name: String,
    #[serde(default)]
    option_set: Option<OptionSetBody>,
    #[serde(default)]
    global_option_set: Option<OptionSetBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OptionSetBody {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    is_global: Option<bool>,
    #[serde(default)]
    options: Vec<OptionBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OptionBody {
    value: i32,
    #[serde(default)]
    label: Option<LabelBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LabelBody {
    #[serde(default)]
    user_localized_label: Option<TextBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TextBody {
    #[serde(default)]
    label: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyBody {
    logical_name: String,
    #[serde(default)]
    key_attributes: Vec<String>,
    #[serde(default)]
    entity_key_index_status: Option<String>,
}

/// Tables, without columns and keys.
pub(super) fn tables(reply: &Reply) -> Result<Vec<ObservedTable>, Error> {
    let body: Many<TableBody> = reply.json()?;
    Ok(body.value.into_iter().map(table).collect())
}

fn table(body: TableBody) -> ObservedTable {
    ObservedTable {
        metadata_id: body.metadata_id,
        set: body.entity_set_name.unwrap_or_default(),
        primary_id: body.primary_id_attribute.unwrap_or_default(),
        user_owned: body.ownership_type.as_deref() == Some("UserOwned"),
        change_tracking: body.change_tracking_enabled == Some(true),
        // A service too old to tell has it on for custom tables.
        optimistic_concurrency: body.is_optimistic_concurrency_enabled != Some(false),
        columns: Vec::new(),
        keys: Vec::new(),
        logical: body.logical_name,
    }
}

/// Columns, choices without their options.
pub(super) fn columns(reply: &Reply) -> Result<Vec<ObservedColumn>, Error> {
    let body: Many<ColumnBody> = reply.json()?;
    Ok(body.value.into_iter().map(column).collect())
}

fn column(body: ColumnBody) -> ObservedColumn {
    let kind = match known_kind(&body) {
        Some(kind) => ObservedKind::Known(kind),
        None => ObservedKind::Other(other_kind(&body)),
    };
    ObservedColumn {
        logical: body.logical_name,
        kind,
        global_choice: None,
    }
}

fn known_kind(body: &ColumnBody) -> Option<ColumnKind> {
    Some(match body.attribute_type.as_deref()? {
        "String" => ColumnKind::Text {
            max: body.max_length.unwrap_or(0),
        },
        "Memo" => ColumnKind::Memo {
            max: body.max_length.unwrap_or(0),
        },
        "Integer" => ColumnKind::Integer {
            min: body.min_value.map_or(i32::MIN, whole),
            max: body.max_value.map_or(i32::MAX, whole),
        },
        "BigInt" => ColumnKind::BigInt,
        "Decimal" => ColumnKind::Decimal {
            precision: body.precision.unwrap_or(0),
        },
        "Double" => ColumnKind::Double,
        "Boolean" => ColumnKind::yes_no(),
        "DateTime" if !is_date_only(body) => ColumnKind::DateTime,
        "Picklist" => ColumnKind::Choice {
            options: Vec::new(),
        },
        "Uniqueidentifier" => ColumnKind::Guid,
        "Lookup" | "Owner" | "Customer" => ColumnKind::Lookup {
            target: body.targets.as_deref().unwrap_or_default().join(" or "),
        },
        _ => return None,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the bounds of 32-bit columns are 32-bit numbers; a cast saturates at theirs"
)]
const fn whole(bound: f64) -> i32 {
    bound as i32
}

fn is_date_only(body: &ColumnBody) -> bool {
    let behaviour = body.date_time_behavior.as_ref();
    let behaviour = behaviour.and_then(|it| it.value.as_deref());
    body.format.as_deref() == Some("DateOnly") || behaviour == Some("DateOnly")
}

/// A word for a kind that no table of ours has.
fn other_kind(body: &ColumnBody) -> String {
    if body.attribute_type.as_deref() == Some("DateTime") {
        return "date only".to_owned();
    }
    let class = body.class.as_deref().and_then(|it| it.rsplit('.').next());
    let class = class.map(|it| it.trim_end_matches("AttributeMetadata"));
    let word = class.or(body.attribute_type.as_deref());
    word.unwrap_or("of an unknown type").to_ascii_lowercase()
}

/// Gives the choices among `columns` their options.
pub(super) fn choices(reply: &Reply, columns: &mut [ObservedColumn]) -> Result<(), Error> {
    fill(reply.json()?, columns);
    Ok(())
}

fn fill(body: Many<ChoiceBody>, columns: &mut [ObservedColumn]) {
    for choice in body.value {
        let named = |it: &&mut ObservedColumn| it.logical == choice.logical_name;
        let Some(column) = columns.iter_mut().find(named) else {
            continue;
        };
        // A global choice's options stand in either place.
        let global = choice.global_option_set.filter(|it| !it.options.is_empty());
        let Some(set) = global.or(choice.option_set) else {
            continue;
        };
        column.global_choice = set.name.filter(|_| set.is_global == Some(true));
        let options = set.options.into_iter().map(option).collect();
        column.kind = ObservedKind::Known(ColumnKind::Choice { options });
    }
}

fn option(body: OptionBody) -> ChoiceOption {
    let label = body.label.and_then(|it| it.user_localized_label);
    ChoiceOption {
        value: body.value,
        label: label.and_then(|it| it.label).unwrap_or_default(),
    }
}

/// Alternate keys.
pub(super) fn keys(reply: &Reply) -> Result<Vec<ObservedKey>, Error> {
    let body: Many<KeyBody> = reply.json()?;
    Ok(body.value.into_iter().map(key).collect())
}

fn key(body: KeyBody) -> ObservedKey {
    ObservedKey {
        logical: body.logical_name,
        columns: body.key_attributes,
        state: match body.entity_key_index_status.as_deref() {
            Some("Active") => KeyState::Active,
            Some("Failed") => KeyState::Failed,
            // Pending and InProgress.
            Some(_) | None => KeyState::Building,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn kind(document: Value) -> ObservedKind {
        column(serde_json::from_value(document).unwrap()).kind
    }

    fn other(word: &str) -> ObservedKind {
        ObservedKind::Other(word.to_owned())
    }

    #[test]
    fn columns_of_kinds_that_ours_do_not_have_are_named_by_dataverses_word() {
        let multi = json!({
            "@odata.type": "#Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata",
            "LogicalName": "x", "AttributeType": "Virtual",
        });
        assert_eq!(kind(multi), other("multiselectpicklist"));
        let behaviour = json!({
            "LogicalName": "x", "AttributeType": "DateTime", "Format": "DateAndTime",
            "DateTimeBehavior": {"Value": "DateOnly"},
        });
        assert_eq!(kind(behaviour), other("date only"));
        let zoneless = json!({
            "LogicalName": "x", "AttributeType": "DateTime", "Format": "DateAndTime",
            "DateTimeBehavior": {"Value": "TimeZoneIndependent"},
        });
        assert_eq!(kind(zoneless), ObservedKind::Known(ColumnKind::DateTime));
    }

    #[test]
    fn whole_numbers_keep_their_bounds_however_they_are_written() {
        let bounds = json!({
            "LogicalName": "x", "AttributeType": "Integer",
            "MinValue": -2_147_483_648_i64, "MaxValue": 100.0,
        });
        let (min, max) = (i32::MIN, 100);
        assert_eq!(
            kind(bounds),
            ObservedKind::Known(ColumnKind::Integer { min, max })
        );
    }

    #[test]
    fn a_choices_options_are_its_own_or_those_of_a_global_one() {
        let choice = json!({"LogicalName": "x", "AttributeType": "Picklist"});
        let mut columns = vec![column(serde_json::from_value(choice).unwrap())];
        let option = json!({"Value": 5, "Label": {"UserLocalizedLabel": {"Label": "Running"}}});
        let global = json!({"value": [{
            "LogicalName": "x",
            "OptionSet": null,
            "GlobalOptionSet": {"Name": "cr_states", "IsGlobal": true, "Options": [option]},
        }]});
        let body: Many<ChoiceBody> = serde_json::from_value(global).unwrap();
        fill(body, &mut columns);
        assert_eq!(columns[0].global_choice.as_deref(), Some("cr_states"));
        let options = vec![ChoiceOption {
            value: 5,
            label: "Running".to_owned(),
        }];
        assert_eq!(
            columns[0].kind,
            ObservedKind::Known(ColumnKind::Choice { options })
        );
    }
}
