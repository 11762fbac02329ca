//! Real processes: small scripts that pulse, crash, hang and hand over.

use shraga_core::time::Timestamp;
use std::os::unix::fs::PermissionsExt as _;
use tokio::task::JoinHandle;

use super::*;

/// Longer than anything here takes on a busy machine.
const HANG: Duration = Duration::from_secs(60);

/// Pulses that all is well, for ever.
const WELL: &str = "pulse true; while :; do read -t 0.1 x <> fifo; pulse true; done";
/// Pulses that something is missing, for ever.
const UNWELL: &str = "while :; do read -t 0.1 x <> fifo; pulse false; done";
/// Waits for an order in its folder's file `hand-over`, pulsing, and hands over to what it names.
const HANDS_OVER: &str = "while :; do pulse true; if mv order taken 2>/dev/null; then \
     mv taken \"$SHRAGA_KEEPER/next.json\"; exit 76; fi; read -t 0.1 x <> fifo; done";

struct Scene {
    dir: tempfile::TempDir,
    layout: Layout,
}

fn release(version: &str) -> Release {
    Release::new(version, &"a".repeat(40)).unwrap()
}

fn wall() -> Timestamp {
    Timestamp::from_secs(1_790_000_000)
}

impl Scene {
    /// An installation with these versions, each a script; the first is in use.
    async fn new(versions: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("root"));
        drop(layout.hold(HANG).await.unwrap());
        let made = std::process::Command::new("mkfifo")
            .arg(dir.path().join("fifo"))
            .status();
        assert!(made.unwrap().success());
        let scene = Self { dir, layout };
        for (version, script) in versions {
            scene.install(version, script);
        }
        scene.layout.turn(None, &release(versions[0].0)).unwrap();
        scene
    }

    fn install(&self, version: &str, script: &str) {
        let program = self.dir.path().join("program");
        let pulse = "beat=0\npulse() { beat=$((beat+1)); \
             printf '{\"pid\":%d,\"beat\":%d,\"healthy\":%s,\"says\":\"s\"}' $$ $beat $1 >\"$SHRAGA_KEEPER/p.new\"; \
             mv \"$SHRAGA_KEEPER/p.new\" \"$SHRAGA_KEEPER/pulse.json\"; }\n";
        let text = format!(
            "#!/bin/bash\nprintf '%s %s %s\\n' \"$SHRAGA_RELEASE\" $$ \"$1\" >>started\n{pulse}{script}\n"
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Layout::copy(&program, &self.layout.begin().unwrap()).unwrap();
        self.layout.install(&release(version)).unwrap();
    }

    fn order(&self, health: Duration) -> Order {
        Order {
            root: Some(self.layout.root().to_owned()),
            program: PathBuf::from("/no/such/program"),
            args: vec!["argument".to_owned()],
            folder: self.dir.path().join("root/keep/worker"),
            dir: self.dir.path().to_owned(),
            environment: BTreeMap::from([
                ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
                ("NOTIFY_SOCKET".to_owned(), "/nowhere".to_owned()),
            ]),
            health,
            wall,
        }
    }

    fn keep(&self, health: Duration) -> Running {
        let order = self.order(health);
        let (signals, heard) = mpsc::channel(2);
        let task = tokio::spawn(async move { keep(&order, heard, &mut |_| {}).await });
        Running {
            task,
            signals,
            folder: self.order(health).folder,
        }
    }

    /// What was started, in this order.
    fn started(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("started")).unwrap_or_default();
        let releases = text.lines().map(|line| {
            let name = line.split(' ').next().unwrap_or_default();
            name.split('-').next().unwrap_or_default().to_owned()
        });
        releases.collect()
    }

    fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.dir.path().join("started")).ok()?;
        text.lines().last()?.split(' ').nth(1)?.parse().ok()
    }

    /// Tells the program that runs to hand over.
    fn hand_over(&self, version: &str, turn: bool) {
        let text = format!("{{\"to\":\"{}\",\"turn\":{turn}}}", release(version));
        let beside = self.dir.path().join("order.new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.dir.path().join("order")).unwrap();
    }

    async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let began = Elapsed::start();
        while !is(self) {
            let (started, record) = (self.started(), self.layout.record());
            assert!(
                began.now() < Timestamp::from_secs(60),
                "{what}: {started:?} {record:?}"
            );
            crate::clock::pause(Duration::from_millis(20)).await;
        }
    }

    fn failed(&self) -> Vec<String> {
        let failed = self.layout.record().failed;
        failed.iter().map(|failed| failed.said.clone()).collect()
    }

    fn proven(&self) -> Option<Release> {
        memory::read(&self.order(HANG).folder).proven
    }
}

struct Running {
    task: JoinHandle<Result<(), KeepError>>,
    signals: mpsc::Sender<()>,
    folder: PathBuf,
}

impl Running {
    async fn stop(self) {
        self.signals.send(()).await.unwrap();
        tokio::time::timeout(HANG, self.task)
            .await
            .expect("the keeper hangs")
            .unwrap()
            .unwrap();
        let text = fs::read(self.folder.join(CHILD)).unwrap();
        let record: GroupRecord = serde_json::from_slice(&text).unwrap();
        assert_ne!(record.leader_lives(), Some(true), "a program was left");
    }

    /// As if the keeper were killed: nothing of it runs on, and its program does.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[tokio::test]
async fn a_version_that_is_handed_over_to_and_gets_healthy_is_in_use() {
    let scene = Scene::new(&[("1.0.0", HANDS_OVER), ("1.1.0", WELL)]).await;
    let running = scene.keep(HANG);
    scene
        .until("it proves itself", |scene| {
            scene.proven() == Some(release("1.0.0"))
        })
        .await;
    scene.hand_over("1.1.0", true);
    scene
        .until("the next one is in use", |scene| {
            scene.layout.current() == Some(release("1.1.0"))
        })
        .await;
    assert_eq!(scene.layout.previous(), Some(release("1.0.0")));
    assert_eq!(scene.started(), ["1.0.0", "1.1.0"]);
    let text = fs::read_to_string(scene.dir.path().join("started")).unwrap();
    assert!(
        text.lines().all(|line| line.ends_with(" argument")),
        "{text}"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_version_that_crashes_or_hangs_is_left_for_the_one_before_and_remembered() {
    for (script, said) in [
        ("exit 3", "code 3"),
        (UNWELL, "healthy within"),
        ("exec tail -f /dev/null", "healthy within"),
        ("pulse true; kill -9 $$", "signal 9"),
    ] {
        let scene = Scene::new(&[("1.0.0", HANDS_OVER), ("1.1.0", script)]).await;
        let running = scene.keep(Duration::from_secs(2));
        scene
            .until("it proves itself", |scene| scene.proven().is_some())
            .await;
        scene.hand_over("1.1.0", true);
        scene
            .until("the one before runs", |scene| {
                scene.started() == ["1.0.0", "1.1.0", "1.0.0"]
            })
            .await;
        scene
            .until("it is remembered", |scene| !scene.failed().is_empty())
            .await;
        assert!(scene.failed()[0].contains(said), "{:?}", scene.failed());
        assert_eq!(scene.layout.current(), Some(release("1.0.0")));
        running.stop().await;
    }
}

#[tokio::test]
async fn a_version_that_somebody_took_into_use_and_that_fails_is_turned_back_from() {
    let scene = Scene::new(&[("1.0.0", WELL), ("1.1.0", "exit 1")]).await;
    let running = scene.keep(HANG);
    scene
        .until("it proves itself", |scene| scene.proven().is_some())
        .await;
    running.stop().await;
    let (old, new) = (release("1.0.0"), release("1.1.0"));
    scene.layout.turn(Some(&old), &new).unwrap();
    let running = scene.keep(HANG);
    scene
        .until("the one before runs", |scene| {
            scene.started() == ["1.0.0", "1.1.0", "1.0.0"]
        })
        .await;
    assert_eq!(scene.layout.current(), Some(old));
    running.stop().await;
}

#[tokio::test]
async fn a_keeper_that_is_killed_in_a_trial_leaves_a_whole_version_and_no_second_program() {
    let scene = Scene::new(&[("1.0.0", HANDS_OVER), ("1.1.0", UNWELL)]).await;
    let running = scene.keep(HANG);
    scene
        .until("it proves itself", |scene| scene.proven().is_some())
        .await;
    scene.hand_over("1.1.0", true);
    scene
        .until("the next one is on trial", |scene| {
            scene.started().len() == 2
        })
        .await;
    let left = GroupRecord::of(scene.pid().unwrap());
    running.kill().await;
    assert_eq!(left.leader_lives(), Some(true), "it outlives its keeper");
    let running = scene.keep(HANG);
    scene
        .until("what the link leads to runs", |scene| {
            scene.started().len() == 3
        })
        .await;
    assert_ne!(
        left.leader_lives(),
        Some(true),
        "two would be in each other's way"
    );
    assert_eq!(scene.started()[2], "1.0.0");
    running.stop().await;
}

#[tokio::test]
async fn a_program_that_is_killed_later_is_started_again_as_the_same_version() {
    let scene = Scene::new(&[("1.0.0", WELL)]).await;
    let running = scene.keep(HANG);
    scene
        .until("it proves itself", |scene| scene.proven().is_some())
        .await;
    let record = GroupRecord::of(scene.pid().unwrap());
    assert!(end_group(&record).await);
    scene
        .until("it runs again", |scene| {
            scene.started() == ["1.0.0", "1.0.0"]
        })
        .await;
    assert!(scene.failed().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_hand_over_to_nonsense_changes_nothing() {
    let scene = Scene::new(&[("1.0.0", HANDS_OVER)]).await;
    let running = scene.keep(HANG);
    scene
        .until("it proves itself", |scene| scene.proven().is_some())
        .await;
    scene.hand_over("9.9.9", true);
    scene
        .until("it runs again", |scene| scene.started().len() == 2)
        .await;
    fs::write(scene.dir.path().join("order"), "garbage").unwrap();
    scene
        .until("it runs again", |scene| scene.started().len() == 3)
        .await;
    assert_eq!(scene.started(), ["1.0.0"; 3]);
    assert_eq!(scene.layout.current(), Some(release("1.0.0")));
    running.stop().await;
}

#[tokio::test]
async fn a_failure_is_remembered_once_whoever_updates_lets_go_of_the_installation() {
    let scene = Scene::new(&[("1.0.0", HANDS_OVER), ("1.1.0", "exit 1")]).await;
    let running = scene.keep(HANG);
    scene
        .until("it proves itself", |scene| scene.proven().is_some())
        .await;
    let held = scene.layout.hold(HANG).await.unwrap();
    scene.hand_over("1.1.0", true);
    scene
        .until("the one before runs", |scene| scene.started().len() == 3)
        .await;
    assert!(scene.failed().is_empty());
    drop(held);
    scene
        .until("it is remembered", |scene| !scene.failed().is_empty())
        .await;
    running.stop().await;
}

#[tokio::test]
async fn a_failure_that_the_disk_does_not_take_counts_all_the_same_and_is_written_later() {
    let scene = Scene::new(&[("1.0.0", HANDS_OVER), ("1.1.0", "exit 1")]).await;
    let running = scene.keep(HANG);
    scene
        .until("it proves itself", |scene| scene.proven().is_some())
        .await;
    // No file can be made there, whoever asks: as on a full disk.
    let in_the_way = scene.layout.root().join("record.new");
    fs::create_dir(&in_the_way).unwrap();
    for starts in [3, 4] {
        scene.hand_over("1.1.0", true);
        scene
            .until("the one before runs", |scene| {
                scene.started().len() == starts
            })
            .await;
    }
    assert_eq!(scene.started(), ["1.0.0", "1.1.0", "1.0.0", "1.0.0"]);
    assert!(scene.failed().is_empty());
    fs::remove_dir(&in_the_way).unwrap();
    scene
        .until("it is remembered", |scene| !scene.failed().is_empty())
        .await;
    running.stop().await;
}

#[tokio::test]
async fn a_second_keeper_is_told_who_has_the_folder() {
    let scene = Scene::new(&[("1.0.0", WELL)]).await;
    let running = scene.keep(HANG);
    scene.until("it runs", |scene| scene.pid().is_some()).await;
    let (_signals, heard) = mpsc::channel(2);
    let refused = keep(&scene.order(HANG), heard, &mut |_| {})
        .await
        .unwrap_err();
    let pid = std::process::id().to_string();
    assert!(refused.to_string().contains(&pid), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn a_root_without_a_version_is_refused() {
    let scene = Scene::new(&[("1.0.0", WELL)]).await;
    fs::remove_file(scene.layout.root().join("current")).unwrap();
    let (_signals, heard) = mpsc::channel(2);
    let refused = keep(&scene.order(HANG), heard, &mut |_| {})
        .await
        .unwrap_err();
    assert!(matches!(refused, KeepError::NothingInstalled(_)));
}
