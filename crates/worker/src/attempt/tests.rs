//! Attempts with the `command` agent, against real shells.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::*;

/// Long enough that only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

struct Stage {
    root: tempfile::TempDir,
    interrupt: Interrupt,
    news: mpsc::Receiver<News>,
    sender: mpsc::Sender<News>,
}

struct Played {
    lines: Vec<String>,
    finish: Finish,
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["running", "tasks"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let (sender, news) = mpsc::channel(16);
        Self {
            root,
            interrupt: Interrupt::default(),
            news,
            sender,
        }
    }

    fn job(&self, agent: Command) -> Job {
        let own = [
            ("PATH", "/usr/bin:/bin"),
            ("TOKEN", "secret"),
            ("MODEL", "small"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Job {
            run: RunId(1),
            mirror: MirrorId::new(Uuid::from_u128(1)),
            task: TaskId::new(Uuid::from_u128(2)),
            name: "a name".to_owned(),
            attempt: Attempt(3),
            agent_name: "sh".to_owned(),
            agent,
            checkpoint: None,
            verifier: None,
            summaries: Summaries::Rounds,
            root: self.root.path().to_owned(),
            environment: Arc::new(BTreeMap::from(own)),
            grace: Duration::from_millis(50),
        }
    }

    /// Plays a script to its end; `on_line` may interrupt it.
    async fn play(&mut self, script: &str, on_line: impl Fn(&str, &Interrupt)) -> Played {
        self.play_within(script, None, on_line).await
    }

    async fn play_within(
        &mut self,
        script: &str,
        timeout: Option<Duration>,
        on_line: impl Fn(&str, &Interrupt),
    ) -> Played {
        let command = Command {
            program: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec!["MODEL".to_owned()],
            timeout,
            ..Command::default()
        };
        let _agent = start(
            self.job(command),
            async {
                Ok(Order {
                    prompt: "do it".to_owned(),
                    ..Order::default()
                })
            },
            self.interrupt.clone(),
            self.sender.clone(),
        );
        let mut lines = Vec::new();
        loop {
            let news = tokio::time::timeout(HANG, self.news.recv())
                .await
                .expect("it hangs");
            match news.unwrap() {
                News::Lines(_, more) => {
                    more.iter().for_each(|line| on_line(line, &self.interrupt));
                    lines.extend(more);
                }
                News::Checkpoint(..) => panic!("it is too early for one"),
                News::Ended(_, _, finish) => {
                    return Played {
                        lines,
                        finish: *finish,
                    };
                }
            }
        }
    }

    fn folder(&self) -> std::path::PathBuf {
        let task = TaskId::new(Uuid::from_u128(2)).to_string();
        self.root.path().join("tasks").join(task).join("attempt-3")
    }
}

fn nothing(_: &str, _: &Interrupt) {}

#[tokio::test]
async fn a_program_gets_its_prompt_and_surroundings_and_its_output_is_the_result() {
    let mut stage = Stage::new();
    let script = "cat; echo; echo $SHRAGA_TASK_ID $SHRAGA_TASK_NAME $SHRAGA_ATTEMPT $MODEL ${TOKEN-none}; \
                  test \"$(pwd -P)\" = \"$(cd $SHRAGA_TASK_DIR && pwd -P)\" && echo here > file";
    let played = stage.play(script, nothing).await;
    assert_eq!(played.finish.outcome, Outcome::Completed);
    let expected = [
        "do it",
        "00000000-0000-0000-0000-000000000002 a name 3 small none",
    ];
    assert_eq!(played.lines, expected);
    assert_eq!(played.finish.result, expected.join("\n") + "\n");
    assert!(played.finish.message.starts_with("completed in "));
    let folder = stage.folder();
    assert_eq!(
        played.finish.folder.as_deref().map(Path::new),
        Some(folder.as_path())
    );
    assert_eq!(
        fs::read_to_string(folder.join("work/file")).unwrap(),
        "here\n"
    );
    assert_eq!(
        fs::read_to_string(folder.join("stdout.log")).unwrap(),
        played.finish.result
    );
    let outcome: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("outcome.json")).unwrap()).unwrap();
    assert_eq!(
        (&outcome["exit_code"], &outcome["ending"]),
        (&0.into(), &"by-itself".into())
    );
    assert_eq!(
        fs::read_dir(stage.root.path().join("running"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn exit_code_75_asks_for_another_attempt() {
    let played = Stage::new()
        .play("echo 'no network' >&2; exit 75", nothing)
        .await;
    assert_eq!(played.finish.outcome, Outcome::Retry);
    assert_eq!(
        played.finish.message,
        "it asks for another attempt: no network"
    );
}

#[tokio::test]
async fn any_other_end_fails_with_the_last_words_on_standard_error() {
    let played = Stage::new()
        .play("echo part; echo oops >&2; exit 3", nothing)
        .await;
    assert_eq!(played.finish.outcome, Outcome::Failed(Reason::AgentFailed));
    assert_eq!(played.finish.message, "exit code 3: oops");
    assert_eq!(played.finish.result, "part\n\n[standard error]\noops\n");
    let played = Stage::new().play("kill -KILL $$", nothing).await;
    assert_eq!(played.finish.message, "ended by signal 9");
}

#[tokio::test]
async fn a_canceled_program_ends_and_keeps_what_it_printed() {
    let cancel = |line: &str, interrupt: &Interrupt| {
        if line == "working" {
            interrupt.ask(Interruption::Cancel);
        }
    };
    let script = "trap '' TERM; echo working; while :; do sleep 100; done";
    let played = Stage::new().play(script, cancel).await;
    assert_eq!(played.finish.outcome, Outcome::Canceled);
    assert_eq!(played.finish.result, "working\n");
}

#[tokio::test]
async fn a_program_that_runs_too_long_is_ended() {
    let limit = Some(Duration::from_millis(40));
    let played = Stage::new().play_within("sleep 100", limit, nothing).await;
    assert_eq!(played.finish.outcome, Outcome::Failed(Reason::TimedOut));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let mut stage = Stage::new();
    let command = Command {
        program: vec!["/no/such".to_owned()],
        env: Vec::new(),
        timeout: None,
        ..Command::default()
    };
    let _agent = start(
        stage.job(command),
        async { Ok(Order::default()) },
        Interrupt::default(),
        stage.sender.clone(),
    );
    let Some(News::Ended(_, _, finish)) = stage.news.recv().await else {
        panic!("it printed something");
    };
    assert_eq!(finish.outcome, Outcome::Failed(Reason::AgentUnavailable));
    assert!(
        finish
            .message
            .starts_with("`/no/such` could not be started: "),
        "{}",
        finish.message
    );
}
