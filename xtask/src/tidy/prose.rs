//! Text hygiene: line ends, final newlines, links that lead somewhere, tests that exist.

use std::path::Path;

use super::Finding;
use crate::tree::Text;

/// Endings of texts that people write here; others (lock files, fixtures) are left alone.
const WRITTEN: [&str; 10] = [
    "rs", "md", "toml", "py", "mjs", "js", "json", "txt", "sql", "yml",
];

pub(super) fn hygiene(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !WRITTEN.contains(&text.extension()) || text.content.is_empty() {
        return findings;
    }
    for (number, line) in text.content.split('\n').enumerate() {
        if line.ends_with(char::is_whitespace) {
            findings.push(Finding::new(
                text,
                number + 1,
                "whitespace at the end of the line",
            ));
        }
    }
    let end = text.content.lines().count();
    if !text.content.ends_with('\n') || text.content.ends_with("\n\n") {
        findings.push(Finding::new(text, end, "a text ends with one newline"));
    }
    findings
}

/// Relative links of Markdown texts whose file does not exist.
pub(super) fn links(root: &Path, texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in texts.iter().filter(|text| text.extension() == "md") {
        let folder = root.join(&text.path);
        let folder = folder.parent().unwrap_or(root);
        for (line, target) in relative_links(&text.content) {
            if !folder.join(target).exists() {
                findings.push(Finding::new(
                    text,
                    line,
                    format!("links to nothing: {target}"),
                ));
            }
        }
    }
    findings
}

/// The file parts of `](target)` that are neither addresses nor anchors, outside code blocks.
fn relative_links(markdown: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut code = false;
    for (number, line) in markdown.lines().enumerate() {
        code ^= line.trim_start().starts_with("```");
        if code {
            continue;
        }
        for after in line.split("](").skip(1) {
            let target = after.split([')', '#', ' ']).next().unwrap_or("");
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number + 1, target));
            }
        }
    }
    found
}

/// The page that says which test holds which promise.
const GUARANTEES: &str = "docs/guarantees.md";
/// Code spans of that page at least this long, in snake case, are names of tests.
const TEST_NAME_MIN: usize = 20;

/// Tests that the guarantees' page names and nobody wrote.
pub(super) fn named_tests(texts: &[Text]) -> Vec<Finding> {
    let Some(page) = texts.iter().find(|text| text.path == GUARANTEES) else {
        return Vec::new();
    };
    let exists = |name: &str| {
        let head = format!("fn {name}(");
        let python = format!("def {name}(");
        texts
            .iter()
            .any(|text| text.content.contains(&head) || text.content.contains(&python))
    };
    let mut findings = Vec::new();
    for (number, line) in page.content.lines().enumerate() {
        for name in line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|span| is_test_name(span))
        {
            if !exists(name) {
                findings.push(Finding::new(
                    page,
                    number + 1,
                    format!("no test is called {name}"),
                ));
            }
        }
    }
    findings
}

fn is_test_name(span: &str) -> bool {
    let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    span.len() >= TEST_NAME_MIN && span.chars().all(snake)
}
