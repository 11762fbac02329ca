//! `shraga config`: each effective setting, and where it came from.

use anstyle::Style;
use clap::Args;
use serde_json::{Value, json};

use shraga_dataverse::auth::Standing;

use super::Context;
use crate::display::paint::DIM;
use crate::display::table::Table;
use crate::exit::{Exit, Failure};
use crate::roles::credentials::{Source, source_of};

/// Show each effective setting and where it came from
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga config
  shraga config --json | jq '.[] | select(.origin != \"default\")'

Flags win over the environment, which wins over shraga.toml (in the working directory, else in your \
configuration folder), which wins over defaults. Secrets are masked. config.example.toml lists every \
key with its meaning.")]
pub struct ShowConfig {}

impl ShowConfig {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Context { config, output, .. } = context;
        if output.json {
            let entries: Vec<_> = config
                .entries
                .iter()
                .map(|entry| {
                    json!({
                        "key": entry.key,
                        "value": entry.value.as_deref().map(value),
                        "origin": entry.origin.to_string(),
                        "about": words(entry.doc),
                    })
                })
                .collect();
            let mut entries = entries;
            entries.push(json!({
                "key": "(token)",
                "value": sentence(&source_of(config)),
                "origin": "derived",
                "about": "Where the token for the store comes from, as far as the settings tell.",
            }));
            output.object(&entries)?;
            return Ok(Exit::Done);
        }
        let mut table = Table::new(output, &["SETTING", "VALUE", "ORIGIN"]);
        for entry in &config.entries {
            let quiet = if entry.origin == crate::config::Origin::Default {
                DIM
            } else {
                Style::new()
            };
            table.row([
                (entry.key.clone(), quiet),
                (entry.value.clone().unwrap_or_else(|| "-".to_owned()), quiet),
                (entry.origin.to_string(), quiet),
            ]);
        }
        output.line(table.print())?;
        output.line(format!("\nToken: {}", sentence(&source_of(config))))?;
        Ok(Exit::Done)
    }
}

/// Where the token comes from, in words; nothing is asked.
fn sentence(source: &Source) -> String {
    match source {
        Source::Folder => "the data folder's own".to_owned(),
        Source::Given { key, origin } => format!("`{key}` ({origin})"),
        Source::Missing => "none: DATAVERSE_TOKEN is not set".to_owned(),
        Source::InTurn(kinds) => {
            let each = kinds.iter().map(|(kind, standing)| match standing {
                Standing::Set => format!("{kind} (set)"),
                Standing::ToBeFound => format!("{kind} (asked)"),
                Standing::Lacks(names) => format!("{kind} (lacks {})", names.join(", ")),
                Standing::Unset(_) => format!("{kind} (not set)"),
            });
            each.collect::<Vec<_>>().join(", then ")
        }
    }
}

/// A value as the file would have it, for scripts.
fn value(literal: &str) -> Value {
    let read = format!("value = {literal}").parse::<toml::Table>();
    let value = read.ok().and_then(|mut table| table.remove("value"));
    value
        .and_then(|value| serde_json::to_value(value).ok())
        .unwrap_or(Value::Null)
}

/// A documentation text of several lines as one.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
