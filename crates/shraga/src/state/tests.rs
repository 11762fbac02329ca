//! The state file in every condition.

use std::fs;
use std::path::{Path, PathBuf};

use shraga_core::ids::UserId;
use tempfile::TempDir;

use super::keeper::Keeper;
use super::save::{SaveError, Saved, check_folder, save_admin};
use super::{FILE_NAME, State};

const ADMIN: &str = "0193f0a1-b2c3-7d4e-8f90-112233445566";
const OTHER: &str = "0193f0a1-b2c3-7d4e-8f90-112233445577";
const WORKER: &str = "0193f0a1-b2c3-7d4e-8f90-1122334455aa";

fn admin() -> UserId {
    ADMIN.parse().unwrap()
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    (folder, path)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_state_file_is_used_as_far_as_it_is_good_and_each_bad_element_is_named() {
    let text = format!(
        r#"{{"admin_user_id": "x", "shared_workers": ["{WORKER}", 7, "'; drop", "{WORKER}"]}}"#
    );
    let state = State::parse(text.as_bytes());
    assert_eq!(state.admin, None);
    assert_eq!(state.shared_workers, [WORKER.parse().unwrap()]);
    insta::assert_snapshot!(state.problems.join("\n"), @r#"
    admin_user_id is "x", which is not a GUID
    shared_workers[1] is 7, which is not a GUID
    shared_workers[2] is "'; drop", which is not a GUID
    shared_workers[3] repeats 0193f0a1-b2c3-7d4e-8f90-1122334455aa
    "#);
    assert_eq!(State::parse(b"[]").problems, ["is not a JSON object"]);
    assert_eq!(State::read(Path::new("/nonexistent/x")), State::default());
}

#[test]
fn a_byte_order_mark_is_no_problem() {
    let text = format!("\u{feff}{{\"shared_workers\": [\"{WORKER}\"]}}");
    let state = State::parse(text.as_bytes());
    assert_eq!((state.shared_workers.len(), state.problems.len()), (1, 0));
}

#[test]
fn a_missing_file_is_made_as_the_original_would_make_it() {
    let (folder, path) = place();
    assert_eq!(save_admin(&path, admin()).unwrap(), Saved::Written(None));
    let text = fs::read_to_string(&path).unwrap();
    insta::assert_snapshot!(text, @r#"
    {
      "admin_user_id": "0193f0a1-b2c3-7d4e-8f90-112233445566",
      "shared_workers": []
    }
    "#);
    assert_eq!(names(folder.path()), [FILE_NAME]);
    assert_eq!(save_admin(&path, admin()).unwrap(), Saved::Unchanged);
}

#[test]
fn another_admin_is_replaced_and_everything_else_stays() {
    let (folder, path) = place();
    let text = format!(
        r#"{{"theirs": {{"b": 1, "a": [null]}}, "shared_workers": ["{WORKER}"], "admin_user_id": "{OTHER}"}}"#
    );
    fs::write(&path, text).unwrap();
    assert_eq!(save_admin(&path, admin()).unwrap(), Saved::Written(None));
    let saved: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(saved["theirs"], serde_json::json!({"b": 1, "a": [null]}));
    assert_eq!(saved["shared_workers"], serde_json::json!([WORKER]));
    assert_eq!(saved["admin_user_id"], ADMIN);
    assert_eq!(names(folder.path()), [FILE_NAME]);
}

#[test]
fn what_was_not_understood_is_kept_under_a_new_name_each_time() {
    let deep = "[".repeat(100_000);
    let huge = vec![b' '; 2 * 1024 * 1024];
    let broken: [&[u8]; 7] = [
        b"{\"admin_user_id\": \"0193",
        b"[]",
        b"\x00\x01\xff\xfe\x80",
        b"\xff\xfe{\x00}\x00",
        b"",
        deep.as_bytes(),
        &huge,
    ];
    let (folder, path) = place();
    for (number, bytes) in (1..).zip(broken) {
        fs::write(&path, bytes).unwrap();
        assert_eq!(State::read(&path).problems.len(), 1);
        let saved = save_admin(&path, admin()).unwrap();
        let kept = folder.path().join(format!("{FILE_NAME}.kept-{number}"));
        assert_eq!(saved, Saved::Written(Some(kept.clone())));
        assert_eq!(fs::read(kept).unwrap(), bytes);
        assert_eq!(State::read(&path).admin, Some(admin()));
        assert_eq!(State::read(&path).problems, [""; 0]);
    }
    assert_eq!(names(folder.path()).len(), broken.len() + 1);
}

#[test]
fn good_elements_are_kept_in_the_file_and_bad_ones_beside_it() {
    let (folder, path) = place();
    let text = format!(r#"{{"shared_workers": ["{WORKER}", "x"], "mine": 1}}"#);
    fs::write(&path, &text).unwrap();
    let Saved::Written(Some(kept)) = save_admin(&path, admin()).unwrap() else {
        panic!("it was not kept");
    };
    assert_eq!(fs::read_to_string(kept).unwrap(), text);
    let state = State::read(&path);
    assert_eq!(state.shared_workers, [WORKER.parse().unwrap()]);
    assert_eq!(state.problems, [""; 0]);
    assert!(fs::read_to_string(&path).unwrap().contains("\"mine\": 1"));
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn what_cannot_be_read_is_left_as_it_is() {
    let (folder, path) = place();
    fs::create_dir(&path).unwrap();
    let error = save_admin(&path, admin()).unwrap_err();
    assert!(matches!(error, SaveError::Closed { .. }), "{error}");
    assert!(path.is_dir());
    assert_eq!(names(folder.path()), [FILE_NAME]);
}

#[cfg(unix)]
#[test]
fn a_link_is_read_and_never_written_through() {
    let (folder, path) = place();
    let target = folder.path().join("target");
    let text = format!(r#"{{"shared_workers": ["{WORKER}"]}}"#);
    fs::write(&target, &text).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert_eq!(State::read(&path).shared_workers.len(), 1);
    let error = save_admin(&path, admin()).unwrap_err();
    assert!(matches!(error, SaveError::Link(_)), "{error}");
    assert_eq!(fs::read_to_string(&target).unwrap(), text);
    fs::remove_file(&target).unwrap();
    assert_eq!(State::read(&path).problems, ["is a link to nothing"]);
    assert!(save_admin(&path, admin()).is_err());
    assert!(!target.exists());
}

#[cfg(unix)]
#[test]
fn the_files_permissions_stay() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = place();
    fs::write(&path, "{}").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    save_admin(&path, admin()).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_folder_that_is_gone_is_an_error_that_names_it() {
    let (folder, path) = place();
    assert!(check_folder(&path).is_ok());
    assert_eq!(names(folder.path()), [""; 0]);
    drop(folder);
    let error = save_admin(&path, admin()).unwrap_err();
    let folder = path.parent().unwrap().display().to_string();
    assert!(error.to_string().contains(&folder), "{error}");
    assert!(check_folder(&path).is_err());
}

#[test]
fn a_keeper_tells_what_is_wrong_with_the_file() {
    let (_folder, path) = place();
    fs::write(&path, r#"{"shared_workers": 5}"#).unwrap();
    let keeper = Keeper::open(path);
    let health = keeper.health();
    assert_eq!(health.borrow().problems, ["shared_workers is not a list"]);
    assert!(keeper.workers().borrow().is_empty());
}
