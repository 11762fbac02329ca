//! Absences that Cargo can't see: parts of the standard library, and who may print.

use crate::tree::Text;

/// Words that must not stand in the shipped sources below a folder.
struct Absence {
    below: &'static [&'static str],
    but_in: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

/// Every such rule.
const ABSENCES: [Absence; 4] = [
    Absence {
        below: &["crates/core/src/", "crates/wire/src/"],
        but_in: &[],
        words: &[
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "std::thread",
            "std::sync::Mutex",
            "async fn",
            "async move",
            "SystemTime",
            "Instant",
        ],
        why: "is pure: no I/O, no environment, no clock, nothing that waits",
    },
    Absence {
        below: &["crates/"],
        but_in: &["crates/shraga/src/"],
        words: &["println!(", "eprintln!(", "print!(", "eprint!("],
        why: "does not print; only the binary does",
    },
    Absence {
        below: &["crates/"],
        but_in: &["crates/shraga/src/"],
        words: &["std::env::", "use std::env;"],
        why: "does not read the environment; only the binary's configuration does",
    },
    Absence {
        below: &["crates/"],
        but_in: &["crates/process/src/"],
        words: &[
            "Command::new(",
            "CommandWrap",
            "process::Command",
            "process::{",
            "tokio::process",
            "process_wrap",
        ],
        why: "starts no program itself; crates/process does",
    },
];

/// Every breach.
pub(super) fn check(texts: &[Text]) -> Vec<String> {
    let shipped = |text: &&Text| text.is_rust() && !text.is_test() && text.path.contains("/src/");
    texts.iter().filter(shipped).flat_map(breaches).collect()
}

fn breaches(text: &Text) -> Vec<String> {
    let starts = |list: &[&str]| list.iter().any(|folder| text.path.starts_with(folder));
    let mut found = Vec::new();
    for rule in ABSENCES
        .iter()
        .filter(|rule| starts(rule.below) && !starts(rule.but_in))
    {
        for (number, line) in text.shipped_lines().filter(|(_, line)| !is_comment(line)) {
            for word in rule.words.iter().filter(|word| stands_in(line, word)) {
                found.push(format!(
                    "{}:{number}: `{word}`: this part {}",
                    text.path, rule.why
                ));
            }
        }
    }
    found
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Whether the word stands in the line, not as the end of a longer one.
fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}
