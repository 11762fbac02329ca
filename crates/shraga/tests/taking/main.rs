//! Newer versions taken by themselves, through real processes, git and cargo, while agents run and tasks are filed.
#![cfg(unix)]

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod grown;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod told;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::until;
use scene::{Keeper, Scene};

const UP: [&str; 3] = ["up", "--workers", "1"];

/// Agents that run while versions change.
const AGENTS: usize = 10;

/// Whether this version runs and has so many agents in its hands.
fn goes_on(scene: &Scene, version: &str, running: usize) -> bool {
    scene.workers() == [(version.to_owned(), running)]
}

/// Lets the agents end, and holds the end of each task against the promises: one agent, one attempt, each line once.
fn all_is_well(scene: &Scene, tasks: &[String]) {
    fs::write(scene.path("go"), "").expect("the folder takes a file");
    for id in tasks {
        let task = scene.place.until_status(id, "Completed");
        assert_eq!(task["attempt"], 1, "{task:#}");
        let result = task["result"].as_str().expect("it has a result");
        let started = scene.started();
        let runs = started.iter().filter(|(task, _)| task == id).count();
        assert_eq!(runs, 1, "{id} was begun again");
        // Which of two events of one second is shown first is not promised; that each is there once is.
        let sorted = |mut lines: Vec<String>| {
            lines.sort_unstable();
            lines
        };
        let told = sorted(scene.lines(id));
        assert_eq!(told, sorted(result.lines().map(str::to_owned).collect()));
    }
}

/// Ends what goes on until it is told, however this is left.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_pushed_version_is_taken_in_mid_run_under_load_and_no_agent_is_restarted() {
    let scene = Scene::new();
    let mut keeper = scene.keep(&UP);
    let mut tasks = scene.at_work(AGENTS);
    let agents = scene.started();
    let enough = AtomicBool::new(false);
    let quick: Vec<String> = thread::scope(|scope| {
        let stop = Stop(&enough);
        let filer = scope.spawn(|| {
            let mut filed = Vec::new();
            while !enough.load(Ordering::Relaxed) {
                filed.push(scene.files("quick"));
            }
            filed
        });
        scene.release("1.1.0", "");
        // The next look at the branch is a minute away.
        until("the daemon notices it", || {
            scene.place.said().contains("version 1.1.0 is available")
        });
        until("the next version goes on", || keeper.starts().len() == 2);
        until("with all of it", || {
            scene
                .workers()
                .iter()
                .any(|(version, running)| version == "1.1.0" && *running >= AGENTS)
        });
        drop(stop);
        filer.join().unwrap()
    });
    assert!(
        keeper.starts()[1].starts_with("1.1.0-"),
        "{:?}",
        keeper.starts()
    );
    until("it has proved itself", || scene.is_in_use("1.1.0"));
    assert_eq!(keeper.starts().len(), 2, "each version was started once");
    for (_, pid) in &agents {
        assert!(fs::exists(format!("/proc/{pid}")).unwrap() || !cfg!(target_os = "linux"));
    }
    assert!(!quick.is_empty());
    tasks.extend(quick);
    all_is_well(&scene, &tasks);
    assert_eq!(scene.broken_chains(&tasks), Vec::<String>::new());
    keeper.stop();
}

/// Kills the daemon of version 1.0.0 once its log has more of these words than before.
fn kill_once_said(scene: &Scene, keeper: &Keeper, words: &str) {
    let before = scene.place.said().matches(words).count();
    until(words, || scene.place.said().matches(words).count() > before);
    keeper.kill_version("1.0.0");
}

#[test]
fn a_daemon_that_is_killed_at_any_step_of_its_hand_over_loses_nothing() {
    let scene = Scene::new();
    let mut keeper = scene.keep(&UP);
    let tasks = scene.at_work(3);
    let build = "echo >>../../builds; [ ! -e ../../hold ] || sleep 100";
    fs::write(scene.path("root/hold"), "").unwrap();
    scene.release("1.1.0", build);
    // Each start looks at the branch at once.
    keeper.kill();
    kill_once_said(&scene, &keeper, "a newer version is made");
    let builds = || fs::read_to_string(scene.path("root/builds")).unwrap_or_default();
    until("it is built again", || builds().lines().count() >= 1);
    fs::remove_file(scene.path("root/hold")).unwrap();
    keeper.kill();
    kill_once_said(&scene, &keeper, "handing over: nothing new is taken");
    until("the next version goes on", || {
        keeper
            .starts()
            .last()
            .is_some_and(|release| release.starts_with("1.1.0-"))
    });
    until("it has proved itself", || scene.is_in_use("1.1.0"));
    keeper.kill();
    until("it goes on after that", || goes_on(&scene, "1.1.0", 3));
    all_is_well(&scene, &tasks);
    assert_eq!(scene.broken_chains(&tasks), Vec::<String>::new());
    keeper.stop();
}

/// Starts the daemon anew, which looks at the branch at once, and waits until it says this once more.
fn started_anew_says(scene: &Scene, keeper: &Keeper, words: &str) {
    let before = scene.place.said().matches(words).count();
    keeper.kill();
    until(words, || scene.place.said().matches(words).count() > before);
}

#[test]
fn what_can_not_or_must_not_be_taken_changes_nothing() {
    let scene = Scene::new();
    let mut keeper = scene.keep(&UP);
    let tasks = scene.at_work(2);
    let refused = |words: &str| {
        started_anew_says(&scene, &keeper, words);
        until("it runs on", || goes_on(&scene, "1.0.0", 2));
    };
    scene.release("1.1.0", "echo this does not compile >&2; exit 3");
    refused("is not taken: 1.1.0-");
    assert!(scene.place.said().contains("this does not compile"));
    // A file may become no larger: what a full disk does to a build.
    scene.release("1.2.0", "ulimit -f 1; trap '' XFSZ");
    refused("is not taken: 1.2.0-");
    scene.begin_history_anew();
    scene.release("0.9.0", "");
    let ran = scene
        .command(&["update", "--check", "--json"])
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(told.contains("up-to-date"), "{told}");
    keeper.kill();
    until("it runs on", || goes_on(&scene, "1.0.0", 2));
    let first = |release: &String| release.starts_with("1.0.0-");
    assert!(keeper.starts().iter().all(first));
    // Newer, on a history that was written anew.
    scene.release("1.3.0", "");
    keeper.kill();
    until("the next version goes on", || goes_on(&scene, "1.3.0", 2));
    all_is_well(&scene, &tasks);
    keeper.stop();
}

/// Lets the program of a version fall over as soon as it is started as a daemon: no trial before shows that.
const FALLS: &str =
    "sed -i 's/_ => panic/Some(\"up\") => std::process::exit(3), _ => panic/' src/main.rs";

#[test]
fn a_version_that_falls_over_is_left_for_the_one_before_and_the_agents_go_on() {
    let scene = Scene::new();
    let mut keeper = scene.keep(&UP);
    let tasks = scene.at_work(3);
    scene.release("1.1.0", FALLS);
    started_anew_says(&scene, &keeper, "going back to 1.0.0-");
    until("the one before goes on", || goes_on(&scene, "1.0.0", 3));
    until("it is not tried again", || {
        scene.place.said().contains("is not taken: 1.1.0-")
    });
    let begun = |version: &str| {
        let starts = keeper.starts().into_iter();
        starts.filter(|start| start.starts_with(version)).count()
    };
    assert_eq!(begun("1.1.0-"), 1, "{:?}", keeper.starts());
    assert!(scene.is_in_use("1.0.0"));
    scene.release("1.2.0", "");
    keeper.kill();
    until("the next one has proved itself", || {
        scene.is_in_use("1.2.0")
    });
    until("it goes on", || goes_on(&scene, "1.2.0", 3));
    all_is_well(&scene, &tasks);
    keeper.stop();
}

/// A version that the worker of `up` tries, and nobody else yet: a daemon that shares the root and is started anew comes
/// back with the version before.
fn on_trial(scene: &Scene, keeper: &Keeper, other: &Keeper) {
    scene.release("1.1.0", "");
    keeper.kill();
    until("it is tried", || goes_on(scene, "1.1.0", 0));
    until("it has proved itself", || {
        let memory = fs::read_to_string(scene.path("root/keep/up/memory.json"));
        memory.is_ok_and(|memory| memory.contains("\"proven\":\"1.1.0-"))
    });
    comes_back_as_before(scene, other);
}

fn comes_back_as_before(scene: &Scene, other: &Keeper) {
    let starts = other.starts().len();
    other.kill();
    until("the other is started anew", || {
        other.starts().len() > starts
    });
    let first = |release: &String| release.starts_with("1.0.0-");
    assert!(other.starts().iter().all(first), "{:?}", other.starts());
    assert!(scene.is_in_use("1.0.0"));
}

#[test]
fn a_version_on_trial_is_started_by_nobody_else_until_it_is_open_to_all() {
    let scene = Scene::new();
    scene.try_for("60");
    let mut keeper = scene.keep(&UP);
    until("a worker", || goes_on(&scene, "1.0.0", 0));
    let mut other = scene.keep(&["orchestrate"]);
    until("another daemon", || other.starts().len() == 1);
    on_trial(&scene, &keeper, &other);
    scene.try_for("\"off\"");
    keeper.kill();
    until("the link follows", || scene.is_in_use("1.1.0"));
    assert!(goes_on(&scene, "1.1.0", 0), "{:?}", scene.workers());
    other.stop();
    keeper.stop();
}

#[test]
fn a_version_that_was_refused_on_trial_is_started_by_nobody() {
    let scene = Scene::new();
    scene.try_for("60");
    let mut keeper = scene.keep(&UP);
    until("a worker", || goes_on(&scene, "1.0.0", 0));
    let mut other = scene.keep(&["orchestrate"]);
    until("another daemon", || other.starts().len() == 1);
    on_trial(&scene, &keeper, &other);
    // Its worker goes back.
    keeper.stop();
    keeper.forget();
    let mut keeper = scene.keep(&UP);
    until("it is refused", || {
        let ran = scene.place.run(&["update", "--check", "--json"]);
        let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_default();
        told["fleet"]["refused"][0]["release"].is_string()
    });
    comes_back_as_before(&scene, &other);
    other.stop();
    keeper.stop();
}
