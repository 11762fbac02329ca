//! `CreateMultiple`, `UpdateMultiple`, `UpsertMultiple`: many rows of one table, all or none.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use shraga_wire::fault::Fault;
use uuid::Uuid;

use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::limits::MAX_BULK_ROWS;
use crate::http::path::{self, Bulk, Resource};
use crate::http::rows::body::{self, RowBody};
use crate::http::rows::target::{self, Target};
use crate::http::rows::{Context, Planned, write};
use crate::ops::{Key, Match, Unit, WriteKind, WriteOp, Written};
use crate::schema::Table;
use crate::store::UnitFault;

/// How the answer to a bulk message is to look.
#[derive(Clone, Debug)]
pub(crate) struct BulkShape {
    message: Bulk,
    /// Address of the service root.
    base: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(rename = "Targets", borrow)]
    targets: Vec<&'a RawValue>,
}

/// Plans a bulk message.
///
/// # Errors
/// What is wrong with the request, naming the target.
pub(crate) fn plan(
    context: Context<'_>,
    call: &Call<'_>,
    set: &str,
    message: Bulk,
) -> Result<Planned, Fault> {
    let table = target::table(context.schema, set)?;
    write::json_only(call)?;
    let given: Message<'_> =
        serde_json::from_slice(call.body).map_err(|wrong| body::not_json(&wrong))?;
    if given.targets.is_empty() || given.targets.len() > MAX_BULK_ROWS {
        return Err(Fault::invalid_argument(format!(
            "Targets must hold 1 to {MAX_BULK_ROWS} rows, not {}.",
            given.targets.len()
        )));
    }
    let ops = given
        .targets
        .iter()
        .enumerate()
        .map(|(at, target)| {
            target_op(context, table, target.get(), message).map_err(|fault| numbered(at, fault))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let shape = BulkShape {
        message,
        base: context.base.url().to_owned(),
    };
    Ok(Planned::Bulk(Unit { ops }, shape))
}

fn numbered(at: usize, fault: Fault) -> Fault {
    Fault {
        message: format!("Targets[{at}]: {}", fault.message),
        ..fault
    }
}

fn target_op(
    context: Context<'_>,
    table: &Arc<Table>,
    json: &str,
    message: Bulk,
) -> Result<WriteOp, Fault> {
    let body = body::read(table, json.as_bytes())?;
    if body.entity_type.is_none() {
        return Err(Fault::invalid_payload(format!(
            "\"@odata.type\": \"Microsoft.Dynamics.CRM.{}\" is missing; every target needs it.",
            table.def.logical
        )));
    }
    let kind = match message {
        Bulk::Create => WriteKind::Create,
        Bulk::Update => WriteKind::Update(Match::Any),
        Bulk::Upsert => WriteKind::Upsert,
    };
    let key = target_key(context, table, &body, message)?;
    let target = Target {
        table: Arc::clone(table),
        key,
    };
    let cells = write::patch_cells(context, &target, body)?;
    Ok(WriteOp {
        table: target.table,
        key: target.key,
        kind,
        cells,
        returning: None,
    })
}

fn target_key(
    context: Context<'_>,
    table: &Table,
    body: &RowBody,
    message: Bulk,
) -> Result<Key, Fault> {
    let address = body
        .entity_id
        .as_deref()
        .filter(|_| message != Bulk::Create);
    if let Some(address) = address {
        let Resource::Row(path) = path::parse(context.base.relative(address)?)? else {
            return Err(Fault::invalid_payload(format!(
                "@odata.id '{address}' is not the address of a row."
            )));
        };
        let target = target::row(context, &path)?;
        if target.table.def.logical != table.def.logical {
            return Err(Fault::invalid_payload(format!(
                "@odata.id '{address}' is not a row of '{}'.",
                table.def.set
            )));
        }
        return Ok(target.key);
    }
    match (body.id, message) {
        (Some(id), _) => Ok(Key::Id(id)),
        (None, Bulk::Create | Bulk::Upsert) => Ok(Key::Id(Uuid::now_v7())),
        (None, Bulk::Update) => Err(Fault::invalid_payload(format!(
            "The target needs its primary key '{}' or an @odata.id.",
            table.def.primary_id
        ))),
    }
}

impl BulkShape {
    /// The answer to the message, given what the store did.
    pub(crate) fn answer(self, written: Result<Vec<Written>, UnitFault>) -> Answer {
        let written = match written {
            Ok(written) => written,
            Err(UnitFault { op, fault }) => return numbered(op, fault).into(),
        };
        match self.message {
            Bulk::Create => {
                let ids: Vec<_> = written.iter().map(|row| row.id).collect();
                let context = format!(
                    "{}$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse",
                    self.base
                );
                let body = serde_json::json!({"@odata.context": context, "Ids": ids});
                Answer::json(200, body.to_string())
            }
            Bulk::Update | Bulk::Upsert => Answer::no_content(),
        }
    }
}
