//! Machines whose worker never comes, or falls silent: what is done about them, and that their time is counted.

use shraga_core::machine::{MachineName, Stage, Wish};
use shraga_core::plan::machines::ActKind;
use shraga_core::time::Span;

use crate::orchestrator::Orchestrator;
use crate::provider::State;
use crate::stories::{asked, of_people, run};
use crate::world::{World, person};

fn name(world: &World) -> MachineName {
    world.records()[0].name.clone()
}

/// A machine that has been up for a while, with three tasks of its person that wait.
fn up() -> (World, Orchestrator) {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Up]);
    (world, us)
}

fn stops(world: &World) -> usize {
    asked(world, ActKind::Stop { hibernate: true })
}

#[test]
fn a_machine_whose_worker_fell_silent_is_restarted_while_tasks_wait_for_it() {
    let (mut world, mut us) = up();
    world.mute = true;
    run(&mut world, &mut us, 280);
    assert_eq!(asked(&world, ActKind::Restart), 0, "it may come back");
    run(&mut world, &mut us, 40);
    assert_eq!(asked(&world, ActKind::Restart), 1);
    world.mute = false;
    run(&mut world, &mut us, 150);
    assert_eq!(world.stages(), [Stage::Up]);
    run(&mut world, &mut us, 110);
    assert!(!world.records()[0].mended, "it may be mended again");
}

#[test]
fn one_that_holds_a_task_is_restarted_once_that_is_taken_from_it() {
    let (mut world, mut us) = up();
    let rows = world.rows.clone();
    world.assign(&rows);
    world.pass(10);
    world.mute = true;
    // The task is taken from it after as long a silence as it is restarted after.
    let worker = world.rows.values().find(|row| row.machine.is_some());
    let worker = worker.map(|row| row.id).unwrap();
    let mut held = 0;
    for _ in 0..40 {
        run(&mut world, &mut us, 10);
        held += i64::from(world.held(worker) > 0);
        assert!(world.held(worker) == 0 || asked(&world, ActKind::Restart) == 0);
    }
    assert!(held > 20, "it held one for a while: {held}");
    assert_eq!(asked(&world, ActKind::Restart), 1);
}

#[test]
fn one_that_nobody_needs_is_stopped_and_not_restarted() {
    let (mut world, mut us) = up();
    world.tasks.clear();
    world.mute = true;
    run(&mut world, &mut us, 600);
    assert_eq!(asked(&world, ActKind::Restart), 0);
    assert_eq!(world.stages(), [Stage::Asleep]);
}

#[test]
fn one_that_an_operator_drained_is_left_to_them() {
    let (mut world, mut us) = up();
    world.mute = true;
    let since = world.at();
    for row in world.rows.values_mut().filter(|it| it.machine.is_some()) {
        row.drained = Some(since);
    }
    run(&mut world, &mut us, 600);
    assert_eq!(asked(&world, ActKind::Restart), 0);
}

#[test]
fn one_that_falls_silent_again_soon_after_it_was_mended_is_given_up_and_stopped() {
    let (mut world, mut us) = up();
    world.mute = true;
    run(&mut world, &mut us, 320);
    assert_eq!(asked(&world, ActKind::Restart), 1);
    world.mute = false;
    run(&mut world, &mut us, 130);
    assert_eq!(world.stages(), [Stage::Up]);
    world.mute = true;
    let mut failed = false;
    for _ in 0..40 {
        run(&mut world, &mut us, 10);
        failed |= world.stages().contains(&Stage::Failed);
        let restarts = asked(&world, ActKind::Restart);
        assert!(failed || restarts == 1, "that did not help");
    }
    assert_eq!(stops(&world), 1, "it runs, and costs");
    assert!(failed && world.records()[0].failures == 1);
}

#[test]
fn failures_of_one_machine_add_up_until_its_worker_has_been_there_for_a_while() {
    let (mut world, mut us) = up();
    let mut failed = Vec::new();
    world.mute = true;
    for _ in 0..300 {
        run(&mut world, &mut us, 10);
        let record = &world.records()[0];
        if record.stage == Stage::Failed && failed.last() != Some(&record.failures) {
            failed.push(record.failures);
        }
    }
    // Restarted and given up, woken once and given up: then it sleeps until its failures expire.
    assert_eq!(failed[..2], [1, 2]);
    world.mute = false;
    run(&mut world, &mut us, 1200);
    let records = world.records();
    let there = records.iter().find(|it| it.stage == Stage::Up).unwrap();
    assert_eq!(there.failures, 0);
}

#[test]
fn the_time_of_a_machine_that_was_woken_counts_though_its_worker_never_comes() {
    let (mut world, mut us) = up();
    world.tasks.clear();
    run(&mut world, &mut us, 300);
    assert_eq!(world.stages(), [Stage::Asleep]);
    let before = world.records()[0].up;
    world.mute = true;
    world.file(person(1), 3);
    run(&mut world, &mut us, 160);
    let record = &world.records()[0];
    assert_eq!(record.stage, Stage::Starting);
    assert!(record.ran(world.at()) >= before.plus(Span::secs(90)));
}

#[test]
fn the_time_of_a_machine_that_somebody_started_behind_our_back_counts() {
    let (mut world, mut us) = up();
    world.tasks.clear();
    run(&mut world, &mut us, 300);
    let before = world.records()[0].up;
    let sleeping = name(&world);
    world.mute = true;
    world.provider.boxes.insert(sleeping, State::Running);
    run(&mut world, &mut us, 60);
    assert!(world.records()[0].ran(world.at()) >= before.plus(Span::secs(40)));
}

#[test]
fn a_wish_to_end_a_machine_whose_worker_never_came_is_obeyed_at_once() {
    for (wish, stage) in [(Wish::Stop, Stage::Asleep), (Wish::Delete, Stage::Gone)] {
        let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
        world.mute = true;
        world.file(person(1), 3);
        run(&mut world, &mut us, 150);
        assert_eq!(world.stages(), [Stage::Starting]);
        world.tasks.clear();
        world.wish(0, wish);
        run(&mut world, &mut us, 100);
        assert_eq!(world.stages(), [stage], "{wish}");
    }
}
