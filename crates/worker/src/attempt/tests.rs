//! Attempts with the `command` agent, against real shells.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::workspace::Repositories;
use shraga_core::repository::Allowed;

/// Long enough that only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

struct Stage {
    root: tempfile::TempDir,
    workspaces: Workspaces,
    interrupt: Interrupt,
    news: mpsc::Receiver<News>,
    sender: mpsc::Sender<News>,
}

fn environment() -> BTreeMap<String, String> {
    let own = [
        ("PATH", "/usr/bin:/bin"),
        ("TOKEN", "secret"),
        ("MODEL", "small"),
    ];
    own.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Any folder may be named here.
fn repositories() -> Repositories {
    Repositories {
        allowed: Allowed::new(vec!["/tmp".parse().unwrap()]),
        ..Repositories::default()
    }
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
        let environment = Arc::new(environment());
        let workspaces = Workspaces::new(root.path(), repositories(), environment);
        Self {
            root,
            workspaces,
            interrupt: Interrupt::default(),
            news,
            sender,
        }
    }

    fn job(&self, agent: Command) -> Job {
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
            owner: None,
            workspaces: self.workspaces.clone(),
            root: self.root.path().to_owned(),
            environment: Arc::new(environment()),
            grace: Duration::from_millis(50),
            metering: crate::meter::Metering::default(),
            supervision: Supervision {
                launcher: crate::tests::supervisor(),
                orphan: HANG,
                about: BTreeMap::new(),
            },
            footing: Footing::new(false, Door::default()),
            resumed: None,
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

/// A repository with one commit on `main`, as its own program makes it.
async fn repository(stage: &Stage) -> std::path::PathBuf {
    let path = stage.root.path().join("origin");
    fs::create_dir(&path).unwrap();
    let script = "git init -q -b main && echo hello > README && git add README && \
                  git -c user.name=a -c user.email=a@b commit -q -m first";
    let argv = ["sh", "-c", script];
    let ran = shraga_process::run_tool(&argv, &path, environment(), HANG).await;
    ran.unwrap();
    path
}

async fn play_in(stage: &mut Stage, input: &str, script: &str) -> Finish {
    let order = Order::of(Some("do it"), Some(input));
    play_order(stage, order, Attempt(3), script).await
}

async fn play_order(stage: &mut Stage, order: Order, attempt: Attempt, script: &str) -> Finish {
    let command = Command {
        program: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ..Command::default()
    };
    let job = Job {
        attempt,
        ..stage.job(command)
    };
    let interrupt = stage.interrupt.clone();
    let _agent = start(job, async { Ok(order) }, interrupt, stage.sender.clone());
    loop {
        let news = tokio::time::timeout(HANG, stage.news.recv()).await;
        if let News::Ended(_, _, finish) = news.expect("it hangs").unwrap() {
            return *finish;
        }
    }
}

#[tokio::test]
async fn a_task_with_a_repository_works_in_a_checkout_and_its_commits_are_evidence() {
    let mut stage = Stage::new();
    let origin = repository(&stage).await;
    let input = format!(
        r#"{{"repo":"{}","ref":"main","push":true}}"#,
        origin.display()
    );
    let script = "cat README; echo more >> README; git commit -q -a -m second; echo left > left";
    let finish = play_in(&mut stage, &input, script).await;
    assert_eq!(finish.outcome, Outcome::Completed, "{}", finish.message);
    assert_eq!(finish.result, "hello\n");
    let evidence = finish.evidence.unwrap();
    assert_eq!((evidence.commit_count, evidence.file_count), (2, 2));
    assert!(evidence.unfinished);
    let message = &finish.message;
    assert!(
        message.contains("2 commits, 2 files on shraga/"),
        "{message}"
    );
    assert!(message.ends_with("attempt-3, pushed"), "{message}");
    let argv = ["git", "rev-parse", "--verify", &evidence.branch];
    let tip = shraga_process::run_tool(&argv, &origin, environment(), HANG).await;
    assert_eq!(tip.unwrap().trim(), evidence.head);
}

#[tokio::test]
async fn a_repository_that_is_refused_ends_the_attempt_before_any_agent_runs() {
    for input in [
        r#"{"repo":"https://127.0.0.1/a"}"#,
        r#"{"repo":"ext::sh -c id"}"#,
        r#"{"repo":"/etc"}"#,
        r#"{"repo":["/tmp"]}"#,
    ] {
        let mut stage = Stage::new();
        let finish = play_in(&mut stage, input, "echo ran").await;
        let refused = Outcome::Failed(Reason::RepositoryRefused);
        assert_eq!(finish.outcome, refused, "{input}: {}", finish.message);
        assert_eq!(finish.result, "");
    }
}

#[tokio::test]
async fn a_repository_that_cannot_be_fetched_asks_for_another_attempt() {
    let mut stage = Stage::new();
    let empty = stage.root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let input = format!(r#"{{"repo":"{}"}}"#, empty.display());
    let finish = play_in(&mut stage, &input, "echo ran").await;
    assert_eq!(finish.outcome, Outcome::Retry, "{}", finish.message);
    assert!(
        finish
            .message
            .starts_with("the repository can't be fetched"),
        "{}",
        finish.message
    );
}

#[tokio::test]
async fn what_a_failed_agent_has_done_is_evidence_and_is_not_pushed() {
    let mut stage = Stage::new();
    let origin = repository(&stage).await;
    let input = format!(r#"{{"repo":"{}","push":true}}"#, origin.display());
    let finish = play_in(&mut stage, &input, "echo part > part; exit 3").await;
    let evidence = finish.evidence.unwrap();
    assert_eq!(evidence.files[0].path, "part");
    assert_eq!(evidence.push, shraga_core::worker::Push::NotAsked);
}

#[tokio::test]
async fn an_attempt_goes_on_with_the_commits_and_changes_that_another_left() {
    let mut stage = Stage::new();
    let origin = repository(&stage).await;
    let input = format!(r#"{{"repo":"{}"}}"#, origin.display());
    let script = "echo one > one; git add one; git commit -q -m one; echo two > two; exit 75";
    let first = play_in(&mut stage, &input, script).await;
    assert_eq!(first.outcome, Outcome::Retry, "{}", first.message);
    // Another worker, which has nothing of the first one's.
    let mut other = Stage::new();
    let order = Order {
        checkpoint: first.checkpoint,
        ..Order::of(Some("do it"), Some(&input))
    };
    let script = "git log --format=%s; git status --porcelain";
    let second = play_order(&mut other, order, Attempt(4), script).await;
    assert_eq!(second.outcome, Outcome::Completed, "{}", second.message);
    assert_eq!(second.result, "one\nfirst\n?? two\n");
    let evidence = second.evidence.unwrap();
    assert_eq!(evidence.file_count, 2);
}
