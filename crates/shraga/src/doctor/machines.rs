//! Machines that are not as they should be: what is in their way and since when, as their rows tell it.
//! Nothing is asked of a provider.

use std::collections::BTreeSet;

use shraga_core::machine::{Machine, ProviderKind, Stage};
use shraga_core::time::{Span, Timestamp};

use super::{Case, Finding, Reached};
use crate::display::clean::one_line;
use crate::display::time::age;
use crate::roles::orchestrator;
use crate::tasks::{machines, workers};

const CHECK: &str = "machines";

/// How long making, starting, stopping or deleting may take before it is named: as the orchestrator's.
const STUCK: Span = Span::mins(15);

pub(super) async fn check(case: &Case<'_>, store: &Reached) -> Vec<Finding> {
    // Whatever keeps them from being read, another check names.
    let Ok((workers, now)) = workers::all(&store.client).await else {
        return Vec::new();
    };
    let machines = machines::of(&workers);
    let mut bad: Vec<Finding> = machines.iter().filter_map(|it| finding(it, now)).collect();
    bad.extend(advice(&machines));
    if orchestrator::dev_box(case.config).check().is_err() {
        bad.extend(unattended(&machines));
    }
    match machines.len() {
        0 => Vec::new(),
        many if bad.is_empty() => vec![Finding::ok(CHECK, format!("{many}, none in trouble"))],
        _ => bad,
    }
}

/// What somebody should change at a provider, once, whoever's machines it is bad for.
fn advice(machines: &[Machine]) -> Vec<Finding> {
    let there = machines.iter().filter(|it| it.record.stage != Stage::Gone);
    let advice: BTreeSet<&String> = there.filter_map(|it| it.record.advice.as_ref()).collect();
    let fix = "change it there; until then workers may be stopped in the middle of their work";
    let told = advice.into_iter();
    told.map(|advice| Finding::warning(CHECK, one_line(advice), fix))
        .collect()
}

/// Dev Boxes that were made with other settings than these, by which none are looked after.
fn unattended(machines: &[Machine]) -> Option<Finding> {
    let there = machines.iter().filter(|it| {
        let record = &it.record;
        let made = !matches!(record.stage, Stage::Wanted | Stage::Gone);
        record.provider == ProviderKind::DevBox && made
    });
    let names: Vec<&str> = there.map(|it| it.record.name.as_str()).collect();
    let (count, boxes) = match names.len() {
        0 => return None,
        1 => (1, "Dev Box is"),
        many => (many, "Dev Boxes are"),
    };
    let what = format!(
        "{count} {boxes} there ({}), and these settings look after none: an orchestrator that runs with them \
         neither stops nor deletes what costs",
        names.join(", ")
    );
    let fix = "set `[provision]` as it was until `shraga machines delete NAME` has removed each, or delete them in the \
               Dev Center; nothing where the orchestrator runs with other settings than these";
    Some(Finding::warning(CHECK, what, fix))
}

/// What is wrong with a machine, if something is.
fn finding(machine: &Machine, now: Timestamp) -> Option<Finding> {
    let record = &machine.record;
    let (name, stage) = (&record.name, record.stage);
    if stage == Stage::Gone {
        return None;
    }
    if let Some(trouble) = &record.trouble {
        let what = format!(
            "{name} is {stage}; {} for {}: {}",
            trouble.class,
            age(trouble.since, now),
            machines::trouble(trouble, now)
        );
        let advice = machines::advice(trouble.class);
        let fix = advice.unwrap_or("nothing: it is tried again by itself; all else goes on");
        return Some(Finding::warning(CHECK, what, fix));
    }
    let long = stage.is_under_way() && record.since.plus(STUCK) <= now;
    long.then(|| {
        let what = format!("{name} has been {stage} for {}", age(record.since, now));
        let fix = format!("`shraga machines why {name}` tells when it is given up");
        Finding::warning(CHECK, what, fix)
    })
}

#[cfg(test)]
mod tests {
    use shraga_core::ids::{Etag, UserId, WorkerId};
    use shraga_core::machine::{MachineName, ProviderKind, Record, Serves, Trouble, TroubleClass};
    use shraga_core::status::WorkerState;
    use uuid::Uuid;

    use super::*;
    use crate::doctor::Severity;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn machine(stage: Stage, trouble: Option<Trouble>) -> Machine {
        let admin = UserId::new(Uuid::from_u128(1));
        let name = MachineName::of("box", admin, Serves::Everyone, 1);
        let wanted = Record::wanted(ProviderKind::DevBox, name, Serves::Everyone, START);
        Machine {
            worker: WorkerId::new(Uuid::from_u128(2)),
            etag: Etag::new("1"),
            record: Record {
                trouble,
                ..wanted.at(stage, START)
            },
            owner: admin,
            state: WorkerState::Provisioning,
            slots: 1,
            boot: None,
            last_seen: None,
            drained: false,
        }
    }

    #[test]
    fn boxes_that_these_settings_look_after_no_more_are_counted_and_named() {
        let there = [
            machine(Stage::Up, None),
            machine(Stage::Gone, None),
            machine(Stage::Wanted, None),
        ];
        let found = unattended(&there).unwrap();
        assert_eq!(found.severity, Severity::Warning);
        let said = format!("{found:?}");
        assert!(said.contains("1 Dev Box is there (box-pool-1)"), "{said}");
        assert!(unattended(&there[1..]).is_none());
    }

    #[test]
    fn trouble_is_told_with_what_was_said_since_when_and_what_to_do() {
        let trouble = Trouble {
            class: TroubleClass::SignIn,
            said: "the token is refused".to_owned(),
            since: START,
            again: None,
        };
        let now = START.plus(Span::mins(7));
        let found = finding(&machine(Stage::Creating, Some(trouble)), now).expect("it is told");
        assert_eq!(found.severity, Severity::Warning);
        assert_eq!(
            found.what,
            "box-pool-1 is creating; sign-in for 7m 0s: the token is refused"
        );
        assert!(
            found
                .fix
                .is_some_and(|fix| fix.starts_with("sign in again"))
        );
    }

    #[test]
    fn what_should_be_changed_at_the_provider_is_told_once() {
        let mut one = machine(Stage::Up, None);
        one.record.advice = Some("switch it off".to_owned());
        let mut gone = one.clone();
        gone.record = gone.record.at(Stage::Gone, START);
        gone.record.advice = Some("an old story".to_owned());
        let told = advice(&[one.clone(), gone, one]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].what, "switch it off");
    }

    #[test]
    fn what_takes_too_long_is_told_and_what_is_well_or_gone_is_not() {
        let late = START.plus(Span::mins(16));
        let stuck = finding(&machine(Stage::Creating, None), late).expect("it is told");
        assert!(
            stuck.what.contains("has been creating for 16m"),
            "{stuck:?}"
        );
        let soon = START.plus(Span::mins(14));
        assert_eq!(finding(&machine(Stage::Creating, None), soon), None);
        for well in [Stage::Up, Stage::Asleep, Stage::Gone] {
            assert_eq!(finding(&machine(well, None), late), None, "{well}");
        }
    }
}
