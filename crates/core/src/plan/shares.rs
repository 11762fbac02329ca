//! How much each person has and may have: weights, caps, and what she used lately.
//!
//! Use is time in slots over the last hour, read from rows: attempts that run count from when they
//! were given plus a reserve for what they will still take, ended ones count as long as they took.
//! Divided by her weight it says whose turn it is: the least first. An hour later all is forgotten, so
//! whoever had nothing for that long comes before everybody who had something.
//!
//! Caps hold in one plan over what the snapshot shows; orchestrators that plan at the same moment can
//! exceed them by what each gives at once. They are manners, not safety.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::turns::Turns;
use super::view::View;
use crate::ids::UserId;
use crate::model::Mirror;
use crate::reason::Reason;
use crate::time::{Span, Timestamp};

/// How far back use counts. Longer remembers a burst when its owner's need is over, shorter forgets
/// long attempts before they are evened out.
pub(super) const REMEMBERED: Span = Span::mins(60);

/// What an attempt that runs is expected to take still. Larger evens out how many each has at once,
/// smaller how long each had them.
const RESERVE: Span = Span::mins(10);

/// What an ended attempt counts at least, so that many short ones count at all.
const LEAST: Span = Span::secs(1);

/// How tasks of several people share the workers: `[assign]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// How much more than others a person gets while there is not enough for all; 1 for who is not here.
    pub weights: BTreeMap<UserId, u32>,
    /// How many of one person's tasks may run at once; `None`: as many as there are slots.
    pub user_running: Option<u32>,
    /// How many of one person's tasks with the same key may run at once.
    pub key_running: u32,
    /// Keys that everybody shares, and how many tasks with one may run at once.
    pub keys: BTreeMap<String, u32>,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            weights: BTreeMap::new(),
            user_running: None,
            key_running: 1,
            keys: BTreeMap::new(),
        }
    }
}

/// How much of a limit is used, for explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many run.
    pub running: u32,
    /// How many may.
    pub limit: u32,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} running", self.running, self.limit)
    }
}

/// Whose tasks share a key: everybody's, where an operator said so; otherwise a person's own, so that
/// nobody can hold up others by using their key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Sharers {
    All,
    One(Option<UserId>),
}

/// What everybody has, while slots are given.
pub(super) struct Holdings<'v> {
    shares: &'v Shares,
    used: HashMap<Option<UserId>, Span>,
    running: HashMap<Option<UserId>, u32>,
    keys: HashMap<(Sharers, &'v str), u32>,
}

impl<'v> Holdings<'v> {
    /// What the snapshot and the memory beside it show.
    pub(super) fn new(view: &View<'v>, turns: &Turns) -> Self {
        let mut holdings = Self {
            shares: &view.policy.shares,
            used: HashMap::new(),
            running: HashMap::new(),
            keys: HashMap::new(),
        };
        for mirror in view.active() {
            let took = within(since(mirror), view.now, view.now);
            holdings.add(mirror.user, mirror.wants.key.as_deref(), took);
        }
        for (user, from, until) in turns.ended() {
            let took = within(from, until, view.now).max(LEAST);
            holdings.use_up(user, took);
        }
        holdings
    }

    fn add(&mut self, user: Option<UserId>, key: Option<&'v str>, took: Span) {
        self.use_up(user, took.plus(RESERVE));
        *self.running.entry(user).or_default() += 1;
        if let Some(key) = key {
            *self.keys.entry((self.sharers(user, key), key)).or_default() += 1;
        }
    }

    fn use_up(&mut self, user: Option<UserId>, took: Span) {
        let used = self.used.entry(user).or_default();
        *used = used.plus(took);
    }

    fn sharers(&self, user: Option<UserId>, key: &str) -> Sharers {
        match self.shares.keys.contains_key(key) {
            true => Sharers::All,
            false => Sharers::One(user),
        }
    }

    /// A task of hers was given to a worker.
    pub(super) fn give(&mut self, user: Option<UserId>, key: Option<&'v str>) {
        self.add(user, key, Span::ZERO);
    }

    /// What she used, by her weight: the least has the next turn.
    pub(super) fn load(&self, user: Option<UserId>) -> Span {
        let weight = user.and_then(|user| self.shares.weights.get(&user).copied());
        let used = self.used.get(&user).copied().unwrap_or_default();
        used.over(weight.unwrap_or(1).max(1))
    }

    /// Which cap keeps a task of hers from any worker.
    pub(super) fn refuses(
        &self,
        user: Option<UserId>,
        key: Option<&'v str>,
    ) -> Option<(Reason, Count)> {
        let running = self.running.get(&user).copied().unwrap_or(0);
        let limit = self.shares.user_running.filter(|limit| running >= *limit);
        if let Some(limit) = limit {
            return Some((Reason::UserCap, Count { running, limit }));
        }
        let key = key?;
        let limit = self.shares.keys.get(key).copied();
        let limit = limit.unwrap_or(self.shares.key_running);
        let running = self.keys.get(&(self.sharers(user, key), key)).copied();
        let running = running.unwrap_or(0);
        (running >= limit).then_some((Reason::KeyBusy, Count { running, limit }))
    }
}

/// Since when a mirror takes a slot.
fn since(mirror: &Mirror) -> Timestamp {
    let lease = mirror.lease.as_ref().map(|lease| lease.since);
    lease.unwrap_or(mirror.modified)
}

/// How much of `from..until` lies in what is remembered at `now`.
fn within(from: Timestamp, until: Timestamp, now: Timestamp) -> Span {
    let from = from.max(now.minus(REMEMBERED));
    until.min(now).since(from).max(Span::ZERO)
}
