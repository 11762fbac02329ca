//! The cache: one per person and repository, fetched by one at a time, rebuilt when broken.

use super::*;

/// The caches there are, as `OWNER/KEY/N.git`.
fn clones(stage: &Stage) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let all = stage.root().join("worker/repositories");
    for owner in fs::read_dir(all).unwrap().flatten() {
        for key in fs::read_dir(owner.path()).unwrap().flatten() {
            let entries = fs::read_dir(key.path()).unwrap().flatten();
            found.extend(entries.map(|it| it.path()).filter(|it| it.is_dir()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_is_new_at_the_repository_is_in_the_next_attempt_from_the_same_cache() {
    let stage = Stage::new().await;
    stage.check_out("t1").await;
    stage.commit("new", "n").await;
    let played = stage.check_out("t2").await;
    assert!(played.work().join("new").exists());
    assert_eq!(clones(&stage).len(), 1);
}

#[tokio::test]
async fn one_persons_cache_never_serves_another() {
    let stage = Stage::new().await;
    stage.check_out("t1").await;
    let wanted = stage.wanted(None);
    for (name, owner) in [("t2", Some(8)), ("t3", None)] {
        let owner = owner.map(|it| UserId::new(Uuid::from_u128(it)));
        let folder = stage.attempt(name);
        let made = stage.workspaces.check_out(&wanted, owner, &folder, "b");
        made.await.unwrap();
    }
    assert_eq!(clones(&stage).len(), 3);
}

#[tokio::test]
async fn attempts_at_the_same_time_share_it_without_harm() {
    let stage = Stage::new().await;
    let names = ["t1", "t2", "t3", "t4"];
    let all = futures_util::future::join_all(names.map(|name| stage.check_out(name))).await;
    for played in &all {
        played.write("mine", &played.folder.display().to_string());
        played.commit(&stage, "mine").await;
    }
    for played in &all {
        assert_eq!(played.evidence().await.commit_count, 1);
    }
    let refs = stage
        .git(&clones(&stage)[0], "for-each-ref --format=%(refname)")
        .await;
    assert_eq!(
        refs, "refs/heads/main",
        "nothing of an attempt is in the cache"
    );
}

#[tokio::test]
async fn nothing_one_attempt_does_with_git_reaches_another() {
    let stage = Stage::new().await;
    let (one, two) = (stage.check_out("t1").await, stage.check_out("t2").await);
    let work = one.work();
    one.write("README", "stashed");
    stage.git(&work, "stash").await;
    stage.git(&work, "config core.hooksPath .hooks").await;
    stage.git(&work, "branch -q mine").await;
    stage.git(&work, "gc -q --prune=now").await;
    assert_eq!(stage.git(&two.work(), "stash list").await, "");
    let branches = stage
        .git(&two.work(), "branch --format=%(refname:short)")
        .await;
    assert_eq!(branches, "shraga/t2/attempt-1");
    let hooks = stage
        .git(&two.work(), "config --get --default none core.hooksPath")
        .await;
    assert_eq!(hooks, "none");
    assert_eq!(stage.git(&two.work(), "fsck --connectivity-only").await, "");
}

#[tokio::test]
async fn a_broken_cache_is_followed_by_a_new_one_and_old_attempts_keep_theirs() {
    let stage = Stage::new().await;
    let old = stage.check_out("t1").await;
    old.write("mine", "m");
    old.commit(&stage, "mine").await;
    let objects = clones(&stage)[0].join("objects");
    let tree = stage.git(&stage.origin(), "rev-parse HEAD^{tree}").await;
    for pack in fs::read_dir(objects.join("pack")).unwrap().flatten() {
        fs::remove_file(pack.path()).unwrap();
    }
    let loose = objects.join(&tree[..2]).join(&tree[2..]);
    let _ = fs::remove_file(loose);
    let new = stage.check_out("t2").await;
    assert!(new.work().join("README").exists());
    assert_eq!(
        clones(&stage).len(),
        2,
        "the broken one stays for those who borrow from it"
    );
}

#[tokio::test]
async fn locks_that_a_killed_git_left_are_removed() {
    let stage = Stage::new().await;
    stage.check_out("t1").await;
    let clone = clones(&stage).remove(0);
    fs::write(clone.join("refs/heads/main.lock"), "").unwrap();
    fs::write(clone.join("packed-refs.lock"), "").unwrap();
    let tip = stage.commit("new", "n").await;
    assert_eq!(stage.check_out("t2").await.checkout.base, tip);
}

#[tokio::test]
async fn a_repository_that_is_gone_or_empty_is_told_and_leaves_nothing_running() {
    let stage = Stage::new().await;
    let mut wanted = stage.wanted(None);
    let empty = stage.root().join("origin/empty");
    fs::create_dir(&empty).unwrap();
    stage.git(&empty, "init -q").await;
    wanted.address = empty.display().to_string().parse().unwrap();
    let error = stage.try_check_out("t1", &wanted).await.err().unwrap();
    assert!(error.to_string().contains("default branch"), "{error}");
    let no_repository = stage.root().join("origin/nothing");
    fs::create_dir(&no_repository).unwrap();
    wanted.address = no_repository.display().to_string().parse().unwrap();
    let error = stage.try_check_out("t2", &wanted).await.err().unwrap();
    assert!(error.is_worth_a_retry(), "{error}");
}
