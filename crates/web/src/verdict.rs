//! Whether something is well, check by check, with reasons.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name, stable.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen, for people.
    pub detail: String,
}

impl Check {
    /// A check and what was seen.
    pub fn new(name: &'static str, ok: bool, detail: impl Into<String>) -> Self {
        Self {
            name,
            ok,
            detail: detail.into(),
        }
    }
}

/// All checks of one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether all checks are as they should be.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// What isn't as it should be, in one line.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let bad = self.checks.iter().filter(|check| !check.ok);
        let bad: Vec<String> = bad
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        (!bad.is_empty()).then(|| bad.join("; "))
    }
}

/// What a verdict looks like on the wire.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    status: &'static str,
    version: &'a str,
    checks: &'a [Check],
}

impl<'a> Shown<'a> {
    /// `verdict` of a process of this version.
    pub(crate) fn of(verdict: &'a Verdict, version: &'a str) -> Self {
        Self {
            status: if verdict.is_ok() { "ok" } else { "failing" },
            version,
            checks: &verdict.checks,
        }
    }
}
