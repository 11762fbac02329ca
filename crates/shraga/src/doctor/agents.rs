//! The agents: programs that exist and can be started, the variables they are to see, and of vendors'
//! programs whether they work and are signed in, as far as they tell without asking their model.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use shraga_process::{Exit, ToolOutput, tool_output};

use super::{Case, Finding};
use crate::config::agents::{Agent, Kind};
use crate::config::env;
use crate::roles::agents::program;

const CHECK: &str = "agents";

/// An attempt that may take longer than this holds its slot for days when its agent hangs.
const LONG_SECONDS: u64 = 24 * 60 * 60;

/// How long a vendor's program may take to say a line about itself. They are large, and the first start
/// reads them from disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for agent in &case.config.agents {
        let name = &agent.name;
        match program(agent, case.config) {
            Ok(path) => {
                found.push(runs(agent, &path).await);
                found.extend(sign_in(agent, &path).await);
            }
            Err(wanted) => {
                let what = format!("`{name}` is off: there is no program `{wanted}` to start");
                let fix =
                    format!("install it, make it executable, or correct agents.{name}.program");
                found.push(Finding::error(CHECK, what, fix));
            }
        }
        for variable in agent.env.iter().filter(|name| env::lookup(name).is_none()) {
            let what = format!("`{name}` is to see {variable}, which is not set here");
            let fix = format!("set it for the worker, or remove it from agents.{name}.env");
            found.push(Finding::warning(CHECK, what, fix));
        }
        let seconds = agent.timeout.duration().as_secs();
        if seconds > LONG_SECONDS {
            let what = format!("`{name}` may take {} hours", seconds / 3600);
            let fix = format!("lower agents.{name}.timeout_seconds: a hung agent holds its slot");
            found.push(Finding::warning(CHECK, what, fix));
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(
            CHECK,
            "none configured: workers here would have nothing to run",
        ));
    }
    found
}

/// That it runs, and which version.
async fn runs(agent: &Agent, path: &Path) -> Finding {
    let (name, path_shown) = (&agent.name, path.display());
    if agent.kind == Kind::Command {
        return Finding::ok(CHECK, format!("`{name}` runs {path_shown}"));
    }
    match ask(agent, path, &["--version"]).await {
        Some(output) if output.exit == Exit::Code(0) => {
            let version = String::from_utf8_lossy(&output.out);
            let version = version.trim();
            Finding::ok(CHECK, format!("`{name}` runs {path_shown}: {version}"))
        }
        Some(_) | None => {
            let what = format!("`{name}`: {path_shown} does not tell its version");
            Finding::warning(CHECK, what, "start it by hand, or install it again")
        }
    }
}

/// Whether a vendor's program is signed in, as it says itself. A key that is set counts, whether it is
/// accepted or not: asking would cost.
async fn sign_in(agent: &Agent, path: &Path) -> Option<Finding> {
    let (args, key): (&[&str], _) = match agent.kind {
        Kind::Command => return None,
        Kind::Claude => (&["auth", "status"], "ANTHROPIC_API_KEY"),
        Kind::Codex => (&["login", "status"], "OPENAI_API_KEY"),
    };
    let named = |name: &str| agent.env.iter().any(|it| it == name) && env::lookup(name).is_some();
    if named(key) {
        return None;
    }
    let output = ask(agent, path, args).await?;
    if output.exit == Exit::Code(0) {
        return None;
    }
    let what = format!("`{}` is not signed in", agent.name);
    let program = path.display();
    let fix = format!(
        "sign {program} in as this user, or name {key} in agents.{}.env",
        agent.name
    );
    Some(Finding::warning(CHECK, what, fix))
}

/// Asks the program as a worker would start it.
async fn ask(agent: &Agent, path: &Path, args: &[&str]) -> Option<ToolOutput> {
    let own: BTreeMap<String, String> = env::all();
    let seen = shraga_process::allowed_environment(&own, &agent.env);
    let program = path.display().to_string();
    let more = agent.program.iter().skip(1).map(String::as_str);
    let argv: Vec<&str> = [program.as_str()]
        .into_iter()
        .chain(more)
        .chain(args.iter().copied())
        .collect();
    let here = std::env::temp_dir();
    tool_output(&argv, &here, seen, ANSWER_WITHIN).await.ok()
}
