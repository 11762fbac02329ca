//! Tasks about repositories, and what becomes of attempts' folders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;
use shraga_core::repository::Allowed;
use shraga_core::status::{TaskStatus, WorkerState};
use shraga_core::time::Span;
use shraga_core::worker::Keeping;
use shraga_worker::{Config, Repositories};

use crate::world::{WORKER, World};

impl World {
    /// A repository with one commit, beside the worker's folder.
    async fn repository(&self) -> PathBuf {
        let path = self.shared("app");
        std::fs::create_dir(&path).unwrap();
        let script = "git init -q -b main && echo hello > README && git add README && \
                      git -c user.name=a -c user.email=a@b commit -q -m first";
        let env = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
        let argv = ["sh", "-c", script];
        let ran = shraga_process::run_tool(&argv, &path, env, Duration::from_secs(60)).await;
        ran.unwrap();
        path
    }

    /// A worker that may be sent to `place`.
    fn working_in(&self, place: &Path, script: &str) -> Config {
        let place = place.display().to_string();
        let mut config = self.config("worker", script);
        config.repositories = Repositories {
            allowed: Allowed::new(vec![place.parse().unwrap()]),
            ..Repositories::default()
        };
        config
    }
}

#[tokio::test]
async fn what_an_attempt_changed_in_its_repository_is_in_the_tasks_output() {
    let world = World::new().await;
    let app = world.repository().await;
    let script = "echo more >> README; git commit -q -a -m 'say more'; echo done";
    let worker = world.start_as(WORKER, world.working_in(&app, script));
    let input = serde_json::json!({"repo": app, "ref": "main"});
    let task = world.assign_wanting("say more", &input.to_string()).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "done\n");
    let output: Json = serde_json::from_str(row["cr_output"].as_str().unwrap()).unwrap();
    let changes = &output["changes"];
    assert_eq!(changes["commits"][0]["subject"], "say more");
    assert_eq!(changes["commit_count"], 1);
    assert_eq!(changes["files"][0]["path"], "README");
    assert_eq!(changes["push"], "not-asked");
    let message = row["cr_statusmessage"].as_str().unwrap();
    assert!(message.contains("1 commit, 1 file on shraga/"), "{message}");
    worker.drain().await;
}

#[tokio::test]
async fn a_repository_that_the_worker_does_not_allow_fails_the_task_by_name() {
    let world = World::new().await;
    let app = world.repository().await;
    let worker = world.start("echo ran");
    let input = serde_json::json!({"repo": app});
    let task = world.assign_wanting("say more", &input.to_string()).await;
    let row = world.until_status(task, TaskStatus::Failed).await;
    assert_eq!(row["cr_reason"], "repository-refused");
    worker.drain().await;
}

#[tokio::test]
async fn a_folder_goes_once_its_report_was_taken_and_a_full_disk_drains_the_worker() {
    let world = World::new().await;
    let mut config = world.config("worker", "head -c 200000 /dev/zero > large; echo done");
    config.keeping = Keeping {
        retention: Some(Span::ZERO),
        cap_bytes: Some(100_000),
    };
    let tasks = config.folder.join("tasks");
    // Of a version that did not note that reports were taken: it stays, and fills the disk.
    let old = tasks.join("00000000-0000-0000-0000-000000000001/attempt-1");
    std::fs::create_dir_all(&old).unwrap();
    std::fs::write(old.join("kept"), vec![7; 200_000]).unwrap();
    let mut worker = world.start_as(WORKER, config);
    let full =
        |status: &shraga_worker::Status| status.disk.full && status.state == WorkerState::Draining;
    worker.until("draining", full).await;
    std::fs::remove_dir_all(old.parent().unwrap()).unwrap();
    worker.drain().await;

    let mut config = world.config("worker", "head -c 200000 /dev/zero > large; echo done");
    config.keeping.retention = Some(Span::ZERO);
    let worker = world.start_as(WORKER, config);
    let task = world.assign("do it").await;
    world.until_status(task, TaskStatus::Completed).await;
    let gone = || std::fs::read_dir(&tasks).is_ok_and(|mut found| found.next().is_none());
    crate::world::until_true("its folder is gone", gone).await;
    worker.drain().await;
}
