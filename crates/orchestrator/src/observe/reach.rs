//! How far a tick's questions reached into what there is: windows over changes, stretches of the
//! waiting, pages of the open. Worked out from the answers, remembered only once the tick is over.

use shraga_core::row::tasks;
use shraga_core::time::Timestamp;
use shraga_dataverse::rows::Row;
use uuid::Uuid;

use super::cells::{guid, time, version};
use super::question::{After, Mark, Question, SECOND, TASK_ID};

/// How far the windows over changes reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The newest version there was, read before everything else.
    pub(crate) high_water: Option<i64>,
    /// The last change seen of ended mirrors and of requests, and whether their windows were full.
    pub(crate) ended: Option<Window>,
    /// The same of requests.
    pub(crate) requests: Option<Window>,
    /// The same of progress.
    pub(crate) progress: Option<Window>,
    /// The window of waiting mirrors.
    pub(crate) waiting: Option<Stretch>,
    /// The page behind it, or behind an earlier page.
    pub(crate) page: Option<Stretch>,
    /// Where the next page of open user rows begins; `Some(None)` after the last.
    pub(crate) open_tasks: Option<Option<After>>,
    /// The same of open mirrors.
    pub(crate) open_mirrors: Option<Option<After>>,
}

impl Reach {
    /// Takes in how far the answer to `question` reaches.
    pub(super) fn note(&mut self, question: &Question, rows: &[Row]) {
        match question {
            Question::HighWater => self.high_water = rows.first().and_then(version),
            Question::Requests(since, top) => self.requests = Some(window(*since, rows, *top)),
            Question::Ended(since, top) => self.ended = Some(window(*since, rows, *top)),
            Question::Progress(since, top) => self.progress = Some(window(*since, rows, *top)),
            Question::Waiting(top) => self.waiting = Some(stretch(rows, *top)),
            Question::WaitingBehind(_, top) => self.page = Some(stretch(rows, *top)),
            Question::OpenTasks(after, top) => {
                self.open_tasks = Some(next_page(*after, rows, *top));
            }
            Question::OpenMirrors(after, top) => {
                self.open_mirrors = Some(next_page(*after, rows, *top));
            }
            Question::NewTasks(_)
            | Question::WaitingOthers(..)
            | Question::Active
            | Question::LastGiven(_)
            | Question::LastEnded(_)
            | Question::Workers
            | Question::People
            | Question::Disabled
            | Question::Persons(_)
            | Question::Tasks(_)
            | Question::Mirrors(_)
            | Question::MirrorsOf(_)
            | Question::Carried(_)
            | Question::Events(_)
            | Question::Late(_)
            | Question::Impostors(_)
            | Question::Anothers(_) => {}
        }
    }

    /// Whether a window was full or a pass goes on: there is more to be seen at once.
    pub(crate) fn is_cut_short(&self) -> bool {
        let windows = [self.ended, self.requests, self.progress];
        let full = windows.into_iter().flatten().any(|window| window.full);
        let pages = [self.open_tasks, self.open_mirrors];
        full || pages.into_iter().flatten().any(|next| next.is_some())
    }
}

/// How far one window reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The last change in it.
    pub(crate) last: Option<Mark>,
    /// Whether there may be more behind it.
    pub(crate) full: bool,
}

/// A place in the order in which waiting mirrors have their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// When a mirror's turn comes.
    pub(crate) rank: Timestamp,
    /// Whose mirror it is: a task's.
    pub(crate) task: Uuid,
}

impl Place {
    /// The place before every row of this rank: within one, windows have another order than pages.
    pub(crate) fn first_of_rank(self) -> Self {
        let task = Uuid::nil();
        Self { task, ..self }
    }
}

/// How far one look at waiting mirrors reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Its last place.
    pub(crate) last: Option<Place>,
    /// Whether there may be more behind it.
    pub(crate) full: bool,
}

fn window(since: Mark, rows: &[Row], top: u32) -> Window {
    Window {
        last: rows.last().and_then(|row| mark(since, row)),
        full: rows.len() >= top as usize,
    }
}

fn stretch(rows: &[Row], top: u32) -> Stretch {
    Stretch {
        last: rows.iter().rev().find_map(place),
        full: rows.len() >= top as usize,
    }
}

/// Where a waiting mirror stands. One without a rank stands where it was made, one without a task
/// before all others of its rank.
fn place(row: &Row) -> Option<Place> {
    let rank = time(row, tasks::RANK.name()).or_else(|| time(row, "createdon"))?;
    let task = guid(row, tasks::MIRROR_OF.name()).unwrap_or_default();
    Some(Place { rank, task })
}

/// The mark of a row, of the kind of `like`.
fn mark(like: Mark, row: &Row) -> Option<Mark> {
    match like {
        Mark::Version(_) => version(row).map(Mark::Version),
        Mark::Modified(_) => time(row, "modifiedon").map(Mark::Modified),
    }
}

/// Where the page after these rows begins; `None` when these were the last.
fn next_page(after: Option<After>, rows: &[Row], top: u32) -> Option<After> {
    if let Some(After::Second(at)) = after {
        return Some(After::Created(at.plus(SECOND)));
    }
    let last = rows.last().filter(|_| rows.len() >= top as usize)?;
    match after {
        None | Some(After::Key(_) | After::Second(_)) => guid(last, TASK_ID).map(After::Key),
        Some(After::Created(from)) => {
            let last = time(last, "createdon")?;
            Some(match last > from {
                true => After::Created(last),
                false => After::Second(from),
            })
        }
    }
}
