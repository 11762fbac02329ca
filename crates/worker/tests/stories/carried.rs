//! What an attempt leaves to the next one, on the same worker or another.

use shraga_core::ids::WorkerId;
use shraga_core::row::tasks;
use shraga_core::status::TaskStatus;
use uuid::Uuid;

use crate::world::{Started, Task, WORKER, World, pid_in};

const OTHER: WorkerId = WorkerId::new(Uuid::from_u128(0xF1));

impl World {
    /// Starts another worker with this agent, elsewhere.
    fn start_other(&self, script: &str) -> Started {
        self.start_as(OTHER, self.config("other", script))
    }

    /// What sync writes when the person answers.
    async fn answers(&self, task: Task, answer: &str) {
        let row = self.row(task).await;
        let open: serde_json::Value =
            serde_json::from_str(row["cr_answer"].as_str().unwrap()).unwrap();
        let answered = serde_json::json!({
            "asked": open["asked"], "question": open["question"], "text": answer,
        });
        self.change(task, vec![(tasks::ANSWER, answered.to_string().into())])
            .await;
    }

    async fn said(&self, task: Task) -> String {
        let events = self.events(task).await;
        let contents: Vec<String> = events.into_iter().map(|event| event.content).collect();
        contents.join("\n")
    }
}

#[tokio::test]
async fn an_answer_reaches_the_next_attempt_with_the_files_on_any_worker() {
    let world = World::new().await;
    let asking = world.start("echo half > half; echo 'which port?' > $SHRAGA_QUESTION_FILE");
    let task = world.assign("serve it").await;
    world.until_status(task, TaskStatus::WaitingForInput).await;
    asking.drain().await;
    world.answers(task, "80").await;
    let other = world.start_other("cat; echo; cat half; cat $SHRAGA_ANSWER_FILE");
    world.reassign(task, OTHER, 2).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(
        row["cr_result"],
        "serve it\n\nYou asked the person who filed this task:\nwhich port?\n\n\
         The answer:\n80\nhalf\n80"
    );
    let said = world.said(task).await;
    assert!(
        said.contains("goes on from attempt 1: work, round 1"),
        "{said}"
    );
    // An ended task has nothing to go on with.
    assert!(row["cr_executiondetails"].is_null());
    other.drain().await;
}

#[tokio::test]
async fn an_earlier_answer_is_not_forgotten_by_a_later_question() {
    let world = World::new().await;
    let script = "case $SHRAGA_ATTEMPT in \
                  1) echo one? > $SHRAGA_QUESTION_FILE;; \
                  2) echo two? > $SHRAGA_QUESTION_FILE;; \
                  *) cat; cat $SHRAGA_ANSWER_FILE;; esac";
    let worker = world.start(script);
    let task = world.assign("do it").await;
    world.until_status(task, TaskStatus::WaitingForInput).await;
    world.answers(task, "first").await;
    world.reassign(task, WORKER, 2).await;
    let row = world
        .until(task, "asking again", |row| {
            row["cr_statusmessage"] == "asks: two?" && row["cr_status"] == 6
        })
        .await;
    assert_eq!(row["cr_attempt"], 2);
    world.answers(task, "second").await;
    world.reassign(task, WORKER, 3).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    let asked = "You asked the person who filed this task:";
    assert_eq!(
        row["cr_result"],
        format!(
            "do it\n\n{asked}\none?\n\nThe answer:\nfirst\n\n{asked}\ntwo?\n\nThe answer:\nsecondsecond"
        )
    );
    worker.drain().await;
}

#[tokio::test]
async fn work_that_waits_to_be_judged_is_not_done_again() {
    let world = World::new().await;
    let script = |verify: &str| {
        format!(
            "case $SHRAGA_PHASE in work) echo $SHRAGA_ATTEMPT > made; cat made;; *) {verify};; esac"
        )
    };
    let first = world.start(&script("exit 75"));
    let task = world
        .assign_wanting("make it", r#"{"successCriteria":"there is a file"}"#)
        .await;
    world.until_status(task, TaskStatus::Pending).await;
    first.drain().await;
    let pass = r#"grep -q 1 made && printf '{"nonce":"%s","verdict":"pass"}' $SHRAGA_VERDICT_NONCE > $SHRAGA_VERDICT_FILE"#;
    let other = world.start_other(&script(pass));
    world.reassign(task, OTHER, 2).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "1\n");
    let output: serde_json::Value =
        serde_json::from_str(row["cr_output"].as_str().unwrap()).unwrap();
    let phases = output["phases"].as_array().unwrap();
    let attempts: Vec<_> = phases
        .iter()
        .map(|it| {
            (
                it["phase"].as_str().unwrap(),
                it["attempt"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(attempts, [("work", 1), ("verify", 1), ("verify", 2)]);
    other.drain().await;
}

#[tokio::test]
async fn a_worker_that_is_gone_leaves_what_it_noted_while_the_agent_ran() {
    let world = World::new().await;
    let mut config = world.config("w", "echo half > half; echo $$ > $SHARED/pid; sleep 1000");
    config.checkpoint = Some(std::time::Duration::from_millis(10));
    let first = world.start_as(WORKER, config);
    let task = world.assign("do it").await;
    pid_in(&world.shared("pid")).await;
    world
        .until(task, "noted", |row| row["cr_executiondetails"].is_string())
        .await;
    let row = world.row(task).await;
    assert_eq!(row["cr_status"], TaskStatus::Running.code());
    first.crash().await;
    let other = world.start_other("cat half");
    world.reassign(task, OTHER, 2).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "half\n");
    other.drain().await;
}

#[tokio::test]
async fn a_checkpoint_does_not_keep_a_report_from_being_published() {
    let world = World::new().await;
    let mut config = world.config(
        "w",
        "for n in 1 2 3 4 5 6 7 8; do echo $n > file; sleep 0.02; done",
    );
    config.checkpoint = Some(std::time::Duration::from_millis(5));
    config.slots = 4;
    let worker = world.start_as(WORKER, config);
    let mut tasks = Vec::new();
    for _ in 0..8 {
        tasks.push(world.assign("do it").await);
    }
    for task in tasks {
        let row = world.until_status(task, TaskStatus::Completed).await;
        assert!(row["cr_executiondetails"].is_null());
        world.checked_events(task).await;
    }
    worker.drain().await;
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_used_is_said_and_done_without() {
    let world = World::new().await;
    for (broken, why) in [
        ("{\"form\":9", "it can't be read"),
        (
            r#"{"form":9,"agent":"sh","attempt":1,"course":""}"#,
            "its form 9 is not known here",
        ),
        (
            r#"{"form":1,"agent":"sh","attempt":1,"course":"AAAA"}"#,
            "its course is broken",
        ),
    ] {
        let worker = world.start("ls; cat");
        let task = world.assign_to(OTHER, "do it").await;
        let cells = vec![(tasks::EXECUTION_DETAILS, broken.into())];
        world.change(task, cells).await;
        world.reassign(task, WORKER, 2).await;
        let row = world.until_status(task, TaskStatus::Completed).await;
        assert_eq!(row["cr_result"], "do it");
        let said = world.said(task).await;
        assert!(said.contains(why), "{said}");
        worker.drain().await;
    }
}

#[tokio::test]
async fn what_was_carried_to_another_worker_survives_its_own_retry() {
    let world = World::new().await;
    let script = "ls; touch made-$SHRAGA_ATTEMPT; test $SHRAGA_ATTEMPT = 3 || exit 75";
    let first = world.start(script);
    let task = world.assign("do it").await;
    world.until_status(task, TaskStatus::Pending).await;
    first.drain().await;
    let other = world.start_other(script);
    world.reassign(task, OTHER, 2).await;
    world
        .until(task, "tried again", |row| {
            row["cr_attempt"] == 2 && row["cr_status"] == 1
        })
        .await;
    world.reassign(task, OTHER, 3).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "made-1\nmade-2\n");
    other.drain().await;
}
