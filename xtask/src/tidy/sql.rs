//! SQL in one folder, behind one dialect boundary, each statement opening with `-- name`; and the
//! engine's library only there and in the store above it, which owns its connections.
//!
//! A statement is recognised by the words a string literal begins with; fragments that a statement
//! is put together from begin with other words, or with the parenthesis of a subquery.

use super::Finding;
use crate::tree::Text;

/// The one folder.
const SQL_FOLDER: &str = "crates/local/src/sql/";

/// Where the engine's library may be named beside it.
const STORE_FOLDER: &str = "crates/local/src/store/";

/// What a statement begins with.
const STATEMENTS: [&str; 18] = [
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "DELETE FROM",
    "REPLACE INTO",
    "CREATE TABLE",
    "CREATE INDEX",
    "CREATE UNIQUE",
    "CREATE VIRTUAL",
    "CREATE TRIGGER",
    "ALTER TABLE",
    "DROP TABLE",
    "DROP INDEX",
    "WITH RECURSIVE",
    "PRAGMA ",
    "BEGIN IMMEDIATE",
    "SAVEPOINT ",
    "VACUUM",
];

/// The engine's own name, spelled apart so that this file passes its own check.
const ENGINE: &str = concat!("rusq", "lite::");

pub(super) fn check(text: &Text) -> Vec<Finding> {
    if text.extension() == "sql" {
        return sql_file(text).into_iter().collect();
    }
    if !text.is_rust() || text.is_test() || text.path.starts_with("xtask/src/tidy") {
        return Vec::new();
    }
    if text.path.starts_with(SQL_FOLDER) {
        unnamed(text)
    } else {
        outside(text)
    }
}

fn sql_file(text: &Text) -> Option<Finding> {
    let named = text.content.starts_with("-- ");
    (!named).then(|| Finding::new(text, 1, "SQL opens with `-- name`"))
}

/// Statements of the folder that don't say their name.
fn unnamed(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.shipped_lines() {
        if let Some(words) = statement_in(line) {
            findings.push(Finding::new(
                text,
                number,
                format!("`{words}`: open with `-- name`"),
            ));
        }
    }
    findings
}

/// SQL, or the engine, where neither belongs.
fn outside(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.shipped_lines() {
        let connects = text.path.starts_with(STORE_FOLDER);
        let engine = (!connects && line.contains(ENGINE)).then_some(ENGINE);
        if let Some(words) = statement_in(line).or(engine) {
            let what = format!("`{words}`: SQL belongs below {SQL_FOLDER}");
            findings.push(Finding::new(text, number, what));
        }
    }
    findings
}

/// The words of a statement that a string literal of this line begins with.
fn statement_in(line: &str) -> Option<&'static str> {
    if line.trim_start().starts_with("//") {
        return None;
    }
    let mut literals = line.split('"').skip(1).step_by(2);
    literals.find_map(|literal| {
        STATEMENTS
            .into_iter()
            .find(|words| literal.trim_start().starts_with(words))
    })
}
