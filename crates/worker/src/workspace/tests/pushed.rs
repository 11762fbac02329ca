//! Pushing a branch, when it is asked for.

use super::*;

async fn attempt(stage: &Stage, push: bool) -> (Played, Evidence) {
    let mut wanted = stage.wanted(None);
    wanted.push = push;
    let played = stage.try_check_out("t1", &wanted).await.unwrap();
    played.write("new", "n");
    played.commit(stage, "new").await;
    let evidence = played.evidence().await;
    (played, evidence)
}

async fn push(stage: &Stage, played: &Played, evidence: &Evidence) -> Push {
    let pause = Duration::ZERO;
    played
        .checkout
        .push(&stage.workspaces, evidence, pause)
        .await
}

const BRANCHES: &str = "for-each-ref --format=%(refname:short)=%(objectname) refs/heads";

#[tokio::test]
async fn the_attempts_branch_and_nothing_else_is_pushed_when_the_task_asks() {
    let stage = Stage::new().await;
    let main = stage.git(&stage.origin(), "rev-parse main").await;
    let (played, evidence) = attempt(&stage, true).await;
    let pushed = push(&stage, &played, &evidence).await;
    assert_eq!(pushed, Push::Done);
    let branches = stage.git(&stage.origin(), BRANCHES).await;
    assert_eq!(
        branches,
        format!("main={main}\nshraga/t1/attempt-1={}", evidence.head)
    );
    let again = push(&stage, &played, &evidence).await;
    assert_eq!(again, Push::Done, "it may be repeated");
}

#[tokio::test]
async fn without_being_asked_or_where_it_is_off_nothing_is_pushed() {
    let stage = Stage::new().await;
    let (played, evidence) = attempt(&stage, false).await;
    let pushed = push(&stage, &played, &evidence).await;
    assert_eq!(pushed, Push::NotAsked);
    let stage = Stage::with(PushPolicy::Off).await;
    let (played, evidence) = attempt(&stage, true).await;
    let pushed = push(&stage, &played, &evidence).await;
    assert_eq!(pushed, Push::Off);
    assert!(
        !stage
            .git(&stage.origin(), BRANCHES)
            .await
            .contains("shraga")
    );
}

#[tokio::test]
async fn a_push_that_is_refused_is_told_and_the_branch_is_kept() {
    let stage = Stage::new().await;
    let (played, evidence) = attempt(&stage, true).await;
    // Somebody else's commit is on a branch of that name: it isn't overwritten.
    let other = stage
        .git(&stage.origin(), "commit-tree -m o HEAD^{tree}")
        .await;
    let taken = format!("update-ref refs/heads/shraga/t1/attempt-1 {other}");
    stage.git(&stage.origin(), &taken).await;
    let Push::Failed(why) = push(&stage, &played, &evidence).await else {
        panic!("it was pushed");
    };
    assert!(why.contains("push"), "{why}");
    let there = stage
        .git(&stage.origin(), "rev-parse shraga/t1/attempt-1")
        .await;
    assert_eq!(there, other);
    let copy = played.folder.join("repo.git");
    assert_eq!(
        stage.git(&copy, "rev-parse shraga/t1/attempt-1").await,
        evidence.head
    );
}
