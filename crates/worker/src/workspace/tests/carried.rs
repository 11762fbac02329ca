//! Work that goes on elsewhere.

use super::*;

/// Room for a bundle.
const ROOM: usize = 700_000;

async fn go_on(stage: &Stage, name: &str, carried: &Carried) -> Result<Played, WorkspaceError> {
    let folder = stage.attempt(name);
    let branch = format!("shraga/{name}/attempt-2");
    let owner = Some(UserId::new(Uuid::from_u128(9)));
    let wanted = stage.wanted(None);
    let made = stage
        .workspaces
        .check_out_carried(&wanted, owner, &folder, &branch, carried);
    let checkout = made.await?;
    Ok(Played { checkout, folder })
}

#[tokio::test]
async fn commits_and_uncommitted_changes_go_on_where_they_were() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    played.write("done", "committed\n");
    played.commit(&stage, "done").await;
    played.write("README", "half\n");
    played.write("new", "untracked\n");
    let status = stage.git(&played.work(), "status --porcelain").await;
    let index = fs::read(played.work().join(".git/index")).unwrap();
    let carried = played.checkout.checkpoint(ROOM).await.unwrap();
    assert!(carried.is_something());
    let untouched = fs::read(played.work().join(".git/index")).unwrap() == index;
    assert!(untouched, "the agent's index is as it was");
    // The repository has moved on, and the other worker knows nothing of the first.
    stage.commit("later", "l").await;
    let there = go_on(&stage, "t2", &carried).await.unwrap();
    let work = there.work();
    assert_eq!(stage.git(&work, "status --porcelain").await, status);
    assert_eq!(stage.git(&work, "log -1 --format=%s").await, "done");
    let branch = stage.git(&work, "branch --show-current").await;
    assert_eq!(branch, "shraga/t2/attempt-2");
    assert_eq!(fs::read_to_string(work.join("new")).unwrap(), "untracked\n");
    assert!(
        !work.join("later").exists(),
        "it goes on from the same base"
    );
    there.write("more", "m");
    let evidence = there.evidence().await;
    assert_eq!(paths(&evidence), ["README", "done", "more", "new"]);
}

#[tokio::test]
async fn a_checkpoint_may_be_made_again_and_of_nothing_there_is_none() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    let carried = played.checkout.checkpoint(ROOM).await.unwrap();
    assert!(!carried.is_something());
    for content in ["one", "two"] {
        played.write("new", content);
        let carried = played.checkout.checkpoint(ROOM).await.unwrap();
        assert!(carried.is_something());
        let copy = played.folder.join("repo.git");
        let kept = stage.git(&copy, "show refs/shraga/wip:new").await;
        assert_eq!(kept, content);
    }
    let there = go_on(&stage, "t2", &carried).await.unwrap();
    assert_eq!(there.evidence().await.file_count, 0);
}

#[tokio::test]
async fn a_bundle_that_is_too_large_is_not_carried_and_says_so() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    played.write("new", "n");
    let carried = played.checkout.checkpoint(16).await.unwrap();
    assert!(!carried.is_something());
    assert!(
        carried.notes[0].contains("more than 16 bytes"),
        "{:?}",
        carried.notes
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_leaves_room_for_a_fresh_start() {
    let stage = Stage::new().await;
    let played = stage.check_out("t1").await;
    played.write("new", "n");
    let good = played.checkout.checkpoint(ROOM).await.unwrap();
    let other = "0123456789012345678901234567890123456789".to_owned();
    let mut damaged = good.clone();
    damaged.bundle.as_mut().unwrap().truncate(100);
    let mut gone = good.clone();
    gone.base.clone_from(&other);
    let mut wrong = good.clone();
    wrong.head = good.base.clone();
    let mut option = good.clone();
    option.base = "--upload-pack=x".to_owned();
    for (name, carried) in [("t2", damaged), ("t3", gone), ("t4", wrong), ("t5", option)] {
        let error = go_on(&stage, name, &carried).await.err().unwrap();
        assert!(
            matches!(error, WorkspaceError::Unrelated(_)),
            "{name}: {error}"
        );
        let folder = stage.root().join("worker/tasks").join(name);
        stage.workspaces.restart(&folder).await.unwrap();
        let fresh = stage.check_out(name).await;
        assert!(fresh.work().join("README").exists());
    }
}
