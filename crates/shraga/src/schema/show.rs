//! What is wanted and what was found, as tables for people and objects for scripts.

use anstyle::Style;
use serde_json::{Value, json};
use shraga_wire::schema::compare::{Finding, Step, describe};
use shraga_wire::schema::{ColumnDef, ColumnKind, KeyDef, Need, Wanted};

use super::check::{Findings, UNSEEN_FIX};
use crate::display::Output;
use crate::display::clean::one_line;
use crate::display::paint::{BAD, BOLD, CAREFUL, DIM, paint};
use crate::display::table::Table;

/// The wanted tables, one after the other, each with its columns.
#[must_use]
pub fn tables(output: &Output, wanted: &[Wanted]) -> String {
    let tables: Vec<_> = wanted.iter().map(|it| table(output, it)).collect();
    tables.join("\n\n")
}

fn table(output: &Output, wanted: &Wanted) -> String {
    let def = &wanted.def;
    let need = match wanted.need {
        Need::Required => "required".to_owned(),
        Need::Optional { without } => format!("optional: without it {without}"),
    };
    let title = format!("{}  {}", paint(BOLD, &def.set), paint(DIM, need));
    let mut rows = Table::new(output, &["COLUMN", "TYPE", "LIMITS", "NEED", "WITHOUT IT"]);
    for (column, need) in wanted.columns() {
        let (kind, limits) = describe(&column.kind);
        let word = if need.is_required() {
            "required"
        } else {
            "optional"
        };
        // A column of an optional table that the table is of no use without.
        let without = match (need, wanted.need) {
            (own, table) if own == table => "",
            (own, _) => own.without().unwrap_or_default(),
        };
        rows.row([
            (column.logical.clone(), Style::new()),
            (kind.to_owned(), Style::new()),
            (limits, Style::new()),
            (word.to_owned(), Style::new()),
            (without.to_owned(), DIM),
        ]);
    }
    let keys = def.keys.iter().map(|key| {
        let columns = key.columns.join(", ");
        format!("\nalternate key {} ({columns})", key.logical)
    });
    format!("{title}\n{}{}", rows.print(), keys.collect::<String>())
}

/// A wanted table, for scripts.
#[must_use]
pub fn table_object(wanted: &Wanted) -> Value {
    let def = &wanted.def;
    let columns: Vec<_> = wanted
        .columns()
        .map(|(column, need)| column_object(column, need))
        .collect();
    json!({
        "table": def.set,
        "logical_name": def.logical,
        "schema_name": def.schema,
        "primary_key": def.primary_id,
        "primary_name": def.primary_name,
        "required": wanted.need.is_required(),
        "without": wanted.need.without(),
        "optimistic_concurrency": true,
        "change_tracking": def.change_tracking,
        "columns": columns,
        "keys": def.keys.iter().map(key_object).collect::<Vec<_>>(),
    })
}

fn key_object(key: &KeyDef) -> Value {
    json!({ "name": key.logical, "columns": key.columns })
}

fn column_object(column: &ColumnDef, need: Need) -> Value {
    let (kind, _) = describe(&column.kind);
    let mut object = json!({
        "column": column.logical,
        "schema_name": column.schema,
        "type": kind,
        "required": need.is_required(),
        "without": need.without(),
    });
    match &column.kind {
        ColumnKind::Text { max } | ColumnKind::Memo { max } => object["max_length"] = json!(max),
        ColumnKind::Integer { min, max } => {
            object["min"] = json!(min);
            object["max"] = json!(max);
        }
        ColumnKind::Choice { options } => {
            let options = options.iter();
            let options = options.map(|it| json!({ "value": it.value, "label": it.label }));
            object["options"] = options.collect();
        }
        ColumnKind::BigInt
        | ColumnKind::Decimal { .. }
        | ColumnKind::Double
        | ColumnKind::Boolean { .. }
        | ColumnKind::DateTime
        | ColumnKind::Guid
        | ColumnKind::Lookup { .. } => {}
    }
    object
}

/// What was found, each with its fix; what blocks first.
#[must_use]
pub fn findings(found: &Findings) -> String {
    let (blocking, others): (Vec<_>, Vec<_>) = found.all.iter().partition(|it| it.is_blocking());
    let mut lines: Vec<String> = Vec::new();
    for (word, style, of) in [("required", BAD, blocking), ("optional", CAREFUL, others)] {
        let mut fix = String::new();
        for finding in of {
            // The same fix for a row of findings is said once, after the last.
            if !fix.is_empty() && fix != finding.fix() {
                lines.push(fixed(&fix));
            }
            lines.push(format!(
                "{}  {}: {}",
                paint(style, word),
                paint(BOLD, one_line(&finding.place())),
                one_line(&finding.means())
            ));
            fix = finding.fix();
        }
        if !fix.is_empty() {
            lines.push(fixed(&fix));
        }
    }
    if let Some(why) = &found.unseen {
        lines.push(format!(
            "{}  types, lengths and choices were not looked at: {}",
            paint(CAREFUL, "unseen"),
            one_line(why)
        ));
        lines.push(fixed(UNSEEN_FIX));
    }
    lines.join("\n")
}

fn fixed(fix: &str) -> String {
    format!("          {} {}", paint(DIM, "fix:"), one_line(fix))
}

/// What was found, for scripts.
#[must_use]
pub fn findings_object(found: &Findings) -> Value {
    let all: Vec<_> = found.all.iter().map(finding_object).collect();
    json!({
        "usable": found.is_usable(),
        "findings": all,
        "unseen": found.unseen,
    })
}

fn finding_object(finding: &Finding) -> Value {
    json!({
        "table": finding.table.set,
        "column": finding.column.as_ref().map(|it| &it.logical),
        "kind": finding.kind(),
        "required": finding.is_blocking(),
        "means": finding.means(),
        "fix": finding.fix(),
    })
}

/// The steps of a plan, one a line.
#[must_use]
pub fn steps(steps: &[Step]) -> String {
    let lines: Vec<_> = steps.iter().map(|it| one_line(&it.to_string())).collect();
    lines.join("\n")
}
