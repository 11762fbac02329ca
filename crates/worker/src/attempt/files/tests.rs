//! Files that travel.
#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

#[tokio::test]
async fn files_of_a_plain_folder_are_laid_out_as_they_were() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(from.path().join("in/deep")).unwrap();
    fs::write(from.path().join("in/deep/file"), b"\xff\0text").unwrap();
    fs::write(from.path().join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(from.path().join("run"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", from.path().join("link")).unwrap();
    let Files::Plain(files) = take(from.path().to_owned()).await else {
        panic!("nothing was taken");
    };
    assert_eq!(files.len(), 2);
    lay_out(files, to.path().to_owned()).await.unwrap();
    let read = fs::read(to.path().join("in/deep/file")).unwrap();
    assert_eq!(read, b"\xff\0text");
    let mode = fs::metadata(to.path().join("run")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o100, 0o100);
    assert!(!to.path().join("link").exists());
}

#[tokio::test]
async fn an_empty_folder_has_none_and_a_huge_one_loses_them() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(take(folder.path().to_owned()).await, Files::None);
    let file = fs::File::create(folder.path().join("huge")).unwrap();
    file.set_len(MOST_BYTES as u64 + 1).unwrap();
    assert_eq!(take(folder.path().to_owned()).await, Files::Lost);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_refused() {
    for path in ["../out", "/tmp/out", "in/../../out", "", "."] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let file = Carried {
            path: path.to_owned(),
            runs: false,
            content: STANDARD.encode("x"),
        };
        assert!(lay_out(vec![file], root).await.is_err(), "{path}");
        assert!(!folder.path().join("out").exists());
    }
}
