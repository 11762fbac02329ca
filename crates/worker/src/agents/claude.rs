//! The `claude` agent: Claude Code.
//!
//! It is run without a terminal and prints a JSON object a line. The prompt goes to its standard
//! input, never onto its command line. It gets no variable of the worker's environment beyond the
//! allow-list; telemetry and self-updates are off. What it says while it works is read by
//! [`read::Reader`]. Between two of its tool calls a hook hands it what its budget's meter has to say.

use std::path::Path;

use shraga_process::Program;

use super::PhaseJob;
use super::command;
use crate::config::{Claude, Command};
use crate::meter::NOTICE_FILE;

pub(super) mod read;

/// Switches off what an unattended run has no use for; a worker's own environment may say otherwise
/// where the agent's `env` names them.
const QUIET: [(&str, &str); 3] = [
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
];

/// Runs after each tool call and hands over a notice once: whoever moves it away has it. It fails never,
/// since a failing hook would be told to the model.
const HOOK: &str = r#"mv "$SHRAGA_NOTICE_FILE" "$SHRAGA_NOTICE_FILE.given" 2>/dev/null && cat "$SHRAGA_NOTICE_FILE.given"; exit 0"#;

/// How long the hook may take. It reads a line; longer, and a stuck disk would hold up every tool call.
const HOOK_SECS: u32 = 10;

/// How the program is called; `fresh` begins a new session whatever the job says.
pub(super) fn program(job: &PhaseJob, agent: &Command, claude: &Claude, fresh: bool) -> Program {
    let mut program = command::program(job, agent);
    for (name, value) in QUIET {
        let name = name.to_owned();
        program.env.entry(name).or_insert_with(|| value.to_owned());
    }
    let resume = job.resume.as_ref().filter(|_| !fresh);
    let prompt = resume.map_or(&job.prompt, |resume| &resume.prompt);
    program.stdin = command::framed(prompt, &job.frame).into_bytes();
    let mut args = words(&[
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--include-partial-messages",
        "--permission-mode",
        &claude.permission_mode,
    ]);
    if !claude.allowed_tools.is_empty() {
        args.extend(words(&["--allowedTools", &claude.allowed_tools.join(",")]));
    }
    if let Some(model) = &claude.model {
        args.extend(words(&["--model", model]));
    }
    if let Some(turns) = least(job.turns, claude.max_turns) {
        args.extend(words(&["--max-turns", &turns.to_string()]));
    }
    if let Some(schema) = job.schema {
        args.extend(words(&["--json-schema", schema]));
    }
    args.extend(words(&["--add-dir", &job.exchange.display().to_string()]));
    args.extend(words(&["--settings", &settings(&job.dir, &program)]));
    match resume {
        Some(resume) => args.extend(words(&["--resume", &resume.session.name])),
        None if fresh => {}
        None => args.extend(words(&["--session-id", &job.new_session.name])),
    }
    program.argv.extend(args);
    program
}

fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

/// The smaller of two limits.
fn least(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Settings for this run. The program reads `CLAUDE.md` of every folder above the one it works in:
/// those belong to whoever lives there, not to the task, and are left out.
fn settings(dir: &Path, program: &Program) -> String {
    let home = program.env.get("HOME").map(Path::new);
    let mut strangers = Vec::new();
    for folder in dir.ancestors().skip(1) {
        for name in ["CLAUDE.md", "CLAUDE.local.md"] {
            strangers.push(folder.join(name).display().to_string());
        }
        if home != Some(folder) {
            let own = folder.join(".claude");
            strangers.push(own.join("CLAUDE.md").display().to_string());
            strangers.push(own.join("rules/**").display().to_string());
        }
    }
    let mut settings = serde_json::json!({ "claudeMdExcludes": strangers });
    if program.env.contains_key(NOTICE_FILE) {
        let hook = serde_json::json!({ "type": "command", "command": HOOK, "timeout": HOOK_SECS });
        settings["hooks"] = serde_json::json!({
            "PostToolUse": [{ "matcher": "*", "hooks": [hook] }],
        });
    }
    settings.to_string()
}

#[cfg(test)]
mod tests;
