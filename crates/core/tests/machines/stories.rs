//! The life of a machine, step by step.

use shraga_core::machine::{ProviderKind, Stage, TroubleClass, Wish};
use shraga_core::plan::machines::{ActKind, Group, MachineSnapshot, plan};
use shraga_core::row::events;
use shraga_core::status::WorkerState;
use shraga_core::time::Span;

use crate::orchestrator::{Orchestrator, Reply};
use crate::provider::State;
use crate::world::{World, group, person};

/// Machines of people alone.
pub(crate) fn of_people() -> Group {
    Group {
        pool_min: 0,
        pool_max: 0,
        ..group()
    }
}

/// The pool alone.
fn pool() -> Group {
    Group {
        threshold: None,
        ..group()
    }
}

/// Time goes by, with a look every ten seconds.
pub(crate) fn run(world: &mut World, orchestrator: &mut Orchestrator, seconds: i64) {
    let until = world.now + seconds;
    while world.now < until {
        orchestrator.tick(world);
        world.pass(10);
    }
    orchestrator.tick(world);
}

pub(crate) fn asked(world: &World, kind: ActKind) -> usize {
    world
        .provider
        .asked
        .iter()
        .filter(|act| act.kind == kind)
        .count()
}

#[test]
fn the_task_that_fills_the_threshold_brings_a_machine_and_its_person_is_told() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 2);
    run(&mut world, &mut us, 300);
    assert_eq!(world.stages(), []);
    world.file(person(1), 1);
    run(&mut world, &mut us, 20);
    assert_eq!(world.stages(), [], "she has had so many for 20 s only");
    run(&mut world, &mut us, 20);
    assert_eq!(world.stages(), [Stage::Creating]);
    let row = world
        .rows
        .values()
        .find(|row| row.name.starts_with("shraga-"))
        .unwrap();
    assert_eq!(
        (row.state, row.owner),
        (WorkerState::Provisioning, person(1))
    );
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Up]);
    assert_eq!(asked(&world, ActKind::Create), 1);
    assert_eq!(world.events.len(), 1);
    let said = world.events[0].get(events::NAME).unwrap().to_string();
    assert!(said.contains("is ready"), "{said}");
    assert!(world.records()[0].told && world.records()[0].link.is_some());
}

#[test]
fn an_idle_machine_is_cordoned_looked_at_again_and_stopped() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 130);
    world.tasks.clear();
    run(&mut world, &mut us, 130);
    assert_eq!(world.stages(), [Stage::Cordoned]);
    assert!(
        world
            .rows
            .values()
            .any(|row| row.is_cordoned() && row.last_seen.is_some())
    );
    run(&mut world, &mut us, 70);
    assert_eq!(world.stages(), [Stage::Asleep]);
    let ran = world.records()[0].up;
    assert!(
        ran > Span::mins(2) && world.records()[0].up_since.is_none(),
        "{ran}"
    );
}

#[test]
fn a_task_that_comes_between_cordon_and_stop_keeps_the_machine() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 130);
    let before = world.rows.clone();
    world.tasks.clear();
    run(&mut world, &mut us, 130);
    assert_eq!(world.stages(), [Stage::Cordoned]);
    // Another orchestrator saw the row before it was cordoned.
    world.file(person(1), 1);
    world.assign(&before);
    run(&mut world, &mut us, 90);
    assert_eq!(world.stages(), [Stage::Up]);
    assert_eq!(asked(&world, ActKind::Stop { hibernate: true }), 0);
}

#[test]
fn a_stopped_machine_is_started_before_another_is_made() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 130);
    world.tasks.clear();
    run(&mut world, &mut us, 300);
    assert_eq!(world.stages(), [Stage::Asleep]);
    world.provider.down = true;
    world.file(person(1), 3);
    run(&mut world, &mut us, 100);
    assert_eq!(
        world.stages(),
        [Stage::Asleep],
        "nothing is known of it now, and no other is wanted"
    );
    world.provider.down = false;
    run(&mut world, &mut us, 60);
    assert_eq!(world.stages(), [Stage::Up]);
    assert_eq!(
        (
            asked(&world, ActKind::Create),
            asked(&world, ActKind::Start)
        ),
        (1, 1)
    );
}

#[test]
fn what_was_written_and_never_asked_is_asked_by_whoever_looks_next() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    world.pass(30);
    us.look(&world);
    us.carry_out(&mut world, Reply::Good);
    world.pass(10);
    us.look(&world);
    us.carry_out(&mut world, Reply::Dies);
    assert_eq!(world.stages(), [Stage::Creating]);
    assert!(world.provider.asked.is_empty());
    let mut next = Orchestrator::default();
    run(&mut world, &mut next, 200);
    assert_eq!(
        (world.stages(), asked(&world, ActKind::Create)),
        (vec![Stage::Up], 1)
    );
}

#[test]
fn two_who_look_at_the_same_time_make_one_machine() {
    let mut world = World::new(of_people());
    let (mut one, mut other) = (Orchestrator::default(), Orchestrator::default());
    world.file(person(1), 3);
    world.file(person(2), 3);
    let limit = world.policy.groups.get_mut(&ProviderKind::DevBox).unwrap();
    limit.total = 1;
    world.pass(30);
    for _ in 0..6 {
        one.look(&world);
        other.look(&world);
        other.carry_out(&mut world, Reply::Good);
        one.carry_out(&mut world, Reply::Good);
        world.pass(10);
    }
    assert_eq!(world.provider.made, 1);
    let waits = world
        .records()
        .into_iter()
        .find(|it| it.stage == Stage::Wanted)
        .unwrap();
    let trouble = waits.trouble.unwrap();
    assert_eq!(trouble.class, TroubleClass::Capacity);
    assert_eq!(trouble.said, "1 of 1 machines are there");
}

#[test]
fn a_failed_machine_fills_no_slot_keeps_what_was_said_and_expires() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.provider.fails = true;
    world.file(person(1), 3);
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Failed]);
    let trouble = world.records()[0].trouble.clone().unwrap();
    assert_eq!(trouble.said, "no licence for this person");
    assert!(trouble.again.is_some(), "another is to take its place");
    run(&mut world, &mut us, 300);
    assert_eq!(world.stages(), [Stage::Failed, Stage::Failed]);
    run(&mut world, &mut us, 300);
    assert_eq!(world.provider.made, 2, "two that fail are enough");
    world.provider.fails = false;
    run(&mut world, &mut us, 900);
    assert!(world.stages().contains(&Stage::Up), "{:?}", world.stages());
    assert!(
        !world
            .provider
            .boxes
            .values()
            .any(|state| *state == State::Failed)
    );
}

#[test]
fn a_machine_that_never_comes_is_reported_and_given_up() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 40);
    for state in world.provider.boxes.values_mut() {
        *state = State::Making {
            until: i64::MAX,
            fails: false,
        };
    }
    run(&mut world, &mut us, 110);
    let seen = plan(&world.snapshot(), &world.policy, world.at());
    assert!(
        seen.notes[0].contains("has been creating since"),
        "{:?}",
        seen.notes
    );
    run(&mut world, &mut us, 600);
    assert!(world.stages().contains(&Stage::Failed));
    let failed = world
        .records()
        .into_iter()
        .find(|it| it.stage == Stage::Failed)
        .unwrap();
    let said = failed.trouble.unwrap().said;
    assert_eq!(said, "given up after 10m 0s: it is still being made");
}

#[test]
fn the_pool_grows_with_what_waits_and_shrinks_to_its_least() {
    let (mut world, mut us) = (World::new(pool()), Orchestrator::default());
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Up], "one is there always");
    world.file(person(1), 9);
    run(&mut world, &mut us, 150);
    assert_eq!(world.stages(), [Stage::Up, Stage::Up], "no more than two");
    world.tasks.clear();
    run(&mut world, &mut us, 400);
    assert_eq!(world.stages(), [Stage::Up, Stage::Asleep]);
}

#[test]
fn a_machine_deleted_behind_our_back_is_made_again_if_there_is_work() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 400);
    world.provider.boxes.clear();
    run(&mut world, &mut us, 20);
    assert_eq!(world.stages(), [Stage::Up], "its worker has just beaten");
    run(&mut world, &mut us, 250);
    assert_eq!(world.stages(), [Stage::Up]);
    assert_eq!(world.provider.made, 2);
}

#[test]
fn one_that_ends_as_soon_as_it_is_up_is_not_started_for_ever() {
    let (mut world, mut us) = (World::new(pool()), Orchestrator::default());
    for _ in 0..60 {
        run(&mut world, &mut us, 10);
        let up = world.stages().contains(&Stage::Up);
        for state in world.provider.boxes.values_mut().filter(|_| up) {
            *state = State::Asleep;
        }
    }
    assert!(
        world.provider.asked.len() < 12,
        "{:?}",
        world.provider.asked.len()
    );
}

#[test]
fn an_unknown_state_is_left_alone_and_given_nothing() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 400);
    let asked_before = world.provider.asked.len();
    for state in world.provider.boxes.values_mut() {
        *state = State::Odd;
    }
    world.tasks.clear();
    run(&mut world, &mut us, 2000);
    assert_eq!(world.stages(), [Stage::Cordoned]);
    assert!(
        world.records()[0]
            .trouble
            .as_ref()
            .unwrap()
            .said
            .contains("Resizing")
    );
    assert_eq!(world.provider.asked.len(), asked_before);
}

#[test]
fn a_machine_whose_row_was_lost_is_taken_back_and_a_strangers_is_not() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 400);
    world.rows.clear();
    let stranger: shraga_core::machine::MachineName = "shraga-0badcafe-1".parse().unwrap();
    world
        .provider
        .boxes
        .insert(stranger.clone(), State::Running);
    world.foreign.push(stranger);
    let seen = plan(&world.snapshot(), &world.policy, world.at());
    assert!(
        seen.notes[0].contains("shraga-0badcafe-1 begins as ours do"),
        "{:?}",
        seen.notes
    );
    run(&mut world, &mut us, 60);
    assert_eq!(world.stages(), [Stage::Up]);
    assert_eq!(world.provider.made, 1);
}

#[test]
fn an_admins_wish_is_carried_out_once_nothing_is_held() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    let rows = world.rows.clone();
    world.assign(&rows);
    world.tasks.truncate(1);
    world.pass(10);
    world.wish(0, Wish::Delete);
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Cordoned], "it holds a task");
    world.tasks.clear();
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Gone]);
    assert!(world.provider.boxes.is_empty());
    world.wish(0, Wish::Start);
    run(&mut world, &mut us, 100);
    assert_eq!(world.stages(), [Stage::Up]);
}

#[test]
fn nothing_is_stopped_or_made_on_half_a_view() {
    let (mut world, mut us) = (World::new(of_people()), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    world.tasks.clear();
    world.pass(1000);
    let half = MachineSnapshot {
        open_complete: false,
        ..world.snapshot()
    };
    assert!(plan(&half, &world.policy, world.at()).steps.is_empty());
    world.file(person(2), 3);
    world.pass(100);
    let half = MachineSnapshot {
        workers_complete: false,
        open_complete: false,
        ..world.snapshot()
    };
    assert!(plan(&half, &world.policy, world.at()).steps.is_empty());
}

#[test]
fn a_stopped_machine_is_deleted_only_after_the_time_that_was_set() {
    let mut world = World::new(Group {
        delete_after_stopped: Some(Span::mins(30)),
        ..of_people()
    });
    let mut us = Orchestrator::default();
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    world.tasks.clear();
    run(&mut world, &mut us, 1000);
    assert_eq!(world.stages(), [Stage::Asleep]);
    run(&mut world, &mut us, 1300);
    assert_eq!(world.stages(), [Stage::Gone]);
}

/// A machine on which a worker ran, and of which the provider says that it failed.
fn broken(group: Group) -> (World, Orchestrator) {
    let (mut world, mut us) = (World::new(group), Orchestrator::default());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Up]);
    world.tasks.clear();
    for state in world.provider.boxes.values_mut() {
        *state = State::Failed;
    }
    run(&mut world, &mut us, 400);
    assert_eq!(world.stages(), [Stage::Failed]);
    (world, us)
}

#[test]
fn a_failed_machine_that_ran_a_worker_is_deleted_only_after_the_time_that_was_set() {
    let (mut world, mut us) = broken(Group {
        delete_after_failed: Some(Span::mins(60)),
        ..of_people()
    });
    run(&mut world, &mut us, 2000);
    assert_eq!(world.stages(), [Stage::Failed], "its files are kept");
    run(&mut world, &mut us, 1600);
    assert_eq!(world.stages(), [Stage::Gone]);
    assert!(world.provider.boxes.is_empty());
    let (mut world, mut us) = broken(Group {
        delete_after_failed: None,
        ..of_people()
    });
    run(&mut world, &mut us, 10_000);
    assert_eq!(
        world.stages(),
        [Stage::Failed],
        "nobody said that it may go"
    );
}

#[test]
fn what_an_admin_wishes_of_a_failed_machine_comes_true_or_is_withdrawn() {
    let (mut world, mut us) = broken(of_people());
    world.wish(0, Wish::Stop);
    run(&mut world, &mut us, 20);
    assert_eq!(world.records()[0].wish, None, "it doesn't run");
    assert_eq!(world.stages(), [Stage::Failed]);
    // It begins to come by itself, and an admin wishes that it runs: its failure is over.
    let until = world.now + 60;
    for state in world.provider.boxes.values_mut() {
        *state = State::Starting { until };
    }
    world.wish(0, Wish::Start);
    run(&mut world, &mut us, 20);
    assert_eq!(world.stages(), [Stage::Starting]);
    run(&mut world, &mut us, 120);
    assert_eq!(world.stages(), [Stage::Up]);
    let (mut world, mut us) = broken(of_people());
    world.wish(0, Wish::Delete);
    run(&mut world, &mut us, 60);
    assert_eq!(world.stages(), [Stage::Gone]);
}
