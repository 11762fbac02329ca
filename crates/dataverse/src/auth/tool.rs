//! `az` and `azd`, started as every external program is: with a deadline, bounded, ended as a group.
//!
//! What came of it is kept as a value, so that a failure is told by exit code and words of the tool.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_identity::Executor;
use shraga_process::{Exit, ToolError, ToolOutput, tool_output};

/// What a shell answers when there is no such program.
const NO_SUCH_PROGRAM: Exit = Exit::Code(127);

/// How a tool ended, as far as that tells why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It isn't installed.
    NotInstalled,
    /// It took too long and was ended, with everything it had started.
    TooLong,
    /// It printed more than any token is long.
    TooMuch,
    /// It could not be started or waited for.
    NotStarted(String),
    /// It failed, with these words on standard error.
    Failed(String),
    /// It succeeded, by its own account.
    Well,
}

/// Starts tools for the Azure libraries.
#[derive(Clone, Debug)]
pub(super) struct Toolbox {
    environment: BTreeMap<String, String>,
    deadline: Duration,
    ended: Arc<Mutex<Option<Ended>>>,
}

impl Toolbox {
    pub(super) fn new(environment: BTreeMap<String, String>, deadline: Duration) -> Self {
        Self {
            environment,
            deadline,
            ended: Arc::default(),
        }
    }

    /// How the last one ended.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, ended: Ended) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }
}

#[async_trait::async_trait]
impl Executor for Toolbox {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<std::process::Output> {
        let argv = argv(program, args)?;
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let folder = std::path::Path::new(std::path::MAIN_SEPARATOR_STR);
        let output = tool_output(&argv, folder, self.environment.clone(), self.deadline).await;
        self.note(ended_as(&output));
        output.map(Into::into).map_err(io::Error::other)
    }
}

fn argv(program: &OsStr, args: &[&OsStr]) -> io::Result<Vec<String>> {
    std::iter::once(&program)
        .chain(args)
        .map(|part| part.to_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn ended_as(output: &Result<ToolOutput, ToolError>) -> Ended {
    match output {
        Ok(output) if output.exit == Exit::Code(0) => Ended::Well,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.err).into_owned();
            if output.exit == NO_SUCH_PROGRAM || said.contains("' is not recognized") {
                Ended::NotInstalled
            } else {
                Ended::Failed(said)
            }
        }
        Err(ToolError::TooLong { .. }) => Ended::TooLong,
        Err(ToolError::TooMuch { .. }) => Ended::TooMuch,
        Err(error @ (ToolError::Process(_) | ToolError::Failed { .. })) => {
            Ended::NotStarted(error.to_string())
        }
    }
}
