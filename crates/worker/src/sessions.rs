//! The attempts that run now, one per held task.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use shraga_core::ids::{Attempt, BootId, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::Mirror;
use shraga_core::worker::{Finish, Outcome};
use shraga_dataverse::Client;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::agents::Supervision;
use crate::attempt::{
    self, Door, Footing, Interrupt, Interruption, Job, News, Order, RunId, Stand,
};
use crate::config::{Agent, Command, Config, Kind};
use crate::folder;
use crate::meter::{Metering, Tells};
use crate::status::Work;
use crate::survivors::{About, Survivor, Told};
use crate::workspace::Workspaces;

/// How many mirrors may be known before those that are gone are forgotten, beyond the slots.
const KNOWN_SPARE: usize = 1_000;

/// What every model of Claude Code's is called, as far as prices go.
const ANY_CLAUDE: &str = "claude-";

/// See the module.
pub(crate) struct Sessions {
    config: Arc<Config>,
    environment: Arc<std::collections::BTreeMap<String, String>>,
    workspaces: Workspaces,
    root: PathBuf,
    holder: (WorkerId, BootId),
    news: mpsc::Sender<News>,
    known: HashMap<MirrorId, Known>,
    running: HashMap<MirrorId, Session>,
    /// Attempts to go on with, until they are.
    survivors: HashMap<MirrorId, (Survivor, Told)>,
    door: Door,
    next_run: u64,
}

/// What a look told of a mirror, as far as starting its agent needs it.
#[derive(Clone, Debug)]
struct Known {
    task: TaskId,
    name: String,
    agent: Option<String>,
    owner: Option<UserId>,
}

impl Known {
    fn of(about: &About) -> Self {
        Self {
            task: about.task,
            name: about.name.clone(),
            agent: Some(about.agent.clone()),
            owner: about.user,
        }
    }
}

#[derive(Debug)]
struct Session {
    run: RunId,
    work: Work,
    interrupt: Interrupt,
    footing: Footing,
    /// What the store was told of it by an earlier process.
    told: Told,
    /// Ends with the session; an agent that runs then is its supervisor's.
    _task: AbortOnDropHandle<()>,
}

impl Sessions {
    /// No sessions yet; their folders will be under `root`, their news go to `news`.
    pub(crate) fn new(
        config: Arc<Config>,
        root: PathBuf,
        news: mpsc::Sender<News>,
        holder: (WorkerId, BootId),
    ) -> Self {
        let environment = Arc::new(config.environment.clone());
        let repositories = config.repositories.clone();
        Self {
            workspaces: Workspaces::new(&root, repositories, Arc::clone(&environment)),
            environment,
            config,
            root,
            holder,
            news,
            known: HashMap::new(),
            running: HashMap::new(),
            survivors: HashMap::new(),
            door: Door::default(),
            next_run: 1,
        }
    }

    /// Remembers what a look told.
    pub(crate) fn know(&mut self, rows: &[Mirror]) {
        let slots = self.config.slots as usize;
        if self.known.len() > slots + KNOWN_SPARE {
            self.known.clear();
        }
        self.known.extend(rows.iter().map(|mirror| {
            let known = Known {
                task: mirror.task,
                name: mirror.name.clone(),
                agent: mirror.wants.agent.clone(),
                owner: mirror.user,
            };
            (mirror.id, known)
        }));
    }

    /// Remembers what an earlier process left to go on with.
    pub(crate) fn expect(&mut self, survivors: Vec<(Survivor, Told)>) {
        let survivors = survivors.into_iter();
        self.survivors
            .extend(survivors.map(|(survivor, told)| (survivor.about.mirror, (survivor, told))));
    }

    /// Those of the agent's `lines` that the store wasn't told already by an earlier process.
    pub(crate) fn untold(&mut self, mirror: MirrorId, lines: Vec<String>) -> Vec<String> {
        match self.running.get_mut(&mirror) {
            Some(session) => session.told.hold_back(lines),
            None => lines,
        }
    }

    /// Starts the agent of `mirror`, or tells how the attempt ends without one.
    pub(crate) fn start(
        &mut self,
        client: &Client,
        mirror: MirrorId,
        attempt: Attempt,
    ) -> Option<Box<Finish>> {
        let survivor = self.survivors.remove(&mirror);
        let (survivor, told) = survivor
            .filter(|(survivor, _)| survivor.about.attempt == attempt)
            .unzip();
        let survivor: Option<Survivor> = survivor;
        let known = survivor
            .as_ref()
            .map(|survivor| Known::of(&survivor.about))
            .or_else(|| self.known.remove(&mirror));
        let Some(known) = known else {
            return Some(Box::new(attempt::unavailable("its row was not read")));
        };
        let name = known.agent.clone();
        let name = &*name.unwrap_or_else(|| self.config.default_agent.clone());
        let agent = match self.agent(name) {
            Ok(agent) => agent,
            Err(finish) => return Some(finish),
        };
        let span = tracing::info_span!("attempt", task.id = %known.task, attempt = attempt.0);
        let _inside = span.enter();
        let what = match &survivor {
            Some(_) => "the agent of an earlier process is gone on with",
            None => "the agent starts",
        };
        tracing::info!(agent = name, "{what}");
        let mut job = self.job(mirror, attempt, &known, (name, agent));
        job.resumed = survivor.map(|survivor| survivor.folder);
        job.footing = Footing::new(job.resumed.is_some(), self.door.clone());
        let interrupt = Interrupt::default();
        let work = Work {
            mirror,
            task: known.task,
            attempt,
            name: known.name,
        };
        let session = Session {
            footing: job.footing.clone(),
            run: job.run,
            work,
            told: told.unwrap_or_default(),
            _task: attempt::start(
                job,
                Order::read(client.clone(), mirror, interrupt.clone()),
                interrupt.clone(),
                self.news.clone(),
            ),
            interrupt,
        };
        self.running.insert(mirror, session);
        None
    }

    /// The agent called `name`, or how an attempt ends that has none to start.
    fn agent(&self, name: &str) -> Result<Command, Box<Finish>> {
        match self.config.agents.get(name) {
            Some(Agent::Noop) => Err(Box::new(Finish::said(Outcome::Completed, "done"))),
            Some(Agent::Command(command)) => Ok((**command).clone()),
            None => {
                let has: Vec<&str> = self.config.agents.keys().map(String::as_str).collect();
                let has = has.join(", ");
                let message = format!("this worker has no agent `{name}` (it has: {has})");
                Err(Box::new(attempt::unavailable(&message)))
            }
        }
    }

    /// What an attempt is told of its work; nothing of an earlier process is gone on with.
    fn job(
        &mut self,
        mirror: MirrorId,
        attempt: Attempt,
        known: &Known,
        (name, agent): (&str, Command),
    ) -> Job {
        let run = RunId(self.next_run);
        self.next_run += 1;
        let (worker, boot) = self.holder;
        let about = About {
            mirror,
            task: known.task,
            user: known.owner,
            worker,
            boot,
            attempt,
            name: known.name.clone(),
            agent: name.to_owned(),
        };
        Job {
            run,
            mirror,
            task: known.task,
            name: known.name.clone(),
            attempt,
            metering: self.metering(name, &agent),
            agent_name: name.to_owned(),
            agent,
            verifier: self.verifier(),
            checkpoint: self.config.checkpoint,
            summaries: self.config.summaries,
            owner: known.owner,
            workspaces: self.workspaces.clone(),
            root: self.root.clone(),
            environment: Arc::clone(&self.environment),
            grace: self.config.grace,
            supervision: Supervision {
                launcher: self.config.supervisor.clone(),
                orphan: self.config.orphan,
                about: about.to_map(),
            },
            footing: Footing::new(false, self.door.clone()),
            resumed: None,
        }
    }

    /// The agent that judges work, if the worker has another one for that.
    fn verifier(&self) -> Option<Command> {
        let name = self.config.verifier.as_ref()?;
        match self.config.agents.get(name)? {
            Agent::Command(command) => Some((**command).clone()),
            Agent::Noop => None,
        }
    }

    /// How an agent is metered: kinds whose output tells what they use are not asked.
    fn metering(&self, name: &str, agent: &Command) -> Metering {
        let metering = self.config.metering.get(name).cloned();
        let metering = metering.unwrap_or_default();
        let model = match &agent.kind {
            Kind::Command => return metering,
            // Which model it chooses is known once it runs; until then it is taken for the dearest.
            Kind::Claude(claude) => claude.model.clone().or_else(|| Some(ANY_CLAUDE.to_owned())),
            Kind::Codex(codex) => codex.model.clone(),
        };
        Metering {
            tells: Tells::Output,
            takes_notices: matches!(agent.kind, Kind::Claude(_)),
            model,
            ..metering
        }
    }

    /// Notes the end of a run, and tells which it was; `None` when it isn't the current one.
    pub(crate) fn end(&mut self, mirror: MirrorId, run: RunId) -> Option<Work> {
        self.running
            .get(&mirror)
            .filter(|session| session.run == run)?;
        self.running.remove(&mirror).map(|session| session.work)
    }

    /// The store knows what came of an attempt: nobody needs to find its agents any more.
    pub(crate) fn forget(&self, mirror: MirrorId, attempt: Attempt) {
        folder::forget(&self.root, mirror, attempt);
    }

    /// Asks the agent of `mirror` to end.
    pub(crate) fn interrupt(&self, mirror: MirrorId, why: Interruption) {
        if let Some(session) = self.running.get(&mirror) {
            let (task, attempt) = (session.work.task, session.work.attempt.0);
            tracing::info!(task.id = %task, attempt, ?why, "the agent is asked to end");
            session.interrupt.ask(why);
        }
    }

    /// Asks all agents to end.
    pub(crate) fn interrupt_all(&self, why: Interruption) {
        self.running
            .values()
            .for_each(|session| session.interrupt.ask(why));
    }

    /// Kills all agents.
    pub(crate) fn kill_all(&self, why: Interruption) {
        self.running
            .values()
            .for_each(|session| session.interrupt.now(why));
    }

    /// Whether one of them stands at `stand`.
    pub(crate) fn any_at(&self, stand: Stand) -> bool {
        let mut all = self.running.values();
        all.any(|session| session.footing.stand() == stand)
    }

    /// Asks those to end of which no program runs yet.
    pub(crate) fn interrupt_beginners(&self, why: Interruption) {
        let all = self.running.values();
        all.filter(|session| session.footing.stand() == Stand::Beginning)
            .for_each(|session| session.interrupt.ask(why));
    }

    /// What programs are started through.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// How many run.
    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// What runs, oldest mirror first.
    pub(crate) fn running(&self) -> Vec<Work> {
        let mut works: Vec<Work> = self
            .running
            .values()
            .map(|session| session.work.clone())
            .collect();
        works.sort_by_key(|work| work.mirror);
        works
    }
}
