//! Budgets in the allocation: what an attempt reserves before it is given out, and who has room for it.
//!
//! A day's limit is kept by the row that holds its sum (a person's own; the admin's for everybody):
//! whatever gives an attempt out writes the sum with it, under that row's version. So at most one
//! attempt per account is given out in one plan, the next with the next tick, and of two orchestrators one
//! fails. An account is settled from the mirrors of what it holds, as soon as it is looked at: whatever
//! ended with a report counts as it reported, the rest with all that was reserved.
//!
//! What a task's budget has no room for ends; what a day has no room for waits for the next.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::draft::Draft;
use super::schedule::Grant;
use super::view::View;
use super::{Need, Plan};
use crate::budget::{Budget, Limit};
use crate::ids::{MirrorId, TaskId, UserId};
use crate::ledger::{Account, Allowance, HELD_MAX, Held, Sum};
use crate::model::{Mirror, Person, Wants};
use crate::reason::Reason;
use crate::row::{ChangeSet, Table, Write, tasks, users};
use crate::status::TaskStatus;
use crate::time::{Day, Timestamp};

/// What part of a day's limit an attempt reserves when neither its task nor the operator says: so many of
/// a person's attempts can run at once.
const PARTS: u64 = 10;

/// What people may spend: `[budget]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// What one person may spend on a day (UTC).
    pub user_day: Allowance,
    /// The same of these people.
    pub users: BTreeMap<UserId, Allowance>,
    /// What everybody together may spend on a day.
    pub day: Allowance,
    /// What one attempt may spend, where its task has no limit of its own and a day has one.
    pub attempt: Allowance,
    /// Whether the store holds accounts: without, nothing that a day limits is given out.
    pub accounts: bool,
}

impl Budgets {
    fn of(&self, user: UserId) -> Allowance {
        self.users.get(&user).copied().unwrap_or(self.user_day)
    }
}

/// Where a day's limit stands, for explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Of what.
    pub limit: Limit,
    /// What may be spent.
    pub most: u64,
    /// What is spent or reserved.
    pub committed: u64,
    /// What the attempt would reserve.
    pub wanted: u64,
    /// When the day is over.
    pub until: Timestamp,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = |number| self.limit.amount(number);
        write!(
            f,
            "{} of {}, {} wanted, until {}",
            amount(self.committed),
            amount(self.most),
            amount(self.wanted),
            self.until
        )
    }
}

/// What keeps a task waiting, or ends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    pub(super) reason: Reason,
    pub(super) standing: Option<Standing>,
}

impl From<Reason> for Short {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            standing: None,
        }
    }
}

/// One sum that an attempt would count towards.
#[derive(Clone, Copy)]
struct Towards {
    row: UserId,
    most: Allowance,
    reason: Reason,
}

/// The accounts, while attempts are given out.
pub(super) struct Purse<'v, 'a> {
    view: &'v View<'a>,
    people: HashMap<UserId, &'a Person>,
    taken: HashSet<UserId>,
    /// Rows that are needed to say more.
    pub(super) needs: Vec<Need>,
}

impl<'v, 'a> Purse<'v, 'a> {
    pub(super) fn new(view: &'v View<'a>) -> Self {
        let people = view.snapshot.people.iter();
        Self {
            view,
            people: people.map(|person| (person.id, person)).collect(),
            taken: HashSet::new(),
            needs: Vec::new(),
        }
    }

    /// What the next attempt of this task would reserve.
    pub(super) fn ask(
        &mut self,
        mirror: Option<&Mirror>,
        user: Option<UserId>,
        wants: &Wants,
    ) -> Result<Allowance, Short> {
        if let Some(reason) = over(mirror, wants) {
            return Err(reason.into());
        }
        let accounts = towards(self.view, user);
        let left = left(mirror, wants);
        let wanted = wanted(left, &accounts, self.view.policy.budget.attempt);
        for account in accounts {
            self.has_room(account, wanted)?;
        }
        Ok(wanted)
    }

    /// The attempt of this person is given out: until that is written, her accounts are not known.
    pub(super) fn take(&mut self, user: Option<UserId>) {
        let rows = towards(self.view, user).into_iter();
        self.taken.extend(rows.map(|account| account.row));
    }

    fn has_room(&mut self, towards: Towards, wanted: Allowance) -> Result<(), Short> {
        if !self.view.policy.budget.accounts {
            return Err(Reason::BudgetUnheld.into());
        }
        let absent = self.view.snapshot.absent.contains(&towards.row.get());
        let person = self.people.get(&towards.row);
        let account = match person.and_then(|person| person.account.as_ref()) {
            Some((_, account)) => account.clone(),
            None if absent => Account::default(),
            None => {
                self.needs.push(Need::Person(towards.row));
                return Err(Reason::NotSeen.into());
            }
        };
        let day = Day::of(self.view.now);
        let account = account.on(day);
        if self.taken.contains(&towards.row) || account.held.len() >= HELD_MAX {
            return Err(Reason::NotSeen.into());
        }
        let committed = account.committed();
        let limits = [
            (
                Limit::Cost,
                towards.most.cost_micros,
                wanted.cost_micros,
                committed.cost_micros,
            ),
            (
                Limit::Tokens,
                towards.most.tokens,
                wanted.tokens,
                committed.tokens,
            ),
        ];
        for (limit, most, wanted, committed) in limits {
            let (Some(most), Some(wanted)) = (most, wanted) else {
                continue;
            };
            if committed.saturating_add(wanted) > most {
                let standing = Some(Standing {
                    limit,
                    most,
                    committed,
                    wanted,
                    // A clock that went back does not begin a day again.
                    until: account.day.end(),
                });
                let reason = towards.reason;
                return Err(Short { reason, standing });
            }
        }
        Ok(())
    }
}

/// The sums that an attempt of this person counts towards.
fn towards(view: &View<'_>, user: Option<UserId>) -> Vec<Towards> {
    let budgets = &view.policy.budget;
    let hers = user.map(|row| Towards {
        row,
        most: budgets.of(row),
        reason: Reason::BudgetUserDay,
    });
    let everybodys = view.snapshot.admin.map(|row| Towards {
        row,
        most: budgets.day,
        reason: Reason::BudgetDay,
    });
    let both = hers.into_iter().chain(everybodys);
    both.filter(|account| !account.most.is_none()).collect()
}

/// What is left of a task's budget.
fn left(mirror: Option<&Mirror>, wants: &Wants) -> Budget {
    match mirror {
        Some(mirror) => wants.budget.left(&mirror.ledger.before()),
        None => wants.budget,
    }
}

/// Why a task can't have another attempt, if that is so.
fn over(mirror: Option<&Mirror>, wants: &Wants) -> Option<Reason> {
    if wants.unclear.is_some() {
        return Some(Reason::Invalid);
    }
    left(mirror, wants).used_up().map(Limit::reason)
}

/// What an attempt reserves: what is left to its task, or its share of the day, and never more than a
/// whole day has.
fn wanted(left: Budget, accounts: &[Towards], share: Allowance) -> Allowance {
    let one = |left: Option<u64>, share: Option<u64>, of: fn(&Allowance) -> Option<u64>| {
        let most = accounts
            .iter()
            .filter_map(|account| of(&account.most))
            .min();
        let Some(most) = most else {
            return left;
        };
        let share = share.unwrap_or_else(|| most.div_ceil(PARTS));
        Some(left.unwrap_or(share).min(most))
    };
    Allowance {
        cost_micros: one(left.cost_micros, share.cost_micros, |it| it.cost_micros),
        tokens: one(left.tokens, share.tokens, |it| it.tokens),
    }
}

/// Writes down what the attempt reserves: in the mirror, and in the accounts it counts towards.
pub(super) fn reserve(
    draft: &mut Draft,
    view: &View<'_>,
    mirror: (MirrorId, Option<&Mirror>),
    user: Option<UserId>,
    attempt: crate::ids::Attempt,
    grant: &Grant<'_>,
) {
    let (id, row) = mirror;
    let wanted = grant.allowance;
    let day = Day::of(view.now);
    let before = row.map(|row| row.ledger.clone()).unwrap_or_default();
    if wanted.is_none() && before.open.is_none() {
        return;
    }
    draft.set(
        tasks::USAGE,
        before.give(attempt, grant.worker, day, wanted).to_json(),
    );
    let sum = wanted.sum();
    let held = Held {
        mirror: id,
        attempt,
        sum,
    };
    for account in towards(view, user) {
        draft.first(hold(view, account.row, day, held));
    }
}

/// The write that puts a reservation into an account; a person who has no row gets one.
fn hold(view: &View<'_>, row: UserId, day: Day, held: Held) -> Write {
    let mut people = view.snapshot.people.iter();
    let seen = people.find(|person| person.id == row);
    let seen = seen.and_then(|person| person.account.as_ref());
    let mut account = seen.map(|(_, account)| account.on(day)).unwrap_or_default();
    account.day = account.day.max(day);
    account.hold(held);
    let cell = (users::USAGE, account.to_json().into());
    match seen {
        Some((etag, _)) => Write::update(Table::Users, row.get(), etag, vec![cell]),
        None => {
            let admin = view.snapshot.admin == Some(row);
            let cells = vec![
                (users::NAME, format!("person {}", row.short()).into()),
                (users::ROLE, if admin { "admin" } else { "designer" }.into()),
                (users::STATE, "active".into()),
                cell,
            ];
            let mut write = Write::create(Table::Users, row.get(), cells);
            write.owner = Some(row);
            write
        }
    }
}

/// What became of a reservation.
enum Fate {
    /// Its attempt runs, or is about to.
    Open,
    /// It counts as this much.
    Over(Sum),
    /// Its mirror must be read first.
    Unknown,
}

/// Settles the accounts in view, and ends the tasks whose budgets have no room for another attempt.
pub(super) fn draft(view: &View<'_>, plan: &mut Plan) {
    for person in &view.snapshot.people {
        settle(view, person, plan);
    }
    for mirror in view.mirrors() {
        plan.sets.extend(end(view, mirror));
    }
}

fn settle(view: &View<'_>, person: &Person, plan: &mut Plan) {
    let Some((etag, account)) = &person.account else {
        return;
    };
    // Nothing is given out any more for a day that is over.
    if account.day < Day::of(view.now) {
        return;
    }
    let mut settled = account.clone();
    for held in &account.held {
        match fate(view, held) {
            Fate::Open => {}
            Fate::Over(sum) => settled.settle(held.mirror, held.attempt, sum),
            Fate::Unknown => plan.need(Need::Mirror(held.mirror)),
        }
    }
    if settled == *account {
        return;
    }
    let over = account.held.len() - settled.held.len();
    let cells = vec![(users::USAGE, settled.to_json().into())];
    plan.sets.push(ChangeSet {
        task: None,
        why: format!("settle what {over} attempts of {} used", person.id.short()),
        writes: vec![Write::update(Table::Users, person.id.get(), etag, cells)],
    });
}

fn fate(view: &View<'_>, held: &Held) -> Fate {
    let Some(mirror) = view.row_at(held.mirror) else {
        let gone = view.snapshot.absent.contains(&held.mirror.get());
        return if gone {
            Fate::Over(held.sum)
        } else {
            Fate::Unknown
        };
    };
    if let Some(end) = mirror.ledger.end_of(held.attempt) {
        return Fate::Over(end.sum);
    }
    if mirror.shown.attempt < held.attempt {
        // Not given out: this row is older than the account, or the second of two writes is missing. Then
        // the same attempt is given out later and reserves again in its place.
        return match mirror.status.is_terminal() {
            true => Fate::Over(Sum::default()),
            false => Fate::Open,
        };
    }
    match mirror.shown.attempt == held.attempt && mirror.is_active() {
        true => Fate::Open,
        false => Fate::Over(held.sum),
    }
}

/// Ends a waiting task that can have no other attempt.
fn end(view: &View<'_>, mirror: &Mirror) -> Option<ChangeSet> {
    let waits = mirror.status == TaskStatus::Pending && mirror.phase.is_none();
    let asked = || {
        view.task(mirror.task)
            .is_some_and(|task| view.cancel_requested(task))
    };
    if !waits || mirror.user.is_none() {
        return None;
    }
    let reason = over(Some(mirror), &mirror.wants)?;
    if asked() {
        return None;
    }
    let said = match &mirror.wants.unclear {
        Some(why) => why.clone(),
        None => used_up(mirror, reason),
    };
    let mut draft = Draft::update(view, mirror);
    draft.end(TaskStatus::Failed, reason, &said);
    Some(draft.finish(format!("fail task {}: {reason}", mirror.task.short())))
}

/// `its budget of money is used up: $2.50 of $2.50 in 2 attempts; the last: MESSAGE`.
fn used_up(mirror: &Mirror, reason: Reason) -> String {
    let before = mirror.ledger.before();
    let limit = Limit::ALL
        .into_iter()
        .find(|limit| limit.reason() == reason);
    let (Some(limit), attempts) = (limit, mirror.shown.attempt) else {
        return reason.message().to_owned();
    };
    let most = mirror.wants.budget.of(limit).unwrap_or_default();
    let used = limit.used(&before, 0).unwrap_or(most);
    let last = mirror.shown.message.as_deref().unwrap_or_default();
    format!(
        "{}: {} of {} after attempt {attempts}; {last}",
        reason.message(),
        limit.amount(used),
        limit.amount(most),
    )
}

/// What a wait says beside its reason.
pub(super) fn said(reason: Reason, standing: Option<Standing>) -> String {
    match standing {
        Some(standing) => format!("{}: {standing}", reason.message()),
        None => reason.message().to_owned(),
    }
}

/// For whom a wait is, when rows are told apart by task.
pub(super) const fn wait(task: TaskId, short: Short) -> super::schedule::Wait {
    let until = match short.standing {
        Some(standing) => Some(standing.until),
        None => None,
    };
    super::schedule::Wait {
        task,
        reason: short.reason,
        until,
        count: None,
        standing: short.standing,
    }
}
