//! What keeps machines few: dwell, hysteresis, and each limit on how many are made.

use shraga_core::ids::WorkerId;
use shraga_core::machine::{Quota, Record, Serves, Stage, TroubleClass, Wish};
use shraga_core::plan::machines::{ActKind, Group};
use shraga_core::time::{Month, Timestamp};
use uuid::Uuid;

use crate::orchestrator::Orchestrator;
use crate::stories::{asked, of_people, run};
use crate::world::{BEGIN, Fate, World, person};

fn start(group: Group) -> (World, Orchestrator) {
    (World::new(group), Orchestrator::default())
}

/// Tasks of hers that run on another worker: they need no machine of her own now.
fn run_elsewhere(world: &mut World, tasks: usize) {
    world.tasks.truncate(tasks);
    let other = WorkerId::new(Uuid::from_u128(9));
    let until = world.now + 10_000;
    for task in &mut world.tasks {
        task.fate = Fate::Assigned(other, until);
    }
}

/// The machine that somebody waits for, and why there is none yet.
fn held_up(world: &World) -> Record {
    let wanted = |record: &Record| record.stage == Stage::Wanted;
    world.records().into_iter().find(wanted).unwrap()
}

#[test]
fn dwell_work_that_is_done_before_the_dwell_is_over_brings_no_machine() {
    let (mut world, mut us) = start(of_people());
    for _ in 0..5 {
        world.file(person(1), 3);
        run(&mut world, &mut us, 20);
        world.tasks.clear();
        run(&mut world, &mut us, 20);
    }
    assert_eq!(world.stages(), []);
    world.file(person(1), 3);
    run(&mut world, &mut us, 40);
    assert_eq!(world.stages(), [Stage::Creating]);
}

#[test]
fn hysteresis_a_machine_stays_with_one_task_less_than_brought_it_and_goes_with_two_less() {
    for (tasks, stage) in [(2, Stage::Up), (1, Stage::Asleep)] {
        let (mut world, mut us) = start(of_people());
        world.file(person(1), 3);
        run(&mut world, &mut us, 200);
        assert_eq!(world.stages(), [Stage::Up]);
        run_elsewhere(&mut world, tasks);
        run(&mut world, &mut us, 400);
        assert_eq!(world.stages(), [stage], "{tasks} of 3 tasks");
    }
}

#[test]
fn hysteresis_a_machine_that_was_stopped_is_not_started_below_the_threshold() {
    let (mut world, mut us) = start(of_people());
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    world.tasks.clear();
    run(&mut world, &mut us, 300);
    assert_eq!(world.stages(), [Stage::Asleep]);
    world.file(person(1), 2);
    run(&mut world, &mut us, 600);
    assert_eq!(asked(&world, ActKind::Start), 0);
    world.file(person(1), 1);
    run(&mut world, &mut us, 60);
    assert_eq!(asked(&world, ActKind::Start), 1);
}

#[test]
fn per_user_cap_whatever_somebody_files_she_gets_so_many_machines() {
    for per_person in 1..=2 {
        let (mut world, mut us) = start(Group {
            per_person,
            ..of_people()
        });
        world.file(person(1), 20);
        run(&mut world, &mut us, 900);
        assert_eq!(world.stages().len(), per_person as usize);
        assert_eq!(world.provider.made, per_person);
    }
}

#[test]
fn per_project_cap_stopped_machines_count_and_who_waits_is_told_until_one_is_gone() {
    let (mut world, mut us) = start(Group {
        total: 1,
        ..of_people()
    });
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    world.tasks.clear();
    run(&mut world, &mut us, 300);
    assert_eq!(world.stages(), [Stage::Asleep]);
    world.file(person(2), 3);
    run(&mut world, &mut us, 300);
    let record = held_up(&world);
    let trouble = record.trouble.unwrap();
    assert_eq!(record.serves, Serves::Person(person(2)));
    assert_eq!(
        (trouble.class, trouble.said.as_str()),
        (TroubleClass::Capacity, "1 of 1 machines are there")
    );
    assert_eq!(world.provider.made, 1);
    let hers = world
        .records()
        .iter()
        .position(|it| it.stage == Stage::Asleep);
    world.wish(hers.unwrap(), Wish::Delete);
    run(&mut world, &mut us, 300);
    assert_eq!(world.stages(), [Stage::Up, Stage::Gone]);
}

#[test]
fn per_month_cap_what_was_deleted_counts_and_the_next_month_begins_anew() {
    let (mut world, mut us) = start(Group {
        per_month: Some(1),
        ..of_people()
    });
    world.file(person(1), 3);
    run(&mut world, &mut us, 200);
    world.wish(0, Wish::Delete);
    run(&mut world, &mut us, 300);
    let trouble = held_up(&world).trouble.unwrap();
    assert_eq!(trouble.said, "1 of 1 machines were made this month");
    let july = Month::of(Timestamp::from_secs(BEGIN)).end();
    assert_eq!(trouble.again, Some(july));
    world.now = july.as_secs() - 60;
    run(&mut world, &mut us, 50);
    assert_eq!(world.provider.made, 1);
    run(&mut world, &mut us, 200);
    assert_eq!(world.provider.made, 2);
    assert_eq!(world.stages(), [Stage::Up, Stage::Gone]);
}

#[test]
fn providers_quota_machines_of_hers_that_are_not_ours_count() {
    let (mut world, mut us) = start(of_people());
    let quota = |most| Quota {
        per_person: Some(most),
        used: [(person(1), 2)].into(),
    };
    world.provider.quota = Some(quota(2));
    world.file(person(1), 3);
    run(&mut world, &mut us, 300);
    let trouble = held_up(&world).trouble.unwrap();
    assert_eq!(
        trouble.said,
        "the provider gives a person 2 machines; 2 are used"
    );
    assert_eq!(world.provider.made, 0);
    world.provider.quota = Some(quota(3));
    run(&mut world, &mut us, 200);
    assert_eq!(world.stages(), [Stage::Up]);
}
