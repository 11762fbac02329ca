//! Whether limits on money can be kept: what each agent's work costs must be known, or it is never begun.

use shraga_core::price::Prices;
use shraga_worker::Tells;

use super::{Case, Finding};
use crate::config::Config;
use crate::config::agents::{Agent, Kind};

const CHECK: &str = "prices";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let config = case.config;
    let prices = Prices::over_shipped(config.budget.prices.0.clone());
    let day = limits_days(config);
    let limited = |agent: &&Agent| day || agent.budget.0.cost_micros.is_some();
    let agents = config.agents.iter().filter(limited);
    agents.filter_map(|agent| unknown(agent, &prices)).collect()
}

/// Whether money is limited for whatever runs.
fn limits_days(config: &Config) -> bool {
    let budget = &config.budget;
    let all = [budget.user_day.0, budget.day.0, budget.attempt.0];
    let mut each = all.iter().chain(budget.users.0.values());
    each.any(|limit| limit.cost_micros.is_some())
}

/// Why tasks on `agent` would fail as `price-unknown`.
fn unknown(agent: &Agent, prices: &Prices) -> Option<Finding> {
    let name = &agent.name;
    let (why, fix) = match (agent.kind, &agent.model) {
        (Kind::Command, _) if agent.usage == Tells::Nothing => (
            "it does not tell what it costs".to_owned(),
            format!(
                "let it write SHRAGA_USAGE_FILE and set agents.{name}.usage = \"file\", or \"free\" if it costs nothing"
            ),
        ),
        // What it runs is known once it runs, and Claude's models have prices.
        (Kind::Command, _) | (Kind::Claude, None) => return None,
        (Kind::Codex, None) => (
            "its model is not configured".to_owned(),
            format!("set agents.{name}.model, and that model's price in `[budget] prices`"),
        ),
        (Kind::Claude | Kind::Codex, Some(model)) => {
            if prices.of(model).is_some() {
                return None;
            }
            (
                format!("its model `{model}` has no known price"),
                format!("name the price of {model} in `[budget] prices`"),
            )
        }
    };
    let what = format!("money is limited, and tasks on `{name}` are not begun: {why}");
    Some(Finding::error(CHECK, what, fix))
}
