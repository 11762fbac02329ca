//! Whose a machine's time is, and what it costs.
//!
//! A machine is paid for while it runs, at the price of an hour. An attempt has one of its slots for as
//! long as its agents run, so that of a machine with four slots it uses a quarter. What no attempt used is
//! idle: unused slots, the way up and down, checkouts, waiting for work. It is nobody's, and is never
//! spread over tasks. So what a task costs depends on nothing but the task and the machine.

use super::Record;
use crate::time::{Span, Timestamp};

/// An hour in milliseconds: prices are per hour.
const HOUR_MS: u64 = 3_600_000;

/// What this much time of a machine costs at `price` an hour, both in millionths of a dollar, rounded
/// down; `None` where that is more than can be counted.
#[must_use]
pub fn cost(price: u64, time: Span) -> Option<u64> {
    let ms = u64::try_from(time.as_millis()).unwrap_or(0);
    let micros = u128::from(price) * u128::from(ms) / u128::from(HOUR_MS);
    u64::try_from(micros).ok()
}

/// How much of the time of a machine with so many slots an attempt used whose agents ran this long.
#[must_use]
pub fn share(ran: Span, slots: u32) -> Span {
    Span::millis(ran.as_millis().max(0) / i64::from(slots.max(1)))
}

/// How a machine's time was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// How long it ran, over all machines of its name.
    pub ran: Span,
    /// What of it tasks used. It may be a little more than it ran: clocks differ, and slots change.
    pub tasks: Span,
}

impl Used {
    /// Of a machine with so many slots, on which the agents of tasks ran this long.
    #[must_use]
    pub fn of(
        record: &Record,
        slots: u32,
        agents: impl IntoIterator<Item = Span>,
        now: Timestamp,
    ) -> Self {
        let tasks = agents.into_iter().map(|ran| share(ran, slots));
        Self {
            ran: record.ran(now),
            tasks: tasks.fold(Span::ZERO, Span::plus),
        }
    }

    /// What no task used.
    #[must_use]
    pub fn idle(self) -> Span {
        let left = self.ran.as_millis().saturating_sub(self.tasks.as_millis());
        Span::millis(left.max(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::ids::UserId;
    use crate::machine::{MachineName, ProviderKind, Serves};

    const NOW: Timestamp = Timestamp::from_secs(100_000);

    /// A machine that ran this long before and runs since `up_since`.
    fn record(before: Span, up_since: Option<Timestamp>) -> Record {
        let serves = Serves::Person(UserId::new(Uuid::from_u128(1)));
        let name = MachineName::of("box", UserId::new(Uuid::nil()), serves, 1);
        Record {
            up: before,
            up_since,
            ..Record::wanted(ProviderKind::DevBox, name, serves, NOW)
        }
    }

    #[test]
    fn time_is_paid_by_the_hour_and_rounded_down() {
        assert_eq!(cost(1_500_000, Span::mins(20)), Some(500_000));
        assert_eq!(cost(1, Span::mins(59)), Some(0));
        assert_eq!(cost(1_000_000, Span::millis(-5)), Some(0));
        assert_eq!(cost(u64::MAX, Span::mins(120)), None);
    }

    #[test]
    fn an_attempt_uses_one_slot_and_idle_time_is_nobodys() {
        let record = record(Span::mins(30), Some(NOW.minus(Span::mins(30))));
        let agents = [Span::mins(20), Span::mins(40)];
        let used = Used::of(&record, 2, agents, NOW);
        assert_eq!((used.ran, used.tasks), (Span::mins(60), Span::mins(30)));
        assert_eq!(used.idle(), Span::mins(30));
        let alone = Used::of(&record, 1, agents, NOW);
        assert_eq!(alone.idle(), Span::ZERO, "it was never idle");
        assert_eq!(Used::of(&record, 0, [], NOW).idle(), Span::mins(60));
    }

    proptest! {
        #[test]
        fn no_time_is_counted_twice_and_none_is_lost(
            ran in 0..10_000_000_i64,
            slots in 1..9_u32,
            agents in prop::collection::vec(0..1_000_000_i64, 0..20),
            price in 0..100_000_000_u64,
        ) {
            let record = record(Span::millis(ran), None);
            let spans = agents.iter().map(|ms| Span::millis(*ms));
            let used = Used::of(&record, slots, spans.clone(), NOW);
            let whole = used.tasks.plus(used.idle());
            prop_assert!(whole >= used.ran);
            prop_assert!(used.tasks > used.ran || whole == used.ran);
            // What tasks are charged is never more than the time they used costs.
            let each = spans.map(|ran| cost(price, share(ran, slots)).unwrap()).sum::<u64>();
            prop_assert!(each <= cost(price, used.tasks).unwrap());
        }
    }
}
