//! What keeps a machine: stops of its provider's own that are delayed, restarts and repairs, and what is known to be in
//! the way of making one.

use shraga_core::machine::{MachineName, Stage, Trouble, TroubleClass, Wish};
use shraga_core::plan::machines::{ActKind, Group, plan};
use shraga_core::time::{Span, Timestamp};

use crate::orchestrator::{Orchestrator, Reply};
use crate::provider::State;
use crate::stories::{asked, of_people, run};
use crate::world::{Fate, World, person};

fn name(world: &World) -> MachineName {
    world.records()[0].name.clone()
}

/// A machine that is up, whose worker holds a task of hers that does not end.
fn working(group: Group) -> (World, Orchestrator) {
    let (mut world, mut us) = (World::new(group), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Up]);
    let rows = world.rows.clone();
    world.assign(&rows);
    world.pass(10);
    (world, us)
}

fn delays(world: &World) -> Vec<Timestamp> {
    let asked = world.provider.asked.iter();
    let until = asked.filter_map(|act| match act.kind {
        ActKind::Delay { until } => Some(until),
        ActKind::Create
        | ActKind::Start
        | ActKind::Stop { .. }
        | ActKind::Delete
        | ActKind::Restart
        | ActKind::Repair
        | ActKind::Link => None,
    });
    until.collect()
}

#[test]
fn a_stop_on_schedule_is_delayed_while_a_task_is_held_and_no_further_than_was_set() {
    let (mut world, mut us) = working(of_people());
    let due = world.at().plus(Span::mins(45));
    world.provider.stops.insert(name(&world), due);
    run(&mut world, &mut us, 14 * 60);
    assert_eq!(delays(&world), [], "it is not due soon");
    run(&mut world, &mut us, 120);
    assert_eq!(delays(&world), [due.plus(Span::mins(60))]);
    run(&mut world, &mut us, 60 * 60);
    assert_eq!(
        delays(&world),
        [60, 120].map(|minutes| due.plus(Span::mins(minutes))),
        "two hours are allowed"
    );
    run(&mut world, &mut us, 60 * 60);
    assert_eq!(delays(&world).len(), 2);
    let said = plan(&world.snapshot(), &world.policy, world.at()).notes;
    assert!(said[0].contains("its provider stops it at"), "{said:?}");
    run(&mut world, &mut us, 60 * 60);
    let stopped = world
        .provider
        .asked
        .iter()
        .filter(|act| matches!(act.kind, ActKind::Stop { .. }));
    assert_eq!(stopped.count(), 0, "nobody here stopped it");
    assert!(
        asked(&world, ActKind::Start) > 0,
        "it is started again, for its task"
    );
}

#[test]
fn a_stop_of_a_machine_that_holds_nothing_is_not_delayed() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    let due = world.at().plus(Span::mins(5));
    world.provider.stops.insert(name(&world), due);
    run(&mut world, &mut us, 240);
    assert_eq!(delays(&world), []);
}

#[test]
fn a_delay_that_the_provider_passes_over_is_asked_again_now_and_then() {
    let (mut world, mut us) = working(of_people());
    world.provider.insists = true;
    let due = world.at().plus(Span::mins(20));
    world.provider.stops.insert(name(&world), due);
    run(&mut world, &mut us, 10 * 60);
    let asked = delays(&world).len();
    assert!((5..=11).contains(&asked), "once a minute: {asked}");
}

#[test]
fn a_delay_that_was_written_and_never_asked_is_asked_by_whoever_looks_next() {
    let (mut world, mut us) = working(of_people());
    let due = world.at().plus(Span::mins(20));
    world.provider.stops.insert(name(&world), due);
    us.look(&world);
    us.carry_out(&mut world, Reply::Dies);
    assert_eq!(delays(&world), []);
    run(&mut world, &mut Orchestrator::default(), 120);
    assert_eq!(delays(&world), [due.plus(Span::mins(60))]);
}

#[test]
fn what_bars_making_is_said_costs_no_try_and_ends_by_itself() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    let since = world.at();
    world.provider.bars = Some(Trouble {
        class: TroubleClass::Denied,
        said: "we may not".to_owned(),
        since,
        again: None,
    });
    world.file(person(1), 3);
    run(&mut world, &mut us, 600);
    assert_eq!(world.stages(), [Stage::Wanted]);
    let trouble = world.records()[0].trouble.clone().unwrap();
    assert_eq!(
        (trouble.class, trouble.since),
        (TroubleClass::Denied, since)
    );
    assert!(world.provider.asked.is_empty());
    world.provider.bars = None;
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Up]);
    assert_eq!(world.provider.made, 1);
}

#[test]
fn what_somebody_should_change_is_noted_and_written_until_it_is_changed() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.provider.advice = Some("switch it off".to_owned());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    let advice = |world: &World| world.records()[0].advice.clone();
    assert_eq!(advice(&world).as_deref(), Some("switch it off"));
    let said = plan(&world.snapshot(), &world.policy, world.at()).notes;
    assert_eq!(said, ["switch it off"]);
    world.provider.advice = None;
    run(&mut world, &mut us, 10);
    assert_eq!(advice(&world), None);
}

#[test]
fn a_machine_that_runs_without_its_worker_is_restarted_once_and_then_given_up() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.mute = true;
    world.file(person(1), 3);
    run(&mut world, &mut us, 500);
    assert_eq!(asked(&world, ActKind::Restart), 1);
    run(&mut world, &mut us, 210);
    assert_eq!(world.stages(), [Stage::Failed]);
    assert_eq!(asked(&world, ActKind::Restart), 1, "once");
}

#[test]
fn a_restart_brings_the_worker_and_the_next_time_it_is_restarted_again() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.mute = true;
    world.file(person(1), 3);
    run(&mut world, &mut us, 450);
    world.mute = false;
    run(&mut world, &mut us, 60);
    assert_eq!(
        world.stages(),
        [Stage::Starting],
        "the request may still arrive"
    );
    run(&mut world, &mut us, 80);
    assert_eq!(world.stages(), [Stage::Up]);
    run(&mut world, &mut us, 110);
    assert!(!world.records()[0].mended, "it may be mended again");
}

#[test]
fn a_machine_that_ran_and_failed_is_repaired_once_and_one_that_never_ran_is_not() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    let broken = name(&world);
    let breaks = |world: &mut World| {
        world.provider.boxes.insert(broken.clone(), State::Failed);
    };
    breaks(&mut world);
    run(&mut world, &mut us, 400);
    assert_eq!(asked(&world, ActKind::Repair), 1);
    assert_eq!(world.stages(), [Stage::Up]);
    world.mute = true;
    breaks(&mut world);
    run(&mut world, &mut us, 200);
    breaks(&mut world);
    run(&mut world, &mut us, 200);
    assert_eq!(
        asked(&world, ActKind::Repair),
        2,
        "once for each time that its worker was there"
    );

    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.provider.fails = true;
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    assert_eq!(asked(&world, ActKind::Repair), 0);
}

#[test]
fn an_admins_restart_waits_until_nothing_is_held() {
    let (mut world, mut us) = working(of_people());
    world.tasks.truncate(1);
    world.wish(0, Wish::Restart);
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Cordoned], "it holds a task");
    world.tasks.clear();
    run(&mut world, &mut us, 140);
    assert_eq!(asked(&world, ActKind::Restart), 1);
    assert_eq!(world.stages(), [Stage::Up]);
    assert_eq!(world.records()[0].wish, None);
}

#[test]
fn a_machine_takes_nothing_until_the_restart_that_was_wished_is_over_even_if_the_request_was_lost()
{
    let (mut world, mut us) = working(of_people());
    world.tasks.clear();
    world.wish(0, Wish::Restart);
    run(&mut world, &mut us, 50);
    world.pass(10);
    us.look(&world);
    us.carry_out(&mut world, Reply::Dies);
    assert_eq!(world.stages(), [Stage::Starting]);
    assert_eq!(asked(&world, ActKind::Restart), 0, "nobody asked");
    let before = world.provider.boot(&name(&world));
    world.file(person(1), 3);
    for _ in 0..20 {
        run(&mut world, &mut us, 10);
        let rows = world.rows.clone();
        world.assign(&rows);
        let taken = world.tasks.iter().any(|task| task.fate != Fate::Pending);
        let restarted = world.provider.boot(&name(&world)) != before;
        assert!(restarted || !taken, "it is about to go down");
    }
    assert_eq!(asked(&world, ActKind::Restart), 1, "by whoever looks next");
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Up]);
}

#[test]
fn a_worker_that_no_restart_ends_takes_work_again_after_three() {
    let (mut world, mut us) = working(of_people());
    world.tasks.clear();
    world.provider.deaf = true;
    world.wish(0, Wish::Restart);
    run(&mut world, &mut us, 460);
    assert_eq!(asked(&world, ActKind::Restart), 3);
    assert_eq!(world.stages(), [Stage::Up]);
}

#[test]
fn where_nothing_can_be_restarted_it_is_stopped_and_started() {
    let (mut world, mut us) = working(Group {
        mend_after: None,
        ..of_people()
    });
    world.tasks.clear();
    world.wish(0, Wish::Restart);
    run(&mut world, &mut us, 110);
    assert_eq!(asked(&world, ActKind::Restart), 0);
    assert_eq!(asked(&world, ActKind::Start), 1);
    assert_eq!(world.stages(), [Stage::Up]);
}

#[test]
fn a_machine_that_sleeps_with_a_lease_is_not_deleted_before_that_is_taken_from_it() {
    let (mut world, mut us) = working(of_people());
    world.tasks.truncate(1);
    let sleeping = name(&world);
    world.wish(0, Wish::Delete);
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Cordoned], "it holds a task");
    world.provider.boxes.insert(sleeping, State::Asleep);
    world.mute = true;
    let worker = world.rows.values().find(|row| row.machine.is_some());
    let worker = worker.map(|row| row.id).unwrap();
    let mut slept = false;
    for _ in 0..60 {
        run(&mut world, &mut us, 10);
        let holds = world.held(worker) > 0;
        slept |= holds && world.stages() == [Stage::Asleep];
        assert!(!holds || asked(&world, ActKind::Delete) == 0);
    }
    assert!(slept, "it slept with its lease for a while");
    assert_eq!(asked(&world, ActKind::Delete), 1);
}

#[test]
fn a_wish_to_restart_what_was_not_made_does_not_keep_it() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.provider.bars = Some(Trouble {
        class: TroubleClass::Denied,
        said: "we may not".to_owned(),
        since: world.at(),
        again: None,
    });
    world.file(person(1), 3);
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Wanted]);
    world.wish(0, Wish::Restart);
    world.tasks.clear();
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Gone]);
}

#[test]
fn one_that_turns_out_to_be_only_stopped_is_started_before_one_that_was_wanted_instead() {
    let full = Group {
        total: 1,
        mend_after: None,
        cool_down: Span::secs(10),
        ..of_people()
    };
    let (mut world, mut us) = (World::new(full), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    let name = name(&world);
    world.provider.boxes.insert(name.clone(), State::Failed);
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Wanted, Stage::Failed]);
    world.provider.boxes.insert(name, State::Asleep);
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Up, Stage::Gone]);
    assert_eq!(world.provider.made, 1);
}

#[test]
fn a_cordoned_machine_that_fails_is_no_longer_cordoned() {
    let (mut world, mut us) = working(of_people());
    world.tasks.truncate(1);
    world.wish(0, Wish::Stop);
    run(&mut world, &mut us, 30);
    assert_eq!(world.stages(), [Stage::Cordoned]);
    let name = name(&world);
    world.provider.boxes.insert(name, State::Failed);
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Failed]);
    assert_eq!(world.records()[0].wish, None);
}
