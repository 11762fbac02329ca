//! Budgets end to end: real agents that spend, a real store, the real binary.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::{Place, until};
use serde_json::json;

/// One spends in two steps and never ends by itself; one spends what its task is named for, once it may go on.
const AGENTS: &str = r#"
[agents.greedy]
kind = "command"
usage = "file"
program = ["sh", "-c", '''
echo half > half; echo "half is done"; echo $$ > HERE/pid
echo "{\"cost_usd\": 0.22}" > "$SHRAGA_USAGE_FILE"
until grep -q '"percent":88' "$SHRAGA_BUDGET_FILE"; do sleep 0.05; done
cat "$SHRAGA_BUDGET_FILE" > HERE/warned
echo "{\"cost_usd\": 0.31, \"output_tokens\": 700}" > "$SHRAGA_USAGE_FILE"
exec sleep 1000
''']

[agents.paid]
kind = "command"
usage = "file"
program = ["sh", "-c", '''
echo begun >> HERE/begun
until test -e HERE/go; do sleep 0.05; done
case $SHRAGA_TASK_NAME in one) cost=0.55 ;; *) cost=0.35 ;; esac
echo "{\"cost_usd\": $cost}" > "$SHRAGA_USAGE_FILE"
''']

[worker]
summaries = "never"
agent = "paid"
"#;

fn place(more: &str) -> Place {
    let place = Place::new();
    let here = place.path().display().to_string();
    let config = format!("{}\n{more}", AGENTS.replace("HERE", &here));
    assert!(std::fs::write(place.path().join("shraga.toml"), config).is_ok());
    place
}

fn read(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path().join(name)).unwrap_or_default()
}

#[test]
fn an_agent_over_its_limit_is_warned_then_ended_and_what_it_did_is_kept() {
    let place = place("");
    let running = place.start(&["up"]);
    let id = place.submit(&["x", "--agent", "greedy", "--budget", "0.25usd"]);
    let task = place.until_status(&id, "Failed");
    assert_eq!(task["reason"], "budget-cost");
    assert!(task["result"].as_str().unwrap().contains("half is done"));
    assert_eq!(task["cost_usd"], 0.31);
    let warned = read(&place, "warned");
    assert!(warned.contains("88% of this task's budget"), "{warned}");
    let log = place.run(&["logs", &id]).out;
    assert!(log.contains("[88% of the budget: $0.22 of $0.25]"), "{log}");

    // Its process is gone, its files are not.
    let pid = read(&place, "pid");
    let alive = std::process::Command::new("kill")
        .args(["-0", pid.trim()])
        .output();
    assert!(!alive.unwrap().status.success());
    let shown = place.run(&["show", &id]).out;
    assert!(
        shown.contains("$0.31 of $0.25") && shown.contains(" --budget LIMITS"),
        "{shown}"
    );
    let work = place.data().join("work");
    let folders = std::fs::read_dir(work).unwrap().flatten();
    let mut kept = folders.map(|worker| {
        let attempt = worker.path().join("tasks").join(&id).join("attempt-1");
        attempt.join("work").join("half")
    });
    assert!(kept.any(|file| file.is_file()), "its half is lost");

    let costs = place.json(&["costs", "--by", "task"]);
    let total = json!({"tasks": 1, "cost_usd": 0.31, "unknown": 0, "tokens": 700});
    assert_eq!(costs["total"], total);
    assert!(running.stop().success());
}

#[test]
fn tasks_in_parallel_never_spend_more_than_their_persons_day() {
    let place = place("[budget]\nuser_day = \"1usd\"\n");
    let running = place.start(&["up", "--workers", "3"]);
    let one = place.submit(&["x", "--name", "one", "--budget", "0.6usd"]);
    place.until_status(&one, "Running");
    let two = place.submit(&["x", "--name", "two", "--budget", "0.6usd"]);
    let why = |id: &str| place.run(&["why", id]).out;
    until("the second waits for the day", || {
        why(&two).contains("budget-user-day")
    });
    let said = why(&two);
    assert!(said.contains("$0.60") && said.contains("$1.00"), "{said}");

    // What the day has room for runs beside the first.
    let small = place.submit(&["x", "--name", "small", "--budget", "0.4usd"]);
    until("the small one has begun", || {
        read(&place, "begun").lines().count() == 2
    });
    place.until_status(&small, "Running");
    assert_eq!(place.json(&["show", &two])["attempt"], 0);

    // Both used less than was kept for them; what is left is still not enough for the second.
    std::fs::write(place.path().join("go"), "").unwrap();
    place.until_status(&one, "Completed");
    place.until_status(&small, "Completed");
    until("the rest is free again", || why(&two).contains("$0.90"));
    assert!(why(&two).contains("budget-user-day"));
    assert_eq!(read(&place, "begun").lines().count(), 2);
    assert_eq!(place.json(&["costs"])["total"]["cost_usd"], 0.9);
    assert!(running.stop().success());
}
