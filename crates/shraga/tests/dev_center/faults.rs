//! Every fault, one after the other.

use serde_json::Value;
use shraga_core::ids::TaskId;
use shraga_testkit::center::Fault;

use crate::world::World;

/// The seconds of a moment of the first day of 2030, when stories begin.
fn seconds(moment: &Value) -> u64 {
    let text = moment.as_str().unwrap();
    let time = text
        .strip_prefix("2030-01-01T")
        .unwrap_or_else(|| panic!("{text}"));
    let part = |at: usize| time[at..at + 2].parse::<u64>().unwrap();
    part(0) * 3600 + part(3) * 60 + part(6)
}

/// Everything that a person may ask says that her machine is in this trouble, since when and why.
async fn all_say(world: &World, anns: TaskId, class: &str, words: &str) {
    let machine = world.machine().await.expect("there is a machine");
    let (name, trouble) = (machine["name"].as_str().unwrap(), &machine["trouble"]);
    assert_eq!(trouble["class"], class, "{machine}");
    let said = trouble["said"].as_str().unwrap();
    assert!(said.contains(words), "{words:?} is not in {said:?}");
    let list = world.says(&["machines"]).await;
    assert!(list.contains(name), "{list}");

    let why = world.tells(&["machines", "why", name]).await;
    assert_eq!(why["trouble"]["since"], trouble["since"], "{why}");
    let why = world.says(&["machines", "why", name]).await;
    let line = why.lines().find(|line| line.contains("trouble")).unwrap();
    assert!(
        line.contains(&format!("{class} for ")) && line.contains(words),
        "{why}"
    );

    let of_task = world.tells(&["why", &anns.to_string()]).await;
    assert_eq!(
        of_task["machine"]["trouble"]["since"], trouble["since"],
        "{of_task}"
    );
    let of_task = world.says(&["why", &anns.to_string()]).await;
    assert!(
        of_task.contains(&format!("{class} for ")) && of_task.contains(words),
        "{of_task}"
    );
    assert!(of_task.contains("meanwhile"), "{of_task}");

    let findings = world.findings().await;
    let what = findings.iter().filter_map(|it| it["what"].as_str());
    let told = what
        .into_iter()
        .any(|what| what.contains(class) && what.contains(words));
    assert!(told, "{findings:?}");
    assert!(
        findings.iter().all(|it| it["fix"].is_string()),
        "{findings:?}"
    );
    let doctor = world.says(&["doctor"]).await;
    // Its lines are broken where they are long.
    let doctor = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor.contains(words), "{doctor}");

    let status = world.status();
    assert!(
        status.contains(class) && status.contains(" since 2030-01-01T"),
        "{status}"
    );
    assert!(status.contains(words), "{status}");
}

async fn in_trouble(world: &World, class: &str) -> bool {
    let status = world.status();
    // The row says it a look later than the status.
    status.contains(&format!("{class} since"))
        && world
            .machine()
            .await
            .is_some_and(|it| it["trouble"]["class"] == class)
}

/// With `fault` from the beginning on: Bob's task is done, everything says what is wrong and since when; healed, Ann's
/// are done too, and nothing says anything any more.
async fn is_told_and_mends(fault: Fault, class: &str, words: &str) {
    let mut world = World::new(true).await;
    world.center.set(fault.clone());
    world.ann.files_many(4).await;
    let anns = world.ann.files("the fifth").await;
    let trouble = format!("trouble of the kind {class}");
    world
        .until(&trouble, async |world: &World| {
            in_trouble(world, class).await
        })
        .await;
    let bobs = world.bob.files("meanwhile").await;
    world
        .until("Bob's task is done", async |world: &World| {
            world.is_done(bobs).await
        })
        .await;
    world
        .until(&trouble, async |world: &World| {
            in_trouble(world, class).await
        })
        .await;

    all_say(&world, anns, class, words).await;
    let since = world.machine().await.unwrap()["trouble"]["since"].clone();
    let now = world.center.asked().last().map_or(0, |it| it.at);
    assert!(seconds(&since) <= now + 60, "{since} is after {now}");

    world.center.heal();
    let all = async |world: &World| world.completed().await == 6;
    world.until("all is done", all).await;
    let quiet = async |world: &World| {
        world.findings().await.is_empty() && !world.status().contains("since")
    };
    // One that failed before is shown until its failure expires.
    if !matches!(class, "failed" | "invalid") {
        world.until("nothing is wrong any more", quiet).await;
    }
    assert_eq!(world.center.replaced(), 0, "{fault:?}");
    assert_eq!(world.center.objections(), [""; 0], "{fault:?}");
}

macro_rules! told {
    ($($name:ident: $fault:expr => $class:literal, $words:literal;)+) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            is_told_and_mends($fault, $class, $words).await;
        })+
    };
}

told! {
    a_name_that_is_not_found: Fault::Away("dns error: no such name") => "transient", "no such name";
    a_certificate_that_is_not_trusted: Fault::Away("invalid peer certificate: Expired") => "transient", "certificate";
    an_answer_that_never_comes: Fault::Hangs => "transient", "no answer within 30s";
    a_token_that_is_refused: Fault::SignIn => "sign-in", "does not accept the token";
    a_right_to_look_that_is_missing: Fault::Denied => "denied", "does not have permission";
    a_right_to_make_that_is_missing: Fault::MayNotMake => "denied", "WriteDevBoxes is not among its abilities";
    a_right_that_does_not_count: Fault::Misleads => "denied", "does not have permission to make";
    a_project_that_is_not_there: Fault::NoProject => "misconfigured", "doesn't know the project agents";
    a_pool_that_is_not_there: Fault::NoPool => "misconfigured", "doesn't know the pool shraga-worker-pool";
    a_region_without_room: Fault::NoRoom => "capacity", "No more Dev Boxes can be made here";
    a_wish_that_is_refused: Fault::Refuses => "invalid", "The Dev Box can't be made like this";
    a_service_that_asks_for_less: Fault::Throttles(Some(120)) => "throttled", "fewer requests";
    a_service_that_fails: Fault::Fails => "transient", "Something went wrong";
    answers_that_are_none: Fault::Garbles => "malformed", "can't be read";
    an_operation_that_fails: Fault::Spoils => "failed", "The image could not be applied";
    an_operation_that_never_ends: Fault::NeverEnds => "failed", "given up after";
    a_state_that_nobody_knows: Fault::Unheard("Levitating") => "malformed", "Levitating";
    an_installation_that_waits_for_its_person: Fault::WantsPerson => "denied", "waits for its person";
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_for_long_is_left_alone_and_that_is_told() {
    let mut world = World::new(true).await;
    world.center.set(Fault::Fails);
    world.ann.files_many(5).await;
    let rests = async |world: &World| world.status().contains("left alone after");
    world.until("the breaker opens", rests).await;
    let asked = world.center.asked().len();
    // Two hours.
    world.passes(360).await;
    let more = world.center.asked().len() - asked;
    assert!((5..=20).contains(&more), "{more} probes in two hours");
    world.center.heal();
    let all = async |world: &World| world.completed().await == 5;
    world.until("all is done", all).await;
    assert!(!world.status().contains("left alone"), "{}", world.status());
}

#[tokio::test(start_paused = true)]
async fn without_a_dev_center_nothing_is_asked_and_nothing_is_wrong() {
    let mut world = World::new(false).await;
    world.ann.files_many(5).await;
    let bobs = world.bob.files("as ever").await;
    world
        .until("Bob's task is done", async |world: &World| {
            world.is_done(bobs).await
        })
        .await;
    world.passes(60).await;
    assert_eq!(world.center.asked().len(), 0);
    assert_eq!(world.findings().await, Vec::<Value>::new());
    assert_eq!(world.machine().await, None);
    assert_eq!(world.status(), "");
}

#[tokio::test(start_paused = true)]
async fn a_box_that_is_not_there_although_it_was_made_is_told_and_made_again() {
    let mut world = World::new(true).await;
    world.center.set(Fault::Vanishes);
    world.ann.files_many(5).await;
    let made = async |world: &World| !world.center.boxes().is_empty();
    world.until("a box is being made", made).await;
    world
        .until("it is not there", async |world: &World| {
            world.center.boxes().is_empty()
        })
        .await;
    world.passes(9).await;
    let machine = world.machine().await.unwrap();
    assert_eq!(machine["stage"], "creating", "{machine}");
    let bobs = world.bob.files("meanwhile").await;
    world
        .until("Bob's task is done", async |world: &World| {
            world.is_done(bobs).await
        })
        .await;
    world.center.heal();
    let all = async |world: &World| world.completed().await == 6;
    world.until("all is done", all).await;
    assert_eq!(world.findings().await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_box_that_was_deleted_behind_our_back_is_told_and_made_again_for_new_work() {
    let mut world = World::new(true).await;
    world.ann.files_many(5).await;
    let all = async |world: &World| world.completed().await == 5;
    world.until("all is done", all).await;
    // Soon after it came up it would count as one that fails.
    world.passes(60).await;
    let name = world.center.boxes().remove(0);
    world.center.lose(&name);
    world.forget_worker();
    let gone = async |world: &World| {
        world
            .machine()
            .await
            .is_some_and(|it| it["stage"] == "gone")
    };
    world.until("it is gone", gone).await;
    let why = world.says(&["machines", "why", &name]).await;
    assert!(
        why.contains("the provider doesn't have it any more"),
        "{why}"
    );
    let bobs = world.bob.files("meanwhile").await;
    world
        .until("Bob's task is done", async |world: &World| {
            world.is_done(bobs).await
        })
        .await;
    world.ann.files_many(5).await;
    let all = async |world: &World| world.completed().await == 11;
    world.until("all is done", all).await;
    assert_eq!(world.center.boxes(), [name]);
}

#[tokio::test(start_paused = true)]
async fn an_orchestrator_that_is_restarted_while_a_box_is_made_goes_on_and_tells_how_far_it_is() {
    let mut world = World::new(true).await;
    world.ann.files_many(4).await;
    let anns = world.ann.files("the fifth").await;
    for stage in ["creating", "starting", "up"] {
        let is = async |world: &World| world.machine().await.is_some_and(|it| it["stage"] == stage);
        world.until(stage, is).await;
        if stage != "up" {
            let why = world.says(&["why", &anns.to_string()]).await;
            assert!(why.contains(&format!("is {stage} for ")), "{why}");
        }
        world.start(true);
    }
    let bobs = world.bob.files("meanwhile").await;
    world
        .until("Bob's task is done", async |world: &World| {
            world.is_done(bobs).await
        })
        .await;
    let all = async |world: &World| world.completed().await == 6;
    world.until("all is done", all).await;
    assert_eq!(
        (world.center.boxes().len(), world.center.replaced()),
        (1, 0)
    );
}
