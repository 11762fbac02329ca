//! Changes of definitions: which request asks for which change of the schema.

use http::Method;
use serde_json::Value;
use shraga_wire::fault::Fault;

use crate::http::answer::Answer;
use crate::http::base::Base;
use crate::http::call::Call;
use crate::http::metadata::{column_def, document, table};
use crate::http::path::{Definitions, Handle};
use crate::http::rows::body::not_json;
use crate::schema::{FIRST_DEFINED, Schema, Table};
use crate::store::SchemaChange;

/// A change of the schema and how to answer once it is made.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The change.
    pub(crate) change: SchemaChange,
    /// The answer.
    pub(crate) answer: Answer,
}

/// Plans a change of definitions; `None` when the request is no change.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn plan(
    schema: &Schema,
    base: &Base,
    call: &Call<'_>,
    what: &Definitions<'_>,
) -> Result<Option<Planned>, Fault> {
    let planned = match (call.method, what) {
        (&Method::POST, Definitions::Tables) => create_table(base, call)?,
        (&Method::PUT, Definitions::Table(handle)) => {
            let old = &table(schema, handle)?.def;
            let new = column_def::changed_table(old, &json(call)?)?;
            quiet(SchemaChange::UpdateTable(new))
        }
        (&Method::DELETE, Definitions::Table(handle)) => quiet(SchemaChange::DropTable {
            table: logical(schema, handle)?,
        }),
        (&Method::POST, Definitions::Columns(handle, None)) => {
            add_column(schema, base, call, handle)?
        }
        (&Method::PUT, Definitions::Column(handle, column, _)) => {
            let table = table(schema, handle)?;
            let old = &table.def.columns[defined(table, column)?];
            let column = column_def::changed_column(old, &json(call)?)?;
            quiet(SchemaChange::UpdateColumn {
                table: table.def.logical.clone(),
                column,
            })
        }
        (&Method::DELETE, Definitions::Column(handle, column, _)) => {
            let table = table(schema, handle)?;
            quiet(SchemaChange::DropColumn {
                table: table.def.logical.clone(),
                column: table.def.columns[defined(table, column)?].logical.clone(),
            })
        }
        (&Method::POST, Definitions::Keys(handle)) => add_key(schema, base, call, handle)?,
        (&Method::DELETE, Definitions::Key(handle, key)) => {
            let table = table(schema, handle)?;
            quiet(SchemaChange::DropKey {
                table: table.def.logical.clone(),
                key: key_name(table, key)?,
            })
        }
        _ => return Ok(None),
    };
    Ok(Some(planned))
}

/// The methods that definitions can be asked with.
pub(crate) fn allowed(what: &Definitions<'_>) -> &'static str {
    match what {
        Definitions::Tables | Definitions::Columns(_, None) | Definitions::Keys(_) => "GET, POST",
        Definitions::Columns(_, Some(_)) => "GET",
        Definitions::Table(_) | Definitions::Column(..) => "GET, PUT, DELETE",
        Definitions::Key(..) => "GET, DELETE",
    }
}

fn create_table(base: &Base, call: &Call<'_>) -> Result<Planned, Fault> {
    let def = column_def::table(&json(call)?)?;
    let address = format!("{}EntityDefinitions({})", base.url(), def.metadata_id);
    Ok(created(SchemaChange::CreateTable(def), address))
}

fn add_column(
    schema: &Schema,
    base: &Base,
    call: &Call<'_>,
    handle: &Handle<'_>,
) -> Result<Planned, Fault> {
    let table = table(schema, handle)?;
    let column = column_def::column(&json(call)?)?;
    let address = below(base, call, column.metadata_id);
    let change = SchemaChange::AddColumn {
        table: table.def.logical.clone(),
        column,
    };
    Ok(created(change, address))
}

fn add_key(
    schema: &Schema,
    base: &Base,
    call: &Call<'_>,
    handle: &Handle<'_>,
) -> Result<Planned, Fault> {
    let table = table(schema, handle)?;
    let key = column_def::key(&json(call)?)?;
    let address = below(base, call, key.metadata_id);
    let change = SchemaChange::AddKey {
        table: table.def.logical.clone(),
        key,
    };
    Ok(created(change, address))
}

/// The address of what a POST to this call's address makes, table as the caller wrote it.
fn below(base: &Base, call: &Call<'_>, id: uuid::Uuid) -> String {
    format!("{}{}({id})", base.url(), call.path.trim_end_matches('/'))
}

/// Plans `CreateEntities`: several tables, all or none.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn create_entities(call: &Call<'_>) -> Result<Planned, Fault> {
    let body = json(call)?;
    let Some(tables) = body["Entities"].as_array().filter(|list| !list.is_empty()) else {
        return Err(Fault::invalid_argument(
            "Entities must be an array of at least one table.",
        ));
    };
    let defs = tables
        .iter()
        .map(column_def::table)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(quiet(SchemaChange::CreateTables(defs)))
}

/// Plans `InsertOptionValue`: one more value for a column's own choice.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn insert_option(schema: &Schema, call: &Call<'_>) -> Result<Planned, Fault> {
    let body = json(call)?;
    let given = |property: &str| body[property].as_str().filter(|name| !name.is_empty());
    if given("OptionSetName").is_some() {
        return Err(Fault::not_supported("A global choice (OptionSetName)"));
    }
    let named = |property: &str| {
        let name = given(property).ok_or_else(|| {
            Fault::invalid_argument(format!("{property} must be the name of a definition."))
        })?;
        Ok::<_, Fault>(Handle::Logical(name.into()))
    };
    let table = table(schema, &named("EntityLogicalName")?)?;
    let column = &table.def.columns[defined(table, &named("AttributeLogicalName")?)?];
    let column = column_def::with_option(column, &body)?;
    let value = body["Value"].clone();
    let answer = serde_json::json!({ "NewOptionValue": value });
    Ok(Planned {
        change: SchemaChange::UpdateColumn {
            table: table.def.logical.clone(),
            column,
        },
        answer: Answer::json(200, answer.to_string()),
    })
}

fn json(call: &Call<'_>) -> Result<Value, Fault> {
    let body: Value = serde_json::from_slice(call.body).map_err(|wrong| not_json(&wrong))?;
    if body.is_object() {
        return Ok(body);
    }
    Err(Fault::invalid_payload("The body must be a JSON object."))
}

fn quiet(change: SchemaChange) -> Planned {
    Planned {
        change,
        answer: Answer::no_content(),
    }
}

fn created(change: SchemaChange, address: String) -> Planned {
    Planned {
        change,
        answer: Answer {
            entity_id: Some(address),
            created: true,
            ..Answer::no_content()
        },
    }
}

fn logical(schema: &Schema, handle: &Handle<'_>) -> Result<String, Fault> {
    Ok(table(schema, handle)?.def.logical.clone())
}

/// The index, among the defined columns, of the one that a handle means.
fn defined(table: &Table, handle: &Handle<'_>) -> Result<usize, Fault> {
    let columns = super::find(document::columns(table), handle, "Attribute", table)?;
    let name = columns["LogicalName"].as_str().unwrap_or_default();
    table
        .column_by_logical(name)
        .and_then(|index| index.checked_sub(FIRST_DEFINED))
        .ok_or_else(|| {
            Fault::invalid_argument(format!(
                "'{name}' of '{}' is a system column and can't be changed.",
                table.def.logical
            ))
        })
}

fn key_name(table: &Table, handle: &Handle<'_>) -> Result<String, Fault> {
    let key = super::find(document::keys(table), handle, "EntityKey", table)?;
    Ok(super::logical_name(&key))
}
