//! Workers that are processes of their own, while the `up` that made them takes a newer version.

use std::process::Command;

use serde_json::Value;

use crate::all_is_well;
use crate::common::until;
use crate::scene::Scene;

/// Ends what a failed test leaves running: nobody else would for a long while.
struct Tidy<'a>(&'a Scene);

impl Drop for Tidy<'_> {
    fn drop(&mut self) {
        let folders = std::fs::read_dir(self.0.place.data().join("machines"));
        for folder in folders.into_iter().flatten().flatten() {
            let text = std::fs::read(folder.path().join("process.json")).unwrap_or_default();
            let record: Value = serde_json::from_slice(&text).unwrap_or_default();
            if std::thread::panicking()
                && let Some(pid) = record["process"]["pid"].as_u64()
            {
                Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .status()
                    .ok();
            }
        }
    }
}

#[test]
fn workers_that_are_processes_go_on_under_the_next_version_with_their_agents() {
    let scene = Scene::new();
    let _tidy = Tidy(&scene);
    let mut keeper = scene.keep(&["up", "--workers", "1..3", "--slots", "1"]);
    let tasks = scene.at_work(3);
    scene.release("1.1.0", "");
    // It looks at the branch as soon as it starts, and takes its workers over first.
    keeper.kill();
    until("the next version goes on", || {
        keeper
            .starts()
            .last()
            .is_some_and(|release| release.starts_with("1.1.0-"))
    });
    until("it has proved itself", || scene.is_in_use("1.1.0"));
    all_is_well(&scene, &tasks);
    assert_eq!(scene.broken_chains(&tasks), Vec::<String>::new());
    keeper.stop();
}
