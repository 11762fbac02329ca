//! What an update does next, whatever an earlier one left.

use std::cmp::Ordering;

use super::*;

fn release(version: &str, commit: char) -> Release {
    Release::new(version, &commit.to_string().repeat(40)).unwrap()
}

fn newer(release: &Release) -> Wanted {
    Wanted {
        release: release.clone(),
        order: Ordering::Greater,
        named: false,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// What is begun, or the test fails.
fn going(next: Next) -> UnderWay {
    match next {
        Next::Go(going) => going,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_release_is_the_name_of_its_folder_and_nothing_else_is() {
    let one = release("1.2.0-rc.1+x", 'a');
    assert_eq!(one.to_string(), "1.2.0-rc.1+x-aaaaaaaaaaaa");
    assert_eq!(one.to_string().parse(), Ok(one));
    let bad = [
        "",
        "1.0",
        "-aaaaaaaaaaaa",
        ".-aaaaaaaaaaaa",
        "../x-aaaaaaaaaaaa",
        "1.0-AAAAAAAAAAAA",
        "1.0-aaaaaaaaaaaaa",
        "1.0-aaa",
    ];
    for text in bad {
        assert_eq!(text.parse::<Release>(), Err(NoRelease), "{text:?}");
    }
    assert_eq!(Release::new("1.0", "é".repeat(40).as_str()), Err(NoRelease));
}

#[test]
fn a_newer_version_begins_and_what_is_installed_does_not() {
    let (old, new) = (release("1.0.0", 'a'), release("1.1.0", 'b'));
    let record = Record::default();
    let going = going(record.next(Some(&old), &newer(&new), at(5)));
    assert_eq!((going.step, going.tries), (Step::Stage, 1));
    assert_eq!((going.from, going.since), (Some(old), at(5)));
    let next = record.next(Some(&new), &newer(&new), at(5));
    assert_eq!(next, Next::Nothing);
}

#[test]
fn what_is_not_newer_is_taken_only_by_name() {
    let (old, new) = (release("1.0.0", 'a'), release("1.1.0", 'b'));
    let record = Record::default();
    for order in [Ordering::Less, Ordering::Equal] {
        let mut wanted = newer(&old);
        wanted.order = order;
        assert_eq!(record.next(Some(&new), &wanted, at(5)), Next::NotNewer);
        wanted.named = true;
        assert_eq!(going(record.next(Some(&new), &wanted, at(5))).to, old);
    }
}

#[test]
fn a_version_that_failed_waits_for_another_commit_or_its_name() {
    let (bad, mended) = (release("1.1.0", 'b'), release("1.1.0", 'c'));
    let mut record = Record::default();
    record.begin(going(record.next(None, &newer(&bad), at(5))));
    record.came_to(Step::Build);
    let failure = record.failure("it does not compile", at(6)).unwrap();
    record.remember(failure.clone());
    assert_eq!(failure.step, Some(Step::Build));
    let again = record.next(None, &newer(&bad), at(7));
    assert_eq!(again, Next::FailedBefore(failure));
    assert_eq!(
        going(record.next(None, &newer(&mended), at(7))).step,
        Step::Stage
    );

    let mut named = newer(&bad);
    named.named = true;
    record.begin(going(record.next(None, &named, at(8))));
    record.succeeded();
    assert_eq!(record, Record::default(), "a success takes it back");
}

#[test]
fn what_was_cut_short_starts_over_until_it_is_beside_the_others() {
    let new = release("1.1.0", 'b');
    for (left_at, goes_on_at) in [
        (Step::Stage, Step::Stage),
        (Step::Build, Step::Stage),
        (Step::Test, Step::Stage),
        (Step::Install, Step::Stage),
        (Step::Swap, Step::Swap),
    ] {
        let mut record = Record::default();
        record.begin(going(record.next(None, &newer(&new), at(5))));
        record.came_to(left_at);
        let again = going(record.next(None, &newer(&new), at(9)));
        assert_eq!((again.step, again.tries), (goes_on_at, 2));
    }
}

#[test]
fn what_is_cut_short_again_and_again_is_given_up_and_stays_so() {
    let new = release("1.1.0", 'b');
    let mut record = Record::default();
    for _ in 0..MAX_TRIES {
        record.begin(going(record.next(None, &newer(&new), at(5))));
        record.came_to(Step::Build);
    }
    let Next::GivenUp(failed) = record.next(None, &newer(&new), at(6)) else {
        panic!("it goes on for ever");
    };
    record.remember(failed.clone());
    let next = record.next(None, &newer(&new), at(7));
    assert_eq!(next, Next::FailedBefore(failed));
}

#[test]
fn what_a_person_went_back_from_stays_away_and_the_list_stays_short() {
    let mut record = Record::default();
    let gone = release("1.1.0", 'b');
    record.went_back(&gone, at(5));
    let next = record.next(None, &newer(&gone), at(6));
    assert!(matches!(next, Next::FailedBefore(failed) if failed.step.is_none()));
    for minor in 0..50 {
        record.went_back(&release(&format!("2.{minor}.0"), 'c'), at(7));
    }
    assert_eq!(record.failed.len(), MAX_FAILED);
    assert_eq!(record.failed.last().unwrap().release.version(), "2.49.0");
}

#[test]
fn pruning_takes_the_oldest_and_never_what_is_held() {
    let all: Vec<_> = ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]
        .iter()
        .map(|version| release(version, 'a'))
        .collect();
    let held = [all[0].clone(), all[3].clone()];
    assert_eq!(to_prune(&all, &held, 1), [all[1].clone()]);
    assert_eq!(to_prune(&all, &held, 2), []);
    assert_eq!(to_prune(&[], &held, 0), []);
}
