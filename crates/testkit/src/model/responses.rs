//! Turns as `OpenAI`'s Responses API streams them.

use serde_json::json;

use super::Turn;
use super::stream::event;

/// The events of the answer to the `number`th request.
pub(super) fn events(turn: &Turn, number: usize) -> Vec<String> {
    let id = format!("resp_{number}");
    let mut events = vec![event("response.created", json!({"response": {"id": id}}))];
    let mut output = Vec::new();
    if let Some(text) = &turn.say {
        let content = json!([{"type": "output_text", "text": text}]);
        let item = json!({"type": "message", "role": "assistant", "id": format!("msg_{number}"), "content": content});
        let mut begun = item.clone();
        begun["content"] = json!([]);
        events.push(event("response.output_item.added", json!({"item": begun})));
        events.push(event("response.output_text.delta", json!({"delta": text})));
        if turn.hangs {
            return events;
        }
        events.push(event("response.output_item.done", json!({"item": item})));
        output.push(item);
    }
    if let Some((tool, input)) = &turn.tool {
        let item = json!({
            "type": "function_call",
            "id": format!("fc_{number}"),
            "call_id": format!("call_{number}"),
            "name": tool,
            "arguments": input.to_string(),
        });
        events.push(event("response.output_item.done", json!({"item": item})));
        output.push(item);
    }
    let usage = json!({
        "input_tokens": turn.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": turn.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": turn.input_tokens + turn.output_tokens,
    });
    let response = json!({"id": id, "output": output, "usage": usage});
    events.push(event("response.completed", json!({"response": response})));
    events
}
