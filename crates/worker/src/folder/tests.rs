use super::*;

fn boot(number: u128) -> BootId {
    BootId::new(Uuid::from_u128(number))
}

fn task() -> TaskId {
    TaskId::new(Uuid::from_u128(7))
}

fn attempt(root: &Path) -> Result<AttemptFolder, FolderError> {
    AttemptFolder::create(root, task(), Attempt(2), "do it")
}

#[tokio::test]
async fn a_folder_serves_one_process_at_a_time_and_remembers_the_boot_before() {
    let root = tempfile::tempdir().unwrap();
    let first = WorkerFolder::open(root.path()).await.unwrap();
    assert_eq!(first.previous_boot(), None);
    first.note_boot(boot(1)).unwrap();
    let refused = WorkerFolder::try_open(root.path()).unwrap_err();
    assert!(matches!(refused, FolderError::InUse { .. }));
    drop(first);
    let second = WorkerFolder::open(root.path()).await.unwrap();
    assert_eq!(second.previous_boot(), Some(boot(1)));
}

#[test]
fn an_attempt_has_its_prompt_and_a_place_to_work_and_a_repeat_gets_its_own() {
    let root = tempfile::tempdir().unwrap();
    let worker = WorkerFolder::try_open(root.path()).unwrap();
    let first = attempt(worker.root()).unwrap();
    let again = attempt(worker.root()).unwrap();
    assert!(first.path().ends_with("attempt-2") && again.path().ends_with("attempt-2.2"));
    assert_eq!(
        fs::read_to_string(first.path().join("prompt.txt")).unwrap(),
        "do it"
    );
    assert!(again.work().is_dir());
}

#[test]
fn an_attempt_that_was_begun_too_often_is_not_begun_again() {
    let root = tempfile::tempdir().unwrap();
    let worker = WorkerFolder::try_open(root.path()).unwrap();
    for _ in 0..REPEATS {
        attempt(worker.root()).unwrap();
    }
    let refused = attempt(worker.root()).unwrap_err();
    assert_eq!(refused.to_string(), "the worker ended 3 times while it ran");
}

#[test]
fn records_of_an_attempt_are_found_by_the_next_process_until_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let worker = WorkerFolder::try_open(root.path()).unwrap();
    let folder = attempt(worker.root()).unwrap();
    let (one, other) = (
        MirrorId::new(Uuid::from_u128(1)),
        MirrorId::new(Uuid::from_u128(2)),
    );
    for (mirror, number) in [(one, 2), (one, 21), (other, 2)] {
        fs::write(folder.record(mirror, Attempt(number)), "unreadable").unwrap();
    }
    forget(worker.root(), one, Attempt(2));
    let left = worker.records();
    assert!(left.iter().all(|(_, record)| record.is_none()));
    let mut left: Vec<_> = left.into_iter().map(|(path, _)| path).collect();
    left.sort();
    let expected = [
        folder.record(one, Attempt(21)),
        folder.record(other, Attempt(2)),
    ];
    assert_eq!(left, expected);
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let worker = WorkerFolder::try_open(root.path()).unwrap();
    symlink(
        elsewhere.path(),
        root.path().join("tasks").join(task().to_string()),
    )
    .unwrap();
    let refused = attempt(worker.root()).unwrap_err();
    assert!(
        matches!(refused, FolderError::NotAFolder { .. }),
        "{refused}"
    );
    fs::remove_file(root.path().join("tasks").join(task().to_string())).unwrap();

    let folder = attempt(worker.root()).unwrap();
    let target = elsewhere.path().join("target");
    symlink(&target, folder.path().join("outcome.json")).unwrap();
    assert!(folder.write("outcome.json", b"{}").is_err());
    folder.rewrite("outcome.json", b"{}").unwrap();
    assert!(!target.exists());
}
