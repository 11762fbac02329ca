//! The promises, under random histories of people, orchestrators and workers.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use shraga_core::reason::Reason;
use shraga_core::status::TaskStatus;
use shraga_core::time::Span;
use shraga_core::worker::{Outcome, Until};

use crate::world::{Net, ORCHESTRATORS, PEOPLE, WORKERS, World, lines};

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    File(usize, i64),
    Status(usize, TaskStatus),
    ClearLink(usize),
    Delete(usize),
    Observe(usize, Option<usize>),
    Act(usize, usize),
    ActAgain,
    Look(usize, Net),
    Lines(usize, usize, Net),
    End(usize, usize, Outcome, Net),
    Restart(usize, Net),
    Vanish(usize),
    Arrive(usize, bool),
    Tick(usize),
    Pass(i64),
}

fn net() -> impl Strategy<Value = Net> {
    prop_oneof![
        6 => Just(Net::Fine),
        1 => Just(Net::AnswerLost),
        1 => Just(Net::RequestLost),
        3 => Just(Net::Late),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Completed),
        1 => Just(Outcome::Failed(Reason::AgentFailed)),
        2 => Just(Outcome::Retry),
        1 => Just(Outcome::Released),
        1 => Just(Outcome::PutOff(Reason::UsageLimit, Until::After(Span::mins(5)))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let orchestrator = || 0..ORCHESTRATORS;
    let worker = || 0..WORKERS.len();
    let which = || 0..4_usize;
    let status = (0..TaskStatus::ALL.len()).prop_map(|at| TaskStatus::ALL[at]);
    let hide = prop_oneof![3 => Just(None), 1 => (0..3_usize).prop_map(Some)];
    let upto = prop_oneof![3 => Just(usize::MAX), 1 => 0..3_usize];
    prop_oneof![
        3 => (0..PEOPLE.len(), -5..5_i64).prop_map(|(who, rank)| Step::File(who, rank)),
        2 => (which(), status).prop_map(|(task, status)| Step::Status(task, status)),
        1 => which().prop_map(Step::ClearLink),
        1 => which().prop_map(Step::Delete),
        6 => (orchestrator(), hide).prop_map(|(who, hide)| Step::Observe(who, hide)),
        8 => (orchestrator(), upto).prop_map(|(who, upto)| Step::Act(who, upto)),
        2 => Just(Step::ActAgain),
        6 => (worker(), net()).prop_map(|(who, net)| Step::Look(who, net)),
        3 => (worker(), which(), net()).prop_map(|(who, task, net)| Step::Lines(who, task, net)),
        4 => (worker(), which(), outcome(), net())
            .prop_map(|(who, task, outcome, net)| Step::End(who, task, outcome, net)),
        1 => (worker(), net()).prop_map(|(who, net)| Step::Restart(who, net)),
        1 => worker().prop_map(Step::Vanish),
        2 => worker().prop_map(Step::Tick),
        4 => (worker(), any::<bool>()).prop_map(|(who, newest)| Step::Arrive(who, newest)),
        3 => prop_oneof![1..40_i64, 200..300_i64].prop_map(Step::Pass),
    ]
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::File(who, priority) => world.file(who, priority),
        Step::Status(task, status) => world.write_status(task, status),
        Step::ClearLink(task) => world.clear_link(task),
        Step::Delete(task) => world.delete(task),
        Step::Observe(who, hide) => world.observe(who, hide),
        Step::Act(who, upto) => world.act(who, upto),
        Step::ActAgain => world.apply_again(),
        Step::Look(who, net) => world.look(who, net),
        Step::Lines(who, task, net) => lines(world, who, task, net),
        Step::End(who, task, outcome, net) => world.end(who, task, outcome, net),
        Step::Restart(who, net) => world.restart(who, net),
        Step::Vanish(who) => world.vanish(who),
        Step::Tick(who) => world.tick(who),
        Step::Arrive(who, newest) => world.arrive(who, newest),
        Step::Pass(seconds) => world.pass(seconds),
    }
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2026),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_promises_hold_in_every_history(
        adopts: bool,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(adopts);
        for step in steps {
            take(&mut world, step);
        }
        world.run_out();
    }

    /// Two orchestrators with old and incomplete views, lost answers, killed workers, lost attempts:
    /// what is spent and reserved never passes what a person, or everybody, may spend.
    #[test]
    fn no_sum_passes_its_limit_in_any_history(
        change_sets: bool,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::with_budgets(change_sets);
        for step in steps {
            take(&mut world, step);
        }
        world.lift_budgets();
        if change_sets {
            // This model of a lesser store looks for no second mirrors, so not all of its tasks end.
            world.run_out();
        }
    }

    #[test]
    fn one_orchestrator_never_overfills_a_worker(
        tasks in prop::collection::vec((0..PEOPLE.len(), -5..5_i64), 1..12),
        ends in prop::collection::vec((0..WORKERS.len(), 0..4_usize), 0..30),
    ) {
        let mut world = World::new(true);
        for (who, priority) in tasks {
            world.file(who, priority);
        }
        for (worker, which) in ends {
            world.pass(2);
            while world.settle() {
                world.check_slots();
            }
            world.look(worker, Net::Fine);
            world.end(worker, which, Outcome::Completed, Net::Fine);
            world.check();
        }
    }
}

#[test]
fn a_plan_applied_twice_changes_nothing_more() {
    let mut world = World::new(false);
    world.file(0, 0);
    world.observe(0, None);
    world.act(0, usize::MAX);
    let once = format!("{:?}", world.store.tasks());
    world.apply_again();
    assert_eq!(format!("{:?}", world.store.tasks()), once);
}

#[test]
fn a_quiet_world_plans_nothing() {
    let mut world = World::new(true);
    world.file(0, 0);
    world.run_out();
    assert!(!world.settle());
}
