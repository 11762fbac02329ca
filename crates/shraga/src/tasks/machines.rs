//! Machines as verbs see them: one by its name, what it costs, and its state in words: since when, why,
//! and what happens next.

use shraga_core::machine::{
    Machine, ProviderKind, Record, Serves, Stage, Trouble, TroubleClass, spending,
};
use shraga_core::model::Worker;
use shraga_core::plan::machines::Group;
use shraga_core::time::{Span, Timestamp};
use shraga_core::usage::dollars;

use crate::config::Config;
use crate::display::clean::one_line;
use crate::display::time::{age, rfc3339};
use crate::exit::{Exit, Failure};
use crate::roles::machines::{delete_after_stopped, dev_box, price};

/// The machines among workers, by name; those that are gone last.
#[must_use]
pub fn of(workers: &[Worker]) -> Vec<Machine> {
    let mut machines: Vec<Machine> = workers.iter().filter_map(Machine::of).collect();
    machines.sort_by_key(|it| (it.record.stage == Stage::Gone, it.record.name.clone()));
    machines
}

/// The machine that `text` means: its name, its worker's identity, or the start of one.
///
/// # Errors
/// There is none, or more than one.
pub fn find(workers: &[Worker], text: &str) -> Result<Machine, Failure> {
    let wanted = text.trim().to_lowercase();
    let names = |machine: &Machine| {
        let id = machine.worker.to_string();
        [machine.record.name.as_str().to_lowercase(), id]
    };
    let machines = of(workers);
    let exact = machines.iter().filter(|it| names(it).contains(&wanted));
    let mut found: Vec<&Machine> = exact.collect();
    if found.is_empty() && !wanted.is_empty() {
        let begins = |it: &&Machine| names(it).iter().any(|name| name.starts_with(&wanted));
        found = machines.iter().filter(begins).collect();
    }
    match found.as_slice() {
        [machine] => Ok((*machine).clone()),
        [] => Err(Failure::new(
            Exit::NotFound,
            format!("there is no machine `{}`", one_line(text)),
        )
        .hint("`shraga machines --all` lists them; with a person's token only her own")),
        several => {
            let names = several.iter().map(|it| it.record.name.to_string());
            let names: Vec<String> = names.collect();
            let text = one_line(text);
            let message = format!("`{text}` means several machines: {}", names.join(", "));
            Err(Failure::new(Exit::Usage, message).hint("give more of the name"))
        }
    }
}

/// What a machine has cost until now, in millionths of a dollar; `None` when its price isn't known.
#[must_use]
pub fn cost(config: &Config, record: &Record, now: Timestamp) -> Option<u64> {
    let price = price(config, record.provider)?;
    spending::cost(price, record.ran(now))
}

/// The same for people.
#[must_use]
pub fn cost_words(config: &Config, record: &Record, now: Timestamp) -> String {
    match cost(config, record, now) {
        Some(micros) => dollars(micros),
        None => "unknown".to_owned(),
    }
}

/// What a stage means.
#[must_use]
pub const fn meaning(stage: Stage) -> &'static str {
    match stage {
        Stage::Wanted => "there is need for it, and the provider was not asked for it yet",
        Stage::Creating => "the provider is making it",
        Stage::Starting => "it starts; its worker has not checked in yet",
        Stage::Up => "its worker has checked in",
        Stage::Cordoned => "it is given nothing new",
        Stage::Stopping => "the provider is stopping it",
        Stage::Asleep => "it is stopped, and is started when there is work for it",
        Stage::Deleting => "the provider is deleting it",
        Stage::Gone => "there is none any more",
        Stage::Failed => "it can't be used, and fills no place",
    }
}

/// What is in the way, and when it is tried again.
#[must_use]
pub fn trouble(trouble: &Trouble, now: Timestamp) -> String {
    let said = one_line(&trouble.said);
    match trouble.again {
        Some(at) if at > now => format!("{said}; again in {}", at.since(now)),
        Some(_) => format!("{said}; again now"),
        None => said,
    }
}

/// What somebody can do about it.
#[must_use]
pub const fn advice(class: TroubleClass) -> Option<&'static str> {
    match class {
        TroubleClass::SignIn => Some("sign in again, or correct the orchestrator's credentials"),
        TroubleClass::Denied => Some(
            "give the orchestrator's identity rights in the Dev Center's project, or approve of it",
        ),
        TroubleClass::Misconfigured | TroubleClass::Unconfigured => {
            Some("correct `[provision]`: endpoint, project and pool; `shraga doctor` checks them")
        }
        TroubleClass::Capacity => {
            Some("stop or delete a machine, or raise `provision.total` or the provider's quota")
        }
        TroubleClass::Invalid | TroubleClass::Failed => {
            Some("read what the provider says; `shraga machines start NAME` tries it again")
        }
        TroubleClass::Transient | TroubleClass::Throttled | TroubleClass::Malformed => None,
    }
}

/// What happens next to a machine, as far as its row and our settings tell.
#[must_use]
pub fn next(config: &Config, machine: &Machine, held: Option<usize>, now: Timestamp) -> String {
    let record = &machine.record;
    if let Some(wish) = record.wish {
        return format!("an admin wishes: {wish}, once it holds nothing");
    }
    let again = record.trouble.as_ref().and_then(|trouble| trouble.again);
    if let Some(at) = again.filter(|at| *at > now) {
        return format!("it is tried again in {}", at.since(now));
    }
    let group = dev_box(config, None);
    match record.stage {
        Stage::Wanted => "it is asked for as soon as limits and the provider allow it".to_owned(),
        Stage::Creating | Stage::Starting => coming(&group, record, now),
        Stage::Up => idle(&group, record, held, now),
        Stage::Cordoned => "it is stopped, unless a task comes or it still holds one".to_owned(),
        Stage::Stopping => "it is stopped when the provider says so".to_owned(),
        Stage::Asleep => {
            let kept = match record.provider {
                ProviderKind::DevBox => group.delete_after_stopped,
                ProviderKind::Process => delete_after_stopped(config),
            };
            match kept {
                Some(kept) => {
                    let left = record.since.plus(kept).since(now).max(Span::ZERO);
                    format!("it is deleted in {left}, unless there is work for it before")
                }
                None => "it is kept, and started when there is work for it".to_owned(),
            }
        }
        Stage::Deleting => "its place is free when the provider has none of its name".to_owned(),
        Stage::Gone => "another is made when there is need for it".to_owned(),
        Stage::Failed => failed(&group, record, now),
    }
}

fn failed(group: &Group, record: &Record, now: Timestamp) -> String {
    let (kept, what) = match record.ready_on {
        None => (Some(group.failure_expires), "its failure expires"),
        Some(_) => (group.delete_after_failed, "it is deleted"),
    };
    let tries = "`shraga machines start` tries it again";
    match kept {
        Some(kept) => {
            let left = record.since.plus(kept).since(now).max(Span::ZERO);
            format!("{what} in {left}; {tries}")
        }
        None => format!("it stays until an admin deletes it; {tries}"),
    }
}

fn coming(group: &Group, record: &Record, now: Timestamp) -> String {
    match record.provider {
        ProviderKind::Process => "its worker should check in within seconds".to_owned(),
        ProviderKind::DevBox => {
            let usual = match record.stage == Stage::Creating {
                true => "20 to 30 minutes are usual",
                false => "2 minutes are usual",
            };
            let until = record.since.plus(group.give_up_after);
            let left = until.since(now).max(Span::ZERO);
            format!("{usual}; it is given up in {left}")
        }
    }
}

fn idle(group: &Group, record: &Record, held: Option<usize>, now: Timestamp) -> String {
    match (record.provider, held, group.idle_stop) {
        (_, Some(1..), _) => "it works; it is never stopped while it holds a task".to_owned(),
        (ProviderKind::Process, ..) => {
            "it is stopped when it has long had nothing to do".to_owned()
        }
        (ProviderKind::DevBox, _, None) => "it runs until somebody stops it".to_owned(),
        (ProviderKind::DevBox, _, Some(idle_stop)) => {
            let at = record.idle_since().plus(idle_stop);
            match at > now {
                true => format!("it is stopped in {} if no task comes", at.since(now)),
                false => "it is stopped unless there is work for it".to_owned(),
            }
        }
    }
}

/// One line of a person's machine, for `why` of her task.
#[must_use]
pub fn line(machine: &Machine, now: Timestamp) -> String {
    let record = &machine.record;
    let since = age(record.since, now);
    let mut line = format!(
        "{} is {} for {since}: {}",
        record.name,
        record.stage,
        meaning(record.stage)
    );
    if let Some(said) = &record.trouble {
        let (class, since) = (said.class, age(said.since, now));
        let said = format!("; {class} for {since}: {}", trouble(said, now));
        line.push_str(&said);
    }
    line
}

/// Whom a machine serves, as short as tells people apart.
#[must_use]
pub fn whom(serves: Serves) -> String {
    match serves {
        Serves::Everyone => "everyone".to_owned(),
        Serves::Person(user) => user.short(),
    }
}

/// As JSON.
#[must_use]
pub fn object(
    config: &Config,
    machine: &Machine,
    held: Option<usize>,
    now: Timestamp,
) -> serde_json::Value {
    let record = &machine.record;
    let person = match record.serves {
        Serves::Person(user) => Some(user.to_string()),
        Serves::Everyone => None,
    };
    let trouble = record.trouble.as_ref().map(|it| {
        serde_json::json!({
            "class": it.class.as_str(),
            "said": it.said,
            "since": rfc3339(it.since),
            "again": it.again.map(rfc3339),
        })
    });
    serde_json::json!({
        "name": record.name.as_str(),
        "provider": record.provider.as_str(),
        "worker": machine.worker.to_string(),
        "person": person,
        "stage": record.stage.as_str(),
        "since": rfc3339(record.since),
        "holds": held,
        "slots": machine.slots,
        "ready_on": record.ready_on.map(rfc3339),
        "used_until": record.used_until.map(rfc3339),
        "ran_seconds": record.ran(now).as_secs(),
        "cost_micros": cost(config, record, now),
        "wish": record.wish.map(|wish| wish.as_str()),
        "trouble": trouble,
        "advice": record.advice,
        "delayed_until": record.delayed.map(|delayed| rfc3339(delayed.until)),
        "link": record.link,
        "next": next(config, machine, held, now),
    })
}
