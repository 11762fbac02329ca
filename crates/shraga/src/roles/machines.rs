//! What the settings say about machines: the policy for the Dev Center, and what an hour costs.

use shraga_core::machine::ProviderKind;
use shraga_core::plan::machines::Group;
use shraga_core::time::Span;

use crate::config::Config;

/// What may be made at the Dev Center, and when; `threshold` as it was checked.
#[must_use]
pub fn dev_box(config: &Config, threshold: Option<u32>) -> Group {
    let provision = &config.provision;
    let minutes = |minutes: u32| Span::mins(minutes.into());
    let hours = |hours: u32| Span::mins(i64::from(hours) * 60);
    Group {
        prefix: provision.prefix.0.clone(),
        threshold,
        dwell: minutes(provision.dwell_minutes.0),
        per_person: provision.per_person.0,
        total: provision.total.0,
        per_month: provision.per_month.0,
        idle_stop: provision.idle_stop_minutes.0.map(minutes),
        delete_after_stopped: provision.delete_after_stopped_hours.0.map(hours),
        delete_after_failed: provision.delete_after_failed_hours.0.map(hours),
        hibernate: provision.hibernate,
        delay_stops: provision
            .delay_stops_hours
            .0
            .map(|hours| Span::mins(i64::from(hours) * 60)),
        give_up_after: minutes(provision.give_up_minutes.0),
        slots: config.worker.slots.0,
        ..Group::dev_box()
    }
}

/// How long a worker of this machine that sleeps is kept; `None`: for ever.
#[must_use]
pub fn delete_after_stopped(config: &Config) -> Option<Span> {
    let hours = config.worker.delete_after_stopped_hours.0;
    hours.map(|hours| Span::mins(i64::from(hours) * 60))
}

/// What an hour of a machine costs, in millionths of a dollar; `None` when nobody said.
#[must_use]
pub fn price(config: &Config, provider: ProviderKind) -> Option<u64> {
    match provider {
        ProviderKind::DevBox => config.provision.usd_per_hour.map(|price| price.0),
        // A process on a machine that is there anyway.
        ProviderKind::Process => Some(0),
    }
}

/// The policy in a line, for people.
#[must_use]
pub fn words(group: &Group) -> String {
    let threshold = group.threshold.unwrap_or_default();
    let month = group.per_month.map(|most| format!(", {most} a month"));
    let idle = match group.idle_stop {
        Some(idle) => format!("stopped after {idle} without work"),
        None => "never stopped for idleness".to_owned(),
    };
    let deleted = match group.delete_after_stopped {
        Some(kept) => format!("deleted {kept} later"),
        None => "never deleted".to_owned(),
    };
    format!(
        "a machine after {} with {threshold} open tasks; at most {} a person, {} in all{}; {idle}, {deleted}",
        group.dwell,
        group.per_person,
        group.total,
        month.unwrap_or_default()
    )
}
