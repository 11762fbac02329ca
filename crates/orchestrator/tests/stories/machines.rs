//! Machines beside the ticks: what is asked of a provider, how often, and what its silence costs.
//!
//! The provider is the world here: a shelf of machines that notes what it is asked. Each time it is
//! looked at, the store's clock is a second later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shraga_core::machine::{
    Found, FoundState, Inventory, MachineName, ProviderKind, Stage as Step, Trouble, TroubleClass,
};
use shraga_core::plan::machines::{Act, ActKind, Group, MachinePolicy};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use shraga_local::clock::Clock;
use shraga_orchestrator::machines::{BoxFuture, Machines, Making, Pace, Provider, Settings};
use shraga_orchestrator::{Config, Left, Orchestrator};
use shraga_testkit::faults::{Fault, Faults, When};
use shraga_testkit::stage::Stage;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::cast::seen;

/// How long a story waits for what must happen. Only a broken one waits that long.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Shelf {
    clock: Clock,
    machines: Mutex<BTreeMap<MachineName, FoundState>>,
    asked: Mutex<Vec<(MachineName, ActKind)>>,
    listed: watch::Sender<u32>,
    /// What it answers to a look instead of a list.
    trouble: Mutex<Option<TroubleClass>>,
    hangs: bool,
    /// A request waits here until there is a permit, and one more for each that came.
    slow: Option<(Arc<Semaphore>, Arc<Semaphore>)>,
}

impl Shelf {
    fn new(stage: &Stage, hangs: bool) -> Arc<Self> {
        Arc::new(Self {
            clock: stage.clock.clone(),
            machines: Mutex::default(),
            asked: Mutex::default(),
            listed: watch::Sender::default(),
            trouble: Mutex::default(),
            hangs,
            slow: None,
        })
    }

    fn answer(&self, at: Timestamp) -> Result<Inventory, Trouble> {
        self.clock.advance(1);
        self.listed.send_modify(|listed| *listed += 1);
        if let Some(class) = *self.trouble.lock().unwrap() {
            return Err(Trouble {
                class,
                said: "the story says so".to_owned(),
                since: at,
                again: None,
            });
        }
        let machines = self.machines.lock().unwrap();
        let found = machines.iter().map(|(name, state)| Found {
            name: name.clone(),
            state: state.clone(),
            created: None,
            fault: None,
            stops_at: None,
        });
        Ok(Inventory {
            provider: ProviderKind::Process,
            found: found.collect(),
            at,
            quota: None,
            bars: None,
            advice: None,
        })
    }

    /// How often it was asked this of each machine.
    fn asked(&self, kind: ActKind) -> Vec<usize> {
        let asked = self.asked.lock().unwrap();
        let mut counts: BTreeMap<&MachineName, usize> = BTreeMap::new();
        for (name, _) in asked.iter().filter(|(_, other)| *other == kind) {
            *counts.entry(name).or_default() += 1;
        }
        counts.into_values().collect()
    }

    /// Waits until it was looked at `more` times.
    async fn looked_at(&self, more: u32) {
        let until = *self.listed.borrow() + more;
        let mut listed = self.listed.subscribe();
        let looked = listed.wait_for(|listed| *listed >= until);
        tokio::time::timeout(DEADLINE, looked)
            .await
            .expect("it is not looked at")
            .unwrap();
    }
}

impl Provider for Shelf {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Process
    }

    fn pace(&self) -> Pace {
        Pace {
            least: Duration::from_millis(1),
            busy: Duration::from_millis(1),
            quiet: Duration::from_millis(5),
        }
    }

    fn list(&self, now: Timestamp) -> BoxFuture<'_, Result<Inventory, Trouble>> {
        Box::pin(async move {
            if self.hangs {
                self.listed.send_modify(|listed| *listed += 1);
                std::future::pending::<()>().await;
            }
            self.answer(now)
        })
    }

    fn act<'a>(&'a self, act: &'a Act, _now: Timestamp) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            if let Some((came, go)) = &self.slow {
                came.add_permits(1);
                go.acquire().await.unwrap().forget();
            }
            let mut machines = self.machines.lock().unwrap();
            match act.kind {
                ActKind::Create | ActKind::Start => {
                    machines.insert(act.name.clone(), FoundState::Running);
                }
                ActKind::Stop { .. } => {
                    machines.insert(act.name.clone(), FoundState::Asleep);
                }
                ActKind::Delete => drop(machines.remove(&act.name)),
                ActKind::Restart | ActKind::Repair | ActKind::Delay { .. } | ActKind::Link => {}
            }
            self.asked
                .lock()
                .unwrap()
                .push((act.name.clone(), act.kind));
            Ok(())
        })
    }

    fn link<'a>(
        &'a self,
        _act: &'a Act,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>, Trouble>> {
        Box::pin(async { Ok(None) })
    }
}

struct Running {
    machines: watch::Receiver<Machines>,
    token: CancellationToken,
    hand_over: CancellationToken,
    ended: tokio::task::JoinHandle<Left>,
}

/// An orchestrator that keeps `least` machines for everyone on the shelf.
fn run(stage: &Stage, name: &str, shelf: &Arc<Shelf>, least: u32, faults: &Faults) -> Running {
    let group = Group {
        pool_min: least,
        pool_max: 4,
        ..Group::process()
    };
    let token = CancellationToken::new();
    let config = Config {
        machines: Settings {
            providers: vec![Arc::clone(shelf) as Arc<dyn Provider>],
            policy: MachinePolicy {
                groups: [(ProviderKind::Process, group)].into(),
                events: true,
            },
            rest: CancellationToken::new(),
        },
        ..Config::new(name)
    };
    let hand_over = config.hand_over.clone();
    let orchestrator = Orchestrator::new(stage.admin_client(faults), config, token.clone());
    let machines = orchestrator.machines();
    let ended = tokio::spawn(async move { orchestrator.run().await.unwrap() });
    Running {
        machines,
        token,
        hand_over,
        ended,
    }
}

impl Running {
    /// Waits until this is said of the shelf.
    async fn until(&mut self, is_so: impl Fn(&Making) -> bool) {
        let is_so = |all: &Machines| all.get(&ProviderKind::Process).is_some_and(&is_so);
        let said = self.machines.wait_for(is_so);
        let said = tokio::time::timeout(DEADLINE, said).await;
        said.expect("it is never said").unwrap();
    }

    async fn stop(self) {
        self.token.cancel();
        self.ended.await.unwrap();
    }
}

fn starting(count: u32) -> impl Fn(&Making) -> bool {
    move |making| making.stages.get(&Step::Starting) == Some(&count)
}

#[tokio::test]
async fn two_orchestrators_ask_for_each_machine_once() {
    let stage = Stage::new().await;
    let shelf = Shelf::new(&stage, false);
    let mut one = run(&stage, "one", &shelf, 3, &Faults::new());
    let mut other = run(&stage, "other", &shelf, 3, &Faults::new());
    one.until(starting(3)).await;
    other.until(starting(3)).await;
    shelf.looked_at(10).await;
    assert_eq!(shelf.asked(ActKind::Create), [1, 1, 1]);
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_with_the_machines_that_there_are() {
    let stage = Stage::new().await;
    let shelf = Shelf::new(&stage, false);
    let mut first = run(&stage, "one", &shelf, 2, &Faults::new());
    // It ends with one asked for and one only wanted, or anywhere else.
    first.until(|making| !making.stages.is_empty()).await;
    first.stop().await;
    let mut next = run(&stage, "one", &shelf, 2, &Faults::new());
    next.until(starting(2)).await;
    assert_eq!(shelf.machines.lock().unwrap().len(), 2);
    next.stop().await;
}

#[tokio::test]
async fn a_provider_that_hangs_delays_no_task() {
    let stage = Stage::new().await;
    let shelf = Shelf::new(&stage, true);
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let orchestrator = run(&stage, "one", &shelf, 1, &Faults::new());
    shelf.looked_at(1).await;
    let mut since = ann.client.changes(None).await.unwrap().next;
    let task = ann.files("one").await;
    let done = async {
        while seen(&stage, task).await != TaskStatus::Completed {
            worker.works().await;
            since = ann.client.changes(Some(since)).await.unwrap().next;
        }
    };
    tokio::time::timeout(DEADLINE, done).await.unwrap();
    assert_eq!(*shelf.listed.borrow(), 1, "it still hangs");
    orchestrator.stop().await;
}

#[tokio::test]
async fn trouble_is_said_with_its_beginning_and_goes_when_it_is_over() {
    let stage = Stage::new().await;
    let shelf = Shelf::new(&stage, false);
    *shelf.trouble.lock().unwrap() = Some(TroubleClass::SignIn);
    let mut orchestrator = run(&stage, "one", &shelf, 1, &Faults::new());
    orchestrator.until(|making| making.trouble.is_some()).await;
    let of = |machines: &Machines| machines[&ProviderKind::Process].trouble.clone().unwrap();
    let first = of(&orchestrator.machines.borrow());
    shelf.looked_at(5).await;
    let later = of(&orchestrator.machines.borrow());
    assert_eq!(
        (later.since, later.class),
        (first.since, TroubleClass::SignIn)
    );
    assert!(shelf.asked(ActKind::Create).is_empty());
    *shelf.trouble.lock().unwrap() = None;
    orchestrator.until(starting(1)).await;
    assert!(
        orchestrator.machines.borrow()[&ProviderKind::Process]
            .trouble
            .is_none()
    );
    orchestrator.stop().await;
}

#[tokio::test]
async fn a_machine_that_was_written_down_and_never_asked_for_is_asked_for_by_the_next() {
    let stage = Stage::new().await;
    let shelf = Shelf::new(&stage, false);
    let faults = Faults::new();
    faults.arm(When::write_with("creating"), Fault::DieAfter);
    let first = run(&stage, "one", &shelf, 1, &faults);
    let died = async {
        while faults.pending() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, died).await.unwrap();
    assert!(
        shelf.asked(ActKind::Create).is_empty(),
        "its write was not answered"
    );
    first.ended.abort();
    let mut next = run(&stage, "next", &shelf, 1, &Faults::new());
    next.until(starting(1)).await;
    assert_eq!(shelf.asked(ActKind::Create), [1]);
    next.stop().await;
}

#[tokio::test]
async fn who_hands_over_ends_its_requests_and_the_next_asks_for_nothing_again() {
    let stage = Stage::new().await;
    let (came, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let mut shelf = Shelf::new(&stage, false);
    let slow = Some((Arc::clone(&came), Arc::clone(&go)));
    Arc::get_mut(&mut shelf).unwrap().slow = slow;
    let first = run(&stage, "first", &shelf, 1, &Faults::new());
    came.acquire().await.unwrap().forget();
    first.hand_over.cancel();
    go.add_permits(1);
    assert_eq!(first.ended.await.unwrap(), Left::HandedOver);
    assert_eq!(shelf.asked(ActKind::Create), [1]);
    let second = run(&stage, "second", &shelf, 1, &Faults::new());
    shelf.looked_at(3).await;
    second.stop().await;
    assert_eq!(shelf.asked(ActKind::Create), [1]);
}
