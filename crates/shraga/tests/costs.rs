//! What tasks cost, told by the real binary.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::Place;
use serde_json::{Value, json};

const AGENTS: &str = r#"
[agents.paid]
kind = "command"
usage = "file"
program = ["sh", "-c", 'echo "{\"cost_usd\": 0.42, \"input_tokens\": 1200, \"output_tokens\": 300}" > "$SHRAGA_USAGE_FILE"']

[agents.silent]
kind = "command"
program = ["sh", "-c", "echo done"]

[worker]
agent = "paid"
"#;

#[test]
fn costs_are_told_by_task_person_and_day_and_what_is_unknown_is_said() {
    let place = Place::with_config(AGENTS);
    let running = place.start(&["up"]);
    assert_eq!(place.json(&["costs"])["rows"], json!([]));
    for args in [
        ["dear", "paid"],
        ["dear too", "paid"],
        ["nobody knows", "silent"],
    ] {
        let [name, agent] = args;
        let ran = place.run(&["submit", "x", "--name", name, "--agent", agent, "--wait"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }

    let screen = place.run(&["costs", "--by", "task"]).out;
    let lines: Vec<_> = screen.lines().collect();
    assert_eq!(lines.len(), 5, "{screen}");
    assert!(lines[0].starts_with("TASK"), "{screen}");
    assert!(
        screen.contains("dear too") && lines[1].contains("$0.42"),
        "{screen}"
    );
    assert!(
        lines[3].contains("nobody knows") && lines[3].contains("unknown"),
        "{screen}"
    );
    assert!(
        lines[4].starts_with("total") && lines[4].contains("$0.84 + 1 unknown"),
        "{screen}"
    );

    let total = json!({"tasks": 3, "cost_usd": 0.84, "unknown": 1, "tokens": 3000});
    let own = place.json(&["costs"]);
    assert_eq!((&own["by"], &own["total"]), (&json!("day"), &total));
    let by_agent = place.json(&["costs", "--by", "agent", "--since", "2026-01-01"]);
    assert_eq!(
        by_agent,
        json!({"by": "agent", "since": "2026-01-01", "total": total, "rows": [
            {"key": "paid", "tasks": 2, "cost_usd": 0.84, "unknown": 0, "tokens": 3000},
            {"key": "silent", "tasks": 1, "cost_usd": Value::Null, "unknown": 1, "tokens": 0},
        ]})
    );
    let all = place.json(&["costs", "--token-file", ".shraga/admin.token"]);
    assert_eq!((&all["by"], &all["total"]), (&json!("user"), &total));
    assert_eq!(all["rows"][0]["tasks"], 3);
    let later = place.json(&["costs", "--since", "9000-01-01"]);
    assert_eq!(later["total"]["tasks"], 0);
    place
        .run(&["costs", "--since", "yesterday"])
        .fails(2, &["2026-01-31"]);
    assert!(running.stop().success());
}
