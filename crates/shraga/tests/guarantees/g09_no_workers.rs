//! Guarantee 9: without workers tasks are still discovered, mirrored and explained as waiting; a worker that appears
//! later gets them without a restart.
#![cfg(unix)]

use crate::common::Place;
use crate::daemon::Daemon;

const AGENT: &str = "[agents.a]\nkind = \"command\"\nprogram = [\"sh\", \"-c\", \"echo done\"]\n";

#[test]
fn guarantee_09_without_workers_tasks_are_mirrored_and_explained_and_a_later_worker_gets_them() {
    let place = Place::with_config(AGENT);
    let _store = place.start(&["serve"]);
    let mut orchestrator = Daemon::orchestrate(&place, &[]);
    let tasks: Vec<String> = ["one", "two"]
        .iter()
        .map(|name| place.submit(&[name]))
        .collect();
    for task in &tasks {
        place.until_status(task, "Queued");
        let why = place.run(&["why", task]);
        assert_eq!(why.code, 0, "{}", why.err);
        assert!(why.out.contains("no-worker"), "{}", why.out);
    }
    assert!(orchestrator.runs());

    let worker = Daemon::start(&place, place.command(&["worker", "--name", "late"]));
    for task in &tasks {
        let task = place.until_status(task, "Completed");
        assert_eq!(task["result"].as_str().unwrap().trim(), "done");
    }
    assert!(
        orchestrator.runs(),
        "the same orchestrator, never restarted"
    );
    assert!(worker.stop().success());
    assert!(orchestrator.stop().success());
}
