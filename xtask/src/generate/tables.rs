//! `docs/schema.md`: the tables as `shraga schema print --json` tells them.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{interop, run};

const TOP: &str = "\
# The tables

Made by `cargo xtask generate` from `shraga schema print --json`; `cargo xtask ci` checks it.

`shraga schema check` compares a store with this, `shraga schema apply` adds what it lacks. Names are the default ones;
`[schema]` and `[schema.columns]` of `shraga.toml` give others. Every table also has what Dataverse gives it: a primary
key, an owner (tables are owned by users), `createdon`, `modifiedon` and a version; optimistic concurrency is on, which
Shraga cannot do without. Of a required column nothing works without it. People are rows of the built-in `systemusers`.

Lengths are in characters. A datetime has whole seconds and Dataverse's behaviour `UserLocal`: the API speaks UTC, forms
show a person's own time. There is no alternate key on `cr_mirroroftaskid`: the computed identity of a mirror makes it the
only one, and a key would let one person block another's.
";

/// The page.
pub(super) fn page() -> Result<String> {
    let shraga = interop::built()?;
    // Neither the environment nor a configuration file may have a say in it.
    let empty = tempfile::tempdir()?;
    let mut command = run::command(&shraga, &["schema", "print", "--json"]);
    command.env_clear().current_dir(empty.path());
    let tables: Value = serde_json::from_str(&run::output(&mut command)?)?;
    let mut page = TOP.to_owned();
    for table in tables.as_array().context("not a list of tables")? {
        section(&mut page, table)?;
    }
    Ok(page)
}

fn section(page: &mut String, table: &Value) -> Result<()> {
    writeln!(page, "\n## `{}`\n", text(&table["table"]))?;
    match table["without"].as_str() {
        None => write!(page, "Required.")?,
        Some(without) => write!(page, "Optional: without it {without}.")?,
    }
    let tracked = if table["change_tracking"] == true {
        "on"
    } else {
        "not needed"
    };
    writeln!(
        page,
        " Primary key `{}`; change tracking {tracked}.\n",
        text(&table["primary_key"])
    )?;
    writeln!(page, "| column | type | limits | need | without it |")?;
    writeln!(page, "| --- | --- | --- | --- | --- |")?;
    for column in table["columns"].as_array().context("no columns")? {
        let need = if column["required"] == true {
            "required"
        } else {
            "optional"
        };
        let own = Some(&column["without"]).filter(|it| **it != table["without"]);
        writeln!(
            page,
            "| `{}` | {} | {} | {need} | {} |",
            text(&column["column"]),
            text(&column["type"]),
            limits(column),
            own.map_or("", text),
        )?;
    }
    for key in table["keys"].as_array().context("no keys")? {
        writeln!(page, "\nAlternate key `{}`.", text(&key["name"]))?;
    }
    Ok(())
}

fn limits(column: &Value) -> String {
    if let Some(options) = column["options"].as_array() {
        let options = options.iter();
        let options = options.map(|it| format!("{} {}", it["value"], text(&it["label"])));
        return options.collect::<Vec<_>>().join(", ");
    }
    match (&column["max_length"], &column["min"], &column["max"]) {
        (Value::Null, Value::Null, _) => String::new(),
        (Value::Null, min, max) => format!("{min} to {max}"),
        (length, ..) => length.to_string(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
