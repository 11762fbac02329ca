//! The checks on made-up texts: each finds what it is for, and nothing else.

use super::*;

fn text(path: &str, content: &str) -> Text {
    Text {
        path: path.to_owned(),
        content: content.to_owned(),
    }
}

fn found(path: &str, content: &str) -> Vec<String> {
    in_texts(&[text(path, content)])
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_plain_module_passes() {
    assert_eq!(
        found("crates/core/src/a.rs", "//! What it is for.\n\nfn f() {}\n"),
        [""; 0]
    );
}

#[test]
fn a_module_without_an_opening_is_found() {
    let findings = found("crates/core/src/a.rs", "fn f() {}\n");
    assert_eq!(
        findings,
        ["crates/core/src/a.rs:1: a module opens with `//!`: what it is for"]
    );
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(600));
    assert_eq!(found("crates/core/src/a.rs", &long).len(), 1);
    assert_eq!(found("crates/core/src/a/tests.rs", &long).len(), 0);
    let tests = format!(
        "//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n",
        "fn f() {}\n".repeat(600)
    );
    assert_eq!(found("crates/core/src/a.rs", &tests).len(), 0);
}

#[test]
fn main_is_short() {
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(50));
    assert_eq!(found("crates/shraga/src/main.rs", &long).len(), 1);
}

#[test]
fn unfinished_work_is_found_as_a_word_only() {
    let word = concat!("TO", "DO");
    assert_eq!(
        found("crates/a/src/a.rs", &format!("//! A.\n// {word} later\n")).len(),
        1
    );
    assert_eq!(
        found("crates/a/src/a.rs", &format!("//! A.\nfn {word}S() {{}}\n")).len(),
        0
    );
}

#[test]
fn channels_without_a_bound_are_found() {
    let line = concat!("let (a, b) = mpsc::", "channel();");
    assert_eq!(
        found("crates/a/src/a.rs", &format!("//! A.\n{line}\n")).len(),
        1
    );
}

#[test]
fn tests_must_not_sleep_and_shells_may() {
    let source = concat!("//! A.\nfn f() { tokio::time::", "sleep(d); }\n");
    assert_eq!(found("crates/a/tests/a.rs", source).len(), 1);
    assert_eq!(found("crates/a/src/a.rs", source).len(), 0);
}

#[test]
fn sql_outside_its_folder_is_found() {
    let source = "//! A.\nconst Q: &str = \"SELECT 1\";\n";
    assert_eq!(found("crates/local/src/http/a.rs", source).len(), 1);
}

#[test]
fn a_statement_without_a_name_is_found() {
    let bare = "//! A.\nconst Q: &str = \"SELECT 1\";\n";
    let named = "//! A.\nconst Q: &str = \"-- one\\nSELECT 1\";\n";
    assert_eq!(found("crates/local/src/sql/a.rs", bare).len(), 1);
    assert_eq!(found("crates/local/src/sql/a.rs", named).len(), 0);
}

#[test]
fn whitespace_at_line_ends_and_missing_final_newlines_are_found() {
    assert_eq!(found("docs/a.md", "a \nb\n").len(), 1);
    assert_eq!(found("docs/a.md", "a\nb").len(), 1);
    assert_eq!(found("docs/a.md", "a\n\n").len(), 1);
}

#[test]
fn links_must_lead_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("there.md"), "x\n").unwrap();
    let texts = [text(
        "a.md",
        "[x](there.md#part) [y](https://example.com) [z](gone.md)\n```\n[c](no)\n```\n",
    )];
    let findings = prose::links(folder.path(), &texts);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].what, "links to nothing: gone.md");
}

#[test]
fn dependencies_nobody_uses_are_found() {
    let texts = [
        text(
            "Cargo.toml",
            "[workspace.dependencies]\nbytes = \"1\"\nurl = \"2\"\nhttp = \"1\"\n",
        ),
        text(
            "crates/a/Cargo.toml",
            "[package]\ndescription = \"A. A crate for tests only.\"\n[dependencies]\nbytes = {}\nurl = {}\n",
        ),
        text("crates/a/src/lib.rs", "//! A.\nuse bytes::Bytes;\n"),
    ];
    let whats: Vec<_> = manifests::check(&texts)
        .unwrap()
        .into_iter()
        .map(|f| f.what)
        .collect();
    assert_eq!(whats, ["url is not used", "no crate uses http"]);
}

#[test]
fn the_file_version_says_what_the_programs_say() {
    let manifest = text("Cargo.toml", "[workspace.package]\nversion = \"1.4.0\"\n");
    let found = |texts: Vec<Text>| manifests::check(&texts).unwrap().len();
    let copy = || text("Cargo.toml", &manifest.content);
    assert_eq!(found(vec![copy()]), 1);
    assert_eq!(found(vec![copy(), text("VERSION", "1.3.0\n")]), 1);
    assert_eq!(found(vec![copy(), text("VERSION", "1.4.0")]), 1);
    assert_eq!(found(vec![copy(), text("VERSION", "1.4.0\n")]), 0);
}

#[test]
fn a_crate_says_why_it_is_one() {
    let texts = [text(
        "crates/a/Cargo.toml",
        "[package]\ndescription = \"Things.\"\n",
    )];
    assert_eq!(manifests::check(&texts).unwrap().len(), 1);
}

#[test]
fn a_promise_rests_on_tests_that_exist() {
    let page = "| 1 | `somebody_wrote_this_test`, `nobody_wrote_this_test`, `short_name` |\n";
    let source = "//! A.\n#[test]\nfn somebody_wrote_this_test() {}\n";
    let texts = [
        text("docs/guarantees.md", page),
        text("crates/a/src/tests.rs", source),
    ];
    let whats: Vec<_> = prose::named_tests(&texts)
        .into_iter()
        .map(|f| f.what)
        .collect();
    assert_eq!(whats, ["no test is called nobody_wrote_this_test"]);
}
