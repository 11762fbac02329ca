//! `$select`, `$filter` and `$expand` on documents in memory: definitions are few and small.

use serde_json::{Map, Value, json};
use shraga_wire::fault::Fault;
use shraga_wire::filter::{Comparison, Filter, Literal, Operand, TextFunction};
use shraga_wire::query::Query;

use crate::http::answer::Answer;
use crate::http::names;

/// A property that can be expanded, and its value.
type Expandable = (&'static str, Value);

/// Answers with the documents that the query asks for.
///
/// # Errors
/// 400 for an unknown property or a filter that doesn't apply.
pub(crate) fn many(
    context_url: &str,
    items: Vec<Value>,
    query: &Query,
    expandable: impl Fn(&Value) -> Vec<Expandable>,
) -> Result<Answer, Fault> {
    let mut kept = Vec::new();
    for item in items {
        if matches(&item, query)? {
            let expanded = expandable(&item);
            kept.push(shape(item, query, expanded)?);
        }
    }
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(context_url));
    if query.count {
        body.insert("@odata.count".to_owned(), json!(kept.len()));
    }
    body.insert("value".to_owned(), Value::Array(kept));
    Ok(Answer::json(200, Value::Object(body).to_string()))
}

/// Answers with one document, as the query asks for it.
///
/// # Errors
/// 400 for an unknown property.
pub(crate) fn one(
    context_url: &str,
    item: Value,
    query: &Query,
    expandable: impl Fn(&Value) -> Vec<Expandable>,
) -> Result<Answer, Fault> {
    if query.filter.is_some() || query.count {
        return Err(Fault::odata(
            "Query options other than $select and $expand don't apply to one definition.",
        ));
    }
    let expanded = expandable(&item);
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(context_url));
    if let Value::Object(shaped) = shape(item, query, expanded)? {
        body.extend(shaped);
    }
    Ok(Answer::json(200, Value::Object(body).to_string()))
}

fn shape(item: Value, query: &Query, expandable: Vec<Expandable>) -> Result<Value, Fault> {
    let mut out = selected(item, &query.select)?;
    for wanted in parse_expand(query.expand.as_deref().unwrap_or_default())? {
        let Some((name, value)) = expandable.iter().find(|(name, _)| *name == wanted.name) else {
            let known = expandable.iter().map(|(name, _)| *name);
            return Err(Fault::odata(format!(
                "Could not find a property named '{}' to expand.{}",
                wanted.name,
                names::hint(wanted.name, known)
            )));
        };
        let value = match value {
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| selected(item.clone(), &wanted.select))
                    .collect::<Result<_, _>>()?,
            ),
            one => selected(one.clone(), &wanted.select)?,
        };
        if let Value::Object(out) = &mut out {
            out.insert((*name).to_owned(), value);
        }
    }
    Ok(out)
}

/// Keeps the named properties, the identity and annotations; everything when nothing is named.
fn selected<S: AsRef<str>>(item: Value, names: &[S]) -> Result<Value, Fault> {
    if names.is_empty() {
        return Ok(item);
    }
    let Value::Object(all) = item else {
        return Ok(item);
    };
    let wanted = |key: &str| names.iter().any(|name| name.as_ref() == key);
    if let Some(name) = names
        .iter()
        .map(AsRef::as_ref)
        .find(|name| !is_property(&all, name))
    {
        let hint = names::hint(name, all.keys().map(String::as_str));
        return Err(Fault::odata(format!(
            "Could not find a property named '{name}' in these definitions.{hint}"
        )));
    }
    let kept = all
        .into_iter()
        .filter(|(key, _)| key.starts_with('@') || key == "MetadataId" || wanted(key))
        .collect();
    Ok(Value::Object(kept))
}

/// Whether a definition has this property. Those of columns differ by kind, so any capitalised
/// word passes there.
fn is_property(all: &Map<String, Value>, name: &str) -> bool {
    all.contains_key(name)
        || (all.contains_key("AttributeType") && name.starts_with(|c: char| c.is_ascii_uppercase()))
}

struct Expand<'e> {
    name: &'e str,
    select: Vec<&'e str>,
}

/// Reads `Keys,Attributes($select=LogicalName;...)`.
fn parse_expand(text: &str) -> Result<Vec<Expand<'_>>, Fault> {
    let mut depth = 0_u32;
    let pieces = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    pieces
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
        .map(|piece| match piece.split_once('(') {
            None => Ok(Expand {
                name: piece,
                select: Vec::new(),
            }),
            Some((name, options)) => {
                let options = options.strip_suffix(')').ok_or_else(|| {
                    Fault::odata(format!("The parenthesis in $expand={piece} is not closed."))
                })?;
                expand_options(name, options)
            }
        })
        .collect()
}

fn expand_options<'e>(name: &'e str, options: &'e str) -> Result<Expand<'e>, Fault> {
    let mut select = Vec::new();
    for option in options.split(';') {
        match option.split_once('=') {
            Some((key, names)) if key.trim() == "$select" => {
                select.extend(names.split(',').map(str::trim));
            }
            _ => {
                return Err(Fault::not_supported(&format!(
                    "'{option}' inside $expand (only $select is)"
                )));
            }
        }
    }
    Ok(Expand { name, select })
}

fn matches(item: &Value, query: &Query) -> Result<bool, Fault> {
    query
        .filter
        .as_ref()
        .map_or(Ok(true), |filter| holds(filter, item, query))
}

fn holds(filter: &Filter, item: &Value, query: &Query) -> Result<bool, Fault> {
    match filter {
        Filter::And(parts) => all(parts.iter(), |part| holds(part, item, query)),
        Filter::Or(parts) => Ok(!all(parts.iter(), |part| {
            holds(part, item, query).map(|held| !held)
        })?),
        Filter::Not(inner) => holds(inner, item, query).map(|held| !held),
        Filter::Compare(left, how, right) => compare(
            &operand(left, item, query)?,
            *how,
            &operand(right, item, query)?,
        ),
        Filter::Text(function, column, with) => {
            let value = property(item, column)?;
            let with = operand(with, item, query)?;
            Ok(text_holds(*function, value, &with))
        }
        Filter::In {
            column,
            values,
            negated,
        } => {
            let value = property(item, column)?;
            let any = values.iter().any(|given| same(value, &literal(given)));
            Ok(any != *negated)
        }
    }
}

fn all<'f>(
    mut parts: impl Iterator<Item = &'f Filter>,
    check: impl Fn(&Filter) -> Result<bool, Fault>,
) -> Result<bool, Fault> {
    parts.try_fold(true, |held, part| Ok(held && check(part)?))
}

fn operand(operand: &Operand, item: &Value, query: &Query) -> Result<Value, Fault> {
    match operand {
        Operand::Column(name) => property(item, name).cloned(),
        Operand::Literal(value) => Ok(literal(value)),
        Operand::Alias(name) => Ok(query.aliases.get(name).map_or(Value::Null, literal)),
    }
}

fn property<'i>(item: &'i Value, name: &str) -> Result<&'i Value, Fault> {
    let mut at = item;
    for step in name.split('/') {
        at = match at {
            Value::Object(map) if is_property(map, step) || map.contains_key("Value") => {
                map.get(step).unwrap_or(&Value::Null)
            }
            Value::Object(map) => {
                let hint = names::hint(step, map.keys().map(String::as_str));
                return Err(Fault::odata(format!(
                    "Could not find a property named '{name}' in these definitions.{hint}"
                )));
            }
            _ => &Value::Null,
        };
    }
    Ok(at)
}

fn literal(value: &Literal) -> Value {
    match value {
        Literal::Null => Value::Null,
        Literal::Bool(flag) => json!(flag),
        Literal::Int(number) => json!(number),
        Literal::Decimal(number) => json!(number),
        Literal::Guid(id) => json!(id),
        Literal::DateTime(at) => json!(at.to_string()),
        Literal::Text(text) => json!(text),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    }
}

fn compare(a: &Value, how: Comparison, b: &Value) -> Result<bool, Fault> {
    match how {
        Comparison::Eq => Ok(same(a, b)),
        Comparison::Ne => Ok(!same(a, b)),
        Comparison::Gt | Comparison::Ge | Comparison::Lt | Comparison::Le => Err(
            Fault::not_supported("comparing definitions other than with eq and ne"),
        ),
    }
}

fn text_holds(function: TextFunction, value: &Value, with: &Value) -> bool {
    let (Value::String(value), Value::String(with)) = (value, with) else {
        return false;
    };
    let (value, with) = (value.to_lowercase(), with.to_lowercase());
    match function {
        TextFunction::Contains => value.contains(&with),
        TextFunction::StartsWith => value.starts_with(&with),
        TextFunction::EndsWith => value.ends_with(&with),
    }
}
