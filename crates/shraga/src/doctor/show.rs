//! Findings for people: grouped by check, a mark each, what to do below it.

use serde_json::{Value, json};

use super::{Finding, Severity};
use crate::display::clean;
use crate::display::paint::{BAD, BOLD, CAREFUL, GOOD, paint};

/// Columns of the mark and the name of a check.
const MARGIN: usize = 17;

/// Columns of text at least, on however narrow a terminal.
const NARROWEST: usize = 30;

/// Lines for a terminal of `width` columns.
#[must_use]
pub fn lines(findings: &[Finding], width: usize) -> String {
    let mut lines = Vec::new();
    let mut last = "";
    for finding in findings {
        let (mark, style) = match finding.severity {
            Severity::Ok => ("✓", GOOD),
            Severity::Warning => ("!", CAREFUL),
            Severity::Error => ("✗", BAD),
        };
        let name = if finding.check == last {
            ""
        } else {
            finding.check
        };
        last = finding.check;
        let mut text = wrapped(&finding.what, width).into_iter();
        let head = format!("{} {name:<14} ", paint(style, mark));
        lines.push(format!("{head}{}", text.next().unwrap_or_default()));
        lines.extend(text.map(|line| format!("{:MARGIN$}{line}", "")));
        let Some(fix) = finding.fix.as_deref().filter(|fix| !fix.is_empty()) else {
            continue;
        };
        let word = if finding.fixed { "fixed" } else { "fix" };
        let mut rest = wrapped(&format!("{word}: {fix}"), width).into_iter();
        let first = rest.next().unwrap_or_default();
        let first = first.strip_prefix(word).unwrap_or(&first).to_owned();
        let style = if finding.fixed { GOOD } else { BOLD };
        lines.push(format!("{:MARGIN$}{}{first}", "", paint(style, word)));
        lines.extend(rest.map(|line| format!("{:MARGIN$}{line}", "")));
    }
    lines.join("\n")
}

/// The last line: how it stands.
#[must_use]
pub fn verdict(findings: &[Finding]) -> String {
    let count = |severity| count(findings, severity);
    let fixed = findings.iter().filter(|finding| finding.fixed).count();
    let fixed = if fixed > 0 {
        format!(", {fixed} fixed")
    } else {
        String::new()
    };
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => "Everything is as it should be".to_owned(),
        (0, warnings) => format!("Nothing is broken, {warnings} to look at{fixed}"),
        (errors, warnings) => format!("{errors} broken, {warnings} to look at{fixed}"),
    }
}

/// For scripts.
#[must_use]
pub fn object(findings: &[Finding]) -> Value {
    json!({
        "errors": count(findings, Severity::Error),
        "warnings": count(findings, Severity::Warning),
        "findings": findings,
    })
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    let of = findings
        .iter()
        .filter(|finding| finding.severity == severity);
    of.count()
}

/// `text` in lines that fit beside the margin; a long word stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let room = width.saturating_sub(MARGIN).max(NARROWEST);
    let mut lines = vec![String::new()];
    for word in clean::one_line(text).split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_fit_the_terminal_and_say_each_check_once() {
        let findings = [
            Finding::ok("disk", "there is room"),
            Finding::error("disk", "word ".repeat(40), "do this and that"),
        ];
        let text = lines(&findings, 60);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert!(
            plain.lines().all(|line| line.chars().count() <= 60),
            "{plain}"
        );
        assert_eq!(plain.matches("disk").count(), 1);
        assert!(
            plain.contains("\n                 fix: do this and that"),
            "{plain}"
        );
    }
}
