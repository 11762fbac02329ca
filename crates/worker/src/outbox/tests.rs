use super::*;

type Box_ = Outbox<Vec<String>>;

fn open(folder: &Path) -> (Box_, Found<Vec<String>>) {
    Box_::open(folder).unwrap()
}

fn reports(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn entries_come_back_in_order_until_they_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, found) = open(folder.path());
    assert!(found.entries.is_empty());
    let first = outbox.put(&reports(&["a", "b"])).unwrap();
    let second = outbox.put(&reports(&["c"])).unwrap();
    assert!(first < second);
    outbox.remove(first);
    let third = outbox.put(&reports(&["d"])).unwrap();
    let (_, found) = open(folder.path());
    assert_eq!(
        found.entries,
        [(second, reports(&["c"])), (third, reports(&["d"]))]
    );
}

#[test]
fn numbers_are_never_used_twice_while_anything_bears_them() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(folder.path());
    outbox.put(&reports(&["a"])).unwrap();
    let second = outbox.put(&reports(&["b"])).unwrap();
    let (mut again, _) = open(folder.path());
    assert!(again.put(&reports(&["c"])).unwrap() > second);
}

#[test]
fn a_crash_before_the_rename_loses_no_finished_entry() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("0000000000000007.tmp");
    write_synced(&whole, &encode(&reports(&["saved"])).unwrap()).unwrap();
    let (_, found) = open(folder.path());
    assert_eq!(found.entries, [(EntryId(7), reports(&["saved"]))]);
    assert_eq!(names(folder.path()), ["0000000000000007.json"]);
}

#[test]
fn a_crash_at_any_byte_of_the_write_keeps_the_other_entries_and_names_this_one() {
    let bytes = encode(&reports(&["half", "written"])).unwrap();
    for cut in 0..bytes.len() {
        let folder = tempfile::tempdir().unwrap();
        let (mut outbox, _) = open(folder.path());
        let good = outbox.put(&reports(&["good"])).unwrap();
        fs::write(folder.path().join("0000000000000002.tmp"), &bytes[..cut]).unwrap();
        let (_, found) = open(folder.path());
        assert_eq!(found.entries, [(good, reports(&["good"]))], "cut at {cut}");
        assert_eq!(found.spoiled.len(), 1, "cut at {cut}");
        assert!(found.spoiled[0].path.exists());
    }
}

#[test]
fn a_spoiled_entry_is_kept_aside_once_and_never_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(folder.path());
    outbox.put(&reports(&["good"])).unwrap();
    let path = folder.path().join("0000000000000001.json");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();

    let (_, found) = open(folder.path());
    assert!(found.entries.is_empty());
    assert_eq!(
        found.spoiled[0].why,
        "its content doesn't match its checksum"
    );
    assert_eq!(fs::read(&found.spoiled[0].path).unwrap(), bytes);
    let (mut outbox, found) = open(folder.path());
    assert!(found.spoiled.is_empty(), "named once is enough");
    assert_eq!(outbox.put(&reports(&["next"])).unwrap(), EntryId(2));
}

#[test]
fn an_entry_of_another_version_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("0000000000000001.json"),
        "shraga-outbox-2 x\n[]",
    )
    .unwrap();
    fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
    let (_, found) = open(folder.path());
    assert!(found.spoiled[0].why.contains("of this version"));
    assert_eq!(
        names(folder.path()),
        ["0000000000000001.spoiled-1", "notes.txt"]
    );
}

#[test]
fn what_cannot_be_written_says_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("outbox");
    let (mut outbox, _) = open(&inner);
    fs::remove_dir(&inner).unwrap();
    let error = outbox.put(&reports(&["a"])).unwrap_err();
    assert!(
        error.to_string().ends_with("could not be written"),
        "{error}"
    );
}
