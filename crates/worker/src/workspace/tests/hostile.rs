//! Repositories and agents that want to run something, read something, or reach another task.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A script that springs the trap.
fn trap_script(stage: &Stage) -> String {
    let path = stage.root().join("trap.sh");
    fs::write(
        &path,
        format!("#!/bin/sh\necho > '{}'\ncat\n", stage.trap().display()),
    )
    .unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn filters_and_hooks_that_a_repository_names_are_not_run() {
    let stage = Stage::new().await;
    let script = trap_script(&stage);
    // The person's own settings know the filter, as they know git-lfs.
    let config = format!(
        "[filter \"evil\"]\nsmudge = {script}\nclean = {script}\nrequired = true\n\
         [core]\nhooksPath = {}\n",
        stage.root().display()
    );
    for hook in [
        "post-checkout",
        "reference-transaction",
        "post-index-change",
    ] {
        fs::copy(stage.root().join("trap.sh"), stage.root().join(hook)).unwrap();
    }
    fs::write(
        stage.origin().join(".gitattributes"),
        "* filter=evil diff=evil\n",
    )
    .unwrap();
    stage.commit("data", "d\n").await;
    fs::write(stage.root().join("home/.gitconfig"), config).unwrap();
    let played = stage.check_out("t1").await;
    played.write("data", "changed\n");
    let evidence = played.evidence().await;
    assert_eq!(paths(&evidence), ["data"]);
    assert!(!stage.trap().exists());
}

#[tokio::test]
async fn what_an_agent_writes_into_its_repositorys_settings_runs_nothing() {
    let stage = Stage::new().await;
    let script = trap_script(&stage);
    let played = stage.check_out("t1").await;
    let work = played.work();
    played.write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
    played.write("README", "changed\n");
    for key in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.gitProxy",
        "core.pager",
        "core.editor",
        "core.alternateRefsCommand",
        "core.askPass",
        "credential.helper",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "gpg.program",
        "uploadpack.packObjectsHook",
        "remote.origin.uploadpack",
        "merge.evil.driver",
    ] {
        stage.git(&work, &format!("config {key} {script}")).await;
    }
    // Git itself now refuses to work with what stands there, so the rest is written by hand.
    let config = work.join(".git/config");
    let mut text = fs::read_to_string(&config).unwrap();
    let more = format!(
        "[commit]\ngpgSign = true\n[core]\nhooksPath = {0}\nworktree = {0}\n\
         [url \"ext::sh -c {script}\"]\ninsteadOf = /\n[protocol \"ext\"]\nallow = always\n",
        stage.root().display()
    );
    text.push_str(&more);
    fs::write(&config, text).unwrap();
    for hook in [
        "pre-commit",
        "post-commit",
        "reference-transaction",
        "pre-push",
    ] {
        let path = work.join(".git/hooks");
        fs::create_dir_all(&path).unwrap();
        fs::copy(stage.root().join("trap.sh"), path.join(hook)).unwrap();
        fs::copy(stage.root().join("trap.sh"), stage.root().join(hook)).unwrap();
    }
    let evidence = played.evidence().await;
    assert_eq!(
        paths(&evidence),
        [".gitattributes", "README"],
        "{:?}",
        evidence.notes
    );
    assert!(!stage.trap().exists());
}

#[tokio::test]
async fn a_repository_within_the_checkout_runs_nothing() {
    let stage = Stage::new().await;
    let script = trap_script(&stage);
    let played = stage.check_out("t1").await;
    let inner = played.work().join("inner");
    fs::create_dir(&inner).unwrap();
    stage.git(&inner, "init -q").await;
    fs::write(inner.join("a"), "a").unwrap();
    stage.git(&inner, "add a").await;
    stage.git(&inner, "commit -q -m a").await;
    stage.git(&played.work(), "add inner").await;
    stage.git(&played.work(), "commit -q -m inner").await;
    stage
        .git(&inner, &format!("config core.fsmonitor {script}"))
        .await;
    fs::write(inner.join("a"), "changed").unwrap();
    let evidence = played.evidence().await;
    assert_eq!(paths(&evidence), ["inner"]);
    assert!(!stage.trap().exists());
}

#[tokio::test]
async fn a_submodule_is_not_fetched_whatever_its_address_says() {
    let stage = Stage::new().await;
    let script = trap_script(&stage);
    let app = stage.origin();
    let head = stage.git(&app, "rev-parse HEAD").await;
    let modules = format!(
        "[submodule \"a\"]\n\tpath = a\n\turl = ext::{script}\n\
         [submodule \"../../evil\"]\n\tpath = b\n\turl = --upload-pack={script}\n\tupdate = !{script}\n"
    );
    fs::write(app.join(".gitmodules"), modules).unwrap();
    stage.git(&app, "add .gitmodules").await;
    for path in ["a", "b"] {
        let entry = format!("update-index --add --cacheinfo 160000,{head},{path}");
        stage.git(&app, &entry).await;
    }
    stage.git(&app, "commit -q -m modules").await;
    let played = stage.check_out("t1").await;
    played.write("README", "changed");
    assert_eq!(paths(&played.evidence().await), ["README"]);
    assert!(!stage.trap().exists());
}

#[tokio::test]
async fn links_to_elsewhere_are_told_as_links_and_never_followed() {
    let stage = Stage::new().await;
    let outside = stage.root().join("elsewhere");
    fs::write(outside.join("secret"), "the secret\n").unwrap();
    symlink(&outside, stage.origin().join("out")).unwrap();
    stage.commit("two", "2").await;
    let played = stage.check_out("t1").await;
    let work = played.work();
    assert!(
        work.join("out").is_symlink(),
        "links are checked out as links"
    );
    symlink(outside.join("secret"), work.join("secret")).unwrap();
    fs::remove_file(work.join("README")).unwrap();
    symlink("/etc/passwd", work.join("README")).unwrap();
    let evidence = played.evidence().await;
    assert_eq!(paths(&evidence), ["README", "secret"]);
    let patch = played.patch();
    assert!(
        !patch.contains("the secret") && !patch.contains("root:"),
        "{patch}"
    );
}

#[tokio::test]
async fn an_agent_cannot_have_another_tasks_repository_told_as_its_own() {
    let stage = Stage::new().await;
    let other = stage.check_out("t2").await;
    other.write("private", "p");
    other.commit(&stage, "private").await;
    let theirs = other.work().join(".git");
    let alternates = Path::new("objects/info/alternates");

    let linked = stage.check_out("t3").await;
    fs::remove_dir_all(linked.work().join(".git")).unwrap();
    symlink(&theirs, linked.work().join(".git")).unwrap();

    let named = stage.check_out("t4").await;
    fs::remove_dir_all(named.work().join(".git")).unwrap();
    let leads = format!("gitdir: {}\n", theirs.display());
    fs::write(named.work().join(".git"), leads).unwrap();

    let refs = stage.check_out("t5").await;
    fs::remove_dir_all(refs.work().join(".git/refs")).unwrap();
    symlink(theirs.join("refs"), refs.work().join(".git/refs")).unwrap();

    let common = stage.check_out("t6").await;
    let leads = format!("{}\n", theirs.display());
    fs::write(common.work().join(".git/commondir"), leads).unwrap();

    let borrowing = stage.check_out("t7").await;
    let leads = format!("{}\n", theirs.join("objects").display());
    fs::write(borrowing.work().join(".git").join(alternates), leads).unwrap();

    for played in [linked, named, refs, common, borrowing] {
        played.write("mine", "m");
        let evidence = played.evidence().await;
        assert_eq!(
            paths(&evidence),
            ["mine"],
            "its own files are told all the same"
        );
        let notes = evidence.notes.join("; ");
        assert!(notes.contains("its repository can't be read"), "{notes}");
    }
}

#[tokio::test]
async fn whatever_an_agent_names_its_files_each_is_told_once() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    let names = [
        "--upload-pack=x",
        "-rf",
        ":(exclude)*",
        "a\nb",
        "a\tb",
        "esc\u{1b}[2J",
        "quote\"",
        "st*r",
        "\u{202e}rtl",
    ];
    for name in names {
        played.write(name, "x");
    }
    let evidence = played.evidence().await;
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(paths(&evidence), expected);
}

#[tokio::test]
async fn pipes_and_files_nobody_may_read_stop_nothing() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    let pipe = |name: &str| {
        let path = played.work().join(name);
        let mode = rustix::fs::Mode::from_bits_truncate(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
    };
    pipe("pipe");
    fs::remove_file(played.work().join("README")).unwrap();
    pipe("README");
    played.write("fine", "f");
    let evidence = played.evidence().await;
    assert_eq!(paths(&evidence), ["README", "fine"]);
}

#[tokio::test]
async fn an_agent_that_removed_its_repository_or_all_of_its_work_loses_only_what_it_removed() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    played.write("new", "n");
    fs::remove_dir_all(played.work().join(".git")).unwrap();
    assert_eq!(paths(&played.evidence().await), ["new"]);
    fs::remove_dir_all(played.work()).unwrap();
    let evidence = played.evidence().await;
    assert!(!evidence.notes.is_empty());
}

#[tokio::test]
async fn local_paths_are_for_allowed_folders_and_not_past_them_by_links() {
    let stage = Stage::new().await;
    let outside = stage.root().join("elsewhere/app");
    stage
        .git(
            stage.root(),
            &format!(
                "clone -q {} {}",
                stage.origin().display(),
                outside.display()
            ),
        )
        .await;
    let link = stage.root().join("origin/link");
    symlink(&outside, &link).unwrap();
    for path in [outside, link, PathBuf::from("/no/such")] {
        let mut wanted = stage.wanted(None);
        wanted.address = path.display().to_string().parse().unwrap();
        let error = stage.try_check_out("t1", &wanted).await.err().unwrap();
        assert!(
            matches!(error, WorkspaceError::NotAllowed { .. }),
            "{error}"
        );
        assert!(!error.is_worth_a_retry());
    }
}

#[tokio::test]
async fn a_host_of_this_network_is_refused_before_git_runs() {
    let stage = Stage::new().await;
    for address in [
        "https://localhost/a",
        "git@127.0.0.1:a",
        "https://169.254.169.254/a",
    ] {
        let mut wanted = stage.wanted(None);
        wanted.address = address.parse().unwrap();
        let error = stage.try_check_out("t1", &wanted).await.err().unwrap();
        assert!(
            matches!(error, WorkspaceError::NotAllowed { .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn over_https_git_connects_to_the_addresses_that_were_checked() {
    let stage = Stage::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let checked = listener.local_addr().unwrap();
    // A name that nobody resolves: only the pinned address leads anywhere.
    let address = format!("https://pinned.invalid:{}/a", checked.port());
    let address: Address = address.parse().unwrap();
    let (env, dir) = (&stage.workspaces.environment, stage.root());
    let deadline = Duration::from_secs(60);
    let git = git::Git::towards(env, dir, &address, &[checked.ip()], deadline);
    let asking = async move {
        let _ = git.run(&["ls-remote", "--", address.as_str()]).await;
    };
    tokio::select! {
        met = listener.accept() => drop(met.unwrap()),
        () = asking => panic!("git went elsewhere, or nowhere"),
    }
}
