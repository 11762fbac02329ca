//! What holds in every history: of two orchestrators that look at what is old, of writes that are lost or cut short, of
//! workers that take, fail, fall silent and leave, of pauses at any time.

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::fleet::{Doubt, Refused};
use crate::row::Condition;

const WORKERS: usize = 4;

#[derive(Clone, Debug)]
enum Event {
    /// An orchestrator looks, and keeps what it plans.
    Look(usize),
    /// It writes what it planned; of each change set, all or nothing.
    Write(usize),
    /// It dies after that many writes of a store that takes them one by one.
    Die(usize, usize),
    Take(usize),
    Fail(usize),
    Unable(usize),
    Silent(usize),
    Answer(usize),
    Drain(usize),
    ByHand(usize),
    Pause(bool),
    Offer(usize, u32),
    Minutes(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let (who, worker) = (0..2_usize, 0..WORKERS);
    prop_oneof![
        12 => who.clone().prop_map(Event::Look),
        12 => who.clone().prop_map(Event::Write),
        1 => (who.clone(), 0..3_usize).prop_map(|(who, writes)| Event::Die(who, writes)),
        6 => worker.clone().prop_map(Event::Take),
        3 => worker.clone().prop_map(Event::Fail),
        1 => worker.clone().prop_map(Event::Unable),
        1 => worker.clone().prop_map(Event::Silent),
        2 => worker.clone().prop_map(Event::Answer),
        1 => worker.clone().prop_map(Event::Drain),
        1 => worker.prop_map(Event::ByHand),
        1 => any::<bool>().prop_map(Event::Pause),
        2 => (who, 1..9_u32).prop_map(|(who, minor)| Event::Offer(who, minor)),
        4 => (1..12_i64).prop_map(Event::Minutes),
    ]
}

/// The store, and two orchestrators with what each planned last.
struct World {
    scene: Scene,
    offered: [Option<Release>; 2],
    planned: [Vec<ChangeSet>; 2],
    version: u64,
    row_version: u64,
    versions: Vec<u64>,
    opened: usize,
    failed: usize,
}

impl World {
    fn new() -> Self {
        let mut scene = Scene::of(WORKERS as u128);
        scene.snapshot.offered = None;
        for row in &mut scene.snapshot.workers {
            row.etag = Etag::new("0");
        }
        Self {
            scene,
            offered: [None, None],
            planned: [Vec::new(), Vec::new()],
            version: 0,
            row_version: 0,
            versions: vec![0; WORKERS],
            opened: 0,
            failed: 0,
        }
    }

    /// A new version of a worker's row, or of the fleet's.
    fn touch(&mut self, worker: Option<usize>) {
        self.version += 1;
        match worker {
            Some(worker) => {
                self.versions[worker] = self.version;
                self.scene.snapshot.workers[worker].etag = Etag::new(self.version.to_string());
            }
            None => self.row_version = self.version,
        }
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Look(who) => {
                self.scene.snapshot.offered.clone_from(&self.offered[*who]);
                let row = self.scene.snapshot.row.take();
                let tag = Etag::new(self.row_version.to_string());
                self.scene.snapshot.row = row.map(|(_, fleet)| (tag, fleet));
                self.planned[*who] = self.scene.plan().sets;
            }
            Event::Write(who) => {
                for set in std::mem::take(&mut self.planned[*who]) {
                    if set.writes.iter().all(|write| self.holds(write)) {
                        set.writes.iter().for_each(|write| self.write(write));
                    }
                }
            }
            Event::Die(who, writes) => {
                let sets = std::mem::take(&mut self.planned[*who]);
                let writes = sets.iter().flat_map(|set| &set.writes).take(*writes);
                for write in writes {
                    if !self.holds(write) {
                        break;
                    }
                    self.write(write);
                }
            }
            Event::Pause(paused) => {
                self.scene.pause(*paused);
                self.touch(None);
            }
            Event::Offer(who, minor) => self.offered[*who] = Some(release(*minor)),
            Event::Minutes(minutes) => self.scene.pass(Span::mins(*minutes)),
            Event::Take(it)
            | Event::Fail(it)
            | Event::Unable(it)
            | Event::Silent(it)
            | Event::Answer(it)
            | Event::Drain(it)
            | Event::ByHand(it) => self.live(*it, event),
        }
        self.check();
    }

    /// What a worker does, or what is done to it.
    fn live(&mut self, number: usize, event: &Event) {
        let now = self.scene.now;
        let worker = &mut self.scene.snapshot.workers[number];
        let allowed = worker.member.allowed.clone();
        match (event, allowed) {
            (Event::Take(_), Some(allowed)) if worker.suspicion.is_none() => {
                worker.member.release = Some(allowed);
                worker.member.said = Said::On;
            }
            (Event::Fail(_), Some(allowed)) => {
                worker.member.said = Said::Failed(allowed, "it broke".to_owned());
            }
            (Event::Unable(_), Some(allowed)) => {
                worker.member.said = Said::Unable(allowed, "not here".to_owned());
            }
            (Event::Silent(_), _) => worker.suspicion = Some(Suspicion { beat: 1, at: now }),
            (Event::Answer(_), _) => worker.suspicion = None,
            (Event::Drain(_), _) => worker.drained = worker.drained.xor(Some(now)),
            (Event::ByHand(_), _) if worker.member.release < Some(release(5)) => {
                worker.member.release = Some(release(5));
            }
            (_, _) => return,
        }
        self.touch(Some(number));
    }

    fn place(&self, write: &Write) -> Option<usize> {
        let mut rows = self.scene.snapshot.workers.iter();
        rows.position(|row| row.id.get() == write.id)
    }

    fn holds(&self, write: &Write) -> bool {
        let version = match self.place(write) {
            Some(worker) => self.versions[worker],
            None => self.row_version,
        };
        match &write.condition {
            Condition::Absent => self.scene.snapshot.row.is_none(),
            Condition::Version(tag) => tag.as_str() == version.to_string(),
        }
    }

    fn write(&mut self, write: &Write) {
        let before = self.scene.fleet();
        self.scene.write(write);
        self.touch(self.place(write));
        let after = self.scene.fleet();
        let Some(worker) = self.place(write) else {
            let open = |fleet: &Fleet| fleet.rollout.is_some() && fleet.canary().is_none();
            self.opened += usize::from(open(&after) && !open(&before));
            let failed = after.refused.iter().filter(|it| it.why == Why::Failed);
            self.failed = self.failed.max(failed.count());
            return;
        };
        let member = &self.scene.snapshot.workers[worker].member;
        if let Some(given) = &member.allowed {
            assert!(after.pause.is_none(), "given while paused");
            assert!(after.refuses(given).is_none(), "given though refused");
            let runs = member.release.as_ref().unwrap();
            if member.open {
                assert_eq!(runs, given, "open is said of what runs");
                assert!(after.canary().is_none(), "open while it is on trial");
            } else {
                assert_eq!(order(given, runs), Ordering::Greater, "no newer one");
            }
        }
    }

    /// Of what has a canary, nobody else may take it.
    fn check(&self) {
        let fleet = self.scene.fleet();
        let Some((rollout, canary)) = fleet.rollout.as_ref().zip(fleet.canary()) else {
            return;
        };
        for row in &self.scene.snapshot.workers {
            let older = order(&rollout.release, row.member.release.as_ref().unwrap()).is_gt();
            let open = older && row.member.outstanding() == Some(&rollout.release);
            assert!(
                !open || row.id == canary.worker,
                "{} beside {canary:?}",
                row.name
            );
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_one_tries_first_and_none_is_given_what_was_refused(
        events in proptest::collection::vec(event(), 1..200)
    ) {
        let mut world = World::new();
        events.iter().for_each(|event| world.step(event));
    }
}

#[test]
fn histories_open_and_refuse_releases() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut opened, mut failed) = (0, 0);
    for _ in 0..100 {
        let events = proptest::collection::vec(event(), 200).new_tree(&mut runner);
        let mut world = World::new();
        let events = events.unwrap().current();
        events.iter().for_each(|event| world.step(event));
        opened += world.opened;
        failed += world.failed;
    }
    assert!(
        opened > 20 && failed > 20,
        "{opened} opened, {failed} failed"
    );
}

/// The fleet as its row says it; no text in these tests has a quote or a brace.
pub(super) fn parse(json: &str) -> Fleet {
    let (json, rollout) = json.split_once("\"rollout\":").unwrap_or((json, ""));
    let (pause, refused) = json.split_once("\"refused\":").unwrap();
    let pause = get(pause, "by").map(|by| Pause {
        by,
        at: time(pause, "at").unwrap(),
        why: get(pause, "why"),
    });
    let refused = refused.split("},{").filter_map(|it| {
        Some(Refused {
            release: get(it, "release")?.parse().unwrap(),
            why: Why::of(&get(it, "why")?).unwrap(),
            said: get(it, "said")?,
            at: time(it, "at")?,
        })
    });
    Fleet {
        pause,
        refused: refused.collect(),
        rollout: get(rollout, "release").map(|release| Rollout {
            release: release.parse().unwrap(),
            since: time(rollout, "since").unwrap(),
            doubt: get(rollout, "by").map(|by| Doubt {
                worker: by.parse().unwrap(),
                said: get(rollout, "said").unwrap(),
            }),
            stage: match get(rollout, "worker") {
                Some(worker) => Stage::Canary(Canary {
                    worker: worker.parse().unwrap(),
                    name: get(rollout, "name").unwrap(),
                    allowed: time(rollout, "allowed").unwrap(),
                    well: time(rollout, "well"),
                }),
                None => Stage::Open(time(rollout, "open").unwrap()),
            },
        }),
    }
}

fn get(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{key}\":\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// A point in time as it is printed, of this century's first hundred years.
fn time(json: &str, key: &str) -> Option<Timestamp> {
    let text = get(json, key)?;
    let part = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = i64::from(month > 2 && year % 4 == 0);
    let index = usize::try_from(month - 1).unwrap();
    let days = (year - 1970) * 365 + (year - 1969) / 4 + before[index] + leap + day - 1;
    let secs = days * 86_400 + part(11, 13) * 3600 + part(14, 16) * 60 + part(17, 19);
    let at = Timestamp::from_secs(secs);
    assert_eq!(at.to_string(), text);
    Some(at)
}
