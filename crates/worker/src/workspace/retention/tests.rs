#![cfg(unix)]

use std::os::unix::fs::symlink;

use shraga_core::time::Span;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

struct Worker {
    folder: TempDir,
}

fn task(number: u128) -> TaskId {
    TaskId::new(Uuid::from_u128(number))
}

fn day(day: i64) -> Timestamp {
    Timestamp::from_millis(day * 86_400_000)
}

fn keeping(days: i64, cap: Option<u64>) -> Keeping {
    Keeping {
        retention: Some(Span::secs(days * 86_400)),
        cap_bytes: cap,
    }
}

impl Worker {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tasks", "repositories"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// An attempt's folder with about 64 KiB in it.
    fn attempt(&self, number: u128, name: &str) -> PathBuf {
        let folder = self.root().join(format!("tasks/{}/{name}", task(number)));
        fs::create_dir_all(folder.join("work")).unwrap();
        fs::write(folder.join("work/file"), vec![7; 65_536]).unwrap();
        folder
    }

    fn accept(&self, number: u128, attempt: u32, at: Timestamp) {
        let accepted = Accepted {
            task: task(number),
            attempt: Attempt(attempt),
            clock: StoreClock::new(at),
        };
        note(self.root(), accepted, at).unwrap();
    }

    fn sweep(&self, keeping: &Keeping, now: Timestamp) -> Disk {
        sweep(self.root(), keeping, now)
    }
}

#[test]
fn an_attempt_goes_after_its_report_was_taken_and_the_retention_has_passed() {
    let worker = Worker::new();
    let first = worker.attempt(1, "attempt-1");
    let again = worker.attempt(1, "attempt-1.2");
    let second = worker.attempt(1, "attempt-2");
    worker.accept(1, 1, day(1));
    worker.sweep(&keeping(7, None), day(7));
    assert!(first.exists() && again.exists());
    worker.sweep(&keeping(7, None), day(8));
    assert!(!first.exists() && !again.exists());
    assert!(second.exists(), "its report was not taken");
    worker.accept(1, 2, day(8));
    worker.sweep(&keeping(7, None), day(15));
    assert!(!worker.root().join(format!("tasks/{}", task(1))).exists());
}

#[test]
fn a_report_is_noted_once_and_never_for_a_task_that_has_no_folder() {
    let worker = Worker::new();
    let folder = worker.attempt(1, "attempt-1");
    worker.accept(1, 1, day(1));
    worker.accept(1, 1, day(5));
    worker.accept(2, 1, day(1));
    assert!(!worker.root().join(format!("tasks/{}", task(2))).exists());
    worker.sweep(&keeping(7, None), day(8));
    assert!(!folder.exists());
}

#[test]
fn over_the_cap_the_oldest_go_and_commits_that_are_nowhere_else_stay() {
    let worker = Worker::new();
    let unaccepted = worker.attempt(1, "attempt-1");
    let precious = worker.attempt(2, "attempt-1");
    fs::create_dir(precious.join("repo.git")).unwrap();
    let pushed = worker.attempt(3, "attempt-1");
    fs::create_dir(pushed.join("repo.git")).unwrap();
    fs::write(
        pushed.join("evidence.json"),
        r#"{"commits":1,"pushed":true}"#,
    )
    .unwrap();
    let newest = worker.attempt(4, "attempt-1");
    for (number, at) in [(2, 1), (3, 2), (4, 3)] {
        worker.accept(number, 1, day(at));
    }
    let disk = worker.sweep(&keeping(7, Some(250_000)), day(4));
    assert!(unaccepted.exists() && precious.exists() && newest.exists());
    assert!(!pushed.exists() && !disk.full, "{disk:?}");
    let disk = worker.sweep(&keeping(7, Some(1_000)), day(4));
    assert!(unaccepted.exists() && precious.exists() && !newest.exists());
    assert!(disk.full, "{disk:?}");
}

#[test]
fn what_is_no_attempts_and_what_links_lead_to_is_left_alone() {
    let worker = Worker::new();
    let folder = worker.attempt(1, "attempt-1");
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("kept"), "kept").unwrap();
    symlink(outside.path(), folder.join("work/link")).unwrap();
    let parent = folder.parent().unwrap();
    symlink(outside.path(), parent.join("attempt-7")).unwrap();
    fs::write(parent.join("attempt-7.accepted"), r#"{"at_ms":0}"#).unwrap();
    let elsewhere = worker.root().join("tasks/not-a-task/attempt-1");
    fs::create_dir_all(&elsewhere).unwrap();
    let notes = parent.join("notes");
    fs::create_dir(&notes).unwrap();
    worker.accept(1, 1, day(1));
    worker.sweep(&keeping(7, Some(0)), day(100));
    assert!(!folder.exists());
    assert!(outside.path().join("kept").exists() && elsewhere.exists() && notes.exists());
}

#[test]
fn an_accepted_mark_that_is_a_link_or_nonsense_is_none() {
    let worker = Worker::new();
    let folder = worker.attempt(1, "attempt-1");
    let mark = folder.parent().unwrap().join("attempt-1.accepted");
    fs::write(&mark, "yes").unwrap();
    worker.sweep(&keeping(7, Some(0)), day(100));
    fs::remove_file(&mark).unwrap();
    let real = worker.root().join("real");
    fs::write(&real, r#"{"at_ms":0}"#).unwrap();
    symlink(&real, &mark).unwrap();
    worker.sweep(&keeping(7, Some(0)), day(100));
    assert!(folder.exists());
}

#[test]
fn cached_repositories_that_nobody_borrows_from_go_before_any_attempt() {
    let worker = Worker::new();
    let clone = |name: &str| {
        let folder = worker
            .root()
            .join("repositories/owner")
            .join(name)
            .join("1.git");
        fs::create_dir_all(folder.join("objects")).unwrap();
        fs::write(folder.join("objects/pack"), vec![7; 65_536]).unwrap();
        folder
    };
    let (used, unused) = (clone("used"), clone("unused"));
    let folder = worker.attempt(1, "attempt-1");
    let info = folder.join("repo.git/objects/info");
    fs::create_dir_all(&info).unwrap();
    let line = format!("{}\n", used.join("objects").display());
    fs::write(info.join("alternates"), line).unwrap();
    worker.accept(1, 1, day(1));
    worker.sweep(&keeping(7, None), day(2));
    assert!(used.exists() && unused.exists(), "without need they stay");
    worker.sweep(&keeping(7, Some(1_000)), day(2));
    assert!(used.exists() && !unused.exists() && folder.exists());
}

#[test]
fn a_removal_that_was_cut_short_is_finished() {
    let worker = Worker::new();
    let half = worker.root().join("removed/tasks-x-attempt-1");
    fs::create_dir_all(half.join("work")).unwrap();
    worker.sweep(&keeping(7, None), day(1));
    assert!(!half.exists());
}

#[tokio::test]
async fn the_driver_is_told_when_there_is_no_room() {
    let worker = Worker::new();
    worker.attempt(1, "attempt-1");
    let clock = StoreClock::new(day(1));
    let mut retention = Retention::start(worker.root(), keeping(7, Some(1_000)), clock);
    let full = retention.disk.wait_for(|disk| disk.full).await;
    drop(full.unwrap());
    retention.accepted(task(1), Attempt(1), clock);
    let room = retention.disk.wait_for(|disk| !disk.full).await;
    drop(room.unwrap());
    assert!(!retention.disk().full);
}
