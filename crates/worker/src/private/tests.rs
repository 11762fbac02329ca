//! What an agent may have put where a file is expected.
#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn read(root: &Path, name: &str) -> io::Result<Head> {
    read_within(root, Path::new(name), 4)
}

#[test]
fn what_somebody_else_wrote_is_read_within_its_bound_and_never_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("task"), folder.path().join("other"));
    fs::create_dir_all(root.join("in")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    fs::write(root.join("in/short"), "abc").unwrap();
    fs::write(root.join("in/long"), "abcdef").unwrap();
    let head = |text: &str, whole| Head {
        bytes: text.as_bytes().to_vec(),
        whole,
    };
    assert_eq!(read(&root, "in/short").unwrap(), head("abc", true));
    assert_eq!(read(&root, "in/long").unwrap(), head("abcd", false));
    symlink(outside.join("secret"), root.join("file-link")).unwrap();
    symlink(&outside, root.join("folder-link")).unwrap();
    symlink(&root, folder.path().join("root-link")).unwrap();
    for name in [
        "file-link",
        "folder-link/secret",
        "../other/secret",
        "in/../../other/secret",
        "in",
        "",
        "missing",
    ] {
        assert!(read(&root, name).is_err(), "{name}");
    }
    let absolute = outside.join("secret").display().to_string();
    assert!(read(&root, &absolute).is_err());
    assert!(read(&folder.path().join("root-link"), "in/short").is_err());
}

#[test]
fn a_pipe_or_a_device_in_a_files_place_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_bits_truncate(0o600),
        0,
    );
    made.unwrap();
    assert!(read(folder.path(), "pipe").is_err());
    assert!(read(Path::new("/dev"), "zero").is_err());
}

#[test]
fn a_folder_is_removed_even_if_it_is_read_only_and_links_in_it_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("task"), folder.path().join("other"));
    fs::create_dir_all(root.join("in/deep")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    fs::write(root.join("in/deep/file"), "").unwrap();
    symlink(&outside, root.join("in/link")).unwrap();
    for name in ["in/deep", "in"] {
        fs::set_permissions(root.join(name), PermissionsExt::from_mode(0o500)).unwrap();
    }
    remove_folder(&root).unwrap();
    assert!(!root.exists());
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    assert_eq!(
        remove_folder(&root).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}
