//! Asking core for plans, without letting a panic of one loop end the others.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shraga_core::plan::{self, Plan, Policy, Snapshot};
use shraga_core::time::Timestamp;
use uuid::Uuid;

use crate::wiring::PerLoop;

/// A loop's own planning function.
type Planner = fn(&Snapshot, &Policy, Timestamp) -> Plan;

/// Every loop's planning function.
const PLANNERS: PerLoop<Planner> = PerLoop {
    repair: plan::repair::plan,
    health: plan::health::plan,
    sync: plan::sync::plan,
    mirror: plan::mirror::plan,
    assign: plan::assign::plan,
};

/// The plans of all loops, in order, and the panics of those that have none.
pub(crate) fn consult(
    snapshot: &Snapshot,
    policy: &Policy,
    now: Timestamp,
) -> (Vec<Plan>, PerLoop<Option<String>>) {
    // Planning is pure: after a panic there is no state that could be half changed.
    match catch_unwind(AssertUnwindSafe(|| plan::all(snapshot, policy, now))) {
        Ok(plans) => (plans, PerLoop::default()),
        Err(_) => one_by_one(PLANNERS, snapshot, policy, now),
    }
}

/// Each loop by itself: what the others plan stands, and no row is written by two of them.
fn one_by_one(
    planners: PerLoop<Planner>,
    snapshot: &Snapshot,
    policy: &Policy,
    now: Timestamp,
) -> (Vec<Plan>, PerLoop<Option<String>>) {
    let mut plans = Vec::new();
    let mut written: HashSet<Uuid> = HashSet::new();
    let panics = planners.map(|planner| {
        match catch_unwind(AssertUnwindSafe(|| planner(snapshot, policy, now))) {
            Ok(mut plan) => {
                plan.sets.retain(|set| {
                    let free = set.writes.iter().all(|write| !written.contains(&write.id));
                    written.extend(set.writes.iter().filter(|_| free).map(|write| write.id));
                    free
                });
                plans.push(plan);
                None
            }
            Err(panic) => Some(message(panic.as_ref())),
        }
    });
    (plans, panics)
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use shraga_core::plan::Loop;

    use super::*;

    fn broken(_: &Snapshot, _: &Policy, _: Timestamp) -> Plan {
        panic!("sync is broken");
    }

    #[test]
    fn a_panic_in_one_loop_leaves_the_plans_of_the_others() {
        let planners = PerLoop {
            sync: broken as Planner,
            ..PLANNERS
        };
        let snapshot = Snapshot::default();
        let (plans, panics) = one_by_one(
            planners,
            &snapshot,
            &Policy::default(),
            Timestamp::default(),
        );
        assert_eq!(panics.sync.as_deref(), Some("sync is broken"));
        let by: Vec<Loop> = plans.iter().map(|plan| plan.by).collect();
        assert_eq!(by, [Loop::Repair, Loop::Health, Loop::Mirror, Loop::Assign]);
    }
}
