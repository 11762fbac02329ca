//! Requests held against the service's published description: strict on what is asked, silent on what is answered.
//!
//! A copy of the description is in `data/`. Of a body, what the description calls read-only must not be sent, nor what
//! it doesn't know; parameters in paths and queries must be there, of their type and pattern.

use std::sync::LazyLock;

use http::Method;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use url::Url;

const DESCRIPTIONS: [&str; 2] = [
    include_str!("../../data/devcenter-2025-02-01.devbox-subset.swagger.json"),
    include_str!("../../data/devcenter-2025-02-01.actions.swagger.json"),
];

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let read = |text: &&str| -> Value { serde_json::from_str(text).expect("a description") };
    DESCRIPTIONS
        .iter()
        .map(read)
        .flat_map(|it| operations(&it))
        .collect()
});

struct Operation {
    method: String,
    /// The path's segments; `{name}` stands for a parameter.
    path: Vec<String>,
    parameters: Vec<Parameter>,
    body: Option<Validator>,
}

struct Parameter {
    name: String,
    in_path: bool,
    required: bool,
    kind: String,
    schema: Validator,
}

/// What is wrong with a request; nothing, or the first thing that is.
pub(super) fn objection(method: &Method, url: &Url, body: &[u8]) -> Option<String> {
    let segments: Vec<&str> = url.path_segments()?.collect();
    let known = |it: &&Operation| matches(&it.path, &segments).is_some();
    let mut at_path = OPERATIONS.iter().filter(known).peekable();
    if at_path.peek().is_none() {
        return Some(format!("there is no {}", url.path()));
    }
    let Some(operation) = at_path.find(|it| it.method == method.as_str()) else {
        return Some(format!("{method} is not for {}", url.path()));
    };
    let wrong = operation
        .parameters
        .iter()
        .find_map(|it| it.objection(&operation.path, url));
    wrong
        .or_else(|| operation.stranger(url))
        .or_else(|| operation.body_objection(body))
}

impl Parameter {
    fn objection(&self, path: &[String], url: &Url) -> Option<String> {
        let text = match self.in_path {
            true => {
                let segments: Vec<&str> = url.path_segments()?.collect();
                let values = matches(path, &segments)?;
                values.into_iter().find(|(name, _)| *name == self.name)?.1
            }
            false => match url.query_pairs().find(|(name, _)| *name == self.name) {
                Some((_, value)) => value.into_owned(),
                None if self.required => return Some(format!("{} is missing", self.name)),
                None => return None,
            },
        };
        let value = match (self.kind.as_str(), text.as_str()) {
            ("boolean", "true") => Value::Bool(true),
            ("boolean", "false") => Value::Bool(false),
            ("integer", number) => number.parse::<i64>().map_or(Value::Null, Value::from),
            (_, text) => Value::from(text),
        };
        let wrong = self.schema.validate(&value).err()?;
        Some(format!("{}: {wrong}", self.name))
    }
}

impl Operation {
    /// A parameter of the query that is none. The service's own `Location` of an operation has one that isn't
    /// described (`monitor`), and Microsoft's client goes there.
    fn stranger(&self, url: &Url) -> Option<String> {
        let is_operation = self.path.iter().any(|it| it == "operationstatuses");
        let known = |name: &str| {
            (is_operation && name == "monitor")
                || self
                    .parameters
                    .iter()
                    .any(|it| !it.in_path && it.name == name)
        };
        let (name, _) = url.query_pairs().find(|(name, _)| !known(name))?;
        Some(format!("nobody asked for {name}"))
    }

    fn body_objection(&self, body: &[u8]) -> Option<String> {
        let Some(schema) = &self.body else {
            return (!body.is_empty()).then(|| "a body where none belongs".to_owned());
        };
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Some("the body is not JSON".to_owned());
        };
        let wrong = schema.validate(&value).err()?;
        Some(format!("the body: {wrong}"))
    }
}

/// The parameters of `path` in `segments`, decoded; `None` when it is another path.
fn matches<'a>(path: &'a [String], segments: &[&str]) -> Option<Vec<(&'a str, String)>> {
    if path.len() != segments.len() {
        return None;
    }
    let mut values = Vec::new();
    for (pattern, segment) in path.iter().zip(segments) {
        let Some((name, suffix)) = pattern.strip_prefix('{').and_then(|it| it.split_once('}'))
        else {
            if pattern != segment {
                return None;
            }
            continue;
        };
        let value = segment.strip_suffix(suffix)?;
        // A verb belongs to another operation.
        if suffix.is_empty() && value.contains(':') {
            return None;
        }
        values.push((name, value.to_owned()));
    }
    Some(values)
}

fn operations(description: &Value) -> Vec<Operation> {
    let paths = description["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, methods) in paths {
        let path: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        for (method, operation) in methods.as_object().expect("methods") {
            let listed = operation["parameters"].as_array().expect("parameters");
            let listed: Vec<&Value> = listed.iter().map(|it| resolved(description, it)).collect();
            let body = listed.iter().find(|it| it["in"] == "body");
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                parameters: listed.iter().filter_map(|it| parameter(it)).collect(),
                body: body.map(|it| body_schema(description, &it["schema"])),
            });
        }
    }
    all
}

fn resolved<'a>(description: &'a Value, parameter: &'a Value) -> &'a Value {
    match parameter["$ref"].as_str() {
        Some(link) => &description["parameters"][link.trim_start_matches("#/parameters/")],
        None => parameter,
    }
}

fn parameter(it: &Value) -> Option<Parameter> {
    let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let place = text("in");
    if place == "body" {
        return None;
    }
    let mut schema = it.as_object()?.clone();
    // These say something else of a schema.
    for of_parameter in ["required", "in", "name", "description"] {
        schema.remove(of_parameter);
    }
    Some(Parameter {
        name: text("name"),
        in_path: place == "path",
        required: it["required"] == true,
        kind: text("type"),
        schema: validator(&Value::Object(schema)),
    })
}

/// The schema of a body that is sent: without what only answers have, and with nothing that isn't described.
fn body_schema(description: &Value, schema: &Value) -> Validator {
    let mut definitions = description["definitions"].clone();
    for definition in definitions
        .as_object_mut()
        .expect("definitions")
        .values_mut()
    {
        only_for_requests(definition);
    }
    let mut whole = schema.as_object().cloned().unwrap_or_default();
    whole.insert("definitions".to_owned(), definitions);
    validator(&Value::Object(whole))
}

fn only_for_requests(definition: &mut Value) {
    let Some(properties) = definition
        .get_mut("properties")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    let removed: Vec<String> = properties
        .iter()
        .filter(|(name, it)| it["readOnly"] == true || *name == "uri")
        .map(|(name, _)| name.clone())
        .collect();
    properties.retain(|name, _| !removed.contains(name));
    let is_kept = |name: &Value| !removed.iter().any(|gone| name == gone);
    if let Some(required) = definition.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(is_kept);
    }
    definition["additionalProperties"] = json!(false);
}

fn validator(schema: &Value) -> Validator {
    // Empty lists of required properties are none.
    let cleaned = without_empty_required(schema.clone());
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft4)
        .should_validate_formats(true)
        .build(&cleaned)
        .expect("a schema of the description")
}

fn without_empty_required(schema: Value) -> Value {
    match schema {
        Value::Object(map) => {
            let kept = map
                .into_iter()
                .filter(|(key, value)| {
                    key != "required" || value.as_array().is_none_or(|it| !it.is_empty())
                })
                .map(|(key, value)| (key, without_empty_required(value)));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(without_empty_required).collect(),
        other => other,
    }
}
