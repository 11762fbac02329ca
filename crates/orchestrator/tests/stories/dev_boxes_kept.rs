//! What keeps Dev Boxes: stops on their pool's schedule that are delayed, a pool that is ill or set up badly, boxes that
//! are restarted and repaired, and in whose name they are.

use std::time::Duration;

use shraga_core::machine::{Stage as MachineStage, TroubleClass};
use shraga_orchestrator::machines::dev_box::Whose;
use shraga_testkit::center::ME;
use uuid::Uuid;

use crate::dev_boxes::World;

/// Requests that changed something and whose line ends in this.
fn asked(world: &World, verb: &str) -> usize {
    let all = world.center.asked();
    all.iter()
        .filter(|it| it.is_write() && it.line.contains(verb))
        .count()
}

fn hours_passed(world: &World) -> u64 {
    let last = world.center.asked();
    last.last().map_or(0, |it| it.at / 3600)
}

fn state(world: &World) -> Option<String> {
    let name = world.center.boxes().into_iter().next()?;
    world.center.states(&name)?.1
}

#[tokio::test(start_paused = true)]
async fn a_box_that_works_is_not_stopped_on_its_pools_schedule_and_an_idle_one_is() {
    let mut world = World::new().await;
    world.busy = true;
    world.center.stops_after(Duration::from_secs(3600));
    world.ann.files_many(5).await;
    world.until_stage(MachineStage::Up).await;
    let later = async |world: &World| {
        assert_ne!(state(world).as_deref(), Some("Hibernated"), "it works");
        hours_passed(world) >= 3
    };
    world.until("three hours have passed", later).await;
    let delayed = asked(&world, "/actions:delay");
    assert!((2..=8).contains(&delayed), "it was delayed {delayed} times");
    world.busy = false;
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
    world.until_stage(MachineStage::Asleep).await;
    assert_eq!(world.center.objections(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn no_box_is_asked_of_an_unhealthy_pool_and_it_is_said_until_it_is_well() {
    let mut world = World::new().await;
    world.center.pool_health("Unhealthy");
    world.ann.files_many(5).await;
    world.until_trouble(TroubleClass::Transient).await;
    let (_, record) = world.machine().await.unwrap();
    assert_eq!(record.stage, MachineStage::Wanted);
    assert!(record.trouble.unwrap().said.contains("is unhealthy"));
    world.center.pool_health("Warning");
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
    assert_eq!(
        asked(&world, "PUT "),
        2,
        "the box and what is installed on it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_said_before_a_box_is_asked_for() {
    let mut world = World::new().await;
    world.center.set(shraga_testkit::center::Fault::MayNotMake);
    world.ann.files_many(5).await;
    world.until_trouble(TroubleClass::Denied).await;
    let (_, record) = world.machine().await.unwrap();
    let said = record.trouble.unwrap().said;
    assert!(
        said.contains("WriteDevBoxes is not among its abilities"),
        "{said}"
    );
    assert_eq!(asked(&world, "PUT "), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_box_after_a_start_is_not_asked_for_when_its_owner_has_as_many_as_she_is_given() {
    let mut world = World::new().await;
    world.center.limit(1);
    world.makes_one_by_hand("of-her-own").await;
    world.ann.files_many(5).await;
    world.until_trouble(TroubleClass::Capacity).await;
    let (_, record) = world.machine().await.unwrap();
    let said = record.trouble.unwrap().said;
    assert!(
        said.contains("gives a person 1 Dev Boxes; 1 are used"),
        "{said}"
    );
    assert_eq!(asked(&world, "PUT "), 1, "the one that she made herself");
    world.center.limit(2);
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
    assert_eq!(world.center.objections(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_box_of_the_project_that_was_configured_before_is_still_woken_and_stopped() {
    let mut world = World::new().await;
    world.ann.files_many(5).await;
    world.until_stage(MachineStage::Asleep).await;
    let name = world.center.boxes().remove(0);
    world.center.moves(&name, "before");
    world.start();
    world.ann.files_many(5).await;
    world
        .until("all ten done", async |world| world.completed().await == 10)
        .await;
    world.until_stage(MachineStage::Asleep).await;
    assert_eq!(world.center.boxes().join(" "), name, "none was made");
    let there = format!("/projects/before/users/me/devboxes/{name}:");
    assert_eq!(asked(&world, &format!("{there}start")), 1);
    assert_eq!(asked(&world, &format!("{there}stop")), 1);
    assert_eq!(world.center.objections(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_stops_unconnected_boxes_is_told_until_it_does_not() {
    let mut world = World::new().await;
    world.center.stops_unconnected(true);
    world.ann.files_many(5).await;
    let told = async |world: &World| {
        let advice = world.machine().await.and_then(|(_, it)| it.advice);
        advice.is_some_and(|it| it.contains("switch its stopOnDisconnect and stopOnNoConnect off"))
    };
    world.until("it is told", told).await;
    world.center.stops_unconnected(false);
    let silent = async |world: &World| {
        let record = world.machine().await.map(|(_, it)| it);
        record.is_some_and(|it| it.stage == MachineStage::Up && it.advice.is_none())
    };
    world.until("it is told no more", silent).await;
}

#[tokio::test(start_paused = true)]
async fn a_box_whose_worker_never_comes_is_restarted_once() {
    let mut world = World::new().await;
    world.mute = true;
    world.ann.files_many(5).await;
    let restarted = async |world: &World| asked(world, ":restart") == 1;
    world.until("it is restarted", restarted).await;
    world.mute = false;
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
    assert_eq!(asked(&world, ":restart"), 1);
    assert_eq!(world.center.objections(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_box_that_fails_once_it_ran_is_repaired_before_another_is_made() {
    let mut world = World::new().await;
    world.ann.files_many(5).await;
    world.until_stage(MachineStage::Up).await;
    let name = world.center.boxes().remove(0);
    world.center.breaks(&name);
    world.ann.files_many(5).await;
    let repaired = async |world: &World| asked(world, ":repair") == 1;
    world.until("it is repaired", repaired).await;
    world
        .until("all ten done", async |world| world.completed().await == 10)
        .await;
    assert_eq!(world.center.boxes(), [name]);
}

#[tokio::test(start_paused = true)]
async fn a_box_of_a_person_is_made_in_the_name_of_her_account_once_the_store_knows_it() {
    let account = Uuid::from_u128(0x0a77_0000_0000_4000_8000_0000_0000_0007);
    let mut world = World::of(Whose::Theirs).await;
    world.ann.files_many(5).await;
    world.until_trouble(TroubleClass::Misconfigured).await;
    let (_, record) = world.machine().await.unwrap();
    let said = record.trouble.unwrap().said;
    assert!(
        said.contains("doesn't know the Entra account of user"),
        "{said}"
    );
    assert_eq!(asked(&world, "PUT "), 0);
    world.stage.has_account(&world.ann, account).await;
    world
        .until("all done", async |world| world.completed().await == 5)
        .await;
    let all = world.center.asked();
    let made = all.iter().find(|it| it.line.starts_with("PUT ")).unwrap();
    assert!(
        made.line.contains(&format!("/users/{account}/devboxes/")),
        "{}",
        made.line
    );
    assert!(!made.line.contains(&ME.to_string()));
    assert_eq!(world.center.objections(), [""; 0]);
}
