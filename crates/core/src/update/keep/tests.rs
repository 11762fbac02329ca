use super::*;

const HEALTH: Span = Span::secs(180);

fn release(version: &str) -> Release {
    Release::new(version, &"a".repeat(40)).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// An installation with these versions, of which the first is in use.
fn installation(versions: &[&str]) -> Installation {
    let there: Vec<Release> = versions.iter().map(|version| release(version)).collect();
    Installation {
        current: there.first().cloned(),
        there,
        failed: Vec::new(),
    }
}

fn start(version: &str, on_trial: bool) -> Act {
    Act::Start {
        release: Some(release(version)),
        on_trial,
    }
}

fn crash() -> Event {
    Event::Ended(End::Other("it ended with code 1".to_owned()))
}

fn to(version: &str) -> Event {
    Event::Ended(End::HandOver {
        to: release(version),
        turn: true,
    })
}

const WELL: Event = Event::Pulse { healthy: true };

/// A keeper whose program has proved itself, at second 10.
fn proven(there: &Installation) -> Keeper {
    let mut keeper = Keeper::new(Memory::default(), HEALTH, at(0));
    assert_eq!(
        keeper.step(Event::Tick, there, at(0)),
        [start("1.0.0", false)]
    );
    assert_eq!(keeper.step(WELL, there, at(5)), [Act::Healthy]);
    assert_eq!(keeper.step(WELL, there, at(10)), []);
    let memory = Memory {
        proven: Some(release("1.0.0")),
        link: Some(release("1.0.0")),
        trial: None,
    };
    assert_eq!(
        keeper.step(Event::Tick, there, at(10)),
        [Act::Remember(memory)]
    );
    keeper
}

/// The same, with a version that was handed over to at second 20.
fn on_trial(there: &Installation) -> Keeper {
    let mut keeper = proven(there);
    let begun = keeper.step(to("1.1.0"), there, at(20));
    assert!(matches!(begun[0], Act::Remember(_)), "{begun:?}");
    assert_eq!(begun[1..], [start("1.1.0", true)]);
    keeper
}

#[test]
fn a_version_that_was_healthy_for_a_moment_is_in_use_from_then_on() {
    let there = installation(&["1.0.0", "1.1.0"]);
    let mut keeper = on_trial(&there);
    assert_eq!(keeper.step(WELL, &there, at(30)), [Act::Healthy]);
    assert_eq!(keeper.step(WELL, &there, at(34)), []);
    assert_eq!(keeper.step(Event::Tick, &there, at(34)), []);
    assert_eq!(keeper.step(WELL, &there, at(35)), []);
    let done = keeper.step(Event::Tick, &there, at(35));
    assert_eq!(done[0], Act::Turn(release("1.1.0")));
    assert_eq!(keeper.memory().proven, Some(release("1.1.0")));
    assert_eq!(keeper.memory().trial, None);
}

#[test]
fn a_version_that_ends_before_it_proved_itself_is_left_for_the_one_before_at_once() {
    let there = installation(&["1.0.0", "1.1.0"]);
    let mut keeper = on_trial(&there);
    let _ = keeper.step(WELL, &there, at(30));
    let back = keeper.step(crash(), &there, at(32));
    assert!(
        matches!(&back[0], Act::Failed { release: failed, said, back }
            if *failed == release("1.1.0") && said.contains("code 1") && *back == release("1.0.0")),
        "{back:?}"
    );
    assert_eq!(back.last(), Some(&start("1.0.0", false)));
}

#[test]
fn a_version_that_hangs_is_ended_in_time_and_left_for_the_one_before() {
    let there = installation(&["1.0.0", "1.1.0"]);
    for heard in [false, true] {
        let mut keeper = on_trial(&there);
        if heard {
            let _ = keeper.step(Event::Pulse { healthy: false }, &there, at(190));
        }
        assert_eq!(keeper.step(Event::Tick, &there, at(199)), []);
        let late = keeper.step(Event::Tick, &there, at(200));
        assert!(
            matches!(&late[..], [Act::Failed { .. }, Act::End(said)] if said.contains("180 s")),
            "{late:?}"
        );
        assert_eq!(keeper.step(Event::Tick, &there, at(300)), [], "once");
        let back = keeper.step(crash(), &there, at(301));
        assert_eq!(back.last(), Some(&start("1.0.0", false)));
    }
}

#[test]
fn a_version_is_forgiven_when_the_one_before_does_not_get_healthy_either() {
    let there = installation(&["1.0.0", "1.1.0"]);
    let mut keeper = on_trial(&there);
    let _ = keeper.step(Event::Tick, &there, at(200));
    let _ = keeper.step(crash(), &there, at(201));
    let _ = keeper.step(Event::Pulse { healthy: false }, &there, at(379));
    assert_eq!(keeper.step(Event::Tick, &there, at(379)), []);
    let forgiven = keeper.step(Event::Tick, &there, at(381));
    assert_eq!(forgiven, [Act::Forgive(release("1.1.0"))]);
    let mut keeper = on_trial(&there);
    let _ = keeper.step(crash(), &there, at(30));
    let _ = keeper.step(WELL, &there, at(40));
    assert!(!forgives(&keeper.step(Event::Tick, &there, at(400))));
}

fn forgives(acts: &[Act]) -> bool {
    acts.iter().any(|act| matches!(act, Act::Forgive(_)))
}

#[test]
fn a_version_that_somebody_took_into_use_is_on_trial_too_and_the_link_goes_back() {
    let mut there = installation(&["1.0.0", "1.1.0"]);
    let memory = proven(&there).memory().clone();
    there.current = Some(release("1.1.0"));
    let mut keeper = Keeper::new(memory, HEALTH, at(100));
    let begun = keeper.step(Event::Tick, &there, at(100));
    assert_eq!(begun.last(), Some(&start("1.1.0", true)));
    let back = keeper.step(crash(), &there, at(101));
    assert!(matches!(&back[0], Act::Failed { back, .. } if *back == release("1.0.0")));
    assert_eq!(back.last(), Some(&start("1.0.0", false)));
}

#[test]
fn a_version_that_somebody_went_back_from_is_not_gone_back_to() {
    let mut there = installation(&["1.1.0", "1.0.0"]);
    let memory = Memory {
        proven: Some(release("1.1.0")),
        link: Some(release("1.1.0")),
        trial: None,
    };
    there.current = Some(release("1.0.0"));
    there.failed = vec![release("1.1.0")];
    let mut keeper = Keeper::new(memory, HEALTH, at(0));
    assert_eq!(
        keeper.step(Event::Tick, &there, at(0)),
        [start("1.0.0", false)]
    );
}

#[test]
fn a_version_tried_by_one_program_alone_goes_on_while_the_link_stays_where_it_was() {
    let there = installation(&["1.0.0", "1.1.0"]);
    let mut keeper = proven(&there);
    let canary = Event::Ended(End::HandOver {
        to: release("1.1.0"),
        turn: false,
    });
    let _ = keeper.step(canary, &there, at(20));
    let _ = keeper.step(WELL, &there, at(21));
    let _ = keeper.step(WELL, &there, at(26));
    let done = keeper.step(Event::Tick, &there, at(26));
    assert!(
        matches!(done[..], [Act::Remember(_)]),
        "no link is turned: {done:?}"
    );
    let mut next = Keeper::new(keeper.memory().clone(), HEALTH, at(100));
    assert_eq!(
        next.step(Event::Tick, &there, at(100)),
        [start("1.1.0", false)]
    );
}

#[test]
fn a_trial_that_is_cut_short_again_and_again_counts_as_failed() {
    let mut there = installation(&["1.0.0", "1.1.0"]);
    let mut memory = proven(&there).memory().clone();
    there.current = Some(release("1.1.0"));
    for _ in 0..MAX_TRIES {
        let mut keeper = Keeper::new(memory, HEALTH, at(100));
        let begun = keeper.step(Event::Tick, &there, at(100));
        assert_eq!(begun.last(), Some(&start("1.1.0", true)));
        memory = keeper.memory().clone();
    }
    let mut keeper = Keeper::new(memory, HEALTH, at(100));
    let given_up = keeper.step(Event::Tick, &there, at(100));
    assert!(
        matches!(&given_up[..], [Act::Failed { said, .. }, Act::Start { on_trial: false, .. }]
            if said.contains("cut short")),
        "{given_up:?}"
    );
}

#[test]
fn what_can_not_be_handed_over_to_is_said_and_what_ran_goes_on() {
    let mut there = installation(&["1.0.0", "1.1.0"]);
    there.failed = vec![release("1.1.0")];
    for (version, why) in [("1.1.0", "failed before"), ("1.2.0", "not installed")] {
        let mut keeper = proven(&there);
        let said = keeper.step(to(version), &there, at(20));
        assert!(
            matches!(&said[..], [Act::Say(said)] if said.contains(why)),
            "{said:?}"
        );
        assert_eq!(
            keeper.step(Event::Tick, &there, at(21)),
            [start("1.0.0", false)]
        );
    }
}

#[test]
fn what_ends_is_started_again_after_a_wait_that_doubles_and_never_for_the_last_time() {
    let there = installation(&["1.0.0"]);
    let mut keeper = Keeper::new(Memory::default(), HEALTH, at(0));
    let (mut now, mut waits) = (0, Vec::new());
    for _ in 0..40 {
        assert_eq!(
            keeper.step(Event::Tick, &there, at(now)),
            [start("1.0.0", false)]
        );
        let _ = keeper.step(crash(), &there, at(now));
        let ended = now;
        while keeper.clone().step(Event::Tick, &there, at(now)).is_empty() {
            now += 1;
        }
        waits.push(now - ended);
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(waits.last(), Some(&60));
    let _ = keeper.step(Event::Tick, &there, at(now));
    let _ = keeper.step(WELL, &there, at(now));
    let said = keeper.step(crash(), &there, at(now + 60));
    assert!(
        matches!(&said[..], [Act::Say(said)] if said.ends_with("in 1 s")),
        "{said:?}"
    );
}

#[test]
fn a_program_that_falls_silent_or_never_pulses_is_ended_and_started_again() {
    let there = installation(&["1.0.0"]);
    let mut keeper = proven(&there);
    let stuck = keeper.step(Event::Tick, &there, at(70));
    assert!(
        matches!(&stuck[..], [Act::End(said)] if said.contains("60 s")),
        "{stuck:?}"
    );
    assert_eq!(keeper.step(Event::Tick, &there, at(71)), [], "once");
    assert!(matches!(
        keeper.step(crash(), &there, at(72))[..],
        [Act::Say(_)]
    ));
    // Before its first word it has as long as a version has to get healthy, and never less than after it.
    for (health, bound) in [(HEALTH, 180), (Span::secs(2), 60)] {
        let mut keeper = Keeper::new(Memory::default(), health, at(0));
        let _ = keeper.step(Event::Tick, &there, at(0));
        assert_eq!(keeper.step(Event::Tick, &there, at(bound - 1)), []);
        assert_eq!(
            keeper.step(Event::Tick, &there, at(bound)),
            [Act::End(format!("it said nothing for {bound} s"))]
        );
        assert_eq!(keeper.step(Event::Tick, &there, at(bound + 1)), [], "once");
        let said = keeper.step(crash(), &there, at(bound + 2));
        assert!(matches!(&said[..], [Act::Say(_)]), "{said:?}");
        assert_eq!(
            keeper.step(Event::Tick, &there, at(bound + 3)),
            [start("1.0.0", false)]
        );
    }
}

#[test]
fn a_program_that_says_that_it_is_not_healthy_is_let_be_when_it_is_not_on_trial() {
    let there = installation(&["1.0.0"]);
    let mut keeper = Keeper::new(Memory::default(), HEALTH, at(0));
    let _ = keeper.step(Event::Tick, &there, at(0));
    for second in 1..1_000 {
        let _ = keeper.step(Event::Pulse { healthy: false }, &there, at(second));
        assert_eq!(keeper.step(Event::Tick, &there, at(second)), []);
    }
}

#[test]
fn versions_that_hand_over_before_they_proved_themselves_rest_in_between() {
    let there = installation(&["1.0.0", "1.1.0", "1.2.0"]);
    let mut keeper = on_trial(&there);
    let mut now = 20;
    for (number, wait) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        let next = ["1.2.0", "1.1.0"][number % 2];
        let said = keeper.step(to(next), &there, at(now));
        assert!(matches!(&said[..], [Act::Say(_)]), "{said:?}");
        assert_eq!(keeper.step(Event::Tick, &there, at(now + wait - 1)), []);
        now += wait;
        let begun = keeper.step(Event::Tick, &there, at(now));
        assert!(matches!(&begun[0], Act::Remember(_)), "{begun:?}");
        assert_eq!(begun[1..], [start(next, true)]);
    }
    // What is gone back to is what proved itself, and not the one that handed over.
    let back = keeper.step(crash(), &there, at(now));
    assert!(back.contains(&start("1.0.0", false)), "{back:?}");
    let _ = keeper.step(WELL, &there, at(now + 1));
    assert_eq!(keeper.memory().proven, Some(release("1.0.0")));
}

#[test]
fn what_is_gone_or_failed_when_the_rest_is_over_is_not_begun() {
    for failed in [true, false] {
        let mut there = installation(&["1.0.0", "1.1.0", "1.2.0"]);
        let mut keeper = on_trial(&there);
        let _ = keeper.step(to("1.2.0"), &there, at(20));
        match failed {
            true => there.failed.push(release("1.2.0")),
            false => there.there.retain(|there| *there != release("1.2.0")),
        }
        let begun = keeper.step(Event::Tick, &there, at(21));
        assert_eq!(begun, [start("1.0.0", false)]);
    }
}

#[test]
fn a_keeper_that_is_told_to_end_waits_for_its_program_and_starts_no_other() {
    let there = installation(&["1.0.0", "1.1.0"]);
    for end in [crash(), to("1.1.0")] {
        let mut keeper = proven(&there);
        assert_eq!(keeper.step(Event::Stop, &there, at(20)), []);
        assert_eq!(keeper.step(Event::Tick, &there, at(500)), []);
        assert_eq!(keeper.step(end, &there, at(501)), [Act::Leave]);
    }
    let mut keeper = Keeper::new(Memory::default(), HEALTH, at(0));
    let _ = keeper.step(Event::Tick, &there, at(0));
    let _ = keeper.step(crash(), &there, at(1));
    assert_eq!(keeper.step(Event::Stop, &there, at(1)), [Act::Leave]);
}

#[test]
fn without_an_installation_the_program_there_is_runs_and_nothing_is_remembered() {
    let there = Installation::default();
    let mut keeper = Keeper::new(Memory::default(), HEALTH, at(0));
    let plain = Act::Start {
        release: None,
        on_trial: false,
    };
    assert_eq!(keeper.step(Event::Tick, &there, at(0)), [plain]);
    assert_eq!(keeper.step(WELL, &there, at(1)), [Act::Healthy]);
    assert_eq!(
        keeper.step(Event::Tick, &there, at(500)),
        [Act::End("it said nothing for 60 s".to_owned())]
    );
}

mod histories;
