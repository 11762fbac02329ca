//! Exit codes, and the one place where a typed error becomes a code, a message and a hint.
//!
//! Scripts rely on these numbers, so they never change meaning. A verb returns `Result<Exit,
//! Failure>`; nobody matches on error text.

use std::backtrace::BacktraceStatus;
use std::fmt;
use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: it was tried and failed (also: a waited-for task failed or was canceled).
    Failed,
    /// 2: the command line asks for something that makes no sense.
    Usage,
    /// 3: a setting is missing or wrong.
    Configuration,
    /// 4: the store does not know, or does not let in, the caller.
    Authentication,
    /// 5: the store can't be reached, or didn't answer in time.
    Unreachable,
    /// 6: there is no such thing.
    NotFound,
    /// 7: something else holds it: a port, a data folder, a worker's name.
    Conflict,
    /// 75: nothing is wrong that waiting won't cure.
    TryAgain,
    /// 76: a kept process hands over to another version; only its keeper sees it.
    HandOver,
}

/// The table of exit codes, shown at the end of `shraga --help`.
pub const HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 authentication, 5 unreachable, 6 not found, \
7 conflict, 75 try again later. RUST_BACKTRACE=1 shows with an error where it arose.";

impl Exit {
    /// The number the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::Authentication => 4,
            Self::Unreachable => 5,
            Self::NotFound => 6,
            Self::Conflict => 7,
            Self::TryAgain => 75,
            Self::HandOver => 76,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a verb could not do what it was asked: printed with its whole cause chain and its hint.
#[derive(Debug)]
pub struct Failure {
    /// The code the process ends with.
    pub exit: Exit,
    /// What happened, with its causes.
    pub error: anyhow::Error,
    /// What the person can do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with a message of its own.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            error: anyhow::anyhow!("{message}"),
            hint: None,
        }
    }

    /// A failure caused by `error`.
    pub fn from_error(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what was being done when it happened.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(doing);
        self
    }
}

impl fmt::Display for Failure {
    /// `error: message: cause: cause`, then a `hint:` line; with `RUST_BACKTRACE=1` where it arose.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {:#}", self.error)?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        let backtrace = self.error.backtrace();
        match backtrace.status() {
            BacktraceStatus::Captured => write!(f, "\n{backtrace}"),
            // Nobody asked for one. The library's type has more variants to come.
            _ => Ok(()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let full = matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded
        );
        let failure = Self::from_error(Exit::Failed, error);
        if full {
            failure.hint("the disk is full: free some space and run the command again")
        } else {
            failure
        }
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::from_error(Exit::Configuration, error)
            .hint("config.example.toml lists every key; `shraga config` shows the effective values")
    }
}
