//! What the soak says: a line now and then, and the table at its end.

use std::collections::BTreeMap;

use shraga_core::status::EventKind;
use tokio::sync::watch;

use crate::chain;
use crate::clock::{self, Moment};
use crate::judge::{Evidence, Verdict};
use crate::place::Times;
use crate::torment::Story;
use crate::watch::Task;

/// Seconds between two lines of progress.
const TELL_EVERY: f64 = 15.0;

/// A line now and then.
pub(crate) async fn progress(begun: Moment, rows: watch::Receiver<Vec<Task>>, story: Story) {
    loop {
        clock::pause(TELL_EVERY).await;
        let counted = counted(&rows.borrow());
        let (troubles, broken) = (story.troubles().len(), story.all_broken().len());
        println!(
            "soak: {} {counted}; {troubles} faults, {broken} complaints",
            clock::since(begun, clock::now())
        );
    }
}

fn counted(rows: &[Task]) -> String {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.is_mirror()) {
        *counts.entry(row.status_name()).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(status, n)| format!("{n} {status}"))
        .collect();
    counts.join(", ")
}

/// The end of it, for people.
pub(crate) fn table(
    evidence: &Evidence,
    verdicts: &[Verdict],
    answered: u32,
    calm: f64,
    bytes: u64,
) {
    println!("\nsoak: what was done");
    let mut faults: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for trouble in &evidence.troubles {
        let who = if trouble.who.starts_with('w') {
            "workers"
        } else {
            trouble.who.as_str()
        };
        *faults.entry((who, trouble.what.name())).or_default() += 1;
    }
    for ((who, what), count) in faults {
        println!("  {count:>4} x {who} {what}");
    }
    println!("soak: what came of it");
    let events = &evidence.events;
    let runs: usize = evidence.runs.values().map(Vec::len).sum();
    let unfinished = evidence
        .runs
        .values()
        .flatten()
        .filter(|run| run.ended.is_none())
        .count();
    for (what, count) in [
        ("tasks acknowledged", evidence.filed.tasks.len()),
        (
            "filings whose answer was lost",
            evidence.filed.doubtful.len(),
        ),
        ("runs of agents", runs),
        ("runs that did not reach their end", unfinished),
        (
            "attempts put back",
            chain::count(events, EventKind::TaskReassigned),
        ),
        (
            "attempts taken from workers that counted as dead",
            chain::fences(events).len(),
        ),
        (
            "candidates kept",
            chain::count(events, EventKind::Candidate),
        ),
        ("questions asked", chain::count(events, EventKind::Question)),
        ("questions answered", answered as usize),
        ("requests to cancel", evidence.filed.canceled.len()),
    ] {
        println!("  {count:>5} {what}");
    }
    println!(
        "  {calm:>5.0} s from the last fault to the last end; {} MB on disk",
        bytes / 1_000_000
    );
    println!("soak: the promises");
    for verdict in verdicts {
        let held = if verdict.broken.is_empty() {
            "held"
        } else {
            "BROKEN"
        };
        println!("  {held:<7} {}: {}", verdict.promise, verdict.looked_at);
        for broken in &verdict.broken {
            println!("    - {broken}");
        }
    }
    let confirm = Times::CONFIRM;
    println!(
        "soak: workers count as dead {confirm} s after a suspicion; they beat every {} s",
        Times::BEAT
    );
}
