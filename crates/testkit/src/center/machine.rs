//! The boxes and how they change: a state machine of moments that are handed in. It knows no HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::clock::Moment;
use super::{Fault, ME, POOL, PROJECT};

/// How long the real one took, one recording each.
const CREATING: Duration = Duration::from_secs(1316);
const STOPPING: Duration = Duration::from_secs(132);
const STARTING: Duration = Duration::from_secs(123);
const RESTARTING: Duration = Duration::from_secs(365);
const REPAIRING: Duration = Duration::from_secs(347);
const DELETING: Duration = Duration::from_secs(175);
/// Between two stops on schedule.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a group of customization tasks takes.
const INSTALLING: Duration = Duration::from_secs(180);

/// What a box is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Creating,
    Running,
    Starting,
    Restarting,
    Repairing,
    Stopping { hibernate: bool },
    Off { hibernated: bool },
    Deleting,
    Failed,
}

#[derive(Clone, Debug)]
pub(super) struct DevBox {
    pub(super) project: String,
    pub(super) user: Uuid,
    pub(super) name: String,
    pub(super) pool: String,
    pub(super) id: Uuid,
    pub(super) created: Moment,
    pub(super) life: Life,
    pub(super) error: Option<(&'static str, &'static str)>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) stop_at: Moment,
    /// What it does until then, and the operation that does it.
    busy: Option<(Moment, Uuid)>,
    made: bool,
    unheard: Option<&'static str>,
    powerless: bool,
}

/// A customization group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) tasks: Vec<(Uuid, Map<String, Value>)>,
    pub(super) state: &'static str,
    pub(super) task_state: &'static str,
    left: Duration,
    seen: Moment,
}

/// A customization task that ran to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The box it ran on.
    pub dev_box: String,
    /// `catalog/task`.
    pub task: String,
    /// As whom.
    pub run_as: String,
    /// What it was told.
    pub parameters: BTreeMap<String, String>,
}

/// An operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) project: String,
    pub(super) state: &'static str,
    pub(super) began: Moment,
    pub(super) ended: Option<Moment>,
}

/// What can be asked of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop { hibernate: bool },
    Restart,
    Repair,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) boxes: Vec<DevBox>,
    pub(super) operations: BTreeMap<Uuid, Operation>,
    pub(super) boxes_per_person: Option<u32>,
    pub(super) pool_health: String,
    pub(super) stops_unconnected: bool,
    /// How long after it was asked for the schedule stops a box; once a day from then on.
    pub(super) stops_after: Duration,
    pub(super) replaced: usize,
    ids: u128,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            boxes: Vec::new(),
            operations: BTreeMap::new(),
            boxes_per_person: Some(3),
            pool_health: "Unknown".to_owned(),
            stops_unconnected: false,
            stops_after: Duration::from_secs(8 * 3600),
            replaced: 0,
            ids: 0,
        }
    }
}

impl DevBox {
    pub(super) const fn unheard(&self) -> Option<&'static str> {
        self.unheard
    }

    pub(super) const fn is_powerless(&self) -> bool {
        self.powerless
    }

    fn is(&self, project: &str, user: Uuid, name: &str) -> bool {
        self.project == project && self.user == user && self.name == name
    }
}

impl Machine {
    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(0x3b94_0000_0000_4000_8000_0000_0000_0000 | self.ids)
    }

    /// Lets happen what is due by `now`.
    pub(super) fn settle(&mut self, now: Moment, faults: &[Fault]) {
        let is = |fault: &Fault| faults.contains(fault);
        let stuck = is(&Fault::NeverEnds);
        let mut gone = Vec::new();
        for it in &mut self.boxes {
            it.unheard = faults.iter().find_map(|fault| match fault {
                Fault::Unheard(word) => Some(*word),
                _ => None,
            });
            it.powerless = is(&Fault::Powerless);
            if let Some((until, operation)) = it.busy
                && until <= now
                && !stuck
            {
                let spoilt = is(&Fault::Spoils);
                if let Some(operation) = self.operations.get_mut(&operation) {
                    operation.state = if spoilt { "Failed" } else { "Succeeded" };
                    operation.ended = Some(until);
                }
                let vanishes = is(&Fault::Vanishes) && it.life == Life::Creating;
                it.busy = None;
                if it.end(spoilt) || vanishes {
                    gone.push(it.id);
                }
            }
            it.install(now, faults);
            if it.stop_at <= now {
                it.stop_at += DAY;
                // As if somebody had asked for it a while ago: nobody watches it stop.
                if it.life == Life::Running {
                    it.life = Life::Off { hibernated: true };
                }
            }
        }
        self.boxes.retain(|it| !gone.contains(&it.id));
    }

    /// Whether there is such a project.
    pub(super) fn has_project(&self, project: &str) -> bool {
        project == PROJECT || self.boxes.iter().any(|it| it.project == project)
    }

    pub(super) fn moves(&mut self, name: &str, project: &str) {
        for it in self.boxes.iter_mut().filter(|it| it.name == name) {
            project.clone_into(&mut it.project);
        }
    }

    pub(super) fn find(&mut self, project: &str, user: Uuid, name: &str) -> Option<&mut DevBox> {
        self.boxes.iter_mut().find(|it| it.is(project, user, name))
    }

    /// A new box and the operation that makes it; `None` when its person has enough.
    pub(super) fn create(
        &mut self,
        now: Moment,
        (user, name, pool): (Uuid, &str, &str),
    ) -> Option<Uuid> {
        let theirs = self.boxes.iter().filter(|it| it.user == user).count();
        if self
            .boxes_per_person
            .is_some_and(|most| theirs >= most as usize)
        {
            return None;
        }
        let (id, operation) = (self.next_id(), self.begin(now));
        self.boxes.push(DevBox {
            project: PROJECT.to_owned(),
            user,
            name: name.to_owned(),
            pool: pool.to_owned(),
            id,
            created: now,
            life: Life::Creating,
            error: None,
            groups: BTreeMap::new(),
            stop_at: now + self.stops_after,
            busy: Some((now + CREATING, operation)),
            made: false,
            unheard: None,
            powerless: false,
        });
        Some(operation)
    }

    /// The operation that does `verb`; `None` in a state that it can't be done in.
    pub(super) fn act(&mut self, now: Moment, id: Uuid, verb: Verb) -> Option<Uuid> {
        let operation = self.begin(now);
        let it = self.boxes.iter_mut().find(|it| it.id == id)?;
        let (life, takes) = match (it.life, verb) {
            (Life::Off { .. }, Verb::Start) => (Life::Starting, STARTING),
            (Life::Running, Verb::Stop { hibernate }) => (Life::Stopping { hibernate }, STOPPING),
            (Life::Running, Verb::Restart) => (Life::Restarting, RESTARTING),
            (Life::Running | Life::Failed, Verb::Repair) => (Life::Repairing, REPAIRING),
            _ => return None,
        };
        it.life = life;
        it.busy = Some((now + takes, operation));
        Some(operation)
    }

    /// A box fails, whatever it does.
    pub(super) fn breaks(&mut self, name: &str) {
        for it in self.boxes.iter_mut().filter(|it| it.name == name) {
            (it.life, it.busy) = (Life::Failed, None);
            it.error = Some(("HostFailed", "The host of this Dev Box has failed."));
        }
    }

    /// The operation that deletes a box, whatever it does.
    pub(super) fn delete(&mut self, now: Moment, id: Uuid) -> Uuid {
        let operation = self.begin(now);
        if let Some(it) = self.boxes.iter_mut().find(|it| it.id == id) {
            it.life = Life::Deleting;
            it.busy = Some((now + DELETING, operation));
        }
        operation
    }

    /// Has tasks run on a box.
    pub(super) fn customize(
        &mut self,
        now: Moment,
        id: Uuid,
        group: &str,
        tasks: Vec<Map<String, Value>>,
    ) {
        let tasks = tasks
            .into_iter()
            .map(|task| (self.next_id(), task))
            .collect();
        if let Some(it) = self.boxes.iter_mut().find(|it| it.id == id) {
            let group = it.groups.entry(group.to_owned());
            group.or_insert(Group {
                tasks,
                state: "NotStarted",
                task_state: "NotStarted",
                left: INSTALLING,
                seen: now,
            });
        }
    }

    /// What ran to its end.
    pub(super) fn installed(&self) -> Vec<Installed> {
        let text = |task: &Map<String, Value>, key: &str| {
            task.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let mut all = Vec::new();
        for it in &self.boxes {
            let done = it
                .groups
                .values()
                .filter(|group| group.state == "Succeeded");
            for (_, task) in done.flat_map(|group| &group.tasks) {
                let parameters = task.get("parameters").and_then(Value::as_object);
                let pairs = parameters.into_iter().flatten();
                all.push(Installed {
                    dev_box: it.name.clone(),
                    task: text(task, "name"),
                    run_as: text(task, "runAs"),
                    parameters: pairs
                        .map(|(name, value)| {
                            (name.clone(), value.as_str().unwrap_or_default().to_owned())
                        })
                        .collect(),
                });
            }
        }
        all
    }

    fn begin(&mut self, now: Moment) -> Uuid {
        let id = self.next_id();
        let operation = Operation {
            project: PROJECT.to_owned(),
            state: "Running",
            began: now,
            ended: None,
        };
        self.operations.insert(id, operation);
        id
    }
}

impl DevBox {
    /// What it was busy with is over; whether it is gone.
    fn end(&mut self, spoilt: bool) -> bool {
        self.life = match self.life {
            Life::Creating | Life::Repairing if spoilt => {
                self.error = Some(("ProvisioningFailed", "The image could not be applied."));
                Life::Failed
            }
            Life::Deleting if !spoilt => return true,
            Life::Starting if spoilt => Life::Off { hibernated: true },
            Life::Stopping { hibernate } if !spoilt => Life::Off {
                hibernated: hibernate,
            },
            _ => Life::Running,
        };
        self.made |= self.life == Life::Running;
        if self.life == Life::Running {
            self.error = None;
        }
        false
    }

    /// Runs its groups for the time since it was looked at, if it runs itself.
    fn install(&mut self, now: Moment, faults: &[Fault]) {
        let runs = self.life == Life::Running;
        let is = |fault: &Fault| faults.contains(fault);
        for group in self.groups.values_mut() {
            let passed = now.saturating_sub(group.seen);
            group.seen = now;
            if !runs || matches!(group.state, "Succeeded" | "Failed") {
                continue;
            }
            let as_user = |(_, task): &(Uuid, Map<String, Value>)| {
                task.get("runAs").and_then(Value::as_str) == Some("User")
            };
            if group.tasks.iter().any(as_user) || is(&Fault::WantsPerson) {
                (group.state, group.task_state) = ("Running", "WaitingForUserSession");
                continue;
            }
            group.left = group.left.saturating_sub(passed);
            let state = match (group.left.is_zero(), is(&Fault::CantInstall)) {
                (true, true) => "Failed",
                (true, false) => "Succeeded",
                (false, _) => "Running",
            };
            (group.state, group.task_state) = (state, state);
        }
    }
}

/// The identity that `me` or an object id stands for.
pub(super) fn user(text: &str) -> Option<Uuid> {
    match text {
        "me" => Some(ME),
        id => id.parse().ok(),
    }
}

/// Whether there is such a pool.
pub(super) fn has_pool(project: &str, pool: &str, faults: &[Fault]) -> bool {
    project == PROJECT && pool == POOL && !faults.contains(&Fault::NoPool)
}
