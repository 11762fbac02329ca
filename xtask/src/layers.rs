//! Who may depend on whom: the arrows of ARCHITECTURE.md, checked from Cargo's own metadata.
//!
//! Three kinds of rule: the arrows between our crates are an allow-list, libraries a crate must not
//! reach, however indirectly, a list of absences (`rules.rs`), and so are words of the standard
//! library (`sources.rs`). A crate without a rule fails, so a new crate states its place first.

mod rules;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand, Package};

use crate::{run, tree};
use rules::{EVERYWHERE_ABSENT, RULES, Rule};

/// A crate as the rules see it.
pub(crate) struct Seen {
    name: String,
    /// Our crates it depends on when shipped.
    arrows: BTreeSet<String>,
    /// Our crates its tests depend on.
    test_arrows: BTreeSet<String>,
    /// Every library it reaches when shipped, on this machine's target.
    reached: BTreeSet<String>,
}

/// Checks all crates; prints each violation.
pub(crate) fn run() -> Result<()> {
    let seen = observe()?;
    let mut findings: Vec<String> = seen.iter().flat_map(violations).collect();
    findings.extend(missing_crates(&seen));
    findings.extend(sources::check(&tree::texts(&tree::root())?));
    findings.extend(refused_in_lock(&std::fs::read_to_string(
        tree::root().join("Cargo.lock"),
    )?));
    for finding in &findings {
        println!("layers: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} violations of the dependency rule", findings.len());
    }
    println!("layers: {} crates keep to their arrows", seen.len());
    Ok(())
}

fn observe() -> Result<Vec<Seen>> {
    let metadata = MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(["--locked".to_owned(), "--no-deps".to_owned()])
        .exec()?;
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let mut seen = Vec::new();
    for package in &metadata.packages {
        let (arrows, test_arrows) = own_arrows(package, &ours);
        let reached = reached(package.name.as_str())?;
        seen.push(Seen {
            name: package.name.to_string(),
            arrows,
            test_arrows,
            reached,
        });
    }
    Ok(seen)
}

fn own_arrows(package: &Package, ours: &BTreeSet<&str>) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut by_kind: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    for dependency in package
        .dependencies
        .iter()
        .filter(|d| ours.contains(d.name.as_str()))
    {
        let for_tests = dependency.kind == DependencyKind::Development;
        by_kind
            .entry(for_tests)
            .or_default()
            .insert(dependency.name.clone());
    }
    (
        by_kind.remove(&false).unwrap_or_default(),
        by_kind.remove(&true).unwrap_or_default(),
    )
}

/// What the crate alone would link: features as if nobody else were built beside it.
fn reached(package: &str) -> Result<BTreeSet<String>> {
    let args = [
        "tree",
        "--locked",
        "-p",
        package,
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "-f",
        "{p}",
    ];
    let listing = run::output(&mut run::cargo(&args))?;
    Ok(listing
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}

fn violations(seen: &Seen) -> Vec<String> {
    let Some(rule) = RULES.iter().find(|rule| rule.name == seen.name) else {
        return vec![format!(
            "{}: no rule; state its arrows in layers/rules.rs",
            seen.name
        )];
    };
    let mut findings = Vec::new();
    for arrow in &seen.arrows {
        if !rule.may.contains(&arrow.as_str()) {
            findings.push(format!("{} must not depend on {arrow}", seen.name));
        }
    }
    for arrow in &seen.test_arrows {
        if !rule.may.contains(&arrow.as_str()) && !rule.tests_may.contains(&arrow.as_str()) {
            findings.push(format!("tests of {} must not depend on {arrow}", seen.name));
        }
    }
    findings.extend(presences(rule, &seen.reached));
    findings
}

/// What must be absent and is reached.
fn presences(rule: &Rule, reached: &BTreeSet<String>) -> Vec<String> {
    let absent = rule.absent.iter().flat_map(|list| list.iter());
    absent
        .filter(|library| reached.contains(**library))
        .map(|library| format!("{} must not reach {library}", rule.name))
        .collect()
}

fn missing_crates(seen: &[Seen]) -> Vec<String> {
    let exists = |name: &str| seen.iter().any(|crate_| crate_.name == name);
    RULES
        .iter()
        .filter(|rule| !exists(rule.name))
        .map(|rule| format!("{}: has a rule and does not exist", rule.name))
        .collect()
}

/// Libraries no crate may bring, by whatever way, on whatever target.
fn refused_in_lock(lock: &str) -> Vec<String> {
    EVERYWHERE_ABSENT
        .iter()
        .filter(|name| {
            lock.lines()
                .any(|line| line == format!("name = \"{name}\""))
        })
        .map(|name| format!("Cargo.lock has {name}: TLS is ring only, SQL is rusqlite only"))
        .collect()
}
