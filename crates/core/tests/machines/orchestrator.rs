//! One orchestrator: what it looks at, what it remembers, and where it stops.

use std::collections::{BTreeMap, HashMap};

use shraga_core::ids::WorkerId;
use shraga_core::machine::{MachineName, ProviderKind, Trouble};
use shraga_core::model::Worker;
use shraga_core::plan::machines::{Act, ActKind, MachinePlan, plan};
use shraga_core::time::Timestamp;
use uuid::Uuid;

use crate::provider::{Provider, State};
use crate::world::World;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is answered.
    Good,
    /// It is carried out, and the answer is lost.
    Lost,
    /// It never arrives.
    Refused,
    /// The orchestrator dies between the write and the request.
    Dies,
}

#[derive(Debug, Default)]
pub(crate) struct Orchestrator {
    failed: HashMap<WorkerId, (Timestamp, Trouble)>,
    links: HashMap<WorkerId, Option<String>>,
    planned: MachinePlan,
    seen: BTreeMap<MachineName, State>,
    pub(crate) rows: BTreeMap<Uuid, Worker>,
}

impl Orchestrator {
    /// Looks and plans; nothing is written yet.
    pub(crate) fn look(&mut self, world: &World) {
        let mut snapshot = world.snapshot();
        snapshot.failed.clone_from(&self.failed);
        snapshot.links.clone_from(&self.links);
        self.planned = plan(&snapshot, &world.policy, world.at());
        self.rows.clone_from(&world.rows);
        self.seen.clone_from(&world.provider.boxes);
    }

    /// Writes what was planned, and asks for what was written; whether anything was.
    pub(crate) fn carry_out(&mut self, world: &mut World, reply: Reply) -> bool {
        let mut wrote = false;
        for step in std::mem::take(&mut self.planned).steps {
            if let Some(set) = &step.set {
                if !world.apply(set) {
                    continue;
                }
                wrote = true;
            }
            let Some(act) = step.act else {
                continue;
            };
            if reply == Reply::Dies {
                *self = Self::default();
                return wrote;
            }
            self.ask(world, &act, reply);
        }
        wrote
    }

    fn ask(&mut self, world: &mut World, act: &Act, reply: Reply) {
        if act.kind == ActKind::Link {
            self.links
                .insert(act.worker, Some("https://connect.example".to_owned()));
            return;
        }
        judge(world, act, &self.seen);
        let now = world.at();
        let done = match reply {
            Reply::Refused => Err(Provider::trouble(now)),
            Reply::Good | Reply::Lost | Reply::Dies => world.provider.act(act, world.now),
        };
        let failed = done.err().or_else(|| {
            let lost = reply == Reply::Lost;
            lost.then(|| Provider::trouble(now))
        });
        match failed {
            Some(trouble) => drop(self.failed.insert(act.worker, (act.tried, trouble))),
            None => drop(self.failed.remove(&act.worker)),
        }
    }

    /// Looks and acts until nothing more is to be done now.
    pub(crate) fn tick(&mut self, world: &mut World) {
        for _ in 0..20 {
            self.look(world);
            if !self.carry_out(world, Reply::Good) {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", world.records());
    }
}

/// What no request may ever do.
fn judge(world: &World, act: &Act, seen: &BTreeMap<MachineName, State>) {
    assert_eq!(act.provider, ProviderKind::DevBox);
    assert!(!world.foreign.contains(&act.name), "not ours: {act:?}");
    assert!(
        world.rows.contains_key(&act.worker.get()),
        "no row: {act:?}"
    );
    let ends = match act.kind {
        ActKind::Stop { .. } | ActKind::Delete | ActKind::Restart | ActKind::Repair => true,
        ActKind::Create | ActKind::Start | ActKind::Delay { .. } | ActKind::Link => false,
    };
    let state = world.provider.boxes.get(&act.name);
    let runs = state == Some(&State::Running);
    assert!(
        !(ends && runs && world.held(act.worker) > 0),
        "the rows say that it holds a lease: {act:?}"
    );
    assert!(
        !(ends && seen.get(&act.name) == Some(&State::Odd)),
        "its state is unknown: {act:?}"
    );
}
