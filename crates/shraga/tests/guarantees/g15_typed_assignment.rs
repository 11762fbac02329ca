//! Guarantee 15: an assignment can't be built without a mirror and a worker.
//! The compiler holds it: the examples of `model::Lease`. Here is what becomes of it in a store.
#![cfg(unix)]

use crate::common::Place;

const AGENT: &str =
    "[agents.a]\nkind = \"command\"\nprogram = [\"sh\", \"-c\", \"echo $SHRAGA_ATTEMPT\"]\n";

#[test]
fn guarantee_15_every_task_that_ran_names_the_worker_and_the_attempt_it_was_assigned_to() {
    let place = Place::with_config(AGENT);
    let running = place.start(&["up", "--workers", "2"]);
    let tasks: Vec<String> = (0..4).map(|_| place.submit(&["work"])).collect();
    let workers = place.json(&["workers"]).to_string();
    for task in &tasks {
        let task = place.until_status(task, "Completed");
        assert_eq!(task["attempt"], 1);
        assert_eq!(task["result"].as_str().unwrap().trim(), "1");
        let worker = task["worker"].as_str().unwrap();
        assert!(workers.contains(worker), "{worker} is none of {workers}");
    }
    assert!(running.stop().success());
}
