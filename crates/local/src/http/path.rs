//! Addresses of the Web API as values.
//!
//! Takes the path after the service root (`/api/data/v9.x/`), still percent-encoded, and says what
//! it names. Whether the table, row or column exists is not looked at here. A slash inside a quoted
//! key value belongs to the value.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use shraga_wire::fault::Fault;
use uuid::Uuid;

use crate::http::names::nearest;

/// Where the Web API starts; a version number and a slash follow.
const SERVICE_PREFIX: &str = "/api/data/v9.";
/// The namespace of types, bound actions and casts.
const NAMESPACE: &str = "Microsoft.Dynamics.CRM.";

/// Parts of Dataverse that are known and not served.
const UNSERVED: [&str; 7] = [
    "RelationshipDefinitions",
    "GlobalOptionSetDefinitions",
    "ManagedPropertyDefinitions",
    "RetrieveMetadataChanges",
    "RetrieveTotalRecordCount",
    "ExecuteMultiple",
    "Associate",
];

/// The path after the service root, when `path` lies in the Web API.
pub(crate) fn under_service_root(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(SERVICE_PREFIX)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 2 {
        return None;
    }
    match &rest[digits..] {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// What an address names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Resource<'a> {
    /// The list of entity sets.
    ServiceDocument,
    /// `$metadata`
    Csdl,
    /// `$batch`
    Batch,
    /// `WhoAmI` and `WhoAmI()`
    WhoAmI,
    /// `CreateEntities`
    CreateEntities,
    /// `InsertOptionValue`
    InsertOptionValue,
    /// `BulkDelete`
    BulkDelete,
    /// An entity set.
    Rows(Cow<'a, str>),
    /// The number of rows of an entity set.
    Count(Cow<'a, str>),
    /// A row.
    Row(RowPath<'a>),
    /// One property of a row.
    Property(RowPath<'a>, Cow<'a, str>),
    /// The link of a row's navigation property: `nav/$ref`.
    Link(RowPath<'a>, Cow<'a, str>),
    /// A bulk message of an entity set.
    Bulk(Cow<'a, str>, Bulk),
    /// Metadata.
    Definitions(Definitions<'a>),
    /// `PublishXml`, `PublishAllXml`, `ReactivateEntityKey`: definitions and keys are in force at
    /// once, so there is nothing to do.
    InForce,
    /// Something of Dataverse that isn't served, by name.
    Unsupported(String),
}

/// A row as addressed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RowPath<'a> {
    /// `set(key)`
    Keyed(Cow<'a, str>, KeyText<'a>),
    /// `$1`: the row written by an earlier request of the same change set.
    Content(Cow<'a, str>),
}

/// A key as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyText<'a> {
    /// `(guid)`
    Id(Uuid),
    /// `(column=value,...)`
    Named(Vec<(Cow<'a, str>, KeyValue<'a>)>),
}

/// A key value as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyValue<'a> {
    /// In quotes, unescaped.
    Quoted(Cow<'a, str>),
    /// Without quotes.
    Bare(Cow<'a, str>),
}

/// The bulk messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bulk {
    /// `CreateMultiple`
    Create,
    /// `UpdateMultiple`
    Update,
    /// `UpsertMultiple`
    Upsert,
}

/// An address inside `EntityDefinitions`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Definitions<'a> {
    /// All tables.
    Tables,
    /// One table.
    Table(Handle<'a>),
    /// A table's columns, perhaps only those of a kind (a cast such as `PicklistAttributeMetadata`).
    Columns(Handle<'a>, Option<Cow<'a, str>>),
    /// One column, perhaps cast.
    Column(Handle<'a>, Handle<'a>, Option<Cow<'a, str>>),
    /// A table's alternate keys.
    Keys(Handle<'a>),
    /// One alternate key.
    Key(Handle<'a>, Handle<'a>),
}

/// A definition as addressed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Handle<'a> {
    /// By `MetadataId`.
    Id(Uuid),
    /// By `LogicalName`.
    Logical(Cow<'a, str>),
}

/// Reads a path after the service root, without its query.
///
/// # Errors
/// 404 for a path that can't name anything, 400 for a key that can't be read.
pub(crate) fn parse(path: &str) -> Result<Resource<'_>, Fault> {
    let segments = segments(path)?;
    let mut parts = segments.iter();
    let Some(first) = parts.next() else {
        return Ok(Resource::ServiceDocument);
    };
    let rest = parts.as_slice();
    match (first.name.as_ref(), rest) {
        ("$metadata", []) => Ok(Resource::Csdl),
        ("$batch", []) => Ok(Resource::Batch),
        ("WhoAmI", []) => Ok(Resource::WhoAmI),
        ("CreateEntities", []) => Ok(Resource::CreateEntities),
        ("InsertOptionValue", []) => Ok(Resource::InsertOptionValue),
        ("BulkDelete", []) => Ok(Resource::BulkDelete),
        ("EntityDefinitions", _) => definitions(first, rest).map(Resource::Definitions),
        ("PublishXml" | "PublishAllXml" | "ReactivateEntityKey", []) => Ok(Resource::InForce),
        (name, _) if UNSERVED.contains(&name) => Ok(Resource::Unsupported(name.to_owned())),
        (name, _) if name.starts_with('$') && name.len() > 1 => content(first, rest),
        _ => data(first, rest),
    }
}

/// One part of a path between slashes: a name and what its parentheses hold.
#[derive(Debug)]
struct Segment<'a> {
    name: Cow<'a, str>,
    args: Option<Cow<'a, str>>,
}

fn segments(path: &str) -> Result<Vec<Segment<'_>>, Fault> {
    let mut out = Vec::with_capacity(4);
    let mut start = 0;
    let mut quoted = false;
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'%' if bytes[at + 1..].starts_with(b"27") => quoted = !quoted,
            b'/' if !quoted => {
                out.push(Segment::parse(&path[start..at])?);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < path.len() {
        out.push(Segment::parse(&path[start..])?);
    }
    Ok(out)
}

impl<'a> Segment<'a> {
    fn parse(raw: &'a str) -> Result<Self, Fault> {
        let text = percent_decode_str(raw).decode_utf8().map_err(|_utf8| {
            Fault::odata(format!("The segment '{raw}' is not percent-encoded UTF-8."))
        })?;
        if text.is_empty() {
            return Err(Fault::no_such_resource("", None));
        }
        let Some(open) = text.find('(') else {
            return Ok(Self {
                name: text,
                args: None,
            });
        };
        if !text.ends_with(')') {
            return Err(Fault::odata(format!(
                "Bad Request - Error in query syntax: the parenthesis in '{text}' is not closed."
            )));
        }
        let end = text.len() - 1;
        Ok(Self {
            name: slice(&text, 0, open),
            args: Some(slice(&text, open + 1, end)),
        })
    }

    fn no_args(&self) -> Result<(), Fault> {
        match self.args.as_deref() {
            None | Some("") => Ok(()),
            Some(_) => Err(Fault::no_such_resource(&self.name, None)),
        }
    }
}

/// A piece of `text` that borrows whenever `text` does.
fn slice<'a>(text: &Cow<'a, str>, from: usize, to: usize) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
        Cow::Owned(text) => Cow::Owned(text[from..to].to_owned()),
    }
}

fn content<'a>(first: &Segment<'a>, rest: &[Segment<'a>]) -> Result<Resource<'a>, Fault> {
    first.no_args()?;
    let row = RowPath::Content(slice(&first.name, 1, first.name.len()));
    below_row(row, rest)
}

fn data<'a>(first: &Segment<'a>, rest: &[Segment<'a>]) -> Result<Resource<'a>, Fault> {
    let set = first.name.clone();
    if let Some(args) = first.args.as_ref().filter(|args| !args.is_empty()) {
        return below_row(RowPath::Keyed(set, key(args)?), rest);
    }
    match rest {
        [] => Ok(Resource::Rows(set)),
        [count] if count.name == "$count" => Ok(Resource::Count(set)),
        [action] if action.name.starts_with(NAMESPACE) => bulk(set, action),
        [other, ..] => Err(Fault::no_such_resource(&other.name, None)),
    }
}

fn below_row<'a>(row: RowPath<'a>, rest: &[Segment<'a>]) -> Result<Resource<'a>, Fault> {
    match rest {
        [] => Ok(Resource::Row(row)),
        [property] => {
            property.no_args()?;
            Ok(Resource::Property(row, property.name.clone()))
        }
        [nav, reference] if reference.name == "$ref" => {
            nav.no_args()?;
            Ok(Resource::Link(row, nav.name.clone()))
        }
        [_, value] if value.name == "$value" => {
            Ok(Resource::Unsupported("$value (raw property value)".into()))
        }
        [_, other, ..] => Err(Fault::no_such_resource(&other.name, None)),
    }
}

fn bulk<'a>(set: Cow<'a, str>, action: &Segment<'a>) -> Result<Resource<'a>, Fault> {
    const KNOWN: [&str; 3] = ["CreateMultiple", "UpdateMultiple", "UpsertMultiple"];
    let name = &action.name[NAMESPACE.len()..];
    let message = match name {
        "CreateMultiple" => Bulk::Create,
        "UpdateMultiple" => Bulk::Update,
        "UpsertMultiple" => Bulk::Upsert,
        "DeleteMultiple" => {
            return Ok(Resource::Unsupported(
                "DeleteMultiple (elastic tables only; use $batch or BulkDelete)".into(),
            ));
        }
        other => return Err(Fault::no_such_resource(other, nearest(other, KNOWN))),
    };
    Ok(Resource::Bulk(set, message))
}

fn definitions<'a>(first: &Segment<'a>, rest: &[Segment<'a>]) -> Result<Definitions<'a>, Fault> {
    let table = match handle(first)? {
        None if rest.is_empty() => return Ok(Definitions::Tables),
        None => return Err(Fault::no_such_resource(&rest[0].name, None)),
        Some(table) => table,
    };
    let Some((kind, rest)) = rest.split_first() else {
        return Ok(Definitions::Table(table));
    };
    let inner = handle(kind)?;
    match (kind.name.as_ref(), inner, rest) {
        ("Attributes", None, []) => Ok(Definitions::Columns(table, None)),
        ("Attributes", None, [to]) => Ok(Definitions::Columns(table, Some(cast(to)?))),
        ("Attributes", Some(column), []) => Ok(Definitions::Column(table, column, None)),
        ("Attributes", Some(column), [to]) => {
            Ok(Definitions::Column(table, column, Some(cast(to)?)))
        }
        ("Keys", None, []) => Ok(Definitions::Keys(table)),
        ("Keys", Some(key), []) => Ok(Definitions::Key(table, key)),
        (other, _, []) => Err(Fault::no_such_resource(
            other,
            nearest(other, ["Attributes", "Keys"]),
        )),
        (_, _, [other, ..]) => Err(Fault::no_such_resource(&other.name, None)),
    }
}

fn handle<'a>(segment: &Segment<'a>) -> Result<Option<Handle<'a>>, Fault> {
    let Some(args) = segment.args.as_ref().filter(|args| !args.is_empty()) else {
        return Ok(None);
    };
    match key(args)? {
        KeyText::Id(id) => Ok(Some(Handle::Id(id))),
        KeyText::Named(mut parts) => match parts.pop() {
            Some((name, KeyValue::Quoted(value))) if name == "LogicalName" && parts.is_empty() => {
                Ok(Some(Handle::Logical(value)))
            }
            Some((name, KeyValue::Quoted(value) | KeyValue::Bare(value)))
                if name == "MetadataId" && parts.is_empty() =>
            {
                Ok(Some(Handle::Id(guid(&value)?)))
            }
            _ => Err(Fault::odata(format!(
                "The key '{args}' is not valid for {}: use (guid) or (LogicalName='name').",
                segment.name
            ))),
        },
    }
}

fn cast<'a>(segment: &Segment<'a>) -> Result<Cow<'a, str>, Fault> {
    if segment.name.starts_with(NAMESPACE) {
        Ok(slice(&segment.name, NAMESPACE.len(), segment.name.len()))
    } else {
        Err(Fault::no_such_resource(&segment.name, None))
    }
}

/// Reads a GUID, with or without braces around it.
pub(crate) fn guid(text: &str) -> Result<Uuid, Fault> {
    Uuid::parse_str(text.trim()).map_err(|_not_a_guid| {
        Fault::odata(format!(
            "Bad Request - Error in query syntax: '{text}' is not a GUID."
        ))
    })
}

/// Reads what stands between the parentheses of a row's address.
pub(crate) fn key<'a>(args: &Cow<'a, str>) -> Result<KeyText<'a>, Fault> {
    if let Ok(id) = Uuid::parse_str(args.trim()) {
        return Ok(KeyText::Id(id));
    }
    if !args.contains('=') {
        return guid(args.trim_matches('\'')).map(KeyText::Id);
    }
    let mut parts = Vec::new();
    let mut at = 0;
    while at < args.len() {
        let (name, value, end) = key_part(args, at)?;
        if parts.iter().any(|(known, _)| *known == name) {
            return Err(key_fault(args, &format!("'{name}' is given twice")));
        }
        parts.push((name, value));
        at = end;
    }
    Ok(KeyText::Named(parts))
}

/// Reads one `name=value` starting at `at`; also tells where the next one starts.
fn key_part<'a>(
    args: &Cow<'a, str>,
    at: usize,
) -> Result<(Cow<'a, str>, KeyValue<'a>, usize), Fault> {
    let equals = args[at..]
        .find('=')
        .map(|found| at + found)
        .ok_or_else(|| key_fault(args, "every part must be column=value"))?;
    let name = trimmed(args, at, equals);
    let from = equals + 1;
    if !args[from..].starts_with('\'') {
        let end = args[from..]
            .find(',')
            .map_or(args.len(), |found| from + found);
        let value = trimmed(args, from, end);
        return Ok((name, KeyValue::Bare(value), (end + 1).min(args.len())));
    }
    let close = closing_quote(&args[from + 1..])
        .map(|found| from + 1 + found)
        .ok_or_else(|| key_fault(args, "a quote is not closed"))?;
    let text = slice(args, from + 1, close);
    let text = if text.contains("''") {
        Cow::Owned(text.replace("''", "'"))
    } else {
        text
    };
    let after = close + 1;
    match args.as_bytes().get(after) {
        None => Ok((name, KeyValue::Quoted(text), after)),
        Some(b',') => Ok((name, KeyValue::Quoted(text), after + 1)),
        Some(_) => Err(key_fault(args, "a comma is missing after a quoted value")),
    }
}

fn trimmed<'a>(text: &Cow<'a, str>, from: usize, to: usize) -> Cow<'a, str> {
    let piece = &text[from..to];
    let start = from + (piece.len() - piece.trim_start().len());
    slice(text, start, start + piece.trim().len())
}

/// Where the text ends whose doubled quotes stand for one.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += text[at..].find('\'')?;
        if bytes.get(at + 1) != Some(&b'\'') {
            return Some(at);
        }
        at += 2;
    }
}

fn key_fault(args: &str, why: &str) -> Fault {
    Fault::odata(format!(
        "Bad Request - Error in query syntax: the key ({args}) cannot be read: {why}."
    ))
}

#[cfg(test)]
mod tests;
