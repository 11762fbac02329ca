//! Reads what Claude Code prints.
//!
//! What is known of its lines: `system`/`init` names session and model; `stream_event` carries the
//! model's answer as it comes, with what it used; `assistant` and `user` are whole messages and
//! results of tools; `rate_limit_event` tells of limits; `result` is the last word. Everything else is
//! passed over: new versions print new types.

use std::collections::VecDeque;

use serde_json::Value;
use shraga_core::limits;
use shraga_core::usage::Usage;

use crate::agents::failures::{At, Failure, at_epoch, by_words};
use crate::agents::stream::{Heard, count, object, text};

/// Messages remembered so that none is counted twice: more than can be open at once.
const REMEMBERED: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Reader {
    at: At,
    heard: Heard,
    /// Messages counted already.
    counted: VecDeque<String>,
    /// What the messages that are over used.
    over: Usage,
    /// What the one that is coming used so far.
    coming: Usage,
    /// Why the model gave no answer, as the program names it, and in words.
    error: Option<(String, String)>,
    /// The limit that is reached, with its end if known.
    limit: Option<Failure>,
}

impl Reader {
    pub(crate) fn new(at: At) -> Self {
        Self {
            at,
            heard: Heard::default(),
            counted: VecDeque::new(),
            over: Usage::UNKNOWN,
            coming: Usage::UNKNOWN,
            error: None,
            limit: None,
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
            "system" => self.system(value, tell),
            "stream_event" => self.event(&value["event"], value["parent_tool_use_id"].is_null()),
            "assistant" => self.assistant(value, tell),
            "user" => self.user(value, tell),
            "rate_limit_event" => self.limits(&value["rate_limit_info"], tell),
            "result" => self.result(value, tell),
            _ => {}
        }
    }

    fn system(&mut self, value: &Value, tell: &mut dyn FnMut(&str)) {
        match text(value, "subtype") {
            "init" => {
                let (session, model) = (text(value, "session_id"), text(value, "model"));
                self.heard.session = Some(session.to_owned());
                self.heard.model = Some(model.to_owned());
                let version = text(value, "claude_code_version");
                let line = format!("[Claude Code {version}, {model}, session {session}]");
                self.heard.telling(tell).line(&line);
            }
            "api_retry" => {
                let status = value["error_status"].as_u64();
                let what = status.map_or("nothing".to_owned(), |status| status.to_string());
                let secs = value["retry_delay_ms"].as_f64().unwrap_or_default() / 1e3;
                let (attempt, most) = (count(value, "attempt"), count(value, "max_retries"));
                let line = format!(
                    "[the model answered {what} ({}); try {attempt} of {most} in {secs:.0} s]",
                    text(value, "error")
                );
                self.heard.telling(tell).line(&line);
            }
            _ => {}
        }
    }

    /// A part of an answer: what it used so far.
    fn event(&mut self, event: &Value, top: bool) {
        match text(event, "type") {
            "message_start" => {
                let message = &event["message"];
                if self.is_new(text(message, "id")) {
                    self.over = self
                        .over
                        .plus(std::mem::replace(&mut self.coming, used(message)));
                    self.coming.turns = u32::from(top);
                }
            }
            "message_delta" => {
                // The counts of a message grow; they are not added up.
                let delta = used(event);
                let coming = &mut self.coming;
                coming.output_tokens = coming.output_tokens.max(delta.output_tokens);
                coming.input_tokens = coming.input_tokens.max(delta.input_tokens);
                coming.cache_read_tokens = coming.cache_read_tokens.max(delta.cache_read_tokens);
                coming.cache_write_tokens = coming.cache_write_tokens.max(delta.cache_write_tokens);
            }
            _ => return,
        }
        self.heard.usage = self.over.plus(self.coming);
    }

    fn is_new(&mut self, id: &str) -> bool {
        if self.counted.iter().any(|known| known == id) {
            return false;
        }
        self.counted.push_back(id.to_owned());
        if self.counted.len() > REMEMBERED {
            self.counted.pop_front();
        }
        true
    }

    fn assistant(&mut self, value: &Value, tell: &mut dyn FnMut(&str)) {
        let message = &value["message"];
        let mut said = String::new();
        for block in message["content"].as_array().into_iter().flatten() {
            match text(block, "type") {
                "text" => {
                    said.push_str(text(block, "text"));
                    self.heard.telling(tell).text(text(block, "text"));
                }
                "tool_use" => self
                    .heard
                    .telling(tell)
                    .tool(text(block, "name"), &block["input"]),
                _ => {}
            }
        }
        if let Some(error) = value["error"].as_str() {
            self.error = Some((error.to_owned(), said));
        } else {
            self.error = None;
            if self.is_new(text(message, "id")) {
                let top = value["parent_tool_use_id"].is_null();
                let usage = Usage {
                    turns: u32::from(top),
                    ..used(message)
                };
                self.over = self.over.plus(usage);
                self.heard.usage = self.over.plus(self.coming);
            }
        }
    }

    fn user(&mut self, value: &Value, tell: &mut dyn FnMut(&str)) {
        for block in value["message"]["content"].as_array().into_iter().flatten() {
            if text(block, "type") != "tool_result" {
                continue;
            }
            let failed = block["is_error"].as_bool().unwrap_or(false);
            let content = &block["content"];
            let parts = content.as_array().into_iter().flatten();
            let joined: Vec<&str> = parts.map(|part| text(part, "text")).collect();
            let said = content.as_str().map_or(joined.join("\n"), str::to_owned);
            self.heard.telling(tell).answer(&said, failed);
        }
    }

    fn limits(&mut self, info: &Value, tell: &mut dyn FnMut(&str)) {
        if text(info, "status") != "rejected" {
            return;
        }
        let resets = info["resetsAt"].as_i64();
        let until = resets.and_then(|seconds| at_epoch(seconds, &self.at));
        self.limit = Some(Failure::UsageLimit(until));
        let kind = text(info, "rateLimitType").replace('_', " ");
        self.heard
            .telling(tell)
            .line(&format!("[the account's {kind} limit is reached]"));
    }

    fn result(&mut self, value: &Value, tell: &mut dyn FnMut(&str)) {
        if let Some(session) = value["session_id"].as_str() {
            self.heard.session = Some(session.to_owned());
        }
        self.heard.usage = self.final_usage(value);
        let answer = &value["structured_output"];
        self.heard.structured = answer.is_object().then(|| answer.to_string());
        let errors = value["errors"].as_array().into_iter().flatten();
        let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
        let said = match text(value, "result") {
            "" => errors.join("\n"),
            said => said.to_owned(),
        };
        self.heard.result = limits::tail(&said, limits::MEMO_UNITS);
        let failure = self.failure(value, &said);
        if let Some(failure) = &failure {
            self.heard.telling(tell).line(&format!(
                "[ended: {}]",
                limits::line(failure.reason().message(), limits::MESSAGE_UNITS)
            ));
        }
        self.heard.end = Some(failure.map_or(Ok(()), Err));
    }

    /// What the whole run used, by model where it says so, since sessions that it started itself count too.
    fn final_usage(&self, value: &Value) -> Usage {
        let told = self.heard.usage;
        let models = value["modelUsage"].as_object();
        let by_model = models.filter(|models| !models.is_empty()).map(|models| {
            models.values().fold(Usage::UNKNOWN, |sum, model| Usage {
                input_tokens: sum.input_tokens + count(model, "inputTokens"),
                output_tokens: sum.output_tokens + count(model, "outputTokens"),
                cache_read_tokens: sum.cache_read_tokens + count(model, "cacheReadInputTokens"),
                cache_write_tokens: sum.cache_write_tokens
                    + count(model, "cacheCreationInputTokens"),
                ..sum
            })
        });
        let turns = u32::try_from(count(value, "num_turns")).unwrap_or(u32::MAX);
        Usage {
            turns: told.turns.max(turns),
            cost_micros: value["total_cost_usd"].as_f64().map(micros),
            ..by_model.unwrap_or_else(|| used(value))
        }
    }

    /// Why it is no good end, if it isn't.
    fn failure(&self, value: &Value, said: &str) -> Option<Failure> {
        match text(value, "subtype") {
            "error_max_turns" => return Some(Failure::TurnsUsedUp),
            "error_max_budget_usd" => return Some(Failure::MoneyUsedUp),
            _ => {}
        }
        if !value["is_error"].as_bool().unwrap_or(false) {
            let refused: Vec<String> = value["permission_denials"]
                .as_array()
                .into_iter()
                .flatten()
                .map(refusal)
                .collect();
            return (!refused.is_empty()).then_some(Failure::PermissionRefused(refused));
        }
        if text(value, "terminal_reason") == "prompt_too_long" {
            return Some(Failure::ContextFull);
        }
        let words = by_words(said, &self.at);
        let named = self.error.as_ref().map(|(name, _)| name.as_str());
        let status = value["api_error_status"].as_u64();
        Some(match (named.unwrap_or_default(), status) {
            ("rate_limit", _) | (_, Some(429)) => match (self.limit.clone(), words) {
                (Some(limit), _) => limit,
                (None, Some(limit @ (Failure::UsageLimit(_) | Failure::NoCredit))) => limit,
                (None, Some(Failure::RateLimited(until))) => Failure::RateLimited(until),
                (None, _) => Failure::RateLimited(None),
            },
            ("billing_error", _) => Failure::NoCredit,
            ("authentication_failed" | "oauth_org_not_allowed", _) | (_, Some(401 | 403)) => {
                Failure::NotSignedIn
            }
            ("model_not_found", _) => Failure::NoModel,
            ("overloaded" | "server_error", _) | (_, Some(500..=599)) => Failure::Overloaded,
            ("invalid_request", _) => words.unwrap_or(Failure::RequestRefused),
            _ => words.unwrap_or(Failure::Other),
        })
    }
}

/// A refused use of a tool: its name and shortly what for.
fn refusal(denial: &Value) -> String {
    let name = text(denial, "tool_name");
    let input = &denial["tool_input"];
    let what = ["command", "file_path", "url"];
    let what = what.iter().find_map(|key| input.get(key)?.as_str());
    match what {
        Some(what) => limits::line(&format!("{name}({what})"), limits::MESSAGE_UNITS),
        None => name.to_owned(),
    }
}

/// The tokens of a message or result. Costs are told at the very end.
fn used(value: &Value) -> Usage {
    let usage = &value["usage"];
    Usage {
        input_tokens: count(usage, "input_tokens"),
        output_tokens: count(usage, "output_tokens"),
        cache_read_tokens: count(usage, "cache_read_input_tokens"),
        cache_write_tokens: count(usage, "cache_creation_input_tokens"),
        ..Usage::UNKNOWN
    }
}

/// Millionths of a dollar, rounded up: a limit must not be overrun by rounding.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` keeps what is out of range at the nearest bound"
)]
fn micros(dollars: f64) -> u64 {
    (dollars * 1e6).ceil() as u64
}
