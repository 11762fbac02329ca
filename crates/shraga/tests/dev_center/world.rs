//! A store on a socket, a Dev Center and an orchestrator in one time; Ann, who has much to do, and Bob, who has a worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;
use shraga_core::ids::TaskId;
use shraga_core::machine::ProviderKind;
use shraga_core::plan::machines::{Group, MachinePolicy};
use shraga_core::status::TaskStatus;
use shraga_core::time::Span;
use shraga_devcenter::{Client, NoToken, Options, PoolName, ProjectName, Tokens};
use shraga_orchestrator::machines::dev_box::{Center as Place, DevBoxes, Install, Whose};
use shraga_orchestrator::machines::{BoxFuture, Machines, Settings};
use shraga_orchestrator::{Config, Orchestrator};
use shraga_testkit::center::{Center, POOL, PROJECT};
use shraga_testkit::double::Double;
use shraga_testkit::faults::Faults;
use shraga_testkit::site::{ADMIN_TOKEN, Site};
use shraga_testkit::stage::{Person, Stage};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::common;

/// Between two looks of a story, in its time.
const LOOK: Duration = Duration::from_secs(20);

/// Looks after which a story is broken: five hours of its time.
const LOOKS_MAX: usize = 900;

#[derive(Debug)]
struct Token;

impl Tokens for Token {
    fn bearer(&self) -> BoxFuture<'_, Result<HeaderValue, NoToken>> {
        Box::pin(std::future::ready(Ok(HeaderValue::from_static(
            "Bearer a-token",
        ))))
    }

    fn refuse(&self, _bearer: &HeaderValue) -> bool {
        false
    }
}

pub(crate) struct World {
    pub(crate) center: Center,
    pub(crate) ann: Person,
    pub(crate) bob: Person,
    site: Site,
    folder: common::Place,
    machines: watch::Receiver<Machines>,
    bobs: Double,
    anns: Option<Double>,
    stop: Option<DropGuard>,
}

impl World {
    /// With Dev Boxes or, if `configured` is false, without any provider.
    pub(crate) async fn new(configured: bool) -> Self {
        let stage = Stage::in_still_time().await;
        let ann = stage.person("ann@example.com").await;
        let bob = stage.person("bob@example.com").await;
        let bobs = stage.own_worker("bobs", 1, &bob).await;
        let site = Site::start(stage, &[&ann, &bob]).await;
        let mut world = Self {
            center: Center::in_tokio_time(),
            machines: watch::channel(Machines::new()).1,
            folder: common::Place::new(),
            ann,
            bob,
            site,
            bobs,
            anns: None,
            stop: None,
        };
        world.start(configured);
        world
    }

    /// Starts an orchestrator, after the one before ended in the middle of whatever it did.
    pub(crate) fn start(&mut self, configured: bool) {
        drop(self.stop.take());
        let token = CancellationToken::new();
        let store = self.site.stage.admin_client(&Faults::new());
        let mut config = Config::new("one");
        if configured {
            config.machines = self.settings();
        }
        let orchestrator = Orchestrator::new(store, config, token.clone());
        self.machines = orchestrator.machines();
        tokio::spawn(orchestrator.run());
        self.stop = Some(token.drop_guard());
    }

    fn settings(&self) -> Settings {
        let client = Client::new(Options {
            endpoint: "https://center.example".parse().unwrap(),
            transport: self.center.transport(),
            tokens: Arc::new(Token),
            request_timeout: Duration::from_secs(30),
        });
        let place = Place {
            project: ProjectName::parse(PROJECT).unwrap(),
            pool: PoolName::parse(POOL).unwrap(),
            whose: Whose::Mine,
            prefix: "shraga".to_owned(),
            install: Some(Install {
                task: "catalog/powershell".to_owned(),
                parameters: [("worker".to_owned(), "{worker}".to_owned())].into(),
                store: "https://store.example".to_owned(),
            }),
        };
        let group = Group {
            failures_max: 5,
            capacity_wait: Span::mins(5),
            cool_down: Span::mins(1),
            denied_wait: Span::mins(5),
            ..Group::dev_box()
        };
        let store = self.site.stage.admin_client(&Faults::new());
        Settings {
            providers: vec![Arc::new(DevBoxes::new(client.unwrap(), store, place))],
            policy: MachinePolicy {
                groups: [(ProviderKind::DevBox, group)].into(),
                events: true,
            },
            ..Settings::default()
        }
    }

    /// Lets time pass until `holds`; workers that there are work meanwhile.
    pub(crate) async fn until(&mut self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        let mut looks = tokio::time::interval(LOOK);
        for _ in 0..LOOKS_MAX {
            looks.tick().await;
            self.workers_work().await;
            if holds(self).await {
                return;
            }
        }
        panic!("never: {what}; {:?}", self.machines.borrow());
    }

    pub(crate) async fn passes(&mut self, looks: usize) {
        let mut ticks = tokio::time::interval(LOOK);
        for _ in 0..looks {
            ticks.tick().await;
            self.workers_work().await;
        }
    }

    /// Bob's worker works, and Ann's once one was installed on a box that runs.
    async fn workers_work(&mut self) {
        self.bobs.beats().await;
        self.bobs.works().await;
        let installed = self.center.installed();
        if let (None, Some(started)) = (&self.anns, installed.first()) {
            let id = started.parameters["worker"].parse().unwrap();
            self.anns = Some(self.site.stage.takes_over(id, "box", 1).await);
        }
        let names = self.center.boxes();
        let mut powers = names.iter().filter_map(|name| self.center.states(name)?.1);
        if powers.any(|power| power == "Running")
            && let Some(worker) = &self.anns
        {
            worker.beats().await;
            worker.works().await;
        }
    }

    /// The worker of a box that is gone is gone with it.
    pub(crate) fn forget_worker(&mut self) {
        self.anns = None;
    }

    pub(crate) async fn completed(&self) -> u64 {
        let stage = &self.site.stage;
        stage.count_tasks(false, TaskStatus::Completed).await
    }

    pub(crate) async fn is_done(&self, task: TaskId) -> bool {
        let task = self.site.stage.task(task).await;
        task.is_some_and(|task| task.status == TaskStatus::Completed)
    }

    /// What the orchestrator's status says of Dev Boxes.
    pub(crate) fn status(&self) -> String {
        let all = self.machines.borrow();
        let making = all.get(&ProviderKind::DevBox);
        making.map_or_else(String::new, |it| {
            it.line(ProviderKind::DevBox, None).to_string()
        })
    }

    /// Runs the binary with the admin's token while time stands still: what it printed, whatever it ends with.
    pub(crate) async fn says(&self, args: &[&str]) -> String {
        let token: PathBuf = self.folder.path().join("admin.token");
        std::fs::write(&token, ADMIN_TOKEN).unwrap();
        let mut command = self.folder.command(args);
        command.args(["--url", &self.site.url, "--token-file"]);
        command.arg(&token);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        assert_ne!(output.status.code(), None, "{args:?} was killed");
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(
            !out.is_empty(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        out
    }

    /// The same, as JSON.
    pub(crate) async fn tells(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.says(&args).await).unwrap()
    }

    /// Ann's machine: of several the last, since those before failed.
    pub(crate) async fn machine(&self) -> Option<Value> {
        let all = self.tells(&["machines", "--all"]).await;
        let all = all.as_array().cloned().unwrap_or_default();
        all.into_iter().max_by_key(|it| it["name"].to_string())
    }

    /// What the doctor finds of machines, but that all is well.
    pub(crate) async fn findings(&self) -> Vec<Value> {
        let all = self.tells(&["doctor"]).await;
        let all = all["findings"].as_array().cloned().unwrap_or_default();
        let of_machines = all.into_iter().filter(|it| it["check"] == "machines");
        // The verb runs without the orchestrator's settings, and so says of every box that these look after none.
        let unattended = |it: &Value| {
            let what = it["what"].as_str().unwrap_or_default();
            what.contains("these settings look after none")
        };
        let wrong = of_machines.filter(|it| it["severity"] != "ok" && !unattended(it));
        wrong.collect()
    }
}
