//! What an attempt gets, and what is told of it.

use super::*;

#[tokio::test]
async fn an_attempt_gets_a_checkout_on_a_branch_of_its_own() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    let work = played.work();
    assert_eq!(fs::read_to_string(work.join("README")).unwrap(), "hello\n");
    let branch = stage.git(&work, "branch --show-current").await;
    assert_eq!(branch, "shraga/t1/attempt-1");
    assert_eq!(stage.git(&work, "status --porcelain").await, "");
    let base = stage.git(&stage.origin(), "rev-parse main").await;
    assert_eq!(played.checkout.base, base);
    let tracked = stage.git(&work, "rev-parse origin/main").await;
    assert_eq!(tracked, base, "so that an agent can compare with it");
}

#[tokio::test]
async fn commits_and_changed_files_are_told_from_git() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    played.write("README", "hello\nworld\n");
    played.write("src/new file", "1\n2\n3\n");
    played.commit(&stage, "one").await;
    fs::remove_file(played.work().join("README")).unwrap();
    played.commit(&stage, "two").await;
    let evidence = played.evidence().await;
    let subjects: Vec<&str> = evidence
        .commits
        .iter()
        .map(|it| it.subject.as_str())
        .collect();
    assert_eq!(subjects, ["two", "one"]);
    assert_eq!((evidence.commit_count, evidence.file_count), (2, 2));
    assert_eq!(paths(&evidence), ["README", "src/new file"]);
    assert_eq!(
        (evidence.files[1].added, evidence.files[1].removed),
        (Some(3), Some(0))
    );
    assert!(!evidence.unfinished);
    assert_eq!(
        evidence.head,
        stage.git(&played.work(), "rev-parse HEAD").await
    );
    assert!(
        played.patch().contains("+++ b/src/new file"),
        "{}",
        played.patch()
    );
    assert_eq!(evidence.notes, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_left_uncommitted_becomes_a_commit_marked_as_such() {
    let stage = Stage::new().await;
    stage.commit(".gitignore", "*.log\n").await;
    let played = stage.check_out("t1").await;
    played.write("README", "half\n");
    played.write("new", "untracked\n");
    played.write("build.log", "ignored\n");
    let before = stage.git(&played.work(), "status --porcelain").await;
    let evidence = played.evidence().await;
    assert!(evidence.unfinished);
    assert!(evidence.commits[0].subject.starts_with("Work in progress"));
    assert_eq!(paths(&evidence), ["README", "new"]);
    let copy = played.folder.join("repo.git");
    let show = format!("log -1 --format=%an:%ae {}", evidence.branch);
    assert_eq!(stage.git(&copy, &show).await, "Shraga:shraga@localhost");
    let after = stage.git(&played.work(), "status --porcelain").await;
    assert_eq!(
        before, after,
        "the agent's own index and branch are as they were"
    );
    let again = played.evidence().await;
    assert_eq!(paths(&again), paths(&evidence), "it can be asked again");
}

#[tokio::test]
async fn nothing_done_is_told_as_nothing() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    let evidence = played.evidence().await;
    assert_eq!(evidence.head, evidence.base);
    assert_eq!((evidence.commit_count, evidence.file_count), (0, 0));
    assert_eq!(played.patch(), "");
}

#[tokio::test]
async fn a_branch_a_tag_a_commit_or_any_ref_can_be_begun_from() {
    let stage = Stage::new().await;
    let first = stage.git(&stage.origin(), "rev-parse HEAD").await;
    stage.git(&stage.origin(), "tag -a -m t v1").await;
    stage.git(&stage.origin(), "checkout -q -b feature").await;
    let second = stage.commit("two", "2").await;
    stage.git(&stage.origin(), "checkout -q main").await;
    let hidden = stage
        .git(&stage.origin(), "commit-tree -m h HEAD^{tree}")
        .await;
    stage
        .git(
            &stage.origin(),
            &format!("update-ref refs/pull/7/head {hidden}"),
        )
        .await;
    for (name, reference, commit) in [
        ("a", "feature", &second),
        ("b", "v1", &first),
        ("c", &second[..10], &second),
        ("d", "refs/pull/7/head", &hidden),
        ("e", "refs/heads/feature", &second),
    ] {
        let wanted = stage.wanted(Some(reference));
        let played = stage.try_check_out(name, &wanted).await.unwrap();
        assert_eq!(&played.checkout.base, commit, "{reference}");
    }
    let wanted = stage.wanted(Some("nowhere"));
    let error = stage.try_check_out("f", &wanted).await.err().unwrap();
    assert!(matches!(error, WorkspaceError::NoSuchRef { .. }), "{error}");
    assert!(!error.is_worth_a_retry());
}

#[tokio::test]
async fn commits_on_another_branch_or_on_none_are_found() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    stage.git(&played.work(), "checkout -q -b elsewhere").await;
    played.write("a", "a");
    played.commit(&stage, "a").await;
    stage.git(&played.work(), "checkout -q --detach").await;
    played.write("b", "b");
    played.commit(&stage, "b").await;
    let evidence = played.evidence().await;
    assert_eq!(paths(&evidence), ["a", "b"]);
}

#[tokio::test]
async fn files_that_became_folders_and_folders_that_became_links_are_told() {
    let stage = Stage::new().await;
    stage.commit("file", "f").await;
    let app = stage.origin();
    fs::create_dir(app.join("folder")).unwrap();
    fs::write(app.join("folder/inner"), "i").unwrap();
    stage.commit("other", "o").await;
    let played = stage.check_out("t1").await;
    let work = played.work();
    fs::remove_file(work.join("file")).unwrap();
    played.write("file/now", "a folder");
    fs::remove_dir_all(work.join("folder")).unwrap();
    let outside = stage.root().join("elsewhere");
    fs::write(outside.join("inner"), "secret").unwrap();
    symlink(&outside, work.join("folder")).unwrap();
    let evidence = played.evidence().await;
    assert_eq!(evidence.notes, Vec::<String>::new());
    assert_eq!(
        paths(&evidence),
        ["file", "file/now", "folder", "folder/inner"]
    );
    assert!(!played.patch().contains("secret"), "{}", played.patch());
}

#[tokio::test]
async fn large_files_and_repositories_within_stay_out_of_the_workers_commit_and_are_named() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    played.write("small", "s");
    let large = fs::File::create(played.work().join("large")).unwrap();
    large.set_len(60 * 1024 * 1024).unwrap();
    fs::create_dir(played.work().join("inner")).unwrap();
    stage.git(&played.work().join("inner"), "init -q").await;
    played.write("inner/a", "a");
    let evidence = played.evidence().await;
    assert_eq!(paths(&evidence), ["small"]);
    let notes = evidence.notes.join("; ");
    assert!(
        notes.contains("too large for a commit of the worker's: large"),
        "{notes}"
    );
    assert!(
        notes.contains("repositories of their own: inner/"),
        "{notes}"
    );
}
