//! How far changes were seen, and what is looked at again.

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn reached(high_water: i64) -> Reach {
    Reach {
        high_water: Some(high_water),
        ..Reach::default()
    }
}

fn window(last: Mark, full: bool) -> Window {
    let last = Some(last);
    Window { last, full }
}

fn embedded(marks: Reach, then: &Reach) -> Marks {
    let mut memory = Memory::new(false);
    memory.advance(StoreKind::Embedded, &marks, NOW);
    memory.advance(StoreKind::Embedded, then, NOW);
    memory.marks.unwrap()
}

#[test]
fn a_window_that_was_not_full_reaches_the_newest_version_there_was() {
    let reach = Reach {
        ended: Some(window(Mark::Version(12), false)),
        ..reached(40)
    };
    assert_eq!(embedded(reached(7), &reach).ended, Mark::Version(40));
}

#[test]
fn a_full_window_reaches_its_last_row_and_a_window_that_was_not_read_stays() {
    let reach = Reach {
        ended: Some(window(Mark::Version(12), true)),
        ..reached(40)
    };
    let marks = embedded(reached(7), &reach);
    assert_eq!(marks.ended, Mark::Version(12));
    assert_eq!(marks.progress, Mark::Version(7));
}

#[test]
fn on_dataverse_a_full_window_goes_on_where_it_ended_and_one_that_is_stuck_calls_for_a_full_pass() {
    let mut memory = Memory::new(true);
    memory.advance(StoreKind::Dataverse, &Reach::default(), NOW);
    let full = |at: Timestamp| Reach {
        ended: Some(window(Mark::Modified(at), true)),
        ..Reach::default()
    };
    let late = crate::observe::question::LATE_COMMITS;
    memory.advance(StoreKind::Dataverse, &full(NOW), NOW);
    assert_eq!(memory.marks.unwrap().ended, Mark::Modified(NOW.plus(late)));
    memory.begin_pass(Duration::from_secs(600), StoreKind::Dataverse);
    memory.pass = None;
    memory.advance(StoreKind::Dataverse, &full(NOW), NOW);
    memory.begin_pass(Duration::from_secs(600), StoreKind::Dataverse);
    assert!(memory.pass.is_some());
}

#[test]
fn on_dataverse_what_was_seen_long_ago_is_not_read_again() {
    let mut memory = Memory::new(true);
    memory.advance(StoreKind::Dataverse, &Reach::default(), NOW);
    let quiet = Reach {
        ended: Some(window(Mark::Modified(NOW), false)),
        ..Reach::default()
    };
    let later = NOW.plus(Span::mins(5));
    memory.advance(StoreKind::Dataverse, &quiet, later);
    assert_eq!(memory.marks.unwrap().ended, Mark::Modified(later));
}

#[test]
fn a_pass_ends_after_the_last_page_of_both_tables_and_is_due_again_later() {
    let mut memory = Memory::new(false);
    memory.begin_pass(Duration::from_secs(600), StoreKind::Embedded);
    let key = After::Key(Uuid::from_u128(9));
    let page = Reach {
        open_tasks: Some(Some(key)),
        open_mirrors: Some(None),
        ..reached(1)
    };
    memory.advance(StoreKind::Embedded, &page, NOW);
    let pass = memory.pass.unwrap();
    assert_eq!((pass.tasks, pass.mirrors), (Some(Some(key)), None));
    let last = Reach {
        open_tasks: Some(None),
        ..reached(2)
    };
    memory.advance(StoreKind::Embedded, &last, NOW);
    memory.begin_pass(Duration::from_secs(600), StoreKind::Embedded);
    assert_eq!(memory.pass, None);
}

#[test]
fn what_is_to_be_looked_at_is_bounded_and_too_much_of_it_becomes_a_full_pass() {
    let mut memory = Memory::new(false);
    memory.begin_pass(Duration::from_secs(600), StoreKind::Embedded);
    memory.pass = None;
    for n in 0..3000 {
        memory.look_at_task(TaskId::new(Uuid::from_u128(n)));
    }
    assert_eq!(memory.take_looks().len(), LOOK_MAX);
    assert!(memory.take_looks().is_empty());
    memory.begin_pass(Duration::from_secs(600), StoreKind::Embedded);
    assert!(memory.pass.is_some());
}

#[test]
fn windows_halve_after_answers_that_were_too_large_and_recover() {
    let mut memory = Memory::new(false);
    memory.shrink();
    memory.shrink();
    assert_eq!(memory.window(200), 50);
    memory.grow();
    assert_eq!(memory.window(200), 100);
    (0..20).for_each(|_| memory.shrink());
    assert_eq!(memory.window(20), 1);
}

#[test]
fn another_admin_is_forgotten_after_a_whole_pass_that_did_not_meet_one() {
    const OTHER: UserId = UserId::new(Uuid::from_u128(7));
    let mut memory = Memory::new(false);
    let mut pass = |meets: bool| {
        memory.pass = Some(Pass {
            tasks: Some(None),
            mirrors: Some(None),
        });
        if meets {
            memory.saw_another_admin(OTHER);
        }
        let last = Reach {
            open_tasks: Some(None),
            open_mirrors: Some(None),
            ..Reach::default()
        };
        memory.advance(StoreKind::Embedded, &last, NOW);
        memory.another_admin()
    };
    assert_eq!([pass(true), pass(false)], [Some(OTHER), None]);
}

mod watching {
    //! What one orchestrator saw of a worker, look after look.

    use shraga_core::ids::{Etag, UserId};
    use shraga_core::model::Suspicion;
    use shraga_core::status::{Pool, WorkerKind, WorkerState};

    use super::*;

    const GAP: Span = Span::secs(60);
    const ASKED: Suspicion = Suspicion { beat: 7, at: NOW };

    fn worker() -> Worker {
        Worker {
            id: WorkerId::new(Uuid::from_u128(1)),
            etag: Etag::new("1"),
            owner: UserId::new(Uuid::nil()),
            name: "w".to_owned(),
            kind: WorkerKind::LocalMachine,
            state: WorkerState::Suspect,
            pool: Pool::Shared,
            slots: 1,
            labels: Vec::new(),
            agents: Vec::new(),
            boot: None,
            beat: 7,
            last_seen: Some(NOW.minus(Span::secs(90))),
            last_assigned: None,
            drained: None,
            member: Default::default(),
            suspicion: Some(ASKED),
            echo: None,
            machine: None,
        }
    }

    /// Looks at the worker after each of these seconds; what is known of it then.
    fn looks(memory: &mut Memory, at: &[i64]) -> Watched {
        let mut last = None;
        for second in at {
            let now = NOW.plus(Span::secs(*second));
            let seen = memory.watch(&[worker()], now, GAP);
            last = seen.get(&worker().id).copied();
            memory.watched(seen, now);
        }
        last.unwrap()
    }

    #[test]
    fn looks_that_follow_each_other_are_one_watch() {
        let watched = looks(&mut Memory::new(false), &[0, 10, 70]);
        assert_eq!((watched.asked_since, watched.looks), (NOW, 3));
    }

    #[test]
    fn a_pause_of_ours_and_a_jump_of_the_stores_clock_begin_it_anew() {
        for second in [3600, -3600] {
            let watched = looks(&mut Memory::new(false), &[0, 10, second]);
            let since = NOW.plus(Span::secs(second));
            assert_eq!((watched.asked_since, watched.looks), (since, 1));
        }
    }

    #[test]
    fn so_does_a_look_that_was_not_answered() {
        let mut memory = Memory::new(false);
        looks(&mut memory, &[0, 10]);
        memory.lose_sight();
        assert_eq!(looks(&mut memory, &[20]).looks, 1);
    }

    #[test]
    fn another_question_is_watched_from_when_it_is_seen() {
        let mut memory = Memory::new(false);
        looks(&mut memory, &[0, 10]);
        let mut row = worker();
        row.suspicion = Some(Suspicion { beat: 8, ..ASKED });
        let now = NOW.plus(Span::secs(20));
        let watched = memory.watch(&[row.clone()], now, GAP)[&row.id];
        assert_eq!((watched.asked_since, watched.looks), (now, 1));
    }
}
