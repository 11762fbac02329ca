//! Units as text: every value is read as what it was, by the rules of systemd's that are told beside.

use std::path::PathBuf;

use proptest::prelude::*;

use super::unit::Unsayable;
use super::*;

fn unit(role: Role) -> Unit {
    Unit {
        role,
        name: None,
        program: Program::Installed(PathBuf::from("/opt/shraga")),
        common: Vec::new(),
        args: Vec::new(),
        user: Some("shraga".to_owned()),
        environment: Some(PathBuf::from("/etc/shraga/environment")),
        here: None,
        systemd: Some(255),
    }
}

/// The value of a setting, which stands there once.
fn setting<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let found: Vec<&str> = found.collect();
    assert_eq!(found.len(), 1, "{name} in\n{text}");
    found[0]
}

/// The words of a command line as systemd takes it apart (systemd.service(5), COMMAND LINES; systemd.syntax(7),
/// QUOTING): words at white space, double quotes, backslashes, `%%`, and but for the program `$$`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while rest.peek().is_some() {
        let (mut word, mut quoted) = (String::new(), false);
        let first = words.is_empty();
        while let Some(c) = rest.next() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => break,
                '\\' => match rest.next() {
                    Some(c @ ('"' | '\\')) => word.push(c),
                    other => panic!("\\ before {other:?} in {line}"),
                },
                '%' => {
                    assert_eq!(rest.next(), Some('%'), "a specifier in {line}");
                    word.push('%');
                }
                '$' if !first => {
                    assert_eq!(rest.next(), Some('$'), "a variable in {line}");
                    word.push('$');
                }
                '\'' | ';' => {
                    assert!(quoted, "{c} outside quotes in {line}");
                    word.push(c);
                }
                c => word.push(c),
            }
        }
        assert!(!quoted, "an open quote in {line}");
        words.push(word);
    }
    words
}

#[test]
fn a_unit_of_an_orchestrator_is_as_documented() {
    insta::assert_snapshot!(unit(Role::Orchestrate).text().unwrap());
}

#[test]
fn a_unit_of_ones_own_worker_is_as_documented() {
    let own = Unit {
        name: Some("gpu".to_owned()),
        program: Program::File(PathBuf::from("/home/ann/bin/shraga")),
        args: ["--name", "gpu", "--labels", "a b"]
            .map(str::to_owned)
            .into(),
        user: None,
        environment: None,
        here: Some(PathBuf::from("/home/ann/my project")),
        systemd: None,
        ..unit(Role::Worker)
    };
    insta::assert_snapshot!(own.text().unwrap());
}

#[test]
fn agents_survive_a_restart_of_what_runs_them_and_nothing_survives_elsewhere() {
    for role in Role::value_variants() {
        let text = unit(*role).text().unwrap();
        let kill = if role.has_agents() {
            "process"
        } else {
            "mixed"
        };
        assert_eq!(setting(&text, "KillMode"), kill);
        assert_eq!(text.contains("PrivateTmp=yes"), !role.has_agents());
    }
}

#[test]
fn what_needs_a_home_is_not_kept_from_it() {
    for (path, protected) in [
        ("/home/ann/shraga", "no"),
        ("/root/x", "no"),
        ("/srv/x", "yes"),
    ] {
        let here = Some(PathBuf::from(path));
        let text = Unit {
            here,
            ..unit(Role::Serve)
        }
        .text()
        .unwrap();
        assert_eq!(setting(&text, "ProtectHome"), protected, "{path}");
    }
}

#[test]
fn keepers_of_one_installation_have_names_of_their_own() {
    let common = ["--data", "/srv/a b"].map(str::to_owned).to_vec();
    let name = Some("gpu".to_owned());
    let text = Unit {
        name,
        common,
        ..unit(Role::Up)
    }
    .text()
    .unwrap();
    let starts = "/opt/shraga/current/shraga keep --root /opt/shraga --name up-gpu --data \"/srv/a b\" \
                  -- up --data \"/srv/a b\"";
    assert_eq!(setting(&text, "ExecStart"), starts);
}

#[test]
fn a_value_can_not_become_another_setting() {
    let evil = "x\nExecStartPre=/bin/evil";
    let arg = Unit {
        args: vec![evil.to_owned()],
        ..unit(Role::Worker)
    };
    let path = |path: &str| Some(PathBuf::from(path));
    let here = Unit {
        here: path("/srv/a\nUser=root"),
        ..unit(Role::Worker)
    };
    let file = Unit {
        environment: path("/etc/a\r[Service]"),
        ..unit(Role::Worker)
    };
    let joined = Unit {
        here: path("/srv/ends with \\"),
        ..unit(Role::Worker)
    };
    let trimmed = Unit {
        environment: path("/etc/ends with "),
        ..unit(Role::Worker)
    };
    let dollar = Program::Installed(PathBuf::from("/opt/$HOME"));
    let dollar = Unit {
        program: dollar,
        ..unit(Role::Worker)
    };
    for unit in [arg, here, file, joined, trimmed, dollar] {
        let said = unit.text().unwrap_err();
        assert!(matches!(said, Unsayable::Character { .. }), "{said}");
    }
    let relative = Unit {
        here: path("work"),
        ..unit(Role::Worker)
    };
    let said = relative.text().unwrap_err();
    assert!(matches!(said, Unsayable::Relative { .. }), "{said}");
}

#[test]
fn names_are_what_means_the_same_everywhere() {
    for good in ["gpu", "gpu-1", "A.b_c"] {
        assert!(super::name(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "-x",
        ".x",
        "a b",
        "a/b",
        "%i",
        "a@b",
        "a\nb",
        "x\u{e4}",
        &"x".repeat(41),
    ] {
        assert!(super::name(bad).is_err(), "{bad}");
    }
    for bad in ["", "-x", "1x", "a b", "%u", "root\nExecStart=x", "a:b"] {
        assert!(user_name(bad).is_err(), "{bad}");
    }
    assert!(user_name("_shraga-1").is_ok());
}

#[test]
fn what_was_changed_by_hand_is_told_from_what_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of("shraga-up.service", Some(folder.path()), false).unwrap();
    assert_eq!(place.look().unwrap(), Found::Nothing);
    place.write("[Service]\n").unwrap();
    assert_eq!(place.look().unwrap(), Found::Ours);
    let whole = std::fs::read_to_string(&place.path).unwrap();
    std::fs::write(&place.path, format!("{whole}Nice=5\n")).unwrap();
    assert_eq!(place.look().unwrap(), Found::Changed);
    for other in ["[Service]\n", "", "# Made by hand\n[Service]\n"] {
        std::fs::write(&place.path, other).unwrap();
        assert_eq!(place.look().unwrap(), Found::Another, "{other:?}");
    }
    std::fs::write(&place.path, [0xff, b'\n']).unwrap();
    assert_eq!(place.look().unwrap(), Found::Another);
    std::fs::remove_file(&place.path).unwrap();
    std::fs::create_dir(&place.path).unwrap();
    assert_eq!(place.look().unwrap(), Found::Another);
}

#[cfg(unix)]
#[test]
fn a_masked_unit_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of("shraga-up.service", Some(folder.path()), false).unwrap();
    std::os::unix::fs::symlink("/dev/null", &place.path).unwrap();
    assert_eq!(place.look().unwrap(), Found::Another);
}

#[test]
fn every_word_of_systemds_is_told() {
    for (word, standing, code) in [
        ("active", Standing::Running, 0),
        ("reloading", Standing::Running, 0),
        ("activating", Standing::Starting, 75),
        ("deactivating", Standing::Stopping, 75),
        ("failed", Standing::Failed, 1),
        ("inactive", Standing::Stopped, 1),
    ] {
        assert_eq!(Standing::of(word), standing);
        assert_eq!(standing.exit().code(), code);
    }
    assert_eq!(Standing::NotInstalled.exit().code(), 6);
}

proptest! {
    #[test]
    fn arguments_are_read_as_they_were_given(
        args in proptest::collection::vec("[^\\p{Cc}]{0,12}|[\"'$%; \\\\a-]{0,8}", 0..5),
    ) {
        let text = Unit { args: args.clone(), ..unit(Role::Worker) }.text().unwrap();
        let said = words(setting(&text, "ExecStart"));
        let fixed = ["/opt/shraga/current/shraga", "keep", "--root", "/opt/shraga", "--", "worker"];
        prop_assert_eq!(&said[..fixed.len()], fixed);
        prop_assert_eq!(&said[fixed.len()..], args.as_slice());
    }

    #[test]
    fn a_path_is_read_as_it_was_given_or_refused(path in "/[^\\p{Cc}]{0,12}[\"'$%; \\\\a]{0,4}") {
        let here = Some(PathBuf::from(&path));
        let Ok(text) = (Unit { here, ..unit(Role::Serve) }).text() else {
            let refused = path.contains(['\\', '"']) || path.ends_with(char::is_whitespace);
            prop_assert!(refused, "{} was refused", path);
            return Ok(());
        };
        let plain = |said: &str| said.replace("%%", "\u{0}").replace('%', "?").replace('\u{0}', "%");
        prop_assert_eq!(plain(setting(&text, "WorkingDirectory")), path.clone());
        let mut listed = text.lines().filter_map(|line| line.strip_prefix("ReadWritePaths="));
        let said = listed.next_back().unwrap().strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        prop_assert_eq!(plain(said), path);
    }
}
