//! Who may assign, and when the lease is written.

use shraga_core::ids::{Etag, UserId};

use super::*;
use uuid::Uuid;

const NOON: Timestamp = Timestamp::from_secs(1_700_000_000);

fn side(n: u128) -> Courtesy {
    Courtesy::new(
        BootId::new(Uuid::from_u128(n)),
        &format!("orchestrator {n}"),
    )
}

fn row(holder: u128, seconds_ago: i64) -> Worker {
    Worker {
        id: ROW,
        etag: Etag::new("W/\"7\""),
        owner: UserId::new(Uuid::from_u128(1)),
        name: format!("orchestrator {holder}"),
        kind: WorkerKind::Orchestrator,
        state: WorkerState::Ready,
        pool: Pool::Shared,
        slots: 0,
        labels: Vec::new(),
        agents: Vec::new(),
        boot: Some(BootId::new(Uuid::from_u128(holder))),
        beat: 0,
        last_seen: Some(NOON.minus(Span::secs(seconds_ago))),
        last_assigned: None,
        drained: None,
        member: Default::default(),
        suspicion: None,
        echo: None,
        machine: None,
    }
}

#[test]
fn the_first_orchestrator_creates_the_row_and_only_if_it_is_absent() {
    let claim = side(1).claim(None, NOON).unwrap();
    assert_eq!(claim.writes[0].condition, Condition::Absent);
}

#[test]
fn a_holder_renews_once_half_of_it_is_over_and_not_before() {
    assert_eq!(side(1).claim(Some(&row(1, 14)), NOON), None);
    assert!(side(1).claim(Some(&row(1, 15)), NOON).is_some());
}

#[test]
fn another_waits_until_the_lease_has_run_out() {
    let others = row(1, 29);
    assert_eq!(side(2).claim(Some(&others), NOON), None);
    assert_eq!(
        side(2).view(Some(&others), NOON),
        LeaseView::Other("orchestrator 1".to_owned())
    );
    assert_eq!(side(2).view(Some(&row(1, 30)), NOON), LeaseView::Free);
    assert!(side(2).claim(Some(&row(1, 30)), NOON).is_some());
}

#[test]
fn only_the_holder_gives_it_back() {
    assert!(side(1).release(&row(1, 3), NOON).is_some());
    assert_eq!(side(2).release(&row(1, 3), NOON), None);
}
