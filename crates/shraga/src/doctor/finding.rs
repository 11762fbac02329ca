//! What a check found.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Something is done without, or will be trouble.
    Warning,
    /// Something does not work.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check, stable.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen.
    pub what: String,
    /// What to do about it, or what was done.
    pub fix: Option<String>,
    /// Whether it was fixed just now; then it counts as a warning at most.
    pub fixed: bool,
}

impl Finding {
    /// As it should be.
    pub(super) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Severity::Ok, what.into(), None)
    }

    /// Something is done without.
    pub(super) fn warning(
        check: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(check, Severity::Warning, what.into(), Some(fix.into()))
    }

    /// Something does not work.
    pub(super) fn error(
        check: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(check, Severity::Error, what.into(), Some(fix.into()))
    }

    /// The same after what was `done` about it; with the reason when that failed.
    pub(super) fn after(mut self, done: &str, outcome: std::io::Result<()>) -> Self {
        match outcome {
            Ok(()) => {
                self.severity = self.severity.min(Severity::Warning);
                self.fixed = true;
                self.fix = Some(done.to_owned());
            }
            Err(error) => {
                let fix = self.fix.unwrap_or_default();
                self.fix = Some(format!("{fix} (--fix could not: {error})"));
            }
        }
        self
    }

    fn new(check: &'static str, severity: Severity, what: String, fix: Option<String>) -> Self {
        Self {
            check,
            severity,
            what,
            fix,
            fixed: false,
        }
    }
}
