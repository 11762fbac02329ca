//! The data folder's contract with scripts.

use super::*;

fn endpoint(folder: &Path) -> Endpoint {
    Endpoint {
        url: "http://127.0.0.1:1".to_owned(),
        token_file: folder.join("admin.token"),
        user_token_file: folder.join("user.token"),
    }
}

#[test]
fn a_published_endpoint_reads_back_and_is_gone_after_withdrawal() {
    let dir = tempfile::tempdir().unwrap();
    endpoint(dir.path()).publish(dir.path()).unwrap();
    assert_eq!(Endpoint::read(dir.path()).unwrap(), endpoint(dir.path()));
    Endpoint::withdraw(dir.path());
    assert_eq!(
        Endpoint::read(dir.path()).unwrap_err().exit,
        Exit::Unreachable
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_what_is_published() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    endpoint(dir.path()).publish(dir.path()).unwrap();
    let mode = std::fs::metadata(dir.path().join(FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_data_folder_is_found_from_any_folder_below_and_ignores_itself() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    create_folder(&dir.path().join(FOLDER)).unwrap();
    assert_eq!(find_folder(&deep, None), Some(dir.path().join(FOLDER)));
    assert_eq!(find_folder(&deep, Some(&deep)), None, "not above home");
    let home = find_folder(&deep, Some(dir.path()));
    assert_eq!(home, Some(dir.path().join(FOLDER)));
    let ignore = std::fs::read_to_string(dir.path().join(FOLDER).join(".gitignore")).unwrap();
    assert_eq!(ignore, "*\n");
}

#[test]
fn a_token_file_outside_the_data_folder_is_never_sent() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    let mut stray = endpoint(dir.path());
    stray.user_token_file = elsewhere.path().to_owned();
    stray.publish(dir.path()).unwrap();
    let refused = Endpoint::read(dir.path()).unwrap_err();
    assert_eq!(refused.exit, Exit::Configuration);
}

#[test]
fn an_address_of_another_machine_gets_no_token() {
    let dir = tempfile::tempdir().unwrap();
    for (url, fits) in [
        ("http://127.0.0.1:1", true),
        ("https://[::1]:1", true),
        ("https://203.0.113.7:1", false),
        ("https://127.0.0.1.example.org", false),
        ("https://127.0.0.1@203.0.113.7", false),
        ("nonsense", false),
    ] {
        let mut planted = endpoint(dir.path());
        planted.url = url.to_owned();
        planted.publish(dir.path()).unwrap();
        assert_eq!(Endpoint::read(dir.path()).is_ok(), fits, "{url}");
    }
}
