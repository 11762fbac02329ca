//! The driver of one provider's machines: observe, plan, write, and only then ask.
//!
//! A request is made only after the write that announces it was taken by the store, so that of several
//! orchestrators one asks. One that is lost with this process is seen in the rows by the next look, and
//! asked again. What came back is handed to the next plan, which writes it down.
//!
//! A provider that hangs is dropped at a deadline; a panic ends a look, and nothing else.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use shraga_core::ids::WorkerId;
use shraga_core::machine::{Inventory, Machine, ProviderKind, Stage, Trouble, TroubleClass};
use shraga_core::plan::machines::plan;
use shraga_core::plan::machines::{
    Act, ActKind, MachinePlan, MachinePolicy, MachineSnapshot, Step,
};
use shraga_core::row::{ChangeSet, Table};
use shraga_core::time::{Span, Timestamp};
use shraga_dataverse::{Client, Error, OnRefusal, Outcome};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::board::{Machines, Making};
use super::provider::Provider;
use super::{Settings, observe, tell};
use crate::clock::Moment;
use crate::consult::message;
use crate::driver::ahead;
use crate::status::Status;
use crate::stopper::{Stopped, Stopper};
use crate::trouble;

/// How long a provider may take to say what it has. It has deadlines of its own; this one ends what
/// hangs beyond them.
const LIST_WITHIN: Duration = Duration::from_secs(60);

/// How long it may take to accept a request, for the same reason.
const ACT_WITHIN: Duration = Duration::from_secs(120);

/// How long writing down what has stopped may take when the orchestrator ends.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Looks after one provider.
struct Driver {
    client: Client,
    provider: Arc<dyn Provider>,
    policy: MachinePolicy,
    status: watch::Receiver<Status>,
    board: watch::Sender<Machines>,
    failed: HashMap<WorkerId, (Timestamp, Trouble)>,
    links: HashMap<WorkerId, Option<String>>,
    /// Change sets that ticks had done at the last look.
    ticked: u64,
}

/// What a look says about the next.
enum Next {
    /// Something was done: look as soon as may be.
    Soon,
    /// Something is under way.
    Busy(Option<Duration>),
    /// Nothing is.
    Quiet(Option<Duration>),
}

/// Starts a driver for each provider that the policy has a group for. Of `until` the first ends them at once, the second
/// between two looks.
pub(crate) fn start(
    client: &Client,
    settings: &Settings,
    status: &watch::Receiver<Status>,
    board: &watch::Sender<Machines>,
    until: (&Stopper, &Stopper),
) -> Vec<JoinHandle<()>> {
    let mut started = Vec::new();
    for provider in &settings.providers {
        let Some(driver) = Driver::new(client, settings, provider, status, board) else {
            continue;
        };
        let (stopper, calm) = (until.0.clone(), until.1.clone());
        let rest = Stopper::new(settings.rest.clone());
        started.push(tokio::spawn(async move {
            // It ends by being stopped, or by having nobody left to tell.
            let _ended = stopper.unless_stopped(driver.run(&rest, &calm)).await;
        }));
    }
    started
}

/// Writes down which machines have stopped, of providers whose machines end with this process. To be
/// called when nothing is asked of them any more.
pub(crate) async fn close(
    client: &Client,
    settings: &Settings,
    status: &watch::Receiver<Status>,
    board: &watch::Sender<Machines>,
) {
    for provider in settings.providers.iter().filter(|it| it.ends_with_us()) {
        let Some(mut driver) = Driver::new(client, settings, provider, status, board) else {
            continue;
        };
        let closed = tokio::time::timeout(CLOSE_WITHIN, driver.close()).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::debug!("which machines have stopped is found out by the next start");
        }
    }
}

impl Driver {
    fn new(
        client: &Client,
        settings: &Settings,
        provider: &Arc<dyn Provider>,
        status: &watch::Receiver<Status>,
        board: &watch::Sender<Machines>,
    ) -> Option<Self> {
        let kind = provider.kind();
        let group = settings.policy.groups.get(&kind)?.clone();
        Some(Self {
            client: client.clone(),
            provider: Arc::clone(provider),
            policy: MachinePolicy {
                groups: [(kind, group)].into(),
                events: false,
            },
            status: status.clone(),
            board: board.clone(),
            failed: HashMap::new(),
            links: HashMap::new(),
            ticked: 0,
        })
    }

    async fn run(mut self, rest: &Stopper, calm: &Stopper) -> Result<(), Stopped> {
        loop {
            let begun = Moment::now();
            let look = AssertUnwindSafe(self.look()).catch_unwind();
            let next = rest.unless_stopped(look).await?.unwrap_or_else(|panic| {
                let panic = message(panic.as_ref());
                tracing::error!("looking after machines panicked: {panic}");
                Next::Quiet(None)
            });
            let pace = self.provider.pace();
            let (most, due) = match next {
                Next::Soon => (pace.least, None),
                Next::Busy(due) => (pace.busy, due),
                Next::Quiet(due) => (pace.quiet, due),
            };
            let most = due.map_or(most, |due| most.min(due)).max(pace.least);
            let (least, until) = (begun.plus(pace.least), Moment::now().plus(most));
            self.board.send_modify(|all| {
                all.entry(self.provider.kind()).or_default().next = Some(until);
            });
            let pause = async {
                rest.wait(least.until()).await?;
                tokio::select! {
                    waited = rest.wait(until.until()) => waited,
                    stirred = self.stirred() => stirred,
                }
            };
            calm.unless_stopped(pause).await??;
        }
    }

    /// Completes once ticks have written something: work came, went or moved.
    async fn stirred(&mut self) -> Result<(), Stopped> {
        loop {
            let done = done(&self.status.borrow_and_update());
            if done != self.ticked {
                return Ok(());
            }
            self.status.changed().await.map_err(|_nobody| Stopped)?;
        }
    }

    async fn look(&mut self) -> Next {
        self.ticked = done(&self.status.borrow());
        if let Some(lacks) = observe::lacks(&self.client) {
            let line = format!("{} is missing: {}", lacks.missing, lacks.without);
            self.show(|making| {
                if making.lacks.as_ref() != Some(&line) {
                    tracing::warn!("{line}");
                }
                making.lacks = Some(line);
            });
            return Next::Quiet(None);
        }
        match self.observe().await {
            Ok(Some((snapshot, now))) => self.go_on(snapshot, now).await,
            // Nobody knows yet who we are.
            Ok(None) => Next::Quiet(None),
            Err(error) => {
                // The ticks say so too, and louder.
                let words = trouble::words(&error);
                tracing::debug!(
                    error.kind = error.kind(),
                    "machines were not looked at: {words}"
                );
                Next::Busy(None)
            }
        }
    }

    /// Rows, work, and what the provider has.
    async fn observe(&mut self) -> Result<Option<(MachineSnapshot, Timestamp)>, Error> {
        let Some(admin) = self.status.borrow().identity else {
            return Ok(None);
        };
        let (mut snapshot, now) = observe::snapshot(&self.client, admin).await?;
        let listed = within(LIST_WITHIN, now, self.provider.list(now)).await;
        self.noted(&snapshot, &listed, now);
        snapshot.seen.insert(self.provider.kind(), listed);
        let tried = |worker: &WorkerId| {
            let mut machines = snapshot.workers.iter().filter(|row| row.id == *worker);
            machines.find_map(|row| Machine::of(row)?.record.tried)
        };
        self.failed
            .retain(|worker, (asked, _)| tried(worker) == Some(*asked));
        let known = |worker: &WorkerId| snapshot.workers.iter().any(|row| row.id == *worker);
        self.links.retain(|worker, _| known(worker));
        snapshot.failed.clone_from(&self.failed);
        snapshot.links.clone_from(&self.links);
        self.policy.events = self.client.absent().has_table(Table::Events);
        Ok(Some((snapshot, now)))
    }

    /// Plans, writes and asks.
    async fn go_on(&mut self, snapshot: MachineSnapshot, now: Timestamp) -> Next {
        let MachinePlan { steps, notes, due } = plan(&snapshot, &self.policy, now);
        self.show(|making| {
            notes
                .iter()
                .filter(|note| !making.notes.contains(note))
                .for_each(|note| {
                    tracing::warn!("{note}");
                });
            making.notes = notes;
        });
        let under_way = machines(&snapshot, self.provider.kind()).any(|machine| {
            let waits = machine.record.stage == Stage::Wanted && machine.record.trouble.is_none();
            machine.record.stage.is_under_way() || machine.record.stage == Stage::Cordoned || waits
        });
        if steps.is_empty() {
            let due = due.map(|due| ahead(due, now));
            return match under_way || !self.failed.is_empty() {
                true => Next::Busy(due),
                false => Next::Quiet(due),
            };
        }
        let acts = self.write(steps).await;
        tell::acts(&snapshot, &acts, now);
        self.ask(&acts, now).await;
        Next::Soon
    }

    /// Writes what each step is to have written; what is to be asked of those the store took.
    async fn write(&mut self, steps: Vec<Step>) -> Vec<Act> {
        let (written, free): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| step.set.is_some());
        let mut acts: Vec<Act> = free.into_iter().filter_map(|step| step.act).collect();
        let sets: Vec<ChangeSet> = written.iter().filter_map(|step| step.set.clone()).collect();
        let outcomes = match self.client.apply(&sets, OnRefusal::Continue).await {
            Ok(applied) => applied.outcomes,
            Err(error) => {
                let words = trouble::words(&error);
                tracing::debug!(
                    error.kind = error.kind(),
                    "machines were not written: {words}"
                );
                Vec::new()
            }
        };
        for (step, outcome) in written.into_iter().zip(outcomes) {
            let Outcome::Done(_) = outcome else {
                tracing::debug!(?outcome, "somebody else was first, or it is not known");
                continue;
            };
            for write in step.set.iter().flat_map(|set| &set.writes) {
                let worker = WorkerId::new(write.id);
                self.failed.remove(&worker);
                self.links.remove(&worker);
            }
            acts.extend(step.act);
        }
        acts
    }

    /// Asks the provider, all at once; what fails is kept for the next plan.
    async fn ask(&mut self, acts: &[Act], now: Timestamp) {
        let provider = &self.provider;
        let asked = acts.iter().map(|act| async move {
            match act.kind {
                ActKind::Link => within(ACT_WITHIN, now, provider.link(act, now)).await,
                ActKind::Create
                | ActKind::Start
                | ActKind::Stop { .. }
                | ActKind::Delete
                | ActKind::Restart
                | ActKind::Repair
                | ActKind::Delay { .. } => within(ACT_WITHIN, now, provider.act(act, now))
                    .await
                    .map(|()| None),
            }
        });
        for (act, answer) in acts.iter().zip(join_all(asked).await) {
            match (answer, act.kind) {
                (Ok(link), ActKind::Link) => drop(self.links.insert(act.worker, link)),
                // A person is told of her machine without it.
                (Err(_), ActKind::Link) => drop(self.links.insert(act.worker, None)),
                (Ok(_), _) => {}
                (Err(trouble), _) => {
                    tell::refused(act, &trouble);
                    self.failed.insert(act.worker, (act.tried, trouble));
                }
            }
        }
    }

    /// Notes what the look found, and says when trouble begins, changes or ends.
    fn noted(
        &self,
        snapshot: &MachineSnapshot,
        listed: &Result<Inventory, Trouble>,
        now: Timestamp,
    ) {
        let kind = self.provider.kind();
        self.show(|making| {
            making.lacks = None;
            making.looked = Some(now);
            making.count(machines(snapshot, kind));
            let before = making.trouble.take();
            match listed {
                Ok(_) => {
                    making.listed = Some(now);
                    tell::well(kind, before.as_ref());
                }
                Err(trouble) => {
                    let same = before.as_ref().filter(|it| it.class == trouble.class);
                    tell::trouble(kind, trouble, same.is_some());
                    let since = same.map_or(trouble.since, |it| it.since);
                    making.trouble = Some(Trouble {
                        since,
                        ..trouble.clone()
                    });
                }
            }
        });
    }

    fn show(&self, change: impl FnOnce(&mut Making)) {
        let kind = self.provider.kind();
        self.board
            .send_modify(|all| change(all.entry(kind).or_default()));
    }

    /// The last look: nobody needs anything any more, and nothing is asked.
    async fn close(&mut self) -> Result<(), Error> {
        if observe::lacks(&self.client).is_some() {
            return Ok(());
        }
        for group in self.policy.groups.values_mut() {
            (group.pool_min, group.threshold) = (0, None);
        }
        let Some((mut snapshot, now)) = self.observe().await? else {
            return Ok(());
        };
        (snapshot.open, snapshot.open_complete) = (Vec::new(), true);
        for inventory in snapshot.seen.values_mut().flatten() {
            // Nothing is asked of it any more: this is the last word.
            inventory.at = now.plus(Span::secs(1));
        }
        let mut steps = plan(&snapshot, &self.policy, now).steps;
        steps.retain(|step| step.act.is_none());
        self.write(steps).await;
        Ok(())
    }
}

/// The provider's machines.
fn machines(snapshot: &MachineSnapshot, provider: ProviderKind) -> impl Iterator<Item = Machine> {
    let machines = snapshot.workers.iter().filter_map(Machine::of);
    machines.filter(move |machine| machine.record.provider == provider)
}

/// Change sets that ticks have done.
fn done(status: &Status) -> u64 {
    status.loops.iter().map(|each| each.counts.done).sum()
}

/// What `work` comes to within `span`; trouble that passes when it doesn't.
async fn within<T>(
    span: Duration,
    now: Timestamp,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let ended = tokio::time::timeout(span, work).await;
    ended.unwrap_or_else(|_elapsed| {
        Err(Trouble {
            class: TroubleClass::Transient,
            said: format!("no answer within {} s", span.as_secs()),
            since: now,
            again: None,
        })
    })
}
