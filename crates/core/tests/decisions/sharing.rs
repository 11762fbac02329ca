//! How people share workers over time: by weight, without starving anybody, the same after a restart.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use shraga_core::ids::{MirrorId, UserId};
use shraga_core::model::{Mirror, UserTask};
use shraga_core::plan::shares::Shares;
use shraga_core::plan::{Policy, Snapshot, Turns, assign};
use shraga_core::row::{Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::{Span, Timestamp};

use crate::build::{held, mirror, secs, task, user, worker};

/// A pool whose attempts take a fixed number of rounds, over the shipped allocation.
struct Pool {
    snapshot: Snapshot,
    policy: Policy,
    now: Timestamp,
    round: Span,
    takes: i64,
    filed: usize,
    started: Vec<MirrorId>,
}

impl Pool {
    fn new(slots: u32, round: Span, takes: i64, shares: Shares) -> Self {
        Self {
            snapshot: Snapshot {
                admin: Some(user("admin")),
                active_complete: true,
                workers_complete: true,
                workers: vec![worker("w", slots)],
                ..Snapshot::default()
            },
            policy: Policy {
                adopts: false,
                shares,
                ..Policy::default()
            },
            now: secs(1_000_000),
            round,
            takes,
            filed: 0,
            started: Vec::new(),
        }
    }

    fn file(&mut self, who: &str, priority: i64) -> MirrorId {
        self.filed += 1;
        let at = self.now.as_secs();
        let row: UserTask = task(&format!("t{}", self.filed), who, at);
        let mut row = mirror(&row);
        row.id = MirrorId::new(uuid::Uuid::from_u128(self.filed as u128));
        row.task = shraga_core::ids::TaskId::new(row.id.get());
        row.rank = self.now.minus(Span::mins(10).times(priority));
        let id = row.id;
        self.snapshot.mirrors.push(row);
        id
    }

    fn waiting(&self, who: &str) -> usize {
        let rows = self.snapshot.mirrors.iter();
        let hers = |row: &&Mirror| row.user == Some(user(who)) && row.status == TaskStatus::Pending;
        rows.filter(hers).count()
    }

    /// What would be given now.
    fn grants(&self) -> Vec<MirrorId> {
        let plan = assign::plan(&self.snapshot, &self.policy, self.now);
        let writes = plan.sets.iter().flat_map(|set| &set.writes);
        let given = writes.filter(|it| it.table == Table::Tasks && it.get(tasks::LEASE).is_some());
        given.map(|write| MirrorId::new(write.id)).collect()
    }

    /// Ends what is due, gives what can be given, lets time pass.
    fn turn(&mut self) {
        let due = self.now.minus(self.round.times(self.takes));
        for row in &mut self.snapshot.mirrors {
            let since = row.lease.as_ref().map(|lease| lease.since);
            if row.status == TaskStatus::Running && since.is_some_and(|since| since <= due) {
                row.status = TaskStatus::Completed;
                row.shown.finished = Some(self.now);
            }
        }
        self.snapshot.turns = Turns::seen(&self.snapshot, self.now);
        self.snapshot
            .mirrors
            .retain(|row| row.status != TaskStatus::Completed);
        let given = self.grants();
        for row in &mut self.snapshot.mirrors {
            if given.contains(&row.id) {
                *row = held(row.clone(), "w", Some("b"), self.now.as_secs());
            }
        }
        self.started.extend(given);
        self.now = self.now.plus(self.round);
    }
}

fn weights(of: &[(&str, u32)]) -> Shares {
    let weights = of.iter().map(|(who, weight)| (user(who), *weight));
    Shares {
        weights: weights.collect(),
        ..Shares::default()
    }
}

/// How many attempts each got while all had enough to do.
fn shared_out(slots: u32, takes: i64, shares: Shares, people: &[&str]) -> BTreeMap<UserId, usize> {
    let mut pool = Pool::new(slots, Span::mins(1), takes, shares);
    let mut owners = BTreeMap::new();
    for _ in 0..600 {
        for who in people {
            while pool.waiting(who) < 8 {
                owners.insert(pool.file(who, 0), user(who));
            }
        }
        pool.turn();
    }
    let mut counts = BTreeMap::new();
    for id in &pool.started {
        *counts.entry(owners[id]).or_default() += 1;
    }
    counts
}

#[test]
fn people_with_enough_to_do_get_the_same() {
    let counts = shared_out(3, 2, Shares::default(), &["ann", "bob"]);
    let (ann, bob) = (counts[&user("ann")], counts[&user("bob")]);
    assert!(ann.abs_diff(bob) <= 3, "{ann} and {bob}");
}

#[test]
fn a_weight_is_how_much_more_somebody_gets_in_large_pools_and_with_a_single_slot() {
    for (slots, takes) in [(8, 5), (1, 1)] {
        let counts = shared_out(slots, takes, weights(&[("ann", 3)]), &["ann", "bob"]);
        let (ann, bob) = (counts[&user("ann")], counts[&user("bob")]);
        let ratio = ann * 100 / bob;
        assert!(
            (260..=340).contains(&ratio),
            "{ann} and {bob} with {slots} slots"
        );
    }
}

#[test]
fn who_files_one_task_does_not_queue_behind_somebodys_many() {
    let mut pool = Pool::new(1, Span::mins(1), 1, Shares::default());
    for _ in 0..100 {
        pool.file("ann", 0);
    }
    pool.turn();
    pool.turn();
    let one = pool.file("bob", 0);
    pool.turn();
    assert_eq!(pool.started.last(), Some(&one));
}

#[test]
fn a_restart_changes_nothing_because_rows_say_who_had_how_much() {
    let mut pool = Pool::new(2, Span::mins(1), 1, weights(&[("ann", 2)]));
    for _ in 0..40 {
        pool.file("ann", 0);
        pool.file("bob", 0);
        pool.file("cleo", 0);
    }
    let mut ended = Vec::new();
    for _ in 0..25 {
        let before = pool.snapshot.mirrors.clone();
        pool.turn();
        let gone = before
            .into_iter()
            .filter(|row| !pool.snapshot.mirrors.iter().any(|it| it.id == row.id));
        ended.extend(gone.map(|mut row| {
            row.status = TaskStatus::Completed;
            row.shown.finished = Some(pool.now.minus(pool.round));
            row
        }));
    }
    for row in &mut pool.snapshot.mirrors {
        if row.status == TaskStatus::Running {
            row.status = TaskStatus::Completed;
            row.shown.finished = Some(pool.now);
            ended.push(row.clone());
        }
    }
    pool.snapshot.turns = Turns::seen(&pool.snapshot, pool.now);
    let remembered = pool.grants();
    let mut fresh = Turns::default();
    ended.iter().for_each(|row| fresh.end(row));
    pool.snapshot
        .mirrors
        .retain(|row| row.status == TaskStatus::Pending);
    pool.snapshot.turns = fresh;
    assert_eq!(pool.grants(), remembered);
    assert!(!remembered.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        rng_seed: RngSeed::Fixed(4),
        ..ProptestConfig::default()
    })]

    /// A task of the lowest priority, while its owner and others file more urgent ones all the time:
    /// its rank is reached after at most 2,000 minutes, its person's turn comes within an hour's
    /// memory, however little she weighs.
    #[test]
    fn every_task_gets_its_turn_however_little_it_counts(
        slots in 1..4_u32,
        takes in 1..4_i64,
        others in prop::collection::vec((1..50_u32, -100..=100_i64), 1..4),
    ) {
        let names = ["bob", "cleo", "dora", "erin"];
        let named: Vec<_> = names.into_iter().zip(&others).collect();
        let heavy: Vec<_> = named.iter().map(|(who, (weight, _))| (*who, *weight)).collect();
        let mut pool = Pool::new(slots, Span::mins(10), takes, weights(&heavy));
        let mut left = 0;
        for _ in 0..6 {
            for (who, (_, priority)) in &named {
                pool.file(who, *priority);
            }
            pool.file("ann", 100);
        }
        let last = pool.file("ann", -100);
        // 200 rounds until nothing newer is before it, and then every person's turn.
        while !pool.started.contains(&last) && left < 330 {
            for (who, (_, priority)) in &named {
                if pool.waiting(who) < 4 {
                    pool.file(who, *priority);
                }
            }
            if pool.waiting("ann") < 4 {
                pool.file("ann", 100);
            }
            pool.turn();
            left += 1;
        }
        prop_assert!(pool.started.contains(&last), "after {left} rounds it still waits");
    }
}
