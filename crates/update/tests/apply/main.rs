//! Versions taken from a branch into use, for real: git, a build, a program that is started.
#![cfg(unix)]

#[cfg(test)]
mod scene;

use std::fs;
use std::time::Duration;

use scene::{Scene, brought, failed, named, now};
use shraga_core::update::Step;
use shraga_update::{Applied, Made, Refused, apply, check, installed, make, roll_back};

#[tokio::test]
async fn a_version_that_cargo_builds_is_taken_into_use_and_gone_back_from() {
    let scene = Scene::new();
    let site = scene.cargo_site();
    let settings = scene.settings();
    scene.package("1.0.0", "");
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.0.0");
    assert_eq!(scene.says(), "shraga 1.0.0");

    scene.package("1.1.0", "");
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.1.0");
    assert_eq!(scene.says(), "shraga 1.1.0");
    let again = apply(&settings, &site, None, now()).await;
    assert!(matches!(again, Ok(Applied::UpToDate(_))), "{again:?}");

    scene.package("1.2.0", "this does not compile");
    let (step, said) = failed(apply(&settings, &site, None, now()).await);
    assert_eq!(step, Some(Step::Build), "{said}");
    assert_eq!(scene.says(), "shraga 1.1.0");

    assert_eq!(brought(roll_back(&site.root, now()).await), "1.0.0");
    assert_eq!(scene.says(), "shraga 1.0.0");
    assert_eq!(brought(roll_back(&site.root, now()).await), "1.1.0");
}

#[tokio::test]
async fn a_version_that_can_not_work_with_the_store_that_is_here_is_not_taken_into_use() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    scene.release("1.0.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    let says = |said: &str| format!("if [ \"$1\" = schema ]; then {said}; else exit 0; fi");
    let tells = |said: &str| says(&format!("echo '{said}'"));
    for (program, words) in [
        (
            tells(r#"{"database": {"found": 3, "known": 2}, "missing": [], "without": []}"#),
            "form 3, and it reads up to 2",
        ),
        (
            tells(r#"{"database": null, "missing": ["t.cr_new"], "without": []}"#),
            "t.cr_new",
        ),
        (
            says("echo oh >&2; exit 1"),
            "`schema trial`: exit code 1: oh",
        ),
    ] {
        scene.release("1.1.0", &program);
        let (step, said) = failed(apply(&settings, &site, None, now()).await);
        assert!(
            step == Some(Step::Test) && said.contains(words),
            "{step:?}: {said}"
        );
        assert_eq!(scene.says(), "shraga 1.0.0");
    }
    // One that brings it forward, one that does without, and one that doesn't know the question.
    for (version, program) in [
        (
            "1.2.0",
            tells(
                r#"{"database": {"found": 1, "known": 2}, "missing": [], "without": ["t.x"], "unseen": "no"}"#,
            ),
        ),
        ("1.3.0", says("exit 2")),
    ] {
        scene.release(version, &program);
        assert_eq!(brought(apply(&settings, &site, None, now()).await), version);
    }
}

#[tokio::test]
async fn what_failed_is_not_tried_again_until_the_branch_moves_or_somebody_names_it() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    scene.release("1.0.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    for (build, program, step, words) in [
        (
            "echo no >&2; exit 3",
            "exit 0",
            Step::Build,
            "exit code 3: no",
        ),
        ("", "exit 9", Step::Test, "exit code 9"),
        (
            "",
            "exit 0; [ \"$1\" != config ]",
            Step::Test,
            "`config --json`",
        ),
        ("", "echo shraga 7.7.7", Step::Test, "7.7.7"),
        ("", "yes", Step::Test, "prints without end"),
        (
            "rm -r \"$CARGO_TARGET_DIR/release\"; exit 0",
            "",
            Step::Build,
            "nothing was built",
        ),
    ] {
        scene.release_with("1.1.0", build, program);
        let before = scene.builds();
        let (at, said) = failed(apply(&settings, &site, None, now()).await);
        assert!(at == Some(step) && said.contains(words), "{at:?}: {said}");
        assert_eq!(scene.builds(), before + 1);
        let again = apply(&settings, &site, None, now()).await;
        assert!(matches!(again, Err(Refused::FailedBefore(_))), "{again:?}");
        assert_eq!(scene.builds(), before + 1, "it was built again");
        assert_eq!(scene.says(), "shraga 1.0.0");
    }
    failed(apply(&settings, &site, Some("1.1.0"), now()).await);
    scene.release("1.1.0", "exit 0");
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.1.0");
}

#[tokio::test]
async fn a_build_or_a_program_that_hangs_is_ended_and_counts_as_failed() {
    let scene = Scene::new();
    let (mut site, settings) = (scene.site(), scene.settings());
    site.build_deadline = Duration::from_secs(2);
    scene.release_with("1.0.0", "sleep 600", "exit 0");
    // A slow machine does that too, so one time says nothing; but nobody builds for ever.
    for _ in 0..3 {
        let done = apply(&settings, &site, None, now()).await;
        assert!(
            matches!(&done, Err(Refused::Machine(said)) if said.contains("took longer")),
            "{done:?}"
        );
    }
    let (step, said) = failed(apply(&settings, &site, None, now()).await);
    assert!(
        step == Some(Step::Build) && said.contains("3 times"),
        "{step:?}: {said}"
    );
    assert_eq!(scene.builds(), 3);
    site.build_deadline = Duration::from_secs(60);
    site.trial_deadline = Duration::from_secs(2);
    scene.release("1.1.0", "exec sleep 600");
    let (step, said) = failed(apply(&settings, &site, None, now()).await);
    assert!(
        step == Some(Step::Test) && said.contains("took longer"),
        "{step:?}: {said}"
    );
    assert_eq!(installed(&site.root).current, None);
}

#[tokio::test]
async fn what_can_not_be_fetched_says_nothing_about_the_version_and_wrong_files_do() {
    let scene = Scene::new();
    let (site, settings) = (scene.fetching_site(), scene.settings());
    scene.package("1.0.0", "");
    // Nobody listens there.
    scene.needs("http://127.0.0.1:1/away");
    let done = apply(&settings, &site, None, now()).await;
    assert!(
        matches!(&done, Err(Refused::Machine(said)) if said.contains("fetched")),
        "{done:?}"
    );
    // It counts for nothing, so that it never becomes too many.
    assert_eq!(installed(&site.root).record.under_way, None);
    for (file, text) in [
        ("Cargo.lock", "version = 4\n"),
        ("Cargo.toml", "[package\n"),
    ] {
        scene.package("1.1.0", "");
        scene.file(file, text);
        scene.commit("wrong");
        let (step, said) = failed(apply(&settings, &site, None, now()).await);
        assert_eq!(step, Some(Step::Build), "{said}");
    }
    scene.package("1.1.0", "");
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.1.0");
}

#[tokio::test]
async fn a_build_that_is_killed_from_outside_says_nothing_about_the_version() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    let killed = "if [ ! -e ../../room ]; then kill -9 $$; fi";
    scene.release_with("1.0.0", killed, "exit 0");
    let done = apply(&settings, &site, None, now()).await;
    assert!(
        matches!(&done, Err(Refused::Machine(said)) if said.contains("memory")),
        "{done:?}"
    );
    fs::write(site.root.join("room"), "").unwrap();
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.0.0");
}

#[tokio::test]
async fn a_disk_that_is_full_says_nothing_about_the_version() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    let full = "if [ ! -e ../../room ]; then LC_ALL=C cat build.sh >/dev/full; exit 1; fi";
    scene.release_with("1.0.0", full, "exit 0");
    let done = apply(&settings, &site, None, now()).await;
    assert!(
        matches!(&done, Err(Refused::Machine(said)) if said.contains("disk is full")),
        "{done:?}"
    );
    assert_eq!(installed(&site.root).record.under_way, None);
    fs::write(site.root.join("room"), "").unwrap();
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.0.0");
}

#[tokio::test]
async fn only_a_newer_version_is_taken_unasked_and_an_older_one_by_its_name() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    scene.release("1.2.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    for other in ["1.1.0", "1.2.0"] {
        scene.release(other, "echo another build >/dev/null");
        let done = apply(&settings, &site, None, now()).await;
        assert!(matches!(done, Err(Refused::NotNewer { .. })), "{done:?}");
    }
    scene.release("v1.1", "exit 0");
    let done = apply(&settings, &site, Some("3.0.0"), now()).await;
    assert!(
        matches!(done, Err(Refused::NoSuchVersion { .. })),
        "{done:?}"
    );
    let done = apply(&settings, &site, Some("1.1.0"), now()).await;
    assert_eq!(brought(done), "1.1.0");
    let builds = scene.builds();
    let done = apply(&settings, &site, Some("1.2.0"), now()).await;
    assert_eq!(brought(done), "1.2.0", "one that is still there");
    assert_eq!(scene.builds(), builds, "and is not built again");
}

#[tokio::test]
async fn a_branch_that_was_pushed_by_force_is_taken_as_it_is_and_the_checkout_left_alone() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    scene.release("1.0.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    fs::write(scene.checkout().join("VERSION"), "changed here\n").unwrap();
    let head = scene.head();
    scene.begin_history_anew();
    // The branch moves once more while the version is built.
    let origin = scene.origin().display().to_string();
    let moves = format!("git -C {origin} update-ref -d refs/heads/main");
    scene.release_with("1.1.0", &moves, "exit 0");
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.1.0");
    assert_eq!(scene.head(), head);
    let kept = fs::read_to_string(scene.checkout().join("VERSION")).unwrap();
    assert_eq!(kept, "changed here\n");
}

#[tokio::test]
async fn nothing_that_the_checkout_names_is_run() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    let trap = scene.trap();
    scene.git(&["config", "core.hooksPath", &trap]);
    scene.git(&["config", "filter.trap.smudge", &format!("{trap}/smudge")]);
    scene.git(&["config", "gpg.ssh.program", &format!("{trap}/ssh-keygen")]);
    scene.file(".gitattributes", "* filter=trap\n");
    scene.release("1.0.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    assert!(!scene.trap_sprung(), "{trap}");
}

#[tokio::test]
async fn with_allowed_signers_only_what_one_of_them_signed_is_built() {
    let scene = Scene::new();
    let (mut site, settings) = (scene.site(), scene.settings());
    let (ours, theirs) = (scene.key("ours"), scene.key("theirs"));
    site.signers = Some(scene.signers(&ours));
    for (version, key) in [("1.0.0", None), ("1.1.0", Some(&theirs))] {
        scene.sign_with(key.map(|key| key.as_path()));
        scene.release(version, "exit 0");
        let (step, said) = failed(apply(&settings, &site, None, now()).await);
        assert!(
            step == Some(Step::Stage) && said.contains("no allowed signer"),
            "{step:?}: {said}"
        );
        assert_eq!(scene.builds(), 0);
    }
    scene.sign_with(Some(&ours));
    scene.release("1.2.0", "exit 0");
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.2.0");
    site.signers = Some(scene.origin().join("no such file"));
    scene.release("1.3.0", "exit 0");
    let done = apply(&settings, &site, None, now()).await;
    assert!(matches!(done, Err(Refused::Machine(_))), "{done:?}");
}

#[tokio::test]
async fn two_updates_of_one_installation_are_never_under_way_at_once() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    scene.release_with(
        "1.0.0",
        "while [ ! -e ../../go ]; do sleep 0.05; done",
        "exit 0",
    );
    let (first, second) = tokio::join!(apply(&settings, &site, None, now()), async {
        while !scene.is_building() {
            tokio::task::yield_now().await;
        }
        let second = apply(&settings, &site, None, now()).await;
        let back = roll_back(&site.root, now()).await;
        fs::write(site.root.join("go"), "").unwrap();
        assert!(matches!(back, Err(Refused::Busy(_))), "{back:?}");
        second
    });
    assert!(matches!(second, Err(Refused::Busy(_))), "{second:?}");
    assert_eq!(brought(first), "1.0.0");
}

#[tokio::test]
async fn the_check_compares_with_what_is_installed() {
    let scene = Scene::new();
    let (site, mut settings) = (scene.site(), scene.settings());
    scene.release("1.0.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    settings.installed = installed(&site.root).current.map(named);
    scene.release("1.1.0", "exit 0");
    let found = check(&settings).await;
    assert_eq!(
        (found.current.as_str(), found.state.as_str()),
        ("1.0.0", "available")
    );
    assert!(found.advice().unwrap().contains("--now"));
    brought(apply(&settings, &site, None, now()).await);
    settings.installed = installed(&site.root).current.map(named);
    assert_eq!(check(&settings).await.state.as_str(), "up-to-date");
}

#[tokio::test]
async fn old_versions_go_and_the_one_before_stays() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    for minor in 0..5 {
        scene.release(&format!("1.{minor}.0"), "exit 0");
        brought(apply(&settings, &site, None, now()).await);
    }
    assert_eq!(fs::read_dir(site.root.join("versions")).unwrap().count(), 3);
    assert_eq!(brought(roll_back(&site.root, now()).await), "1.3.0");
}

#[tokio::test]
async fn an_update_that_was_killed_at_its_links_is_finished_without_building_again() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    scene.release("1.0.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    scene.release("1.1.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    let there = installed(&site.root);
    let (new, old) = (there.current.unwrap(), there.previous.unwrap());
    let builds = scene.builds();
    for way_back in [false, true] {
        scene.killed_at("swap", &new.to_string(), &old.to_string());
        scene.link("current", Some(&old.to_string()));
        scene.link("previous", way_back.then(|| old.to_string()).as_deref());
        assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.1.0");
        let after = installed(&site.root);
        assert_eq!(
            (after.current, after.previous),
            (Some(new.clone()), Some(old.clone()))
        );
        assert_eq!(after.record.under_way, None);
    }
    // Both links were turned, and it was killed before it could say so.
    scene.killed_at("swap", &new.to_string(), &old.to_string());
    let done = apply(&settings, &site, None, now()).await;
    assert!(matches!(done, Ok(Applied::UpToDate(_))), "{done:?}");
    assert_eq!(installed(&site.root).record.under_way, None);
    assert_eq!(scene.builds(), builds);

    // Killed earlier, what is there can't be trusted, and is made again.
    scene.link("current", Some(&old.to_string()));
    scene.killed_at("install", &new.to_string(), &old.to_string());
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.1.0");
    assert_eq!(scene.builds(), builds + 1);
}

#[tokio::test]
async fn what_is_only_made_stands_beside_the_others_and_no_link_leads_to_it() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    scene.release("1.0.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    let old = installed(&site.root).current;
    scene.release("1.1.0", "exit 0");
    let made = make(&settings, &site, None, now()).await.unwrap();
    assert_eq!((made.release.version(), made.in_use), ("1.1.0", false));
    assert_eq!(installed(&site.root).current, old);
    let builds = scene.builds();
    for wanted in [None, Some(&made.release)] {
        let again = make(&settings, &site, wanted, now()).await.unwrap();
        assert_eq!(again, made);
    }
    assert_eq!(scene.builds(), builds, "and is not made again");

    // The branch went on; what another one wants of it is there, and what nobody has can't be made.
    scene.release("1.2.0", "exit 1");
    let wanted = Some(&made.release);
    assert_eq!(make(&settings, &site, wanted, now()).await.unwrap(), made);
    let other = "1.1.0-bbbbbbbbbbbb".parse().unwrap();
    let done = make(&settings, &site, Some(&other), now()).await;
    let none = matches!(done, Err(Refused::NoSuchVersion { .. }));
    assert!(none, "{done:?}");
    let failed = make(&settings, &site, None, now()).await;
    assert!(matches!(failed, Err(Refused::Failed(_))), "{failed:?}");

    scene.release("1.3.0", "exit 0");
    assert_eq!(brought(apply(&settings, &site, None, now()).await), "1.3.0");
    let there = make(&settings, &site, None, now()).await.unwrap();
    assert!(there.in_use, "{there:?}");
}

#[tokio::test]
async fn versions_that_are_only_made_go_too_once_they_are_old() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    scene.release("1.0.0", "exit 0");
    brought(apply(&settings, &site, None, now()).await);
    for minor in 1..6 {
        scene.release(&format!("1.{minor}.0"), "exit 0");
        make(&settings, &site, None, now()).await.unwrap();
    }
    let versions = fs::read_dir(site.root.join("versions")).unwrap();
    let names = versions.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let version = |name: &String| name.split('-').next().unwrap().to_owned();
    let there: Vec<String> = names.iter().map(version).collect();
    assert_eq!(there, ["1.0.0", "1.4.0", "1.5.0"]);
}

#[tokio::test]
async fn two_that_make_one_version_build_it_once() {
    let scene = Scene::new();
    let (site, settings) = (scene.site(), scene.settings());
    // It takes longer than the moment that anybody waits for a lock.
    scene.release_with("1.0.0", "sleep 1.5", "exit 0");
    let made = |done: Result<Made, Refused>| done.unwrap().release.version().to_owned();
    let (first, second) = tokio::join!(
        make(&settings, &site, None, now()),
        make(&settings, &site, None, now())
    );
    assert_eq!(
        (made(first), made(second)),
        ("1.0.0".into(), "1.0.0".into())
    );
    assert_eq!(scene.builds(), 1);
}
