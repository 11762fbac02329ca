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

#[test]
fn a_folder_serves_one_process_at_a_time_and_remembers_the_boot_before() {
    let root = tempfile::tempdir().unwrap();
    let first = WorkerFolder::open(root.path(), boot(1)).unwrap();
    assert_eq!(first.previous_boot(), None);
    let refused = WorkerFolder::open(root.path(), boot(2)).unwrap_err();
    assert!(matches!(refused, FolderError::InUse { .. }));
    drop(first);
    let second = WorkerFolder::open(root.path(), boot(3)).unwrap();
    assert_eq!(second.previous_boot(), Some(boot(1)));
}

#[test]
fn an_attempt_has_its_prompt_and_a_place_to_work_and_a_repeat_gets_its_own() {
    let root = tempfile::tempdir().unwrap();
    let worker = WorkerFolder::open(root.path(), boot(1)).unwrap();
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
    let worker = WorkerFolder::open(root.path(), boot(1)).unwrap();
    for _ in 0..REPEATS {
        attempt(worker.root()).unwrap();
    }
    let refused = attempt(worker.root()).unwrap_err();
    assert_eq!(refused.to_string(), "the worker ended 3 times while it ran");
}

#[test]
fn recorded_groups_are_found_by_the_next_process_until_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let worker = WorkerFolder::open(root.path(), boot(1)).unwrap();
    let folder = attempt(worker.root()).unwrap();
    let group = GroupRecord {
        pid: 99_999_999,
        started: "x".to_owned(),
    };
    folder.record_group(&group).unwrap();
    assert_eq!(worker.recorded_groups()[0].1, group);
    folder.forget_group();
    assert!(worker.recorded_groups().is_empty());
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let worker = WorkerFolder::open(root.path(), boot(1)).unwrap();
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
    assert!(!target.exists());
}
