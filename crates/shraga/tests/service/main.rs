//! `shraga service` through the real binary, with a systemd that is played by a script; and one process a folder.
#![cfg(unix)]

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod in_use;
#[cfg(test)]
mod systemd;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use common::{Ran, until};
use serde_json::Value;
use systemd::Systemd;

const WORKER: [&str; 3] = ["worker", "--user-name", "root"];

#[test]
fn a_service_is_installed_looked_at_and_taken_away_again_and_twice_is_no_error() {
    let systemd = Systemd::new();
    systemd.service("status", &["worker"]).fails(6, &[]);
    let ran = systemd.service("install", &WORKER);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("running"), "{}", ran.out);
    let unit = systemd.unit("shraga-worker.service");
    assert!(unit.contains("\nUser=root\n"), "{unit}");
    let program = env!("CARGO_BIN_EXE_shraga");
    assert!(
        unit.contains(&format!("\nExecStart={program} keep -- worker\n")),
        "{unit}"
    );
    assert_eq!(
        systemd.done(),
        [
            "daemon-reload",
            "enable shraga-worker.service",
            "restart --no-block shraga-worker.service"
        ]
    );
    let mode = fs::metadata(systemd.file("shraga-worker.service")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o644);

    assert_eq!(systemd.service("install", &WORKER).code, 0);
    let ran = systemd.service("status", &["worker", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["standing"], "running");
    assert_eq!(told["enabled"], "enabled");
    assert_eq!(told["unit_is"], "made by shraga");
    assert_eq!(told["says"], "worker is well");
    assert_eq!(told["since"], "Mon 2026-11-23 03:06:57 UTC");
    // The process that the script names is this test's.
    assert_eq!(told["pid"], std::process::id());

    for _ in 0..2 {
        assert_eq!(systemd.service("uninstall", &["worker"]).code, 0);
        assert!(!systemd.file("shraga-worker.service").exists());
    }
    let done = systemd.done();
    let stopped = done
        .iter()
        .position(|line| line == "stop shraga-worker.service");
    let disabled = done
        .iter()
        .position(|line| line == "disable shraga-worker.service");
    assert!(stopped.is_some() && disabled.is_some(), "{done:?}");
    systemd.service("status", &["worker"]).fails(6, &[]);
}

#[test]
fn what_was_made_or_changed_by_somebody_else_is_left_alone() {
    let systemd = Systemd::new();
    let file = systemd.file("shraga-worker.service");
    fs::write(&file, "[Service]\nExecStart=/bin/true\n").unwrap();
    systemd
        .service("install", &WORKER)
        .fails(7, &["not made by shraga", "--force"]);
    systemd
        .service("uninstall", &["worker", "--force"])
        .fails(7, &["not made by shraga"]);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "[Service]\nExecStart=/bin/true\n"
    );
    assert_eq!(systemd.done(), [""; 0]);
    let forced = [&WORKER[..], &["--force"]].concat();
    assert_eq!(systemd.service("install", &forced).code, 0);

    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.replace("Restart=always", "Restart=no")).unwrap();
    systemd
        .service("install", &WORKER)
        .fails(7, &["changed by hand"]);
    systemd
        .service("uninstall", &["worker"])
        .fails(7, &["changed by hand", "--force"]);
    assert!(file.exists());
    let told = systemd.service("status", &["worker", "--json"]);
    assert!(told.out.contains("changed by hand"), "{}", told.out);
    assert_eq!(systemd.service("uninstall", &["worker", "--force"]).code, 0);
    assert!(!file.exists());
}

#[test]
fn a_dry_run_prints_everything_and_does_nothing() {
    let systemd = Systemd::new();
    let args = [
        &WORKER[..],
        &["--name", "gpu", "--dry-run", "--", "--labels", "a b"],
    ]
    .concat();
    let ran = systemd.service("install", &args);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.contains("-- worker --name gpu --labels \"a b\"\n"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("# systemctl enable shraga-worker-gpu.service"),
        "{}",
        ran.out
    );
    assert!(!systemd.file("shraga-worker-gpu.service").exists());
    assert_eq!(systemd.done(), [""; 0]);
}

#[test]
fn what_would_never_start_or_is_open_to_others_is_not_installed() {
    let systemd = Systemd::new();
    let secrets = systemd.place.path().join("environment");
    fs::write(&secrets, "DATAVERSE_TOKEN=x\n").unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o640)).unwrap();
    let secrets = secrets.to_str().unwrap();
    let refused: [(&[&str], i32, &str); 8] = [
        (&["worker"], 2, "--user-name"),
        (
            &["worker", "--user-name", "x\nUser=root"],
            2,
            "no name of a user",
        ),
        (
            &["worker", "--user-name", "no-such-user-here"],
            6,
            "no user",
        ),
        (
            &["worker", "--user-name", "root", "--name", "a/b"],
            2,
            "letters",
        ),
        (
            &["worker", "--user-name", "root", "--", "--no-such"],
            2,
            "would not start",
        ),
        (
            &[
                "worker",
                "--user-name",
                "root",
                "--",
                "--labels",
                "a\nUser=x",
            ],
            2,
            "line break",
        ),
        (
            &["worker", "--user-name", "root", "--root", "nowhere"],
            6,
            "update --now",
        ),
        (
            &[
                "worker",
                "--user-name",
                "root",
                "--environment-file",
                secrets,
            ],
            3,
            "chmod 600",
        ),
    ];
    for (args, code, word) in refused {
        systemd.service("install", args).fails(code, &[word]);
    }
    assert_eq!(systemd.done(), [""; 0]);
    assert_eq!(fs::read_dir(systemd.units()).unwrap().count(), 0);
}

#[test]
fn what_does_not_run_says_why() {
    let systemd = Systemd::new();
    systemd.set("becomes", "failed");
    let ran = systemd.service("install", &WORKER);
    ran.fails(1, &[]);
    assert!(ran.out.contains("the store said no"), "{}", ran.out);
    let ran = systemd.service("status", &["worker"]);
    ran.fails(1, &[]);
    assert!(ran.out.contains("failed"), "{}", ran.out);
    systemd.set("active", "activating");
    systemd.service("status", &["worker"]).fails(75, &[]);
    systemd.set("active", "inactive");
    systemd.service("status", &["worker"]).fails(1, &[]);
}

#[test]
fn a_service_that_runs_and_does_not_do_its_work_is_told_from_one_that_does() {
    let systemd = Systemd::new();
    assert_eq!(systemd.service("install", &WORKER).code, 0);
    let keeper = systemd.keeps("worker");
    let status = || systemd.service("status", &["worker", "--json"]);
    until("it is seen that nothing was said yet", || {
        let ran = status();
        ran.code == 75 && ran.out.contains("unready")
    });
    keeper.says(true);
    until("it is seen to do its work", || status().code == 0);
    let told: Value = serde_json::from_str(&status().out).unwrap();
    // The program that works, not the one that keeps it: both are the same shell here.
    assert!(told["program"].is_string(), "{told}");
    keeper.says(false);
    until("it is seen that it doesn't any more", || {
        status().code == 75
    });
}

#[test]
fn whoever_has_no_rights_or_no_systemd_is_told_what_to_do() {
    let systemd = Systemd::new();
    systemd.set("refuses", "Failed to enable unit: Access denied");
    systemd
        .service("install", &WORKER)
        .fails(4, &["sudo", "--user"]);
    systemd.set(
        "refuses",
        "System has not been booted with systemd as init system (PID 1).",
    );
    systemd
        .service("status", &["worker"])
        .fails(3, &["docs/operations.md"]);
    let mut without = systemd.place.command(&["service", "status", "worker"]);
    without.env("PATH", systemd.place.path());
    Ran::of(without.output().unwrap()).fails(3, &["no systemd on this machine"]);
}

#[test]
fn the_version_in_use_of_an_installation_is_what_runs() {
    let systemd = Systemd::new();
    let root = systemd.place.path().join("an installation");
    fs::create_dir_all(root.join("current")).unwrap();
    fs::write(root.join("current/shraga"), "").unwrap();
    let root = root.canonicalize().unwrap();
    let shown = root.to_str().unwrap();
    let args = [
        "orchestrate",
        "--user-name",
        "root",
        "--root",
        shown,
        "--no-start",
    ];
    assert_eq!(systemd.service("install", &args).code, 0);
    let unit = systemd.unit("shraga-orchestrate.service");
    let starts =
        format!("\nExecStart=\"{shown}/current/shraga\" keep --root \"{shown}\" -- orchestrate\n");
    assert!(unit.contains(&starts), "{unit}");
    assert_eq!(
        systemd.done(),
        ["daemon-reload", "enable shraga-orchestrate.service"]
    );
}

#[test]
fn a_service_of_ones_own_is_in_ones_own_folder() {
    let systemd = Systemd::new();
    let mut command = systemd
        .place
        .command(&["service", "install", "up", "--user"]);
    let ran = Ran::of(command.env("PATH", systemd.path()).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let file = systemd
        .place
        .path()
        .join("config/systemd/user/shraga-up.service");
    let unit = fs::read_to_string(file).unwrap();
    assert!(unit.contains("WantedBy=default.target"), "{unit}");
    assert!(!unit.contains("User="), "{unit}");
    assert_eq!(systemd.done()[0], "--user daemon-reload");
}
