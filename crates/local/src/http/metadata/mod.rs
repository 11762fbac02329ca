//! Definitions of tables, columns and keys: read as JSON documents, changed, and as CSDL.
//!
//! Everybody may read them; the store lets only admins change them. A definition's JSON is made from
//! the same [`TableDef`](shraga_wire::schema::TableDef) that rows are checked against. Relationships
//! and global choices don't exist here and fault by name.

pub(crate) mod change;
pub(crate) mod column_def;
pub(crate) mod csdl;
pub(crate) mod document;
pub(crate) mod select;

use std::sync::Arc;

use serde_json::{Value, json};
use shraga_wire::fault::{Fault, codes};
use shraga_wire::query::Query;
use uuid::Uuid;

use crate::http::answer::Answer;
use crate::http::base::Base;
use crate::http::call::Call;
use crate::http::names;
use crate::http::path::{Definitions, Handle};
use crate::schema::{Schema, Table};

/// Answers a read of definitions.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn read(
    schema: &Schema,
    base: &Base,
    call: &Call<'_>,
    what: &Definitions<'_>,
) -> Result<Answer, Fault> {
    let query = Query::parse(call.query)?;
    refuse_data_options(&query)?;
    let context = |name: &str| format!("{}$metadata#{name}", base.url());
    match what {
        Definitions::Tables => {
            let all = schema.tables().iter().map(|t| document::table(t));
            select::many(
                &context("EntityDefinitions"),
                all.collect(),
                &query,
                |item| expand_table(schema, item),
            )
        }
        Definitions::Table(handle) => {
            let table = table(schema, handle)?;
            let context = context("EntityDefinitions/$entity");
            select::one(&context, document::table(table), &query, |item| {
                expand_table(schema, item)
            })
        }
        Definitions::Columns(handle, cast) => {
            let table = table(schema, handle)?;
            let all = document::columns(table)
                .into_iter()
                .filter(|column| is_a(column, cast.as_deref()))
                .collect();
            let name = format!("EntityDefinitions({})/Attributes", table.def.metadata_id);
            select::many(&context(&name), all, &query, |item| {
                expand_column(table, item)
            })
        }
        Definitions::Column(handle, column, cast) => {
            let table = table(schema, handle)?;
            let found = find(document::columns(table), column, "Attribute", table)?;
            if !is_a(&found, cast.as_deref()) {
                return Err(not_that_kind(&found, cast.as_deref().unwrap_or_default()));
            }
            let name = format!(
                "EntityDefinitions({})/Attributes/$entity",
                table.def.metadata_id
            );
            select::one(&context(&name), found, &query, |item| {
                expand_column(table, item)
            })
        }
        Definitions::Keys(handle) => {
            let table = table(schema, handle)?;
            let name = format!("EntityDefinitions({})/Keys", table.def.metadata_id);
            select::many(&context(&name), document::keys(table), &query, |_| {
                Vec::new()
            })
        }
        Definitions::Key(handle, key) => {
            let table = table(schema, handle)?;
            let found = find(document::keys(table), key, "EntityKey", table)?;
            let name = format!("EntityDefinitions({})/Keys/$entity", table.def.metadata_id);
            select::one(&context(&name), found, &query, |_| Vec::new())
        }
    }
}

fn refuse_data_options(query: &Query) -> Result<(), Fault> {
    let given = [
        ("$top", query.top.is_some()),
        ("$orderby", !query.order_by.is_empty()),
        ("$skiptoken", query.skip_token.is_some()),
        ("$deltatoken", query.delta_token.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Fault::odata(format!(
            "The query option {option} isn't supported for definitions; they aren't paged."
        ))),
        None => Ok(()),
    }
}

/// What can be expanded in a table's definition.
fn expand_table(schema: &Schema, item: &Value) -> Vec<(&'static str, Value)> {
    let logical = item["LogicalName"].as_str().unwrap_or_default();
    let Some(table) = schema.by_logical(logical) else {
        return Vec::new();
    };
    vec![
        ("Attributes", Value::Array(document::columns(table))),
        ("Keys", Value::Array(document::keys(table))),
        ("OneToManyRelationships", json!([])),
        ("ManyToOneRelationships", json!([])),
        ("ManyToManyRelationships", json!([])),
    ]
}

/// What can be expanded in a column's definition.
fn expand_column(table: &Table, item: &Value) -> Vec<(&'static str, Value)> {
    let logical = item["LogicalName"].as_str().unwrap_or_default();
    match document::option_set(table, logical) {
        Some(options) => vec![("OptionSet", options), ("GlobalOptionSet", Value::Null)],
        None => Vec::new(),
    }
}

fn is_a(column: &Value, cast: Option<&str>) -> bool {
    let Some(cast) = cast else { return true };
    let kind = column["@odata.type"].as_str().unwrap_or_default();
    cast == "AttributeMetadata" || kind.rsplit('.').next() == Some(cast)
}

fn not_that_kind(column: &Value, cast: &str) -> Fault {
    Fault::new(
        404,
        codes::NO_SUCH_RESOURCE,
        format!(
            "The column {} is {}, not {cast}.",
            column["LogicalName"], column["@odata.type"]
        ),
    )
}

/// The table that a handle means.
///
/// # Errors
/// 404 with the nearest known name.
pub(crate) fn table<'s>(schema: &'s Schema, handle: &Handle<'_>) -> Result<&'s Arc<Table>, Fault> {
    let found = match handle {
        Handle::Id(id) => schema.tables().iter().find(|t| t.def.metadata_id == *id),
        Handle::Logical(name) => schema.by_logical(name),
    };
    found.ok_or_else(|| {
        let (name, hint) = match handle {
            Handle::Id(id) => (id.to_string(), String::new()),
            Handle::Logical(name) => {
                let known = schema.tables().iter().map(|t| t.def.logical.as_str());
                (name.to_string(), names::hint(name, known))
            }
        };
        Fault::new(
            404,
            codes::OBJECT_DOES_NOT_EXIST,
            format!("Could not find an entity with the name or id {name}.{hint}"),
        )
    })
}

/// The document among `all` that a handle means.
fn find(all: Vec<Value>, handle: &Handle<'_>, what: &str, table: &Table) -> Result<Value, Fault> {
    let names: Vec<String> = all.iter().map(logical_name).collect();
    let matches = |item: &Value| match handle {
        Handle::Id(id) => metadata_id(item) == Some(*id),
        Handle::Logical(name) => item["LogicalName"] == name.as_ref(),
    };
    all.into_iter().find(matches).ok_or_else(|| {
        let (name, hint) = match handle {
            Handle::Id(id) => (id.to_string(), String::new()),
            Handle::Logical(name) => {
                let hint = names::hint(name, names.iter().map(String::as_str));
                (name.to_string(), hint)
            }
        };
        Fault::new(
            404,
            codes::OBJECT_DOES_NOT_EXIST,
            format!(
                "{what} {name} of {} does not exist.{hint}",
                table.def.logical
            ),
        )
    })
}

fn logical_name(item: &Value) -> String {
    item["LogicalName"].as_str().unwrap_or_default().to_owned()
}

fn metadata_id(item: &Value) -> Option<Uuid> {
    Uuid::parse_str(item["MetadataId"].as_str()?).ok()
}
