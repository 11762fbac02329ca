//! Real shells that misbehave in every way a program can.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// Long enough that only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Heard {
    out: Vec<u8>,
    err: Vec<u8>,
    stop_at: Option<(&'static str, Stop)>,
}

impl Sink for Heard {
    fn take(&mut self, pipe: Pipe, bytes: &[u8]) {
        match pipe {
            Pipe::Out => self.out.extend_from_slice(bytes),
            Pipe::Err => self.err.extend_from_slice(bytes),
        }
        if let Some((word, stop)) = &self.stop_at
            && String::from_utf8_lossy(&self.out).contains(word)
        {
            stop.ask.cancel();
        }
    }
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Asks the program to end once it has printed `word`.
    fn stopping_at(word: &'static str, stop: &Stop) -> Self {
        Self {
            stop_at: Some((word, stop.clone())),
            ..Self::default()
        }
    }
}

fn shell(script: &str) -> Program {
    Program {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        dir: std::env::temp_dir(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        stdin: Vec::new(),
        deadline: None,
        grace: HANG,
    }
}

/// Runs to the end and checks that nothing is left of the group.
async fn run(program: Program, stop: &Stop, heard: &mut Heard) -> Ended {
    let running = Running::start(program).unwrap();
    let record = running.record();
    assert!(!record.started.is_empty());
    let ended = tokio::time::timeout(HANG, running.finish(stop, heard))
        .await
        .expect("the program hangs")
        .unwrap();
    assert!(!os::group_lives(record.pid), "a process was left behind");
    ended
}

#[tokio::test]
async fn output_errors_and_the_exit_code_arrive() {
    let mut heard = Heard::default();
    let program = Program {
        stdin: b"hello".to_vec(),
        ..shell("cat; echo oops >&2; exit 3")
    };
    let ended = run(program, &Stop::default(), &mut heard).await;
    let expected = Ended {
        ending: Ending::ByItself,
        exit: Exit::Code(3),
        killed: false,
    };
    assert_eq!(ended, expected);
    assert_eq!(
        (heard.text().as_str(), heard.err.as_slice()),
        ("hello", &b"oops\n"[..])
    );
}

#[tokio::test]
async fn a_program_that_ends_when_asked_is_not_killed() {
    let stop = Stop::default();
    let mut heard = Heard::stopping_at("ready", &stop);
    let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let ended = run(shell(script), &stop, &mut heard).await;
    assert_eq!((ended.ending, ended.exit), (Ending::Stopped, Exit::Code(0)));
    assert!(heard.text().ends_with("bye\n"));
}

#[tokio::test]
async fn a_program_that_ignores_the_request_is_killed_after_its_grace() {
    let stop = Stop::default();
    let mut heard = Heard::stopping_at("ready", &stop);
    let program = Program {
        grace: Duration::from_millis(30),
        ..shell("trap '' TERM; echo ready; while :; do sleep 100; done")
    };
    let ended = run(program, &stop, &mut heard).await;
    let expected = Ended {
        ending: Ending::Stopped,
        exit: Exit::Signal(9),
        killed: true,
    };
    assert_eq!(ended, expected);
}

#[tokio::test]
async fn being_told_now_skips_the_grace() {
    let stop = Stop::default();
    stop.now.cancel();
    let ended = run(
        shell("trap '' TERM; sleep 100"),
        &stop,
        &mut Heard::default(),
    )
    .await;
    assert_eq!(
        (ended.ending, ended.exit),
        (Ending::Stopped, Exit::Signal(9))
    );
}

#[tokio::test]
async fn a_passed_deadline_ends_the_whole_group() {
    let program = Program {
        deadline: Some(Duration::from_millis(50)),
        grace: Duration::from_millis(50),
        ..shell("sleep 100 & sleep 100 & wait")
    };
    let ended = run(program, &Stop::default(), &mut Heard::default()).await;
    assert_eq!(ended.ending, Ending::DeadlinePassed);
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_is_not_waited_for() {
    let mut heard = Heard::default();
    let ended = run(
        shell("(trap '' TERM HUP; sleep 1000) & echo done"),
        &Stop::default(),
        &mut heard,
    )
    .await;
    let expected = Ended {
        ending: Ending::ByItself,
        exit: Exit::Code(0),
        killed: true,
    };
    assert_eq!(ended, expected);
    assert_eq!(heard.text(), "done\n");
}

#[tokio::test]
async fn a_flood_on_both_pipes_is_read_to_its_end() {
    let mut heard = Heard::default();
    let flood = "head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait";
    let ended = run(shell(flood), &Stop::default(), &mut heard).await;
    assert_eq!(ended.exit, Exit::Code(0));
    assert_eq!((heard.out.len(), heard.err.len()), (3_000_000, 3_000_000));
}

#[tokio::test]
async fn an_endless_flood_does_not_outlast_its_deadline() {
    struct Nothing;
    impl Sink for Nothing {
        fn take(&mut self, _: Pipe, _: &[u8]) {}
    }
    let program = Program {
        deadline: Some(Duration::from_millis(50)),
        ..shell("exec cat /dev/zero")
    };
    let running = Running::start(program).unwrap();
    let (stop, mut nothing) = (Stop::default(), Nothing);
    let ended = tokio::time::timeout(HANG, running.finish(&stop, &mut nothing))
        .await
        .unwrap();
    assert_eq!(ended.unwrap().ending, Ending::DeadlinePassed);
}

#[tokio::test]
async fn a_program_that_never_reads_its_input_is_no_obstacle() {
    let program = Program {
        stdin: vec![b'x'; 4_000_000],
        ..shell("echo done")
    };
    let mut heard = Heard::default();
    let ended = run(program, &Stop::default(), &mut heard).await;
    assert_eq!(
        (ended.exit, heard.text().as_str()),
        (Exit::Code(0), "done\n")
    );
}

#[tokio::test]
async fn a_large_input_comes_back_whole_through_a_program_that_echoes_it() {
    let input: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut heard = Heard::default();
    let program = Program {
        stdin: input.clone(),
        ..shell("cat")
    };
    run(program, &Stop::default(), &mut heard).await;
    assert!(heard.out == input);
}

#[tokio::test]
async fn a_program_that_closes_its_output_early_is_still_waited_for() {
    let mut heard = Heard::default();
    let ended = run(
        shell("echo hi; exec >&- 2>&-; sleep 0.1; exit 4"),
        &Stop::default(),
        &mut heard,
    )
    .await;
    assert_eq!((ended.exit, heard.text().as_str()), (Exit::Code(4), "hi\n"));
}

#[tokio::test]
async fn a_dropped_program_takes_its_group_with_it() {
    let running = Running::start(shell("sleep 1000 & sleep 1000")).unwrap();
    let record = running.record();
    drop(running);
    assert!(end_group(&record).await);
    assert!(!os::group_lives(record.pid));
}

#[tokio::test]
async fn a_recorded_group_is_ended_by_a_later_process_unless_it_is_a_strangers() {
    let running = Running::start(shell("sleep 1000")).unwrap();
    let record = running.record();
    let stranger = GroupRecord {
        started: "another time".to_owned(),
        ..record.clone()
    };
    assert!(end_group(&stranger).await);
    assert!(os::group_lives(record.pid), "a stranger was killed");
    assert!(end_group(&record).await);
    drop(running);
}

#[test]
fn what_cannot_be_started_says_which_program() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    let missing = Program {
        argv: vec!["/no/such/program".to_owned()],
        ..shell("")
    };
    let error = Running::start(missing).err().unwrap();
    assert_eq!(error.to_string(), "`/no/such/program` could not be started");
    let none = Program {
        argv: Vec::new(),
        ..shell("")
    };
    assert!(matches!(Running::start(none), Err(ProcessError::Empty)));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_whose_file_is_held_open_for_an_instant_longer_is_started_all_the_same() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fresh");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"#!/bin/sh\necho fresh\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    file.set_permissions(executable).unwrap();
    let fresh = move || Program {
        argv: vec![path.display().to_string()],
        ..shell("")
    };
    let held = Running::start(fresh()).err().unwrap();
    let why = std::error::Error::source(&held).unwrap().to_string();
    assert!(why.contains("busy"), "{why}");
    let starting = tokio::spawn(async move {
        let mut heard = Heard::default();
        run(fresh(), &Stop::default(), &mut heard).await;
        heard.text()
    });
    drop(file);
    assert_eq!(starting.await.unwrap(), "fresh\n");
}

#[tokio::test]
async fn only_allowed_variables_reach_the_program() {
    let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let own = text(&[("PATH", "/usr/bin:/bin"), ("SECRET", "1"), ("API_KEY", "2")]);
    let env = allowed_environment(&own, &["API_KEY".to_owned()]);
    assert_eq!(env, text(&[("PATH", "/usr/bin:/bin"), ("API_KEY", "2")]));
    let mut heard = Heard::default();
    run(
        Program {
            env,
            ..shell("echo ${SECRET-none} $API_KEY")
        },
        &Stop::default(),
        &mut heard,
    )
    .await;
    assert_eq!(heard.text(), "none 2\n");
}

fn path() -> BTreeMap<String, String> {
    BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())])
}

async fn tool(script: &str, deadline: Duration) -> Result<String, ToolError> {
    run_tool(
        &["sh", "-c", script],
        &std::env::temp_dir(),
        path(),
        deadline,
    )
    .await
}

#[tokio::test]
async fn a_tool_that_works_answers_and_one_that_fails_says_its_last_line() {
    assert_eq!(tool("echo yes", HANG).await.unwrap(), "yes\n");
    let error = tool("echo part; echo first >&2; echo last >&2; exit 2", HANG).await;
    assert_eq!(error.unwrap_err().to_string(), "`sh -c` failed: last");
}

#[tokio::test]
async fn a_failed_tools_whole_output_is_there_for_those_who_read_it() {
    let script = "echo out; echo err >&2; exit 2";
    let output = tool_output(&["sh", "-c", script], &std::env::temp_dir(), path(), HANG).await;
    let expected = ToolOutput {
        exit: Exit::Code(2),
        out: b"out\n".to_vec(),
        err: b"err\n".to_vec(),
    };
    assert_eq!(output.unwrap(), expected);
}

#[tokio::test]
async fn a_hanging_tool_and_its_children_are_gone_after_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo $$ > group; sleep 100 & sleep 100; wait";
    let argv = ["sh", "-c", script];
    let error = run_tool(&argv, folder.path(), path(), Duration::from_secs(3)).await;
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "`sh -c` took longer than 3s");
    let group = std::fs::read_to_string(folder.path().join("group")).unwrap();
    assert!(!os::group_lives(group.trim().parse().unwrap()));
}

#[tokio::test]
async fn a_tool_that_prints_without_end_is_ended_at_its_bound() {
    let error = tool("cat /dev/zero", HANG).await.unwrap_err();
    assert!(matches!(error, ToolError::TooMuch { .. }), "{error}");
    let error = tool("head -c 2000000 /dev/zero", HANG).await.unwrap_err();
    assert!(matches!(error, ToolError::TooMuch { .. }), "{error}");
}

#[tokio::test]
async fn a_tool_that_complains_without_end_still_answers() {
    let text = tool("head -c 3000000 /dev/zero >&2; echo done", HANG).await;
    assert_eq!(text.unwrap(), "done\n");
}

#[tokio::test]
async fn a_tool_reads_its_input_and_is_ended_once_it_printed_more_than_is_kept() {
    let run = |script: &'static str, keep| {
        let argv = ["sh", "-c", script];
        async move {
            let dir = std::env::temp_dir();
            tool_head(&argv, &dir, path(), HANG, b"a line\n".to_vec(), keep).await
        }
    };
    let (output, whole) = run("cat", 100).await.unwrap();
    assert_eq!(
        (output.out.as_slice(), whole),
        (b"a line\n".as_slice(), true)
    );
    let (output, whole) = run("cat; yes", 8).await.unwrap();
    assert_eq!(
        (output.out.as_slice(), whole),
        (b"a line\ny".as_slice(), false)
    );
}
