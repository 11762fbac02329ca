//! Dev Boxes, from the fifth task to a worker that is ready, at a Dev Center that is a state machine; and with
//! everything wrong that can be wrong with one: all else goes on, what is wrong is said, and it mends itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use http::HeaderValue;
use shraga_core::machine::{Note, ProviderKind, Record, Stage as MachineStage, TroubleClass};
use shraga_core::model::Worker;
use shraga_core::plan::machines::{Group, MachinePolicy};
use shraga_core::row::Table;
use shraga_core::status::TaskStatus;
use shraga_core::time::Span;
use shraga_dataverse::Client;
use shraga_dataverse::rows::{self, select};
use shraga_devcenter::{BoxId, BoxName, NoToken, Options, Owner, PoolName, ProjectName, Tokens};
use shraga_orchestrator::machines::dev_box::{Center as Place, DevBoxes, Install, Whose};
use shraga_orchestrator::machines::{Machines, Settings};
use shraga_orchestrator::{Config, Orchestrator};
use shraga_testkit::center::{Center, Fault, POOL, PROJECT};
use shraga_testkit::double::Double;
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::{Person, Stage};
use shraga_wire::query::Query;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cast::seen;

/// Between two looks of a story, in its time.
const LOOK: Duration = Duration::from_secs(20);

/// Looks after which a story is broken: four hours of its time.
const LOOKS_MAX: usize = 720;

#[derive(Debug)]
pub(crate) struct Token;

impl Tokens for Token {
    fn bearer(&self) -> BoxFuture<'_, Result<HeaderValue, NoToken>> {
        ready(Ok(HeaderValue::from_static("Bearer a-token"))).boxed()
    }

    fn refuse(&self, _bearer: &HeaderValue) -> bool {
        false
    }
}

/// A store, a Dev Center and an orchestrator, all in one time; and Ann, who has much to do.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) center: Center,
    pub(crate) ann: Person,
    admin: Client,
    machines: watch::Receiver<Machines>,
    worker: Option<Double>,
    /// In whose name boxes are made.
    whose: Whose,
    /// Whether what is installed never starts a worker.
    pub(crate) mute: bool,
    /// Whether the worker claims what it is given, and never ends it.
    pub(crate) busy: bool,
    stop: Option<DropGuard>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(Whose::Mine).await
    }

    pub(crate) async fn of(whose: Whose) -> Self {
        let stage = Stage::in_still_time().await;
        let ann = stage.person("ann@example.com").await;
        let center = Center::in_tokio_time();
        let admin = stage.admin_client(&Faults::new());
        let mut world = Self {
            machines: watch::channel(Machines::new()).1,
            stage,
            center,
            ann,
            admin,
            worker: None,
            whose,
            mute: false,
            busy: false,
            stop: None,
        };
        world.start();
        world
    }

    /// Starts an orchestrator, after the one before ended in the middle of whatever it did.
    pub(crate) fn start(&mut self) {
        drop(self.stop.take());
        let token = CancellationToken::new();
        let store = self.stage.admin_client(&Faults::new());
        let mut config = Config::new("one");
        config.machines = settings(&store, &self.center, self.whose);
        let orchestrator = Orchestrator::new(store, config, token.clone());
        self.machines = orchestrator.machines();
        tokio::spawn(orchestrator.run());
        self.stop = Some(token.drop_guard());
    }

    /// What the rows say of Ann's machine: of several the last, since those before failed.
    pub(crate) async fn machine(&self) -> Option<(Worker, Record)> {
        let mut machines = self.all().await;
        machines.sort_by_key(|(_, record)| record.name.clone());
        machines.pop()
    }

    async fn all(&self) -> Vec<(Worker, Record)> {
        let query = Query {
            select: select::WORKER.iter().map(|it| (*it).to_owned()).collect(),
            ..Query::default()
        };
        let all = self.admin.list(Table::Workers, &query).await.unwrap();
        let workers = all.iter().map(|row| rows::worker(row).unwrap());
        let machines = workers.filter_map(|worker| match worker.machine.clone() {
            Some(Note::Machine(record)) => Some((worker, *record)),
            Some(Note::Tally(_) | Note::Unknown(_)) | None => None,
        });
        machines.collect()
    }

    /// Lets time pass until `holds`; what was installed on a box works from then on.
    pub(crate) async fn until(&mut self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        let mut looks = tokio::time::interval(LOOK);
        for _ in 0..LOOKS_MAX {
            looks.tick().await;
            self.play_the_worker().await;
            if holds(self).await {
                return;
            }
        }
        panic!(
            "never: {what}; {:?}; {:?}",
            self.machine().await,
            self.machines.borrow()
        );
    }

    pub(crate) async fn until_stage(&mut self, stage: MachineStage) {
        let is = async |world: &Self| {
            world
                .machine()
                .await
                .is_some_and(|(_, it)| it.stage == stage)
        };
        self.until(&format!("a machine that is {stage}"), is).await;
    }

    /// Until the provider, or the machine, is said to be in this trouble.
    pub(crate) async fn until_trouble(&mut self, class: TroubleClass) {
        let told = async |world: &Self| {
            let of_machine = world.machine().await.and_then(|(_, it)| it.trouble);
            let of_provider = world.machines.borrow().get(&ProviderKind::DevBox).cloned();
            let of_provider = of_provider.and_then(|it| it.trouble);
            let those = [of_machine, of_provider];
            those
                .iter()
                .flatten()
                .any(|it| it.class == class && !it.said.is_empty())
        };
        self.until(&format!("trouble of the kind {class}"), told)
            .await;
    }

    /// The worker that an installation started, if one did: it beats, and does what it is given.
    async fn play_the_worker(&mut self) {
        let installed = self.center.installed();
        if self.worker.is_none()
            && !self.mute
            && let Some(started) = installed.first()
            && let Some((row, record)) = self.machine().await
        {
            assert_eq!(started.dev_box, record.name.as_str());
            assert_eq!(started.parameters["worker"], row.id.to_string());
            assert_eq!(started.parameters["store"], "https://store.example");
            assert_eq!(started.run_as, "System");
            self.worker = Some(self.stage.takes_over(row.id, "box", 1).await);
        }
        let runs = |power: &Option<String>| power.as_deref() == Some("Running");
        let names = self.center.boxes();
        let awake = names.iter().filter_map(|name| self.center.states(name));
        if awake.into_iter().any(|(_, power)| runs(&power))
            && let Some(worker) = self.worker.as_ref().filter(|_| !self.mute)
        {
            worker.beats().await;
            if self.busy {
                let assigned = worker.assigned().await;
                worker.claims(&assigned).await;
            } else {
                worker.works().await;
            }
        }
    }

    /// Somebody makes a box that is not ours, in the name of whoever signs in.
    pub(crate) async fn makes_one_by_hand(&self, name: &str) {
        let place = place(self.whose);
        let id = BoxId {
            project: place.project,
            owner: Owner::Me,
            name: BoxName::parse(name).unwrap(),
        };
        let made = client(&self.center).create(&id, &place.pool).await;
        assert!(made.is_ok());
    }

    pub(crate) async fn completed(&self) -> u64 {
        self.stage.count_tasks(false, TaskStatus::Completed).await
    }
}

fn client(center: &Center) -> shraga_devcenter::Client {
    let client = shraga_devcenter::Client::new(Options {
        endpoint: "https://center.example".parse().unwrap(),
        transport: center.transport(),
        tokens: Arc::new(Token),
        request_timeout: Duration::from_secs(30),
    });
    client.unwrap()
}

fn settings(store: &Client, center: &Center, whose: Whose) -> Settings {
    let place = place(whose);
    let group = Group {
        failures_max: 5,
        capacity_wait: Span::mins(5),
        cool_down: Span::mins(1),
        denied_wait: Span::mins(5),
        ..Group::dev_box()
    };
    Settings {
        providers: vec![Arc::new(DevBoxes::new(
            client(center),
            store.clone(),
            place,
        ))],
        policy: MachinePolicy {
            groups: [(ProviderKind::DevBox, group)].into(),
            events: true,
        },
        ..Settings::default()
    }
}

/// Where the boxes of stories are made.
pub(crate) fn place(whose: Whose) -> Place {
    Place {
        project: ProjectName::parse(PROJECT).unwrap(),
        pool: PoolName::parse(POOL).unwrap(),
        whose,
        prefix: "shraga".to_owned(),
        install: Some(Install {
            task: "catalog/powershell".to_owned(),
            parameters: [("worker", "{worker}"), ("store", "{store}")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
            store: "https://store.example".to_owned(),
        }),
    }
}

#[tokio::test(start_paused = true)]
async fn the_fifth_task_brings_a_dev_box_that_works_sleeps_and_wakes() {
    let mut world = World::new().await;
    world.ann.files_many(4).await;
    let mut looks = tokio::time::interval(LOOK);
    for _ in 0..100 {
        looks.tick().await;
    }
    assert!(world.machine().await.is_none(), "four are not enough");
    world.ann.files("the fifth").await;
    world.until_stage(MachineStage::Creating).await;
    world.until_stage(MachineStage::Starting).await;
    world.until_stage(MachineStage::Up).await;
    world
        .until("all five done", async |world| world.completed().await == 5)
        .await;
    let told = async |world: &World| {
        let link = world.machine().await.and_then(|(_, it)| it.link);
        link.is_some_and(|link| link.starts_with("https://devbox"))
            && world.stage.count_events("DevBoxProvisioned").await == 1
    };
    world.until("she is told where it is", told).await;

    world.until_stage(MachineStage::Asleep).await;
    let asleep = world.center.boxes();
    assert_eq!(
        world.center.states(&asleep[0]).unwrap().1.as_deref(),
        Some("Hibernated")
    );
    world.ann.files_many(5).await;
    world
        .until("all ten done", async |world| world.completed().await == 10)
        .await;
    assert_eq!(
        world.center.boxes(),
        asleep,
        "it was woken, and none was made"
    );
    assert_eq!(world.center.replaced(), 0);
    assert_eq!(world.center.objections(), [""; 0]);
}

/// With `fault` from the beginning on: all else goes on, `class` is said; healed, the machine comes by itself.
async fn mends(fault: Fault, class: TroubleClass) {
    let mut world = World::new().await;
    world.center.set(fault.clone());
    world.ann.files_many(5).await;
    world.until_trouble(class).await;
    let bob = world.stage.person("bob@example.com").await;
    let task = bob.files("meanwhile").await;
    let mirrored = async |world: &World| seen(&world.stage, task).await == TaskStatus::Queued;
    world.until("Bob's task is seen to", mirrored).await;
    world.center.heal();
    world
        .until("all done", async |world| world.completed().await >= 5)
        .await;
    assert_eq!(world.center.replaced(), 0, "{fault:?}");
    assert_eq!(world.center.objections(), [""; 0], "{fault:?}");
    let bad = world.center.asked().len();
    assert!(bad < 3000, "{fault:?}: asked {bad} times");
}

macro_rules! mending {
    ($($name:ident: $fault:expr => $class:ident;)+) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            mends($fault, TroubleClass::$class).await;
        })+
    };
}

mending! {
    a_dev_center_without_a_name_mends: Fault::Away("the resolver found no address") => Transient;
    a_dev_center_without_tls_mends: Fault::Away("invalid peer certificate: Expired") => Transient;
    a_dev_center_that_hangs_mends: Fault::Hangs => Transient;
    a_token_that_is_refused_mends: Fault::SignIn => SignIn;
    a_missing_right_mends: Fault::Denied => Denied;
    a_missing_right_to_make_boxes_mends: Fault::MayNotMake => Denied;
    a_right_that_is_there_and_does_not_count_mends: Fault::Misleads => Denied;
    a_missing_project_mends: Fault::NoProject => Misconfigured;
    a_missing_pool_mends: Fault::NoPool => Misconfigured;
    a_lack_of_room_mends: Fault::NoRoom => Capacity;
    a_refused_wish_mends: Fault::Refuses => Invalid;
    throttling_for_a_time_mends: Fault::Throttles(Some(120)) => Throttled;
    throttling_without_a_word_mends: Fault::Throttles(None) => Throttled;
    failures_of_the_service_mend: Fault::Fails => Transient;
    answers_that_are_none_mend: Fault::Garbles => Malformed;
    an_operation_that_fails_mends: Fault::Spoils => Failed;
    an_operation_that_never_ends_mends: Fault::NeverEnds => Failed;
    a_state_that_nobody_knows_mends: Fault::Unheard("Levitating") => Malformed;
    a_missing_power_state_mends: Fault::Powerless => Malformed;
    an_installation_that_waits_for_its_person_mends: Fault::WantsPerson => Denied;
}

#[tokio::test(start_paused = true)]
async fn a_box_that_is_not_there_although_it_was_made_is_made_again() {
    let mut world = World::new().await;
    world.center.set(Fault::Vanishes);
    world.ann.files_many(5).await;
    world.until_stage(MachineStage::Creating).await;
    let vanished = async |world: &World| world.center.boxes().is_empty();
    world.until("the box is not there", vanished).await;
    world.center.heal();
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_box_that_was_deleted_behind_our_back_is_made_again_for_new_work() {
    let mut world = World::new().await;
    world.ann.files_many(5).await;
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
    // Soon after it came up it would count as one that fails.
    let mut looks = tokio::time::interval(LOOK);
    for _ in 0..60 {
        looks.tick().await;
        world.play_the_worker().await;
    }
    let name = world.center.boxes().remove(0);
    world.center.lose(&name);
    world.until_stage(MachineStage::Gone).await;
    world.worker = None;
    world.ann.files_many(5).await;
    world
        .until("all ten done", async |world| world.completed().await == 10)
        .await;
    assert_eq!(world.center.boxes(), [name]);
}

#[tokio::test(start_paused = true)]
async fn an_operation_at_another_host_is_not_asked_after_and_the_box_comes_all_the_same() {
    let mut world = World::new().await;
    world.center.set(Fault::Lures);
    world.ann.files_many(5).await;
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_orchestrator_that_starts_anew_in_the_middle_goes_on_with_what_there_is() {
    let mut world = World::new().await;
    world.ann.files_many(5).await;
    for stage in [
        MachineStage::Creating,
        MachineStage::Starting,
        MachineStage::Up,
    ] {
        world.until_stage(stage).await;
        world.start();
    }
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
    assert_eq!(
        (world.center.boxes().len(), world.center.replaced()),
        (1, 0)
    );
}
