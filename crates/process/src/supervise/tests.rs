//! Real supervisors (this test program, started again) with real shells that misbehave.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::running::{Pipe, Sink, Stop};
use crate::tests::HANG;

/// Not a test of anything: what the others start as their supervisor.
#[test]
#[ignore = "the other tests start it as their supervisor"]
fn supervisor() {
    let _done = serve();
}

fn launcher() -> Vec<String> {
    let args = [
        "--ignored",
        "--exact",
        "supervise::tests::supervisor",
        "--nocapture",
    ];
    this_program(&std::env::current_exe().unwrap(), &args)
}

/// A folder for one program, with what its supervisor is ordered to do.
struct Stage {
    root: TempDir,
    orders: Orders,
}

type Act = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Heard {
    out: Vec<u8>,
    err: Vec<u8>,
    at_word: Option<(&'static str, Act)>,
}

impl Sink for Heard {
    fn take(&mut self, pipe: Pipe, bytes: &[u8]) {
        match pipe {
            Pipe::Out => self.out.extend_from_slice(bytes),
            Pipe::Err => self.err.extend_from_slice(bytes),
        }
        if let Some((word, act)) = &self.at_word
            && self.text().contains(word)
        {
            act();
            self.at_word = None;
        }
    }
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    fn doing_at(word: &'static str, act: impl Fn() + Send + 'static) -> Self {
        Self {
            at_word: Some((word, Box::new(act))),
            ..Self::default()
        }
    }
}

impl Stage {
    fn new(script: &str) -> Self {
        Self::in_folder(script, "")
    }

    fn in_folder(script: &str, deep: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(deep).join("attempt");
        fs::create_dir_all(&folder).unwrap();
        let orders = Orders {
            version: VERSION,
            id: uuid(),
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            dir: folder.clone(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            stdin: String::new(),
            deadline_ms: None,
            grace_ms: millis(HANG),
            output_bytes: None,
            log_bytes: 1_000_000,
            tail_bytes: 1_000,
            orphan_ms: millis(HANG),
            record: root.path().join(deep).join("record.json"),
            folder,
            about: BTreeMap::from([("task".to_owned(), "7".to_owned())]),
        };
        Self { root, orders }
    }

    async fn start(&self) -> Supervised {
        start(&launcher(), BTreeMap::new(), &self.orders)
            .await
            .unwrap()
    }

    async fn find(&self) -> Supervised {
        find(&self.orders.record).await.unwrap()
    }

    fn record(&self) -> Record {
        Record::read(&self.orders.record).unwrap()
    }

    /// Runs to the end, and checks that nothing is left.
    async fn run(&self, stop: &Stop, heard: &mut Heard) -> End {
        finish(self.start().await, stop, heard).await
    }

    /// Waits until the program said `word`.
    async fn said(&self, word: &str) {
        let log = self.orders.folder.join(OUT_LOG);
        until("it says the word", || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains(word))
        })
        .await;
    }
}

async fn finish(supervised: Supervised, stop: &Stop, heard: &mut Heard) -> End {
    let record = supervised.record().clone();
    let end = timeout(HANG, supervised.finish(stop, heard)).await;
    let end = end.expect("it hangs");
    assert!(!crate::os::group_lives(record.agent.unwrap().pid));
    until("the supervisor is gone", || {
        record.supervisor.leader_lives() == Some(false)
    })
    .await;
    assert!(!Path::new(&record.socket).exists());
    end
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    let waited = timeout(HANG, wait).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

/// Unique among the runs of this test program.
fn uuid() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("test-{}-{number}", std::process::id())
}

fn signal(name: &str, pid: u32) {
    let pid = pid.to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &pid])
        .status();
    assert!(sent.unwrap().success());
}

/// The process id that the program wrote to `file`.
async fn pid_in(file: &Path) -> u32 {
    let text = || fs::read_to_string(file).unwrap_or_default();
    until("it says its process id", || text().ends_with('\n')).await;
    text().trim().parse().unwrap()
}

fn lives(pid: u32) -> bool {
    let record = GroupRecord::of(pid);
    !record.started.is_empty() && record.leader_lives() == Some(true)
}

#[tokio::test]
async fn a_program_under_a_supervisor_is_heard_to_its_end_which_lies_in_a_file() {
    let mut stage = Stage::new("cat; echo oops >&2; exit 3");
    stage.orders.stdin = "hello".to_owned();
    let mut heard = Heard::default();
    let end = stage.run(&Stop::default(), &mut heard).await;
    assert_eq!((end.cause, end.exit), (Cause::ByItself, Exit::Code(3)));
    assert_eq!((end.out_bytes, end.err_bytes), (5, 5));
    assert_eq!(
        (heard.text().as_str(), heard.err.as_slice()),
        ("hello", &b"oops\n"[..])
    );
    let record = stage.record();
    assert_eq!(record.end(), Some(end));
    assert_eq!(record.about, stage.orders.about);
}

#[tokio::test]
async fn a_program_goes_on_when_its_worker_is_gone_and_is_found_again_with_all_it_said() {
    let stage = Stage::new("echo before; until [ -e go ]; do sleep 0.01; done; echo after");
    drop(stage.start().await);
    stage.said("before").await;
    let found = stage.find().await;
    fs::write(stage.orders.dir.join("go"), "").unwrap();
    let mut heard = Heard::default();
    let end = finish(found, &Stop::default(), &mut heard).await;
    assert_eq!(
        (end.cause, heard.text().as_str()),
        (Cause::ByItself, "before\nafter\n")
    );
}

#[tokio::test]
async fn an_end_that_nobody_saw_is_found_later() {
    let stage = Stage::new("echo done; exit 75");
    drop(stage.start().await);
    let record = stage.record();
    until("it ended", || record.end().is_some()).await;
    until("the supervisor left", || !record.may_live()).await;
    let mut heard = Heard::default();
    let end = finish(stage.find().await, &Stop::default(), &mut heard).await;
    assert_eq!(
        (end.exit, heard.text().as_str()),
        (Exit::Code(75), "done\n")
    );
}

#[tokio::test]
async fn a_supervisor_leads_a_session_of_its_own_and_shows_no_secret_to_who_lists_processes() {
    let mut stage = Stage::new("echo ready; until [ -e go ]; do sleep 0.01; done");
    stage.orders.stdin = "the-prompt".to_owned();
    stage
        .orders
        .env
        .insert("TOKEN".to_owned(), "the-secret".to_owned());
    let supervised = stage.start().await;
    stage.said("ready").await;
    let (supervisor, agent) = (
        stage.record().supervisor.pid,
        stage.record().agent.unwrap().pid,
    );
    for pid in [supervisor, agent] {
        let shown = std::process::Command::new("ps")
            .args(["-o", "sess=,args=", "-p", &pid.to_string()])
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.trim().starts_with(&supervisor.to_string()), "{shown}");
        for secret in ["the-prompt", "the-secret"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    assert!(!format!("{:?}", stage.orders).contains("the-"));
    fs::write(stage.orders.dir.join("go"), "").unwrap();
    finish(supervised, &Stop::default(), &mut Heard::default()).await;
}

#[tokio::test]
async fn a_program_that_ends_when_asked_is_not_killed() {
    let stage =
        Stage::new("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    let stop = Stop::default();
    let ask = stop.ask.clone();
    let mut heard = Heard::doing_at("ready", move || ask.cancel());
    let end = stage.run(&stop, &mut heard).await;
    assert_eq!((end.cause, end.exit), (Cause::Stopped, Exit::Code(0)));
    assert_eq!(heard.text(), "ready\nbye\n");
}

#[tokio::test]
async fn a_program_that_ignores_the_request_is_killed_after_its_grace() {
    let mut stage = Stage::new("trap '' TERM; echo ready; while :; do sleep 100; done");
    stage.orders.grace_ms = 30;
    let stop = Stop::default();
    let ask = stop.ask.clone();
    let end = stage
        .run(&stop, &mut Heard::doing_at("ready", move || ask.cancel()))
        .await;
    assert_eq!(
        (end.cause, end.exit, end.killed),
        (Cause::Stopped, Exit::Signal(9), true)
    );
}

#[tokio::test]
async fn a_program_that_stopped_itself_hears_the_request() {
    let stage =
        Stage::new("trap 'exit 5' TERM; echo ready; kill -STOP $$; while :; do sleep 0.01; done");
    let stop = Stop::default();
    let ask = stop.ask.clone();
    let end = stage
        .run(&stop, &mut Heard::doing_at("ready", move || ask.cancel()))
        .await;
    assert_eq!((end.cause, end.exit), (Cause::Stopped, Exit::Code(5)));
}

#[tokio::test]
async fn being_told_now_skips_the_grace() {
    let stage = Stage::new("trap '' TERM; echo ready; sleep 100");
    let stop = Stop::default();
    let now = stop.now.clone();
    let end = stage
        .run(&stop, &mut Heard::doing_at("ready", move || now.cancel()))
        .await;
    assert_eq!((end.cause, end.exit), (Cause::Stopped, Exit::Signal(9)));
}

#[tokio::test]
async fn a_program_that_floods_and_ignores_everything_is_stopped_all_the_same() {
    let mut stage = Stage::new("trap '' TERM; echo ready; while :; do cat /dev/zero; done");
    stage.orders.grace_ms = 30;
    stage.orders.log_bytes = 100_000;
    let stop = Stop::default();
    let ask = stop.ask.clone();
    let end = stage
        .run(&stop, &mut Heard::doing_at("ready", move || ask.cancel()))
        .await;
    assert_eq!((end.cause, end.exit), (Cause::Stopped, Exit::Signal(9)));
    assert!(
        fs::metadata(stage.orders.folder.join(OUT_LOG))
            .unwrap()
            .len()
            < 102_000
    );
}

#[tokio::test]
async fn a_passed_deadline_ends_the_program_though_no_worker_is_there() {
    let mut stage = Stage::new("sleep 100 & sleep 100");
    stage.orders.deadline_ms = Some(50);
    drop(stage.start().await);
    let record = stage.record();
    until("it ended", || record.end().is_some()).await;
    assert_eq!(record.end().unwrap().cause, Cause::DeadlinePassed);
    finish(stage.find().await, &Stop::default(), &mut Heard::default()).await;
}

#[tokio::test]
async fn a_program_that_prints_more_than_it_may_is_ended() {
    let mut stage = Stage::new("exec cat /dev/zero");
    stage.orders.output_bytes = Some(500_000);
    let end = stage.run(&Stop::default(), &mut Heard::default()).await;
    assert_eq!(end.cause, Cause::TooMuchOutput);
}

#[tokio::test]
async fn of_output_beyond_the_log_the_last_is_kept() {
    let mut stage = Stage::new("echo begin; head -c 200000 /dev/zero; echo; echo the result");
    (stage.orders.log_bytes, stage.orders.tail_bytes) = (1_000, 100);
    let mut heard = Heard::default();
    let end = stage.run(&Stop::default(), &mut heard).await;
    let text = heard.text();
    assert!(
        text.starts_with("begin\n") && text.ends_with("\nthe result\n"),
        "{text}"
    );
    assert!(text.contains(" bytes are left out here]"), "{text}");
    assert_eq!((end.out_bytes, text.len() < 1_200), (200_018, true));
}

#[tokio::test]
async fn a_program_without_a_worker_for_too_long_is_ended() {
    let mut stage = Stage::new("trap '' TERM; sleep 1000");
    (stage.orders.orphan_ms, stage.orders.grace_ms) = (50, 50);
    drop(stage.start().await);
    let record = stage.record();
    until("it ended", || record.end().is_some()).await;
    let end = finish(stage.find().await, &Stop::default(), &mut Heard::default()).await;
    assert_eq!(end.cause, Cause::Orphaned);
}

#[tokio::test]
async fn a_worker_that_is_there_keeps_its_program_from_being_an_orphan() {
    let mut stage = Stage::new("sleep 0.5; echo done");
    stage.orders.orphan_ms = 100;
    let end = stage.run(&Stop::default(), &mut Heard::default()).await;
    assert_eq!(end.cause, Cause::ByItself);
}

#[tokio::test]
async fn a_supervisor_that_is_told_to_end_leaves_nothing_behind() {
    let script =
        "trap 'echo asked' TERM; (trap '' TERM; exec sleep 1000) & echo $! > pid; wait; wait";
    let stage = Stage::new(script);
    let mut heard = Heard::default();
    let stop = Stop::default();
    let supervised = stage.start().await;
    let child = pid_in(&stage.orders.dir.join("pid")).await;
    signal("TERM", stage.record().supervisor.pid);
    stage.said("asked").await;
    // The grace is as long as a hang: what it is told next skips it.
    stop.now.cancel();
    let end = finish(supervised, &stop, &mut heard).await;
    assert_eq!(end.cause, Cause::Abandoned);
    assert!(!lives(child));
}

#[tokio::test]
async fn a_program_whose_record_was_taken_away_does_not_go_on() {
    let stage = Stage::new("echo $$ > pid; exec sleep 1000");
    drop(stage.start().await);
    let (agent, record) = (pid_in(&stage.orders.dir.join("pid")).await, stage.record());
    drop(stage);
    until("both are gone", || !lives(agent) && !record.may_live()).await;
}

#[tokio::test]
async fn a_supervisor_that_was_killed_takes_its_program_with_it_once_a_worker_sees_it() {
    let stage = Stage::new(
        "trap '' TERM HUP; echo half of it; sleep 1000 & echo $! > pid; wait; sleep 1000",
    );
    let supervised = stage.start().await;
    let child = pid_in(&stage.orders.dir.join("pid")).await;
    signal("KILL", stage.record().supervisor.pid);
    let mut heard = Heard::default();
    let end = finish(supervised, &Stop::default(), &mut heard).await;
    assert_eq!(
        (end.cause, heard.text().as_str()),
        (Cause::Lost, "half of it\n")
    );
    assert!(!lives(child));
}

#[tokio::test]
async fn a_supervisor_that_was_killed_while_no_worker_was_there_is_noticed_by_the_next() {
    let stage = Stage::new("echo $$ > pid; exec sleep 1000");
    drop(stage.start().await);
    let agent = pid_in(&stage.orders.dir.join("pid")).await;
    signal("KILL", stage.record().supervisor.pid);
    let end = finish(stage.find().await, &Stop::default(), &mut Heard::default()).await;
    assert_eq!(end.cause, Cause::Lost);
    assert!(!lives(agent));
}

#[tokio::test]
async fn a_record_of_a_number_that_is_a_strangers_by_now_harms_nobody() {
    let stage = Stage::new("echo done");
    let end = stage.run(&Stop::default(), &mut Heard::default()).await;
    assert_eq!(end.cause, Cause::ByItself);
    let mut stranger = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    let mut record = stage.record();
    for group in [Some(&mut record.supervisor), record.agent.as_mut()] {
        group.unwrap().pid = stranger.id();
    }
    write_whole(&stage.orders.record, &record).unwrap();
    fs::remove_file(stage.orders.folder.join(END_FILE)).unwrap();
    let lost = stage
        .find()
        .await
        .finish(&Stop::default(), &mut Heard::default())
        .await;
    assert_eq!(lost.cause, Cause::Lost);
    assert!(lives(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_silent_child_that_stays_in_the_group_and_holds_the_output_is_not_waited_for() {
    let stage = Stage::new("cat; sleep 1000 & echo $! > pid");
    let end = stage.run(&Stop::default(), &mut Heard::default()).await;
    assert_eq!(
        (end.cause, end.exit, end.killed),
        (Cause::ByItself, Exit::Code(0), true)
    );
    assert!(!lives(pid_in(&stage.orders.dir.join("pid")).await));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_fled_its_group_and_session_is_gone_at_the_end() {
    let script = "setsid sh -c 'trap \"\" TERM; echo $$ > pid; exec sleep 1000' & \
                  until [ -s pid ]; do sleep 0.01; done; echo done";
    let stage = Stage::new(script);
    let mut heard = Heard::default();
    let end = stage.run(&Stop::default(), &mut heard).await;
    assert_eq!(
        (end.cause, end.exit, end.killed),
        (Cause::ByItself, Exit::Code(0), true)
    );
    assert_eq!(heard.text(), "done\n");
    assert!(!lives(pid_in(&stage.orders.dir.join("pid")).await));
}

#[tokio::test]
async fn a_folder_deeper_than_a_sockets_path_may_be_long_is_no_obstacle() {
    let deep: PathBuf = std::iter::repeat_n("a-name-of-twenty-let", 8).collect();
    let stage = Stage::in_folder("echo done", deep.to_str().unwrap());
    let mut heard = Heard::default();
    stage.run(&Stop::default(), &mut heard).await;
    assert_eq!(heard.text(), "done\n");
    assert!(!Path::new(&format!("/tmp/shraga-{}", stage.orders.id)).exists());
}

#[tokio::test]
async fn what_cannot_be_started_says_which_program_and_leaves_nothing() {
    let mut stage = Stage::new("");
    stage.orders.argv = vec!["/no/such/program".to_owned()];
    let refused = start(&launcher(), BTreeMap::new(), &stage.orders).await;
    let text = refused.err().unwrap().to_string();
    assert!(
        text.starts_with("`/no/such/program` could not be started: "),
        "{text}"
    );
    assert!(!stage.orders.record.exists());
    stage.orders.argv = vec!["true".to_owned()];
    let refused = start(
        &["/no/such/supervisor".to_owned()],
        BTreeMap::new(),
        &stage.orders,
    )
    .await;
    assert_eq!(
        refused.err().unwrap().to_string(),
        "the supervisor could not be started"
    );
    let refused = start(&["true".to_owned()], BTreeMap::new(), &stage.orders).await;
    assert!(matches!(
        refused.err().unwrap(),
        SuperviseError::Silent | SuperviseError::Speak { .. }
    ));
}

#[tokio::test]
async fn orders_of_another_version_are_refused_without_being_shown() {
    let mut stage = Stage::new("");
    stage.orders.version = VERSION + 1;
    stage.orders.stdin = "the-prompt".to_owned();
    let refused = start(&launcher(), BTreeMap::new(), &stage.orders).await;
    let text = refused.err().unwrap().to_string();
    assert!(
        text.contains("version") && !text.contains("the-prompt"),
        "{text}"
    );
}

#[tokio::test]
async fn who_does_not_know_the_id_is_not_let_in() {
    let stage = Stage::new("echo ready; until [ -e go ]; do sleep 0.01; done");
    let supervised = stage.start().await;
    let mut record = stage.record();
    record.id = "another".to_owned();
    let mut link = link::Link::open(&record).await.unwrap();
    link.say(protocol::Request::Kill).await;
    assert_eq!(link.hear().await, None);
    fs::write(stage.orders.dir.join("go"), "").unwrap();
    let end = finish(supervised, &Stop::default(), &mut Heard::default()).await;
    assert_eq!(end.cause, Cause::ByItself);
    drop(stage.root);
}
