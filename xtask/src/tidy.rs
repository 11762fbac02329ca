//! The house style where a machine can check it and clippy can't.
//!
//! Each check is a pure function from the project's texts to findings, and a finding names file
//! and line. Function length, panics, clocks and the like are clippy's (`clippy.toml`).

mod manifests;
mod prose;
mod sources;
mod sql;
#[cfg(test)]
mod tests;

use std::fmt;

use anyhow::{Result, bail};

use crate::tree::{self, Text};

/// One thing to mend.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(text: &Text, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: text.path.clone(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Checks the whole project; prints each finding.
pub(crate) fn run() -> Result<()> {
    let root = tree::root();
    let texts = tree::texts(&root)?;
    let mut findings = in_texts(&texts);
    findings.extend(manifests::check(&texts)?);
    findings.extend(prose::links(&root, &texts));
    findings.extend(prose::named_tests(&texts));
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    println!("tidy: {} files", texts.len());
    Ok(())
}

fn in_texts(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in texts {
        findings.extend(prose::hygiene(text));
        if text.is_rust() {
            findings.extend(sources::check(text));
        }
        findings.extend(sql::check(text));
    }
    findings
}
