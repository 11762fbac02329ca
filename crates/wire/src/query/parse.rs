//! Reads query options, refusing by name what is not served.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{OrderBy, Query};
use crate::fault::Fault;
use crate::filter;

/// What is served.
const KNOWN: [&str; 8] = [
    "$select",
    "$filter",
    "$orderby",
    "$top",
    "$count",
    "$expand",
    "$skiptoken",
    "$deltatoken",
];

/// What OData or Dataverse know and this dialect does not.
const UNSUPPORTED: [&str; 11] = [
    "$skip",
    "$search",
    "$format",
    "$apply",
    "$compute",
    "$index",
    "$schemaversion",
    "fetchXml",
    "savedQuery",
    "userQuery",
    "sql",
];

/// How alike (1 is equal) an unknown name must be to a known one to be named as what was meant.
const LIKENESS: f64 = 0.7;

pub(super) fn query(raw: &str) -> Result<Query, Fault> {
    let mut query = Query::default();
    let mut seen = Vec::new();
    for option in raw.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if seen.contains(&name) {
            return Err(Fault::odata(format!(
                "Query option '{name}' was specified more than once, but it must be specified at \
                 most once."
            )));
        }
        set(&mut query, &name, &value)?;
        seen.push(name);
    }
    Ok(query)
}

pub(super) fn decode(raw: &str) -> Result<Cow<'_, str>, Fault> {
    let not_utf8 = |_| Fault::odata("The query is not percent-encoded UTF-8.");
    if !raw.contains('+') {
        return percent_decode_str(raw).decode_utf8().map_err(not_utf8);
    }
    let spaced = raw.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(not_utf8)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

fn set(query: &mut Query, name: &str, value: &str) -> Result<(), Fault> {
    match name {
        "$select" => query.select = select(value)?,
        "$filter" => query.filter = Some(condition(value)?),
        "$orderby" => query.order_by = order_by(value)?,
        "$top" => query.top = Some(top(value)?),
        "$count" => query.count = count(value)?,
        "$expand" => query.expand = Some(value.to_owned()),
        "$skiptoken" => query.skip_token = Some(value.to_owned()),
        "$deltatoken" => query.delta_token = Some(value.to_owned()),
        other => return alias(query, other, value),
    }
    Ok(())
}

fn alias(query: &mut Query, name: &str, value: &str) -> Result<(), Fault> {
    let Some(alias) = name.strip_prefix('@').filter(|alias| !alias.is_empty()) else {
        return Err(unknown(name));
    };
    let literal = filter::parse_literal(value.trim()).map_err(|error| {
        Fault::odata(format!(
            "The value of the parameter alias '{name}': {}.",
            error.message
        ))
    })?;
    query.aliases.insert(alias.to_owned(), literal);
    Ok(())
}

fn unknown(name: &str) -> Fault {
    if UNSUPPORTED.contains(&name) {
        return Fault::odata(format!("The query parameter {name} is not supported."));
    }
    let likeness = |known: &&str| strsim::jaro_winkler(&name.to_ascii_lowercase(), known);
    let nearest = KNOWN
        .into_iter()
        .map(|known| (known, likeness(&known)))
        .filter(|(_, likeness)| *likeness >= LIKENESS)
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let hint = nearest.map_or_else(String::new, |(known, _)| {
        format!(" Did you mean '{known}'?")
    });
    Fault::odata(format!("The query parameter {name} is not known.{hint}"))
}

fn select(value: &str) -> Result<Vec<String>, Fault> {
    let mut columns: Vec<String> = Vec::new();
    for name in value.split(',').map(str::trim) {
        match name {
            "*" => return Ok(Vec::new()),
            _ => plain_column("$select", name)?,
        }
        if !columns.iter().any(|column| column == name) {
            columns.push(name.to_owned());
        }
    }
    Ok(columns)
}

fn order_by(value: &str) -> Result<Vec<OrderBy>, Fault> {
    value.split(',').map(|key| order_key(key.trim())).collect()
}

fn order_key(key: &str) -> Result<OrderBy, Fault> {
    let mut words = key.split_ascii_whitespace();
    let column = words.next().unwrap_or_default();
    plain_column("$orderby", column)?;
    let descending = match (words.next(), words.next()) {
        (None | Some("asc"), None) => false,
        (Some("desc"), None) => true,
        _ => {
            return Err(Fault::odata(format!(
                "$orderby: '{key}' must be a column, then asc or desc or nothing."
            )));
        }
    };
    Ok(OrderBy {
        column: column.to_owned(),
        descending,
    })
}

/// Refuses what is no plain column name: paths, functions, aliases, nothing.
fn plain_column(option: &str, name: &str) -> Result<(), Fault> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() {
        return Err(Fault::odata(format!("{option} has an empty item.")));
    }
    if name.contains('/') {
        return Err(Fault::odata(format!(
            "{option}: navigation paths ('{name}') are not supported."
        )));
    }
    if !name.chars().all(is_name) {
        return Err(Fault::odata(format!(
            "{option}: '{name}' is not a column's name."
        )));
    }
    Ok(())
}

fn condition(value: &str) -> Result<filter::Filter, Fault> {
    value
        .parse()
        .map_err(|error: filter::ParseError| Fault::odata(format!("$filter: {error}.")))
}

fn top(value: &str) -> Result<u32, Fault> {
    value.trim().parse().map_err(|_| {
        Fault::odata(format!(
            "Invalid value '{value}' for $top query option found. The $top query option requires a \
             non-negative integer value."
        ))
    })
}

fn count(value: &str) -> Result<bool, Fault> {
    match value.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(Fault::odata(format!(
            "Invalid value '{other}' for $count query option found. Valid values are 'true' and \
             'false'."
        ))),
    }
}
