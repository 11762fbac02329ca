//! The rule itself, on made-up crates.

use super::*;

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn seen(name: &str, arrows: &[&str], reached: &[&str]) -> Seen {
    Seen {
        name: name.to_owned(),
        arrows: names(arrows),
        test_arrows: BTreeSet::new(),
        reached: names(reached),
    }
}

#[test]
fn a_crate_within_its_arrows_passes() {
    let worker = seen(
        "shraga-worker",
        &["shraga-core", "shraga-dataverse"],
        &["tokio", "reqwest"],
    );
    assert_eq!(violations(&worker), Vec::<String>::new());
}

#[test]
fn crates_of_one_level_must_not_see_each_other() {
    let worker = seen("shraga-worker", &["shraga-orchestrator"], &[]);
    assert_eq!(
        violations(&worker),
        ["shraga-worker must not depend on shraga-orchestrator"]
    );
}

#[test]
fn an_absence_holds_however_indirect_the_way() {
    let core = seen("shraga-core", &[], &["sha2", "tokio"]);
    assert_eq!(violations(&core), ["shraga-core must not reach tokio"]);
}

#[test]
fn tests_may_see_more_but_not_everything() {
    let mut local = seen("shraga-local", &["shraga-wire"], &[]);
    local.test_arrows = names(&["shraga-testkit", "shraga-dataverse"]);
    assert_eq!(
        violations(&local),
        ["tests of shraga-local must not depend on shraga-dataverse"]
    );
}

#[test]
fn a_crate_without_a_rule_fails() {
    assert_eq!(violations(&seen("shraga-new", &[], &[])).len(), 1);
}

#[test]
fn a_second_tls_provider_is_refused_in_the_lock_file() {
    assert_eq!(
        refused_in_lock("[[package]]\nname = \"aws-lc-rs\"\n").len(),
        1
    );
    assert_eq!(refused_in_lock("[[package]]\nname = \"ring\"\n").len(), 0);
}

#[test]
fn a_pure_part_must_not_touch_the_world_and_may_mention_it() {
    let text = |path: &str, line: &str| tree::Text {
        path: path.to_owned(),
        content: format!("//! A.\n{line}\n"),
    };
    let breaches = |path, line| sources::check(&[text(path, line)]).len();
    assert_eq!(breaches("crates/core/src/a.rs", "use std::fs;"), 1);
    assert_eq!(breaches("crates/core/src/a.rs", "// not std::fs"), 0);
    assert_eq!(breaches("crates/worker/src/a.rs", "println!(\"x\");"), 1);
    assert_eq!(breaches("crates/shraga/src/a.rs", "println!(\"x\");"), 0);
    assert_eq!(
        breaches("crates/process/src/lib.rs", "Command::new(program)"),
        0
    );
    assert_eq!(
        breaches("crates/orchestrator/src/a.rs", "Command::new(program)"),
        1
    );
}
