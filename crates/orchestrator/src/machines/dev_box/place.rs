//! What of the Dev Center's own settings matters to machines: whether one can be made at all (rights, pool), when the
//! service stops boxes by itself, and how its pool is set up for workers.
//!
//! Rights and schedules change seldom: what was said is believed for a while. Nothing of it is decided on here.

use std::collections::HashMap;
use std::time::Duration;

use shraga_core::machine::{Found, FoundState, MachineName, Trouble, TroubleClass};
use shraga_core::plan::machines::Act;
use shraga_core::time::Timestamp;
use shraga_devcenter::{Action, BoxId, BoxName, DevBox, Error, Health, Owner, Pool, StopRule};

use super::words::trouble;
use super::{DevBoxes, Whose};
use crate::clock::Moment;

/// The right to make Dev Boxes, in the service's words.
const MAKING: &str = "WriteDevBoxes";

/// How long a right that was there is believed in: a refusal that comes all the same is seen at the request.
const RIGHTS_LAST: Duration = Duration::from_secs(3600);

/// How long a box's schedule is believed: much less than it is delayed ahead of a stop.
const SCHEDULE_LASTS: Duration = Duration::from_secs(300);

/// Boxes that are asked for their schedules in one look. Each costs a request of 300 a minute.
const SCHEDULES_MAX: usize = 20;

/// What the service said of these, and until when it is believed.
#[derive(Debug, Default)]
pub(super) struct Known {
    may_make: Option<Moment>,
    schedules: HashMap<MachineName, (Moment, Option<Timestamp>)>,
    bars: Option<Trouble>,
}

impl Known {
    pub(super) fn forget_rights(&mut self) {
        self.may_make = None;
    }

    /// Dates what is in the way from when it began.
    fn dated(&mut self, bars: Option<Trouble>) -> Option<Trouble> {
        let before = self.bars.take();
        self.bars = bars.map(|bars| {
            let same = before.filter(|before| before.class == bars.class);
            let since = same.map_or(bars.since, |before| before.since);
            Trouble { since, ..bars }
        });
        self.bars.clone()
    }
}

impl DevBoxes {
    /// Why no box can be made now, and what should be changed about the pool.
    pub(super) async fn place(&self, now: Timestamp) -> (Option<Trouble>, Option<String>) {
        let pool = self
            .client
            .pool(&self.center.project, &self.center.pool)
            .await;
        let (bars, advice) = match pool {
            Err(error) => (Some(trouble(&error, now)), None),
            Ok(pool) => {
                let bars = match unhealthy(&pool, now) {
                    Some(bars) => Some(bars),
                    None => self.rights(now).await,
                };
                (bars, advice(&pool))
            }
        };
        (self.memory().known.dated(bars), advice)
    }

    /// What keeps whoever signs in from making boxes.
    async fn rights(&self, now: Timestamp) -> Option<Trouble> {
        let until = self.memory().known.may_make;
        if until.is_some_and(|until| !until.passed()) {
            return None;
        }
        let project = &self.center.project;
        let abilities = match self.client.abilities(project, Owner::Me).await {
            Ok(abilities) => abilities,
            // The project is there: it is this question that the service doesn't know.
            Err(Error::Missing { .. }) => return None,
            Err(error) => return Some(trouble(&error, now)),
        };
        let all = abilities.for_all(MAKING);
        let (may, whose, role) = match self.center.whose {
            Whose::Theirs => (all, "of other people", "DevCenter Project Admin"),
            Whose::Mine => (
                all || abilities.for_own(MAKING),
                "of its own",
                "DevCenter Dev Box User",
            ),
        };
        if may {
            self.memory().known.may_make = Some(Moment::now().plus(RIGHTS_LAST));
            return None;
        }
        Some(Trouble {
            class: TroubleClass::Denied,
            said: format!(
                "the orchestrator's identity may not make Dev Boxes {whose} in the project {project}: \
                 {MAKING} is not among its abilities; give it the role {role} there"
            ),
            since: now,
            again: None,
        })
    }

    /// Whether the service gives the owner of a box another one. Her boxes are counted from its own list: whoever
    /// starts anew knows of none, and others make some too.
    ///
    /// # Errors
    /// She has as many as she is given, or it can't be told.
    pub(super) async fn room(&self, id: &BoxId, now: Timestamp) -> Result<(), Trouble> {
        let project = self.client.project(&self.center.project).await;
        let project = project.map_err(|error| trouble(&error, now))?;
        let Some(most) = project.boxes_per_person else {
            return Ok(());
        };
        let boxes = self.client.boxes_of(id.owner).await;
        let boxes = boxes.map_err(|error| trouble(&error, now))?;
        let used = boxes.iter().filter(|it| self.is_here(it)).count();
        match used < most as usize {
            true => Ok(()),
            false => Err(Trouble {
                class: TroubleClass::Capacity,
                said: format!(
                    "the project {} gives a person {most} Dev Boxes; {used} are used",
                    self.center.project
                ),
                since: now,
                again: None,
            }),
        }
    }

    /// Notes of our boxes that run when the service is going to stop them by itself.
    pub(super) async fn schedules(&self, boxes: &[DevBox], found: &mut [Found]) {
        let ours = |it: &&mut Found| {
            it.name.has_prefix(&self.center.prefix) && it.state == FoundState::Running
        };
        for found in found.iter_mut().filter(ours).take(SCHEDULES_MAX) {
            let known = self.memory().known.schedules.get(&found.name).copied();
            let known = known.filter(|(until, _)| !until.passed());
            found.stops_at = match known {
                Some((_, at)) => at,
                None => self.schedule(boxes, &found.name).await,
            };
        }
        let there = |name: &MachineName| found.iter().any(|it| it.name == *name);
        self.memory().known.schedules.retain(|name, _| there(name));
    }

    async fn schedule(&self, boxes: &[DevBox], name: &MachineName) -> Option<Timestamp> {
        let found = boxes.iter().find(|it| it.name == name.as_str())?;
        let id = BoxId {
            project: self.project_of(name.as_str()),
            owner: found.user.map_or(Owner::Me, Owner::Person),
            name: BoxName::parse(name.as_str()).ok()?,
        };
        // Nothing depends on it but that it is delayed: the next look asks again.
        let actions = self.client.actions(&id).await.ok()?;
        let at = actions.iter().filter_map(due).min();
        let until = Moment::now().plus(SCHEDULE_LASTS);
        let mut memory = self.memory();
        memory.known.schedules.insert(name.clone(), (until, at));
        at
    }

    /// Has the service make its own stops of a box no earlier than `until`.
    pub(super) async fn delay(
        &self,
        act: &Act,
        id: &BoxId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        self.memory().known.schedules.remove(&act.name);
        let delayed = self.client.delay_actions(id, until).await;
        let delayed = delayed.map_err(|error| trouble(&error, now))?;
        let refused = |result: &Option<String>| {
            result
                .as_deref()
                .is_some_and(|word| !word.eq_ignore_ascii_case("Succeeded"))
        };
        match delayed.into_iter().find(|it| refused(&it.result)) {
            None => Ok(()),
            Some(it) => {
                let why = it.error.or(it.result).unwrap_or_default();
                Err(Trouble {
                    class: TroubleClass::Failed,
                    said: format!(
                        "the stop `{}` of {} is not delayed: {why}",
                        it.name, id.name
                    ),
                    since: now,
                    again: None,
                })
            }
        }
    }
}

/// When an action is carried out next.
fn due(action: &Action) -> Option<Timestamp> {
    let at = action.due?;
    Some(action.suspended_until.map_or(at, |until| until.max(at)))
}

fn unhealthy(pool: &Pool, now: Timestamp) -> Option<Trouble> {
    (pool.health == Some(Health::Unhealthy)).then(|| Trouble {
        class: TroubleClass::Transient,
        said: format!(
            "the Dev Center says that the pool {} is unhealthy: no Dev Box is made in it until it is well again; its \
             page in the portal tells why",
            pool.name
        ),
        since: now,
        again: None,
    })
}

/// A pool that stops boxes nobody connects to stops workers in the middle of their work.
fn advice(pool: &Pool) -> Option<String> {
    let rules = [
        ("stopOnDisconnect", &pool.stop_on_disconnect),
        ("stopOnNoConnect", &pool.stop_on_no_connect),
    ];
    let on = rules
        .into_iter()
        .filter(|(_, rule)| rule.as_ref().is_some_and(StopRule::is_on));
    let on: Vec<&str> = on.map(|(name, _)| name).collect();
    (!on.is_empty()).then(|| {
        format!(
            "the pool {} stops Dev Boxes that nobody is connected to, as nobody is to a worker: switch its {} off",
            pool.name,
            on.join(" and ")
        )
    })
}
