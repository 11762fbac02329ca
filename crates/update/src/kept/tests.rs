use super::*;

fn kept(folder: &Path, release: &str) -> Kept {
    let environment = [
        (FOLDER_VARIABLE.to_owned(), folder.display().to_string()),
        (RELEASE_VARIABLE.to_owned(), release.to_owned()),
    ];
    Kept::from(&environment.into()).unwrap()
}

const RELEASE: &str = "1.2.0-0123456789ab";

#[test]
fn a_keeper_reads_what_its_program_said_last_and_nothing_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let program = kept(folder.path(), RELEASE);
    assert_eq!(program.release(), Some(&RELEASE.parse().unwrap()));
    assert_eq!(latest(folder.path()), None);
    let pulse = |beat| Pulse {
        pid: 7,
        beat,
        healthy: beat > 1,
        says: "is well".to_owned(),
    };
    program.pulse(&pulse(1)).unwrap();
    program.pulse(&pulse(2)).unwrap();
    assert_eq!(latest(folder.path()), Some(pulse(2)));
    let to = HandOver {
        to: RELEASE.parse().unwrap(),
        turn: true,
    };
    program.hand_over(&to).unwrap();
    assert_eq!(wanted(folder.path()), Some(to));
    prepare(folder.path()).unwrap();
    assert_eq!(latest(folder.path()), None);
    assert_eq!(wanted(folder.path()), None);
}

#[test]
fn what_is_torn_or_names_no_version_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(PULSE), "{\"pid\":7,").unwrap();
    assert_eq!(latest(folder.path()), None);
    for next in ["", "{}", "{\"to\":\"../../bin\",\"turn\":true}"] {
        fs::write(folder.path().join(NEXT), next).unwrap();
        assert_eq!(wanted(folder.path()), None, "{next}");
    }
}

#[test]
fn a_program_that_nobody_keeps_knows_it_and_one_without_an_installation_has_no_version() {
    assert!(Kept::from(&BTreeMap::new()).is_none());
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(kept(folder.path(), "unknown").release(), None);
}
