//! Turns as Anthropic's Messages API streams them.

use serde_json::{Value, json};

use super::Turn;
use super::stream::event;

/// The events of the answer to the `number`th request.
pub(super) fn events(turn: &Turn, number: usize, request: &Value) -> Vec<String> {
    let usage = json!({
        "input_tokens": turn.input_tokens,
        "output_tokens": 1,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
    });
    let message = json!({
        "id": format!("msg_{number}"),
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage,
    });
    let mut events = vec![event("message_start", json!({"message": message}))];
    if let Some(text) = &turn.say {
        let block = json!({"type": "text", "text": ""});
        let delta = json!({"type": "text_delta", "text": text});
        events.extend(block_events(0, &block, &delta, !turn.hangs));
    }
    if turn.hangs {
        return events;
    }
    if let Some((tool, input)) = &turn.tool {
        let id = format!("toolu_{number}");
        let block = json!({"type": "tool_use", "id": id, "name": tool, "input": {}});
        let delta = json!({"type": "input_json_delta", "partial_json": input.to_string()});
        let index = usize::from(turn.say.is_some());
        events.extend(block_events(index, &block, &delta, true));
    }
    let reason = match turn.tool {
        Some(_) => "tool_use",
        None => "end_turn",
    };
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    let usage = json!({"output_tokens": turn.output_tokens});
    events.push(event(
        "message_delta",
        json!({"delta": delta, "usage": usage}),
    ));
    events.push(event("message_stop", json!({})));
    events
}

fn block_events(index: usize, block: &Value, delta: &Value, ends: bool) -> Vec<String> {
    let mut events = vec![
        event(
            "content_block_start",
            json!({"index": index, "content_block": block}),
        ),
        event(
            "content_block_delta",
            json!({"index": index, "delta": delta}),
        ),
    ];
    if ends {
        events.push(event("content_block_stop", json!({"index": index})));
    }
    events
}
