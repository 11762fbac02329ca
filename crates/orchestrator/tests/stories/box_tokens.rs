//! Tokens of workers on Dev Boxes: each has one that is valid, whatever gets lost on the way to its box.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use http::HeaderValue;
use shraga_core::ids::WorkerId;
use shraga_core::machine::{MachineName, ProviderKind, Serves};
use shraga_core::plan::machines::{Act, ActKind};
use shraga_core::time::Timestamp;
use shraga_dataverse::{Client, Role};
use shraga_devcenter::{NoToken, Options, PoolName, ProjectName, Tokens};
use shraga_orchestrator::machines::Provider as _;
use shraga_orchestrator::machines::dev_box::{Center as Place, DevBoxes, Install, Whose};
use shraga_testkit::center::{Center, Fault, POOL, PROJECT};
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::{Person, Stage};
use uuid::Uuid;

/// When everything here happens: nothing depends on it.
const NOW: Timestamp = Timestamp::from_secs(1_780_300_800);

/// Longer than a box is made, or a group runs.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct Signed;

impl Tokens for Signed {
    fn bearer(&self) -> BoxFuture<'_, Result<HeaderValue, NoToken>> {
        ready(Ok(HeaderValue::from_static("Bearer a-token"))).boxed()
    }

    fn refuse(&self, _bearer: &HeaderValue) -> bool {
        false
    }
}

/// A store, a Dev Center with a box of Ann's that runs, and the provider.
struct World {
    admin: Client,
    center: Center,
    ann: Person,
    boxes: DevBoxes,
    name: MachineName,
    _stage: Stage,
}

impl World {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let ann = stage.person("ann@example.com").await;
        let center = Center::new();
        let admin = stage.admin_client(&Faults::new());
        let boxes = boxes(&admin, &center);
        let owner = admin.who_am_i().await.unwrap();
        let name = MachineName::of("shraga", owner, Serves::Person(ann.id), 1);
        let world = Self {
            admin,
            center,
            ann,
            boxes,
            name,
            _stage: stage,
        };
        world.asks(ActKind::Create).await.unwrap();
        world.center.advance(LONG);
        world
    }

    /// Another process looks after boxes from now on.
    fn starts_anew(&mut self) {
        self.boxes = boxes(&self.admin, &self.center);
    }

    fn worker(&self) -> WorkerId {
        WorkerId::of(self.ann.id, self.name.as_str())
    }

    async fn asks(&self, kind: ActKind) -> Result<(), shraga_core::machine::Trouble> {
        let act = Act {
            provider: ProviderKind::DevBox,
            worker: self.worker(),
            name: self.name.clone(),
            serves: Serves::Person(self.ann.id),
            kind,
            tried: NOW,
            why: "a test asks".to_owned(),
        };
        self.boxes.act(&act, NOW).await
    }

    /// The identities of the worker's valid tokens.
    async fn tokens(&self) -> Vec<Uuid> {
        let tokens = self.admin.tokens().await.unwrap();
        let hers = tokens
            .iter()
            .filter(|it| it.worker == Some(self.worker()))
            .inspect(|it| assert_eq!(it.role, Role::Worker));
        hers.map(|it| it.id).collect()
    }

    /// The tokens that boxes were told.
    fn told(&self) -> Vec<String> {
        self.center.advance(LONG);
        let installed = self.center.installed();
        let told = installed.iter().map(|it| it.parameters["command"].clone());
        told.map(|it| it.strip_prefix("install ").unwrap().to_owned())
            .collect()
    }
}

fn boxes(store: &Client, center: &Center) -> DevBoxes {
    let client = shraga_devcenter::Client::new(Options {
        endpoint: "https://center.example".parse().unwrap(),
        transport: center.transport(),
        tokens: Arc::new(Signed),
        request_timeout: Duration::from_secs(30),
    });
    let place = Place {
        project: ProjectName::parse(PROJECT).unwrap(),
        pool: PoolName::parse(POOL).unwrap(),
        whose: Whose::Mine,
        prefix: "shraga".to_owned(),
        install: Some(Install {
            task: "catalog/shraga-worker".to_owned(),
            parameters: [("command".to_owned(), "install {token}".to_owned())].into(),
            store: "https://store.example".to_owned(),
        }),
    };
    DevBoxes::new(client.unwrap(), store.clone(), place)
}

#[tokio::test]
async fn a_box_is_told_a_token_of_its_worker_alone_which_ends_with_it() {
    let world = World::new().await;
    assert!(world.tokens().await.is_empty(), "none before it is needed");
    world.asks(ActKind::Start).await.unwrap();
    let told = world.told();
    assert_eq!((told.len(), world.tokens().await.len()), (1, 1));
    assert!(!told[0].is_empty() && told[0] != "{token}");
    world.asks(ActKind::Start).await.unwrap();
    assert_eq!(world.tokens().await.len(), 1, "asked again, none is made");
    world.asks(ActKind::Delete).await.unwrap();
    assert!(world.tokens().await.is_empty());
}

#[tokio::test]
async fn a_token_whose_request_was_lost_is_used_for_the_next() {
    let world = World::new().await;
    world.center.set(Fault::LosesWishes);
    world.asks(ActKind::Start).await.unwrap_err();
    let first = world.tokens().await;
    assert_eq!(first.len(), 1);
    world.center.heal();
    world.asks(ActKind::Start).await.unwrap();
    assert_eq!(world.tokens().await, first);
    assert_eq!(world.told().len(), 1);
}

#[tokio::test]
async fn a_token_that_nobody_knows_any_more_is_revoked() {
    let mut world = World::new().await;
    world.center.set(Fault::LosesWishes);
    world.asks(ActKind::Start).await.unwrap_err();
    let first = world.tokens().await;
    world.center.heal();
    world.starts_anew();
    world.asks(ActKind::Start).await.unwrap();
    let second = world.tokens().await;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_token_that_arrived_stays_though_its_answer_was_lost() {
    let mut world = World::new().await;
    world.center.set(Fault::LosesAnswers);
    world.asks(ActKind::Start).await.unwrap_err();
    let first = world.tokens().await;
    world.center.heal();
    world.starts_anew();
    world.asks(ActKind::Start).await.unwrap();
    assert_eq!((world.tokens().await, world.told().len()), (first, 1));
}
