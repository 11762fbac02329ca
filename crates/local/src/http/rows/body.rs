//! The JSON body of a write as cells.
//!
//! Read in one pass, without a tree in between. Columns the service itself keeps (`createdon`,
//! `versionnumber`, ...) are ignored when sent, as in Dataverse, so that a row can be sent back as it
//! was read; so are annotations other than `@odata.bind`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use shraga_wire::fault::Fault;
use shraga_wire::schema::ColumnKind;
use uuid::Uuid;

use crate::http::names;
use crate::http::rows::cells::{self, Scalar};
use crate::ops::Cell;
use crate::schema::{Column, ColumnRole, FIRST_DEFINED, PRIMARY_ID, Table};

/// What a body says of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RowBody {
    /// The primary key, when it is in the body.
    pub(crate) id: Option<Uuid>,
    /// Columns and their new cells.
    pub(crate) cells: Vec<(usize, Cell)>,
    /// Lookup columns and the addresses of the rows they are to refer to.
    pub(crate) binds: Vec<(usize, String)>,
    /// `@odata.type`
    pub(crate) entity_type: Option<String>,
    /// `@odata.id`
    pub(crate) entity_id: Option<String>,
}

/// Room for the cells of most bodies, so that the list of them rarely grows.
const USUAL_CELLS: usize = 16;

/// Reads a JSON object as a row of `table`.
///
/// # Errors
/// 400 for a body that is no JSON object, an unknown or repeated property, a value that its column
/// can't hold.
pub(crate) fn read(table: &Table, body: &[u8]) -> Result<RowBody, Fault> {
    let mut out = RowBody {
        cells: Vec::with_capacity(USUAL_CELLS),
        ..RowBody::default()
    };
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_slice(body);
    let row = RowReader {
        table,
        out: &mut out,
        fault: &mut fault,
    };
    let done = json.deserialize_map(row).and_then(|()| json.end());
    match (done, fault) {
        (Ok(()), _) => Ok(out),
        (Err(_), Some(fault)) => Err(fault),
        (Err(wrong), None) => Err(not_json(&wrong)),
    }
}

/// The refusal of a body that is not the JSON expected.
pub(crate) fn not_json(wrong: &serde_json::Error) -> Fault {
    Fault::invalid_payload(format!(
        "Error identified in Payload provided by the user: the body is not the JSON object \
         expected: {wrong}."
    ))
}

struct RowReader<'r> {
    table: &'r Table,
    out: &'r mut RowBody,
    fault: &'r mut Option<Fault>,
}

impl<'de> Visitor<'de> for RowReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(property) = map.next_key_seed(PropertyName(self.table))? {
            let taken = match property {
                Property::Ignored => {
                    map.next_value::<IgnoredAny>()?;
                    Ok(())
                }
                Property::Unknown(name) => Err(unknown(self.table, &name)),
                Property::EntityType => {
                    self.out.entity_type = map.next_value()?;
                    Ok(())
                }
                Property::EntityId => {
                    self.out.entity_id = map.next_value()?;
                    Ok(())
                }
                Property::Column(index) => self.column(index, map.next_value()?),
                Property::Bind(nav) => self.bind(&nav, map.next_value()?),
            };
            if let Err(fault) = taken {
                *self.fault = Some(fault);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

impl RowReader<'_> {
    fn column(&mut self, index: usize, value: Scalar<'_>) -> Result<(), Fault> {
        let column = &self.table.columns[index];
        let cell = cells::cell(self.table, column, value)?;
        if index == PRIMARY_ID {
            return match cell {
                Cell::Id(id) if self.out.id.is_none() => {
                    self.out.id = Some(id);
                    Ok(())
                }
                Cell::Id(_) => Err(repeated(&column.logical)),
                Cell::Null | Cell::Int(_) | Cell::Real(_) | Cell::Text(_) => Ok(()),
            };
        }
        self.once(index)?;
        self.out.cells.push((index, cell));
        Ok(())
    }

    fn bind(&mut self, nav: &str, value: Scalar<'_>) -> Result<(), Fault> {
        let index = navigation(self.table, nav)?;
        self.once(index)?;
        match value {
            Scalar::Null => self.out.cells.push((index, Cell::Null)),
            Scalar::Text(address) => self.out.binds.push((index, address.into_owned())),
            Scalar::Bool(_) | Scalar::Int(_) | Scalar::Real(_) | Scalar::Nested => {
                return Err(Fault::invalid_payload(format!(
                    "'{nav}@odata.bind' must be the address of one row, such as \
                     \"/systemusers(guid)\"."
                )));
            }
        }
        Ok(())
    }

    fn once(&self, index: usize) -> Result<(), Fault> {
        let given = self.out.cells.iter().map(|(known, _)| known);
        let bound = self.out.binds.iter().map(|(known, _)| known);
        if given.chain(bound).any(|known| *known == index) {
            return Err(repeated(&self.table.columns[index].logical));
        }
        Ok(())
    }
}

fn repeated(name: &str) -> Fault {
    Fault::invalid_payload(format!(
        "Multiple properties with the name '{name}' were detected in a resource object. In OData, \
         duplicate property names are not allowed."
    ))
}

/// What a property's name means.
enum Property {
    Column(usize),
    Bind(String),
    EntityType,
    EntityId,
    Ignored,
    Unknown(String),
}

struct PropertyName<'t>(&'t Table);

impl<'de> DeserializeSeed<'de> for PropertyName<'_> {
    type Value = Property;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Property, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for PropertyName<'_> {
    type Value = Property;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Property, E> {
        if let Some(index) = self.0.column_by_logical(name) {
            return Ok(match self.0.columns[index].role {
                ColumnRole::PrimaryId | ColumnRole::Owner | ColumnRole::Defined => {
                    Property::Column(index)
                }
                ColumnRole::CreatedOn
                | ColumnRole::ModifiedOn
                | ColumnRole::CreatedBy
                | ColumnRole::ModifiedBy
                | ColumnRole::Version => Property::Ignored,
            });
        }
        Ok(match name.split_once('@') {
            Some(("", "odata.type")) => Property::EntityType,
            Some(("", "odata.id")) => Property::EntityId,
            Some((nav, "odata.bind")) => Property::Bind(nav.to_owned()),
            Some(_) => Property::Ignored,
            None => Property::Unknown(name.to_owned()),
        })
    }
}

/// The lookup column behind a navigation property: system ones by logical name, defined ones by
/// schema name, whose casing counts.
///
/// # Errors
/// 400 for a name that is none.
pub(crate) fn navigation(table: &Table, nav: &str) -> Result<usize, Fault> {
    let writable = || {
        table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| matches!(column.kind, ColumnKind::Lookup { .. }))
            .filter(|(_, column)| matches!(column.role, ColumnRole::Owner | ColumnRole::Defined))
            .map(|(index, column)| (index, navigation_name(table, index, column)))
    };
    let found = writable().find(|(_, name)| *name == nav);
    found.map(|(index, _)| index).ok_or_else(|| {
        let hint = names::hint(nav, writable().map(|(_, name)| name));
        payload_fault(
            table,
            &format!(
                "An undeclared property '{nav}' which only has property annotations in the payload \
                 but no property value was found in the payload. In OData, only declared \
                 navigation properties and declared named streams can be represented as properties \
                 without values.{hint}"
            ),
        )
    })
}

/// The name of a lookup column's navigation property.
pub(crate) fn navigation_name<'t>(table: &'t Table, index: usize, column: &'t Column) -> &'t str {
    match index.checked_sub(FIRST_DEFINED) {
        Some(defined) => &table.def.columns[defined].schema,
        None => &column.logical,
    }
}

fn unknown(table: &Table, name: &str) -> Fault {
    if let Some(index) = table.column(name) {
        return cells::use_bind(table, &table.columns[index]);
    }
    let known = table.columns.iter().map(|column| column.logical.as_str());
    let hint = names::hint(name, known);
    payload_fault(
        table,
        &format!(
            "The property '{name}' does not exist on type 'Microsoft.Dynamics.CRM.{}'. Make sure to \
             only use property names that are defined by the type.{hint}",
            table.def.logical
        ),
    )
}

fn payload_fault(table: &Table, why: &str) -> Fault {
    Fault::invalid_payload(format!(
        "Error identified in Payload provided by the user for Entity :'{}': {why}",
        table.def.set
    ))
}

/// Reads `{"value": ...}`, the body of a write of one property.
///
/// # Errors
/// 400 for anything else, or a value that the column can't hold.
pub(crate) fn read_value(table: &Table, column: usize, body: &[u8]) -> Result<Cell, Fault> {
    #[derive(serde::Deserialize)]
    struct Value<'a> {
        #[serde(borrow)]
        value: Scalar<'a>,
    }
    let body: Value<'_> = serde_json::from_slice(body).map_err(|wrong| not_json(&wrong))?;
    cells::cell(table, &table.columns[column], body.value)
}

/// Reads `{"@odata.id": "..."}`, the body of a write of a link.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn read_link(body: &[u8]) -> Result<String, Fault> {
    #[derive(serde::Deserialize)]
    struct Link<'a> {
        #[serde(borrow, rename = "@odata.id")]
        id: Cow<'a, str>,
    }
    let link: Link<'_> = serde_json::from_slice(body).map_err(|wrong| not_json(&wrong))?;
    Ok(link.id.into_owned())
}

#[cfg(test)]
mod tests;
