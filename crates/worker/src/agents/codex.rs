//! The `codex` agent: the Codex CLI of `OpenAI`.
//!
//! `codex exec --json` prints a JSON object a line. The prompt goes to its standard input, never onto
//! its command line. What it says while it works is read by [`read::Reader`]. It tells what it used
//! only when a turn is over, and for a resumed session for all of it together.

use shraga_process::Program;

use super::PhaseJob;
use super::command;
use crate::config::{Codex, Command};

pub(super) mod read;

/// How the program is called; `fresh` begins a new session whatever the job says.
pub(super) fn program(job: &PhaseJob, agent: &Command, codex: &Codex, fresh: bool) -> Program {
    let mut program = command::program(job, agent);
    let resume = job.resume.as_ref().filter(|_| !fresh);
    let prompt = resume.map_or(&job.prompt, |resume| &resume.prompt);
    program.stdin = command::framed(prompt, &job.frame).into_bytes();
    let set = |key: &str, value: &str| {
        [
            "-c".to_owned(),
            format!("{key}={}", serde_json::Value::from(value)),
        ]
    };
    let mut args = vec!["exec".to_owned()];
    if resume.is_some() {
        args.push("resume".to_owned());
    }
    args.extend(["--json", "--skip-git-repo-check"].map(str::to_owned));
    // As settings, since `resume` knows no flags for them.
    args.extend(set("sandbox_mode", &codex.sandbox));
    args.extend(set("approval_policy", "never"));
    let writable = serde_json::json!([job.exchange.display().to_string()]);
    args.push("-c".to_owned());
    args.push(format!("sandbox_workspace_write.writable_roots={writable}"));
    if let Some(model) = &codex.model {
        args.extend(["-m".to_owned(), model.clone()]);
    }
    if resume.is_none() && job.schema.is_some() {
        let file = schema_file(job).display().to_string();
        args.extend(["--output-schema".to_owned(), file]);
    }
    if let Some(resume) = resume {
        args.push(resume.session.name.clone());
    }
    args.push("-".to_owned());
    program.argv.extend(args);
    program
}

/// Where it finds the schema of its answer.
pub(super) fn schema_file(job: &PhaseJob) -> std::path::PathBuf {
    job.exchange.join("schema.json")
}

#[cfg(test)]
mod tests;
