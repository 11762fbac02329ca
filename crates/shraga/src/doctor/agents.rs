//! The agents: programs that exist and can be started, and the variables they are to see.

use super::{Case, Finding};
use crate::config::env;
use crate::roles::agents::program;

const CHECK: &str = "agents";

/// An attempt that may take longer than this holds its slot for days when its agent hangs.
const LONG_SECONDS: u64 = 24 * 60 * 60;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for agent in &case.config.agents {
        let name = &agent.name;
        match program(agent, case.config) {
            Ok(path) => {
                found.push(Finding::ok(
                    CHECK,
                    format!("`{name}` runs {}", path.display()),
                ));
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
