//! What holds in every history: of two orchestrators that stop anywhere, see what is old, lose replies; of
//! machines that end by themselves; of a provider that is away.

use proptest::prelude::*;
use shraga_core::machine::{MachineName, Note, Serves, Stage, Wish};
use shraga_core::time::Span;

use crate::orchestrator::{Orchestrator, Reply};
use crate::provider::{Provider, State};
use crate::world::{Fate, World, group, person};

#[derive(Clone, Debug)]
enum Event {
    Look(usize),
    CarryOut(usize, Reply),
    Restart(usize),
    File(u8),
    Assign(usize),
    Finish,
    Time(i64),
    Down(bool),
    MakesBad(bool),
    Ends(usize),
    Vanishes(usize),
    Odd(usize),
    Wish(usize, Wish),
    Mute(bool),
    StopsIn(usize, i64),
    Bars(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let reply = prop_oneof![
        6 => Just(Reply::Good),
        1 => Just(Reply::Lost),
        1 => Just(Reply::Refused),
        1 => Just(Reply::Dies),
    ];
    let wish = prop_oneof![
        Just(Wish::Start),
        Just(Wish::Stop),
        Just(Wish::Delete),
        Just(Wish::Restart)
    ];
    prop_oneof![
        12 => (0..2_usize).prop_map(Event::Look),
        12 => ((0..2_usize), reply).prop_map(|(who, reply)| Event::CarryOut(who, reply)),
        1 => (0..2_usize).prop_map(Event::Restart),
        5 => (0..3_u8).prop_map(Event::File),
        5 => (0..2_usize).prop_map(Event::Assign),
        3 => Just(Event::Finish),
        8 => (1..40_i64).prop_map(Event::Time),
        2 => (60..400_i64).prop_map(Event::Time),
        1 => any::<bool>().prop_map(Event::Down),
        1 => any::<bool>().prop_map(Event::MakesBad),
        1 => (0..4_usize).prop_map(Event::Ends),
        1 => (0..4_usize).prop_map(Event::Vanishes),
        1 => (0..4_usize).prop_map(Event::Odd),
        1 => any::<bool>().prop_map(Event::Mute),
        1 => any::<bool>().prop_map(Event::Bars),
        1 => ((0..4_usize), (0..4000_i64)).prop_map(|(which, secs)| Event::StopsIn(which, secs)),
        1 => ((0..4_usize), wish).prop_map(|(which, wish)| Event::Wish(which, wish)),
    ]
}

/// Ours at the provider, by number.
fn nth(world: &World, n: usize) -> Option<MachineName> {
    let ours = world.provider.boxes.keys();
    let ours: Vec<_> = ours.filter(|name| !world.foreign.contains(name)).collect();
    (!ours.is_empty()).then(|| ours[n % ours.len()].clone())
}

fn set(world: &mut World, n: usize, state: State) {
    if let Some(name) = nth(world, n) {
        world.provider.boxes.insert(name, state);
    }
}

fn happen(world: &mut World, both: &mut [Orchestrator; 2], event: &Event) {
    match event {
        Event::Look(who) => both[*who].look(world),
        Event::CarryOut(who, reply) => drop(both[*who].carry_out(world, *reply)),
        Event::Restart(who) => both[*who] = Orchestrator::default(),
        Event::File(who) => world.file(person(*who), 1),
        Event::Assign(who) => {
            let seen = both[*who].rows.clone();
            world.assign(&seen);
            // What it saw is used once: the next assignment looks again.
            both[*who].rows.clone_from(&world.rows);
        }
        Event::Finish => world.finish(),
        Event::Time(seconds) => {
            world.pass(*seconds);
            // An orchestrator writes what it planned within the time that a cordon waits.
            if *seconds >= 20 {
                both.iter_mut()
                    .for_each(|it| it.rows.clone_from(&world.rows));
            }
        }
        Event::Down(down) => world.provider.down = *down,
        Event::MakesBad(bad) => world.provider.fails = *bad,
        Event::Ends(n) => set(world, *n, State::Asleep),
        Event::Odd(n) => set(world, *n, State::Odd),
        Event::Vanishes(n) => {
            if let Some(name) = nth(world, *n) {
                world.provider.boxes.remove(&name);
            }
        }
        Event::Wish(n, wish) => world.wish(*n, *wish),
        Event::Mute(mute) => world.mute = *mute,
        Event::Bars(bars) => world.provider.bars = bars.then(|| Provider::trouble(world.at())),
        Event::StopsIn(n, seconds) => {
            if let Some(name) = nth(world, *n) {
                let at = world.at().plus(Span::secs(*seconds));
                world.provider.stops.insert(name, at);
            }
        }
    }
}

/// What must hold after every event.
fn check(world: &World) {
    let limits = group();
    let ours = world.provider.boxes.keys();
    let ours = ours.filter(|name| !world.foreign.contains(name)).count();
    assert!(ours <= limits.total as usize, "{ours} machines");
    for n in 0..3 {
        let serves = Serves::Person(person(n));
        let hers = world.records().into_iter().filter(|record| {
            let there = !matches!(record.stage, Stage::Wanted | Stage::Gone | Stage::Failed);
            // One that failed before it ran a worker is deleted, and never served her.
            let failed = record.stage == Stage::Deleting && record.ready_on.is_none();
            record.serves == serves && there && !failed
        });
        assert!(hers.count() <= limits.per_person as usize + 1, "{serves}");
    }
    for foreign in &world.foreign {
        let state = world.provider.boxes.get(foreign);
        assert_eq!(state, Some(&State::Running), "{foreign}");
    }
    let tally = world.rows.values().find_map(|row| match &row.machine {
        Some(Note::Tally(tally)) => Some(tally.made),
        Some(Note::Machine(_) | Note::Unknown(_)) | None => None,
    });
    assert!(tally.unwrap_or(0) <= limits.per_month.unwrap());
}

/// Everything works again, and time goes by: all work is done, and no machine stays that nobody needs.
fn calm(world: &mut World, both: &mut [Orchestrator; 2]) {
    world.provider.down = false;
    world.provider.fails = false;
    world.provider.bars = None;
    world.provider.stops.clear();
    world.mute = false;
    for state in world.provider.boxes.values_mut() {
        if *state == State::Odd {
            *state = State::Running;
        }
    }
    // A month's limit would end all of this, and ends it in stories of its own.
    let group = world.policy.groups.values_mut().next().unwrap();
    group.per_month = None;
    for round in 0..400 {
        both[round % 2].tick(world);
        let rows = world.rows.clone();
        world.assign(&rows);
        world.pass(20);
        world.finish();
    }
    let left = world.tasks.iter().filter(|task| task.fate != Fate::Done);
    assert_eq!(left.count(), 0, "{:?}", world.records());
    let up: Vec<_> = world
        .records()
        .into_iter()
        .filter(|it| it.stage.is_coming())
        .collect();
    assert_eq!(up.len(), 1, "one machine of the pool stays: {up:?}");
    assert!(
        world.records().iter().all(|it| !it.stage.is_under_way()),
        "{:?}",
        world.records()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn limits_hold_nothing_that_works_is_stopped_and_all_comes_to_rest(
        events in prop::collection::vec(event(), 1..120)
    ) {
        let mut world = World::new(group());
        let name = MachineName::of("shraga", person(77), Serves::Person(person(0)), 1);
        world.provider.boxes.insert(name.clone(), State::Running);
        world.foreign.push(name);
        let mut both = [Orchestrator::default(), Orchestrator::default()];
        for event in &events {
            happen(&mut world, &mut both, event);
            check(&world);
        }
        // Wishes to run would keep machines for good.
        let wishes = world.records().iter().filter(|it| it.wish == Some(Wish::Start)).count();
        prop_assume!(wishes == 0);
        calm(&mut world, &mut both);
    }
}
