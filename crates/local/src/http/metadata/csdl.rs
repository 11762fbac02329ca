//! `$metadata`: the tables as a CSDL document.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, Event};
use shraga_wire::schema::ColumnKind;

use crate::http::rows::body::navigation_name;
use crate::http::rows::cells::edm_type;
use crate::schema::{Column, Schema, Table};

const NAMESPACE: &str = "Microsoft.Dynamics.CRM";
const EDMX: &str = "http://docs.oasis-open.org/odata/ns/edmx";
const EDM: &str = "http://docs.oasis-open.org/odata/ns/edm";

type Xml = Writer<Vec<u8>>;

/// The document.
///
/// # Errors
/// None in practice: it is written to memory.
pub(crate) fn document(schema: &Schema) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new(Vec::new());
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    xml.create_element("edmx:Edmx")
        .with_attributes([("Version", "4.0"), ("xmlns:edmx", EDMX)])
        .write_inner_content(|xml| {
            xml.create_element("edmx:DataServices")
                .write_inner_content(|xml| schema_element(xml, schema))?;
            Ok(())
        })?;
    Ok(xml.into_inner())
}

fn schema_element(xml: &mut Xml, schema: &Schema) -> io::Result<()> {
    xml.create_element("Schema")
        .with_attributes([("Namespace", NAMESPACE), ("Alias", "mscrm"), ("xmlns", EDM)])
        .write_inner_content(|xml| {
            who_am_i_type(xml)?;
            for table in schema.tables() {
                entity_type(xml, schema, table)?;
            }
            xml.create_element("Function")
                .with_attribute(("Name", "WhoAmI"))
                .write_inner_content(|xml| {
                    xml.create_element("ReturnType")
                        .with_attributes([("Type", "mscrm.WhoAmIResponse"), ("Nullable", "false")])
                        .write_empty()?;
                    Ok(())
                })?;
            container(xml, schema)
        })?;
    Ok(())
}

fn who_am_i_type(xml: &mut Xml) -> io::Result<()> {
    xml.create_element("ComplexType")
        .with_attribute(("Name", "WhoAmIResponse"))
        .write_inner_content(|xml| {
            for name in ["BusinessUnitId", "UserId", "OrganizationId"] {
                property(xml, name, "Edm.Guid", false)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn entity_type(xml: &mut Xml, schema: &Schema, table: &Table) -> io::Result<()> {
    xml.create_element("EntityType")
        .with_attribute(("Name", table.def.logical.as_str()))
        .write_inner_content(|xml| {
            xml.create_element("Key").write_inner_content(|xml| {
                xml.create_element("PropertyRef")
                    .with_attribute(("Name", table.def.primary_id.as_str()))
                    .write_empty()?;
                Ok(())
            })?;
            for column in &table.columns {
                let key = column.logical == table.def.primary_id;
                property(xml, &column.wire, edm_type(&column.kind), !key)?;
            }
            for (index, column) in table.columns.iter().enumerate() {
                navigation(xml, schema, table, index, column)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn property(xml: &mut Xml, name: &str, kind: &str, nullable: bool) -> io::Result<()> {
    let element = xml
        .create_element("Property")
        .with_attributes([("Name", name), ("Type", kind)]);
    if nullable {
        element.write_empty()?;
    } else {
        element
            .with_attribute(("Nullable", "false"))
            .write_empty()?;
    }
    Ok(())
}

fn navigation(
    xml: &mut Xml,
    schema: &Schema,
    table: &Table,
    index: usize,
    column: &Column,
) -> io::Result<()> {
    let ColumnKind::Lookup { target } = &column.kind else {
        return Ok(());
    };
    let Some(referred) = schema.by_logical(target) else {
        return Ok(());
    };
    let kind = format!("mscrm.{target}");
    xml.create_element("NavigationProperty")
        .with_attributes([
            ("Name", navigation_name(table, index, column)),
            ("Type", kind.as_str()),
        ])
        .write_inner_content(|xml| {
            xml.create_element("ReferentialConstraint")
                .with_attributes([
                    ("Property", column.wire.as_str()),
                    ("ReferencedProperty", referred.def.primary_id.as_str()),
                ])
                .write_empty()?;
            Ok(())
        })?;
    Ok(())
}

fn container(xml: &mut Xml, schema: &Schema) -> io::Result<()> {
    xml.create_element("EntityContainer")
        .with_attribute(("Name", "System"))
        .write_inner_content(|xml| {
            for table in schema.tables() {
                let kind = format!("mscrm.{}", table.def.logical);
                xml.create_element("EntitySet")
                    .with_attributes([
                        ("Name", table.def.set.as_str()),
                        ("EntityType", kind.as_str()),
                    ])
                    .write_empty()?;
            }
            xml.create_element("FunctionImport")
                .with_attributes([("Name", "WhoAmI"), ("Function", "mscrm.WhoAmI")])
                .write_empty()?;
            Ok(())
        })?;
    Ok(())
}
