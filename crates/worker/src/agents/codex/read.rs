//! Reads what `codex exec --json` prints.
//!
//! What is known of its lines: `thread.started` names the session; `item.completed` carries messages,
//! commands, changed files and complaints; `turn.completed` tells what was used, `turn.failed` why
//! there is nothing. Everything else is passed over.

use serde_json::Value;
use shraga_core::limits;
use shraga_core::usage::Usage;

use crate::agents::failures::{At, Failure, by_words};
use crate::agents::stream::{Heard, count, object, text};

/// See the module.
#[derive(Debug)]
pub(crate) struct Reader {
    at: At,
    heard: Heard,
    /// What was told of its session before.
    before: Usage,
}

impl Reader {
    /// `before` is what was told of the session that it goes on with.
    pub(crate) fn new(at: At, before: Usage) -> Self {
        Self {
            at,
            heard: Heard {
                told: before,
                ..Heard::default()
            },
            before,
        }
    }

    pub(crate) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Takes a line; what people should see of it goes to `tell`.
    pub(crate) fn line(&mut self, line: &str, tell: &mut dyn FnMut(&str)) {
        match object(line) {
            Some(value) => self.take(&value, tell),
            None => self.heard.telling(tell).text(line),
        }
    }

    fn take(&mut self, value: &Value, tell: &mut dyn FnMut(&str)) {
        match text(value, "type") {
            "thread.started" => {
                let session = text(value, "thread_id");
                self.heard.session = Some(session.to_owned());
                let line = format!("[Codex, session {session}]");
                self.heard.telling(tell).line(&line);
            }
            "item.started" => self.begun(&value["item"], tell),
            "item.completed" => self.item(&value["item"], tell),
            "turn.completed" => {
                self.count(&value["usage"]);
                self.heard.end = Some(Ok(()));
            }
            "turn.failed" => self.failed(text(&value["error"], "message")),
            "error" => {
                let line = format!("[{}]", text(value, "message"));
                self.heard.telling(tell).text(&line);
            }
            _ => {}
        }
    }

    fn begun(&mut self, item: &Value, tell: &mut dyn FnMut(&str)) {
        if text(item, "type") == "command_execution" {
            self.heard.telling(tell).tool("shell", item);
        }
    }

    fn item(&mut self, item: &Value, tell: &mut dyn FnMut(&str)) {
        match text(item, "type") {
            "agent_message" => {
                let said = text(item, "text");
                self.heard.result = limits::tail(said, limits::MEMO_UNITS);
                self.heard.telling(tell).text(said);
            }
            "command_execution" => {
                let failed = item["exit_code"].as_i64().unwrap_or(0) != 0;
                let said = text(item, "aggregated_output");
                self.heard.telling(tell).answer(said, failed);
            }
            "file_change" => {
                for change in item["changes"].as_array().into_iter().flatten() {
                    self.heard.telling(tell).tool(text(change, "kind"), change);
                }
            }
            "error" => {
                let line = format!("[{}]", text(item, "message"));
                self.heard.telling(tell).text(&line);
            }
            "mcp_tool_call" => self
                .heard
                .telling(tell)
                .tool(text(item, "tool"), &item["arguments"]),
            "web_search" => self.heard.telling(tell).tool("search", item),
            _ => {}
        }
    }

    /// It counts cached tokens among those read, and tells no price.
    fn count(&mut self, usage: &Value) {
        let cached = count(usage, "cached_input_tokens");
        let (before, turns) = (self.before, self.heard.usage.turns + 1);
        let told = Usage {
            input_tokens: count(usage, "input_tokens").saturating_sub(cached),
            output_tokens: count(usage, "output_tokens"),
            cache_read_tokens: cached,
            cache_write_tokens: count(usage, "cache_write_input_tokens"),
            turns: before.turns + turns,
            cost_micros: None,
        };
        // Each turn tells the sum of the whole session so far, also of what an earlier program did in it.
        self.heard.told = told;
        self.heard.usage = Usage {
            input_tokens: told.input_tokens.saturating_sub(before.input_tokens),
            output_tokens: told.output_tokens.saturating_sub(before.output_tokens),
            cache_read_tokens: told
                .cache_read_tokens
                .saturating_sub(before.cache_read_tokens),
            cache_write_tokens: told
                .cache_write_tokens
                .saturating_sub(before.cache_write_tokens),
            turns,
            cost_micros: None,
        };
    }

    fn failed(&mut self, said: &str) {
        self.heard.result = limits::tail(said, limits::MEMO_UNITS);
        let failure = by_words(said, &self.at).unwrap_or(Failure::Other);
        self.heard.end = Some(Err(failure));
    }
}
