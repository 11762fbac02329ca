//! Guarantee 16: state is written atomically. A save that failed is an error in the log, can be read by others, and
//! doesn't stop the daemon.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use shraga_testkit::site::{ADMIN_TOKEN, Site};

use crate::beside::{FILE, file, once, stage, state};
use crate::common::{Place, Ran};
use crate::daemon::run_bounded;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_16_who_we_are_is_saved_once_the_store_told_and_nothing_is_left_beside() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    assert_eq!(once(&place, &site).code, 0);
    let written = std::fs::read(file(&place)).unwrap();
    assert_eq!(state(&place)["admin_user_id"], site.stage.admin.to_string());
    assert_eq!(once(&place, &site).code, 0);
    assert_eq!(std::fs::read(file(&place)).unwrap(), written);
    let names: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".orchestrator"))
        .collect();
    assert_eq!(names, [FILE]);
}

/// Runs `orchestrate --once` where no file can grow: the disk is full.
fn once_on_a_full_disk(place: &Place, site: &Site) -> Ran {
    let mut command = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_shraga");
    let script = format!("trap '' XFSZ; ulimit -f 0; exec '{binary}' orchestrate --once");
    command
        .args(["-c", &script])
        .current_dir(place.path())
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .env("HOME", place.path())
        .env("DATAVERSE_URL", &site.url)
        .env("DATAVERSE_TOKEN", ADMIN_TOKEN);
    run_bounded(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_16_on_a_full_disk_the_old_file_stays_the_error_is_said_and_work_goes_on() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    for old in [r#"{"shared_workers": [], "mine": 1}"#, r#"{"shared_wor"#] {
        let place = Place::new();
        std::fs::write(file(&place), old).unwrap();
        let task = ann.files("one").await;
        let ran = once_on_a_full_disk(&place, &site);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("ERROR"), "{}", ran.err);
        assert!(ran.err.contains("was not saved"), "{}", ran.err);
        assert_eq!(std::fs::read_to_string(file(&place)).unwrap(), old);
        assert_eq!(site.stage.mirrors(task).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_16_in_a_folder_that_takes_no_files_the_error_is_said_and_work_goes_on() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let task = ann.files("one").await;
    let mut command = crate::beside::orchestrate(&place, &site, &["--once"]);
    // Permission bits don't hold for root; the kernel's own folder takes no files from anybody.
    if std::path::Path::new("/proc/self").is_dir() {
        command.current_dir("/proc");
    } else {
        let locked = std::fs::Permissions::from_mode(0o555);
        std::fs::set_permissions(place.path(), locked).unwrap();
    }
    let ran = run_bounded(command);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("was not saved"), "{}", ran.err);
    assert_eq!(site.stage.mirrors(task).await.len(), 1);
}
