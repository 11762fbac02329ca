//! What a keeper does next: which version it starts, how long it waits, when a version has failed and what runs then.
//!
//! A version that this keeper never saw healthy is on trial as long as there is one to go back to. It proves itself by being
//! healthy for a moment within its time; otherwise it is remembered as failed, and the one before runs again. Everything
//! else that ends is started again, after a wait that doubles and never grows into giving up. Knows no process, no file
//! and no clock. What is remembered between two keepers ([`Memory`]) is written before anything is begun, so that a
//! keeper that was cut short anywhere begins with a whole version.

use super::{MAX_TRIES, Release};
use crate::time::{Span, Timestamp};

#[cfg(test)]
mod tests;

/// How long a version has to be healthy to have proved itself: longer delays the others, shorter lets one pass that falls
/// over its first work.
const HOLD: Span = Span::secs(5);

/// A program that is silent for longer is stuck: it pulses once a second, also while it brings its database forward. Before its
/// first pulse it may take as long as it may take to get healthy, if that is longer.
const SILENCE: Span = Span::secs(60);

/// The wait after the first end in a row; it doubles.
const FIRST_REST: Span = Span::secs(1);

/// The longest wait: somebody who has mended what was wrong doesn't want to wait longer.
const LONGEST_REST: Span = Span::secs(60);

/// What is said of a version whose trials never came to an end.
const CUT_SHORT: &str = "was cut short too often before it had proved itself";

/// What is there to be run, as it was just looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// What the link leads to; `None` where there is no installation.
    pub current: Option<Release>,
    /// Every version that is whole.
    pub there: Vec<Release>,
    /// What is remembered as failed.
    pub failed: Vec<Release>,
}

/// What a keeper remembers of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What proved healthy last.
    pub proven: Option<Release>,
    /// What the link led to then. While it leads there still, the proven one goes on.
    pub link: Option<Release>,
    /// The trial that was begun last and is not known to have ended, and how often it was begun.
    pub trial: Option<(Release, u32)>,
}

/// How a kept program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It hands over to a version, which becomes the one in use (`turn`) once it has proved itself.
    HandOver {
        /// To which.
        to: Release,
        /// Whether the link is turned to it then.
        turn: bool,
    },
    /// Anything else, in words.
    Other(String),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time passed.
    Tick,
    /// The program said that it lives, and whether it does its work.
    Pulse {
        /// Whether it does.
        healthy: bool,
    },
    /// It ended, or could not be started.
    Ended(End),
    /// The keeper was told to end.
    Stop,
}

/// Something to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Write it down.
    Remember(Memory),
    /// Start this version; `None`: the program there is, without an installation.
    Start {
        /// Which.
        release: Option<Release>,
        /// Whether it is on trial.
        on_trial: bool,
    },
    /// End the program, which is told as its own end later.
    End(String),
    /// Remember that this version failed, and turn the link back if it leads there.
    Failed {
        /// Which.
        release: Release,
        /// What was wrong.
        said: String,
        /// What to go back to.
        back: Release,
    },
    /// Forget that it failed: nothing gets healthy here now.
    Forgive(Release),
    /// Turn the link to it.
    Turn(Release),
    /// Tell whoever keeps the machine.
    Say(String),
    /// The program did its work for the first time since it was started.
    Healthy,
    /// Nothing runs: the keeper ends.
    Leave,
}

/// What is to be started, and what follows when it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Launch {
    release: Option<Release>,
    /// What to go back to; `None`: it is not on trial.
    before: Option<Release>,
    turn: bool,
}

impl Launch {
    /// Not on trial.
    const fn plain(release: Option<Release>) -> Self {
        Self {
            release,
            before: None,
            turn: false,
        }
    }

    /// Whether it is still there, and nobody found it failing meanwhile.
    fn can_run(&self, there: &Installation) -> bool {
        let release = self.release.as_ref();
        release.is_some_and(|to| there.there.contains(to) && !there.failed.contains(to))
    }
}

#[derive(Clone, Debug)]
struct Run {
    launch: Launch,
    since: Timestamp,
    heard: Option<Timestamp>,
    healthy: Option<Timestamp>,
    /// It was healthy at least once.
    came: bool,
    proved: bool,
    /// It was told to end since it was silent.
    told: bool,
    /// It is being ended, and this is what follows at once.
    ending: Option<Launch>,
}

impl Run {
    /// How long it may be silent, once it was silent for so long.
    fn silent(&self, health: Span, now: Timestamp) -> Option<Span> {
        let (since, bound) = match self.heard {
            Some(heard) => (heard, SILENCE),
            None => (self.since, health.max(SILENCE)),
        };
        (now.since(since) >= bound).then_some(bound)
    }
}

#[derive(Clone, Debug)]
enum Phase {
    /// Nothing runs until then; what was handed over to goes on then, where that is not decided anew.
    Rests(Timestamp, Option<Box<Launch>>),
    Runs(Box<Run>),
    /// It was told to end with the keeper.
    Leaves,
}

/// The keeper.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// How long a version may take until it is healthy.
    health: Span,
    memory: Memory,
    phase: Phase,
    /// Ends in a row.
    ends: u32,
    /// What failed last, and since when nothing got healthy in its place.
    blamed: Option<(Release, Timestamp)>,
}

impl Keeper {
    /// One that begins at `now` with what it remembers. A version on trial has `health` to get healthy.
    #[must_use]
    pub const fn new(memory: Memory, health: Span, now: Timestamp) -> Self {
        Self {
            health,
            memory,
            phase: Phase::Rests(now, None),
            ends: 0,
            blamed: None,
        }
    }

    /// One step.
    #[must_use]
    pub fn step(&mut self, event: Event, there: &Installation, now: Timestamp) -> Vec<Act> {
        match event {
            Event::Tick => {
                let forgiven = self.forgive(now);
                forgiven.into_iter().chain(self.tick(there, now)).collect()
            }
            Event::Pulse { healthy } => self.pulse(healthy, now),
            Event::Ended(end) => self.ended(end, there, now),
            Event::Stop => self.stop(),
        }
    }

    /// What it would begin with after a loss of power now.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The one before doesn't get healthy either: it wasn't the version.
    fn forgive(&mut self, now: Timestamp) -> Option<Act> {
        let over = |(_, since): &mut (Release, Timestamp)| now.since(*since) >= self.health;
        let (release, _) = self.blamed.take_if(over)?;
        Some(Act::Forgive(release))
    }

    fn stop(&mut self) -> Vec<Act> {
        match std::mem::replace(&mut self.phase, Phase::Leaves) {
            Phase::Rests(..) => vec![Act::Leave],
            Phase::Runs(_) | Phase::Leaves => Vec::new(),
        }
    }

    fn tick(&mut self, there: &Installation, now: Timestamp) -> Vec<Act> {
        match &mut self.phase {
            Phase::Leaves => Vec::new(),
            Phase::Rests(until, _) if now < *until => Vec::new(),
            Phase::Rests(_, next) => {
                let next = next.take().filter(|next| next.can_run(there));
                let (launch, before) = match next {
                    Some(next) => self.next(*next),
                    None => self.first(there),
                };
                before.into_iter().chain(self.begin(launch, now)).collect()
            }
            Phase::Runs(run) if run.ending.is_some() => Vec::new(),
            Phase::Runs(run) => {
                let silent = run.silent(self.health, now).is_some() && !run.told;
                let late = !run.came && now.since(run.since) >= self.health;
                let well = run.healthy.zip(run.heard);
                let held = well.is_some_and(|(since, heard)| heard.since(since) >= HOLD);
                match (silent, held && !run.proved, late) {
                    (true, ..) => self.stuck(now),
                    (false, true, _) => self.prove(there),
                    (false, false, true) => self.late(now),
                    (false, false, false) => Vec::new(),
                }
            }
        }
    }

    fn pulse(&mut self, healthy: bool, now: Timestamp) -> Vec<Act> {
        let Phase::Runs(run) = &mut self.phase else {
            return Vec::new();
        };
        run.heard = Some(now);
        run.healthy = match healthy {
            true => run.healthy.or(Some(now)),
            false => None,
        };
        let first = healthy && !run.came;
        run.came |= healthy;
        if first && run.launch.before.is_none() {
            self.blamed = None;
        }
        first.then_some(Act::Healthy).into_iter().collect()
    }

    /// The version proved itself.
    fn prove(&mut self, there: &Installation) -> Vec<Act> {
        let Phase::Runs(run) = &mut self.phase else {
            return Vec::new();
        };
        run.proved = true;
        let launch = &mut run.launch;
        launch.before = None;
        self.ends = 0;
        let Some(release) = launch.release.clone() else {
            return Vec::new();
        };
        let turn = std::mem::take(&mut launch.turn) && there.current.as_ref() != Some(&release);
        let link = match turn {
            true => Some(release.clone()),
            false => there.current.clone(),
        };
        let memory = Memory {
            proven: Some(release.clone()),
            link,
            trial: None,
        };
        let turned = turn.then_some(Act::Turn(release));
        let remembered = self.remember(memory);
        turned.into_iter().chain(remembered).collect()
    }

    fn remember(&mut self, memory: Memory) -> Option<Act> {
        (memory != self.memory).then(|| {
            self.memory = memory.clone();
            Act::Remember(memory)
        })
    }

    /// It pulses no more, or never did.
    fn stuck(&mut self, now: Timestamp) -> Vec<Act> {
        let Phase::Runs(run) = &mut self.phase else {
            return Vec::new();
        };
        let bound = run.silent(self.health, now).unwrap_or(SILENCE);
        let said = format!("it said nothing for {} s", bound.as_secs());
        match run.launch.before.clone() {
            Some(before) => self.failed(said, before, now),
            None => {
                // What it runs as next is decided as after any other end.
                run.told = true;
                vec![Act::End(said)]
            }
        }
    }

    /// It is not healthy in its time.
    fn late(&mut self, now: Timestamp) -> Vec<Act> {
        let said = format!("it was not healthy within {} s", self.health.as_secs());
        let Phase::Runs(run) = &mut self.phase else {
            return Vec::new();
        };
        match run.launch.before.clone() {
            Some(before) => self.failed(said, before, now),
            None => Vec::new(),
        }
    }

    /// The version that runs failed, and is to be ended.
    fn failed(&mut self, said: String, back: Release, now: Timestamp) -> Vec<Act> {
        let Phase::Runs(run) = &mut self.phase else {
            return Vec::new();
        };
        run.ending = Some(Launch::plain(Some(back.clone())));
        let failed = run.launch.release.clone();
        let blamed = self.blame(failed, said.clone(), back, now);
        blamed.into_iter().chain([Act::End(said)]).collect()
    }

    fn blame(
        &mut self,
        release: Option<Release>,
        said: String,
        back: Release,
        now: Timestamp,
    ) -> Option<Act> {
        let release = release?;
        self.blamed = Some((release.clone(), now));
        Some(Act::Failed {
            release,
            said,
            back,
        })
    }

    fn ended(&mut self, end: End, there: &Installation, now: Timestamp) -> Vec<Act> {
        let run = match std::mem::replace(&mut self.phase, Phase::Leaves) {
            Phase::Runs(run) => *run,
            Phase::Leaves => return vec![Act::Leave],
            rests @ Phase::Rests(..) => {
                self.phase = rests;
                return Vec::new();
            }
        };
        if let Some(next) = run.ending {
            return self.back_to(next, now);
        }
        match (end, run.launch.before) {
            (End::HandOver { to, turn }, before) => {
                let from = before.or(run.launch.release);
                match self.handed_over(to, turn, from, there) {
                    Err((failed, why)) => {
                        let rest = self.rest(&why, now);
                        failed.into_iter().chain([rest]).collect()
                    }
                    Ok(launch) if run.proved => {
                        let (launch, noted) = self.next(launch);
                        noted.into_iter().chain(self.begin(launch, now)).collect()
                    }
                    // Two that hand over to each other must not do so without end and rest.
                    Ok(launch) => vec![self.rest_before(launch, now)],
                }
            }
            (End::Other(said), Some(back)) => {
                let said = format!("{said} before it had proved itself");
                let next = Launch::plain(Some(back.clone()));
                let failed = self.blame(run.launch.release, said, back, now);
                failed.into_iter().chain(self.back_to(next, now)).collect()
            }
            (End::Other(said), None) => {
                // One that was healthy for long and ends isn't one that doesn't come up.
                let well = run
                    .healthy
                    .is_some_and(|since| now.since(since) >= LONGEST_REST);
                self.ends = if well { 0 } else { self.ends };
                vec![self.rest(&said, now)]
            }
        }
    }

    fn rest(&mut self, said: &str, now: Timestamp) -> Act {
        let rest = self.rest_with(None, now);
        Act::Say(format!(
            "{said}; it is started again in {} s",
            rest.as_secs()
        ))
    }

    /// The same, after a hand-over by one that had not proved itself.
    fn rest_before(&mut self, next: Launch, now: Timestamp) -> Act {
        let to = next.release.as_ref().map(ToString::to_string);
        let rest = self.rest_with(Some(Box::new(next)), now);
        Act::Say(format!(
            "it handed over before it had proved itself; {} is started in {} s",
            to.unwrap_or_default(),
            rest.as_secs()
        ))
    }

    fn rest_with(&mut self, next: Option<Box<Launch>>, now: Timestamp) -> Span {
        let rest = FIRST_REST.times(1 << self.ends.min(16)).min(LONGEST_REST);
        self.ends = self.ends.saturating_add(1);
        self.phase = Phase::Rests(now.plus(rest), next);
        rest
    }

    /// Goes back after a trial that failed. The trial is over, whatever comes of this.
    fn back_to(&mut self, next: Launch, now: Timestamp) -> Vec<Act> {
        let memory = Memory {
            trial: None,
            ..self.memory.clone()
        };
        let remembered = self.remember(memory);
        remembered
            .into_iter()
            .chain(self.begin(next, now))
            .collect()
    }

    /// What is started after a hand-over; or why not, and what is to be remembered of it.
    fn handed_over(
        &self,
        to: Release,
        turn: bool,
        from: Option<Release>,
        there: &Installation,
    ) -> Result<Launch, (Vec<Act>, String)> {
        let too_often = self.tries(&to) > MAX_TRIES;
        let refused = match () {
            () if !there.there.contains(&to) => Some("is not installed"),
            () if there.failed.contains(&to) => Some("failed before"),
            () if too_often => Some(CUT_SHORT),
            () => None,
        };
        let Some(why) = refused else {
            return Ok(Launch {
                before: from.filter(|from| *from != to),
                release: Some(to),
                turn,
            });
        };
        // Remembered, so that it is not asked for again and again.
        let failed = from.filter(|_| too_often).map(|back| Act::Failed {
            release: to.clone(),
            said: format!("it {CUT_SHORT}"),
            back,
        });
        let failed = failed.into_iter().collect();
        Err((failed, format!("it hands over to {to}, which {why}")))
    }

    /// A trial that is about to be begun, and what has to be written down before.
    fn next(&mut self, launch: Launch) -> (Launch, Vec<Act>) {
        let tries = launch.release.as_ref().map_or(1, |to| self.tries(to));
        let noted = self.note_trial(&launch, tries);
        (launch, noted.into_iter().collect())
    }

    /// How often `to` will have been begun with the next try.
    fn tries(&self, to: &Release) -> u32 {
        match &self.memory.trial {
            Some((tried, tries)) if tried == to => tries + 1,
            Some(_) | None => 1,
        }
    }

    fn note_trial(&mut self, launch: &Launch, tries: u32) -> Option<Act> {
        let memory = Memory {
            trial: launch.release.clone().map(|to| (to, tries)),
            ..self.memory.clone()
        };
        self.remember(memory)
    }

    fn begin(&mut self, launch: Launch, now: Timestamp) -> Vec<Act> {
        let (release, on_trial) = (launch.release.clone(), launch.before.is_some());
        self.phase = Phase::Runs(Box::new(Run {
            launch,
            since: now,
            heard: None,
            healthy: None,
            came: false,
            proved: false,
            told: false,
            ending: None,
        }));
        vec![Act::Start { release, on_trial }]
    }

    /// What is started when nothing says what goes on, and what has to be done first.
    fn first(&mut self, there: &Installation) -> (Launch, Vec<Act>) {
        let current = there.current.clone();
        let proven = self.memory.proven.clone();
        let proven = proven.filter(|proven| there.there.contains(proven));
        let (Some(proven), Some(link)) = (proven.clone(), current.clone()) else {
            return (Launch::plain(current.or(proven)), Vec::new());
        };
        if link != proven && there.failed.contains(&proven) {
            // Somebody went back from it.
            return (Launch::plain(Some(link)), Vec::new());
        }
        if link == proven || self.memory.link.as_ref() == Some(&link) {
            return (Launch::plain(Some(proven)), Vec::new());
        }
        let tries = self.tries(&link);
        let given_up = tries > MAX_TRIES && !there.failed.contains(&link);
        if given_up || there.failed.contains(&link) {
            let said = match given_up {
                true => format!("it {CUT_SHORT}"),
                false => "it failed before".to_owned(),
            };
            let failed = Act::Failed {
                release: link,
                said,
                back: proven.clone(),
            };
            return (Launch::plain(Some(proven)), vec![failed]);
        }
        let launch = Launch {
            release: Some(link),
            before: Some(proven),
            turn: false,
        };
        let noted = self.note_trial(&launch, tries);
        (launch, noted.into_iter().collect())
    }
}
