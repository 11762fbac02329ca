//! Names, and what a stage means for work.

use uuid::Uuid;

use super::*;

const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

fn user(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

#[test]
fn a_name_tells_whose_machine_it_is_and_which() {
    let (admin, ann) = (user(1), Serves::Person(user(2)));
    let name = MachineName::of("shraga", admin, ann, 12);
    assert_eq!(name.as_str().parse(), Ok(name.clone()));
    assert!(name.has_prefix("shraga") && !name.has_prefix("shra"));
    assert_eq!(
        name.number(&MachineName::stem("shraga", admin, ann)),
        Some(12)
    );
    let pool = MachineName::of("shraga", admin, Serves::Everyone, 1);
    assert_eq!(pool.as_str(), "shraga-pool-1");
}

#[test]
fn another_installation_gives_the_same_person_other_names() {
    let ann = Serves::Person(user(2));
    let ours = MachineName::of("shraga", user(1), ann, 1);
    assert_eq!(
        ours.number(&MachineName::stem("shraga", user(9), ann)),
        None
    );
}

#[test]
fn numbers_have_one_spelling() {
    let stem = "shraga-pool-";
    for text in [
        "shraga-pool-01",
        "shraga-pool-0",
        "shraga-pool-+1",
        "shraga-pool-x",
    ] {
        let name: Option<MachineName> = text.parse().ok();
        assert_eq!(name.and_then(|name| name.number(stem)), None, "{text}");
    }
}

#[test]
fn the_longest_prefix_still_makes_a_name_that_the_dev_center_takes() {
    let prefix = "p".repeat(PREFIX_CHARS);
    assert!(is_prefix(&prefix) && !is_prefix(&format!("{prefix}p")) && !is_prefix("-p"));
    let name = MachineName::of(&prefix, user(1), Serves::Person(user(2)), u32::MAX);
    assert!(name.as_str().parse::<MachineName>().is_ok());
    for wrong in ["ab", "-abc", "a/../b", &"x".repeat(64)] {
        assert!(wrong.parse::<MachineName>().is_err(), "{wrong}");
    }
}

#[test]
fn the_time_a_machine_ran_goes_on_while_it_runs() {
    let name = MachineName::of("p", user(1), Serves::Everyone, 1);
    let mut record = Record::wanted(ProviderKind::Process, name, Serves::Everyone, NOON);
    record.up = Span::mins(2);
    assert_eq!(record.ran(NOON), Span::mins(2));
    record.up_since = Some(NOON);
    assert_eq!(record.ran(NOON.plus(Span::mins(3))), Span::mins(5));
    assert_eq!(record.ran(NOON.minus(Span::mins(3))), Span::mins(2));
}

#[test]
fn nothing_is_given_to_a_machine_that_is_about_to_stop() {
    for stage in Stage::ALL {
        let stops = matches!(
            stage,
            Stage::Cordoned | Stage::Stopping | Stage::Asleep | Stage::Deleting
        );
        assert!(!(stops && stage.takes_work()), "{stage}");
    }
}
