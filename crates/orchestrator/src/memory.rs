//! What one tick leaves for the next: how far changes were seen, what to look at again.
//!
//! All of it may be lost at any time: a new orchestrator starts without, and a full pass over open
//! rows brings back what matters. Everything here is bounded.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use shraga_core::ids::{MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::Worker;
use shraga_core::plan::{Need, Turns, Watched};
use shraga_core::row::ChangeSet;
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

use crate::clock::Moment;
use crate::observe::question::{After, Mark};
use crate::observe::reach::{Reach, Window};
use crate::observe::seen::Known;
use crate::status::StoreKind;
use crate::walk::Walk;

/// Rows to look at again in the next tick at most. More than that and a full pass is cheaper.
const LOOK_MAX: usize = 4000;

/// People remembered at most; those forgotten cost a refused create each.
const PEOPLE_MAX: usize = 10_000;

/// Rows remembered as refused at most.
const REFUSED_MAX: usize = 10_000;

/// How long a row that was refused for good is left alone. Shorter repeats a hopeless write, longer
/// delays recovery after somebody repaired the row without changing what we watch.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// How often progress of tasks that have not ended is looked at: what changes more often is
/// coalesced, and short tasks show only their end.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// How often the waiting tasks of people outside of a full window are looked for: the read walks
/// over everybody else's, so more often costs most when most is waiting.
const OTHERS_EVERY: Duration = Duration::from_secs(1);

/// Times that windows may be halved after answers that were too large.
const SHRINK_MAX: u32 = 8;

/// How far changes were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Of mirrors that ended.
    pub(crate) ended: Mark,
    /// Of requests in user rows.
    pub(crate) requests: Mark,
    /// Of mirrors that have not ended.
    pub(crate) progress: Mark,
}

/// Whether the store could be looked at all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sight {
    /// As far as this process goes back.
    #[default]
    Unbroken,
    /// Not the last time.
    Lost,
    /// Since then, again.
    Since(Timestamp),
}

/// A full pass on its way: where the next pages begin, `None` when that part is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Open user rows.
    pub(crate) tasks: Option<Option<After>>,
    /// Open mirrors.
    pub(crate) mirrors: Option<Option<After>>,
}

/// What one tick leaves for the next.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Whose turn it was.
    pub(crate) turns: Turns,
    /// Legacy workers whose last turn was read from rows.
    pub(crate) turns_read: HashSet<WorkerId>,
    /// Whether the attempts that ended last were read from rows.
    pub(crate) ended_read: bool,
    /// People met: there is a row for each.
    pub(crate) people: HashSet<UserId>,
    /// Whether all people there were at the start are among them.
    pub(crate) people_read: bool,
    /// How far changes were seen; `None` before the first tick.
    pub(crate) marks: Option<Marks>,
    /// The full pass on its way.
    pub(crate) pass: Option<Pass>,
    /// Mirrors that are with a worker, as last read.
    pub(crate) known: Known,
    /// Whether mirrors made by others are looked for before one is made.
    pub(crate) adopts: bool,
    /// Halvings of every window, after answers that were too large or too slow.
    pub(crate) shrink: u32,
    /// How far waiting mirrors behind a full window were looked at.
    pub(crate) walk: Walk,
    sight: Sight,
    /// Whether other admins' mirrors were looked for in this pass, or since this process began.
    pub(crate) anothers_read: bool,
    /// Another admin whose mirrors were seen, in this pass over open rows or the last whole one.
    another_admin: (Option<UserId>, Option<UserId>),
    watched: HashMap<WorkerId, Watched>,
    watched_at: Option<Timestamp>,
    look: HashSet<Need>,
    later: HashSet<Need>,
    unseen_progress: bool,
    refused: HashMap<Uuid, Moment>,
    pass_due: Moment,
    progress_due: Moment,
    others_due: Moment,
    crowded: bool,
}

impl Memory {
    /// Knows nothing; a full pass is due.
    pub(crate) fn new(adopts: bool) -> Self {
        let now = Moment::now();
        Self {
            turns: Turns::default(),
            turns_read: HashSet::new(),
            ended_read: false,
            people: HashSet::new(),
            people_read: false,
            marks: None,
            pass: None,
            known: Known::default(),
            adopts,
            shrink: 0,
            walk: Walk::default(),
            sight: Sight::default(),
            anothers_read: false,
            another_admin: (None, None),
            watched: HashMap::new(),
            watched_at: None,
            look: HashSet::new(),
            later: HashSet::new(),
            unseen_progress: false,
            refused: HashMap::new(),
            pass_due: now,
            progress_due: now,
            others_due: now,
            crowded: false,
        }
    }

    /// Starts a full pass when one is due.
    pub(crate) fn begin_pass(&mut self, every: Duration, store: StoreKind) {
        if self.pass.is_none() && self.pass_due.passed() {
            let first = match store {
                StoreKind::Embedded => None,
                StoreKind::Dataverse => Some(After::Created(Timestamp::from_secs(0))),
            };
            self.pass = Some(Pass {
                tasks: Some(first),
                mirrors: Some(first),
            });
            self.anothers_read = false;
            self.pass_due = Moment::now().plus(every);
            self.refused.retain(|_, until| !until.passed());
        }
    }

    /// The store could not be looked at.
    pub(crate) fn lose_sight(&mut self) {
        self.sight = Sight::Lost;
        self.watched_at = None;
    }

    /// The workers as they have been watched up to this look at `now`. What was seen before a gap, or
    /// before the store's clock jumped, does not count: whoever could not look does not know whether
    /// others could write.
    pub(crate) fn watch(
        &self,
        workers: &[Worker],
        now: Timestamp,
        gap: Span,
    ) -> HashMap<WorkerId, Watched> {
        let since = self.watched_at.map(|last| now.since(last));
        let unbroken = since.is_some_and(|since| since >= Span::ZERO && since <= gap);
        let before = |worker: &Worker| {
            let before = self.watched.get(&worker.id).copied();
            before.filter(|_| unbroken)
        };
        let watched = workers.iter();
        let watched = watched.map(|row| (row.id, Watched::go_on(before(row), row, now)));
        watched.collect()
    }

    /// The admin whose mirrors open tasks have instead of ours, as far as was seen.
    pub(crate) fn another_admin(&self) -> Option<UserId> {
        let (lately, before) = self.another_admin;
        lately.or(before)
    }

    /// Mirrors of `admin`'s were seen, who is another one.
    pub(crate) fn saw_another_admin(&mut self, admin: UserId) {
        self.another_admin.0 = Some(admin);
    }

    /// Keeps what was seen of the workers at `now`.
    pub(crate) fn watched(&mut self, watched: HashMap<WorkerId, Watched>, now: Timestamp) {
        self.watched = watched;
        self.watched_at = Some(now);
    }

    /// Since when it can be again, if it could not be for a while; `now` is the time of this look.
    pub(crate) fn in_sight_since(&self, now: Timestamp) -> Option<Timestamp> {
        match self.sight {
            Sight::Unbroken => None,
            Sight::Lost => Some(now),
            Sight::Since(since) => Some(since),
        }
    }

    /// Makes a full pass due at once.
    pub(crate) fn want_pass(&mut self) {
        self.pass_due = Moment::now();
    }

    /// Whether progress is due to be looked at.
    pub(crate) fn progress_due(&self) -> bool {
        self.progress_due.passed()
    }

    /// Whether people outside of a full window of waiting tasks are due to be looked for.
    pub(crate) fn others_due(&self) -> bool {
        self.others_due.passed()
    }

    /// When they are, if the last window was full.
    pub(crate) fn next_others(&self) -> Option<Moment> {
        self.crowded.then_some(self.others_due)
    }

    /// A tick that somebody asked for looks at everything, due or not.
    pub(crate) fn everything_is_due(&mut self) {
        let now = Moment::now();
        self.progress_due = now;
        self.others_due = now;
    }

    /// When progress is due next; `None` when there was none since it was last looked at.
    pub(crate) fn next_progress(&self) -> Option<Moment> {
        (self.unseen_progress || !self.later.is_empty()).then_some(self.progress_due)
    }

    /// Something changed that may be progress: it is looked at when that is due.
    pub(crate) fn expect_progress(&mut self) {
        self.unseen_progress = true;
    }

    /// A window of `rows`, halved as often as answers were too large.
    pub(crate) fn window(&self, rows: usize) -> u32 {
        u32::try_from((rows >> self.shrink).max(1)).unwrap_or(u32::MAX)
    }

    /// An answer was too large or too slow: smaller windows.
    pub(crate) fn shrink(&mut self) {
        self.shrink = (self.shrink + 1).min(SHRINK_MAX);
    }

    /// A tick's reads went well: larger windows again.
    pub(crate) fn grow(&mut self) {
        self.shrink = self.shrink.saturating_sub(1);
    }

    /// The next tick looks at the rows of this task.
    pub(crate) fn look_at_task(&mut self, task: TaskId) {
        self.look_at(Need::Task(task));
        self.look_at(Need::Mirror(MirrorId::of(task, 0)));
        self.look_at(Need::MirrorsOf(task));
    }

    /// The next tick asks for `need`.
    pub(crate) fn look_at(&mut self, need: Need) {
        if self.look.len() < LOOK_MAX {
            self.look.insert(need);
        } else {
            self.want_pass();
        }
    }

    /// The person's row of this task is behind, and may only be written later.
    pub(crate) fn look_later(&mut self, task: TaskId, mirror: MirrorId) {
        if self.later.len() < LOOK_MAX {
            self.later.extend([Need::Task(task), Need::Mirror(mirror)]);
        } else {
            self.want_pass();
        }
    }

    /// What the next tick is to ask for; forgotten here.
    pub(crate) fn take_looks(&mut self) -> HashSet<Need> {
        let mut looks = std::mem::take(&mut self.look);
        if self.progress_due() {
            looks.extend(self.later.drain());
        }
        looks
    }

    /// Remembers that the store refused `set` for good.
    pub(crate) fn refuse(&mut self, set: &ChangeSet) {
        if let Some(write) = set.writes.first()
            && self.refused.len() < REFUSED_MAX
        {
            let until = Moment::now().plus(REFUSED_FOR);
            self.refused.insert(write.id, until);
        }
    }

    /// Whether the store refused a write of the same row for good a while ago.
    pub(crate) fn is_refused(&self, set: &ChangeSet) -> bool {
        let until = set.writes.first().and_then(|w| self.refused.get(&w.id));
        until.is_some_and(|until| !until.passed())
    }

    /// How many rows are left alone: windows make room for them.
    pub(crate) fn refused(&self) -> usize {
        self.refused.len()
    }

    /// Remembers that there is a row for this person.
    pub(crate) fn met(&mut self, id: UserId) {
        if self.people.len() < PEOPLE_MAX {
            self.people.insert(id);
        }
    }

    /// Remembers how far a tick saw. `now` is the store's time of its reads.
    pub(crate) fn advance(&mut self, store: StoreKind, reach: &Reach, now: Timestamp) {
        self.sight = self
            .in_sight_since(now)
            .map_or(Sight::Unbroken, Sight::Since);
        let newest = match store {
            StoreKind::Embedded => reach.high_water.map(Mark::Version),
            // What commits late is read again: reads go back behind the mark.
            StoreKind::Dataverse => Some(Mark::Modified(now)),
        };
        match &mut self.marks {
            None => self.marks = first_marks(store, reach, now),
            Some(marks) => {
                let mut stuck = false;
                for (mark, window) in [
                    (&mut marks.ended, reach.ended),
                    (&mut marks.requests, reach.requests),
                    (&mut marks.progress, reach.progress),
                ] {
                    stuck |= window.is_some_and(|window| !step(mark, window, newest));
                }
                if stuck {
                    self.want_pass();
                }
            }
        }
        if reach.progress.is_some() {
            self.progress_due = Moment::now().plus(PROGRESS_EVERY);
            self.unseen_progress = false;
        }
        if let Some(waiting) = reach.waiting {
            self.crowded = waiting.full;
            if self.others_due.passed() {
                self.others_due = Moment::now().plus(OTHERS_EVERY);
            }
        }
        self.turn_page(reach);
    }

    fn turn_page(&mut self, reach: &Reach) {
        let Some(pass) = &mut self.pass else {
            return;
        };
        if let Some(next) = reach.open_tasks {
            pass.tasks = next.map(Some);
        }
        if let Some(next) = reach.open_mirrors {
            pass.mirrors = next.map(Some);
        }
        if pass.tasks.is_none() && pass.mirrors.is_none() {
            self.pass = None;
            self.another_admin = (None, self.another_admin.0);
        }
    }
}

fn first_marks(store: StoreKind, reach: &Reach, now: Timestamp) -> Option<Marks> {
    let mark = match store {
        StoreKind::Embedded => Mark::Version(reach.high_water.unwrap_or(0)),
        StoreKind::Dataverse => Mark::Modified(now),
    };
    Some(Marks {
        ended: mark,
        requests: mark,
        progress: mark,
    })
}

/// Moves `mark` to where `window` reached. `false` when a full window did not get past it: more rows
/// than fit were changed in one second.
fn step(mark: &mut Mark, window: Window, newest: Option<Mark>) -> bool {
    let before = *mark;
    match (before, window.last, newest) {
        (_, _, Some(newest)) if !window.full => *mark = before.max(newest),
        (_, None, _) => {}
        (Mark::Modified(from), Some(Mark::Modified(last)), _) if window.full => {
            // Reads go back by what may commit late: skip that, so that the next page begins here.
            let next = last.plus(crate::observe::question::LATE_COMMITS);
            *mark = Mark::Modified(if next > from {
                next
            } else {
                from.plus(Span::secs(1))
            });
            return next > from;
        }
        (_, Some(last), _) => *mark = last,
    }
    true
}

#[cfg(test)]
mod tests;
