//! The files by which an agent tells what it uses, and learns what is left.
//!
//! `SHRAGA_USAGE_FILE` is the agent's: totals since it was started, as JSON, written again whenever it
//! likes. `SHRAGA_BUDGET_FILE` is ours: limits, what is used of them and, from 80% on, a warning. What
//! the agent wrote is read without following links and within bounds; what can't be understood (it may
//! be half written) is passed over, and the last good one counts.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Number, Value as Json, json};
use shraga_core::budget::{Budget, Limit, Verdict};
use shraga_core::usage::{Spent, Usage, micros};

use crate::private::read_within;

/// Most bytes of a usage file. What it has to say fits many times over.
const USAGE_BYTES: usize = 16 * 1024;

const USAGE: &str = "usage.json";
const BUDGET: &str = "budget.json";

/// What an agent that runs Claude Code's hooks is handed after a tool call, as that program documents.
const NOTICE: &str = "notice.json";

/// The variable that names it.
pub(crate) const NOTICE_FILE: &str = "SHRAGA_NOTICE_FILE";

/// What a usage file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) usage: Usage,
    pub(crate) model: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    shown: Option<String>,
    noticed: Option<Verdict>,
}

/// What an agent writes: totals. What it leaves out is nothing, but for its cost, which is unknown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UsageJson {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    turns: u32,
    cost_usd: Option<Number>,
    model: Option<String>,
}

impl Files {
    /// In a folder that the agent may write to.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            shown: None,
            noticed: None,
        }
    }

    /// The variables that name them; without a limit there is no budget to tell of.
    pub(super) fn environment(&self, limited: bool) -> Vec<(String, String)> {
        let path = |name| self.folder.join(name).display().to_string();
        let mut env = vec![("SHRAGA_USAGE_FILE".to_owned(), path(USAGE))];
        if limited {
            env.push(("SHRAGA_BUDGET_FILE".to_owned(), path(BUDGET)));
            env.push((NOTICE_FILE.to_owned(), path(NOTICE)));
        }
        env
    }

    /// What the agent has told so far.
    pub(super) fn told(&self) -> Option<Told> {
        let head = read_within(&self.folder, USAGE.as_ref(), USAGE_BYTES).ok()?;
        let json: UsageJson = serde_json::from_slice(&head.bytes).ok()?;
        let cost_micros = match json.cost_usd {
            Some(cost) => Some(micros(&cost.to_string())?),
            None => None,
        };
        Some(Told {
            usage: Usage {
                input_tokens: json.input_tokens,
                output_tokens: json.output_tokens,
                cache_read_tokens: json.cache_read_tokens,
                cache_write_tokens: json.cache_write_tokens,
                turns: json.turns,
                cost_micros,
            },
            model: json.model.filter(|model| !model.is_empty()),
        })
    }

    /// Shows the agent where it stands, when that has changed.
    pub(super) fn show(
        &mut self,
        ceiling: &Budget,
        before: &Spent,
        live: &Spent,
        verdict: Verdict,
    ) {
        if ceiling.is_none() {
            return;
        }
        let text = budget_json(ceiling, &before.plus(*live), verdict);
        if self.shown.as_ref() != Some(&text) {
            self.write(BUDGET, &text);
            self.shown = Some(text);
        }
        if let Some(notice) = self.notice(verdict) {
            self.write(NOTICE, &notice);
        }
    }

    /// The notice that `verdict` calls for, once for each limit and once more at its end.
    fn notice(&mut self, verdict: Verdict) -> Option<String> {
        let same = |one: Verdict| match (one, verdict) {
            (Verdict::Warn(one, _), Verdict::Warn(two, _)) => one == two,
            (one, two) => one == two,
        };
        if verdict == Verdict::Go || self.noticed.is_some_and(same) {
            return None;
        }
        self.noticed = Some(verdict);
        let words = words(verdict)?;
        let notice = match verdict {
            Verdict::Stop(_) => json!({ "continue": false, "stopReason": words }),
            Verdict::Go | Verdict::Warn(..) | Verdict::Unpriced => json!({
                "hookSpecificOutput": {
                    "hookEventName": "PostToolUse",
                    "additionalContext": words,
                },
            }),
        };
        Some(notice.to_string())
    }

    /// Whether the notice that the budget is used up was handed over: the agent ends for that, however it
    /// says that it ended.
    pub(super) fn ended_it(&self) -> bool {
        let stopped = matches!(self.noticed, Some(Verdict::Stop(_)));
        stopped && !self.folder.join(NOTICE).exists()
    }

    /// Replaces a file whole, whatever the agent put in its place.
    fn write(&self, name: &str, text: &str) {
        let new = self.folder.join(format!("{name}.new"));
        let written = fs::remove_file(&new)
            .or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
            .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&new))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&new, self.folder.join(name)));
        if let Err(error) = written {
            tracing::debug!(%error, "an agent's budget could not be written down");
        }
    }
}

/// What an agent is told in words.
fn words(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Go | Verdict::Unpriced => None,
        Verdict::Warn(limit, percent) => Some(format!(
            "{percent}% of this task's budget of {limit} is used. Finish what matters most, commit or \
             save it, and say what is left."
        )),
        Verdict::Stop(limit) => Some(format!("this task's budget of {limit} is used up")),
    }
}

fn budget_json(ceiling: &Budget, all: &Spent, verdict: Verdict) -> String {
    let mut limits = Map::new();
    for limit in Limit::ALL {
        let Some(most) = ceiling.of(limit) else {
            continue;
        };
        let used = limit.used(all, 0);
        let of = json!({ "limit": most, "used": used, "unit": unit(limit) });
        limits.insert(limit.name().to_owned(), of);
    }
    let percent = match verdict {
        Verdict::Warn(_, percent) => Json::from(percent),
        Verdict::Stop(_) => Json::from(100),
        Verdict::Go | Verdict::Unpriced => Json::Null,
    };
    json!({ "limits": limits, "percent": percent, "warning": words(verdict) }).to_string()
}

const fn unit(limit: Limit) -> &'static str {
    match limit {
        Limit::Cost => "usd_micros",
        Limit::Tokens => "tokens",
        Limit::Turns => "turns",
        Limit::Time => "ms",
        Limit::Output => "bytes",
    }
}
