//! Manifests: each crate says why it is one, and nothing is depended on that nobody uses.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Finding;
use crate::tree::Text;

/// How a crate's description gives its reason.
const REASON: &str = "A crate ";

/// The workspace's manifest.
const ROOT: &str = "Cargo.toml";
/// What an update goes by: a branch whose file says more than what is installed has something newer.
const VERSION: &str = "VERSION";

/// Libraries used by being linked or through a derive's output, never named in a source.
const USED_UNNAMED: [&str; 0] = [];

pub(super) fn check(texts: &[Text]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for text in texts.iter().filter(|text| is_member(&text.path)) {
        let manifest = parse(text)?;
        findings.extend(reason(text, &manifest));
        for dependency in dependencies(&manifest) {
            if !named_in_sources(texts, text, &dependency) {
                findings.push(Finding::new(text, 1, format!("{dependency} is not used")));
            }
            used.insert(dependency);
        }
    }
    findings.extend(unused_in_workspace(texts, &used)?);
    findings.extend(version(texts)?);
    Ok(findings)
}

/// The file that installations compare says the version that the programs say.
fn version(texts: &[Text]) -> Result<Option<Finding>> {
    let Some(manifest) = texts.iter().find(|text| text.path == ROOT) else {
        return Ok(None);
    };
    let table = parse(manifest)?;
    let package = table.get("workspace").and_then(|w| w.get("package"));
    let version = package.and_then(|package| package.get("version"));
    let Some(wanted) = version.and_then(Value::as_str) else {
        return Ok(None);
    };
    let file = texts.iter().find(|text| text.path == VERSION);
    let said = file.map(|file| file.content.as_str());
    let right = said == Some(format!("{wanted}\n").as_str());
    let what = format!(
        "the file {VERSION} is one line, the workspace's version {wanted}; it says {:?}",
        said.unwrap_or_default()
    );
    Ok((!right).then(|| Finding::new(file.unwrap_or(manifest), 1, what)))
}

fn is_member(path: &str) -> bool {
    path.ends_with("/Cargo.toml")
}

fn parse(text: &Text) -> Result<Table> {
    text.content
        .parse()
        .with_context(|| format!("parsing {}", text.path))
}

fn reason(text: &Text, manifest: &Table) -> Option<Finding> {
    let description = manifest
        .get("package")?
        .get("description")
        .and_then(Value::as_str);
    let given = description.is_some_and(|description| description.contains(REASON));
    (!given).then(|| Finding::new(text, 1, format!("the description says why: `{REASON}...`")))
}

fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets
        .into_iter()
        .flat_map(|targets| targets.values().filter_map(Value::as_table));
    tables.chain([manifest]).flat_map(names).collect()
}

fn names(table: &Table) -> Vec<String> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let sections = kinds
        .into_iter()
        .filter_map(|kind| table.get(kind)?.as_table());
    sections
        .flat_map(|section| section.keys().cloned())
        .collect()
}

/// Whether a source of the manifest's crate names the library.
fn named_in_sources(texts: &[Text], manifest: &Text, dependency: &str) -> bool {
    let folder = manifest.path.trim_end_matches("Cargo.toml");
    let name = dependency.replace('-', "_");
    let sources = texts
        .iter()
        .filter(|text| text.is_rust() && text.path.starts_with(folder));
    USED_UNNAMED.contains(&dependency) || sources.into_iter().any(|text| names_it(text, &name))
}

fn names_it(text: &Text, name: &str) -> bool {
    let marks = [
        format!("{name}::"),
        format!("use {name} "),
        format!("use {name};"),
    ];
    let in_line = |line: &str| marks.iter().any(|mark| line.contains(mark.as_str()));
    text.content.lines().any(in_line)
}

/// Entries of the root manifest that no crate takes.
fn unused_in_workspace(texts: &[Text], used: &BTreeSet<String>) -> Result<Vec<Finding>> {
    let Some(root) = texts.iter().find(|text| text.path == ROOT) else {
        return Ok(Vec::new());
    };
    let manifest = parse(root)?;
    let workspace = manifest
        .get("workspace")
        .and_then(|it| it.get("dependencies"));
    let listed = workspace
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::keys);
    let unused = listed.filter(|name| !used.contains(*name));
    Ok(unused
        .map(|name| Finding::new(root, 1, format!("no crate uses {name}")))
        .collect())
}
