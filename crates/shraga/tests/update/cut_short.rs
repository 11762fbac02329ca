//! `kill -9` of `shraga update --now` at each of its steps: the links lead to a whole version, nothing of it goes on
//! running once there is a next try, and that one succeeds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::until;
use crate::installation::Installation;

/// A shell script's piece that tells that it has come this far, who it is, and waits.
fn wait(installation: &Installation) -> String {
    let (pid, go) = (installation.path("pid"), installation.path("go"));
    let (pid, go) = (pid.display(), go.display());
    format!("[ -e {go} ] || echo $$ > {pid}; while [ ! -e {go} ]; do sleep 0.05; done\n")
}

/// Starts the update, with this folder of programs first.
fn start(installation: &Installation, programs: &Path) -> Child {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = programs.as_os_str().to_owned();
    all.push(":");
    all.push(path);
    let mut command = installation.place.command(&["update", "--now"]);
    command.env("PATH", all);
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.spawn().unwrap()
}

/// Whether the process lives; one that nobody reaped yet does not.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_some_and(|rest| !rest.starts_with(['Z', 'X']))
}

/// Kills an update where it waits, and tries again.
fn killed_where_it_waits(installation: &Installation, programs: &Path) {
    let mut update = start(installation, programs);
    let file = installation.path("pid");
    let mut pid = String::new();
    until("it waits", || {
        pid = fs::read_to_string(&file)
            .unwrap_or_default()
            .trim()
            .to_owned();
        !pid.is_empty()
    });
    update.kill().unwrap();
    update.wait().unwrap();
    assert_eq!(installation.says(), "shraga 1.0.0\n");
    assert!(
        lives(&pid),
        "what it started ended with it, so this shows nothing"
    );
    // The next one ends it before it begins, so it waits for nothing: `go` is only for its own.
    let next = std::thread::spawn({
        let (go, pid) = (installation.path("go"), pid.clone());
        move || {
            until("what was left is ended", || !lives(&pid));
            fs::write(go, "").unwrap();
        }
    });
    let again = installation.update(&["--now"]);
    next.join().unwrap();
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(installation.says(), "shraga 1.1.0\n");
}

fn with_one_version() -> (Installation, PathBuf) {
    let installation = Installation::new();
    assert_eq!(installation.update(&["--now"]).code, 0);
    let programs = installation.path("programs");
    fs::create_dir(&programs).unwrap();
    (installation, programs)
}

#[test]
fn an_update_that_is_killed_while_it_stages_leaves_nothing_running() {
    let (installation, programs) = with_one_version();
    installation.release("1.1.0", "");
    let real = Command::new("sh")
        .args(["-c", "command -v git"])
        .output()
        .unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let git = format!(
        "#!/bin/sh\ncase \" $* \" in *' clone '*) {} ;; esac\nexec {} \"$@\"\n",
        wait(&installation),
        real.trim()
    );
    let file = programs.join("git");
    fs::write(&file, git).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    killed_where_it_waits(&installation, &programs);
}

#[test]
fn an_update_that_is_killed_while_it_builds_leaves_nothing_running() {
    let (installation, programs) = with_one_version();
    installation.release("1.1.0", &wait(&installation));
    killed_where_it_waits(&installation, &programs);
}

#[test]
fn an_update_that_is_killed_while_it_tests_leaves_nothing_running() {
    let (installation, programs) = with_one_version();
    let script = format!("if [ \"$1\" = sim ]; then\n{}fi\n", wait(&installation));
    installation.release_doing("1.1.0", "", &script);
    killed_where_it_waits(&installation, &programs);
}

#[test]
fn an_update_that_is_killed_while_it_installs_or_swaps_leaves_whole_versions() {
    let (installation, programs) = with_one_version();
    let tested = installation.path("tested");
    let script = format!("[ \"$1\" != sim ] || touch {}\n", tested.display());
    let record = installation.path("root/record.json");
    let late = ["\"install\"", "\"swap\"", "\"under_way\": null"];
    for (round, step) in late.into_iter().cycle().take(6).enumerate() {
        let version = format!("1.{}.0", round + 1);
        installation.release_doing(&version, "", &script);
        fs::remove_file(&tested).ok();
        let before = installation.says();
        let mut update = start(&installation, &programs);
        // It has but a few renames to do after its last trial: what is met is one of these steps, or its end.
        until("its last trial was done", || tested.exists());
        until("it came to that step, or beyond", || {
            let said = fs::read_to_string(&record).unwrap_or_default();
            let rank = |word: &str| late.iter().position(|step| *step == word);
            late.iter()
                .any(|word| said.contains(word) && rank(word) >= rank(step))
        });
        update.kill().unwrap();
        update.wait().unwrap();
        let says = installation.says();
        assert!(
            says == before || says == format!("shraga {version}\n"),
            "{says}"
        );
        let again = installation.update(&["--now"]);
        assert_eq!(again.code, 0, "{}", again.err);
        assert_eq!(installation.says(), format!("shraga {version}\n"));
    }
}
