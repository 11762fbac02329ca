//! Which attempts' folders may go, and whether a worker has room for more.
//!
//! A folder goes only when the store has the attempt's report: as the task's result, as a candidate, or
//! for nothing. Commits that are nowhere else keep it until the retention has passed, whatever the disk
//! says. When the rest can't be kept within the cap, the worker takes nothing new.

use crate::time::{Span, Timestamp};

/// An attempt's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it takes on the disk.
    pub bytes: u64,
    /// When the store had its report (store's time); `None` until then.
    pub accepted: Option<Timestamp>,
    /// Whether it holds commits that are nowhere else.
    pub precious: bool,
}

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// How long after its report a folder stays; for ever when `None`.
    pub retention: Option<Span>,
    /// What all of the worker's folders may take; any amount when `None`.
    pub cap_bytes: Option<u64>,
}

/// What a look at the disk leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Which of the folders go, in this order.
    pub remove: Vec<usize>,
    /// What is left then.
    pub bytes: u64,
    /// Whether that is more than may be taken.
    pub full: bool,
}

impl Keeping {
    /// Decides about `kept`, beside which `other_bytes` are taken by what isn't an attempt's.
    #[must_use]
    pub fn sweep(&self, kept: &[Kept], other_bytes: u64, now: Timestamp) -> Sweep {
        let mut accepted: Vec<(Timestamp, usize)> = kept
            .iter()
            .enumerate()
            .filter_map(|(at, folder)| Some((folder.accepted?, at)))
            .collect();
        accepted.sort_unstable();
        let all: u64 = kept.iter().map(|folder| folder.bytes).sum();
        let mut bytes = all.saturating_add(other_bytes);
        let over = |bytes: u64| self.cap_bytes.is_some_and(|cap| bytes > cap);
        let mut remove = Vec::new();
        for (since, at) in accepted {
            let old = self.retention.is_some_and(|span| now.since(since) >= span);
            let in_the_way = over(bytes) && !kept[at].precious;
            if old || in_the_way {
                bytes = bytes.saturating_sub(kept[at].bytes);
                remove.push(at);
            }
        }
        Sweep {
            remove,
            bytes,
            full: over(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Span = Span::secs(86_400);

    fn day(day: i64) -> Timestamp {
        Timestamp::from_millis(day * 86_400_000)
    }

    fn folder(bytes: u64, accepted: Option<i64>, precious: bool) -> Kept {
        Kept {
            bytes,
            accepted: accepted.map(day),
            precious,
        }
    }

    fn keeping(days: Option<i64>, cap: Option<u64>) -> Keeping {
        Keeping {
            retention: days.map(|days| Span::millis(DAY.as_millis() * days)),
            cap_bytes: cap,
        }
    }

    #[test]
    fn a_folder_goes_when_its_report_was_taken_and_the_retention_has_passed() {
        let kept = [
            folder(1, None, false),
            folder(2, Some(1), true),
            folder(4, Some(5), false),
        ];
        let swept = keeping(Some(7), None).sweep(&kept, 8, day(8));
        assert_eq!(
            (swept.remove, swept.bytes, swept.full),
            (vec![1], 13, false)
        );
        let swept = keeping(None, None).sweep(&kept, 8, day(1_000));
        assert_eq!(swept.remove, Vec::<usize>::new());
    }

    #[test]
    fn over_the_cap_the_oldest_accepted_go_first_and_never_what_is_nowhere_else() {
        let kept = [
            folder(10, None, false),
            folder(10, Some(3), false),
            folder(10, Some(1), true),
            folder(10, Some(2), false),
        ];
        let swept = keeping(Some(7), Some(35)).sweep(&kept, 5, day(4));
        assert_eq!(
            (swept.remove, swept.bytes, swept.full),
            (vec![3], 35, false)
        );
        let swept = keeping(Some(7), Some(20)).sweep(&kept, 5, day(4));
        assert_eq!(
            (swept.remove, swept.bytes, swept.full),
            (vec![3, 1], 25, true)
        );
    }

    proptest! {
        #[test]
        fn whatever_is_kept_nothing_unaccepted_goes_and_nothing_precious_early(
            folders in prop::collection::vec((0..100_u64, prop::option::of(0..20_i64), any::<bool>()), 0..20),
            days in prop::option::of(1..10_i64),
            cap in prop::option::of(0..500_u64),
        ) {
            let kept: Vec<Kept> = folders.iter().map(|(b, a, p)| folder(*b, *a, *p)).collect();
            let swept = keeping(days, cap).sweep(&kept, 0, day(12));
            for at in &swept.remove {
                let accepted = kept[*at].accepted;
                prop_assert!(accepted.is_some());
                let old = days.is_some_and(|days| day(12).since(accepted.unwrap()) >= Span::millis(DAY.as_millis() * days));
                prop_assert!(old || !kept[*at].precious);
                prop_assert!(old || cap.is_some());
            }
            let left: u64 = (0..kept.len()).filter(|at| !swept.remove.contains(at)).map(|at| kept[at].bytes).sum();
            prop_assert_eq!(left, swept.bytes);
            prop_assert_eq!(swept.full, cap.is_some_and(|cap| left > cap));
        }
    }
}
