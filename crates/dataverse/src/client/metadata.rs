//! Definitions of tables: what a store has, and one change of it at a time.
//!
//! Definitions are asked for with strong consistency, since the service caches them; tables and
//! columns are addressed by the names this organisation has. Nothing here drops or renames anything,
//! and no change is sent again when its reply was lost: the caller looks first.

mod read;
mod write;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, header};
use serde_json::Value;
use shraga_wire::fault::Fault;
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::Query;
use shraga_wire::schema::compare::{ObservedTable, Step, TableName};
use shraga_wire::schema::{ChoiceOption, ColumnKind, TableDef, Wanted};

use super::encode::API;
use super::{Client, JSON};
use crate::error::Error;
use crate::send::{Call, Repeat, Reply};

/// Time allowed beyond the usual deadline for a change: the service takes up to a minute or two for a
/// table, and a change whose reply is not awaited has to be looked for.
const CHANGE_PATIENCE: Duration = Duration::from_secs(120);

const TABLES: &str = "EntityDefinitions";
const CONSISTENCY: HeaderName = HeaderName::from_static("consistency");
const MERGE_LABELS: HeaderName = HeaderName::from_static("mscrm.mergelabels");
const SOLUTION: HeaderName = HeaderName::from_static("mscrm.solutionuniquename");

/// Whether rows can be asked for some columns.
#[derive(Clone, Debug)]
pub enum Served {
    /// They can.
    Yes,
    /// The part of the service that serves rows knows no such table.
    NoTable,
    /// It knows no such column of the table.
    NoColumn,
    /// The caller may not read the table's rows.
    NotReadable(Fault),
}

impl Client {
    /// The definitions that the store has of the tables that are `wanted`, under any of their names.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Forbidden`] when the caller may not read definitions.
    pub async fn definitions(&self, wanted: &[Wanted]) -> Result<Vec<ObservedTable>, Error> {
        let reply = self.strongly(tables_question(wanted)).await?;
        let mut tables = read::tables(&reply)?;
        for table in &mut tables {
            let same = |it: &&Wanted| it.def.set == table.set || it.def.logical == table.logical;
            let Some(wanted) = wanted.iter().find(same) else {
                continue;
            };
            let of = format!("{API}{TABLES}(LogicalName='{}')", table.logical);
            let reply = self.strongly(format!("{of}/Attributes")).await?;
            table.columns = read::columns(&reply)?;
            if has_choice(&wanted.def) {
                let reply = self.strongly(format!("{of}/Attributes/{CHOICES}")).await?;
                read::choices(&reply, &mut table.columns)?;
            }
            if !wanted.def.keys.is_empty() {
                let reply = self.strongly(format!("{of}/Keys")).await?;
                table.keys = read::keys(&reply)?;
            }
        }
        Ok(tables)
    }

    /// Whether rows of the table served as `set` can be asked for all of `columns`.
    ///
    /// # Errors
    /// Any [`Error`] of a request but those that are answers.
    pub async fn serves(&self, set: &str, columns: &[&str]) -> Result<Served, Error> {
        let query = Query {
            top: Some(1),
            ..super::encode::selecting(columns)
        };
        let target = format!("{API}{set}?{}", query.to_query_string());
        match self.strongly(target).await {
            Ok(_) => Ok(Served::Yes),
            Err(Error::Missing(_)) => Ok(Served::NoTable),
            Err(Error::Refused(_)) => Ok(Served::NoColumn),
            Err(Error::Forbidden(fault)) => Ok(Served::NotReadable(fault)),
            Err(error) => Err(error),
        }
    }

    /// Makes one change, as a part of `solution` if one is named.
    ///
    /// # Errors
    /// Any [`Error`] of a request. What exists already is refused.
    pub async fn define(&self, step: &Step, solution: Option<&str>) -> Result<(), Error> {
        match step {
            Step::CreateTable(def) => self.create_table(def, solution).await,
            Step::AddColumn { table, column } => {
                let document = write::column(column, write::Plain);
                let target = format!("{}/Attributes", address(table));
                self.change(Method::POST, target, &document, solution).await
            }
            Step::Widen { table, column, to } => self.widen(table, column, to, solution).await,
            Step::AddOption {
                table,
                column,
                option,
                global,
            } => {
                let document = option_document(table, column, option, global.as_deref(), solution);
                let target = format!("{API}InsertOptionValue");
                self.change(Method::POST, target, &document, solution).await
            }
            Step::AddKey { table, key } => {
                let target = format!("{}/Keys", address(table));
                self.change(Method::POST, target, &write::key(key), solution)
                    .await
            }
            Step::RebuildKey { table, key } => {
                let document = write::rebuilt_key(&table.logical, key);
                let target = format!("{API}ReactivateEntityKey");
                self.change(Method::POST, target, &document, solution).await
            }
            Step::TurnOn {
                table,
                concurrency,
                tracking,
            } => {
                let flags = [
                    ("IsOptimisticConcurrencyEnabled", *concurrency),
                    ("ChangeTrackingEnabled", *tracking),
                ];
                let flags = flags.into_iter().filter(|(_, on)| *on);
                let flags = flags.map(|(name, on)| (name, Value::Bool(on)));
                self.redefine(address(table), flags, solution).await
            }
        }
    }

    /// Puts changed definitions of these tables, by logical name, in force.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn publish(&self, tables: &[String]) -> Result<(), Error> {
        let document = write::publication(tables);
        let target = format!("{API}PublishXml");
        self.change(Method::POST, target, &document, None).await
    }

    /// All columns at once where the service can, else with the primary name alone: the others are
    /// found missing then, and follow one by one.
    async fn create_table(&self, def: &TableDef, solution: Option<&str>) -> Result<(), Error> {
        let whole = write::tables_at_once(def);
        let mut target = format!("{API}CreateEntities");
        if let Some(solution) = solution {
            target.push_str("?SolutionUniqueName=");
            target.extend(url::form_urlencoded::byte_serialize(solution.as_bytes()));
        }
        match self.change(Method::POST, target, &whole, solution).await {
            Err(error) if is_refusal(&error) => {
                let target = format!("{API}{TABLES}");
                let document = write::bare_table(def);
                self.change(Method::POST, target, &document, solution).await
            }
            done => done,
        }
    }

    async fn widen(
        &self,
        table: &TableName,
        column: &str,
        to: &ColumnKind,
        solution: Option<&str>,
    ) -> Result<(), Error> {
        let of = address(table);
        let target = format!("{of}/Attributes(LogicalName='{column}')");
        self.redefine(target, write::limits(to), solution).await
    }

    /// Replaces a definition by itself with some properties changed: the service takes whole
    /// definitions only. Labels in other languages stay.
    async fn redefine(
        &self,
        target: String,
        changes: impl IntoIterator<Item = (&'static str, Value)>,
        solution: Option<&str>,
    ) -> Result<(), Error> {
        let reply = self.strongly(target.clone()).await?;
        let mut document: serde_json::Map<String, Value> = reply.json()?;
        document.remove("@odata.context");
        for (name, value) in changes {
            document.insert(name.to_owned(), value);
        }
        let document = Value::Object(document);
        self.change(Method::PUT, target, &document, solution).await
    }

    /// Asks for definitions as they are now, not as a cache has them.
    async fn strongly(&self, target: String) -> Result<Reply, Error> {
        self.send(Call::get(target).with(CONSISTENCY, "Strong"))
            .await
    }

    async fn change(
        &self,
        method: Method,
        target: String,
        document: &Value,
        solution: Option<&str>,
    ) -> Result<(), Error> {
        let body = Bytes::from(document.to_string());
        let mut call = Call::new(method, target, body, Repeat::IfNotDone)
            .with(header::CONTENT_TYPE, JSON)
            .with(CONSISTENCY, "Strong")
            .with(MERGE_LABELS, "true");
        if let Some(solution) = solution {
            call = call.with(SOLUTION, solution);
        }
        call.patience = CHANGE_PATIENCE;
        self.send(call).await.map(drop)
    }
}

/// Choices with their options, the column's own or a global one's.
const CHOICES: &str = "Microsoft.Dynamics.CRM.PicklistAttributeMetadata\
                       ?$select=LogicalName&$expand=OptionSet,GlobalOptionSet";

fn has_choice(def: &TableDef) -> bool {
    let choice = |kind: &ColumnKind| matches!(kind, ColumnKind::Choice { .. });
    def.columns.iter().any(|column| choice(&column.kind))
}

fn tables_question(wanted: &[Wanted]) -> String {
    let is = |property: &str, name: &str| {
        Filter::Compare(
            Operand::Column(property.to_owned()),
            Comparison::Eq,
            Operand::Literal(Literal::Text(name.to_owned())),
        )
    };
    let named = |it: &Wanted| {
        [
            is("EntitySetName", &it.def.set),
            is("LogicalName", &it.def.logical),
        ]
    };
    let query = Query {
        filter: Some(Filter::Or(wanted.iter().flat_map(named).collect())),
        ..super::encode::selecting(&read::TABLE_PROPERTIES)
    };
    format!("{API}{TABLES}?{}", query.to_query_string())
}

fn address(table: &TableName) -> String {
    format!("{API}{TABLES}(LogicalName='{}')", table.logical)
}

fn option_document(
    table: &TableName,
    column: &str,
    option: &ChoiceOption,
    global: Option<&str>,
    solution: Option<&str>,
) -> Value {
    let place = global.map_or(write::Place::Column(&table.logical, column), |name| {
        write::Place::Global(name)
    });
    write::inserted_option(place, option, solution)
}

/// Whether the service does not know the action or does not take what it is given: the documented way
/// to create a table then succeeds, or is refused with the reason that counts.
const fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Missing(_) | Error::Refused(_) => true,
        Error::Unavailable(fault) => fault.status == 501,
        _ => false,
    }
}
